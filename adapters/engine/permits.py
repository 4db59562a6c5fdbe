"""What else has to hold before an order may be decided or sent; nothing by default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ...domain.planning.facts import Deferred, Outcome, Planned, Refused
from ...domain.reasons import Check, Refusal


class Permit(Protocol):
    """Says why an order of a strategy must not be decided now, None when it may."""

    def why_not(self, strategy: str) -> Refusal | None:
        """The refusal of an order of this strategy."""
        ...

    def renew(self) -> None:
        """Look again at what it goes by; called when a session opens."""
        ...


def permitted(outcome: Outcome, why_not: Callable[[str], Refusal | None]) -> Outcome:
    """The outcome of planning, refused where a permit forbids its strategy."""
    planned = outcome.planned if isinstance(outcome, Deferred) else outcome
    if not isinstance(planned, Planned):
        return outcome
    refusal = why_not(planned.terms.strategy.value)
    if refusal is None:
        return outcome
    check = Check(name=refusal.reason.value, passed=False, note=refusal.message)
    return Refused((refusal,), (*planned.checks, check))
