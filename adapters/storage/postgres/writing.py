"""The one connection that writes, and exact outcomes whatever happens to it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg import Connection

from ....domain.errors import StoreError
from ..appending import Outcome, give
from ..group_commit import WriteJob
from ..location import PostgresAddress
from ..records import is_of
from ..watch import HasSocket
from . import connections
from .appending import LOCK_HEAD, Fence, HeadMovedError, PostgresAppender, Prepared
from .connections import connect
from .faults import explain, interrupt_in, is_connection_lost

SELECT_HASH: Final = "SELECT hash FROM stored_events WHERE position = %s"


class PostgresWriter:
    """Commits jobs; used by one thread at a time.

    An append whose commit was cut off is looked for before anything is decided: it is reported as
    written when it is, and written again when it is not. The server may still carry it out after
    that look; then what is written again meets it, and it is looked for once more.
    """

    def __init__(self, address: PostgresAddress, fence: Fence | None) -> None:
        self.store = address.shown
        self.appender = PostgresAppender(address.shown, fence)
        self.closed: Callable[[HasSocket], None] = lambda _: None
        self._address = address
        self._connection: Connection[Any] | None = None
        self._broken: StoreError | None = None

    @property
    def connection(self) -> Connection[Any] | None:
        """The connection as far as there is one."""
        made = self._connection
        return None if made is None or made.closed else made

    def commit(self, jobs: Sequence[WriteJob]) -> list[Outcome]:
        """Write jobs in one durable transaction."""
        if self._broken is not None:
            raise self._broken
        return self._commit(jobs, None)

    def settle(self, jobs: Sequence[WriteJob], lost: Prepared | None) -> None:
        """Give each job a result or an error: of ``lost`` if it was carried out, else write it.

        ``lost`` is what was sent of them on a connection that was lost before it answered.
        """
        try:
            if self._broken is not None:
                raise self._broken
            outcomes = self._commit(jobs, lost)
        except BaseException as error:
            for job in jobs:
                job.error = error
            if not isinstance(error, Exception):
                raise
        else:
            give(jobs, outcomes)

    def _commit(self, jobs: Sequence[WriteJob], lost: Prepared | None) -> list[Outcome]:
        try:
            return self._attempt(jobs, lost)
        except psycopg.IntegrityError:
            pass  # A stream that was begun before this process: now everything is looked up.
        except (psycopg.DataError, UnicodeError) as error:
            return self._by_halves(jobs, error)
        try:
            return self._attempt(jobs, lost)
        except (psycopg.DataError, psycopg.IntegrityError, UnicodeError) as error:
            return self._by_halves(jobs, error)

    def _by_halves(self, jobs: Sequence[WriteJob], error: Exception) -> list[Outcome]:
        """One of them cannot be stored: find it, in order, and write the others."""
        if len(jobs) == 1:
            return [StoreError(f"{self.store}: an event or counter was refused ({error})")]
        half = len(jobs) // 2
        outcomes: list[Outcome] = []
        for part in (jobs[:half], jobs[half:]):
            try:
                outcomes += self._commit(part, None)
            except StoreError as failure:
                # What was written before it stays written, and is told so.
                outcomes += [failure] * len(part)
        return outcomes

    def _attempt(self, jobs: Sequence[WriteJob], lost: Prepared | None) -> list[Outcome]:
        until, before = time.monotonic() + connections.RECONNECT_SECONDS, sys.exception()
        wait = connections.Wait(self.store, connections.RECONNECT_SECONDS)
        if lost is not None and self._is_written(lost, until):
            return lost.gathered.outcomes
        while True:
            prepared: Prepared | None = None
            try:
                connection = self._connected()
                prepared = self.appender.begin(connection, jobs)
                if lost is not None and prepared.conflicts:
                    connection.rollback()
                    raise HeadMovedError
                self.appender.finish(connection, prepared)
            except HeadMovedError:
                self.appender.forget()
                if lost is not None and self._is_written(lost, until):
                    return lost.gathered.outcomes
                lost = None
            except BaseException as error:
                self.appender.forget()
                interrupt = interrupt_in(error, before)
                if interrupt is not None:
                    self.let_go()  # it may be in the midst of anything; the server ends it
                    raise interrupt from None
                if not self._recover(error):
                    if lost is not None and self._is_written(lost, until):
                        return lost.gathered.outcomes
                    raise self._told(error) from error
                if prepared is not None and self._is_written(prepared, until):
                    return prepared.gathered.outcomes
                lost = prepared or lost
                if time.monotonic() >= until:
                    raise self._away(error, lost) from error
                wait.tell(error)
                time.sleep(connections.RETRY_SECONDS)
            else:
                return prepared.gathered.outcomes

    def _recover(self, error: BaseException) -> bool:
        """Bring the connection back to rest; whether trying again on another may help."""
        lost = is_connection_lost(error)
        connection = self._connection
        if connection is not None and not lost:
            try:
                connection.rollback()
                return False
            except psycopg.Error:
                pass
        self.let_go()
        return lost

    def _away(self, error: BaseException, lost: Prepared | None) -> StoreError:
        written = "Nothing of this append was written: run again when it is back"
        if lost is not None:  # the server may have carried it out after it was looked for
            written = "Whether this append was written is unknown: when it is back, look again"
        return StoreError(f"{explain(error, self.store)}. {written}")

    def _told(self, error: BaseException) -> BaseException:
        refused = isinstance(error, psycopg.DataError | psycopg.IntegrityError)
        if refused or not isinstance(error, psycopg.Error):
            return error
        return explain(error, self.store)

    def _is_written(self, prepared: Prepared, until: float) -> bool:
        """Look for an append whose commit got no answer, once the lost connection is over.

        The head is locked while looking, so a commit that is still under way is waited for.
        """
        gathered = prepared.gathered
        if not gathered.values:
            self._nothing_to_find(prepared)
            return False
        while True:
            try:
                connection = self._connected()
                with connection.transaction():
                    connection.execute(LOCK_HEAD)
                    row = connection.execute(SELECT_HASH, (gathered.head.position,)).fetchone()
                return row is not None and row[0] == gathered.head.hash
            except psycopg.Error as error:
                self.let_go()
                if not is_connection_lost(error) or time.monotonic() >= until:
                    self._broken = StoreError(
                        f"{self.store}: the server went away during a commit and whether it was "
                        "written is unknown. When it is back, open the store again: what it then "
                        f"holds is what was written ({error})"
                    )
                    raise self._broken from error
                time.sleep(connections.RETRY_SECONDS)

    def _nothing_to_find(self, prepared: Prepared) -> None:
        """Counters alone leave no trace by which their commit could be found."""
        if prepared.counters:
            self._broken = StoreError(
                f"{self.store}: the server went away while counters were changed without an "
                "event. Open the store again: they are compared with the log and rebuilt"
            )
            raise self._broken

    def _connected(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self.let_go()
            self._connection = connect(self._address, frozen_seconds=connections.FROZEN_SECONDS)
        return self._connection

    def let_go(self) -> None:
        """Close the connection, and have whoever watches its socket see it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            self.closed(connection)

    def replace_counters(self, counters: Mapping[str, int], account: str | None) -> None:
        """Put counters in the place of all others, or of all others of one account."""
        connections.patiently(
            lambda: self._replace(counters, account), self.store, connections.RECONNECT_SECONDS
        )

    def _replace(self, counters: Mapping[str, int], account: str | None) -> None:
        connection = self._connected()
        try:
            with connection.transaction():
                connection.execute(LOCK_HEAD)
                keys = [key for (key,) in connection.execute("SELECT key FROM counters")]
                gone = [key for key in keys if account is None or is_of(account, key)]
                connection.execute("DELETE FROM counters WHERE key = ANY(%s)", (gone,))
                with connection.cursor() as cursor:
                    cursor.executemany(
                        "INSERT INTO counters VALUES (%s, %s)", sorted(counters.items())
                    )
        except psycopg.Error as error:
            if is_connection_lost(error):
                self.let_go()
            raise
