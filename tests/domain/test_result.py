"""The seed's result record, told from the aggregate, and the outer status of ruling 11."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fillwright.domain.decision import TradeAction
from fillwright.domain.instruction import Instruction
from fillwright.domain.reasons import EndReason
from fillwright.domain.result import (
    ExecutionQuality,
    OuterStatus,
    ResultStatus,
    market_impact_bps,
    outer_result,
    quality_of,
    result_of,
)
from tests.projections.story import D, Story


@pytest.fixture
def story() -> Story:
    told = Story()
    told.open_session()
    return told


def filled(story: Story, price: str = "10.01", quantity: int = 100) -> Instruction:
    made = story.start(quantity)
    story.fill(made, story.place(made, quantity), quantity, price, fee="0.35")
    return made


def test_a_filled_instruction_succeeds_with_every_field_of_the_seed(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    first = story.fill(made, order, 40, "10.00", fee="0.10")
    story.fill(made, order, 60, "10.02", fee="0.25")
    result = result_of(made, mid_after=D("10.03"))
    assert result.instruction_id == str(made.id)
    assert (result.symbol, result.action) == ("BAC", "BUY")
    assert (result.requested_quantity, result.executed_quantity) == (100, 100)
    assert result.average_price == D("10.012")
    assert result.slippage_bps == D("12")
    assert result.market_impact == D("30")
    assert result.total_commission == D("0.35")
    assert result.status is ResultStatus.FILLED
    assert result.execution_quality is ExecutionQuality.FAIR
    assert result.execution_time is not None
    assert timedelta(0) <= result.execution_time < timedelta(minutes=1)
    assert [fill.quantity for fill in result.fills] == [40, 60]
    assert result.fills[0].execution_id == first
    assert (result.partial, result.reason, result.open_orders) == (False, None, ())
    outer = outer_result(made)
    assert (outer.status, outer.partial) == (OuterStatus.SUCCESS, False)


def test_no_change_succeeds_as_no_change(story: Story) -> None:
    made = story.receive()
    story.nothing(made)
    result = result_of(made)
    assert result.status == "NO_CHANGE"
    assert result.requested_quantity == result.executed_quantity == 0
    assert result.average_price is result.slippage_bps is result.execution_time is None
    assert result.execution_quality is ExecutionQuality.UNKNOWN
    assert result.reason == "already_at_target"
    assert outer_result(made).status is OuterStatus.SUCCESS
    assert outer_result(made).message == "NO_CHANGE: already_at_target"


def test_cancelled_with_a_fill_is_success_in_part(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.fill(made, order, 30, "10.01")
    story.cancel(made, order)
    story.finish(made, EndReason.SLIPPAGE_BOUND)
    result = result_of(made)
    assert result.status is ResultStatus.CANCELLED
    assert result.partial
    assert result.reason == "slippage_bound"
    assert result.executed_quantity == 30
    outer = outer_result(made)
    assert (outer.status, outer.partial) == (OuterStatus.SUCCESS, True)
    assert outer.message == "ended early: slippage_bound"


def test_cancelled_with_nothing_executed_is_rejected(story: Story) -> None:
    made = story.start(100)
    story.cancel(made, story.place(made, 100))
    story.finish(made)
    assert outer_result(made).status is OuterStatus.REJECTED
    assert not result_of(made).partial


def test_a_refusal_is_rejected_and_says_what_would_pass(story: Story) -> None:
    made = story.receive()
    story.refuse(made)
    outer = outer_result(made)
    assert (outer.status, outer.message) == (OuterStatus.REJECTED, "too many")
    assert result_of(made).refusals[0].allowed == "50"


def test_a_planned_instruction_with_a_release_time_is_deferred(story: Story) -> None:
    made = story.receive()
    story.plan(made, 100, release_at=story.now + 5)
    assert outer_result(made).status is OuterStatus.DEFERRED
    assert result_of(made).status is ResultStatus.PLANNED
    assert result_of(made).requested_quantity == 100


def test_an_unknown_outcome_is_an_error_that_names_the_order(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.lose(made, order)
    outer = outer_result(made)
    assert outer.status is OuterStatus.ERROR
    assert order in outer.message
    assert result_of(made).status is ResultStatus.INDETERMINATE


def test_an_order_left_open_is_an_error_that_names_it(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    outer = outer_result(made)
    assert outer.status is OuterStatus.ERROR
    assert order in outer.message
    assert result_of(made).open_orders == (order,)


def test_a_busted_fill_counts_no_shares_and_stays_in_the_list(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    execution = story.fill(made, order, 100)
    story.bust(made, order, execution)
    result = result_of(made)
    assert result.status is ResultStatus.FILLED
    assert result.executed_quantity == sum(fill.quantity for fill in result.fills) == 0
    assert outer_result(made).message == "filled, and restated by the venue since"


@pytest.mark.parametrize(
    ("price", "grade"),
    [
        ("10.000", ExecutionQuality.EXCELLENT),
        ("10.002", ExecutionQuality.EXCELLENT),
        ("10.003", ExecutionQuality.GOOD),
        ("10.010", ExecutionQuality.GOOD),
        ("10.011", ExecutionQuality.FAIR),
        ("10.020", ExecutionQuality.FAIR),
        ("10.021", ExecutionQuality.POOR),
    ],
)
def test_the_grade_has_stated_bounds(story: Story, price: str, grade: ExecutionQuality) -> None:
    assert quality_of(filled(story, price)) is grade


def test_an_incomplete_execution_loses_one_grade(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.fill(made, order, 98, "10.00")
    assert quality_of(made) is ExecutionQuality.EXCELLENT  # still working
    story.cancel(made, order)
    story.finish(made)
    assert quality_of(made) is ExecutionQuality.GOOD


def test_a_sell_that_gets_less_than_the_arrival_mid_pays(story: Story) -> None:
    made = story.start(100, action=TradeAction.SELL)
    story.fill(made, story.place(made, 100), 100, "9.99")
    result = result_of(made, mid_after=D("9.98"))
    assert result.slippage_bps == 10
    assert result.market_impact == 20


def test_what_cannot_be_measured_is_none(story: Story) -> None:
    made = story.start(100, mid=None)
    story.fill(made, story.place(made, 100), 100)
    result = result_of(made, mid_after=D("10.02"))
    assert result.average_price == D("10.01")
    assert result.slippage_bps is None
    assert result.market_impact is None
    assert result.execution_quality is ExecutionQuality.UNKNOWN
    assert market_impact_bps(filled(story), None) is None
