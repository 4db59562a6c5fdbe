"""A tiny pure venue and an engine of a few lines, to run strategies through random markets.

A second is an interval: quotes come at whole seconds, and ``Second`` says what the market and the
venue do in the one that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from fillwright.domain.market import MarketState, Quote, TradingStatus
from fillwright.domain.plan import PlanTerms
from fillwright.domain.ports import NANOS, OrderType, TimeInForce
from fillwright.domain.strategies.contract import InstructionView, OrderView, Place, Step, Strategy

TICK = Decimal("0.01")


@dataclass(frozen=True)
class Second:
    """One second: the quote in ticks around 100.00, volume, and how the venue treats orders.

    ``filled`` is how many of our resting shares trade at the touch, ``stall`` that the engine is
    not woken, ``lost`` that an order's outcome is not known before the next second, ``slow`` that
    cancels are confirmed only then, ``refused`` that new orders are refused.
    """

    mid: int = 0
    half: int = 1
    bid_size: int = 300
    ask_size: int = 300
    volume: int = 1000
    filled: int = 0
    usable: bool = True
    stall: bool = False
    lost: bool = False
    slow: bool = False
    refused: bool = False
    extra_call: bool = False


@dataclass
class Run:
    """What happened: steps in order, and all that could break an invariant."""

    steps: list[tuple[int, Step]] = field(default_factory=list)
    executed: Decimal = Decimal(0)
    worst_exposure: Decimal = Decimal(0)
    prices: list[Decimal | None] = field(default_factory=list)
    fills: list[tuple[int, Decimal]] = field(default_factory=list)
    ended: bool = False


Check = Callable[[Strategy, PlanTerms, InstructionView, MarketState, int, Step], None]


def market_at(second: Second, number: int, volume: int, close: int) -> MarketState:
    """The market at the beginning of a second."""
    quote = Quote(
        bid=100 + (second.mid - second.half) * TICK,
        ask=100 + (second.mid + second.half) * TICK,
        bid_size=Decimal(second.bid_size),
        ask_size=Decimal(second.ask_size),
        at=number * NANOS,
    )
    return MarketState(
        symbol="ABC",
        now=number * NANOS,
        status=TradingStatus.OPEN if second.usable else TradingStatus.UNKNOWN,
        quote=quote,
        quote_age_ns=0,
        tick=TICK,
        lot=Decimal(1),
        last_price=None,
        volume=Decimal(volume),
        volatility_bps=None,
        trend_bps=None,
        average_daily_volume=Decimal(200_000),
        session_open=-100 * NANOS,
        session_close=close * NANOS,
        source="test",
    )


class Venue:
    """Open orders of one instruction, and how they fill."""

    def __init__(self, plan: PlanTerms, run: Run) -> None:
        self.plan = plan
        self.run = run
        self.orders: dict[str, OrderView] = {}
        self.placed = 0
        self.last_placed_at: int | None = None

    def view(self) -> InstructionView:
        """What the engine knows."""
        orders = tuple(self.orders.values())
        exposure = sum((order.leaves for order in orders), self.run.executed)
        self.run.worst_exposure = max(self.run.worst_exposure, exposure)
        return InstructionView(
            executed=self.run.executed,
            exposure=exposure,
            placed=self.placed,
            orders=orders,
            volume_at_start=Decimal(0),
            last_placed_at=self.last_placed_at,
        )

    def carry_out(self, step: Step, now: int, second: Second) -> bool:
        """Take a step's requests over; whether a cancel was confirmed at once."""
        confirmed = False
        for cancel in step.cancels:
            order = self.orders[cancel.client_order_id]
            self._put(order, cancel_requested=True)
            if not second.slow:
                del self.orders[cancel.client_order_id]
                confirmed = True
        for place in step.places:
            self._accept(place, now, second)
        return confirmed

    def _accept(self, place: Place, now: int, second: Second) -> None:
        name = f"o-{self.placed}"
        self.placed += 1
        self.last_placed_at = now
        self.run.prices.append(place.limit_price)
        if second.refused:
            return
        self.orders[name] = OrderView(
            client_order_id=name,
            quantity=place.quantity,
            executed=Decimal(0),
            leaves=place.quantity,
            limit_price=place.limit_price,
            time_in_force=place.time_in_force,
            display_quantity=None,
            placed_at=now,
            acknowledged=not second.lost,
            cancel_requested=False,
            uncertain=second.lost,
        )
        if place.order_type is OrderType.MARKET:
            assert place.time_in_force is TimeInForce.IOC

    def pass_second(self, second: Second, now: int) -> None:
        """Fill what meets the market, end what was immediate or cancelled, settle what was lost."""
        sign = self.plan.side.sign
        far = 100 + (second.mid + sign * second.half) * TICK
        shown = Decimal(second.ask_size if sign > 0 else second.bid_size)
        passive = Decimal(second.filled)
        for name, order in list(self.orders.items()):
            limit = order.limit_price
            if limit is None:
                self._fill(order, order.leaves, now)
            elif (limit - far) * sign >= 0:
                taken = min(order.leaves, shown)
                shown -= taken
                self._fill(order, taken, now)
            elif order.time_in_force is TimeInForce.DAY:
                taken = min(order.leaves, passive)
                passive -= taken
                self._fill(order, taken, now)
            if name in self.orders and (
                order.time_in_force is TimeInForce.IOC or order.cancel_requested
            ):
                del self.orders[name]
            elif name in self.orders:
                self._put(self.orders[name], uncertain=False, acknowledged=True)

    def _fill(self, order: OrderView, quantity: Decimal, now: int) -> None:
        if quantity <= 0:
            return
        self.run.executed += quantity
        self.run.fills.append((now, quantity))
        if quantity == order.leaves:
            del self.orders[order.client_order_id]
        else:
            self._put(order, leaves=order.leaves - quantity, executed=order.executed + quantity)

    def _put(self, order: OrderView, **changes: object) -> None:
        self.orders[order.client_order_id] = order.model_copy(update=changes)


def play(
    strategy: Strategy,
    plan: PlanTerms,
    seconds: Sequence[Second],
    check: Check,
    close: int = 100_000,
) -> Run:
    """Run a plan through a market; the last second repeats for ever, calmly and unstalled."""
    run = Run()
    venue = Venue(plan, run)
    wake: int | None = plan.start_at
    volume = 0
    horizon = plan.end_at // NANOS + len(seconds) + 20
    for number in range(horizon):
        second = seconds[number] if number < len(seconds) else Second(mid=seconds[-1].mid)
        now = number * NANOS
        market = market_at(second, number, volume, close)
        moments = [now, now + NANOS // 3] if second.extra_call else [now]
        for moment in moments:
            due = wake is not None and wake <= moment
            if second.stall or not (due or second.extra_call):
                continue
            for _ in range(4):
                view = venue.view()
                step = strategy.next_step(plan, view, market, moment)
                check(strategy, plan, view, market, moment, step)
                run.steps.append((moment, step))
                wake = step.wake_at
                if step.finish is not None and not venue.orders:
                    run.ended = True
                    return run
                if not venue.carry_out(step, moment, second):
                    break
        venue.pass_second(second, now + NANOS // 2)
        volume += second.volume
        if run.executed >= plan.quantity and not venue.orders:
            run.ended = True
            return run
        if wake is None:
            wake = now + NANOS
    return run
