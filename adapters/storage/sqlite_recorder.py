"""The library's SQLite recorder with a hash chain, counters and group commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, NamedTuple

from eventsourcing.persistence import PersistenceError
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteConnection

from ...domain.errors import StoreError
from .appending import Outcome
from .connection import StoreDatastore
from .faults import explain, is_ambiguous
from .group_commit import WriteJob
from .recording import ChainedRecorder
from .records import is_of
from .schema import CREATE_STATEMENTS, EVENTS_TABLE
from .sqlite_appending import Appender
from .wal_room import WalRoom


class _Own(NamedTuple):
    """What a file's recorder keeps for its commits."""

    connection: SQLiteConnection
    cursor: sqlite3.Cursor
    room: WalRoom


class LogRecorder(ChainedRecorder, SQLiteApplicationRecorder):
    """A :class:`ChainedRecorder` on a SQLite file, or in memory."""

    def __init__(self, datastore: StoreDatastore, store: str) -> None:
        super().__init__(datastore, events_table_name=EVENTS_TABLE)
        self._prepare_to_write(store)
        self._log_datastore = datastore
        self._appender = Appender(store)
        self._writer_lock = Lock()
        self._own: _Own | None = None
        self._broken: StoreError | None = None

    @property
    def in_memory(self) -> bool:
        """Whether the log ends with this process, and no other can open it."""
        return self._log_datastore.is_memory

    def construct_create_table_statements(self) -> list[str]:
        """The store's tables, as the library asks for them."""
        return list(CREATE_STATEMENTS)

    def check_owner(self) -> None:
        """The lock of a file lasts as long as its holder lives."""

    def commit_jobs(self, jobs: Sequence[WriteJob]) -> list[Outcome]:
        """Write jobs in one durable transaction; called by one thread at a time."""
        if self._broken is not None:
            raise self._broken
        with self._writing() as cursor:
            try:
                outcomes = self._appender.transact(cursor, jobs)
            except sqlite3.Error as error:
                raise self._failed(error) from error
        if self._own is not None:
            self._own.room.keep()
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
            if self._own is None:
                connection = self._log_datastore.pool.get_connection(is_writer=True)
                cursor = _plain(connection.cursor().sqlite_cursor)
                file = cursor.execute("PRAGMA database_list").fetchone()[2]
                self._own = _Own(connection, cursor, WalRoom(f"{file}-wal"))
            yield self._own.cursor

    def replace_counters(self, counters: Mapping[str, int], account: str | None) -> None:
        """Put counters in the place of all others, or of all others of one account."""
        with self._writing() as cursor:
            try:
                cursor.execute("BEGIN IMMEDIATE")
                keys = [key for (key,) in cursor.execute("SELECT key FROM counters").fetchall()]
                gone = [(key,) for key in keys if account is None or is_of(account, key)]
                cursor.executemany("DELETE FROM counters WHERE key = ?", gone)
                cursor.executemany("INSERT INTO counters VALUES (?, ?)", sorted(counters.items()))
                cursor.execute("COMMIT")
            except BaseException as error:
                if cursor.connection.in_transaction:
                    cursor.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._failed(error) from error
                raise

    def close(self) -> None:
        """Finish what was accepted, refuse the rest, and close the file."""
        super().close()
        if self._own is not None:
            self._own.room.close()
        self._log_datastore.close()

    @property
    def open_datastore(self) -> StoreDatastore:
        """The open database, for another stream in it."""
        return self._log_datastore

    # -- reading -------------------------------------------------------------------------------

    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Rows of a read of its own; raises StoreError when it cannot be read."""
        try:
            with self._log_datastore.transaction(commit=False) as cursor:
                # Plain tuples: the library's rows cost as much again as reading them.
                plain = _plain(cursor.sqlite_cursor)
                rows: list[Any] = plain.execute(statement, parameters).fetchall()
                return rows
        except (sqlite3.Error, PersistenceError) as error:
            raise explain(error, self.store) from error


def _plain(cursor: Any) -> sqlite3.Cursor:
    plain: sqlite3.Cursor = cursor
    plain.row_factory = None
    return plain
