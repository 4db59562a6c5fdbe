"""LIMIT: a price or better, until the timeout."""

import pytest

from fillwright.domain.decision import ExecutionStrategy
from tests.domain.strategies.cases import (
    SELL,
    SMART,
    market_of,
    order_of,
    plan_of,
    step_at,
    told,
    view_of,
)

KIND = ExecutionStrategy.LIMIT


def test_the_seed_limit_is_ten_bps_inside_the_arrival_mid() -> None:
    plan = plan_of(KIND)
    assert told(step_at(plan, view_of(), market_of(), 0)) == "rest_at_limit | 1000 99.90 day | @1"
    sell = plan_of(KIND, side=SELL)
    assert told(step_at(sell, view_of(), market_of(), 0)) == "rest_at_limit | 1000 100.10 day | @1"


def test_the_plan_limit_price_comes_first_and_the_bound_holds() -> None:
    plan = plan_of(KIND, limit_price="100.03")
    assert told(step_at(plan, view_of(), market_of(), 0)) == "rest_at_limit | 1000 100.03 day | @1"
    plan = plan_of(KIND, limit_price="100.03", bound_price="100.02")
    assert told(step_at(plan, view_of(), market_of(), 0)) == "rest_at_limit | 1000 100.02 day | @1"


def test_a_resting_limit_stays_where_it_is() -> None:
    view = view_of(200, order_of(800, "99.90"))
    assert told(step_at(plan_of(KIND), view, market_of("99.70", "99.72"), 9)) == (
        "keep_resting | @10"
    )


@pytest.mark.parametrize(("end", "timeout", "over"), [(800, 300, 300), (800, 1800, 800)])
def test_it_gives_up_after_its_timeout_or_the_window(end: int, timeout: int, over: int) -> None:
    plan = plan_of(KIND, end=end, limit_timeout_seconds=timeout)
    view = view_of(200, order_of(800, "99.90"))
    before = step_at(plan, view, market_of(), over - 0.001)
    assert told(before) == f"keep_resting | @{over}"
    assert told(step_at(plan, view, market_of(), over)) == (
        "deadline_finish | cancel o-0 | end limit_not_reached"
    )


def test_one_that_must_complete_crosses_after_the_timeout_unless_its_limit_forbids() -> None:
    view = view_of(200, last=0)
    plan = plan_of(KIND, must_complete=True, limit_timeout_seconds=300)
    assert told(step_at(plan, view, market_of(), 300)) == "deadline_cross | 800 market ioc | @301"
    plan = plan_of(KIND, must_complete=True, limit_price="100.00", limit_timeout_seconds=300)
    assert told(step_at(plan, view, market_of(), 300)) == (
        "deadline_finish | end limit_not_reached"
    )


def test_without_an_arrival_mid_the_price_is_taken_once() -> None:
    plan = plan_of(KIND, arrival_mid=None)
    market = market_of("101.99", "102.01")
    assert told(step_at(plan, view_of(), market, 0)) == "rest_at_limit | 1000 101.89 day | @1"
    view = view_of(0, order_of(1000, "99.90"))
    assert told(step_at(plan, view, market, 9)) == "keep_resting | @10"


def test_a_smart_one_takes_what_the_touch_shows_within_the_limit() -> None:
    plan = plan_of(KIND, style=SMART, limit_price="100.02")
    assert told(step_at(plan, view_of(), market_of(), 0)) == "take_limit | 500 100.01 ioc | @1"
    resting = view_of(0, order_of(1000, "100.00"))
    assert told(step_at(plan, resting, market_of(), 9)) == "free_for_cross | cancel o-0 | @10"
    freed = view_of(0, order_of(1000, "100.00", cancelling=True))
    assert told(step_at(plan, freed, market_of(), 9)) == "await_cancels | @10"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (0, "rest_at_touch | 1000 99.99 day | @1"),
        (399, "rest_at_touch | 1000 99.99 day | @400"),
        (400, "rest_at_limit | 1000 100.01 day | @401"),
    ],
)
def test_a_smart_limit_inside_the_spread_joins_the_touch_for_half_of_its_time(
    at: float, expected: str
) -> None:
    plan = plan_of(KIND, style=SMART, limit_price="100.01")
    assert told(step_at(plan, view_of(), market_of("99.99", "100.03"), at)) == expected


def test_a_smart_limit_moves_up_to_its_limit_in_the_second_half() -> None:
    plan = plan_of(KIND, style=SMART, limit_price="100.01")
    view = view_of(0, order_of(1000))
    wide = market_of("99.99", "100.03")
    assert told(step_at(plan, view, wide, 399)) == "keep_resting | @400"
    assert told(step_at(plan, view, wide, 400)) == "repeg | cancel o-0 | @401"


def test_a_smart_limit_behind_the_touch_rests_at_the_limit() -> None:
    plan = plan_of(KIND, style=SMART)
    assert told(step_at(plan, view_of(), market_of(), 0)) == "rest_at_limit | 1000 99.90 day | @1"
    locked = market_of("100.00", "100.00")
    assert told(step_at(plan, view_of(), locked, 0)) == "market_unusable | @1"
