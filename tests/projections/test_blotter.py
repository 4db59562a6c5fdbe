"""The blotter reads like the story: what was asked, what was done, in which pieces, and why."""

from __future__ import annotations

import pytest

from fillwright.domain import events as e
from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.events import CATALOGUE
from fillwright.domain.orders.executions import ExecutionStatus
from fillwright.domain.ports import ReportKind
from fillwright.domain.result import ResultStatus
from fillwright.domain.states import InstructionState, OrderState
from fillwright.projections.blotter import Blotter
from fillwright.projections.daily_limits import DailyLimits
from fillwright.projections.execution_quality import ExecutionQuality
from fillwright.projections.reconciliation import Reconciliation
from fillwright.projections.runner import Projection, ProjectionStopped, Recorded
from tests.projections.story import D, Story


@pytest.fixture
def story() -> Story:
    told = Story()
    told.open_session()
    return told


def test_a_working_instruction_shows_its_orders_and_what_is_open(story: Story) -> None:
    made = story.start(100, strategy=ExecutionStrategy.TWAP)
    order = story.place(made, 60)
    story.report(made, order, ReportKind.NEW)
    story.fill(made, order, 25, "10.01", fee="0.10")
    blotter = story.told_to(Blotter())
    (row,) = blotter.active()
    assert blotter.done() == ()
    assert row.instruction_id == made.id
    assert (row.symbol, row.action, row.strategy) == ("BAC", "BUY", "twap")
    assert row.state is InstructionState.PARTIALLY_FILLED
    assert (row.requested, row.executed, row.open_quantity) == (100, 25, 35)
    assert row.slippage_bps == 10
    assert row.fees == D("0.10")
    assert row.completion == D("0.25")
    (child,) = row.orders
    assert child.state is OrderState.PARTIALLY_FILLED
    assert (child.quantity, child.executed, child.leaves) == (60, 25, 35)
    assert child.rule == "slice_due"
    assert child.limit_price == D("10.01")
    assert child.open
    assert not child.indeterminate
    (fill,) = row.fills
    assert (fill.quantity, fill.price) == (25, D("10.01"))


def test_a_done_instruction_keeps_its_times_in_order(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.fill(made, order, 40)
    story.fill(made, order, 60)
    blotter = story.told_to(Blotter())
    assert blotter.active() == ()
    (row,) = blotter.done()
    assert row.status is ResultStatus.FILLED
    assert row.planned_at is not None
    assert row.released_at is not None
    assert row.first_fill_at is not None
    assert row.last_fill_at is not None
    assert row.ended_at is not None
    times = [
        row.received_at,
        row.planned_at,
        row.released_at,
        row.first_fill_at,
        row.last_fill_at,
        row.ended_at,
    ]
    assert times == sorted(times)
    assert row.is_done
    assert (row.first_position, row.last_position) == (2, len(story.log))


def test_refusals_and_no_change_are_done_with_their_reasons(story: Story) -> None:
    refused, nothing = story.receive(), story.receive()
    story.refuse(refused)
    story.nothing(nothing)
    blotter = story.told_to(Blotter())
    first, second = blotter.done()
    assert (first.status, first.reason) == (ResultStatus.REJECTED, "daily_trades")
    assert first.refusals[0].message == "too many"
    assert (second.status, second.reason) == (ResultStatus.NO_CHANGE, "already_at_target")
    assert first.strategy is None
    assert first.completion is None


def test_a_cancelled_instruction_in_part_keeps_what_executed(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.fill(made, order, 30)
    story.cancel(made, order)
    story.finish(made)
    (row,) = story.told_to(Blotter()).done()
    assert (row.status, row.partial, row.reason) == (
        ResultStatus.CANCELLED,
        True,
        "window_elapsed",
    )
    assert (row.executed, row.open_quantity) == (30, 0)


def test_a_busted_fill_stays_in_the_list_and_counts_nothing(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    execution = story.fill(made, order, 100)
    story.bust(made, order, execution)
    (row,) = story.told_to(Blotter()).done()
    assert row.restated
    assert row.executed == sum(fill.quantity for fill in row.fills) == 0
    assert row.fills[0].status is ExecutionStatus.BUSTED


def test_an_order_of_unknown_outcome_is_shown_as_such(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.lose(made, order)
    (row,) = story.told_to(Blotter()).active()
    assert row.status is ResultStatus.INDETERMINATE
    assert row.orders[0].indeterminate
    assert row.open_quantity == 100


def test_an_instruction_is_found_by_the_start_of_its_id_or_its_decision_id(story: Story) -> None:
    made = story.start(100)
    blotter = story.told_to(Blotter())
    assert blotter.row(made.id) is not None
    assert [row.instruction_id for row in blotter.find(str(made.id)[:8])] == [made.id]
    assert [row.instruction_id for row in blotter.find("d1")] == [made.id]
    assert blotter.find("nothing") == ()


def test_a_log_whose_fills_do_not_add_up_stops_the_blotter(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.fill(made, order, 30)
    blotter = story.told_to(Blotter())
    blotter.instructions()[made.id].instruction.executed += 1  # as a broken fold would
    made.report(
        story.stamp(),
        story.log[-1].event.report.__class__(  # type: ignore[attr-defined]
            kind=ReportKind.CANCELED,
            client_order_id=order,
            market_time=story.now,
            receive_time=story.now,
        ),
    )
    story.take(made)
    with pytest.raises(ProjectionStopped, match="sum of all fills"):
        blotter.apply(story.log[-1])


@pytest.mark.parametrize("kind", [Blotter, DailyLimits, ExecutionQuality, Reconciliation])
def test_every_projection_knows_every_event_of_the_catalogue(kind: type[Projection]) -> None:
    known = kind.HANDLERS.keys() | kind.IGNORED
    assert set(CATALOGUE.values()) - known == set()


@pytest.mark.parametrize("kind", [Blotter, DailyLimits, ExecutionQuality, Reconciliation])
def test_every_projection_stops_at_an_event_it_does_not_know(kind: type[Projection]) -> None:
    class Unheard(e.DomainEvent):
        """An event of a later version."""

    story = Story()
    story.open_session()
    first = story.log[0]
    event = Unheard(
        originator_id=first.event.originator_id,
        originator_version=2,
        record_time=story.now,
        actor="engine:test",
        correlation_id="c",
        causation_id="c",
    )
    view = story.told_to(kind())
    with pytest.raises(ProjectionStopped, match="Unheard is not known here"):
        view.apply(Recorded(2, event))
    assert view.position == 1
