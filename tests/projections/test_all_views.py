"""Folding a log once for all projections gives what folding it for each of them gives."""

from __future__ import annotations

import pytest
from hypothesis import given

from fillwright.domain import events as e
from fillwright.projections import all_views
from fillwright.projections.all_views import AllViews
from fillwright.projections.blotter import Blotter
from fillwright.projections.instruction_book import NotInStep
from fillwright.projections.runner import (
    GapInLog,
    ProjectionStopped,
    Recorded,
    UnknownEvent,
    follow,
)
from tests.projections.story import Story
from tests.projections.test_rebuilt_equals_live import MOVES, Teller, views


@given(MOVES)
def test_together_is_as_each_by_itself(moves: list[tuple[int, int, int]]) -> None:
    teller, together = Teller(), AllViews()
    for move in [(0, 1, 50), *moves]:
        fed = together.limits.position
        teller.act(*move)
        together.follow(teller.story.log[fed:])
    alone = views()
    follow(alone, teller.story.log)
    for one, other in zip(together.projections(), alone, strict=True):
        assert (one.name, one.position, one.head_hash) == (
            other.name,
            other.position,
            other.head_hash,
        )
        assert one.to_bytes() == other.to_bytes()
    by_log = alone[0].counters()  # type: ignore[attr-defined]
    assert together.limits.counters() == by_log


def told() -> list[Recorded]:
    story = Story()
    story.open_session()
    made = story.start(100)
    story.fill(made, story.place(made, 100), 100)
    return story.log


def test_a_gap_stops_them_where_they_are() -> None:
    log, together = told(), AllViews()
    with pytest.raises(ProjectionStopped) as stopped:
        together.follow([*log[:3], *log[4:]])
    assert isinstance(stopped.value.cause, GapInLog)
    assert {view.position for view in together.projections()} == {3}
    with pytest.raises(ProjectionStopped):
        together.follow(log[3:])


def test_an_event_that_one_of_them_does_not_know_stops_it() -> None:
    class Novel(e.InstructionReleased):
        """A class that nobody was written for."""

    log, together = told(), AllViews()
    at = next(n for n, recorded in enumerate(log) if type(recorded.event) is e.InstructionReleased)
    fields = {name: getattr(log[at].event, name) for name in type(log[at].event).model_fields}
    log[at] = log[at]._replace(event=Novel(**fields))
    with pytest.raises(ProjectionStopped) as stopped:
        together.follow(log)
    assert isinstance(stopped.value.cause, UnknownEvent)
    assert stopped.value.position == at + 1


def test_a_projection_that_fails_stops_and_those_before_it_have_gone_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(view: Blotter, event: e.DomainEvent) -> None:
        raise ValueError("cannot")

    log, kind = told(), e.OrderIntended
    todo = {**all_views.HANDLERS, kind: ((0, all_views.DailyLimits.HANDLERS[kind]), (1, broken))}
    monkeypatch.setattr(all_views, "HANDLERS", todo)
    together = AllViews()
    with pytest.raises(ProjectionStopped, match="blotter stopped at position") as stopped:
        together.follow(log)
    position = stopped.value.position
    assert (together.limits.position, together.blotter.position) == (position, position - 1)
    assert together.blotter.stopped is stopped.value


def test_a_book_that_shares_does_not_follow_what_was_not_folded_for_it() -> None:
    log = told()
    together = AllViews()
    together.follow(log[:3])
    with pytest.raises(ProjectionStopped) as stopped:
        together.blotter.apply(log[3])
    assert isinstance(stopped.value.cause, NotInStep | KeyError)
