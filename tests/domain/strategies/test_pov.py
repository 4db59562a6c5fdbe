"""POV: a share of the market's volume."""

from decimal import Decimal

import pytest

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.strategies.pov import due_by_volume
from tests.domain.strategies.cases import (
    SMART,
    market_of,
    plan_of,
    step_at,
    told,
    view_of,
)

KIND = ExecutionStrategy.POV
D = Decimal


@pytest.mark.parametrize(
    ("volume", "due"),
    [(None, 0), (5_000, 0), (5_009, 0), (5_010, 1), (7_000, 200), (99_000, 1000)],
)
def test_what_is_due_is_the_rate_times_the_volume_since_the_start(
    volume: int | None, due: int
) -> None:
    plan = plan_of(KIND, participation_cap=D("0.1"))
    view = view_of().model_copy(update={"volume_at_start": D(5_000)})
    assert due_by_volume(plan, view, market_of(volume=volume)) == due


def test_the_naive_way_crosses_for_what_is_due_from_one_percent_on() -> None:
    plan = plan_of(KIND, participation_cap=D("0.2"))
    view = view_of().model_copy(update={"volume_at_start": D(0)})
    few = step_at(plan, view, market_of(volume=45), 5)
    assert told(few) == "await_volume | @6"
    more = step_at(plan, view, market_of(volume=2_000), 5)
    assert told(more) == "follow_volume | 400 market ioc | @6"


def test_no_volume_no_order() -> None:
    plan = plan_of(KIND, participation_cap=D("0.2"))
    assert step_at(plan, view_of(), market_of(volume=None), 5).places == ()


def test_the_smart_way_rests_within_what_is_due() -> None:
    plan = plan_of(KIND, style=SMART, participation_cap=D("0.1"))
    view = view_of().model_copy(update={"volume_at_start": D(0)})
    step = step_at(plan, view, market_of(volume=1_000), 5)
    assert sum(place.quantity for place in step.places) <= 100
    assert step.places


def test_what_the_volume_does_not_cover_is_given_up_unless_it_must_complete() -> None:
    plan = plan_of(KIND, participation_cap=D("0.1"))
    view = view_of(300).model_copy(update={"volume_at_start": D(0)})
    ended = step_at(plan, view, market_of(volume=3_000, at=800), 800)
    assert ended.finish is not None
    assert ended.finish.value == "participation_cap"
    must = plan.model_copy(update={"must_complete": True})
    forced = step_at(must, view, market_of(volume=3_000, at=800), 800)
    assert sum(place.quantity for place in forced.places) == 700
