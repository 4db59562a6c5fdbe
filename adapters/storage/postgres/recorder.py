"""The recorder on PostgreSQL: exact outcomes, whatever happens to the connection."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any, Final

import psycopg
from eventsourcing.persistence import ApplicationRecorder, Subscription
from psycopg import Connection

from ....domain.errors import StoreError
from ....domain.ids import account_stream_id
from ..appending import Outcome
from ..chain import GENESIS
from ..group_commit import WriteJob
from ..location import PostgresAddress
from ..recording import BATCH, COLUMNS, ChainedRecorder
from ..records import is_of
from ..schema import EVENTS_TABLE
from . import connections
from .appending import LOCK_HEAD, Fence, HeadMovedError, PostgresAppender, Prepared
from .connections import Readers, check_writer, connect
from .faults import explain, interrupt_in, is_connection_lost
from .leases import Lease

NEAR: Final = 5_000
"""Positions that are looked through at once for one account's, where many are."""
FAR: Final = 1_000_000
"""The same where few are: most streams are met in many places, and looking at each again for every
few thousand positions took three times as long."""
FEW: Final = 20_000
"""Own events of a wide range that are read by their positions; more are read as where many are."""
WIDER: Final = 8
SPARSE: Final = 50
"""One own event in so many positions is few, and the next range so many times wider."""
_OWN: Final = f"""
WITH touched AS MATERIALIZED (
  SELECT DISTINCT stream FROM {EVENTS_TABLE} WHERE position > ? AND position <= ?
), own AS MATERIALIZED (
  SELECT f.position FROM touched JOIN {EVENTS_TABLE} AS f ON f.position = touched.stream
  WHERE f.originator_id = ? OR f.topic >= 'DecisionReceived.' AND f.topic < 'DecisionReceived/'
    AND position(? IN f.state) > 0
)"""
"""The streams with events in a range that are an account's: its own, and its instructions'."""
_OF_OWN: Final = f"""
FROM {EVENTS_TABLE} AS e JOIN own ON own.position = e.stream
WHERE e.position > ? AND e.position <= ? ORDER BY e.position"""
SELECT_POSITIONS_OF: Final = f"{_OWN} SELECT e.position {_OF_OWN} LIMIT ?"
SELECT_NEAR_OF: Final = (
    f"{_OWN} SELECT {', '.join(f'e.{name}' for name in COLUMNS.split(', '))} {_OF_OWN}"
)
SELECT_AT: Final = f"SELECT {COLUMNS} FROM {EVENTS_TABLE} WHERE position = ANY(?) ORDER BY position"
HEAD_AND_LAST: Final = f"""
SELECT h.position, h.hash, coalesce(e.position, 0), coalesce(e.hash, ?)
FROM head AS h LEFT JOIN (
  SELECT position, hash FROM {EVENTS_TABLE} ORDER BY position DESC LIMIT 1
) AS e ON true"""
"""In one statement, which sees one moment: appends go on beside it."""


class PostgresRecorder(ChainedRecorder):
    """A :class:`ChainedRecorder` on a server.

    An append whose commit was cut off is looked for before anything is decided: it is reported as
    written when it is, and written again when it is not. The server may still carry it out after
    that look; then what is written again meets it, and it is looked for once more.
    """

    def __init__(self, address: PostgresAddress, lease: Lease | None, *, writer: bool) -> None:
        self._prepare_to_write(address.shown)
        self._address = address
        self._is_writer = writer
        self._lease = lease
        fence = None if lease is None else Fence(lease.account, lease.epoch)
        self._appender = PostgresAppender(address.shown, fence)
        self._readers = Readers(address)
        self._writer: Connection[Any] | None = None
        self._writer_lock = Lock()
        self._broken: StoreError | None = None

    @property
    def in_memory(self) -> bool:
        """Whether the log ends with this process, and no other can open it."""
        return False

    def check_owner(self) -> None:
        """Check that nobody else can own the account within one request; raises StoreBusy."""
        if self._lease is not None:
            self._lease.check_owner()

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Not offered: readers follow the log by position."""
        raise NotImplementedError("follow the log by position: Log.events(after=…)")

    # -- writing, by one thread at a time ------------------------------------------------------

    def commit_jobs(self, jobs: Sequence[WriteJob]) -> list[Outcome]:
        """Write jobs in one durable transaction; called by one thread at a time."""
        check_writer(self._address, writer=self._is_writer)
        with self._writer_lock:
            if self._broken is not None:
                raise self._broken
            return self._commit(jobs)

    def _commit(self, jobs: Sequence[WriteJob]) -> list[Outcome]:
        try:
            return self._attempt(jobs)
        except psycopg.IntegrityError:
            pass  # A stream that was begun before this process: now everything is looked up.
        except (psycopg.DataError, UnicodeError) as error:
            return self._by_halves(jobs, error)
        try:
            return self._attempt(jobs)
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
                outcomes += self._commit(part)
            except StoreError as failure:
                # What was written before it stays written, and is told so.
                outcomes += [failure] * len(part)
        return outcomes

    def _attempt(self, jobs: Sequence[WriteJob]) -> list[Outcome]:
        until, before = time.monotonic() + connections.RECONNECT_SECONDS, sys.exception()
        lost: Prepared | None = None
        wait = connections.Wait(self.store, connections.RECONNECT_SECONDS)
        while True:
            prepared: Prepared | None = None
            try:
                connection = self._connected()
                prepared = self._appender.begin(connection, jobs)
                if lost is not None and prepared.conflicts:
                    connection.rollback()
                    raise HeadMovedError
                self._appender.finish(connection, prepared)
            except HeadMovedError:
                self._appender.forget()
                if lost is not None and self._is_written(lost, until):
                    return lost.gathered.outcomes
                lost = None
            except BaseException as error:
                self._appender.forget()
                interrupt = interrupt_in(error, before)
                if interrupt is not None:
                    self._let_go()  # it may be in the midst of anything; the server ends it
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
        connection = self._writer
        if connection is not None and not lost:
            try:
                connection.rollback()
                return False
            except psycopg.Error:
                pass
        self._let_go()
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
                    row = connection.execute(
                        "SELECT hash FROM stored_events WHERE position = %s",
                        (gathered.head.position,),
                    ).fetchone()
                return row is not None and row[0] == gathered.head.hash
            except psycopg.Error as error:
                self._let_go()
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
        if self._writer is None or self._writer.closed:
            self._let_go()
            self._writer = connect(self._address, frozen_seconds=connections.FROZEN_SECONDS)
        return self._writer

    def _let_go(self) -> None:
        connection, self._writer = self._writer, None
        if connection is not None:
            connection.close()

    def replace_counters(self, counters: Mapping[str, int], account: str | None) -> None:
        """Put counters in the place of all others, or of all others of one account."""
        check_writer(self._address, writer=self._is_writer)
        with self._writer_lock:
            connections.patiently(
                lambda: self._replace(counters, account),
                self.store,
                connections.RECONNECT_SECONDS,
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
                self._let_go()
            raise

    # -- reading -------------------------------------------------------------------------------

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Rows of a read of its own; raises StoreError when it cannot be read."""
        return self._readers.fetch(translated(statement), parameters)

    def rows_of(self, account: str, after: int, upto: int) -> Iterator[Any]:
        """Rows of an account's events; few of others', whose accounts' names are in theirs."""
        named = f'"account":{json.dumps(account, ensure_ascii=False)}'.encode()
        stream = account_stream_id(account).hex
        width = NEAR
        while after < upto:
            last = min(after + width, upto)
            own = (after, last, stream, named, after, last)
            if width == NEAR:
                found = self.fetch(SELECT_NEAR_OF, own)
                yield from found
            else:
                found = self.fetch(SELECT_POSITIONS_OF, (*own, FEW + 1))
                if len(found) > FEW:
                    width = NEAR
                    continue
                for start in range(0, len(found), BATCH):
                    page = [position for (position,) in found[start : start + BATCH]]
                    yield from self.fetch(SELECT_AT, (page,))
            width = min(width * WIDER, FAR) if len(found) * SPARSE <= last - after else NEAR
            after = last

    def head_fault(self) -> tuple[int, str] | None:
        """Where the row that appends go on from differs from the last event, and how."""
        rows = self.fetch(HEAD_AND_LAST, (GENESIS,))
        if not rows:
            return 1, "the row that says where the log ends is missing"
        position, hash, last, last_hash = rows[0]
        if (position, hash) == (last, last_hash):
            return None
        at = f"the log ends at {last}, and the row that says where it ends names "
        if position == last:
            return last, f"altered: {at}another hash there"
        fault = "missing: its end was cut off" if position > last else "added by somebody else"
        return min(position, last) + 1, f"{fault}; {at}{position}"

    def close(self) -> None:
        """Finish what was accepted and refuse the rest; give the account back."""
        super().close()
        with self._writer_lock:
            self._let_go()
        self._readers.close()
        if self._lease is not None:
            self._lease.release()


@cache
def translated(statement: str) -> str:
    """A statement with ``?`` for parameters as the client library wants it."""
    return statement.replace("%", "%%").replace("?", "%s")
