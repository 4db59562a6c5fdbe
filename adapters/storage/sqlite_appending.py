"""One transaction on SQLite: what is gathered, read and written through its own statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from ...domain.errors import StoreDamaged, StoreError
from ...domain.reservations import CounterUpdate
from .appending import (
    NO_STREAM,
    Gathered,
    Outcome,
    RememberedStreams,
    Stream,
    gather,
    past_64_bits,
)
from .chain import GENESIS
from .group_commit import WriteJob
from .recording import SELECT_HEAD
from .records import CounterExceeded, Head
from .schema import EVENTS_TABLE

ROWS_PER_INSERT: Final = 64
"""Rows of one INSERT: each statement gives up the interpreter lock once, whatever its rows."""

SELECT_USED: Final = "SELECT used FROM counters WHERE key = ?"
SELECT_STREAM: Final = f"""
SELECT e.stream, max(e.originator_version) FROM {EVENTS_TABLE} AS e
WHERE e.stream = (
  SELECT position FROM {EVENTS_TABLE} WHERE originator_id = ? AND originator_version = 1
)"""

COUNT: Final = """
INSERT INTO counters (key, used) VALUES (?1, ?2)
ON CONFLICT (key) DO UPDATE SET used = used + excluded.used"""

# Takes nothing (rowcount 0) when the sum would be over the cap.
COUNT_CAPPED: Final = """
INSERT INTO counters (key, used)
SELECT ?1, ?2 WHERE coalesce((SELECT used FROM counters WHERE key = ?1), 0) + ?2 <= ?3
ON CONFLICT (key) DO UPDATE SET used = used + excluded.used"""

_COLUMNS: Final = 7
_VALUES_PER_INSERT: Final = ROWS_PER_INSERT * _COLUMNS

INSERTS: Final = tuple(
    f"INSERT INTO {EVENTS_TABLE} VALUES {','.join(['(?,?,?,?,?,?,?)'] * rows)}"
    for rows in range(ROWS_PER_INSERT + 1)
)


def _insert_after_head(rows: int) -> str:
    """Insert rows whose first follows the head that the last two parameters are.

    After another head the first row's hash is null, which its column refuses.
    """
    position = rows * _COLUMNS + 1
    first = (
        f"(?1,?2,?3,?4,?5,(SELECT ?6 FROM ({SELECT_HEAD}) "
        f"WHERE position = ?{position} AND hash = ?{position + 1}),?7)"
    )
    later = (
        f"({','.join(f'?{row * _COLUMNS + column}' for column in range(1, _COLUMNS + 1))})"
        for row in range(1, rows)
    )
    return f"INSERT INTO {EVENTS_TABLE} VALUES {','.join((first, *later))}"


INSERTS_AFTER_HEAD: Final = ("", *map(_insert_after_head, range(1, ROWS_PER_INSERT + 1)))


class Appender:
    """Appends jobs inside transactions of its own; used by one thread at a time.

    The head and the last version of each stream are remembered, and where they say all that is to
    be known, what is gathered goes in without a look at the store. Another process may have added
    to it since, which the statement and the table's keys find.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._head: Head | None = None
        self._remembered = RememberedStreams()

    def transact(self, cursor: sqlite3.Cursor, jobs: Sequence[WriteJob]) -> list[Outcome]:
        """Write all jobs in one transaction and commit it.

        Raises:
            sqlite3.Error: nothing was written, unless the commit itself met a disk error.
        """
        try:
            outcomes = self._without_looking(cursor, jobs)
            if outcomes is not None:
                return outcomes
        except sqlite3.IntegrityError:
            pass
        try:
            return self._attempt(cursor, jobs)
        except sqlite3.IntegrityError:
            self._remembered.clear()
        try:
            return self._attempt(cursor, jobs, look_up=True)
        except sqlite3.IntegrityError as error:
            raise StoreDamaged(
                f"{self._store}: its events and their index disagree ({error}). "
                "Run `fillwright verify` on it"
            ) from error

    def _without_looking(
        self, cursor: sqlite3.Cursor, jobs: Sequence[WriteJob]
    ) -> list[Outcome] | None:
        """Write by what is remembered, None when that says too little."""
        head, self._head = self._head, None
        if head is None or any(job.counters for job in jobs):
            return None
        try:
            gathered = gather(_NotBegun(), head, jobs, self._remembered, look_up=False)
        except _UnknownError:
            return None
        first, later = gathered.values[:_VALUES_PER_INSERT], gathered.values[_VALUES_PER_INSERT:]
        if later:
            with _transaction(cursor):
                _insert_after(cursor, head, first)
                _insert(cursor, later)
        elif first:
            # A statement on its own is a transaction.
            _insert_after(cursor, head, first)
        else:
            return None
        return self._committed(gathered)

    def _committed(self, gathered: Gathered) -> list[Outcome]:
        self._remembered.update(gathered.streams)
        self._head = gathered.head if gathered.head.position else None
        return gathered.outcomes

    def _attempt(
        self, cursor: sqlite3.Cursor, jobs: Sequence[WriteJob], *, look_up: bool = False
    ) -> list[Outcome]:
        with _transaction(cursor):
            row = cursor.execute(SELECT_HEAD).fetchone()
            head = Head(*row) if row else Head(0, GENESIS)
            opened = _Opened(cursor)
            gathered = gather(opened, head, jobs, self._remembered, look_up=look_up)
            _insert(cursor, gathered.values)
        return self._committed(gathered)


@contextmanager
def _transaction(cursor: sqlite3.Cursor) -> Iterator[None]:
    cursor.execute("BEGIN IMMEDIATE")
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException:
        if cursor.connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise


class _UnknownError(Exception):
    """What is remembered does not say it."""


class _NotBegun:
    """In the place of a transaction while none has begun."""

    def stream(self, originator_id: UUID) -> Stream:
        raise _UnknownError

    def count(self, counters: Sequence[CounterUpdate]) -> CounterExceeded | StoreError | None:
        raise _UnknownError


class _Opened:
    """A transaction that has begun."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def stream(self, originator_id: UUID) -> Stream:
        row = self._cursor.execute(SELECT_STREAM, (originator_id.hex,)).fetchone()
        return NO_STREAM if row[0] is None else Stream(*row)

    def count(self, counters: Sequence[CounterUpdate]) -> CounterExceeded | StoreError | None:
        """Take all counters or none; gives what refused."""
        cursor = self._cursor
        refused: StoreError | None = None
        cursor.execute("SAVEPOINT counters")
        for update in counters:
            key, amount, cap = update.key, update.amount_micro, update.cap_micro
            try:
                if cap is None:
                    cursor.execute(COUNT, (key, amount))
                elif amount == 0:
                    # A condition only: it looks, and leaves no row behind.
                    row = cursor.execute(SELECT_USED, (key,)).fetchone()
                    used = row[0] if row else 0
                    refused = CounterExceeded(key, used, 0, cap) if used > cap else None
                elif cursor.execute(COUNT_CAPPED, (key, amount, cap)).rowcount != 1:
                    # Read before what this job took is given back: it counts against the same key.
                    row = cursor.execute(SELECT_USED, (key,)).fetchone()
                    refused = CounterExceeded(key, row[0] if row else 0, amount, cap)
            except (sqlite3.IntegrityError, OverflowError) as error:
                refused = past_64_bits(key, amount, str(error))
            if refused is not None:
                cursor.execute("ROLLBACK TO counters")
                break
        cursor.execute("RELEASE counters")
        return refused


def _insert_after(cursor: sqlite3.Cursor, head: Head, values: Sequence[object]) -> None:
    """Insert rows; raises sqlite3.IntegrityError when ``head`` is not that of the store."""
    cursor.execute(INSERTS_AFTER_HEAD[len(values) // _COLUMNS], (*values, *head))


def _insert(cursor: sqlite3.Cursor, values: Sequence[object]) -> None:
    for start in range(0, len(values), _VALUES_PER_INSERT):
        chunk = values[start : start + _VALUES_PER_INSERT]
        cursor.execute(INSERTS[len(chunk) // _COLUMNS], chunk)
