"""Plans, views and markets for tests of strategies: times in seconds, everything else in text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fillwright.domain.decision import ExecutionStrategy, ExecutionUrgency, Style
from fillwright.domain.market import MarketState, Quote, TradingStatus
from fillwright.domain.plan import PlanTerms, StrategyParameters, final_phase_at
from fillwright.domain.ports import NANOS, Side, TimeInForce
from fillwright.domain.strategies.contract import InstructionView, OrderView, Step
from fillwright.domain.strategies.registry import strategy_for

BUY, SELL = Side.BUY, Side.SELL
NAIVE, SMART = Style.NAIVE, Style.SMART


def seconds(number: float) -> int:
    """Nanoseconds."""
    return round(number * NANOS)


def plan_of(strategy: ExecutionStrategy, **changes: Any) -> PlanTerms:
    """A plan for 1,000 shares in 800 s from 0, arrival mid 100.00, no bound, naive.

    Parameters of the strategy and the window's ``end`` in seconds may be given by name.
    """
    names = StrategyParameters.model_fields.keys() & changes.keys()
    parameters = StrategyParameters(**{name: changes.pop(name) for name in names})
    end = seconds(changes.pop("end", 800))
    terms: dict[str, Any] = {
        "symbol": "ABC",
        "side": BUY,
        "quantity": Decimal(1000),
        "strategy": strategy,
        "style": NAIVE,
        "urgency": ExecutionUrgency.MEDIUM,
        "start_at": 0,
        "end_at": end,
        "final_phase_at": final_phase_at(0, end),
        "tick": Decimal("0.01"),
        "arrival_mid": Decimal("100.00"),
        "bound_bps": None,
        "bound_price": None,
        "parameters": parameters,
    }
    return PlanTerms(**(terms | changes))


def market_of(
    bid: str = "99.99",
    ask: str = "100.01",
    *,
    sizes: tuple[int, int] = (500, 500),
    at: float = 0,
    age: float = 0,
    status: TradingStatus = TradingStatus.OPEN,
    volume: int | None = None,
    daily: int | None = None,
    close: float = 23_400,
    usual: str | None = None,
) -> MarketState:
    """An open market with one quote; ``sizes`` are of bid and ask, ``usual`` is the mean spread."""
    quote = Quote(
        bid=Decimal(bid),
        ask=Decimal(ask),
        bid_size=Decimal(sizes[0]),
        ask_size=Decimal(sizes[1]),
        at=seconds(at),
    )
    return MarketState(
        symbol="ABC",
        now=seconds(at),
        status=status,
        quote=quote,
        quote_age_ns=seconds(age),
        tick=Decimal("0.01"),
        lot=Decimal(1),
        last_price=None,
        volume=None if volume is None else Decimal(volume),
        volatility_bps=None,
        trend_bps=None,
        average_daily_volume=None if daily is None else Decimal(daily),
        session_open=0,
        session_close=seconds(close),
        source="test",
        spread_mean=None if usual is None else Decimal(usual),
    )


def order_of(
    leaves: int,
    limit: str | None = "99.99",
    *,
    name: str = "o-0",
    executed: int = 0,
    at: float = 0,
    immediate: bool = False,
    cancelling: bool = False,
    uncertain: bool = False,
) -> OrderView:
    """An own open order."""
    return OrderView(
        client_order_id=name,
        quantity=Decimal(leaves + executed),
        executed=Decimal(executed),
        leaves=Decimal(leaves),
        limit_price=None if limit is None else Decimal(limit),
        time_in_force=TimeInForce.IOC if immediate else TimeInForce.DAY,
        display_quantity=None,
        placed_at=seconds(at),
        acknowledged=not uncertain,
        cancel_requested=cancelling,
        uncertain=uncertain,
    )


def view_of(
    executed: int = 0, *orders: OrderView, last: float | None = None, **changes: Any
) -> InstructionView:
    """A view with these executions and open orders; ``last`` is when the last order was placed."""
    done = Decimal(executed)
    if last is None and orders:
        last_at: int | None = max(order.placed_at for order in orders)
    else:
        last_at = None if last is None else seconds(last)
    return InstructionView(
        executed=done,
        exposure=sum((order.leaves for order in orders), done),
        placed=len(orders),
        orders=orders,
        last_placed_at=last_at,
        **({"volume_at_start": Decimal(0)} | changes),
    )


def step_at(plan: PlanTerms, view: InstructionView, market: MarketState, at: float) -> Step:
    """What the plan's strategy does at a time in seconds."""
    return strategy_for(plan.strategy).next_step(plan, view, market, seconds(at))


def told(step: Step) -> str:
    """A step in one line, as the tables write it: rule, cancels, orders, end, next call."""
    parts = [step.rule]
    parts += [f"cancel {cancel.client_order_id}" for cancel in step.cancels]
    for place in step.places:
        price = "market" if place.limit_price is None else str(place.limit_price)
        parts.append(f"{place.quantity} {price} {place.time_in_force.value}")
    if step.finish is not None:
        parts.append(f"end {step.finish.value}")
    if step.wake_at is not None:
        parts.append(f"@{step.wake_at / NANOS:g}")
    return " | ".join(parts)
