"""ICEBERG: tranches, fixed or pegged."""

from decimal import Decimal

import pytest

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.strategies.iceberg import tranche
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

KIND = ExecutionStrategy.ICEBERG


@pytest.mark.parametrize(
    ("quantity", "lot", "board_lot", "expected"),
    [
        (10_000, "1", 100, 1000),
        (10_001, "1", 100, 1001),
        (500, "1", 100, 100),
        (60, "1", 100, 60),
        (500, "1", 1, 50),
        (550, "50", 1, 100),
    ],
)
def test_a_tranche_is_a_tenth_rounded_up_and_at_least_a_round_lot(
    quantity: int, lot: str, board_lot: int, expected: int
) -> None:
    plan = plan_of(KIND, quantity=quantity, lot=lot, board_lot=board_lot)
    assert tranche(plan) == expected


def test_the_next_tranche_comes_after_the_last_has_filled() -> None:
    plan = plan_of(KIND, quantity=2500, must_complete=True)
    assert told(step_at(plan, view_of(), market_of(), 0)) == "rest_at_touch | 250 99.99 day | @1"
    partly = view_of(200, order_of(50, executed=200))
    assert told(step_at(plan, partly, market_of(), 7)) == "keep_resting | @8"
    assert told(step_at(plan, view_of(250, last=0), market_of(), 7)) == (
        "rest_at_touch | 250 99.99 day | @8"
    )
    assert told(step_at(plan, view_of(2400, last=0), market_of(), 7)) == (
        "rest_at_touch | 100 99.99 day | @8"
    )


def test_a_tranche_that_dies_at_once_is_not_sent_again_in_a_loop() -> None:
    plan = plan_of(KIND)
    assert told(step_at(plan, view_of(0, last=7), market_of(), 7.05)) == "await_reports | @8"


@pytest.mark.parametrize(("bid", "ask"), [("100.00", "100.02"), ("99.98", "100.00")])
def test_a_pegged_rest_follows_the_touch_by_cancel_and_quote(bid: str, ask: str) -> None:
    plan = plan_of(KIND, display_fraction=1, must_complete=True)
    moved = market_of(bid, ask)
    assert told(step_at(plan, view_of(0, order_of(1000)), moved, 3)) == "repeg | cancel o-0 | @4"
    assert told(step_at(plan, view_of(0, order_of(1000, cancelling=True)), moved, 3)) == (
        "await_cancels | @4"
    )
    assert told(step_at(plan, view_of(0, last=0), moved, 3)) == (
        f"rest_at_touch | 1000 {bid} day | @4"
    )


@pytest.mark.parametrize(
    ("at", "slack", "moves"),
    [(3.0, 0, True), (3.001, 0, False), (3.25, 250_000_000, True), (3.251, 250_000_000, False)],
)
def test_a_naive_peg_moves_at_decision_times_only(at: float, slack: int, moves: bool) -> None:
    plan = plan_of(KIND, wake_slack_ns=slack)
    step = step_at(plan, view_of(0, order_of(100)), market_of("100.00", "100.02"), at)
    assert bool(step.cancels) is moves


def test_a_pegged_rest_ends_in_a_cross() -> None:
    plan = plan_of(KIND, display_fraction=1, must_complete=True)
    view = view_of(300, order_of(700))
    assert told(step_at(plan, view, market_of(), 799)) == "keep_resting | @800"
    assert told(step_at(plan, view, market_of(), 800)) == "deadline_cancel | cancel o-0 | @801"
    assert told(step_at(plan, view_of(300, last=0), market_of(), 800)) == (
        "deadline_cross | 700 market ioc | @801"
    )


def test_without_a_peg_it_stays_at_the_touch_on_arrival() -> None:
    plan = plan_of(KIND, peg=False, arrival_touch="99.97")
    moved = market_of("100.04", "100.06")
    assert told(step_at(plan, view_of(), moved, 5)) == "rest_at_arrival | 100 99.97 day | @6"
    assert told(step_at(plan, view_of(0, order_of(100, "99.97")), moved, 6)) == (
        "keep_resting | @7"
    )


@pytest.mark.parametrize(("arrival_mid", "expected"), [("100.005", "100.00"), (None, "100.04")])
def test_without_a_recorded_touch_the_arrival_mid_stands_for_it(
    arrival_mid: str | None, expected: str
) -> None:
    plan = plan_of(KIND, peg=False, arrival_mid=arrival_mid)
    step = step_at(plan, view_of(), market_of("100.04", "100.06"), 5)
    assert told(step) == f"rest_at_arrival | 100 {expected} day | @6"


def test_rests_never_pass_the_bound() -> None:
    plan = plan_of(KIND, bound_price="100.05", must_complete=True)
    near, past = market_of("100.05", "100.06"), market_of("100.06", "100.07")
    assert told(step_at(plan, view_of(), near, 0)) == "rest_at_touch | 100 100.05 day | @1"
    assert told(step_at(plan, view_of(), past, 0)) == "rest_at_bound | 100 100.05 day | @1"
    assert told(step_at(plan, view_of(0, order_of(100, "100.05")), past, 3)) == "keep_resting | @4"


def test_a_naive_one_that_need_not_complete_crosses_what_is_shown_in_the_final_phase() -> None:
    plan = plan_of(KIND)
    assert told(step_at(plan, view_of(0, last=0), market_of(sizes=(9, 9)), 760)) == (
        "cross_final | 9 100.01 ioc | @761"
    )
    assert told(step_at(plan, view_of(500, order_of(100)), market_of(), 800)) == (
        "deadline_finish | cancel o-0 | end window_elapsed"
    )


def test_a_smart_one_shows_a_tranche_whatever_the_schedule_and_crosses_within_one_of_it() -> None:
    plan = plan_of(KIND, style=SMART, side=SELL, end=1000)
    assert told(step_at(plan, view_of(), market_of(), 0)) == "rest_inside | 100 100.00 day | @1"
    ahead = view_of(600, last=0)
    assert told(step_at(plan, ahead, market_of(), 10)) == "rest_inside | 100 100.00 day | @11"
    # The band is the tranche of 100, of which this book is worth 75 of lag.
    behind = view_of(100, order_of(100, "100.00"))
    assert told(step_at(plan, behind, market_of(), 184)) == "hold_cross | @185"
    assert told(step_at(plan, behind, market_of(), 185)) == "cross_lag | 10 99.99 ioc | @186"


def test_no_tranche_is_shown_for_shares_of_unknown_outcome() -> None:
    plan = plan_of(KIND, must_complete=True)
    view = view_of(850, order_of(100, uncertain=True))
    assert view.free(plan) == Decimal(50)
    assert told(step_at(plan, view, market_of(), 9)) == "rest_at_touch | 50 99.99 day | @10"
