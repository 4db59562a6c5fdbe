"""The contract of every strategy: a pure function from what is known to what to do next."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from ..market import MarketState, Record
from ..money import ZERO, Quantity
from ..plan import PlanTerms
from ..ports import OrderType, SellMark, TimeInForce
from ..reasons import EndReason


class OrderView(Record):
    """An own child order that is not proven dead.

    ``cancel_requested`` means its end is awaited; ``uncertain`` that its outcome is unknown.
    """

    client_order_id: str
    quantity: Decimal
    executed: Decimal
    leaves: Decimal
    limit_price: Decimal | None
    time_in_force: TimeInForce
    display_quantity: Decimal | None
    placed_at: int
    acknowledged: bool
    cancel_requested: bool
    uncertain: bool
    sell_mark: SellMark | None = None


class InstructionView(Record):
    """How far an instruction is.

    ``executed`` includes what a bust or correction took back, which is never traded again
    (ruling 6); ``exposure`` is that plus the leaves of every own order not proven dead (ruling 5);
    ``placed`` counts child orders so far; ``volume_at_start`` is the symbol's session volume at the
    plan's start; ``stopped_ns`` is how long halts have stopped the schedule.  ``resumed_at`` is
    when the schedule last began anew, after a halt or a switch of strategy, with
    ``resumed_executed`` shares executed by then: the remainder is spread over what is left of the
    window from there (ruling 16), and ``stopped_ns`` is then not needed.  ``long_exposure`` is the
    part of the exposure that is marked as sold long.
    """

    executed: Decimal
    exposure: Decimal
    placed: int
    orders: tuple[OrderView, ...]
    volume_at_start: Decimal | None
    stopped_ns: int = 0
    last_placed_at: int | None = None
    resumed_at: int | None = None
    resumed_executed: Decimal = ZERO
    long_exposure: Decimal = ZERO

    def remaining(self, plan: PlanTerms) -> Decimal:
        """Shares not yet executed."""
        return max(plan.quantity - self.executed, ZERO)

    def free(self, plan: PlanTerms) -> Decimal:
        """Shares neither executed nor exposed: all that may be sent now."""
        return max(plan.quantity - self.exposure, ZERO)


class Place(Record):
    """Send a new child order; ``sell_mark`` is the guard's to set."""

    quantity: Quantity
    order_type: OrderType
    time_in_force: TimeInForce
    limit_price: Decimal | None = None
    display_quantity: Decimal | None = None
    sell_mark: SellMark | None = None


class Cancel(Record):
    """Cancel an own child order."""

    client_order_id: str


class Step(Record):
    """What to do now and when to look again.

    ``rule`` names the rule that fired, in words that stay the same between versions. ``finish``
    gives the remainder up for that reason once every child is proven dead; ``wake_at`` None waits
    for a report.
    """

    cancels: tuple[Cancel, ...] = ()
    places: tuple[Place, ...] = ()
    wake_at: int | None = None
    rule: str
    finish: EndReason | None = None

    @property
    def acts(self) -> bool:
        """Whether anything is sent."""
        return bool(self.cancels or self.places)


class Strategy(Protocol):
    """A named, versioned, pure strategy; state is in the view, so a restart resumes mid-way."""

    @property
    def name(self) -> str:
        """Its name in events."""
        ...

    @property
    def version(self) -> int:
        """Goes up whenever the same inputs may give another step."""
        ...

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        """The next step; the same arguments always give the same step."""
        ...
