"""OPPORTUNISTIC: a better price, or the deadline."""

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

KIND = ExecutionStrategy.OPPORTUNISTIC


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        ("99.81", "await_price | @6"),
        ("99.80", "take_improved | 1000 99.80 ioc | @6"),
        ("99.70", "take_improved | 1000 99.80 ioc | @6"),
    ],
)
def test_a_price_twenty_bps_better_is_taken_at_or_through_it(ask: str, expected: str) -> None:
    market = market_of("99.60", ask)
    assert told(step_at(plan_of(KIND), view_of(), market, 5)) == expected


def test_a_sell_waits_for_a_higher_price() -> None:
    plan = plan_of(KIND, side=SELL)
    assert told(step_at(plan, view_of(), market_of("100.19", "100.30"), 5)) == "await_price | @6"
    assert told(step_at(plan, view_of(), market_of("100.20", "100.30"), 5)) == (
        "take_improved | 1000 100.20 ioc | @6"
    )


def test_it_is_not_taken_twice_in_a_second() -> None:
    good = market_of("99.60", "99.70")
    assert told(step_at(plan_of(KIND), view_of(300, last=5), good, 5.5)) == "await_reports | @6"


@pytest.mark.parametrize(
    ("complete", "expected"),
    [
        (True, "deadline_cross | 1000 market ioc | @801"),
        (False, "deadline_finish | end price_not_reached"),
    ],
)
def test_at_the_deadline_it_completes_or_gives_up_as_the_plan_says(
    complete: bool, expected: str
) -> None:
    plan = plan_of(KIND, complete_at_deadline=complete)
    assert told(step_at(plan, view_of(), market_of(), 799.5)) == "await_price | @800"
    assert told(step_at(plan, view_of(), market_of(), 800)) == expected


def test_completing_stays_inside_the_bound() -> None:
    plan = plan_of(KIND, bound_price="100.10")
    assert told(step_at(plan, view_of(), market_of(), 800)) == (
        "deadline_cross | 1000 100.10 ioc | @801"
    )
    assert told(step_at(plan, view_of(), market_of("100.10", "100.12"), 800)) == (
        "deadline_finish | end slippage_bound"
    )


def test_completing_stays_below_the_participation_cap() -> None:
    plan = plan_of(KIND, participation_cap="0.1")
    market = market_of(volume=4000)
    assert told(step_at(plan, view_of(), market, 800)) == "deadline_cross | 400 market ioc | @801"
    assert told(step_at(plan, view_of(400, last=800), market, 801)) == (
        "deadline_finish | end participation_cap"
    )


def test_without_an_arrival_mid_there_is_no_better_price() -> None:
    for style in (SMART, plan_of(KIND).style):
        plan = plan_of(KIND, arrival_mid=None, style=style)
        assert told(step_at(plan, view_of(), market_of("9", "10"), 5)) == "await_price | @6"


def test_a_smart_one_rests_at_the_better_price_from_the_start() -> None:
    plan = plan_of(KIND, style=SMART)
    assert told(step_at(plan, view_of(), market_of(), 0)) == (
        "rest_at_improved | 1000 99.80 day | @1"
    )
    view = view_of(0, order_of(1000, "99.80"))
    assert told(step_at(plan, view, market_of(), 9)) == "keep_resting | @10"


def test_a_smart_one_works_the_rest_over_the_second_half() -> None:
    plan = plan_of(KIND, style=SMART)
    view = view_of(0, order_of(1000, "99.80"))
    assert told(step_at(plan, view, market_of(), 399.5)) == "keep_resting | @400"
    assert told(step_at(plan, view, market_of(), 400)) == "repeg | cancel o-0 | @401"
    lagging = view_of(0, last=500)
    assert told(step_at(plan, lagging, market_of(), 760)) == "cross_final | 500 100.01 ioc | @761"
    giving_up = plan_of(KIND, style=SMART, complete_at_deadline=False)
    assert told(step_at(giving_up, view, market_of(), 760)) == "keep_resting | @761"
