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
    terms = {"style": SMART, "quantity": Decimal(1200), "end": 1200}
    return plan_of(KIND, **(terms | changes))


# 1,200 shares in 1,200 s: at t seconds t are due. The band is half of 1,200 times the root of a
# quarter: 300. 60 may rest ahead, in pieces of 30; no cross is below 12. In a book of two ticks
# and equal sizes, with nothing known of the usual spread, a cross waits for 225 of lag.
@pytest.mark.parametrize(
    ("at", "view", "market", "expected"),
    [
        # A fifth of the band may rest ahead, one tick inside a wide spread.
        (0, view_of(), market_of(), "rest_inside | 60 100.00 day | @1"),
        (0, view_of(), market_of("99.99", "100.00"), "rest_at_touch | 60 99.99 day | @1"),
        # It is topped up in pieces only.
        (29, view_of(0, order_of(60)), market_of(), "hold_cross | @30"),
        (30, view_of(0, order_of(60)), market_of(), "rest_inside | 30 100.00 day | @31"),
        # The touch moved away: follow it, but not in the second in which the rest was placed.
        (9, view_of(0, order_of(60)), market_of("100.00", "100.02"), "repeg | cancel o-0 | @10"),
        (
            9.5,
            view_of(0, order_of(60, at=9)),
            market_of("100.00", "100.02"),
            "keep_resting | @10",
        ),
        # The touch fell behind: the rest is first now and keeps its place.
        (9, view_of(0, order_of(60)), market_of("99.97", "100.00"), "keep_resting | @10"),
        # A re-quote waits for the cancel.
        (9, view_of(0, order_of(60, cancelling=True)), market_of(), "await_cancels | @10"),
        # Lagging by less than the price is worth, by a chunk more, by more than the touch shows.
        (286, view_of(50, order_of(296, "100.00")), market_of(), "hold_cross | @287"),
        (
            287,
            view_of(50, order_of(296, "100.00")),
            market_of(),
            "cross_lag | 12 100.01 ioc | @288",
        ),
        (
            400,
            view_of(50, order_of(296, "100.00")),
            market_of(sizes=(90, 90)),
            "cross_lag | 90 100.01 ioc | @401",
        ),
        # Not while a cross is out, nor at once after another order.
        (
            400,
            view_of(50, order_of(384, "100.00"), order_of(26, "100.01", immediate=True, at=396)),
            market_of(),
            "keep_resting | @401",
        ),
        (
            400,
            view_of(50, order_of(410, "100.00"), last=398),
            market_of(),
            "keep_resting | @401",
        ),
        # The book leans towards a better price: only the whole band makes it cross.
        (
            350,
            view_of(50, order_of(360, "100.00")),
            market_of(sizes=(100, 400)),
            "hold_cross | @351",
        ),
        (
            362,
            view_of(50, order_of(372, "100.00")),
            market_of(sizes=(100, 400)),
            "cross_lag | 12 100.01 ioc | @363",
        ),
        # A quarter of the usual spread is cheap: cross the whole band ahead of schedule.
        (
            60,
            view_of(60, order_of(60, "100.00")),
            market_of(usual="0.08"),
            "cross_early | 300 100.01 ioc | @61",
        ),
        # Two thirds of it is worth a quarter of the band of lag less than nothing.
        (
            60,
            view_of(60, order_of(60, "100.00")),
            market_of(usual="0.0285714"),
            "keep_resting | @61",
        ),
        # One-tick spread and a book about to move away: as cheap, for what the touch shows.
        (
            60,
            view_of(60, order_of(60, "100.00")),
            market_of("100.00", "100.01", sizes=(900, 100)),
            "cross_early | 100 100.01 ioc | @61",
        ),
        # Locked and crossed books are not acted on.
        (60, view_of(0, order_of(80)), market_of("100.00", "100.00"), "market_unusable | @61"),
        # An order of unknown outcome counts as done and is not made up for.
        (
            287,
            view_of(0, order_of(346, "99.99", uncertain=True)),
            market_of(),
            "keep_resting | @288",
        ),
    ],
)
def test_smart_slices(at: float, view: InstructionView, market: MarketState, expected: str) -> None:
    assert told(step_at(smart(), view, market, at)) == expected


def test_a_smart_sell_mirrors_a_buy() -> None:
    plan = smart(side=SELL)
    assert told(step_at(plan, view_of(), market_of(), 0)) == ("rest_inside | 60 100.00 day | @1")
    lagging = view_of(50, order_of(296, "100.00"))
    assert told(step_at(plan, lagging, market_of(), 287)) == ("cross_lag | 12 99.99 ioc | @288")
    leaning = market_of("99.99", "100.00", sizes=(100, 900))
    assert told(step_at(plan, view_of(60, order_of(60, "100.00")), leaning, 60)) == (
        "cross_early | 100 99.99 ioc | @61"
    )


def test_without_a_band_what_lags_is_crossed_at_any_price() -> None:
    plan = smart(band_fraction=0)
    dear = market_of(usual="0.01", sizes=(100, 400))
    assert told(step_at(plan, view_of(), dear, 11)) == "keep_resting | @12"
    assert told(step_at(plan, view_of(0, last=11), dear, 12)) == "cross_lag | 12 100.01 ioc | @13"


def test_the_band_closes_over_the_last_tenth_of_the_window() -> None:
    # With three quarters of it left, three quarters of 225 of lag are borne.
    bearing = view_of(929, order_of(271, "100.00"))
    assert told(step_at(smart(), bearing, market_of(), 1079)) == "hold_cross | @1080"
    assert (
        told(step_at(smart(), bearing, market_of(), 1110)) == "free_for_cross | cancel o-0 | @1111"
    )
    freed = view_of(929, last=1100)
    assert told(step_at(smart(), freed, market_of(), 1110)) == "cross_lag | 12 100.01 ioc | @1111"


def test_no_more_rests_than_may_be_shown() -> None:
    capped, never = smart(rest_fraction_max="0.02"), smart(rest_fraction_max=0)
    assert told(step_at(capped, view_of(), market_of(), 0)) == "rest_inside | 24 100.00 day | @1"
    resting = view_of(0, order_of(24))
    assert told(step_at(capped, resting, market_of(), 30)) == "hold_cross | @31"
    assert told(step_at(never, view_of(), market_of(), 60)) == "hold_cross | @61"


def test_smart_rests_and_crosses_stay_inside_the_bound() -> None:
    plan = smart(bound_price="100.00")
    outside = market_of("100.01", "100.03")
    assert told(step_at(plan, view_of(), outside, 0)) == ("rest_at_bound | 60 100.00 day | @1")
    kept = view_of(0, order_of(347, "100.00"))
    assert told(step_at(plan, kept, outside, 287)) == "keep_resting | @288"
    escalating = smart(bound_price="100.00", on_bound=OnBound.ESCALATE)
    assert told(step_at(escalating, kept, outside, 287)) == ("escalate_bound | @288")


# The final phase of 1,200 s begins at 1,140.
@pytest.mark.parametrize(
    ("at", "view", "market", "expected"),
    [
        # The line closes in on the end; what is behind it is crossed, after its shares are freed.
        (1180, view_of(1100, order_of(100)), market_of(), "free_for_cross | cancel o-0 | @1181"),
        (1180, view_of(1100, last=1100), market_of(), "cross_final | 55 100.01 ioc | @1181"),
        # Little is shown: every new quote is taken for what it shows, the same one only once.
        (
            1180,
            view_of(1100, last=1179),
            market_of(sizes=(2, 2), at=1179.5),
            "cross_final | 2 100.01 ioc | @1181",
        ),
        (
            1180,
            view_of(1100, last=1179),
            market_of(sizes=(2, 2), at=1178),
            "rest_inside | 93 100.00 day | @1181",
        ),
        # The last two chances take all that is left.
        (1198, view_of(1197, last=1100), market_of(), "cross_final | 3 100.01 ioc | @1199"),
    ],
)
def test_the_final_phase_finishes_on_time(
    at: float, view: InstructionView, market: MarketState, expected: str
) -> None:
    assert told(step_at(smart(), view, market, at)) == expected


def test_the_participation_cap_holds_in_the_final_phase_unless_it_must_complete() -> None:
    view, market = view_of(1120, last=1100), market_of(volume=11300)
    capped = smart(participation_cap="0.1")
    must = smart(participation_cap="0.1", must_complete=True)
    assert told(step_at(capped, view, market, 1198)) == ("cross_final | 10 100.01 ioc | @1199")
    assert told(step_at(must, view, market, 1198)) == ("cross_final | 80 100.01 ioc | @1199")
    assert told(step_at(capped, view, market, 1200)) == ("deadline_finish | end participation_cap")


def test_a_feed_without_sizes_is_crossed_in_chunks() -> None:
    lagging = view_of(50, order_of(296, "100.00"))
    step = step_at(smart(), lagging, market_of(sizes=(0, 0)), 325)
    assert told(step) == "cross_lag | 12 100.01 ioc | @326"
