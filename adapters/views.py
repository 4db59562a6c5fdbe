"""What status and reports are told from: projections kept at the engine's own position."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from ..domain.errors import InvalidInput
from ..domain.events import DomainEvent
from ..projections.alerts import Alert, current_alerts
from ..projections.blotter import Blotter
from ..projections.canonical import to_json
from ..projections.daily_limits import DailyLimits
from ..projections.execution_quality import summarise
from ..projections.reconciliation import Reconciliation
from ..projections.reports import (
    SIMULATED_NOTE,
    PerformanceReport,
    SessionLimits,
    execution_report,
    session_limits,
)
from ..projections.runner import ProjectionStopped, Recorded, follow
from .engine import Desk

if TYPE_CHECKING:
    from ..projections.best_execution.document import Report

DAILY: Final = frozenset({"trades", "turnover"})
"""The limits that every decision counts against."""

Listener = Callable[[int, DomainEvent], None]


class Views:
    """The projections that status and reports are told from.

    They follow each event as the engine records it, a moment before it is durable; after the engine
    has rebuilt itself from the log they do the same. One that cannot follow stops, is told of when
    it is asked for, and never holds up trading.
    """

    def __init__(self, desk: Desk) -> None:
        """Follow ``desk``; whoever listened to its events before still does."""
        self._desk = desk
        self._earlier: Listener | None = desk.on_event
        self._followed: DailyLimits | None = None
        self._blotter = Blotter()
        self._reconciliation = Reconciliation()
        desk.on_event = self._take

    def current(self) -> tuple[Blotter, DailyLimits, Reconciliation]:
        """All three at the same position.

        Raises:
            ProjectionStopped: one of them cannot follow the log.
        """
        self._catch_up(self._desk.usage.position)
        for view in (self._blotter, self._reconciliation):
            if view.stopped is not None:
                raise view.stopped
        return self._blotter, self._desk.usage, self._reconciliation

    def _take(self, position: int, event: DomainEvent) -> None:
        try:
            self._catch_up(position - 1)
            for view in (self._blotter, self._reconciliation):
                view.apply(Recorded(position, event))
        except ProjectionStopped:
            pass  # kept in the view, and raised to whoever asks for it
        if self._earlier is not None:
            self._earlier(position, event)

    def _catch_up(self, position: int) -> None:
        """Start anew from the log where the engine did."""
        if self._followed is self._desk.usage:
            return
        self._followed = self._desk.usage
        self._blotter, self._reconciliation = Blotter(), Reconciliation()
        follow([self._blotter, self._reconciliation], self._desk.log.events(upto=position))


class Telling:
    """Status, limits, alerts and reports of one engine, for people and programs."""

    def __init__(self, desk: Desk) -> None:
        """Tell of ``desk`` from now on."""
        self._desk = desk
        self._views = Views(desk)

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
        """What a person should look at now, the most urgent first."""
        blotter, usage, reconciliation = self._views.current()
        return current_alerts(blotter, usage, reconciliation, self.now)

    def alerts(self) -> list[dict[str, Any]]:
        """The same as mappings, each with its ``message``."""
        return [_mapping(alert, message=alert.message) for alert in self.alerts_now()]

    def performance(self) -> dict[str, Any]:
        """Execution quality over the whole log."""
        blotter, _, _ = self._views.current()
        return _mapping(summarise(blotter.instructions().values()))

    async def monitor(self) -> dict[str, Any]:
        """Active instructions with their orders and fills, limits used, blocks, and alerts."""
        blotter, _, _ = self._views.current()
        active = [_mapping(row) for row in blotter.active()]
        limits = self.session_limits()
        return {
            "as_of": self.now,
            "active_count": len(active),
            "active": active,
            "done_count": len(blotter.done()),
            "limits": _mapping(limits),
            "kills": list(limits.kills),
            "alerts": self.alerts(),
        }

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
            head_hash=self._desk.log.head().hash,
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

        return live_report(self._desk.log, kind, from_session, to_session)

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
