"""Looks at a log beside whoever writes it, puts on record what begins and ends, has it told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import structlog

from ...domain.errors import FillwrightError, StoreError
from ...domain.ops import AlertCleared, AlertRaised
from ...domain.ops.alerting import DETAIL_MAX, SHORT, SUBJECT_MAX
from ...projections.alert_book import CLEARED, RAISED, AlertBook, Changes
from ...projections.alerts import Alert, AlertThresholds, Severity, current_alerts, stopped_alert
from ...projections.averages import Judged
from ...projections.execution_quality import summarise
from ...projections.instruction_book import InstructionBook
from ...projections.recent_views import RecentViews, RunningQuality
from ...projections.runner import ProjectionStopped, RecordedEvent
from ..storage.lean_reading import bring_up
from ..storage.location import parse_location
from ..storage.log import Log
from ..storage.ops_log import OpsLog
from ..storage.records import Conflict, Recorded
from .channels import Channel, Notice, channels_of, names_on_record
from .courier import ACTOR, Courier
from .terms import AlertSettings

TRIES_MAX: Final = 5
UNTOLD_AFTER_NS: Final = 30 * 1_000_000_000
"""An alert that somebody raised and nobody told of for so long is told of by whoever looks."""
STOP_SECONDS_MAX: Final = 10.0
NS: Final = 1_000_000_000
_logger = structlog.get_logger(__name__)

Extra = Callable[[], Sequence[Alert]]
_ORDER: Final = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


class LogView:
    """What alerts are told from, brought forward when asked; holds what is recent or open."""

    def __init__(self, thresholds: AlertThresholds) -> None:
        self._log: Log | None = None
        self._views = RecentViews(self._history, RunningQuality())
        self._thresholds = thresholds
        self._judged: tuple[int, Judged] | None = None
        self.stopped = ""
        self.last_at = 0

    @property
    def book(self) -> InstructionBook:
        """What is open, and what is of the last session."""
        return self._views.blotter

    def _history(self, id: UUID, before: int) -> Sequence[RecordedEvent]:
        return () if self._log is None else self._log.history(id, before)

    def follow(self, log: Log) -> None:
        """Take in what was appended; a log that cannot be followed is remembered in ``stopped``."""
        self._log = log
        try:
            bring_up(self._views, log, log.head().position, self._noted)
        except (ProjectionStopped, StoreError) as error:
            self.stopped = str(error)
        else:
            self.stopped = ""

    def _noted(self, records: Iterable[Recorded]) -> Iterator[Recorded]:
        for recorded in records:
            yield recorded
            self.last_at = recorded.event.record_time

    def alerts(self, now: int) -> tuple[Alert, ...]:
        """What is to be looked at now (engine time, ns UTC); averages are of the last session."""
        own = (stopped_alert(self.stopped),) if self.stopped else ()
        return own + current_alerts(
            self.book,
            self._views.limits,
            self._views.reconciliation,
            now,
            judged=self._of_session(),
            thresholds=self._thresholds,
        )

    def _of_session(self) -> Judged:
        if self._judged is None or self._judged[0] != self.book.position:
            entries = self.book.instructions().values()
            last = max((entry.session_date for entry in entries), default="")
            found = summarise([entry for entry in entries if entry.session_date == last])
            self._judged = self.book.position, found.overall.judged
        return self._judged[1]


class AlertWatch:
    """One look after the other: what has begun is raised, what is over is cleared, each once.

    Several may look at one store: a record is written only if nobody else wrote one since the last
    look, so each occurrence is raised by one of them. Where the second stream cannot be written,
    people are told all the same.
    """

    def __init__(
        self,
        settings: AlertSettings,
        courier: Courier,
        channels: Sequence[str],
        *,
        extra: Extra = tuple,
    ) -> None:
        self.view = LogView(settings.thresholds())
        self.book = AlertBook(settings.clear_after_seconds * NS)
        self._settings, self._courier, self._extra = settings, courier, extra
        self._channels = tuple(channels)
        self._told_again: set[tuple[int, str]] = set()
        self._off_record: set[str] = set()

    def look(self, log: Log, ops: OpsLog, now: int, wall_ns: int) -> Changes:
        """Look once; gives what was put on record. ``now`` is the engine's time, both ns UTC."""
        self.view.follow(log)
        least = _ORDER.index(self._settings.severity_min)
        seen = [
            alert
            for alert in (*self.view.alerts(now), *self._extra())
            if _ORDER.index(alert.severity) >= least
        ]
        try:
            found = self._record(ops, seen, now, wall_ns)
        except StoreError as error:
            return self._tell_off_record(seen, now, wall_ns, error)
        self._off_record.clear()
        self._tell_untold(wall_ns)
        return found

    def _record(self, ops: OpsLog, seen: Sequence[Alert], now: int, wall_ns: int) -> Changes:
        for _ in range(TRIES_MAX):
            for recorded in ops.records(after=self.book.position):
                self.book.apply(recorded.position, recorded.record)
            found = self.book.changes(seen, wall_ns)
            raised = [self._raised(alert, now, wall_ns) for alert in found.raised]
            cleared = [
                AlertCleared(
                    record_time=wall_ns,
                    actor=ACTOR,
                    log_position=self.view.book.position,
                    log_hash=self._head,
                    alert=one.raised.alert,
                    raised_at=one.position,
                    market_time=now,
                )
                for one in found.cleared
            ]
            if not raised and not cleared:
                return found
            try:
                first = ops.append(*raised, *cleared, expected=self.book.position).first_position
            except Conflict:
                continue  # somebody else was faster
            for number, record in enumerate((*raised, *cleared)):
                self.book.apply(first + number, record)
            for number, record in enumerate(raised):
                if record.alert not in self._off_record:
                    self._courier.tell(Notice(RAISED, record, first + number))
                self._told_again.update((first + number, name) for name in self._channels)
            if self._settings.tell_cleared:
                for one in found.cleared:
                    self._courier.tell(Notice(CLEARED, one.raised, one.position))
            return found
        raise StoreError("the second stream changed at every try")

    @property
    def _head(self) -> str:
        return self.view.book.head_hash.hex() or "0" * 64

    def _raised(self, alert: Alert, now: int, wall_ns: int) -> AlertRaised:
        return AlertRaised(
            record_time=wall_ns,
            actor=ACTOR,
            log_position=self.view.book.position,
            log_hash=self._head,
            alert=alert.key,
            kind=alert.kind.value,
            severity=alert.severity.value,
            subject=alert.subject[:SUBJECT_MAX],
            about=alert.about[:SHORT],
            observed=alert.observed,
            threshold=alert.threshold,
            unit=alert.unit,
            since=alert.since,
            market_time=now,
            detail=alert.detail[:DETAIL_MAX],
        )

    def _tell_off_record(
        self, seen: Sequence[Alert], now: int, wall_ns: int, error: StoreError
    ) -> Changes:
        new = [a for a in seen if a.key not in self._off_record | self.book.active().keys()]
        for alert in new:
            self._off_record.add(alert.key)
            self._courier.tell(Notice(RAISED, self._raised(alert, now, wall_ns), 0))
        _logger.warning("alerts cannot be put on record", error=str(error))
        return Changes((), ())

    def _tell_untold(self, wall_ns: int) -> None:
        """Tell of what was raised by somebody who ended before it was told."""
        for occurrence, name in self.book.untold(self._channels, wall_ns - UNTOLD_AFTER_NS):
            if (occurrence.position, name) not in self._told_again:
                self._told_again.add((occurrence.position, name))
                notice = Notice(RAISED, occurrence.raised, occurrence.position)
                self._courier.tell(notice, [name])


class AlertService:
    """A watch and its courier in threads of their own; trading never waits for either."""

    def __init__(
        self,
        store: str,
        settings: AlertSettings,
        now: Callable[[LogView], int],
        *,
        channels: Sequence[Channel] | None = None,
        extra: Extra = tuple,
    ) -> None:
        """Make them; nothing runs before :meth:`start`.

        Raises:
            InvalidInput: an address is none, or a library is missing.
        """
        made = channels_of(settings) if channels is None else list(channels)
        self._store, self._settings, self._now = store, settings, now
        self._courier = Courier(made, lambda: OpsLog.open(store), settings.notices_per_minute_max)
        self._watch = AlertWatch(settings, self._courier, names_on_record(made), extra=extra)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fillwright-alerts", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._courier.start()
        self._thread.start()

    def stop(self) -> None:
        """Look once more, deliver what waits and end; waits for some seconds at most."""
        self._ending.set()
        ends = time.monotonic() + STOP_SECONDS_MAX
        self._thread.join(STOP_SECONDS_MAX / 2)
        if not self._courier.stop(max(ends - time.monotonic(), 0.1)):
            _logger.warning("not every notice of an alert was delivered in time")

    def wait(self) -> None:
        """Until :meth:`stop`, or until looking has ended for good."""
        while self._thread.is_alive():
            self._thread.join(0.2)

    def _run(self) -> None:
        ending = False
        while not ending:
            try:
                with Log.open(self._store, writer=False) as log, OpsLog.open(self._store) as ops:
                    while not ending:
                        ending = self._ending.wait(self._settings.look_seconds)
                        self._look(log, ops)
            except Exception as error:  # nothing here may reach the engine; look again later
                kind = type(error).__name__
                _logger.error("alerts cannot be looked for", error=f"{kind}: {error}")
                ending = ending or self._ending.wait(self._settings.look_seconds)

    def _look(self, log: Log, ops: OpsLog) -> None:
        watch = self._watch
        watch.view.follow(log)
        watch.look(log, ops, self._now(watch.view), time.time_ns())


@contextmanager
def alerting(
    store: str,
    settings: AlertSettings,
    now: Callable[[LogView], int],
    extra: Extra = tuple,
) -> Iterator[None]:
    """Watch a store until the block ends; nothing for one in memory.

    Raises:
        InvalidInput: an address is none, or a library is missing.
    """
    if parse_location(store) is None:
        yield
        return
    service = AlertService(store, settings, now, extra=extra)
    service.start()
    try:
        yield
    finally:
        try:
            service.stop()
        except FillwrightError as error:
            _logger.warning("alerts did not end as they should", error=str(error))
