"""The library's SQLite recorder with a hash chain, counters and group commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import Notification, PersistenceError, StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteConnection

from ...domain.errors import StoreError
from .appending import SELECT_HEAD, Appender, Outcome
from .chain import GENESIS
from .connection import StoreDatastore
from .faults import explain, is_ambiguous
from .group_commit import GroupCommit, WriteJob
from .records import Appended, Encoded, Head
from .schema import CREATE_STATEMENTS, EVENTS_TABLE

VERSION_MAX: Final = 2**63 - 1

IN_STREAM: Final = f"""stream = (
  SELECT position FROM {EVENTS_TABLE} WHERE originator_id = ? AND originator_version = 1
)"""


class LogRecorder(SQLiteApplicationRecorder):
    """Appends to the chained log; durable when a call returns.

    ``on_boundary`` is called with ``store:before`` and ``store:after`` around each commit, in the
    thread that writes. What it raises reaches the callers whose jobs are in that commit.
    """

    def __init__(self, datastore: StoreDatastore, store: str) -> None:
        super().__init__(datastore, events_table_name=EVENTS_TABLE)
        self.store = store
        self.on_boundary: Callable[[str], None] | None = None
        self._log_datastore = datastore
        self._appender = Appender(store)
        self._group = GroupCommit(self._write)
        self._writer_lock = Lock()
        self._connection: SQLiteConnection | None = None
        self._broken: StoreError | None = None

    def construct_create_table_statements(self) -> list[str]:
        """The store's tables, as the library asks for them."""
        return list(CREATE_STATEMENTS)

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """The library's way in: one job; ``counters`` are taken in the same transaction."""
        if kwargs.get("tracking") is not None:
            raise StoreError("the log keeps no tracking records; projections keep their own")
        job = WriteJob(
            [Encoded(_uuid(e.originator_id), *_rest(e)) for e in stored_events],
            tuple(kwargs.get("counters", ())),
        )
        self.write_jobs([job])
        placed = job.outcome()
        return list(range(placed.first_position, placed.last_position + 1))

    def write_jobs(self, jobs: Sequence[WriteJob]) -> None:
        """Write jobs, together with those of other callers; each ends with a result or an error."""
        self._group.run(jobs)

    def close(self) -> None:
        """Finish what was accepted and refuse the rest."""
        self._group.close()

    # -- writing, by one thread at a time ------------------------------------------------------

    def _write(self, jobs: Sequence[WriteJob]) -> None:
        try:
            outcomes = self._commit(jobs)
        except BaseException as error:
            for job in jobs:
                job.error = error
            return
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Appended):
                job.result = outcome
            else:
                job.error = outcome

    def _commit(self, jobs: Sequence[WriteJob]) -> list[Outcome]:
        if self._broken is not None:
            raise self._broken
        if self.on_boundary is not None:
            self.on_boundary("store:before")
        with self._writing() as cursor:
            try:
                outcomes = self._appender.transact(cursor, jobs)
            except sqlite3.Error as error:
                raise self._failed(error) from error
        if self.on_boundary is not None:
            self.on_boundary("store:after")
        return outcomes

    def _failed(self, error: sqlite3.Error) -> StoreError:
        failure = explain(error, self.store)
        if is_ambiguous(error):
            # Whether the commit reached the disk is unknown: only reading it again can tell.
            self._broken = failure
        return failure

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        """A cursor of the writing connection, which a file keeps and memory shares in turns."""
        with self._writer_lock:
            if self._log_datastore.is_memory:
                shared = self._log_datastore.get_connection(commit=True)
                with shared as connection, connection.cursor() as cursor:
                    yield _plain(cursor)
                return
            if self._connection is None:
                self._connection = self._log_datastore.pool.get_connection(is_writer=True)
            with self._connection.cursor() as cursor:
                yield _plain(cursor)

    def replace_counters(self, counters: Mapping[str, int]) -> None:
        """Put these counters in the place of all others, in one transaction of its own."""
        with self._writing() as cursor:
            try:
                cursor.execute("BEGIN IMMEDIATE")
                cursor.execute("DELETE FROM counters")
                cursor.executemany("INSERT INTO counters VALUES (?, ?)", sorted(counters.items()))
                cursor.execute("COMMIT")
            except BaseException as error:
                if cursor.connection.in_transaction:
                    cursor.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._failed(error) from error
                raise

    # -- reading -------------------------------------------------------------------------------

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Rows of a read of its own; raises StoreError when it cannot be read."""
        try:
            with self._log_datastore.transaction(commit=False) as cursor:
                cursor.execute(statement, parameters)
                rows: list[Any] = cursor.fetchall()
                return rows
        except (sqlite3.Error, PersistenceError) as error:
            raise explain(error, self.store) from error

    def head(self) -> Head:
        """The last position and the hash there."""
        rows = self.fetch(SELECT_HEAD)
        return Head(*rows[0]) if rows else Head(0, GENESIS)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The library's way of reading one stream."""
        rows = self.fetch(
            "SELECT originator_id, originator_version, topic, state "
            f"FROM {EVENTS_TABLE} WHERE {IN_STREAM} AND originator_version > ? "
            "AND originator_version <= ? "
            f"ORDER BY originator_version {'DESC' if desc else 'ASC'} LIMIT ?",
            (
                _uuid(originator_id).hex,
                0 if gt is None else gt,
                VERSION_MAX if lte is None else lte,
                -1 if limit is None else limit,
            ),
        )
        return [StoredEvent(UUID(row[0]), *tuple(row)[1:]) for row in rows]

    def max_notification_id(self) -> int:
        """The last position, 0 when the log is empty."""
        return self.head().position

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The library's way of reading the log in order of position."""
        conditions: list[str] = []
        parameters: list[object] = []
        if start is not None:
            conditions.append("position >= ?" if inclusive_of_start else "position > ?")
            parameters.append(start)
        if stop is not None:
            conditions.append("position <= ?")
            parameters.append(stop)
        if topics:
            conditions.append(f"topic IN ({','.join('?' * len(topics))})")
            parameters.extend(topics)
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        rows = self.fetch(
            "SELECT originator_id, originator_version, topic, state, position "
            f"FROM {EVENTS_TABLE} {where}ORDER BY position LIMIT ?",
            (*parameters, limit),
        )
        return [Notification(UUID(row[0]), *tuple(row)[1:]) for row in rows]


def _plain(cursor: Any) -> sqlite3.Cursor:
    plain: sqlite3.Cursor = cursor
    plain.row_factory = None
    return plain


def _uuid(originator_id: UUID | str) -> UUID:
    return originator_id if isinstance(originator_id, UUID) else UUID(originator_id)


def _rest(event: StoredEvent) -> tuple[int, str, bytes]:
    return event.originator_version, event.topic, event.state
