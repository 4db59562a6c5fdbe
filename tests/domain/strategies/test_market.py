"""MARKET: all of it at once."""

import pytest

from fillwright.domain.decision import ExecutionStrategy, Style
from fillwright.domain.market import MarketState, TradingStatus
from fillwright.domain.reasons import OnBound
from tests.domain.strategies.cases import (
    NAIVE,
    SELL,
    SMART,
    market_of,
    order_of,
    plan_of,
    step_at,
    told,
    view_of,
)

KIND = ExecutionStrategy.MARKET


@pytest.mark.parametrize("style", [NAIVE, SMART])
def test_all_is_crossed_at_the_start(style: Style) -> None:
    plan = plan_of(KIND, style=style)
    assert told(step_at(plan, view_of(), market_of(), 0)) == "market_at_once | 1000 market ioc | @1"


def test_with_a_bound_the_order_is_a_marketable_limit_there() -> None:
    plan = plan_of(KIND, bound_price="100.10")
    assert told(step_at(plan, view_of(), market_of(), 0)) == "market_at_once | 1000 100.10 ioc | @1"


def test_nothing_is_sent_again_while_the_order_is_out() -> None:
    view = view_of(0, order_of(1000, None, immediate=True))
    assert told(step_at(plan_of(KIND), view, market_of(), 0.05)) == "await_reports | @800"


def test_what_the_bound_left_is_sent_again_in_the_next_interval_and_not_before() -> None:
    plan = plan_of(KIND, bound_price="100.10")
    view = view_of(400, last=0)
    assert told(step_at(plan, view, market_of(), 0.9)) == "await_reports | @1"
    assert told(step_at(plan, view, market_of(), 1)) == "market_at_once | 600 100.10 ioc | @2"


@pytest.mark.parametrize(
    ("on_bound", "expected"),
    [
        (OnBound.REST, "rest_at_bound | 600 100.10 day | @6"),
        (OnBound.CANCEL, "cancel_on_bound | end slippage_bound"),
        (OnBound.ESCALATE, "escalate_bound | @6"),
    ],
)
def test_outside_the_bound_the_plan_says_what_happens(on_bound: OnBound, expected: str) -> None:
    plan = plan_of(KIND, bound_price="100.10", on_bound=on_bound)
    outside = market_of("100.09", "100.11")
    assert told(step_at(plan, view_of(400, last=0), outside, 5)) == expected


@pytest.mark.parametrize("ask", ["100.09", "100.10"])
def test_at_the_bound_itself_it_still_crosses(ask: str) -> None:
    plan = plan_of(KIND, bound_price="100.10", on_bound=OnBound.CANCEL)
    step = step_at(plan, view_of(), market_of("100.00", ask), 0)
    assert told(step) == "market_at_once | 1000 100.10 ioc | @1"


def test_a_sell_is_bounded_from_below() -> None:
    plan = plan_of(KIND, side=SELL, bound_price="99.90", on_bound=OnBound.CANCEL)
    inside, outside = market_of("99.90", "99.95"), market_of("99.89", "99.95")
    assert told(step_at(plan, view_of(), inside, 0)) == "market_at_once | 1000 99.90 ioc | @1"
    assert told(step_at(plan, view_of(), outside, 0)) == "cancel_on_bound | end slippage_bound"


def test_a_tighter_limit_price_holds_for_any_strategy() -> None:
    plan = plan_of(KIND, bound_price="100.10", limit_price="100.02")
    assert told(step_at(plan, view_of(), market_of(), 0)) == "market_at_once | 1000 100.02 ioc | @1"


@pytest.mark.parametrize(
    ("market", "expected"),
    [
        (market_of(status=TradingStatus.UNKNOWN), "market_unusable | @4"),
        (market_of(status=TradingStatus.CLOSED), "market_unusable | @4"),
        (market_of().model_copy(update={"quote": None}), "market_unusable | @4"),
        (market_of(age=121), "market_unusable | @4"),
        (market_of(status=TradingStatus.HALTED), "market_halted | cancel o-0 | @4"),
    ],
)
def test_nothing_new_is_sent_into_a_market_that_cannot_be_judged(
    market: MarketState, expected: str
) -> None:
    view = view_of(0, order_of(10, "100.00"))
    assert told(step_at(plan_of(KIND), view, market, 3)) == expected


def test_a_quote_may_be_as_old_as_the_plan_allows() -> None:
    step = step_at(plan_of(KIND), view_of(), market_of(age=120), 3)
    assert told(step) == "market_at_once | 1000 market ioc | @4"


def test_shares_of_unknown_outcome_are_not_sent_again() -> None:
    view = view_of(100, order_of(300, None, uncertain=True, immediate=True))
    step = step_at(plan_of(KIND), view, market_of(), 9)
    assert told(step) == "market_at_once | 600 market ioc | @10"


def test_before_the_start_it_waits_and_after_all_is_done_it_rests() -> None:
    plan = plan_of(KIND)
    assert told(step_at(plan, view_of(), market_of(), -5)) == "before_start | @0"
    assert told(step_at(plan, view_of(1000), market_of(), 5)) == "nothing_left"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (799.999, "market_at_once | 600 100.10 ioc | @800"),
        (800, "deadline_finish | end window_elapsed"),
    ],
)
def test_the_window_ends_it(at: float, expected: str) -> None:
    plan = plan_of(KIND, bound_price="100.10")
    assert told(step_at(plan, view_of(400, last=0), market_of(), at)) == expected


def test_the_session_ends_it_whatever_the_plan_says() -> None:
    plan = plan_of(KIND, must_complete=True)
    view = view_of(400, order_of(600, "100.00"))
    step = step_at(plan, view, market_of(close=500), 500)
    assert told(step) == "session_end | cancel o-0 | end session_end"
