"""A projection follows the log without gaps, or stops and says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from fillwright.domain import events as e
from fillwright.projections.runner import (
    Difference,
    GapInLog,
    Handler,
    Projection,
    ProjectionStopped,
    Recorded,
    UnknownEvent,
    compare,
    compare_values,
    follow,
)
from tests.projections.story import Story


class Opens(Projection):
    """Counts sessions; knows nothing but session events."""

    name: ClassVar[str] = "opens"
    version: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__()
        self.dates: list[str] = []

    def _opened(self, event: e.SessionOpened) -> None:
        if event.session_date in self.dates:
            raise ValueError("opened twice")
        self.dates.append(event.session_date)

    def state(self) -> object:
        return {"dates": self.dates}

    HANDLERS: ClassVar[Mapping[type[e.DomainEvent], Handler]] = {e.SessionOpened: _opened}
    IGNORED: ClassVar[frozenset[type[e.DomainEvent]]] = frozenset({e.SessionClosed})


@pytest.fixture
def log() -> list[Recorded]:
    story = Story()
    story.open_session("2013-10-08")
    story.close_session()
    story.open_session("2013-10-09", days=1)
    return story.log


def test_records_are_applied_in_order_and_the_position_is_kept(log: list[Recorded]) -> None:
    view = Opens()
    assert follow([view], log) == 3
    assert view.dates == ["2013-10-08", "2013-10-09"]
    assert (view.position, view.head_hash) == (3, log[-1].hash)


def test_a_gap_stops_a_projection(log: list[Recorded]) -> None:
    view = Opens()
    view.apply(log[0])
    with pytest.raises(ProjectionStopped, match="opens stopped at position 3") as stop:
        view.apply(log[2])
    assert isinstance(stop.value.cause, GapInLog)
    assert view.position == 1


def test_a_repeated_position_stops_a_projection(log: list[Recorded]) -> None:
    view = Opens()
    view.apply(log[0])
    with pytest.raises(ProjectionStopped):
        view.apply(log[0])


def test_a_gap_in_what_is_followed_is_noticed_whatever_the_projections(
    log: list[Recorded],
) -> None:
    with pytest.raises(ProjectionStopped, match="follow stopped at position 3"):
        follow([], [log[0], log[2]])


def test_an_unknown_event_stops_a_projection_for_good(log: list[Recorded]) -> None:
    story = Story()
    story.log = log
    story.kill()
    view = Opens()
    with pytest.raises(ProjectionStopped, match="KillSwitchEngaged is not known") as stop:
        follow([view], story.log)
    assert isinstance(stop.value.cause, UnknownEvent)
    assert (stop.value.name, stop.value.position) == ("opens", 4)
    assert view.position == 3
    with pytest.raises(ProjectionStopped):
        view.apply(story.log[3])


def test_an_error_while_applying_stops_a_projection_and_names_the_cause(
    log: list[Recorded],
) -> None:
    view = Opens()
    follow([view], log)
    with pytest.raises(ProjectionStopped, match="opened twice") as stop:
        view.apply(Recorded(4, log[0].event))
    assert isinstance(stop.value.cause, ValueError)
    assert view.stopped is stop.value


def test_a_projection_that_is_ahead_takes_up_from_its_own_position(log: list[Recorded]) -> None:
    ahead, behind = Opens(), Opens()
    follow([ahead], log[:2])
    follow([ahead, behind], log)
    assert ahead.to_bytes() == behind.to_bytes()


def test_equal_projections_have_no_difference(log: list[Recorded]) -> None:
    live, rebuilt = Opens(), Opens()
    follow([live, rebuilt], log)
    assert compare(live, rebuilt) == ()


def test_a_difference_is_named_by_its_path(log: list[Recorded]) -> None:
    live, rebuilt = Opens(), Opens()
    follow([live, rebuilt], log)
    live.dates[1] = "2013-10-10"
    live.dates.append("2013-10-11")
    assert compare(live, rebuilt) == (
        Difference("state.dates[1]", "2013-10-10", "2013-10-09"),
        Difference("state.dates[2]", "2013-10-11", "(absent)"),
    )


def test_a_missing_counter_differs_from_none_and_from_zero() -> None:
    assert compare_values({"a": 0, "b": None}, {}) == (
        Difference("a", 0, "(absent)"),
        Difference("b", None, "(absent)"),
    )
