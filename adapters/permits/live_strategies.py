"""Live, only strategies trade that two persons have approved in exactly this version."""

from __future__ import annotations

from collections.abc import Callable

from ...domain.decision import ExecutionStrategy
from ...domain.errors import StoreError
from ...domain.plan import StrategyParameters
from ...domain.reasons import Reason, Refusal
from ...domain.supervision.inventory import approval_of, in_use
from .control_tail import ControlTail


class LiveStrategies:
    """A permit for the strategies that are approved with these parameters.

    Looked up at each decision and before each order is sent: an approval is in force from its date
    on, of the calendar on the wall as ``now`` (ns UTC) tells it, until it is withdrawn. Where it
    cannot be read nothing is approved.
    """

    def __init__(
        self, tail: ControlTail, parameters: StrategyParameters, now: Callable[[], int]
    ) -> None:
        self._tail, self._used, self._now = tail, in_use(parameters), now

    def renew(self) -> None:
        """There is nothing to renew: it looks each time."""

    def _approved(self) -> frozenset[ExecutionStrategy]:
        try:
            known, now = self._tail.state().strategies, self._now()
        except StoreError:
            return frozenset()
        return frozenset(
            one.strategy for one in self._used if approval_of(one, known, now) is not None
        )

    def why_not(self, strategy: str) -> Refusal | None:
        """The refusal of a strategy that is not approved."""
        found = {one.value for one in self._approved()}
        if strategy in found:
            return None
        version = next((one.version for one in self._used if one.strategy.value == strategy), 0)
        approved = ", ".join(sorted(found)) or "none"
        observed = f"{strategy} version {version}, not approved with these parameters"
        return Refusal(
            reason=Reason.STRATEGY_APPROVAL,
            field="strategy",
            observed=observed,
            allowed=f"what is approved to trade live: {approved}",
            would_pass=approved.split(", ")[0] if found else None,
            message=f"strategy_approval: {observed}; see `fillwright strategies list`",
        )
