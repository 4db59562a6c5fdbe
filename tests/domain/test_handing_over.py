"""An instruction for the broker's own algorithm: one order for all of it, watched to its end."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fillwright.adapters.brokers.alpaca.wire import order_body
from fillwright.domain.decision import Decision, ExecutionStrategy, Style, TradeAction
from fillwright.domain.handing_over import algorithm_of, cannot_hand_over
from fillwright.domain.market import TradingStatus
from fillwright.domain.ports import (
    NANOS,
    Algorithm,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)
from tests.domain.strategies.cases import market_of, plan_of, step_at, told, view_of

D = Decimal
TWAP, VWAP = ExecutionStrategy.TWAP, ExecutionStrategy.VWAP
BROKER = Style.BROKER


@pytest.mark.parametrize("kind", [TWAP, VWAP])
def test_all_of_it_goes_out_as_one_order_for_the_day(kind: ExecutionStrategy) -> None:
    plan = plan_of(kind, style=BROKER)
    step = step_at(plan, view_of(), market_of(), 5)
    (order,) = step.places
    assert (order.quantity, order.time_in_force) == (plan.quantity, TimeInForce.DAY)
    assert order.limit_price == plan.bound_price
    assert step.rule == "hand_over"
    assert step.wake_at == plan.end_at


def test_what_is_left_after_a_halt_is_handed_over_anew() -> None:
    plan = plan_of(TWAP, style=BROKER)
    halted = step_at(plan, view_of(), market_of(status=TradingStatus.HALTED), 20)
    assert halted.places == ()
    step = step_at(plan, view_of(executed=400), market_of(), 50)
    assert [place.quantity for place in step.places] == [plan.quantity - 400]


def test_at_the_deadline_the_rest_is_given_up_or_crossed_by_us() -> None:
    plan = plan_of(TWAP, style=BROKER)
    end = (plan.end_at - plan.start_at) // NANOS
    ended = step_at(plan, view_of(executed=400), market_of(at=end), end)
    assert ended.finish is not None
    must = plan_of(TWAP, style=BROKER, must_complete=True)
    crossed = step_at(must, view_of(executed=400), market_of(at=end), end)
    (order,) = crossed.places
    assert order.time_in_force is TimeInForce.IOC
    assert algorithm_of(must, order.time_in_force, must.end_at) is None


def test_the_algorithm_has_the_rest_of_the_window_and_the_plans_cap() -> None:
    plan = plan_of(VWAP, style=BROKER, participation_cap=D("0.1"))
    later = plan.start_at + 60 * NANOS
    assert algorithm_of(plan, TimeInForce.DAY, later) == Algorithm(
        "VWAP", later, plan.end_at, D("0.1")
    )
    assert algorithm_of(plan_of(VWAP), TimeInForce.DAY, later) is None
    assert (
        algorithm_of(plan_of(ExecutionStrategy.ICEBERG, style=BROKER), TimeInForce.DAY, 0) is None
    )


@pytest.mark.parametrize(("cap", "said"), [("0.3149", "0.314"), ("0.001", "0.001"), (None, None)])
def test_alpaca_is_told_in_its_own_words(cap: str | None, said: str | None) -> None:
    algorithm = Algorithm(
        "TWAP",
        1_718_200_800_900_000_000,
        1_718_204_400_000_000_000,
        None if cap is None else D(cap),
    )
    request = OrderRequest(
        "fw-1",
        "KO",
        Side.BUY,
        D(300),
        OrderType.LIMIT,
        TimeInForce.DAY,
        D("60.10"),
        algorithm=algorithm,
    )
    body = order_body(request)["advanced_instructions"]
    expected = {
        "algorithm": "TWAP",
        "start_time": "2024-06-12T14:00:00Z",
        "end_time": "2024-06-12T15:00:00Z",
    }
    assert body == (expected if said is None else expected | {"max_percentage": said})


def refused(
    strategy: ExecutionStrategy, *, offered: bool, style: Style = BROKER, **fields: str
) -> str | None:
    decision = Decision(symbol="KO", action=TradeAction.BUY, **fields)  # type: ignore[arg-type]
    found = cannot_hand_over(decision, style, strategy, broker="alpaca", offered=offered)
    return None if found is None else f"{found.field}: {found.observed}"


def test_what_cannot_be_handed_over_is_refused_with_the_reason() -> None:
    assert refused(TWAP, offered=True) is None
    assert refused(TWAP, offered=False, style=Style.SMART) is None
    assert refused(TWAP, offered=False) == "style: style broker at alpaca"
    told_of = refused(ExecutionStrategy.ICEBERG, offered=True)
    assert told_of == "style: style broker with strategy iceberg"
    assert refused(TWAP, offered=True, participation_cap="0.001") is None
    told_of = refused(TWAP, offered=True, participation_cap="0.0009")
    assert told_of == "style: style broker with participation_cap 0.0009"
    assert refused(TWAP, offered=True, auction="close") == "style: style broker with an auction"


def test_while_the_algorithm_has_it_nothing_is_sent() -> None:
    plan = plan_of(TWAP, style=BROKER)
    all_of_it = view_of().model_copy(update={"exposure": plan.quantity})
    assert told(step_at(plan, all_of_it, market_of(), 100)).startswith("algorithm_works")
