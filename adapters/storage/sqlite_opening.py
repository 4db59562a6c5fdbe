"""Opening a SQLite file, or a database in memory, as a store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ...domain.errors import StoreError
from .connection import StoreDatastore, file_name, frozen_name, memory_name
from .faults import explain, underlying
from .filelock import FileLock
from .location import check_place, parse_location
from .schema import prepare
from .sqlite_recorder import LogRecorder


def open_sqlite(
    url: str | Path, *, writer: bool, exclusive: bool
) -> tuple[LogRecorder, str, FileLock | None]:
    """The recorder of a store, its name, and the lock that an exclusive writer holds.

    Raises:
        StoreError: it cannot be opened; see ``Log.open``.
    """
    path = parse_location(url)
    if path is None:
        return _over(StoreDatastore(memory_name()), "memory:", writer=True), "memory:", None
    check_place(path, writer=writer)
    lock = None
    if writer and exclusive:
        lock = FileLock.acquire(path.with_name(path.name + ".lock"), store=path)
    try:
        return _open_file(path, writer=writer), str(path), lock
    except BaseException:
        if lock is not None:
            lock.release()
        raise


def _open_file(path: Path, *, writer: bool) -> LogRecorder:
    datastore = StoreDatastore(file_name(path, read_only=not writer), read_only=not writer)
    try:
        return _over(datastore, str(path), writer=writer)
    except StoreError:
        # A log beside a read-only disk cannot keep its index file; without one, and without
        # a write-ahead file, nobody is writing and the file can be read as it lies.
        if writer or path.with_name(path.name + "-wal").exists():
            raise
    return _over(StoreDatastore(frozen_name(path), read_only=True), str(path), writer=False)


def _over(datastore: StoreDatastore, name: str, *, writer: bool) -> LogRecorder:
    try:
        shared = datastore.get_connection(commit=writer)
        with shared as connection, connection.cursor() as cursor:
            prepare(cursor.connection, name, writer=writer)
        return LogRecorder(datastore, name)
    except BaseException as error:
        datastore.close()
        if isinstance(underlying(error), sqlite3.Error):
            raise explain(error, name) from error
        raise
