"""Where the second stream lies: a table of its own in the store, on either database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from eventsourcing.persistence import PersistenceError

from ...domain.errors import StoreError
from .connection import StoreDatastore, file_name, frozen_name
from .faults import explain, underlying
from .location import check_place, is_postgres, parse_location
from .recording import ChainedRecorder
from .records import Appended
from .schema import check_format, prepare
from .sqlite_recorder import LogRecorder

OPS_TABLE: Final = "ops_records"

# Made when the first record is written, so that stores from before it need no migration.
CREATE_OPS: Final = f"""
CREATE TABLE IF NOT EXISTS {OPS_TABLE} (
  position INTEGER PRIMARY KEY,
  topic TEXT NOT NULL,
  hash BLOB NOT NULL,
  state BLOB NOT NULL
)"""
_EXISTS: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"

Execute = Callable[[str, Sequence[object]], list[Any]]
Write = Callable[[Execute], Appended | None]
"""Writes records and says where they lie, or writes nothing; may be called again for one append."""


class StreamPlace(Protocol):
    """What the second stream asks of its database; statements have ``?`` for parameters."""

    name: str

    def append(self, write: Write) -> Appended | None:
        """Write in a short durable transaction in which nobody else appends to the stream.

        Raises:
            StoreError: the store cannot be written.
        """
        ...

    def fetch(self, statement: str, parameters: Sequence[object]) -> list[Any]:
        """Rows of a read of its own; none while the table was never made."""
        ...

    def close(self) -> None:
        """Let go of the store; a second call does nothing."""
        ...


def open_place(url: str | Path, *, writer: bool) -> StreamPlace:
    """The second stream's place in a store that exists; takes no lock.

    Raises:
        StoreError: there is no store, it is not one, or it cannot be opened.
    """
    if is_postgres(url):
        from .postgres.ops import PostgresPlace

        return PostgresPlace(url, writer=writer)
    path = parse_location(url)
    if path is None:
        raise StoreError("a log in memory has its second stream in the log: use OpsLog.of(log)")
    check_place(path, writer=False)
    name = file_name(path, read_only=not writer)
    if not writer and not path.with_name(path.name + "-wal").exists():
        # Nobody writes it, or it lies on a read-only disk, where no index file can be made.
        try:
            return _checked(StoreDatastore(name, read_only=True), str(path), writer=False)
        except StoreError:
            name = frozen_name(path)
    return _checked(StoreDatastore(name, read_only=not writer), str(path), writer=writer)


def memory_place(recorder: ChainedRecorder) -> StreamPlace:
    """The place in a log in memory, which closes with the log."""
    if not isinstance(recorder, LogRecorder):
        raise StoreError("only a log in memory shares its connection")
    return SqlitePlace(recorder.open_datastore, recorder.store, owned=False)


def _checked(datastore: StoreDatastore, name: str, *, writer: bool) -> StreamPlace:
    try:
        shared = datastore.get_connection(commit=writer)
        with shared as connection, connection.cursor() as cursor:
            if writer:
                prepare(cursor.connection, name, writer=True)
            else:
                check_format(cursor.connection, name)
    except BaseException as error:
        datastore.close()
        if isinstance(underlying(error), sqlite3.Error):
            raise explain(error, name) from error
        raise
    return SqlitePlace(datastore, name, owned=True)


class SqlitePlace:
    """The second stream in a SQLite file, or in memory."""

    def __init__(self, datastore: StoreDatastore, name: str, *, owned: bool) -> None:
        self.name = name
        self._datastore = datastore
        self._owned = owned

    def append(self, write: Write) -> Appended | None:
        """Write in a transaction that holds the file's write lock."""
        try:
            with self._transaction() as cursor:
                cursor.execute(CREATE_OPS)

                def execute(statement: str, parameters: Sequence[object]) -> list[Any]:
                    rows: list[Any] = cursor.execute(statement, parameters).fetchall()
                    return rows

                return write(execute)
        except (sqlite3.Error, PersistenceError) as error:
            raise explain(error, self.name) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        shared = self._datastore.get_connection(commit=True)
        with shared as connection, connection.cursor() as pooled:
            cursor: Any = pooled
            cursor.row_factory = None
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if cursor.connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise

    def fetch(self, statement: str, parameters: Sequence[object]) -> list[Any]:
        """Rows of a read of its own; none while the table was never made."""
        try:
            with self._datastore.transaction(commit=False) as cursor:
                cursor.execute(_EXISTS, (OPS_TABLE,))
                if not cursor.fetchall():
                    return []
                cursor.execute(statement, parameters)
                return [tuple(row) for row in cursor.fetchall()]
        except (sqlite3.Error, PersistenceError) as error:
            raise explain(error, self.name) from error

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        if self._owned:
            self._owned = False
            self._datastore.close()
