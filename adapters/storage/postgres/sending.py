"""Appends that are sent before those before them were answered.

Each is one statement and its own transaction, and names the head that it follows: the one before
it, answered or not. So one that follows what was not written writes nothing either, and whatever
goes wrong with the first of them, all are settled one after the other as one that went alone is.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, TypeVar

import psycopg
from psycopg import Connection
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from ..appending import give
from ..group_commit import WriteJob
from ..watch import HasSocket
from .appending import Prepared
from .direct import DONE, LOOK_MILLISECONDS
from .writing import PostgresWriter

REFRAINS: Final = 16
"""So many times nothing is sent ahead after another process wrote between: it may do so again, and
then what was sent was for nothing."""

_Result = TypeVar("_Result")


@dataclass(slots=True, eq=False)
class _Sent:
    """Jobs under way on a connection; ``told`` is to be called when each has an outcome."""

    jobs: Sequence[WriteJob]
    prepared: Prepared
    told: Callable[[], None]
    connection: Connection[Any]
    answer: PGresult | None = None
    is_whole: bool = False

    @property
    def is_written(self) -> bool:
        """Whether the whole answer says so."""
        found = self.answer
        if found is None or found.status not in DONE:
            return False
        return found.command_tuples == self.prepared.events


class PostgresSender:
    """A :class:`Sender` on the connection of a writer, which nobody else may use beside it."""

    def __init__(self, writer: PostgresWriter) -> None:
        self._writer = writer
        self._lock = Lock()
        self._sent: deque[_Sent] = deque()
        self._untold: deque[Callable[[], None]] = deque()
        self._stuck = False
        self._refrains = 0
        self.calls: Callable[[], None] = lambda: None

    @property
    def closed(self) -> Callable[[HasSocket], None]:
        """Is called when a connection was closed."""
        return self._writer.closed

    @closed.setter
    def closed(self, closed: Callable[[HasSocket], None]) -> None:
        self._writer.closed = closed

    @property
    def under_way(self) -> int:
        """How many times was sent what is not settled yet."""
        return len(self._sent)

    @property
    def is_stuck(self) -> bool:
        """Whether what was sent needs somebody who waits: :meth:`finish_sent`.

        It went wrong, or the rest of it has to go out when the server has read some.
        """
        return self._stuck

    def send(self, jobs: Sequence[WriteJob], told: Callable[[], None]) -> HasSocket | None:
        """Send jobs; gives the connection that answers, None where they cannot be sent.

        That is where somebody else writes, no connection is there yet, or the server has to be
        asked first: for counters, unknown streams, and what looks like a conflict.
        """
        held: list[bool] = []
        try:
            self._try(held)
            connection = self._writer.connection
            if True not in held or connection is None or self._stuck:
                return None
            if self._refrains:
                self._refrains -= 1
                return None
            try:
                prepared = self._writer.appender.prepare_at_once(connection, jobs)
            except UnicodeError:
                return None
            if prepared is None:
                return None
            self._sent.append(_Sent(jobs, prepared, told, connection))
            self._guarded(lambda: self._send(connection, prepared))
            return connection
        finally:
            if True in held:
                self._lock.release()

    def holds(self, jobs: Sequence[WriteJob]) -> bool:
        """Whether these are under way."""
        return any(one.jobs is jobs for one in tuple(self._sent))

    def receive(self) -> bool:
        """Take what was answered, when the socket can be read; whether to watch it further."""
        held: list[bool] = []
        try:
            self._try(held)
            # Whoever else has it waits for all of them.
            if True not in held or self._stuck or not self._sent:
                return False
            self._guarded(self._receive)
        finally:
            if True in held:
                self._lock.release()
        self._tell()
        return not self._stuck

    def finish_sent(self) -> None:
        """Return when all that was sent has a result or an error."""
        self.alone(lambda _: None)

    def alone(self, act: Callable[[PostgresWriter], _Result]) -> _Result:
        """Do something with the writer, with nothing under way."""
        try:
            with self._lock:
                if self._sent or self._stuck:
                    self._settle()
                self._tell()
                done = act(self._writer)
        except BaseException:
            # After an interrupt somebody else has to see to what is left.
            if self._sent or self._stuck or self._untold:
                self.calls()
            raise
        return done

    def _try(self, held: list[bool]) -> None:
        """Take the lock if it is free; in one step, which no interrupt parts."""
        held.extend(map(self._lock.acquire, (False,)))

    # -- with the lock -------------------------------------------------------------------------

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do something on the wire; where it fails the connection is let go of.

        It may be in the midst of anything then. What was sent is looked for on another.
        """
        try:
            act()
        except BaseException as error:
            self._stuck = True
            self._writer.let_go()
            if not isinstance(error, Exception):
                raise

    def _send(self, connection: Connection[Any], prepared: Prepared) -> None:
        made = connection.pgconn
        if len(self._sent) == 1:
            made.enter_pipeline_mode()
        self._writer.appender.send(connection, prepared)
        made.pipeline_sync()
        if made.flush():
            self._stuck = True

    def _receive(self) -> None:
        made = self._sent[0].connection.pgconn
        made.consume_input()
        while self._sent and _is_answered(made, self._sent[0]):
            if not self._sent[0].is_written:
                self._stuck = True
                return
            self._written(self._sent[0])
        if not self._sent:
            made.exit_pipeline_mode()

    def _written(self, sent: _Sent) -> None:
        give(sent.jobs, sent.prepared.gathered.outcomes)
        self._untold.append(sent.told)
        self._sent.popleft()

    def _wait(self) -> None:
        """Wait for all answers; what was written is taken, up to the first that was not."""
        made = self._sent[0].connection.pgconn
        readiness = select.poll()
        readiness.register(made.socket, select.POLLIN)
        for sent in tuple(self._sent):
            while not _is_answered(made, sent):
                wanted = select.POLLIN | (select.POLLOUT if made.flush() else 0)
                readiness.modify(made.socket, wanted)
                readiness.poll(LOOK_MILLISECONDS)
                made.consume_input()
            if sent is self._sent[0] and sent.is_written:
                self._written(sent)
        made.exit_pipeline_mode()

    def _settle(self) -> None:
        """Find or write, one after the other, what was sent and is not known to be written."""
        if self._sent and self._sent[0].connection is self._writer.connection:
            self._guarded(self._wait)
        if self._sent:
            self._writer.appender.forget()
            lost = self._sent[0].connection is not self._writer.connection
            self._refrains = 0 if lost else REFRAINS
        while self._sent:
            sent = self._sent[0]
            try:
                self._writer.settle(sent.jobs, sent.prepared if lost else None)
            finally:
                self._untold.append(sent.told)
                self._sent.popleft()
        self._stuck = False

    def _tell(self) -> None:
        for told in tuple(self._untold):
            told()
            with suppress(ValueError):  # another thread has told it too
                self._untold.remove(told)


def _is_answered(made: PGconn, sent: _Sent) -> bool:
    """Whether the answer is whole, as far as it was received.

    Raises:
        psycopg.OperationalError: there will be none.
    """
    ended = False
    while not sent.is_whole and not made.is_busy():
        found = made.get_result()
        if found is None and ended:
            raise psycopg.OperationalError("the server gave no answer")
        ended = found is None
        if found is not None and found.status == ExecStatus.PIPELINE_SYNC:
            sent.is_whole = True
        elif found is not None:
            sent.answer = found
    return sent.is_whole
