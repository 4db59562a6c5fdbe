"""What status and reports are told from: projections of the log, brought up when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from ..domain.errors import InvalidInput
from ..domain.monitoring import ActiveExecutions
from ..projections.alerts import DEFAULT_THRESHOLDS, Alert, AlertThresholds, current_alerts
from ..projections.best_execution.reporter import OWN_FLOW, Reporter
from ..projections.blotter import Blotter, BlotterRow
from ..projections.canonical import to_json
from ..projections.daily_limits import DailyLimits
from ..projections.execution_quality import summarise
from ..projections.reconciliation import Reconciliation, ToldSession, told_sessions
from ..projections.reports import (
    SIMULATED_NOTE,
    PerformanceReport,
    SessionLimits,
    execution_report,
    session_limits,
)
from ..projections.runner import follow
from .alerting.conditions import conditions
from .engine import Desk
from .storage.log import Log

if TYPE_CHECKING:
    from ..projections.best_execution.document import Report

DAILY: Final = frozenset({"trades", "turnover"})
"""The limits that every decision counts against."""


class Views:
    """The projections that status and reports are told from, each over the whole log.

    They are brought up to the log's end whenever they are asked for, from the log itself: what
    other processes append to it has its place, so every position they name is the log's own. The
    engine's own limits follow its account only, and run ahead of the log while it commits. A view
    that cannot follow stops, is told of when it is asked for, and never holds up trading.
    """

    def __init__(self, log: Log) -> None:
        """Follow ``log``."""
        self._log = log
        self._blotter = Blotter()
        self._usage = DailyLimits()
        self._reconciliation = Reconciliation()

    def current(self) -> tuple[Blotter, DailyLimits, Reconciliation]:
        """All three at the same position.

        Raises:
            ProjectionStopped: one of them cannot follow the log.
            StoreError: the log cannot be read.
        """
        views = (self._blotter, self._usage, self._reconciliation)
        follow(views, self._log.events(after=self._blotter.position))
        for view in views:
            if view.stopped is not None:
                raise view.stopped
        return views


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
        _, usage, _ = self._views.current()
        return session_limits(usage, self._desk.name)

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
        blotter, usage, reconciliation = self._views.current()
        thresholds = self._thresholds
        known = current_alerts(blotter, usage, reconciliation, self.now, thresholds=thresholds)
        return (*known, *conditions(self._desk, thresholds))

    def alerts(self) -> list[dict[str, Any]]:
        """The same as mappings, each with its ``message``."""
        return [_mapping(alert, message=alert.message) for alert in self.alerts_now()]

    def performance(self) -> dict[str, Any]:
        """Execution quality over the whole log."""
        blotter, _, _ = self._views.current()
        return _mapping(summarise(blotter.instructions().values()))

    def executions(self) -> Executions:
        """Active instructions with their orders and fills, limits used, blocks, and alerts.

        Raises:
            ProjectionStopped: what is told from the log cannot follow it.
        """
        blotter, _, reconciliation = self._views.current()
        return Executions(
            self.now,
            blotter.active(),
            len(blotter.done()),
            told_sessions(reconciliation, lambda date: True),
            self.session_limits(),
            self.alerts_now(),
        )

    async def monitor(self) -> ActiveExecutions:
        """The same as plain values, Decimals as text; see :class:`ActiveExecutions`."""
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
        if isinstance(period_days, bool) or not isinstance(period_days, int):
            raise InvalidInput("period_days", period_days, "a whole number of sessions")
        blotter, usage, reconciliation = self._views.current()
        simulated = self._desk.broker.capabilities.name == "simulated"
        return execution_report(
            blotter,
            usage,
            reconciliation,
            now=self.now,
            code_version=__version__,
            period_days=period_days,
            thresholds=self._thresholds,
            note=SIMULATED_NOTE if simulated else "",
        )

    async def report_fields(self, period_days: int = 1) -> dict[str, Any]:
        """The report as plain values."""
        report = self.report(period_days)
        alerts = [_mapping(alert, message=alert.message) for alert in report.alerts]
        return {**_mapping(report), "alerts": alerts, "analysis": self._analysis(report.sessions)}

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


def _mapping(value: object, **more: object) -> dict[str, Any]:
    """A record as plain values, Decimals as text."""
    found: Any = to_json(value)
    return {**found, **more}
