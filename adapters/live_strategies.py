"""Live, only strategies trade that two persons have approved in exactly this version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..domain.decision import ExecutionStrategy
from ..domain.errors import StoreError
from ..domain.ops.control import StrategyApproved
from ..domain.plan import StrategyParameters
from ..domain.reasons import Reason, Refusal
from ..domain.supervision.inventory import approval_of, in_use
from .storage.log import Log
from .storage.ops_log import OpsLog

TOPIC: Final = "StrategyApproved"


class LiveStrategies:
    """A permit for the strategies that are approved with these parameters.

    Looked up at the start and when a session opens: an approval is in force from then on. Its date
    is one of the calendar on the wall, as ``now`` (ns UTC) tells it. Where it cannot be read
    nothing is approved.
    """

    def __init__(self, log: Log, parameters: StrategyParameters, now: Callable[[], int]) -> None:
        self._log, self._used, self._now = log, in_use(parameters), now
        self._approved: frozenset[ExecutionStrategy] = frozenset()
        self.renew()

    def renew(self) -> None:
        """Look again at what is approved."""
        try:
            with OpsLog.of(self._log) as ops:
                records = [one.record for one in ops.records(topics={TOPIC})]
        except StoreError:
            records = []
        known = [one for one in records if isinstance(one, StrategyApproved)]
        self._approved = frozenset(
            one.strategy for one in self._used if approval_of(one, known, self._now()) is not None
        )

    def why_not(self, strategy: str) -> Refusal | None:
        """The refusal of a strategy that is not approved."""
        if strategy in {one.value for one in self._approved}:
            return None
        version = next((one.version for one in self._used if one.strategy.value == strategy), 0)
        approved = ", ".join(sorted(one.value for one in self._approved)) or "none"
        observed = f"{strategy} version {version}, not approved with these parameters"
        return Refusal(
            reason=Reason.STRATEGY_APPROVAL,
            field="strategy",
            observed=observed,
            allowed=f"what is approved to trade live: {approved}",
            would_pass=approved.split(", ")[0] if self._approved else None,
            message=f"strategy_approval: {observed}; see `fillwright strategies list`",
        )
