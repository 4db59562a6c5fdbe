"""A store as commands read it: every projection at one position, and the report made from them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from ... import __version__
from ...domain import events as e
from ...domain.errors import InvalidInput
from ...projections.alerts import DEFAULT_THRESHOLDS, Alert, AlertThresholds, current_alerts
from ...projections.blotter import Blotter, BlotterRow
from ...projections.daily_limits import DailyLimits
from ...projections.reconciliation import Reconciliation
from ...projections.reports import SIMULATED_NOTE, PerformanceReport, execution_report
from ...projections.runner import follow
from ..as_of import AsOf, parse_as_of
from ..captured_segments import segments_beside
from ..end_facts import Captured, end_facts
from ..storage.location import without_password
from ..storage.log import Log


@dataclass(slots=True)
class Views:
    """Everything told from one log; ``last_at`` is the record time of its last event (ns UTC).

    ``thresholds`` are what alerts are raised by.
    """

    store: str
    blotter: Blotter
    limits: DailyLimits
    reconciliation: Reconciliation
    captured: list[e.MarketDataCaptured]
    started: list[e.EngineStarted]
    last_at: int
    thresholds: AlertThresholds = DEFAULT_THRESHOLDS

    @property
    def position(self) -> int:
        """The last position that the views have."""
        return self.blotter.position

    @property
    def head_hash(self) -> str:
        """The chain's hash there."""
        return self.blotter.head_hash.hex()

    @property
    def seed(self) -> int | None:
        """The seed the log was begun with."""
        return self.started[0].seed if self.started else None

    def alerts(self, now: int | None = None) -> tuple[Alert, ...]:
        """What a person should look at ``now`` (ns UTC), by default as of the last event."""
        return current_alerts(
            self.blotter,
            self.limits,
            self.reconciliation,
            self.last_at if now is None else now,
            thresholds=self.thresholds,
        )

    def report(self, period_days: int = 1) -> PerformanceReport:
        """The report of the last sessions, bound to the views' position and no other time."""
        folder = segments_beside(self.store)
        facts = end_facts(self.blotter, Captured(folder, self.captured)) if folder else {}
        simulated = bool(self.started) and self.started[-1].broker == "simulated"
        return execution_report(
            self.blotter,
            self.limits,
            self.reconciliation,
            now=self.last_at,
            code_version=__version__,
            period_days=period_days,
            facts=facts,
            thresholds=self.thresholds,
            note=SIMULATED_NOTE if simulated else "",
        )

    def one(self, text: str) -> BlotterRow:
        """The instruction that an id, a unique beginning of one, or a decision id names.

        Raises:
            InvalidInput: there is none, or more than one.
        """
        exact = [row for row in self.blotter.find(text) if row.decision_id == text]
        found = exact or list(self.blotter.find(text))
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(f"{row.instruction_id} ({row.decision_id})" for row in found[:5])
            raise InvalidInput("id", text, f"enough of it to be unique; it fits {several}")
        raise InvalidInput(
            "id",
            text,
            "an instruction id, its beginning, or a decision id; "
            f"`fillwright status --store {without_password(self.store)}` lists them",
        )


def read_views(
    log: Log,
    store: str,
    as_of: AsOf | None = None,
    thresholds: AlertThresholds = DEFAULT_THRESHOLDS,
) -> Views:
    """Fold a log into all views, up to its head now or to an earlier moment.

    Raises:
        InvalidInput: nothing was recorded by then, or the position is not there yet.
        ProjectionStopped: the log holds what this code cannot follow.
    """
    views = Views(store, Blotter(), DailyLimits(), Reconciliation(), [], [], 0, thresholds)
    projections = [views.blotter, views.limits, views.reconciliation]
    head = log.head().position
    records = log.events(upto=head)
    for recorded in records if as_of is None else as_of.upto(records):
        follow(projections, [recorded])
        event = recorded.event
        views.last_at = event.record_time
        if isinstance(event, e.MarketDataCaptured):
            views.captured.append(event)
        elif isinstance(event, e.EngineStarted):
            views.started.append(event)
    if as_of is not None and (not views.position or views.position < (as_of.position or 0)):
        asked = as_of.position if as_of.position is not None else as_of.time
        raise InvalidInput("as_of", asked, f"positions 1 to {head}, or a time from the first on")
    return views


def open_views(
    store: str, as_of: str | None = None, thresholds: AlertThresholds = DEFAULT_THRESHOLDS
) -> Views:
    """Read a store beside whoever writes it, as it is or as it was.

    Raises:
        InvalidInput: ``as_of`` is neither a position nor a time of the log.
        StoreError: it is not there, or cannot be read.
    """
    moment = None if as_of is None else parse_as_of(as_of)
    with Log.open(store, writer=False) as log:
        return read_views(log, store, moment, thresholds)


def events_of(store: str, instruction: UUID) -> list[e.DomainEvent]:
    """All events of one instruction."""
    with Log.open(store, writer=False) as log:
        return log.stream(instruction)
