"""A schedule as it is drawn is the one that strategies follow, piece by piece."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import ExecutionStrategy, Style
from fillwright.domain.plan import PlanTerms
from fillwright.domain.ports import NANOS
from fillwright.domain.strategies.contract import InstructionView
from fillwright.domain.strategies.planned import shares_planned
from fillwright.projections.planned_schedule import PlanInForce, schedule
from tests.domain.strategies.cases import plan_of

OPEN, CLOSE = 0, 23_400 * NANOS
START, END = 3_600 * NANOS, 10_800 * NANOS


def plan(strategy: ExecutionStrategy, style: Style = Style.SMART, **more: Any) -> PlanTerms:
    return plan_of(strategy, style=style, start_at=START, end=END / NANOS, **more)


def view(**more: Any) -> InstructionView:
    made = {"executed": Decimal(0), "exposure": Decimal(0), "placed": 0, "orders": ()}
    return InstructionView(**made, volume_at_start=None, **more)


def due(terms: PlanTerms, at: int, seen: InstructionView | None = None) -> Decimal | None:
    return shares_planned(terms, seen or view(), at, OPEN, CLOSE)


TIMED = [
    (ExecutionStrategy.TWAP, Style.SMART),
    (ExecutionStrategy.TWAP, Style.NAIVE),
    (ExecutionStrategy.VWAP, Style.SMART),
    (ExecutionStrategy.VWAP, Style.NAIVE),
    (ExecutionStrategy.MARKET, Style.SMART),
]


@pytest.mark.parametrize(("strategy", "style"), TIMED)
@given(
    times=st.lists(st.integers(0, CLOSE), min_size=2, max_size=20),
    slices=st.integers(1, 40),
    curvature=st.integers(0, 20),
)
def test_a_schedule_never_falls_and_ends_at_the_quantity(
    strategy: ExecutionStrategy, style: Style, times: list[int], slices: int, curvature: int
) -> None:
    terms = plan(strategy, style, slices=slices, risk_curvature=Decimal(curvature))
    shares = [due(terms, at) for at in sorted(times)]
    known = [each for each in shares if each is not None]
    assert len(known) == len(shares)
    assert known == sorted(known)
    assert due(terms, START - 1) == 0
    assert due(terms, END) == 1_000


def test_slices_are_steps_and_a_smart_schedule_is_their_line() -> None:
    steps = plan(ExecutionStrategy.TWAP, Style.NAIVE, slices=4)
    quarter = (END - START) // 4
    assert [due(steps, START + n * quarter) for n in range(4)] == [250, 500, 750, 1_000]
    assert due(steps, START + quarter - 1) == 250
    line = plan(ExecutionStrategy.TWAP, slices=4)
    assert due(line, START + quarter // 2) == 125


def test_a_volume_schedule_follows_its_curve_and_risk_aversion_bends_the_line() -> None:
    curve = plan(ExecutionStrategy.VWAP, volume_curve=(3, 1))
    # The window has 2.25 hours of the first half of the session, at three times the pace.
    half = CLOSE // 2
    assert due(curve, END) == 1_000
    middle = due(curve, START + (END - START) // 2)
    assert middle is not None
    assert half > END
    assert middle == 500
    early = due(plan(ExecutionStrategy.TWAP, risk_curvature=Decimal(9)), (START + END) // 2)
    assert early is not None
    assert early > 500


@pytest.mark.parametrize(
    "strategy",
    [ExecutionStrategy.POV, ExecutionStrategy.ICEBERG, ExecutionStrategy.LIMIT],
)
def test_what_does_not_go_by_time_has_no_schedule(strategy: ExecutionStrategy) -> None:
    assert due(plan(strategy), END) is None


def test_a_suspension_stops_the_schedule_and_the_rest_is_spread_anew() -> None:
    terms = plan(ExecutionStrategy.TWAP)
    quarter = (END - START) // 4
    halted, resumed = START + quarter, START + 2 * quarter
    plans = [
        PlanInForce(START, terms, view()),
        PlanInForce(halted, None, view()),
        PlanInForce(resumed, terms, view(resumed_at=resumed, resumed_executed=Decimal(200))),
    ]
    times = [
        START - 1,
        START,
        halted - 1,
        halted + 1,
        resumed - 1,
        resumed,
        (resumed + END) // 2,
        END,
    ]
    shares = [float(round(each, 3)) for _, each in schedule(plans, times, OPEN, CLOSE)]
    assert shares == [0, 250, 250, 250, 200, 600, 1_000]
