"""TWAP: naive slices and the rules of smart ones."""

from decimal import Decimal
from typing import Any

import pytest

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.market import MarketState, TradingStatus
from fillwright.domain.plan import PlanTerms
from fillwright.domain.reasons import OnBound
from fillwright.domain.strategies.contract import InstructionView
from tests.domain.strategies.cases import (
    SELL,
    SMART,
    market_of,
    order_of,
    plan_of,
    seconds,
    step_at,
    told,
    view_of,
)

KIND = ExecutionStrategy.TWAP


def test_eight_slices_are_placed_at_their_times_and_add_up() -> None:
    plan = plan_of(KIND, quantity=1001)
    executed, last, at, sizes, times = 0, None, 0.0, [], []
    while executed < 1001:
        step = step_at(plan, view_of(executed, last=last), market_of(), at)
        for place in step.places:
            sizes.append(int(place.quantity))
            times.append(at)
            executed, last = executed + int(place.quantity), at
        assert step.wake_at is not None
        at = step.wake_at / 1_000_000_000
    assert sizes == [125, 125, 125, 125, 126, 125, 125, 125]
    assert times == [0, 100, 200, 300, 400, 500, 600, 700]


def test_it_wakes_once_per_slice() -> None:
    step = step_at(plan_of(KIND), view_of(), market_of(), 0)
    assert told(step) == "slice_due | 125 market ioc | @100"
    assert told(step_at(plan_of(KIND), view_of(125, last=0), market_of(), 40)) == (
        "await_slice | @100"
    )


def test_fewer_shares_than_slices_make_fewer_slices() -> None:
    plan = plan_of(KIND, quantity=3, end=300)
    assert told(step_at(plan, view_of(), market_of(), 0)) == "slice_due | 1 market ioc | @100"
    assert told(step_at(plan, view_of(2, last=100), market_of(), 200)) == (
        "slice_due | 1 market ioc | @300"
    )


def test_a_slice_between_two_seconds_starts_at_the_next() -> None:
    plan = plan_of(KIND, end=300)
    assert told(step_at(plan, view_of(125, last=0), market_of(), 37.5)) == "await_slice | @38"
    assert told(step_at(plan, view_of(125, last=0), market_of(), 38)) == (
        "slice_due | 125 market ioc | @75"
    )


def test_a_late_call_sends_what_is_due_by_then_and_a_second_one_nothing() -> None:
    plan = plan_of(KIND)
    assert told(step_at(plan, view_of(125, last=0), market_of(), 350)) == (
        "slice_due | 375 market ioc | @400"
    )
    assert told(step_at(plan, view_of(125, last=350), market_of(), 360)) == "await_slice | @400"


def test_what_a_slice_could_not_trade_is_in_the_next() -> None:
    plan = plan_of(KIND, bound_price="100.10")
    view = view_of(50, last=0)
    assert told(step_at(plan, view, market_of(), 60)) == "await_slice | @100"
    assert told(step_at(plan, view, market_of(), 100)) == "slice_due | 200 100.10 ioc | @200"


def test_after_the_last_slice_the_rest_is_tried_each_second_until_the_window_ends() -> None:
    plan = plan_of(KIND, bound_price="100.10")
    view = view_of(900, last=700)
    assert told(step_at(plan, view, market_of(), 700.5)) == "await_reports | @701"
    assert told(step_at(plan, view, market_of(), 701)) == "slice_due | 100 100.10 ioc | @800"


def test_outside_the_bound_a_slice_rests_there() -> None:
    plan = plan_of(KIND, bound_price="100.10")
    outside = market_of("100.10", "100.12")
    assert told(step_at(plan, view_of(), outside, 0)) == "rest_at_bound | 125 100.10 day | @100"
    resting = view_of(0, order_of(125, "100.10"))
    assert told(step_at(plan, resting, outside, 100)) == "rest_at_bound | 125 100.10 day | @200"


@pytest.mark.parametrize(
    ("market", "must_complete", "expected"),
    [
        (market_of("100.10", "100.12"), False, "deadline_finish | cancel o-0 | end slippage_bound"),
        (market_of("100.10", "100.12"), True, "deadline_finish | cancel o-0 | end slippage_bound"),
        (market_of(), False, "deadline_finish | cancel o-0 | end window_elapsed"),
        (market_of(), True, "deadline_cancel | cancel o-0 | @801"),
        (
            market_of(status=TradingStatus.HALTED),
            False,
            "deadline_finish | cancel o-0 | end halted",
        ),
    ],
)
def test_at_the_deadline_the_bound_outranks_completion(
    market: MarketState, must_complete: bool, expected: str
) -> None:
    plan = plan_of(KIND, bound_price="100.10", must_complete=must_complete)
    view = view_of(875, order_of(125, "100.00", at=700))
    assert told(step_at(plan, view, market, 800)) == expected


def test_the_last_cross_waits_for_confirmed_cancels_but_not_for_ever() -> None:
    plan = plan_of(KIND, must_complete=True)
    stuck = view_of(600, order_of(150, at=700, cancelling=True))
    assert told(step_at(plan, stuck, market_of(), 800)) == "await_cancels | @801"
    assert told(step_at(plan, stuck, market_of(), 801)) == "deadline_cross | 250 market ioc | @802"
    freed = view_of(600, last=700)
    assert told(step_at(plan, freed, market_of(), 800)) == "deadline_cross | 400 market ioc | @801"


def test_a_halt_is_not_caught_up_in_a_burst() -> None:
    plan = plan_of(KIND)
    # Halted from 150 to 550 with two slices done: the remainder over what is left of the window.
    view = view_of(250, last=100, resumed_at=seconds(550), resumed_executed=Decimal(250))
    assert told(step_at(plan, view, market_of(), 550)) == "slice_due | 250 market ioc | @634"
    view = view.model_copy(update={"executed": Decimal(500), "exposure": Decimal(500)})
    assert told(step_at(plan, view, market_of(), 634)) == "slice_due | 250 market ioc | @717"


def test_without_the_moment_of_reopening_the_schedule_is_as_much_shorter() -> None:
    plan = plan_of(KIND)
    view = view_of(250, last=100, stopped_ns=seconds(400))
    assert told(step_at(plan, view, market_of(), 550)) == "slice_due | 250 market ioc | @600"


def test_slices_stay_below_the_participation_cap() -> None:
    plan = plan_of(KIND, participation_cap="0.1")
    view = view_of(125, last=0)
    few, some = market_of(volume=1255), market_of(volume=1800)
    assert told(step_at(plan, view, few, 100)) == "participation_cap | @101"
    assert told(step_at(plan, view, some, 100)) == "slice_due | 55 market ioc | @200"
    assert told(step_at(plan, view, market_of(), 100)) == "participation_cap | @101"
    assert told(step_at(plan, view, some, 800)) == "deadline_finish | end participation_cap"


def smart(**changes: Any) -> PlanTerms:
    return plan_of(KIND, **({"style": SMART, "slices": 10, "end": 1000} | changes))


# 10 slices of 100: the band is 50 shares, the chunk 25; at t seconds t shares are due.
@pytest.mark.parametrize(
    ("at", "view", "market", "expected"),
    [
        # Half a slice may rest ahead of the schedule.
        (0, view_of(), market_of(), "rest_at_touch | 50 99.99 day | @1"),
        # It is topped up in chunks only.
        (24, view_of(0, order_of(50)), market_of(), "keep_resting | @25"),
        (25, view_of(0, order_of(50)), market_of(), "rest_inside | 25 100.00 day | @26"),
        # In a one-tick spread there is no inside.
        (
            25,
            view_of(0, order_of(50)),
            market_of("99.99", "100.00"),
            "rest_at_touch | 25 99.99 day | @26",
        ),
        # The touch moved away: follow it, but not in the second in which the rest was placed.
        (9, view_of(0, order_of(50)), market_of("100.00", "100.02"), "repeg | cancel o-0 | @10"),
        (
            9.5,
            view_of(0, order_of(50, at=9)),
            market_of("100.00", "100.02"),
            "keep_resting | @10",
        ),
        # The touch fell behind: the rest is first now and keeps its place.
        (9, view_of(0, order_of(50)), market_of("99.97", "100.00"), "keep_resting | @10"),
        # A re-quote waits for the cancel.
        (9, view_of(0, order_of(50, cancelling=True)), market_of(), "await_cancels | @10"),
        # Lagging the band by less than a chunk, by a chunk, by more than the touch shows.
        (124, view_of(50, order_of(110, "100.00")), market_of(), "keep_resting | @125"),
        (125, view_of(50, order_of(75, "100.00")), market_of(), "cross_lag | 25 100.01 ioc | @126"),
        (
            325,
            view_of(50, order_of(75, "100.00")),
            market_of(sizes=(90, 90)),
            "cross_lag | 90 100.01 ioc | @326",
        ),
        # Not while a cross is out.
        (
            126,
            view_of(50, order_of(90, "100.00"), order_of(25, "100.01", immediate=True, at=125)),
            market_of(),
            "keep_resting | @127",
        ),
        # The book leans towards a better price: the due cross is held, but not past another band.
        (
            125,
            view_of(50, order_of(125, "100.00")),
            market_of(sizes=(100, 400)),
            "hold_cross | @126",
        ),
        (
            151,
            view_of(50, order_of(125, "100.00")),
            market_of(sizes=(100, 400)),
            "cross_lag | 51 100.01 ioc | @152",
        ),
        # One-tick spread and a book about to move away: cross what is due before it does.
        (
            60,
            view_of(30, order_of(80, "100.00")),
            market_of("100.00", "100.01", sizes=(900, 100)),
            "cross_early | 30 100.01 ioc | @61",
        ),
        (
            60,
            view_of(30, order_of(80, "100.00")),
            market_of("100.00", "100.01", sizes=(700, 300)),
            "keep_resting | @61",
        ),
        # Locked and crossed books are not acted on.
        (60, view_of(0, order_of(80)), market_of("100.00", "100.00"), "market_unusable | @61"),
        # An order of unknown outcome counts as done and is not made up for.
        (
            125,
            view_of(0, order_of(175, "99.99", uncertain=True)),
            market_of(),
            "keep_resting | @126",
        ),
    ],
)
def test_smart_slices(at: float, view: InstructionView, market: MarketState, expected: str) -> None:
    assert told(step_at(smart(), view, market, at)) == expected


def test_a_smart_sell_mirrors_a_buy() -> None:
    plan = smart(side=SELL)
    assert told(step_at(plan, view_of(), market_of(), 0)) == ("rest_at_touch | 50 100.01 day | @1")
    lagging = view_of(50, order_of(75, "100.00"))
    assert told(step_at(plan, lagging, market_of(), 125)) == ("cross_lag | 25 99.99 ioc | @126")
    leaning = market_of("99.99", "100.00", sizes=(100, 900))
    assert told(step_at(plan, view_of(30, order_of(80, "100.00")), leaning, 60)) == (
        "cross_early | 30 99.99 ioc | @61"
    )


def test_smart_rests_and_crosses_stay_inside_the_bound() -> None:
    plan = smart(bound_price="100.00")
    outside = market_of("100.01", "100.03")
    assert told(step_at(plan, view_of(), outside, 0)) == ("rest_at_bound | 50 100.00 day | @1")
    kept = view_of(0, order_of(175, "100.00"))
    assert told(step_at(plan, kept, outside, 125)) == "keep_resting | @126"
    escalating = smart(bound_price="100.00", on_bound=OnBound.ESCALATE)
    assert told(step_at(escalating, kept, outside, 125)) == ("escalate_bound | @126")


# The final phase of 1,000 s begins at 950.
@pytest.mark.parametrize(
    ("at", "view", "market", "expected"),
    [
        # No band any more: what is behind the line is crossed, after its shares are freed.
        (960, view_of(920, order_of(80)), market_of(), "free_for_cross | cancel o-0 | @961"),
        (960, view_of(920, last=900), market_of(), "cross_final | 48 100.01 ioc | @961"),
        # Little is shown: every new quote is taken for what it shows, the same one only once.
        (
            960,
            view_of(900, last=959),
            market_of(sizes=(2, 2), at=959.5),
            "cross_final | 2 100.01 ioc | @961",
        ),
        (
            960,
            view_of(900, last=959),
            market_of(sizes=(2, 2), at=958),
            "rest_inside | 100 100.00 day | @961",
        ),
        # The last two chances take all that is left.
        (998, view_of(997, last=900), market_of(), "cross_final | 3 100.01 ioc | @999"),
    ],
)
def test_the_final_phase_finishes_on_time(
    at: float, view: InstructionView, market: MarketState, expected: str
) -> None:
    assert told(step_at(smart(), view, market, at)) == expected


def test_the_participation_cap_holds_in_the_final_phase_unless_it_must_complete() -> None:
    view, market = view_of(920, last=900), market_of(volume=9300)
    capped = smart(participation_cap="0.1")
    must = smart(participation_cap="0.1", must_complete=True)
    assert told(step_at(capped, view, market, 998)) == ("cross_final | 10 100.01 ioc | @999")
    assert told(step_at(must, view, market, 998)) == ("cross_final | 80 100.01 ioc | @999")
    assert told(step_at(capped, view, market, 1000)) == ("deadline_finish | end participation_cap")


def test_a_feed_without_sizes_is_crossed_in_chunks() -> None:
    lagging = view_of(50, order_of(75, "100.00"))
    step = step_at(smart(), lagging, market_of(sizes=(0, 0)), 325)
    assert told(step) == "cross_lag | 25 100.01 ioc | @326"
