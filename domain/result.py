"""What came of an instruction, for its caller: the seed's ``ExecutionResult``, told exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from .instruction import Instruction
from .money import BPS, ZERO
from .orders.executions import ExecutionStatus
from .reasons import Refusal
from .states import InstructionState

EXCELLENT_BPS_MAX: Final = Decimal(2)
"""At most this slippage against arrival is excellent: a penny on a 50-dollar share."""
GOOD_BPS_MAX: Final = Decimal(10)
"""At most this is good: the default price bound of a decision."""
FAIR_BPS_MAX: Final = Decimal(20)
"""At most this is fair: above it the average raises an alert."""
COMPLETE_FRACTION: Final = Decimal("0.99")
"""Executed over ordered from which an instruction counts as completed (ruling 4)."""


class ResultStatus(StrEnum):
    """Where the instruction stood when the result was made; only FILLED to NO_CHANGE are final."""

    PLANNED = "PLANNED"
    WORKING = "WORKING"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    INDETERMINATE = "INDETERMINATE"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    NO_CHANGE = "NO_CHANGE"


class OuterStatus(StrEnum):
    """What the caller is told first (ruling 11)."""

    SUCCESS = "success"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    ERROR = "error"


class ExecutionQuality(StrEnum):
    """How good the execution was, by slippage against the arrival mid.

    EXCELLENT up to 2 bps, GOOD up to 10, FAIR up to 20, POOR above; one grade less when it ended
    with less than 99 % executed; UNKNOWN without an execution or an arrival mid.
    """

    EXCELLENT = "excellent"
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    UNKNOWN = "unknown"


_GRADES: Final = (
    ExecutionQuality.EXCELLENT,
    ExecutionQuality.GOOD,
    ExecutionQuality.FAIR,
    ExecutionQuality.POOR,
)


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution as it counts now; a busted one counts no shares.

    ``market_time`` is the venue's stamp in integer ns UTC, ``price`` None where the broker gave
    none; ``derived`` says that it was computed from two snapshots of the order.
    """

    execution_id: str
    client_order_id: str
    quantity: Decimal
    price: Decimal | None
    market_time: int
    status: ExecutionStatus
    derived: bool


@dataclass(frozen=True)
class ExecutionResult:
    """Results of trade execution (seed).

    Args:
        instruction_id: the instruction in the log.
        symbol: the instrument, empty where the decision could not be read.
        action: what the decision asked for, empty where it could not be read.
        requested_quantity: shares that were ordered; 0 without a plan.
        executed_quantity: shares executed: the sum of ``fills``.
        average_price: price a share, None when nothing executed.
        execution_time: from the beginning of work to the last execution, None without one.
        slippage_bps: average price against the arrival mid, positive is a cost; None if unknown.
        market_impact: how far the mid moved our way, in bps of the arrival mid; see
            :func:`market_impact_bps`. None where it could not be measured.
        total_commission: fees reported with the executions, in account currency.
        status: where the instruction stood.
        fills: executions in the order of the venue's time.
        execution_quality: a grade with stated bounds.
        partial: it ended with some but not all executed.
        reason: why it ended, was refused or had nothing to do.
        arrival_mid: the benchmark of ``slippage_bps``.
        completing_price: the price that would have completed it, where there was one.
        refusals: each refused check with what would pass.
        open_orders: client ids of orders that are not proven dead.
    """

    instruction_id: str
    symbol: str
    action: str
    requested_quantity: Decimal
    executed_quantity: Decimal
    average_price: Decimal | None
    execution_time: timedelta | None
    slippage_bps: Decimal | None
    market_impact: Decimal | None
    total_commission: Decimal
    status: ResultStatus
    fills: tuple[Fill, ...]
    execution_quality: ExecutionQuality
    partial: bool = False
    reason: str | None = None
    arrival_mid: Decimal | None = None
    completing_price: Decimal | None = None
    refusals: tuple[Refusal, ...] = ()
    open_orders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OuterResult:
    """The outer status of ruling 11 with a sentence for the caller."""

    status: OuterStatus
    partial: bool
    message: str


def result_of(instruction: Instruction, *, mid_after: Decimal | None = None) -> ExecutionResult:
    """What came of an instruction so far.

    ``mid_after`` is the market's mid at or after the last execution; without it the impact stays
    unknown.
    """
    plan, decision = instruction.plan, instruction.decision
    fills = fills_of(instruction)
    symbol = plan.symbol if plan else decision.symbol if decision else ""
    return ExecutionResult(
        instruction_id=str(instruction.id),
        symbol=symbol,
        action=str(decision.action) if decision else "",
        requested_quantity=plan.quantity if plan else ZERO,
        executed_quantity=instruction.executed,
        average_price=instruction.average_price,
        execution_time=_execution_time(instruction, fills),
        slippage_bps=instruction.slippage_bps,
        market_impact=market_impact_bps(instruction, mid_after),
        total_commission=instruction.fees,
        status=result_status(instruction),
        fills=fills,
        execution_quality=quality_of(instruction),
        partial=is_partial(instruction),
        reason=reason_of(instruction),
        arrival_mid=instruction.arrival_mid,
        completing_price=instruction.completing_price,
        refusals=instruction.refusals,
        open_orders=tuple(order.client_order_id for order in instruction.live_orders),
    )


def result_status(instruction: Instruction) -> ResultStatus:
    """Where it stands; an order of unknown outcome makes an open instruction INDETERMINATE."""
    if not instruction.is_done and _has_unknown(instruction):
        return ResultStatus.INDETERMINATE
    return ResultStatus[instruction.state.name]


def outer_result(instruction: Instruction) -> OuterResult:
    """The outer status (ruling 11).

    Filled and NO_CHANGE succeed; cancelled succeeds in part if anything executed and is rejected
    if nothing did; deferred is planned with a release time; whatever still has an open or unknown
    order is an error that names it.
    """
    state = instruction.state
    partial = is_partial(instruction)
    reason = reason_of(instruction) or str(state)
    unknown = [o.client_order_id for o in instruction.live_orders if o.is_indeterminate]
    if unknown:
        text = f"the outcome of {', '.join(unknown)} is unknown; it may still trade"
        return OuterResult(OuterStatus.ERROR, partial, text)
    match state:
        case InstructionState.FILLED:
            text = "filled, and restated by the venue since" if instruction.restated else "filled"
            return OuterResult(OuterStatus.SUCCESS, partial, text)
        case InstructionState.NO_CHANGE:
            return OuterResult(OuterStatus.SUCCESS, False, f"NO_CHANGE: {reason}")
        case InstructionState.CANCELLED if instruction.executed:
            return OuterResult(OuterStatus.SUCCESS, partial, f"ended early: {reason}")
        case InstructionState.CANCELLED:
            return OuterResult(OuterStatus.REJECTED, False, f"nothing executed: {reason}")
        case InstructionState.REJECTED:
            return OuterResult(OuterStatus.REJECTED, False, _refused(instruction, reason))
        case InstructionState.PLANNED if instruction.release_at is not None:
            text = f"deferred until {instruction.release_at} ns UTC"
            return OuterResult(OuterStatus.DEFERRED, False, text)
        case _:
            return OuterResult(OuterStatus.ERROR, partial, _still_open(instruction))


def is_partial(instruction: Instruction) -> bool:
    """Whether it ended with some but not all executed."""
    plan = instruction.plan
    return instruction.is_done and plan is not None and ZERO < instruction.executed < plan.quantity


def reason_of(instruction: Instruction) -> str | None:
    """Why it ended, was refused or had nothing to do; None while open and when filled."""
    if instruction.refusals:
        return ", ".join(dict.fromkeys(str(r.reason) for r in instruction.refusals))
    if instruction.nothing is not None:
        return str(instruction.nothing)
    return None if instruction.end_reason is None else str(instruction.end_reason)


def fills_of(instruction: Instruction) -> tuple[Fill, ...]:
    """All executions in the order of the venue's time, by order where times are equal."""
    fills = [
        Fill(
            execution_id=execution.execution_id,
            client_order_id=order.client_order_id,
            quantity=execution.quantity,
            price=execution.price,
            market_time=execution.market_time,
            status=execution.status,
            derived=execution.derived,
        )
        for order in instruction.orders.values()
        for execution in order.executions.values()
    ]
    return tuple(sorted(fills, key=lambda fill: fill.market_time))


def market_impact_bps(instruction: Instruction, mid_after: Decimal | None) -> Decimal | None:
    """How far the mid moved against us: ``side * (mid_after - mid_0) / mid_0 * 10,000`` bps.

    ``mid_0`` is the arrival mid, so positive is a move in the direction of the order. It is the
    one-way form of Rule 605's price impact, half of effective minus realised spread (17 CFR
    240.11Ac1-5), and the permanent impact I of Almgren, Thum, Hauptmann and Li, "Direct estimation
    of equity market impact" (2005). It contains whatever else moved the market meanwhile.

    None without an execution, an arrival mid or ``mid_after``.
    """
    mid = instruction.arrival_mid
    if mid is None or mid_after is None or instruction.plan is None or not instruction.executed:
        return None
    return instruction.plan.side.sign * (mid_after - mid) / mid * BPS


def quality_of(instruction: Instruction) -> ExecutionQuality:
    """The grade of an execution; its bounds are on :class:`ExecutionQuality`."""
    slippage, plan = instruction.slippage_bps, instruction.plan
    if slippage is None or plan is None:
        return ExecutionQuality.UNKNOWN
    bounds = (EXCELLENT_BPS_MAX, GOOD_BPS_MAX, FAIR_BPS_MAX)
    grade = sum(slippage > bound for bound in bounds)
    if instruction.is_done and instruction.executed < plan.quantity * COMPLETE_FRACTION:
        grade = min(grade + 1, len(_GRADES) - 1)
    return _GRADES[grade]


def _has_unknown(instruction: Instruction) -> bool:
    return any(order.is_indeterminate for order in instruction.live_orders)


def _execution_time(instruction: Instruction, fills: tuple[Fill, ...]) -> timedelta | None:
    live = [fill.market_time for fill in fills if fill.quantity]
    if not live or instruction.released_at is None:
        return None
    return timedelta(microseconds=max(max(live) - instruction.released_at, 0) // 1_000)


def _refused(instruction: Instruction, reason: str) -> str:
    return "; ".join(refusal.message for refusal in instruction.refusals) or reason


def _still_open(instruction: Instruction) -> str:
    open_orders = [order.client_order_id for order in instruction.live_orders]
    named = f"; open orders: {', '.join(open_orders)}" if open_orders else ""
    return f"still {instruction.state}{named}"
