"""Backup and restore: a store copied, event by event, while it is being written.

A copy is read inside one snapshot of the source, so it is the store at one position, with the
counters and the second stream as they were then. Each event is checked against the chain as it is
copied: a copy that ends without an error is verified. A backup is a SQLite store, whatever it was
made of, and every command reads it; restoring it is the same copy the other way.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from ...domain.errors import StoreDamaged, StoreError
from .chain import GENESIS
from .connection import file_name, frozen_name
from .faults import explain
from .location import check_place, is_postgres, parse_location, without_password
from .ops_place import CREATE_OPS, OPS_TABLE
from .records import Head, RawRecorded
from .schema import EVENTS_TABLE, check_format, create
from .verification import fault_at, fault_of

ROWS_AT_ONCE: Final = 2_000
COLUMNS: Final = "position, stream, originator_id, originator_version, topic, hash, state"
OPS_COLUMNS: Final = "position, topic, hash, state"

Row = Sequence[Any]
OnProgress = Callable[[int, int], None]


class Content(NamedTuple):
    """What one snapshot of a store holds; the rows are read as they are asked for."""

    head: Head
    events: Iterable[Row]
    counters: Sequence[Row]
    records: Iterable[Row]


class Target(Protocol):
    """A store that is being filled; nothing of it is there until it was closed without error."""

    def add_events(self, rows: Sequence[Row]) -> None:
        """Take events, in order."""
        ...

    def add_rest(self, head: Head, counters: Sequence[Row], records: Iterable[Row]) -> None:
        """Take the rest, after the last event."""
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: the log up to ``position``, where the chain's hash is ``head_hash``."""

    source: str
    target: str
    position: int
    head_hash: str
    records: int


def copy_store(source: str, target: str, on_progress: OnProgress | None = None) -> Copied:
    """Copy a store into a new one, on either database, checking the chain on the way.

    The source may be written meanwhile; what is appended after the beginning is not in the copy.

    Raises:
        StoreDamaged: an event of the source is not what was written; nothing is left behind.
        StoreError: the target is not empty, or one of them cannot be used.
    """
    with _reading(source) as content, _filling(target) as into:
        previous, position = GENESIS, 0
        pending: list[Row] = []
        for row in content.events:
            position += 1
            what = fault_of(_raw(row), position, previous)
            if what:
                raise StoreDamaged(f"{without_password(source)}: {fault_at(what, position)}")
            previous = row[5]
            pending.append(row)
            if len(pending) == ROWS_AT_ONCE:
                into.add_events(pending)
                pending.clear()
                if on_progress is not None:
                    on_progress(position, content.head.position)
        into.add_events(pending)
        if (position, previous) != content.head:
            raise StoreDamaged(
                f"{without_password(source)}: it ends at position {position} and its head says "
                f"{content.head.position}"
            )
        counted = _Counted(content.records)
        into.add_rest(content.head, content.counters, counted)
    return Copied(
        without_password(source), without_password(target), position, previous.hex(), counted.count
    )


class _Counted:
    """Rows that are counted as they go by."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


def _raw(row: Row) -> RawRecorded:
    position, _, originator, version, topic, hash, state = row
    return RawRecorded(position, originator, version, topic, state, hash)


def _reading(url: str) -> AbstractContextManager[Content]:
    if is_postgres(url):
        from .postgres.copying import reading

        return reading(url)
    return _reading_file(_file_of(url, reading=True))


def _filling(url: str) -> AbstractContextManager[Target]:
    if is_postgres(url):
        from .postgres.copying import filling

        return filling(url)
    return _filling_file(_file_of(url, reading=False))


def _file_of(url: str, *, reading: bool) -> Path:
    path = parse_location(url)
    if path is None:
        raise StoreError("a log in memory cannot be copied: it ends with its process")
    check_place(path, writer=not reading)
    if not reading and path.exists():
        raise StoreError(f"{path} exists already; name a new file, nothing is overwritten")
    return path


# -- SQLite ----------------------------------------------------------------------------------------


@contextmanager
def _reading_file(path: Path) -> Iterator[Content]:
    try:
        with closing(_connected(path)) as connection:
            if not check_format(connection, str(path)):
                raise StoreError(f"{path} is empty: nothing has been recorded in it yet")
            connection.execute("BEGIN")
            yield _content(connection, str(path))
    except sqlite3.Error as error:
        raise explain(error, str(path)) from error


def _connected(path: Path) -> sqlite3.Connection:
    """A connection that reads, on a read-only disk too (as ``sqlite_opening`` has it)."""
    name = file_name(path, read_only=True)
    try:
        with closing(sqlite3.connect(name, uri=True)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.Error:
        if path.with_name(path.name + "-wal").exists():
            raise
        name = frozen_name(path)
    return sqlite3.connect(name, uri=True, isolation_level=None)


def _told(rows: Iterable[Row], store: str) -> Iterator[Row]:
    """Rows, and what goes wrong with them as the source's fault: the target reads them."""
    left = iter(rows)
    while True:
        try:
            row = next(left)
        except StopIteration:
            return
        except sqlite3.Error as error:
            raise explain(error, store) from error
        yield row


def _content(connection: sqlite3.Connection, store: str) -> Content:
    row = connection.execute(
        f"SELECT position, hash FROM {EVENTS_TABLE} ORDER BY position DESC LIMIT 1"
    ).fetchone()
    there = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (OPS_TABLE,)
    ).fetchone()
    events = connection.execute(f"SELECT {COLUMNS} FROM {EVENTS_TABLE} ORDER BY position")
    records = f"SELECT {OPS_COLUMNS} FROM {OPS_TABLE} ORDER BY position"
    return Content(
        Head(*row) if row else Head(0, GENESIS),
        _told(events, store),
        connection.execute("SELECT key, used FROM counters ORDER BY key").fetchall(),
        _told(connection.execute(records), store) if there else (),
    )


class _FileTarget:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add_events(self, rows: Sequence[Row]) -> None:
        self._connection.executemany(
            f"INSERT INTO {EVENTS_TABLE} ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
        )

    def add_rest(self, head: Head, counters: Sequence[Row], records: Iterable[Row]) -> None:
        self._connection.executemany("INSERT INTO counters VALUES (?, ?)", counters)
        self._connection.execute(CREATE_OPS)
        self._connection.executemany(
            f"INSERT INTO {OPS_TABLE} ({OPS_COLUMNS}) VALUES (?, ?, ?, ?)", records
        )


@contextmanager
def _filling_file(path: Path) -> Iterator[Target]:
    """Fill a file under another name, and give it its own when it is whole and on disk."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        database = file_name(part, read_only=False)
        with closing(sqlite3.connect(database, uri=True, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=MEMORY")
            connection.execute("PRAGMA synchronous=OFF")
            create(connection)
            connection.execute("BEGIN")
            yield _FileTarget(connection)
            connection.execute("COMMIT")
        _to_disk(part)
        os.link(part, path)  # fails if somebody else has made it meanwhile
        _to_disk(path.parent)
    except sqlite3.Error as error:
        raise explain(error, str(path)) from error
    except FileExistsError as error:
        raise StoreError(f"{path} exists already; nothing is overwritten") from error
    finally:
        part.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
