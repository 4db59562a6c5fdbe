"""One transaction on SQLite: what is gathered, read and written through its own statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from ...domain.errors import StoreDamaged, StoreError
from ...domain.reservations import CounterUpdate
from .appending import NO_STREAM, Outcome, RememberedStreams, Stream, gather, past_64_bits
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

INSERTS: Final = tuple(
    f"INSERT INTO {EVENTS_TABLE} VALUES {','.join(['(?,?,?,?,?,?,?)'] * rows)}"
    for rows in range(ROWS_PER_INSERT + 1)
)


class Appender:
    """Appends jobs inside transactions of its own; used by one thread at a time."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._remembered = RememberedStreams()

    def transact(self, cursor: sqlite3.Cursor, jobs: Sequence[WriteJob]) -> list[Outcome]:
        """Write all jobs in one transaction and commit it.

        The last version of each stream is remembered. Another process may have added to one since,
        which the table's keys find; then everything is looked up and done again.

        Raises:
            sqlite3.Error: nothing was written, unless the commit itself met a disk error.
        """
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

    def _attempt(
        self, cursor: sqlite3.Cursor, jobs: Sequence[WriteJob], *, look_up: bool = False
    ) -> list[Outcome]:
        cursor.execute("BEGIN IMMEDIATE")
        try:
            row = cursor.execute(SELECT_HEAD).fetchone()
            head = Head(*row) if row else Head(0, GENESIS)
            opened = _Opened(cursor)
            gathered = gather(opened, head, jobs, self._remembered, look_up=look_up)
            _insert(cursor, gathered.values)
            cursor.execute("COMMIT")
        except BaseException:
            if cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        self._remembered.update(gathered.streams)
        return gathered.outcomes


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


def _insert(cursor: sqlite3.Cursor, values: Sequence[object]) -> None:
    step = ROWS_PER_INSERT * _COLUMNS
    for start in range(0, len(values), step):
        chunk = values[start : start + step]
        cursor.execute(INSERTS[len(chunk) // _COLUMNS], chunk)
