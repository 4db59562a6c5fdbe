"""A store at a glance: status, limits and report, for people and for programs."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...domain.limits import Limits
from ...domain.money import plain
from ...projections import rendering
from ...projections.blotter import BlotterRow
from ...projections.canonical import to_json
from ...projections.reconciliation import ToldSession, told_sessions
from ...projections.rendering import alerts_table, limits_gauge, moment, number, standing_line
from ...projections.reports import PerformanceReport, SessionLimits, session_limits
from ..storage.location import without_password
from .summary import log_line
from .views import Views

DONE_SHOWN: Final = 20


def status_json(views: Views) -> dict[str, object]:
    """Active and done instructions, limits used, sessions, alerts, and where the log ends."""
    return {
        "log": {
            "store": without_password(views.store),
            "position": views.position,
            "head_hash": views.head_hash,
            "last_record_time": views.last_at,
        },
        "active": views.blotter.active(),
        "done": views.blotter.done(),
        "limits": _used(views),
        "sessions": _sessions(views),
        "alerts": views.alerts(),
    }


def status_view(views: Views) -> RenderableType:
    """The same for a terminal."""
    active, done = views.blotter.active(), views.blotter.done()
    parts: list[RenderableType] = [_standing(views, active, done)]
    if active:
        parts.append(rendering.blotter(active, title=f"Working, {len(active)} instructions"))
    if done:
        shown = done[-DONE_SHOWN:]
        title = f"Done, the last {len(shown)} of {len(done)}"
        parts.append(rendering.blotter(shown, title=title))
    parts.append(Text())
    parts += [limits_gauge(used) for used in _used(views)]
    parts += [alerts_table(views.alerts()), *standing_line(_sessions(views)), log_line(views)]
    return Group(*parts)


def limits_json(views: Views) -> dict[str, object]:
    """What is used of each limit, and all limits in force, by account."""
    return {
        used.account: {"used": used, "in_force": views.limits.limits(used.account)}
        for used in _used(views)
    }


def limits_view(views: Views) -> RenderableType:
    """The same for a terminal."""
    parts: list[RenderableType] = []
    for used in _used(views):
        parts += [limits_gauge(used), _in_force(views.limits.limits(used.account))]
    return Group(*parts, log_line(views)) if parts else Text("No session is on the record yet.")


def report_view(report: PerformanceReport, views: Views) -> RenderableType:
    """An execution report for a terminal, ending with the part of the log it was made from."""
    totals = report.totals
    sessions = ", ".join(report.sessions) or "no session"
    counts = (
        f"{totals.decisions} decisions: {totals.filled} filled, {totals.cancelled} cancelled, "
        f"{totals.rejected} refused, {totals.no_change} without change, {totals.active} active. "
        f"{totals.orders} orders, {totals.fills} fills, notional {number(totals.notional)}, "
        f"fees {number(totals.fees)}."
    )
    parts: list[RenderableType] = [
        Text(f"Execution report: {sessions}", style="bold"),
        Text(counts),
        rendering.quality(report.quality, report.note),
    ]
    if report.refused:
        parts.append(rendering.refusals(report.refused))
    parts.append(Text())
    parts += [limits_gauge(used) for used in report.limits]
    parts += [
        alerts_table(report.alerts),
        *standing_line(report.standing),
        log_line(views),
        Text(
            f"positions {report.log.first_position} to {report.log.last_position}, "
            f"code {report.code_version}",
            style="dim",
        ),
    ]
    return Group(*parts)


def _standing(
    views: Views, active: tuple[BlotterRow, ...], done: tuple[BlotterRow, ...]
) -> RenderableType:
    when = moment(views.last_at) if views.last_at else "nothing recorded yet"
    text = Text("as of ", style="dim")
    text.append(when, style="bold")
    text.append(f": {len(active)} working, {len(done)} done")
    return text


def _used(views: Views) -> list[SessionLimits]:
    return [session_limits(views.limits, account) for account in views.limits.accounts()]


def _sessions(views: Views) -> tuple[ToldSession, ...]:
    return told_sessions(views.reconciliation, lambda date: True)


def _in_force(limits: Limits) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in Limits.model_fields:
        value = getattr(limits, name)
        shown = plain(value) if hasattr(value, "as_tuple") else to_json(value)
        table.add_row(Text(name, style="dim"), str(shown) if shown != [] else "none")
    return table
