"""What is known of one instruction: the fold of its events, and what can be read from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Final, Self
from uuid import UUID

from . import events as e
from .decision import Decision
from .instruction_fold import APPLIERS
from .market import Quote
from .money import ZERO, slippage_bps
from .orders import ChildOrder
from .plan import PlanTerms
from .ports import ExecutionReport, OrderRequest, SellMark
from .reasons import EndReason, NothingReason, Refusal
from .reservations import Reservation
from .states import INSTRUCTION_TERMINAL, InstructionState
from .strategies.contract import InstructionView, OrderView

ACTIVE: Final = frozenset({InstructionState.WORKING, InstructionState.PARTIALLY_FILLED})


@dataclass(slots=True, eq=False, repr=False)
class InstructionRecord:
    """One instruction.

    ``executed`` and ``notional`` are sums over its orders' live executions; ``exposure`` is
    executed plus what every own order not proven dead may still execute (ruling 5); ``live`` names
    those orders. ``taken_back`` are shares that busts and corrections took out of ``executed``:
    they are never traded again (ruling 6). ``folded`` spares the second fold of a report that is
    being recorded.
    """

    id: UUID
    version: int = 0
    account: str = ""
    session_date: str = ""
    decision_id: str = ""
    content_hash: str = ""
    decision: Decision | None = None
    received_at: int = 0
    state: InstructionState = InstructionState.PLANNED
    restated: bool = False
    arrival: Quote | None = None
    volatility_bps_at_plan: Decimal | None = None
    arrival_mid: Decimal | None = None
    plan: PlanTerms | None = None
    reservation: Reservation | None = None
    release_at: int | None = None
    released: bool = False
    limit_version: int = 0
    volume_at_start: Decimal | None = None
    orders: dict[str, ChildOrder] = field(default_factory=dict)
    requests: dict[str, OrderRequest] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    placed_at: dict[str, int] = field(default_factory=dict)
    suspended_since: int | None = None
    suspended_mid: Decimal | None = None
    stopped_ns: int = 0
    resumed_at: int | None = None
    resumed_executed: Decimal = ZERO
    escalated: bool = False
    last_wake_at: int | None = None
    last_placed_at: int | None = None
    end_reason: EndReason | None = None
    refusals: tuple[Refusal, ...] = ()
    nothing: NothingReason | None = None
    completing_price: Decimal | None = None
    end_mid: Decimal | None = None
    released_at: int | None = None
    release_mid: Decimal | None = None
    ended_at: int | None = None
    switches: int = 0
    switched_at: int | None = None
    ending: EndReason | None = None
    rejections_in_a_row: int = 0
    last_rejection: str = ""
    anomalies: int = 0
    exposure: Decimal = ZERO
    executed: Decimal = ZERO
    taken_back: Decimal = ZERO
    notional: Decimal = ZERO
    fees: Decimal = ZERO
    folded: tuple[ExecutionReport, ChildOrder] | None = None

    @property
    def average_price(self) -> Decimal | None:
        """Notional over executed quantity, None when nothing executed."""
        return self.notional / self.executed if self.executed else None

    @property
    def is_done(self) -> bool:
        """Whether the lifecycle has ended; late reports may still come."""
        return self.state in INSTRUCTION_TERMINAL

    @property
    def is_active(self) -> bool:
        """Whether it is being worked."""
        return self.state in ACTIVE

    @property
    def live_orders(self) -> list[ChildOrder]:
        """Child orders that are not proven dead, oldest first."""
        if not self.live:
            return []
        return [order for id, order in self.orders.items() if id in self.live]

    @property
    def overfilled(self) -> bool:
        """Whether the venue executed more than the instruction asked for; needs a person."""
        return self.plan is not None and self.executed > self.plan.quantity

    @property
    def spent(self) -> Decimal:
        """Shares of the quantity that are used up: executed, or executed and taken back."""
        return self.executed + self.taken_back

    @property
    def slippage_bps(self) -> Decimal | None:
        """Average price against the arrival mid; positive is a cost, None where unknown."""
        if self.plan is None or self.arrival_mid is None or self.average_price is None:
            return None
        return slippage_bps(self.plan.side.sign, self.average_price, self.arrival_mid)

    def view(self) -> InstructionView:
        """What a strategy may know of this instruction."""
        return InstructionView(
            executed=self.spent,
            exposure=self.exposure + self.taken_back,
            placed=len(self.orders),
            orders=tuple(self._order_view(order) for order in self.live_orders),
            volume_at_start=self.volume_at_start,
            stopped_ns=self.stopped_ns,
            last_placed_at=self.last_placed_at,
            resumed_at=self.resumed_at,
            resumed_executed=self.resumed_executed,
            long_exposure=self._long_exposure(),
        )

    def _long_exposure(self) -> Decimal:
        """What orders marked long have executed or may; only a sell through zero asks."""
        if self.plan is None or self.plan.long_quantity is None:
            return ZERO
        marks = self.requests
        return sum(
            (o.exposure for id, o in self.orders.items() if marks[id].sell_mark is SellMark.LONG),
            ZERO,
        )

    def _order_view(self, order: ChildOrder) -> OrderView:
        return OrderView(
            client_order_id=order.client_order_id,
            quantity=order.order_qty,
            executed=order.cum_qty,
            leaves=order.exposure - order.cum_qty,
            limit_price=order.limit_price,
            time_in_force=order.time_in_force,
            display_quantity=self.requests[order.client_order_id].display_quantity,
            placed_at=self.placed_at[order.client_order_id],
            acknowledged=order.is_acknowledged,
            cancel_requested=order.pending_cancel,
            uncertain=order.is_indeterminate,
            sell_mark=self.requests[order.client_order_id].sell_mark,
        )

    def known(self) -> dict[str, Any]:
        """All that is known, by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def apply(self, event: e.DomainEvent) -> None:
        """Bring the state forward by one event."""
        self.version = event.originator_version
        APPLIERS[type(event)](self, event)

    @classmethod
    def replay(cls, history: Iterable[e.DomainEvent]) -> Self:
        """The instruction as its events say; raises ValueError for an empty history."""
        instruction: Self | None = None
        for event in history:
            if instruction is None:
                instruction = cls(event.originator_id)
            instruction.apply(event)
        if instruction is None:
            raise ValueError("an instruction has at least one event")
        return instruction
