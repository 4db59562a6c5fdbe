"""What status and reports are told from: projections of the log, brought up when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from ..domain.errors import InvalidInput
from ..domain.monitoring import ActiveExecutions
from ..projections.alerts import DEFAULT_THRESHOLDS, Alert, AlertThresholds, current_alerts
from ..projections.all_views import AllViews
from ..projections.averages import Judged
from ..projections.best_execution.reporter import OWN_FLOW, Reporter
from ..projections.blotter import BlotterRow
from ..projections.canonical import to_json
from ..projections.execution_quality import summarise
from ..projections.outcomes import ExecutionSummary
from ..projections.recent_views import Outcomes, RecentViews, RunningQuality
from ..projections.reconciliation import ToldSession, told_sessions
from ..projections.reports import (
    SIMULATED_NOTE,
    PerformanceReport,
    SessionLimits,
    execution_report,
    session_limits,
)
from .alerting.conditions import conditions
from .engine import Desk
from .replay.rebuilding import history_upto
from .storage.lean_reading import LEAN_FROM_EVENTS, bring_up
from .storage.log import Log
from .telling_beside import Beside

if TYPE_CHECKING:
    from ..projections.best_execution.document import Report

DAILY: Final = frozenset({"trades", "turnover"})
"""The limits that every decision counts against."""


class Views:
    """The projections that status and reports are told from, each over the whole log.

    They are brought up to the log's end whenever they are asked for, from the log itself: what
    other processes append to it has its place, so every position they name is the log's own. The
    engine's own limits follow its account only, and run ahead of the log while it commits. A view
    that cannot follow stops, is told of when it is asked for, and never holds up trading. What
    ended in past sessions is not held (``projections.recent_views``): who asks for it has the log
    read once more.
    """

    def __init__(self, log: Log) -> None:
        """Follow ``log``."""
        self._log = log
        self._gone = RunningQuality()
        self._recent = RecentViews(log.history, self._gone)

    def current(self) -> RecentViews:
        """All at the same position, with what is open and what is of the last session.

        Raises:
            ProjectionStopped: one of them cannot follow the log.
            StoreError: the log cannot be read.
        """
        recent = self._recent
        views = (recent.limits, recent.blotter, recent.reconciliation)
        bring_up(recent, self._log, self._log.head().position)
        for view in views:
            if view.stopped is not None:
                raise view.stopped
        return recent

    async def catch_up(self) -> None:
        """Bring views that are far behind up beside the event loop; others stay as they are.

        Raises:
            ProjectionStopped: one of them cannot follow the log.
            StoreError: the log cannot be read.
        """
        head = self._log.head().position
        if head - self._recent.limits.position < LEAN_FROM_EVENTS:
            return
        gone = RunningQuality()
        recent = RecentViews(self._log.history, gone)
        await Beside(lambda noted: bring_up(recent, self._log, head, noted)).done()
        if recent.limits.position > self._recent.limits.position:
            self._recent, self._gone = recent, gone

    def judged(self) -> Judged:
        """The averages of all instructions up to where the views are."""
        return self._gone.judged(self._recent.blotter.instructions().values())

    def done_count(self) -> int:
        """How many instructions have ended, up to where the views are."""
        held = self._recent.blotter.instructions().values()
        return self._gone.count + sum(entry.instruction.is_done for entry in held)

    def last_sessions(self, count: int) -> AllViews:
        """The views as they are now, with all instructions of the last sessions in the log."""
        recent = self.current()
        chosen = self._chosen(count)
        return self._told_again(Outcomes(), chosen) if chosen else recent

    async def last_sessions_beside(self, count: int) -> AllViews:
        """The same; where the log has to be read once more that is done beside the event loop."""
        await self.catch_up()
        recent = self.current()
        chosen = self._chosen(count)
        if not chosen:
            return recent
        told, upto = self._sessions(Outcomes(), chosen)
        await Beside(lambda noted: bring_up(told, self._log, upto, noted)).done()
        return told

    def _chosen(self, count: int) -> Collection[str]:
        """The last sessions in the log, none where all that is of them is held."""
        recent = self._recent
        held = {entry.session_date for entry in recent.blotter.instructions().values()}
        limits = recent.limits
        known = {date for account in limits.accounts() for date in limits.sessions(account)}
        chosen = set(sorted(known | held | self._gone.dates)[-count:])
        return chosen if chosen & self._gone.dates else ()

    def quality(self) -> ExecutionSummary:
        """The execution summary of all instructions."""
        recent = self.current()
        if not self._gone.count:
            return summarise(recent.blotter.instructions().values())
        outcomes = Outcomes()
        told = self._told_again(outcomes, ())
        return outcomes.summary(told.blotter.instructions().values())

    def _told_again(self, gone: Outcomes, sessions: Collection[str]) -> RecentViews:
        told, upto = self._sessions(gone, sessions)
        bring_up(told, self._log, upto)
        return told

    def _sessions(self, gone: Outcomes, sessions: Collection[str]) -> tuple[RecentViews, int]:
        """Views that are to hold what is of these sessions, and up to where."""
        upto = self._recent.limits.position
        return RecentViews(history_upto(self._log, upto), gone, sessions.__contains__), upto


@dataclass(frozen=True, slots=True)
class Executions:
    """What is being executed: ``active`` instructions, how many are done, limits and alerts.

    ``as_of`` is the engine's time, ns UTC; ``sessions`` are preliminary or final.
    """

    as_of: int
    active: tuple[BlotterRow, ...]
    done_count: int
    sessions: tuple[ToldSession, ...]
    limits: SessionLimits
    alerts: tuple[Alert, ...]


class Telling:
    """Status, limits, alerts and reports of one engine, for people and programs."""

    def __init__(
        self,
        desk: Desk,
        thresholds: AlertThresholds = DEFAULT_THRESHOLDS,
        reporter: Reporter = OWN_FLOW,
    ) -> None:
        """Tell of ``desk`` from now on; ``reporter`` is in whose name reports are made."""
        self._desk, self._thresholds, self._reporter = desk, thresholds, reporter
        self._views = Views(desk.log)

    @property
    def now(self) -> int:
        """The engine's time, ns UTC."""
        return self._desk.now

    def session_limits(self) -> SessionLimits:
        """What is used of the limits in the current session."""
        return session_limits(self._views.current().limits, self._desk.name)

    def usage(self) -> dict[str, Any]:
        """The same as a mapping, with Decimals."""
        found = self.session_limits()
        return {
            "session_date": found.session_date,
            "equity": found.equity,
            "limit_version": found.limit_version,
            "kills": list(found.kills),
            "uses": [
                {"limit": use.limit, "used": use.used, "allowed": use.allowed, "unit": use.unit}
                for use in found.uses
                if use.limit in DAILY and found.session_date
            ],
        }

    def alerts_now(self) -> tuple[Alert, ...]:
        """What a person should look at now: the most urgent of the log first, then the rest."""
        views, thresholds = self._views.current(), self._thresholds
        known = current_alerts(
            views.blotter,
            views.limits,
            views.reconciliation,
            self.now,
            judged=self._views.judged(),
            thresholds=thresholds,
        )
        return (*known, *conditions(self._desk, thresholds))

    def alerts(self) -> list[dict[str, Any]]:
        """The same as mappings, each with its ``message``."""
        return [_mapping(alert, message=alert.message) for alert in self.alerts_now()]

    def performance(self) -> dict[str, Any]:
        """Execution quality over the whole log."""
        return _mapping(self._views.quality())

    def executions(self) -> Executions:
        """Active instructions with their orders and fills, limits used, blocks, and alerts.

        Raises:
            ProjectionStopped: what is told from the log cannot follow it.
        """
        views = self._views.current()
        return Executions(
            self.now,
            views.blotter.active(),
            self._views.done_count(),
            told_sessions(views.reconciliation, lambda date: True),
            self.session_limits(),
            self.alerts_now(),
        )

    async def monitor(self) -> ActiveExecutions:
        """The same as plain values, Decimals as text; see :class:`ActiveExecutions`."""
        if self._is_beside:
            await self._views.catch_up()
        found = self.executions()
        told: Any = {
            "as_of": found.as_of,
            "active_count": len(found.active),
            "active": [_mapping(row) for row in found.active],
            "done_count": found.done_count,
            "sessions": [one._asdict() for one in found.sessions],
            "limits": _mapping(found.limits),
            "kills": list(found.limits.kills),
            "alerts": [_mapping(alert, message=alert.message) for alert in found.alerts],
        }
        monitored: ActiveExecutions = told
        return monitored

    def report(self, period_days: int = 1) -> PerformanceReport:
        """The execution report of the last ``period_days`` exchange sessions in the log.

        Raises:
            InvalidInput: a period that is not allowed.
        """
        _check_period(period_days)
        return self._report_of(self._views.last_sessions(period_days), period_days)

    def _report_of(self, views: AllViews, period_days: int) -> PerformanceReport:
        simulated = self._desk.broker.capabilities.name == "simulated"
        return execution_report(
            views.blotter,
            views.limits,
            views.reconciliation,
            now=self.now,
            code_version=__version__,
            period_days=period_days,
            thresholds=self._thresholds,
            note=SIMULATED_NOTE if simulated else "",
        )

    async def report_fields(self, period_days: int = 1) -> dict[str, Any]:
        """The report as plain values; the loop goes on where the log has to be read for it."""
        _check_period(period_days)
        if self._is_beside:
            views = await self._views.last_sessions_beside(period_days)
        else:
            views = self._views.last_sessions(period_days)
        report = self._report_of(views, period_days)
        alerts = [_mapping(alert, message=alert.message) for alert in report.alerts]
        analysis = self._analysis
        if self._is_beside:
            found = await asyncio.to_thread(analysis, report.sessions)
        else:
            found = analysis(report.sessions)
        return {**_mapping(report), "alerts": alerts, "analysis": found}

    @property
    def _is_beside(self) -> bool:
        """Whether a long log is read beside the loop; simulated time would not wait for that."""
        return self._desk.rules.mode != "simulated" and not self._desk.log.in_memory

    def full_report(
        self,
        kind: str = "execution",
        from_session: str | None = None,
        to_session: str | None = None,
    ) -> Report:
        """A report of any kind over a period of sessions, as ``fillwright report`` makes it.

        Raises:
            InvalidInput: a kind or period that is not allowed, or polars is not installed.
        """
        from .reporting.live import live_report

        terms = self._reporter, self._thresholds
        return live_report(self._desk.log, kind, (from_session, to_session), terms)

    def _analysis(self, sessions: Sequence[str]) -> dict[str, Any] | None:
        """Cost analysis of the sessions with its id; None where polars is not installed."""
        from .reporting.live import fields_with_id, is_installed

        if not is_installed() or not sessions:
            return None
        return fields_with_id(self.full_report("execution", sessions[0], sessions[-1]))

    def record_commentary(
        self, report: Mapping[str, Any], written: Mapping[str, str], refused: str | None
    ) -> None:
        """Put on record what a language model wrote of a report, and why it was refused, if so.

        Raises:
            StoreError: it could not be recorded.
        """
        from .reporting.records import record_written

        record_written(self._desk.log, report, written, refused, at=self.now)


def _check_period(period_days: object) -> None:
    if isinstance(period_days, bool) or not isinstance(period_days, int):
        raise InvalidInput("period_days", period_days, "a whole number of sessions")


def _mapping(value: object, **more: object) -> dict[str, Any]:
    """A record as plain values, Decimals as text."""
    found: Any = to_json(value)
    return {**found, **more}
