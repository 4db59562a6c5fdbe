"""Averages are never shown without completion and full shortfall beside them (ruling 4)."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from fillwright.domain.decision import ExecutionStrategy, TradeAction
from fillwright.domain.instruction import Instruction
from fillwright.domain.ports import NANOS
from fillwright.domain.reasons import Reason, Refusal
from fillwright.projections.execution_quality import EndFacts, ExecutionQuality
from fillwright.projections.outcomes import InstructionQuality, QualitySummary
from tests.projections.story import D, Story


@pytest.fixture
def story() -> Story:
    told = Story()
    told.open_session()
    return told


def overall(story: Story, facts: dict[UUID, EndFacts] | None = None) -> QualitySummary:
    view: ExecutionQuality = story.told_to(ExecutionQuality())
    return view.summary(facts or {}).overall


def of(story: Story, made: Instruction, facts: EndFacts | None = None) -> InstructionQuality:
    view: ExecutionQuality = story.told_to(ExecutionQuality())
    summary = view.summary({made.id: facts} if facts else {})
    (found,) = (q for q in summary.instructions if q.instruction_id == made.id)
    return found


def done(
    story: Story, quantity: int, executed: int, price: str = "10.01", fee: str = "0", **more: object
) -> Instruction:
    made = story.start(quantity, **more)
    order = story.place(made, quantity)
    if executed:
        story.fill(made, order, executed, price, fee=fee)
    if executed < quantity:
        story.cancel(made, order)
        story.finish(made)
    return made


def test_the_mean_is_weighted_by_notional_with_median_and_count_beside_it(story: Story) -> None:
    done(story, 300, 300, "10.03")  # 30 bps on 3,000
    done(story, 100, 100, "10.00")  # 0 bps on 1,000
    done(story, 100, 100, "10.01")  # 10 bps on 1,000
    found = overall(story)
    assert found.slippage_bps_mean == D(20)
    assert found.slippage_bps_median == D(10)
    assert found.slippage_count == 3


def test_full_shortfall_prices_the_unfilled_part_at_the_end_mid(story: Story) -> None:
    made = done(story, 100, 60, "10.02", fee="0.50")
    found = of(story, made, EndFacts(end_mid=D("10.10")))
    # 60 × 0.02 + 40 × 0.10 + 0.50 = 5.70 on 1,000
    assert found.shortfall_bps == D(57)
    assert found.slippage_bps == D(20)


def test_shortfall_is_missing_while_the_end_mid_is_unknown(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.fill(made, order, 60, "10.02")
    story.now += 61 * NANOS
    story.cancel(made, order)
    story.finish(made)
    assert of(story, made).shortfall_bps is None
    assert overall(story).shortfall_bps_mean is None
    assert overall(story).shortfall_count == 0
    assert overall(story).slippage_count == 1


def test_a_mid_recorded_with_the_last_step_stands_for_the_end_if_it_is_fresh(
    story: Story,
) -> None:
    made = story.start(100)
    story.mids["BAC"] = D("10.20")
    story.cancel(made, story.place(made, 100))
    story.finish(made)
    found = of(story, made)
    assert found.end_mid == D("10.20")
    assert found.shortfall_bps == D(200)
    assert found.slippage_bps is None


def test_a_complete_execution_needs_no_end_mid(story: Story) -> None:
    made = done(story, 100, 100, "10.01", fee="1")
    assert of(story, made).shortfall_bps == D(20)  # 10 of slippage, 10 of fees


def test_a_sell_pays_when_it_gets_less(story: Story) -> None:
    made = done(story, 100, 50, "9.98", action=TradeAction.SELL)
    found = of(story, made, EndFacts(end_mid=D("9.90")))
    assert found.slippage_bps == D(20)
    assert found.shortfall_bps == D(60)


def test_delay_is_the_release_mid_against_the_arrival_mid(story: Story) -> None:
    made = story.receive()
    story.plan(made, 100)
    story.release(made, "10.05")
    story.fill(made, story.place(made, 100), 100)
    assert of(story, made).delay_bps == D(50)
    assert overall(story).delay_bps_mean == D(50)


def test_participation_is_known_only_with_the_volume(story: Story) -> None:
    made = done(story, 100, 100)
    assert of(story, made).participation is None
    assert of(story, made, EndFacts(volume=D(1000))).participation == D("0.1")
    assert overall(story, {made.id: EndFacts(volume=D(1000))}).participation == D("0.1")


@pytest.mark.parametrize(("executed", "success"), [(100, True), (99, True), (98, False)])
def test_success_is_99_percent_executed(story: Story, executed: int, success: bool) -> None:
    made = done(story, 100, executed)
    assert of(story, made).success is success


def test_what_executed_outside_the_bound_is_no_success(story: Story) -> None:
    made = done(story, 100, 100, "10.06")  # the bound is 10.05
    assert not of(story, made).success
    assert overall(story).success_rate == 0


def test_what_executed_after_the_window_is_no_success(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.fill(made, order, 100, venue_time=story.now + 7_200 * NANOS)
    assert not of(story, made).success


def test_a_bound_widened_by_an_event_counts_from_then_on(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.fill(made, order, 50, "10.01")
    assert made.plan is not None
    wider = made.plan.model_copy(update={"bound_price": D("10.20"), "bound_bps": D(200)})
    made.replan(story.stamp("person:ann"), wider, "bound_widened")
    story.take(made)
    story.fill(made, order, 50, "10.15")
    assert of(story, made).success


def test_refusals_and_no_change_are_outside_the_denominator(story: Story) -> None:
    done(story, 100, 100)
    story.refuse(story.receive())
    story.nothing(story.receive())
    story.start(100)
    found = overall(story)
    assert (found.instructions, found.refused, found.no_change, found.working) == (1, 1, 1, 1)
    assert found.success_rate == 1
    assert found.completion == 1


def test_what_the_broker_refused_counts_as_a_failure(story: Story) -> None:
    made = story.start(100)
    refusal = Refusal(
        reason=Reason.BROKER_REJECTED, field="order", observed="x", allowed="y", message="no"
    )
    made.refused_by_broker(story.stamp(), refusal)
    story.take(made)
    found = overall(story)
    assert (found.instructions, found.refused, found.success_rate) == (1, 0, 0)


def test_completion_stands_beside_the_average(story: Story) -> None:
    done(story, 100, 100)
    done(story, 300, 100)
    assert overall(story).completion == D("0.5")


def test_an_unknown_arrival_leaves_cost_missing_and_success_known(story: Story) -> None:
    made = done(story, 100, 100, mid=None, bound_bps=None)
    found = of(story, made)
    assert (found.slippage_bps, found.shortfall_bps, found.delay_bps) == (None, None, None)
    assert found.success
    assert overall(story).slippage_bps_mean is None


def test_quality_is_grouped_by_strategy_and_symbol(story: Story) -> None:
    done(story, 100, 100, strategy=ExecutionStrategy.TWAP)
    done(story, 100, 100, strategy=ExecutionStrategy.MARKET, symbol="IBM")
    view: ExecutionQuality = story.told_to(ExecutionQuality())
    summary = view.summary()
    assert [group.group for group in summary.by_strategy] == ["market", "twap"]
    assert [group.group for group in summary.by_symbol] == ["BAC", "IBM"]
    assert all(group.instructions == 1 for group in (*summary.by_strategy, *summary.by_symbol))


def test_nothing_done_gives_no_averages(story: Story) -> None:
    found = overall(story)
    assert found.instructions == 0
    assert found.success_rate is found.completion is found.slippage_bps_mean is None
    assert found.fees == Decimal(0)
    assert found.fees_bps is None
