"""What the decision services ask of whatever works instructions, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol

from .decision import ExecutionStrategy
from .instruction import Instruction
from .limits import Limits
from .money import ZERO
from .monitoring import ActiveExecutions
from .planning.facts import Outcome as Planning
from .reasons import Refusal
from .result import (
    ExecutionQuality,
    ExecutionResult,
    OuterStatus,
    ResultStatus,
    outer_result,
    result_of,
)

Raw = Mapping[str, object]
"""A decision as a caller gives it; see ``intake.KEYS``."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a decision, for its caller (ruling 11).

    ``result`` is None only where nothing could be recorded. ``release_at`` (ns UTC) is when a
    deferred one is released; ``repeated`` says that the decision was known and nothing was added.
    """

    status: OuterStatus
    message: str
    partial: bool = False
    result: ExecutionResult | None = None
    release_at: int | None = None
    repeated: bool = False


class Executor(Protocol):
    """Admits decisions, works them, and tells what came of them from the log."""

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        ...

    async def admit(self, raw: Raw, *, strategy: ExecutionStrategy | None = None) -> Outcome:
        """Admit a decision without waiting for its end; durable when this returns.

        ``strategy`` is a recommendation, used where the decision names none.
        """
        ...

    async def execute(self, raw: Raw, *, strategy: ExecutionStrategy | None = None) -> Outcome:
        """Admit a decision and wait for its end."""
        ...

    async def execute_batch(
        self, raws: Sequence[Raw], strategies: Sequence[ExecutionStrategy | None] = ()
    ) -> list[Outcome]:
        """Admit decisions as one batch and wait for all ends; in the order given."""
        ...

    async def wait(self, instruction_id: str, timeout_seconds: Decimal | None = None) -> Outcome:
        """Wait for an instruction's end; after the time limit its rest is cancelled."""
        ...

    async def preview(self, raw: Raw) -> Planning | tuple[Refusal, ...]:
        """What would become of a decision now; records nothing."""
        ...

    def outcome(self, instruction_id: str) -> Outcome | None:
        """What came of an instruction so far, None when the log does not have it."""
        ...

    def results(self) -> Sequence[ExecutionResult]:
        """Every instruction of the log, in order of receipt."""
        ...

    def trades_today(self) -> Sequence[ExecutionResult]:
        """Instructions of the current session that executed something."""
        ...

    def usage(self) -> Mapping[str, Any]:
        """What is used of the daily limits in the current session."""
        ...

    def performance(self) -> Mapping[str, Any]:
        """Execution quality over the whole log."""
        ...

    def alerts(self) -> Sequence[Mapping[str, Any]]:
        """What a person should look at now."""
        ...

    async def monitor(self) -> ActiveExecutions:
        """Active instructions with their orders, limits used, and alerts."""
        ...

    async def report_fields(self, period_days: int) -> Mapping[str, Any]:
        """The execution report of the last sessions."""
        ...

    def record_commentary(
        self, report: Mapping[str, Any], written: Mapping[str, str], refused: str | None
    ) -> None:
        """Put on record what a language model wrote of a report, and why it was refused, if so."""
        ...


def outcome_of(
    instruction: Instruction, *, mid_after: Decimal | None = None, repeated: bool = False
) -> Outcome:
    """The outcome of an instruction as it stands."""
    outer = outer_result(instruction)
    deferred = outer.status is OuterStatus.DEFERRED
    return Outcome(
        status=outer.status,
        message=outer.message,
        partial=outer.partial,
        result=result_of(instruction, mid_after=mid_after),
        release_at=instruction.release_at if deferred else None,
        repeated=repeated,
    )


def refused_reuse(first: Instruction, refusal: Refusal) -> Outcome:
    """The outcome of a decision whose id belongs to another one: nothing of the first is told."""
    result = replace(
        result_of(first),
        symbol="",
        action="",
        requested_quantity=ZERO,
        executed_quantity=ZERO,
        average_price=None,
        execution_time=None,
        slippage_bps=None,
        market_impact=None,
        total_commission=ZERO,
        status=ResultStatus.REJECTED,
        fills=(),
        execution_quality=ExecutionQuality.UNKNOWN,
        partial=False,
        reason=str(refusal.reason),
        arrival_mid=None,
        completing_price=None,
        refusals=(refusal,),
        open_orders=(),
    )
    return Outcome(OuterStatus.REJECTED, refusal.message, result=result)


def outcome_of_result(result: ExecutionResult) -> Outcome:
    """The outcome that a bare result stands for, where no instruction is at hand."""
    told = "; ".join(refusal.message for refusal in result.refusals)
    reason = told or result.reason or str(result.status).lower()
    executed = result.executed_quantity > 0
    match result.status:
        case ResultStatus.FILLED | ResultStatus.NO_CHANGE:
            status = OuterStatus.SUCCESS
        case ResultStatus.CANCELLED if executed:
            status = OuterStatus.SUCCESS
        case ResultStatus.CANCELLED | ResultStatus.REJECTED:
            status = OuterStatus.REJECTED
        case ResultStatus.PLANNED:
            status = OuterStatus.DEFERRED
        case _:
            status = OuterStatus.ERROR
            named = ", ".join(result.open_orders) or "none known"
            reason = f"still {str(result.status).lower()}; open orders: {named}"
    return Outcome(status, reason, partial=result.partial, result=result)
