"""What becomes of a decision that waited, when it is planned again at its release."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ..money import plain
from ..plan import PlanTerms
from ..reasons import Check, NothingReason
from ..reservations import Reservation
from .facts import Deferred, Nothing, Outcome, Planned, Refused

RULE: Final = "released_after_deferral"


@dataclass(frozen=True, slots=True)
class Replanned:
    """The plan that is worked in place of the one it was admitted with; nothing is added to it.

    ``reservation`` takes the place of that plan's; ``price`` is what its quantity was computed at.
    """

    terms: PlanTerms
    checks: tuple[Check, ...]
    reservation: Reservation
    price: Decimal


def at_release(
    outcome: Outcome, admitted: PlanTerms | None
) -> Replanned | Planned | Refused | Nothing | None:
    """What is recorded for an outcome of planning anew; None where no time is left.

    ``admitted`` is the plan whose shares are reserved, None where there is none yet. The plan never
    grows beyond it, and never takes the other side: what is reserved are shares of one side, so a
    position that changed its sign meanwhile leaves nothing to do.
    """
    planned = outcome.planned if isinstance(outcome, Deferred) else outcome
    if not isinstance(planned, Planned) or admitted is None:
        return planned
    terms = planned.terms
    if terms.side is not admitted.side:
        note = (
            f"it was admitted to {admitted.side} {plain(admitted.quantity)} shares, and the "
            f"position has changed its sign: to {terms.side} needs a new decision"
        )
        return Nothing(NothingReason.OPPOSITE_OF_ACTION, note, planned.checks)
    quantity = min(terms.quantity, admitted.quantity)
    return Replanned(
        terms.model_copy(update={"quantity": quantity}),
        planned.checks,
        planned.reservation.of(quantity),
        planned.price,
    )
