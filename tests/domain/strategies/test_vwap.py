"""VWAP: slices that follow volume."""

from decimal import Decimal

import pytest

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.strategies.schedule import U_SHAPED_CURVE, window_of
from fillwright.domain.strategies.vwap import curve_of, volume_fraction
from tests.domain.strategies.cases import (
    SMART,
    market_of,
    order_of,
    plan_of,
    seconds,
    step_at,
    told,
    view_of,
)

KIND = ExecutionStrategy.VWAP


def test_naive_slices_follow_the_curve_and_add_up() -> None:
    plan = plan_of(KIND, volume_curve=(3, 1, 2, 4), quantity=1001)
    executed, last, at, sizes = 0, None, 0.0, []
    while executed < 1001:
        step = step_at(plan, view_of(executed, last=last), market_of(close=800), at)
        for place in step.places:
            sizes.append(int(place.quantity))
            executed, last = executed + int(place.quantity), at
        assert step.wake_at is not None
        at = step.wake_at / 1_000_000_000
    assert sizes == [150, 150, 50, 50, 100, 101, 200, 200]


def test_only_the_part_of_the_curve_inside_the_window_counts() -> None:
    # Buckets of 800 s: the window lies in the first and the curve is flat there.
    plan = plan_of(KIND, volume_curve=(5, 1))
    assert told(step_at(plan, view_of(), market_of(close=1600), 0)) == (
        "slice_due | 125 market ioc | @100"
    )


@pytest.mark.parametrize("curve", [(), (0, 0), (-1, 2)])
def test_a_curve_that_cannot_be_followed_gives_the_u_shape(curve: tuple[int, ...]) -> None:
    assert curve_of(plan_of(KIND, volume_curve=curve)) == U_SHAPED_CURVE


def test_a_window_in_which_the_curve_expects_nothing_is_followed_in_a_straight_line() -> None:
    plan = plan_of(KIND, volume_curve=(0, 1))
    assert told(step_at(plan, view_of(), market_of(close=1600), 0)) == (
        "slice_due | 125 market ioc | @100"
    )


@pytest.mark.parametrize(
    ("volume", "daily", "expected"),
    [
        # As the curve expects, more, less; unknown volumes leave the curve.
        (2000, 8000, "0.25"),
        (4000, 8000, "0.3077"),
        (0, 8000, "0"),
        (None, 8000, "0.25"),
        (2000, None, "0.25"),
    ],
)
def test_the_share_of_volume_is_updated_by_what_printed(
    volume: int | None, daily: int | None, expected: str
) -> None:
    plan = plan_of(KIND, style=SMART, volume_curve=(1,))
    view = view_of()
    market = market_of(volume=volume, daily=daily, close=800)
    share = volume_fraction(plan, view, market, window_of(plan, view), seconds(200))
    assert share.quantize(Decimal("0.0001")) == Decimal(expected)


def test_all_of_the_volume_has_printed_when_the_window_ends() -> None:
    plan = plan_of(KIND, style=SMART, volume_curve=(1,))
    view, market = view_of(), market_of(volume=10, daily=8000, close=800)
    assert volume_fraction(plan, view, market, window_of(plan, view), seconds(800)) == 1


def test_after_a_halt_the_curve_alone_spreads_the_remainder() -> None:
    plan = plan_of(KIND, style=SMART, volume_curve=(1,))
    view = view_of(200, resumed_at=seconds(400), resumed_executed=Decimal(200))
    market = market_of(volume=7000, daily=8000, close=800)
    share = volume_fraction(plan, view, market, window_of(plan, view), seconds(500))
    assert share == Decimal("0.25")


def test_smart_slices_cross_what_lags_the_volume() -> None:
    plan = plan_of(KIND, style=SMART, volume_curve=(1,), band_fraction=0)
    # Twice the expected volume by 200 s puts 308 of 1,000 shares due.
    view = view_of(200, order_of(108, "100.00"))
    market = market_of(volume=4000, daily=8000, close=800)
    assert told(step_at(plan, view, market, 200)) == "cross_lag | 107 100.01 ioc | @201"


def test_no_more_rests_or_crosses_than_the_participation_cap_leaves_room_for() -> None:
    plan = plan_of(KIND, style=SMART, slices=10, participation_cap="0.1", end=1000)
    assert told(step_at(plan, view_of(), market_of(volume=0), 0)) == "participation_cap | @1"
    assert told(step_at(plan, view_of(), market_of(volume=400), 0)) == (
        "rest_inside | 40 100.00 day | @1"
    )
    holding = view_of(0, order_of(40, at=0))
    assert told(step_at(plan, holding, market_of(volume=400), 9)) == "participation_cap | @10"
