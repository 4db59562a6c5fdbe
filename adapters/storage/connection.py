"""Connections to the SQLite file, as the library pools them, with our durability."""

from __future__ import annotations

import sqlite3
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import quote

from eventsourcing.persistence import InterfaceError
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool, SQLiteDatastore

BUSY_TIMEOUT_SECONDS: Final = 30
STATEMENTS_CACHED: Final = 256

_memory_numbers = count(1)


class StorePool(SQLiteConnectionPool):
    """The library's pool; each connection is durable (``synchronous=FULL``) or read-only."""

    def __init__(self, db_name: str, *, read_only: bool) -> None:
        self.read_only = read_only
        super().__init__(db_name=db_name, lock_timeout=BUSY_TIMEOUT_SECONDS)

    def _create_connection(self) -> SQLiteConnection:
        try:
            connection = sqlite3.connect(
                self.db_name,
                uri=True,
                check_same_thread=False,
                isolation_level=None,
                cached_statements=STATEMENTS_CACHED,
                timeout=BUSY_TIMEOUT_SECONDS,
            )
        except sqlite3.Error as error:
            raise InterfaceError(error) from error
        try:
            if not self.is_sqlite_memory_mode and not self.read_only:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error as error:
            connection.close()
            raise InterfaceError(error) from error
        connection.row_factory = sqlite3.Row
        return SQLiteConnection(sqlite_conn=connection, max_age=self.max_age)


class StoreDatastore(SQLiteDatastore):
    """The library's datastore over :class:`StorePool`."""

    def __init__(self, db_name: str, *, read_only: bool = False) -> None:
        super().__init__(db_name)
        self.pool.close()
        self.pool = StorePool(db_name, read_only=read_only)
        self.read_only = read_only

    @property
    def is_memory(self) -> bool:
        """Whether the database lives in memory only."""
        return self.pool.is_sqlite_memory_mode


def file_name(path: Path, *, read_only: bool) -> str:
    """The database name of a file; a read-only one is never made or changed."""
    return f"file:{quote(str(path))}?mode={'ro' if read_only else 'rwc'}"


def frozen_name(path: Path) -> str:
    """The database name of a file that nobody writes, such as one on a read-only disk."""
    return f"file:{quote(str(path))}?mode=ro&immutable=1"


def memory_name() -> str:
    """A new database in memory that all connections of this process can share."""
    return f"file:fillwright-{next(_memory_numbers)}?mode=memory&cache=shared"
