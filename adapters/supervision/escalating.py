"""A running engine puts on record which exceptions are overdue, and to whom they go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

from ... import __version__
from ...domain.errors import StoreError
from ...domain.ops.exceptions import ExceptionEscalated
from ...domain.supervision import Moment, Supervision
from ...domain.supervision.exceptions import ExceptionBook
from ..closing import Closing
from ..storage.log import Log
from ..storage.ops_log import OpsLog
from ..storage.records import Conflict
from .exceptions_book import BookView

ACTOR: Final = f"engine/{__version__}"
EVERY_SECONDS: Final = 10.0
"""How often an engine looks; an exception is due in hours."""
TRIES_MAX: Final = 5
STEP_EVENTS: Final = 500
"""How much of a long log is told at a time, some milliseconds' work."""
REST_SECONDS: Final = 0.005
"""How long the processor is left to trading between two such steps."""
STOP_SECONDS_MAX: Final = 5.0
_logger = structlog.get_logger(__name__)


class Escalation:
    """One look after the other at one store: what is overdue is put on record, each step once.

    However many look at it, each step is recorded by one of them: a record is written only if
    nobody wrote another since the last look. What was recorded before a restart is read again.
    """

    def __init__(self) -> None:
        self._view, self._book, self._state = BookView(), ExceptionBook(()), Supervision()
        self._next: int | None = None

    def come_nearer(self, log: Log, ops: OpsLog) -> bool:
        """Take in a step of a log that goes on for longer; whether it did.

        Raises:
            StoreError, ProjectionStopped: the log cannot be followed.
        """
        upto = self._view.log_position + STEP_EVENTS
        if upto >= log.head().position:
            return False
        return self._view.follow(log, ops, upto)

    def look(self, log: Log, ops: OpsLog, now: int) -> tuple[ExceptionEscalated, ...]:
        """Look once, as of ``now`` (ns UTC); gives what was put on record.

        Raises:
            StoreError: the store cannot be read or written.
            ProjectionStopped: the log cannot be followed.
        """
        for _ in range(TRIES_MAX):
            if self._view.follow(log, ops):
                self._book, self._state = self._view.book(), self._view.control()
                self._next = now
            if self._next is None or now < self._next:
                return ()
            made = self._book.overdue(ACTOR, self._moment(now))
            try:
                if made:
                    ops.append(*made, expected=self._view.seen)
            except Conflict:
                continue  # somebody else was faster, maybe with the same
            self._next = self._book.next_due(now)
            return made
        raise StoreError(f"{ops.name}: the second stream changed at every try")

    def _moment(self, now: int) -> Moment:
        """Never before the last record of control, as with whatever else is decided."""
        view = self._view
        return self._state.moment(now, view.log_position, view.log_hash.hex() or "0" * 64)


class EscalationService(Closing):
    """Looks in a thread of its own; trading never waits for it, and no failure here reaches it."""

    def __init__(self, store: str, now: Callable[[], int], every_seconds: float | None = None):
        """Begin to look at a store; ``now`` gives the time on the wall, ns UTC."""
        self._store, self._now = store, now
        self._every = EVERY_SECONDS if every_seconds is None else every_seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fillwright-escalation", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more; waits for some seconds at most."""
        self._ending.set()
        self._thread.join(STOP_SECONDS_MAX)

    def _run(self) -> None:
        escalation = Escalation()
        while not self._ending.wait(self._every):
            try:
                with Log.open(self._store, writer=False) as log, OpsLog.open(self._store) as ops:
                    while True:
                        while escalation.come_nearer(log, ops):
                            if self._ending.wait(REST_SECONDS):
                                return
                        escalation.look(log, ops, self._now())
                        if self._ending.wait(self._every):
                            return
            except Exception as error:  # nothing here may reach the engine; look again later
                told = f"{type(error).__name__}: {error}"
                _logger.error("overdue exceptions cannot be looked for", error=told)
