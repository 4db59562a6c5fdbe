"""A running engine tells of a long log what holding all of it would tell, and holds little."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given

from fillwright.adapters.storage.log import Log
from fillwright.adapters.views import Views
from fillwright.projections.alerts import current_alerts
from fillwright.projections.all_views import AllViews
from fillwright.projections.execution_quality import summarise
from fillwright.projections.recent_views import Outcomes, RecentViews, RunningQuality
from fillwright.projections.reports import execution_report
from fillwright.projections.runner import Recorded
from tests.adapters.mirror.logs import Batch, store_of
from tests.projections.story import Story
from tests.projections.test_parts import history_of, story
from tests.projections.test_rebuilt_equals_live import MOVES


def whole_of(log: Sequence[Recorded]) -> AllViews:
    views = AllViews()
    views.follow(log)
    return views


def days(count: int, each: int = 3) -> list[Recorded]:
    """Sessions with some instructions each; the first is filled by more than it asked for."""
    told = Story()
    for day in range(count):
        told.open_session(f"2013-10-{8 + day:02}", days=1 if day else 0)
        for number in range(each):
            made = told.start(10)
            order = told.place(made, 10)
            told.fill(made, order, 10, f"10.{number:02}")
            if not day and not number:
                told.fill(made, order, 5)
        told.close_session()
    return told.log


@given(MOVES)
def test_alerts_and_quality_are_those_of_the_whole_log(moves: list[tuple[int, int, int]]) -> None:
    log = story(moves)
    whole = whole_of(log)
    entries = whole.blotter.instructions().values()
    gone, outcomes = RunningQuality(), Outcomes()
    recent = RecentViews(history_of(log), gone)
    for at in range(0, len(log), 5):
        recent.follow(log[at : at + 5])
    held = recent.blotter.instructions().values()
    assert gone.judged(held) == summarise(entries).overall.judged
    assert gone.count + len(held) == len(entries)
    now = log[-1].event.record_time + 10**12
    alerts = [
        current_alerts(views.blotter, views.limits, views.reconciliation, now, judged=judged)
        for views, judged in ((recent, gone.judged(held)), (whole, None))
    ]
    assert alerts[0] == alerts[1]
    told = RecentViews(history_of(log), outcomes, lambda date: False)
    told.follow(log)
    assert outcomes.summary(told.blotter.instructions().values()) == summarise(entries)
    assert recent.limits.counters() == whole.limits.counters()


def test_what_ended_in_past_sessions_is_not_held_unless_a_person_must_see_it() -> None:
    log = days(6)
    gone = RunningQuality()
    recent = RecentViews(history_of(log), gone)
    recent.follow(log)
    held = recent.blotter.instructions().values()
    assert [entry.session_date for entry in held] == ["2013-10-08", *["2013-10-13"] * 3]
    assert gone.count == 14
    assert set(recent.limits.holdings()) == set(recent.blotter.instructions())
    assert set(recent.reconciliation.homes()) == set(recent.blotter.instructions())


@pytest.mark.parametrize("period", [1, 2, 3, 30])
def test_a_report_of_past_sessions_has_their_instructions(period: int, tmp_path: Path) -> None:
    def report(views: AllViews) -> object:
        return execution_report(
            views.blotter,
            views.limits,
            views.reconciliation,
            now=10**18,
            code_version="1",
            period_days=period,
        )

    store = store_of(tmp_path / "busy.db")
    with Log.open(store, writer=False) as busy, Log.open(tmp_path / "days.db") as log:
        log.append(Batch(days(4)))
        for source in (busy, log):
            views = Views(source)
            whole = whole_of(list(source.events()))
            done = sum(entry.instruction.is_done for entry in whole.blotter.instructions().values())
            assert len(views.current().blotter.instructions()) < len(whole.blotter.instructions())
            assert report(views.last_sessions(period)) == report(whole)
            assert views.quality() == summarise(whole.blotter.instructions().values())
            assert views.done_count() == done
