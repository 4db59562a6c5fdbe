"""What one transaction writes: counters, then events in the order of the chain.

Each job is taken whole or not at all. A job whose events do not follow what is stored is a
:class:`Conflict`, a job over a cap :class:`CounterExceeded`; neither disturbs the others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from ...domain.errors import StoreDamaged, StoreError
from ...domain.limits import CounterUpdate
from .chain import link
from .group_commit import WriteJob
from .records import Appended, Conflict, CounterExceeded, Encoded, Head
from .schema import EVENTS_TABLE

ROWS_PER_INSERT: Final = 64
"""Rows of one INSERT: each statement gives up the interpreter lock once, whatever its rows."""

STREAMS_REMEMBERED_MAX: Final = 100_000

SELECT_HEAD: Final = "SELECT position, hash FROM log_head"
UPDATE_HEAD: Final = "UPDATE log_head SET position = ?, hash = ?"
SELECT_USED: Final = "SELECT used FROM counters WHERE key = ?"
SELECT_VERSION: Final = (
    f"SELECT max(originator_version) FROM {EVENTS_TABLE} WHERE originator_id = ?"
)

COUNT: Final = """
INSERT INTO counters (key, used) VALUES (?1, ?2)
ON CONFLICT (key) DO UPDATE SET used = used + excluded.used"""

# Takes nothing (rowcount 0) when the sum would be over the cap.
COUNT_CAPPED: Final = """
INSERT INTO counters (key, used)
SELECT ?1, ?2 WHERE coalesce((SELECT used FROM counters WHERE key = ?1), 0) + ?2 <= ?3
ON CONFLICT (key) DO UPDATE SET used = used + excluded.used"""

_COLUMNS: Final = 6

INSERTS: Final = tuple(
    f"INSERT INTO {EVENTS_TABLE} VALUES {','.join(['(?,?,?,?,?,?)'] * rows)}"
    for rows in range(ROWS_PER_INSERT + 1)
)

Outcome = Appended | StoreError


class Appender:
    """Appends jobs inside a transaction that the caller has begun with the write lock."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._versions: dict[UUID, int] = {}

    def transact(self, cursor: sqlite3.Cursor, jobs: Sequence[WriteJob]) -> list[Outcome]:
        """Write all jobs in one transaction and commit it.

        The last version of each stream is remembered. Another process may have added to one since,
        which the table's key finds; then everything is looked up and done again.

        Raises:
            sqlite3.Error: nothing was written, unless the commit itself met a disk error.
        """
        try:
            return self._attempt(cursor, jobs)
        except sqlite3.IntegrityError:
            self._versions.clear()
        try:
            return self._attempt(cursor, jobs, look_up=True)
        except sqlite3.IntegrityError as error:
            raise StoreDamaged(
                f"{self._store}: its head and its events disagree ({error}). "
                "Run `fillwright verify` on it"
            ) from error

    def _attempt(
        self, cursor: sqlite3.Cursor, jobs: Sequence[WriteJob], *, look_up: bool = False
    ) -> list[Outcome]:
        cursor.execute("BEGIN IMMEDIATE")
        try:
            before = read_head(cursor, self._store)
            after, versions, outcomes = self._append(cursor, before, jobs, look_up=look_up)
            if after.position != before.position:
                cursor.execute(UPDATE_HEAD, after)
            cursor.execute("COMMIT")
        except BaseException:
            if cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        if len(self._versions) > STREAMS_REMEMBERED_MAX:
            self._versions.clear()
        self._versions.update(versions)
        return outcomes

    def _append(
        self, cursor: sqlite3.Cursor, head: Head, jobs: Sequence[WriteJob], *, look_up: bool
    ) -> tuple[Head, dict[UUID, int], list[Outcome]]:
        values: list[object] = []
        versions: dict[UUID, int] = {}
        outcomes: list[Outcome] = []
        for job in jobs:
            reached = self._follow(cursor, job.events, versions, look_up=look_up)
            if isinstance(reached, Conflict):
                outcomes.append(reached)
                continue
            refused = _count(cursor, job.counters) if job.counters else None
            if refused is not None:
                outcomes.append(refused)
                continue
            versions.update(reached)
            first = head.position + 1
            head = _extend(values, head, job.events)
            outcomes.append(Appended(first, head.position, head.hash))
        _insert(cursor, values)
        return head, versions, outcomes

    def _follow(
        self,
        cursor: sqlite3.Cursor,
        events: Sequence[Encoded],
        versions: dict[UUID, int],
        *,
        look_up: bool,
    ) -> dict[UUID, int] | Conflict:
        """The versions that a job brings its streams to, if it follows what is stored.

        A gap is a conflict as well: it is what an aggregate leaves that goes on after an append of
        its events has failed.
        """
        reached: dict[UUID, int] = {}
        for event in events:
            stream, version = event.originator_id, event.originator_version
            last = reached.get(stream, versions.get(stream))
            if last is None and not look_up:
                last = self._versions.get(stream, 0 if version == 1 else None)
            if last is None:
                last = cursor.execute(SELECT_VERSION, (stream.hex,)).fetchone()[0] or 0
            if version != last + 1:
                return Conflict(
                    f"version {version} of {stream} does not follow the stored version {last}; "
                    "nothing was written. Load it anew and decide again"
                )
            reached[stream] = version
        return reached


def read_head(cursor: sqlite3.Cursor, store: str) -> Head:
    """The head row; raises StoreDamaged when it is missing."""
    row = cursor.execute(SELECT_HEAD).fetchone()
    if row is None:
        raise StoreDamaged(f"{store}: its head is missing. Run `fillwright verify` on it")
    return Head(*row)


def _count(
    cursor: sqlite3.Cursor, counters: Sequence[CounterUpdate]
) -> CounterExceeded | StoreError | None:
    """Take all counters or none; gives what refused."""
    refused: StoreError | None = None
    cursor.execute("SAVEPOINT counters")
    for update in counters:
        key, amount, cap = update.key, update.amount_micro, update.cap_micro
        try:
            if cap is None:
                cursor.execute(COUNT, (key, amount))
            elif cursor.execute(COUNT_CAPPED, (key, amount, cap)).rowcount != 1:
                # Read before what this job took is given back: it counts against the same key.
                row = cursor.execute(SELECT_USED, (key,)).fetchone()
                refused = CounterExceeded(key, row[0] if row else 0, amount, cap)
        except (sqlite3.IntegrityError, OverflowError) as error:
            refused = StoreError(
                f"counter {key}: {amount} more is past what 64 bits hold ({error})"
            )
        if refused is not None:
            cursor.execute("ROLLBACK TO counters")
            break
    cursor.execute("RELEASE counters")
    return refused


def _extend(values: list[object], head: Head, events: Sequence[Encoded]) -> Head:
    """Add the events' columns to ``values`` and the events to the chain."""
    position, previous = head
    for originator, version, topic, state in events:
        position += 1
        previous = link(previous, position, originator.bytes, version, topic, state)
        values += (position, originator.hex, version, topic, state, previous)
    return Head(position, previous)


def _insert(cursor: sqlite3.Cursor, values: Sequence[object]) -> None:
    step = ROWS_PER_INSERT * _COLUMNS
    for start in range(0, len(values), step):
        chunk = values[start : start + step]
        cursor.execute(INSERTS[len(chunk) // _COLUMNS], chunk)
