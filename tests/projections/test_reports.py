"""A report is a plain structure bound to a part of the log, and renders without losing a word."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from fillwright.domain.errors import InvalidInput
from fillwright.domain.reasons import EndReason
from fillwright.projections import rendering
from fillwright.projections.blotter import Blotter
from fillwright.projections.canonical import canonical_bytes, to_json
from fillwright.projections.daily_limits import DailyLimits
from fillwright.projections.reconciliation import Reconciliation
from fillwright.projections.rendering import number, percent
from fillwright.projections.reports import (
    SIMULATED_NOTE,
    PerformanceReport,
    execution_report,
    report_from_log,
    session_limits,
)
from fillwright.projections.runner import follow
from tests.projections.story import ACCOUNT, D, Story


@pytest.fixture
def story() -> Story:
    told = Story()
    told.open_session()
    told.set_limits(author="person:ann")
    made = told.start(100)
    told.fill(made, told.place(made, 100), 100, "10.01", fee="0.35")
    short = told.start(50)
    order = told.place(short, 50)
    told.fill(short, order, 20)
    told.cancel(short, order)
    told.finish(short, EndReason.SLIPPAGE_BOUND)
    told.refuse(told.receive())
    told.nothing(told.receive())
    waiting = told.start(10)
    told.lose(waiting, told.place(waiting, 10))
    return told


def report(story: Story, days: int = 1) -> PerformanceReport:
    return report_from_log(story.log, now=story.now, code_version="1.0", period_days=days)


def shown(*renderables: RenderableType) -> str:
    console = Console(file=StringIO(), width=200, force_terminal=False, color_system=None)
    for renderable in renderables:
        console.print(renderable)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_totals_count_every_decision_once(story: Story) -> None:
    totals = report(story).totals
    assert totals.decisions == 5
    counted = (totals.filled, totals.cancelled, totals.rejected, totals.no_change, totals.active)
    assert counted == (1, 1, 1, 1, 1)
    assert (totals.orders, totals.fills, totals.indeterminate) == (3, 2, 1)
    assert totals.notional == D("1201.20")
    assert totals.fees == D("0.35")


def test_a_report_is_bound_to_a_position_with_its_hash_and_code_version(story: Story) -> None:
    found = report(story)
    assert found.log.first_position == 1
    assert found.log.last_position == len(story.log)
    assert found.log.head_hash == story.log[-1].hash.hex()
    assert found.code_version == "1.0"


def test_refused_decisions_carry_their_reasons(story: Story) -> None:
    found = report(story)
    (refused,) = found.refused
    assert refused.decision_id == "d3"
    assert not refused.by_broker
    assert refused.refusals[0].allowed == "50"
    assert found.refusals_by_reason == {"daily_trades": 1}
    assert found.ended_by_reason == {"slippage_bound": 1}


def test_limits_used_name_version_and_author(story: Story) -> None:
    (limits,) = report(story).limits
    assert (limits.account, limits.session_date) == (ACCOUNT, "2013-10-08")
    assert (limits.limit_version, limits.limit_author) == (1, "person:ann")
    trades, turnover, *_ = limits.uses
    assert (trades.used, trades.allowed) == (3, 50)
    assert turnover.allowed == D(250000)
    assert turnover.used == D("1201.20") + D("100.50")


def test_alerts_are_part_of_the_report(story: Story) -> None:
    assert "indeterminate_order" in {str(alert.kind) for alert in report(story).alerts}


def test_the_period_counts_exchange_sessions(story: Story) -> None:
    story.open_session("2013-10-09", days=1)
    made = story.start(30)
    story.fill(made, story.place(made, 30), 30)
    assert report(story).sessions == ("2013-10-09",)
    assert report(story).totals.decisions == 1
    both = report(story, days=2)
    assert both.sessions == ("2013-10-08", "2013-10-09")
    assert both.totals.decisions == 6
    assert len(both.limits) == 2


@pytest.mark.parametrize("days", [0, 3_661])
def test_a_period_outside_its_range_is_refused(story: Story, days: int) -> None:
    with pytest.raises(InvalidInput, match="period_days"):
        report(story, days=days)


def test_projections_at_different_positions_are_refused(story: Story) -> None:
    book, limits, reconciliation = Blotter(), DailyLimits(), Reconciliation()
    follow([book, limits], story.log)
    with pytest.raises(InvalidInput, match="same position"):
        execution_report(book, limits, reconciliation, now=0, code_version="1.0")


def test_an_empty_log_gives_an_empty_report() -> None:
    found = report_from_log([], now=0, code_version="1.0")
    assert found.sessions == ()
    assert found.totals.decisions == 0
    assert (found.log.first_position, found.log.last_position) == (0, 0)


def test_a_report_made_twice_is_the_same_to_the_byte(story: Story) -> None:
    assert canonical_bytes(report(story)) == canonical_bytes(report(story))


def test_json_has_decimals_as_plain_strings_and_missing_as_null(story: Story) -> None:
    data = json.loads(json.dumps(to_json(report(story))))
    assert data["totals"]["notional"] == "1201.2"
    assert data["limits"][0]["uses"][0]["used"] == "3"
    # The filled and the cancelled one cost 10 bps each; the open one is not judged.
    assert data["quality"]["overall"]["slippage_bps_mean"] == "10"
    assert data["commentary"] is None


def test_floats_have_no_canonical_form() -> None:
    with pytest.raises(TypeError, match="float has no canonical text"):
        to_json({"x": 1.5})


def test_canonical_forms_of_what_python_has() -> None:
    assert to_json({"b": {3, 1}, "a": b"\x01", 2: (None, True)}) == {
        "b": [1, 3],
        "a": "01",
        "2": [None, True],
    }


def test_the_blotter_shows_requests_executions_and_reasons(story: Story) -> None:
    blotter = story.told_to(Blotter())
    text = shown(rendering.blotter(blotter.rows()))
    for word in ("filled", "cancelled (part): slippage_bound", "refused", "no change"):
        assert word in text
    assert "10.0100" in text


def test_limits_are_a_gauge_with_what_is_over(story: Story) -> None:
    story.set_limits(trades_max_per_day=2, version=2)
    story.kill()
    limits = story.told_to(DailyLimits())
    text = shown(rendering.limits_gauge(session_limits(limits, ACCOUNT)))
    assert "3 of 2 trades" in text
    assert "150.0 %" in text
    assert "over: daily_trades" in text
    assert "blocked: account" in text
    assert "limits version 2 by person:ann" in text


def test_refusals_show_what_was_seen_and_what_is_allowed(story: Story) -> None:
    text = shown(rendering.refusals(report(story).refused))
    assert "daily_trades" in text
    assert "51" in text
    assert "50" in text


def test_quality_is_never_shown_without_completion_and_says_what_is_simulated(
    story: Story,
) -> None:
    text = shown(rendering.quality(report(story).quality, SIMULATED_NOTE))
    assert "completion" in text
    assert "80.0 %" in text
    assert "the book does not respond to our orders" in text


def test_alerts_are_listed_or_said_to_be_none(story: Story) -> None:
    assert "indeterminate_order" in shown(rendering.alerts_table(report(story).alerts))
    assert "No alerts" in shown(rendering.alerts_table(()))


def test_what_a_broker_or_a_decision_wrote_is_not_read_as_markup(story: Story) -> None:
    (row, *_) = story.told_to(Blotter()).rows()
    odd = replace(row, symbol="[bold]BAC[/bold] [/oops]")
    assert "[bold]BAC[/bold] [/oops]" in shown(rendering.blotter([odd]))


def test_a_long_table_says_how_many_rows_it_leaves_out(story: Story) -> None:
    (row, *_) = story.told_to(Blotter()).rows()
    text = shown(rendering.blotter([row] * (rendering.ROWS_SHOWN + 3)))
    assert "and 3 more" in text


def test_missing_figures_are_dashes() -> None:
    assert number(None) == percent(None) == "–"
    assert number(D("1234.567")) == "1,234.57"
    assert percent(D("0.5")) == "50.0 %"
