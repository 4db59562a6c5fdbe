"""A planned instruction and a venue for it, for tests that drive the aggregate directly."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from fillwright.domain import events as e
from fillwright.domain.decision import Decision, ExecutionStrategy, ExecutionUrgency, Style
from fillwright.domain.decision import TradeAction as Action
from fillwright.domain.instruction import Instruction
from fillwright.domain.market import MarketState, Quote, TradingStatus
from fillwright.domain.plan import PlanTerms, final_phase_at
from fillwright.domain.ports import NANOS, ExecutionReport, OrderType, ReportKind, Side, TimeInForce
from fillwright.domain.reservations import Reservation
from fillwright.domain.strategies.contract import Place

D = Decimal
ZERO = D(0)
START = 1_704_724_200 * NANOS
PRICE = D("20.00")
ID = UUID("5f1d7d64-1f67-5d1a-8c5e-6f1f0a6c2b11")


def stamp(at: int) -> e.Stamp:
    """A stamp of the engine, ``at`` nanoseconds after the start."""
    return e.Stamp(START + at, "engine/test", str(ID), "test")


def quote(at: int = 0) -> Quote:
    """A one-tick market around the price."""
    return Quote(bid=PRICE, ask=PRICE + D("0.01"), bid_size=D(500), ask_size=D(500), at=START + at)


def terms(quantity: Decimal, **fields: Any) -> PlanTerms:
    """A plan of ten minutes."""
    end = START + 600 * NANOS
    given: dict[str, Any] = {
        "symbol": "ABC",
        "side": Side.BUY,
        "quantity": quantity,
        "strategy": ExecutionStrategy.TWAP,
        "style": Style.SMART,
        "urgency": ExecutionUrgency.MEDIUM,
        "start_at": START,
        "end_at": end,
        "final_phase_at": final_phase_at(START, end),
        "tick": D("0.01"),
        "arrival_mid": quote().mid,
        "bound_bps": None,
        "bound_price": None,
    }
    return PlanTerms(**{**given, **fields})


def planned(quantity: Decimal) -> Instruction:
    """An instruction that was received and planned; its events are still pending."""
    made = Instruction(ID)
    decision = Decision(symbol="ABC", action=Action.BUY, target_weight=D(1))
    made.receive(
        stamp(0),
        account="sim",
        session_date="2024-01-08",
        decision_id="d",
        content_hash="h",
        decision=decision,
        arrival=quote(),
        data_note="",
        subject="pm",
        sealed_text="sealed",
    )
    made.accept(
        stamp(1),
        plan=terms(quantity),
        checks=(),
        reservation=Reservation(
            account="sim",
            session_date="2024-01-08",
            symbol="ABC",
            side=Side.BUY,
            quantity=quantity,
            price=PRICE,
            turnover_usd=quantity * PRICE,
            buying_power_usd=quantity * PRICE,
        ),
        equity=D(1_000_000),
        position=ZERO,
        price=PRICE,
        limit_version=1,
    )
    return made


def place_of(quantity: Decimal) -> Place:
    """A day order at the price."""
    return Place(
        quantity=quantity,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        limit_price=PRICE,
    )


def provenance(made: Instruction, at: int, rule: str = "test") -> e.Provenance:
    """The inputs of a step taken now."""
    assert made.plan is not None
    market = MarketState(
        symbol="ABC",
        now=START + at,
        status=TradingStatus.OPEN,
        quote=quote(at),
        quote_age_ns=0,
        tick=D("0.01"),
        lot=D(1),
        last_price=PRICE,
        volume=D(1000),
        volatility_bps=None,
        trend_bps=None,
        average_daily_volume=None,
        session_open=START,
        session_close=START + 23_400 * NANOS,
        source="test",
    )
    return e.Provenance(
        strategy="twap",
        version=1,
        rule=rule,
        now=START + at,
        plan=made.plan,
        view=made.view(),
        market=market,
        wake_at=None,
    )


@dataclass
class VenueOrder:
    """An order as the venue has it: the truth that reports tell of.

    ``fills`` are its executions as they stand (quantity, price), ``printed`` what was ever executed
    with every execution at its largest. ``known`` is whether the venue has it at all.
    """

    name: str
    quantity: Decimal
    open: bool = True
    known: bool = True
    acknowledged: bool = False
    fills: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    largest: dict[str, Decimal] = field(default_factory=dict)

    @property
    def cum(self) -> Decimal:
        """Shares executed, as they stand."""
        return sum((quantity for quantity, _ in self.fills.values()), ZERO)

    @property
    def printed(self) -> Decimal:
        """Shares that were ever executed."""
        return sum(self.largest.values(), ZERO)

    @property
    def leaves(self) -> Decimal:
        """Shares that an honest venue may still execute."""
        return max(self.quantity - self.printed, ZERO) if self.open and self.known else ZERO

    def set_fill(self, name: str, quantity: Decimal, price: Decimal) -> None:
        """Make or restate an execution."""
        self.fills[name] = (quantity, price)
        self.largest[name] = max(quantity, self.largest.get(name, ZERO))

    def say(self, kind: ReportKind, at: int, **fields: Any) -> ExecutionReport:
        """A report on the order as it stands."""
        said: dict[str, Any] = {"cum_qty": self.cum, "order_qty": self.quantity, **fields}
        return ExecutionReport(
            kind=kind,
            client_order_id=self.name,
            market_time=START + at,
            receive_time=START + at,
            venue_order_id=f"venue {self.name}",
            **said,
        )
