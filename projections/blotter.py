"""Active and done instructions with their child orders and fills, as a desk reads them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from ..domain.decision import ExecutionUrgency, Style
from ..domain.money import ZERO
from ..domain.orders import ChildOrder
from ..domain.ports import OrderType, Side, TimeInForce
from ..domain.reasons import Check, Refusal
from ..domain.result import Fill, ResultStatus, fills_of, is_partial, reason_of, result_status
from ..domain.states import InstructionState, OrderState
from .instruction_book import AnomalyNote, Followed, InstructionBook


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One child order; ``rule`` is what placed it, quantities are shares, times ns UTC."""

    client_order_id: str
    venue_order_id: str | None
    state: OrderState
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    executed: Decimal
    leaves: Decimal
    average_price: Decimal | None
    limit_price: Decimal | None
    display_quantity: Decimal | None
    fees: Decimal
    placed_at: int
    rule: str
    cancel_requested: bool
    indeterminate: bool
    open: bool


@dataclass(frozen=True, slots=True)
class BlotterRow:
    """One instruction as it stands.

    ``requested`` and ``executed`` are shares, ``open_quantity`` what own orders not proven dead may
    still execute, ``slippage_bps`` the average price against the arrival mid (positive: cost).
    ``release_at`` is when a deferred one starts. ``fees`` and prices are in account currency, times
    ns UTC, and the positions are those of its first and last event in the log. Figures that are not
    known are None.
    """

    instruction_id: UUID
    account: str
    session_date: str
    decision_id: str
    symbol: str
    action: str
    side: Side | None
    strategy: str | None
    style: Style | None
    urgency: ExecutionUrgency | None
    confidence: int | None
    state: InstructionState
    status: ResultStatus
    partial: bool
    restated: bool
    overfilled: bool
    suspended: bool
    escalated: bool
    switches: int
    requested: Decimal
    executed: Decimal
    open_quantity: Decimal
    average_price: Decimal | None
    notional: Decimal
    arrival_mid: Decimal | None
    release_mid: Decimal | None
    bound_price: Decimal | None
    completing_price: Decimal | None
    slippage_bps: Decimal | None
    fees: Decimal
    reason: str | None
    refusals: tuple[Refusal, ...]
    checks: tuple[Check, ...]
    data_note: str
    anomalies: tuple[AnomalyNote, ...]
    received_at: int
    planned_at: int | None
    release_at: int | None
    released_at: int | None
    first_fill_at: int | None
    last_fill_at: int | None
    window_ends_at: int | None
    ended_at: int | None
    first_position: int
    last_position: int
    orders: tuple[OrderRow, ...]
    fills: tuple[Fill, ...]

    @property
    def is_done(self) -> bool:
        """Whether its lifecycle has ended."""
        return self.ended_at is not None

    @property
    def completion(self) -> Decimal | None:
        """Executed over requested, None without a plan."""
        return self.executed / self.requested if self.requested else None


class Blotter(InstructionBook):
    """What is being worked and what came of the rest; the lifecycle is the domain's own."""

    name: ClassVar[str] = "blotter"
    version: ClassVar[int] = 1

    def active(self) -> tuple[BlotterRow, ...]:
        """Instructions that have not ended, in the order of receipt."""
        return tuple(row_of(x) for x in self._book.values() if not x.instruction.is_done)

    def done(self) -> tuple[BlotterRow, ...]:
        """Instructions that have ended, in the order of receipt."""
        return tuple(row_of(x) for x in self._book.values() if x.instruction.is_done)

    def rows(self) -> tuple[BlotterRow, ...]:
        """All instructions, in the order of receipt."""
        return tuple(row_of(entry) for entry in self._book.values())

    def row(self, instruction_id: UUID) -> BlotterRow | None:
        """One instruction, None when the log does not have it."""
        entry = self._book.get(instruction_id)
        return None if entry is None else row_of(entry)

    def find(self, text: str) -> tuple[BlotterRow, ...]:
        """Instructions whose id begins with ``text`` or whose decision id is ``text``."""
        return tuple(
            row_of(entry)
            for id, entry in self._book.items()
            if str(id).startswith(text.lower()) or entry.instruction.decision_id == text
        )

    def state(self) -> object:
        """Every row, and the sums of those that were let go of."""
        rows = {str(id): row_of(entry) for id, entry in self._book.items()}
        return {**rows, **(self.sealed.told() if self.sealed else {})}


def row_of(entry: Followed) -> BlotterRow:
    """The row of one instruction."""
    it = entry.instruction
    plan, decision = it.plan, it.decision
    fills = fills_of(it)
    times = [fill.market_time for fill in fills if fill.quantity]
    return BlotterRow(
        instruction_id=it.id,
        account=it.account,
        session_date=entry.session_date,
        decision_id=it.decision_id,
        symbol=entry.symbol,
        action=str(decision.action) if decision else "",
        side=plan.side if plan else None,
        strategy=entry.strategy,
        style=plan.style if plan else None,
        urgency=plan.urgency if plan else decision.urgency if decision else None,
        confidence=decision.confidence if decision else None,
        state=it.state,
        status=result_status(it),
        partial=is_partial(it),
        restated=it.restated,
        overfilled=it.overfilled,
        suspended=it.suspended_since is not None,
        escalated=it.escalated,
        switches=it.switches,
        requested=plan.quantity if plan else ZERO,
        executed=it.executed,
        open_quantity=it.exposure - it.executed,
        average_price=it.average_price,
        notional=it.notional,
        arrival_mid=it.arrival_mid,
        release_mid=it.release_mid,
        bound_price=plan.bound_price if plan else None,
        completing_price=it.completing_price,
        slippage_bps=it.slippage_bps,
        fees=it.fees,
        reason=reason_of(it),
        refusals=it.refusals,
        checks=entry.checks,
        data_note=entry.data_note,
        anomalies=tuple(entry.anomalies),
        received_at=it.received_at,
        planned_at=entry.planned_at,
        release_at=it.release_at,
        released_at=it.released_at,
        first_fill_at=min(times, default=None),
        last_fill_at=max(times, default=None),
        window_ends_at=plan.end_at if plan else None,
        ended_at=entry.ended_at,
        first_position=entry.first_position,
        last_position=entry.last_position,
        orders=tuple(_order_row(entry, id, order) for id, order in it.orders.items()),
        fills=fills,
    )


def _order_row(entry: Followed, id: str, order: ChildOrder) -> OrderRow:
    return OrderRow(
        client_order_id=id,
        venue_order_id=order.venue_order_id,
        state=order.state,
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        quantity=order.order_qty,
        executed=order.cum_qty,
        leaves=order.leaves_qty,
        average_price=order.avg_price,
        limit_price=order.limit_price,
        display_quantity=order.display_quantity,
        fees=order.fees,
        placed_at=entry.instruction.placed_at[id],
        rule=entry.rules[id],
        cancel_requested=order.pending_cancel,
        indeterminate=order.is_indeterminate,
        open=order.is_open,
    )
