"""Alerts are a pure function of the projections and the time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fillwright.domain import events as e
from fillwright.domain.ports import NANOS, ReportKind
from fillwright.domain.reasons import Anomalous
from fillwright.projections.alerts import Alert, AlertKind, Severity, current_alerts
from fillwright.projections.blotter import Blotter
from fillwright.projections.daily_limits import DailyLimits
from fillwright.projections.reconciliation import Reconciliation
from fillwright.projections.runner import follow
from tests.projections.story import ACCOUNT, D, Story

BREAK = e.Break(kind="position", symbol="BAC", ours="100", theirs="90")


@pytest.fixture
def story() -> Story:
    told = Story()
    told.open_session()
    return told


def alerts(story: Story, later_seconds: int = 0) -> tuple[Alert, ...]:
    book, limits, reconciliation = Blotter(), DailyLimits(), Reconciliation()
    follow([book, limits, reconciliation], story.log)
    return current_alerts(book, limits, reconciliation, story.now + later_seconds * NANOS)


def test_a_quiet_log_raises_nothing(story: Story) -> None:
    made = story.start(100)
    story.fill(made, story.place(made, 100), 100)
    story.reconcile()
    assert alerts(story) == ()


def test_an_order_is_stale_after_two_hours_and_not_before(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    assert alerts(story, 7_200) == ()
    (alert,) = alerts(story, 7_201)
    assert (alert.kind, alert.severity, alert.subject) == (
        AlertKind.STALE_ORDER,
        Severity.WARNING,
        order,
    )
    assert (alert.observed, alert.threshold, alert.unit) == (7_201, 7_200, "seconds")
    assert alert.since == made.placed_at[order]


@pytest.mark.parametrize(("price", "raised"), [("10.02", False), ("10.03", True)])
def test_average_slippage_over_20_bps_is_alerted(story: Story, price: str, raised: bool) -> None:
    made = story.start(100)
    story.fill(made, story.place(made, 100), 100, price)
    kinds = {alert.kind for alert in alerts(story)}
    assert (AlertKind.AVERAGE_SLIPPAGE in kinds) is raised


@pytest.mark.parametrize(("failures", "raised"), [(1, False), (2, True)])
def test_a_success_rate_under_90_percent_is_alerted(
    story: Story, failures: int, raised: bool
) -> None:
    for number in range(10):
        made = story.start(10)
        order = story.place(made, 10)
        if number < failures:
            story.cancel(made, order)
            story.finish(made)
        else:
            story.fill(made, order, 10)
    found = [alert for alert in alerts(story) if alert.kind is AlertKind.SUCCESS_RATE]
    assert bool(found) is raised
    if found:
        assert found[0].observed == D("0.8")
        assert "8 of 10 instructions succeeded" in found[0].message


def test_usage_over_a_cap_is_alerted(story: Story) -> None:
    story.plan(story.receive(), 10)
    story.plan(story.receive(), 10)
    story.set_limits(trades_max_per_day=1)
    (alert,) = alerts(story)
    assert (alert.kind, alert.observed, alert.threshold) == (AlertKind.OVER_CAP, 2, 1)
    assert alert.severity is Severity.CRITICAL


def test_an_overfill_is_alerted_once_and_stays(story: Story) -> None:
    made = story.start(100)
    story.fill(made, story.place(made, 100), 120)
    story.reconcile()
    found = [alert for alert in alerts(story) if alert.kind is AlertKind.OVERFILL]
    assert [(alert.observed, alert.threshold) for alert in found] == [(120, 100)]
    assert found[0].since is not None


def test_an_order_of_unknown_outcome_is_alerted_until_it_is_settled(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    story.lose(made, order)
    (alert,) = alerts(story)
    assert (alert.kind, alert.subject, alert.observed) == (
        AlertKind.INDETERMINATE_ORDER,
        order,
        100,
    )
    story.fill(made, order, 100)
    assert alerts(story) == ()


def test_an_escalated_instruction_asks_for_a_person(story: Story) -> None:
    made = story.start(100)
    made.escalate(story.stamp(), D("10.30"))
    story.take(made)
    assert [alert.kind for alert in alerts(story)] == [AlertKind.ESCALATED]


def test_a_break_is_alerted_from_its_first_time_until_a_comparison_agrees(story: Story) -> None:
    story.reconcile(BREAK)
    first = story.now
    story.reconcile(BREAK)
    (alert,) = alerts(story)
    assert (alert.kind, alert.subject, alert.since) == (AlertKind.BREAK, "BAC", first)
    assert "ours 100, the broker's 90" in alert.message
    story.reconcile()
    assert alerts(story) == ()


def test_breaks_at_the_close_stay_open(story: Story) -> None:
    story.close_session((BREAK,))
    assert [alert.kind for alert in alerts(story)] == [AlertKind.BREAK]


def test_an_anomaly_is_settled_by_a_later_agreement(story: Story) -> None:
    made = story.start(100)
    made.note(story.stamp(), Anomalous.ORDER_REPORT, "a contradiction")
    story.take(made)
    (alert,) = alerts(story)
    assert (alert.kind, alert.severity) == (AlertKind.ANOMALY, Severity.WARNING)
    assert alert.subject == str(made.id)
    story.reconcile()
    assert alerts(story) == ()


def test_an_anomaly_that_needs_a_person_is_not_settled_by_agreement(story: Story) -> None:
    made = story.start(100)
    made.note(story.stamp(), Anomalous.STRATEGY_OVERREACH, "asked for too much")
    story.take(made)
    story.reconcile()
    assert [alert.kind for alert in alerts(story)] == [AlertKind.ANOMALY]


def test_a_mere_note_is_information_and_ends_with_its_session(story: Story) -> None:
    story.account.note(story.stamp(), Anomalous.DATA_QUALITY, "no quote", "BAC")
    story.take(story.account)
    (alert,) = alerts(story)
    assert (alert.severity, alert.subject) == (Severity.INFO, "BAC")
    story.open_session("2013-10-09", days=1)
    assert alerts(story) == ()


def test_a_kill_switch_is_alerted_until_it_is_released(story: Story) -> None:
    story.kill("symbol:BAC")
    (alert,) = alerts(story)
    assert (alert.kind, alert.subject) == (AlertKind.KILL_SWITCH, ACCOUNT)
    assert "symbol:BAC" in alert.message
    story.revive("symbol:BAC")
    assert alerts(story) == ()


def test_the_most_urgent_comes_first(story: Story) -> None:
    made = story.start(100)
    story.place(made, 100)
    story.reconcile(BREAK)
    kinds = [alert.kind for alert in alerts(story, 8_000)]
    assert kinds == [AlertKind.BREAK, AlertKind.STALE_ORDER]


def test_the_last_comparison_is_kept(story: Story) -> None:
    story.reconcile(BREAK)
    view: Reconciliation = story.told_to(Reconciliation())
    last = view.last_comparison(ACCOUNT)
    assert last is not None
    assert (last.trigger, last.orders_compared, last.fills_compared, last.breaks) == (
        "timer",
        3,
        5,
        1,
    )
    assert view.last_comparison("other") is None


def test_a_limit_of_which_most_is_used_is_alerted_by_name_until_it_is_over(story: Story) -> None:
    story.set_limits(trades_max_per_day=10)
    for _ in range(8):
        story.plan(story.receive(), 10)
    assert alerts(story) == ()
    story.plan(story.receive(), 10)
    (alert,) = alerts(story)
    assert (alert.kind, alert.about, alert.observed, alert.threshold, alert.unit) == (
        AlertKind.LIMIT_NEARLY_USED,
        "daily_trades",
        9,
        10,
        "trades",
    )
    story.plan(story.receive(), 10)
    assert [found.kind for found in alerts(story)] == [AlertKind.LIMIT_NEARLY_USED]
    story.set_limits(trades_max_per_day=9)
    assert [found.kind for found in alerts(story)] == [AlertKind.OVER_CAP]


def test_refusals_are_a_burst_when_enough_come_within_the_window(story: Story) -> None:
    first = story.now
    for _ in range(2):
        story.refuse(story.receive())
    for _ in range(3):
        made = story.start(100)
        story.report(made, story.place(made, 100), ReportKind.REJECTED)
    burst = [found for found in alerts(story) if found.kind is AlertKind.REJECT_BURST]
    assert [(found.observed, found.threshold) for found in burst] == [(5, 5)]
    assert burst[0].subject == ACCOUNT
    assert burst[0].severity is Severity.CRITICAL
    assert burst[0].since is not None
    assert first < burst[0].since
    later = [found.kind for found in alerts(story, later_seconds=301)]
    assert AlertKind.REJECT_BURST not in later


def test_what_makes_two_alerts_the_same_is_not_their_figure() -> None:
    one = Alert(AlertKind.BREAK, Severity.CRITICAL, "BAC", None, None, "", 1, "100 and 90", "qty")
    assert one.key == replace(one, since=2, detail="100 and 80").key
    assert len({one.key, replace(one, about="cash").key, replace(one, subject="KO").key}) == 3
