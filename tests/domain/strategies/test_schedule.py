"""Slice times and targets: exact, bounded, seeded."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.plan import SLICES_MAX, StrategyParameters
from fillwright.domain.ports import NANOS
from fillwright.domain.strategies.schedule import (
    U_SHAPED_CURVE,
    Window,
    almgren_chriss_cost,
    almgren_chriss_curvature,
    almgren_chriss_holdings,
    curve_fraction,
    curve_share,
    fraction_target,
    linear_target,
    mix,
    slice_time,
    slices_due,
    trajectory_fraction,
    window_of,
)
from tests.domain.strategies.cases import plan_of, seconds, view_of

KIND = ExecutionStrategy.TWAP

windows = st.builds(
    Window,
    start=st.integers(0, 5 * NANOS),
    end=st.integers(6 * NANOS, 7200 * NANOS),
    quantity=st.integers(1, 10_000).map(Decimal),
    base=st.integers(0, 50).map(Decimal),
    slices=st.integers(1, SLICES_MAX),
)
parameters = st.builds(
    StrategyParameters,
    randomise=st.sampled_from([Decimal(0), Decimal("0.5"), Decimal("0.999")]),
    interval_ns=st.sampled_from([1, NANOS // 3, NANOS, 60 * NANOS]),
)
seeds = st.integers(0, 2**64 - 1)


@given(windows, parameters, seeds)
def test_slices_begin_inside_the_window_and_never_swap(
    window: Window, numbers: StrategyParameters, seed: int
) -> None:
    times = [slice_time(window, index, numbers, seed) for index in range(window.slices)]
    assert times == sorted(times)
    assert window.start <= times[0]
    assert times[-1] < window.end


@given(windows, parameters, seeds, st.data())
def test_the_number_of_slices_due_is_the_number_of_times_that_have_come(
    window: Window, numbers: StrategyParameters, seed: int, data: st.DataObject
) -> None:
    times = [slice_time(window, index, numbers, seed) for index in range(window.slices)]
    near = st.sampled_from(times).flatmap(lambda at: st.integers(at - 1, at + 1))
    now = data.draw(near | st.integers(window.start - 5, window.end + 5))
    expected = window.slices if now >= window.end else sum(at <= now for at in times)
    assert slices_due(window, now, numbers, seed) == expected


@given(windows, st.sampled_from([Decimal(1), Decimal(100), Decimal("0.001")]))
def test_targets_rise_to_the_whole_quantity(window: Window, lot: Decimal) -> None:
    window = window._replace(slices=max(1, min(window.slices, int(window.quantity / lot))))
    targets = [linear_target(window, due, lot) for due in range(window.slices + 1)]
    assert targets == sorted(targets)
    assert targets[0] == window.base
    assert targets[-1] == window.base + window.quantity


def test_a_seed_fixes_the_shifts_and_another_gives_others() -> None:
    window = Window(0, 800 * NANOS, Decimal(1000), Decimal(0), 8)
    numbers = StrategyParameters(randomise=Decimal("0.5"))
    times = [[slice_time(window, i, numbers, seed) for i in range(8)] for seed in (1, 1, 2)]
    assert times[0] == times[1] != times[2]
    assert all(0 <= at - i * 100 * NANOS <= 50 * NANOS for i, at in enumerate(times[0]))


def test_the_hash_is_splitmix64() -> None:
    # The first outputs of the reference implementation for seed 1234567.
    assert [mix(1234567, index) for index in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_there_are_never_more_slices_than_lots() -> None:
    assert window_of(plan_of(KIND, quantity=250, lot=100), view_of()).slices == 2
    assert window_of(plan_of(KIND, quantity="0.5", lot=1), view_of()).slices == 1


def test_a_resumed_schedule_spreads_the_remainder_over_the_rest_of_the_window() -> None:
    plan = plan_of(KIND)
    view = view_of(300, resumed_at=seconds(401), resumed_executed=Decimal(300))
    assert window_of(plan, view) == Window(
        seconds(401), seconds(800), Decimal(700), Decimal(300), 4
    )
    late = view_of(300, resumed_at=seconds(900), resumed_executed=Decimal(300))
    assert window_of(plan, late) == Window(
        seconds(800), seconds(800), Decimal(700), Decimal(300), 1
    )


@given(windows, st.integers(-2, 10_000).map(Decimal))
def test_a_trajectory_rises_from_nothing_to_all(window: Window, curvature: Decimal) -> None:
    span = window.end - window.start
    points = [window.start + span * k // 40 for k in range(41)]
    shares = [trajectory_fraction(window, at, curvature) for at in points]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert all(before <= after for before, after in pairwise(shares))


def test_aversion_to_risk_trades_earlier() -> None:
    window = Window(0, 800 * NANOS, Decimal(1000), Decimal(0), 8)
    half = 400 * NANOS
    assert trajectory_fraction(window, half, Decimal(-2)) < Decimal("0.5")
    assert trajectory_fraction(window, half, Decimal(0)) == Decimal("0.5")
    assert trajectory_fraction(window, half, Decimal(9)) > Decimal("0.5")


def test_a_trajectory_between_slices_is_a_straight_line() -> None:
    window = Window(0, 8 * NANOS, Decimal(1000), Decimal(0), 8)
    held = almgren_chriss_holdings(Decimal(9), 8)
    middle = trajectory_fraction(window, 5 * NANOS // 2, Decimal(9))
    assert abs(middle - (1 - (held[2] + held[3]) / 2)) < Decimal("1e-20")


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_curve_shares_of_neighbouring_spans_add_up(a: int, b: int) -> None:
    first, last = sorted((a, b))
    shares = [
        curve_share(U_SHAPED_CURVE, 100, 900, start, end)
        for start, end in [(0, first), (first, last), (last, 1000)]
    ]
    assert abs(sum(shares, Decimal(-1))) < Decimal("1e-20")
    assert min(shares) >= 0


def test_a_curve_without_a_session_expects_nothing() -> None:
    assert curve_share((1, 2), 500, 500, 0, 1000) == 0
    window = Window(0, 800, Decimal(10), Decimal(0), 8)
    assert curve_fraction((1, 2), 500, 500, window, 200) == Decimal("0.25")


def test_a_fraction_becomes_whole_lots_and_all_at_one() -> None:
    window = Window(0, 800, Decimal(1050), Decimal(7), 8)
    assert fraction_target(window, Decimal("0.33"), Decimal(100)) == 307
    assert fraction_target(window, Decimal("0.99"), Decimal(100)) == 1007
    assert fraction_target(window, Decimal(1), Decimal(100)) == 1057
    odd = window._replace(quantity=Decimal(1080))
    assert fraction_target(odd, Decimal("0.99"), Decimal(100)) == 1087


# Published figures: Almgren and Chriss (2000), in the project and in the shared vectors.
PAPER: dict[str, Any] = {
    "sigma": Decimal("0.95"),
    "eta": Decimal("2.5e-6"),
    "gamma": Decimal("2.5e-7"),
    "horizon": Decimal(5),
}


def trajectory(risk_aversion: Decimal, shares: int = 1_000_000) -> tuple[Decimal, ...]:
    """Holdings in shares under the paper's parameters."""
    curvature = almgren_chriss_curvature(risk_aversion=risk_aversion, slices=5, **PAPER)
    return tuple(shares * held for held in almgren_chriss_holdings(curvature, 5))


def test_the_paper_example_is_reproduced() -> None:
    holdings = trajectory(Decimal("1e-6"))
    assert [round(x) for x in holdings] == [1_000_000, 541_956, 289_854, 147_897, 62_142, 0]
    mean, variance = almgren_chriss_cost(holdings, epsilon=Decimal("0.0625"), **PAPER)
    assert round(mean) == 911_227
    assert round(variance.sqrt()) == 603_431
    mean, variance = almgren_chriss_cost(trajectory(Decimal(0)), epsilon=Decimal("0.0625"), **PAPER)
    assert round(mean) == 662_500
    assert round(variance) == 1_083_000_000_000


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> list[dict[str, Any]]:
    """The published example's vectors; skips where they are missing."""
    path = shared_dir / "vectors" / "tca_almgren_chriss_2000.json"
    if not path.is_file():
        pytest.skip(f"shared data not present: {path}")
    content = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    found: list[dict[str, Any]] = content["vectors"]
    return found


def vector(vectors: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(each for each in vectors if each["kind"] == kind)


def test_the_shared_trajectories_are_reproduced(vectors: list[dict[str, Any]]) -> None:
    cases = vector(vectors, "ac_trajectories")["expected"]["trajectories"]
    assert len(cases) == 4
    for case in cases:
        holdings = trajectory(Decimal(str(case["lam"])))
        trades = [before - after for before, after in pairwise(holdings)]
        mean, variance = almgren_chriss_cost(holdings, epsilon=Decimal("0.0625"), **PAPER)
        for got, wanted in zip(holdings, case["holdings"], strict=True):
            assert abs(got - wanted) <= Decimal("0.001")
        for got, wanted in zip(trades, case["trades"], strict=True):
            assert abs(got - wanted) <= Decimal("0.001")
        assert abs(mean - case["expected_cost"]) <= Decimal("0.01")
        assert abs(variance - case["variance"]) <= 1
        assert abs(variance.sqrt() - case["stdev"]) <= Decimal("0.01")


def test_the_shared_frontier_is_reproduced(vectors: list[dict[str, Any]]) -> None:
    case = vector(vectors, "ac_frontier_rows")
    for millionths, mean_musd, variance_musd2, penalty_musd, half_life in case["inputs"]["rows"]:
        aversion = millionths * Decimal("1e-6")
        mean, variance = almgren_chriss_cost(
            trajectory(aversion), epsilon=Decimal("0.0625"), **PAPER
        )
        close = Decimal("6e-5")
        assert abs(mean / 10**6 - mean_musd) <= close
        assert abs(variance / 10**12 - variance_musd2) <= close
        assert abs((mean + aversion * variance) / 10**6 - penalty_musd) <= close
        # The half-life is 1 / kappa with cosh(kappa tau) = 1 + curvature / (2 N^2), tau = 1.
        curvature = almgren_chriss_curvature(risk_aversion=aversion, slices=5, **PAPER)
        cosh = 1 + curvature / 50
        kappa = (cosh + (cosh * cosh - 1).sqrt()).ln()
        assert abs(1 / kappa - half_life) <= Decimal("0.006")
