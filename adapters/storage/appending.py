"""What one transaction writes: counters, then events in the order of the chain.

Each job is taken whole or not at all. A job whose events do not follow what is stored is a
:class:`Conflict`, a job over a cap :class:`CounterExceeded`; neither disturbs the others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from ...domain.errors import StoreDamaged, StoreError
from ...domain.limits import CounterUpdate
from .chain import GENESIS, link
from .group_commit import WriteJob
from .records import Appended, Conflict, CounterExceeded, Encoded, Head
from .schema import EVENTS_TABLE

ROWS_PER_INSERT: Final = 64
"""Rows of one INSERT: each statement gives up the interpreter lock once, whatever its rows."""

STREAMS_REMEMBERED_MAX: Final = 100_000

SELECT_HEAD: Final = f"SELECT position, hash FROM {EVENTS_TABLE} ORDER BY position DESC LIMIT 1"
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

Outcome = Appended | StoreError


class Stream(NamedTuple):
    """A stream as far as it is known: its first position and its last version."""

    first: int
    version: int


NO_STREAM: Final = Stream(0, 0)
Streams = dict[int, Stream]
"""By the integer of the originator's id, which hashes faster than the id."""


class Appender:
    """Appends jobs inside transactions of its own; used by one thread at a time."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._streams: Streams = {}

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
            self._streams.clear()
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
            streams, outcomes = self._append(cursor, head, jobs, look_up=look_up)
            cursor.execute("COMMIT")
        except BaseException:
            if cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise
        if len(self._streams) > STREAMS_REMEMBERED_MAX:
            self._streams.clear()
        self._streams.update(streams)
        return outcomes

    def _append(
        self, cursor: sqlite3.Cursor, head: Head, jobs: Sequence[WriteJob], *, look_up: bool
    ) -> tuple[Streams, list[Outcome]]:
        values: list[object] = []
        streams: Streams = {}
        outcomes: list[Outcome] = []
        for job in jobs:
            first = head.position + 1
            reached = self._follow(cursor, first, job.events, streams, look_up=look_up)
            if isinstance(reached, Conflict):
                outcomes.append(reached)
                continue
            refused = _count(cursor, job.counters) if job.counters else None
            if refused is not None:
                outcomes.append(refused)
                continue
            streams.update(reached)
            head = _extend(values, head, job.events, streams)
            outcomes.append(Appended(first, head.position, head.hash))
        _insert(cursor, values)
        return streams, outcomes

    def _follow(
        self,
        cursor: sqlite3.Cursor,
        position: int,
        events: Sequence[Encoded],
        streams: Streams,
        *,
        look_up: bool,
    ) -> Streams | Conflict:
        """What a job brings its streams to from ``position`` on, if it follows what is stored.

        A gap is a conflict as well: it is what an aggregate leaves that goes on after an append of
        its events has failed.
        """
        reached: Streams = {}
        for event in events:
            key, version = event.originator_id.int, event.originator_version
            last = reached.get(key) or streams.get(key)
            if last is None and not look_up:
                last = self._streams.get(key) or (NO_STREAM if version == 1 else None)
            if last is None:
                row = cursor.execute(SELECT_STREAM, (event.originator_id.hex,)).fetchone()
                last = NO_STREAM if row[0] is None else Stream(*row)
            if version != last.version + 1:
                return Conflict(
                    f"version {version} of {event.originator_id} does not follow the stored "
                    f"version {last.version}; nothing was written. Load it anew and decide again"
                )
            reached[key] = Stream(last.first or position, version)
            position += 1
        return reached


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


def _extend(values: list[object], head: Head, events: Sequence[Encoded], streams: Streams) -> Head:
    """Add the events' columns to ``values`` and the events to the chain."""
    position, previous = head
    for originator, version, topic, state in events:
        position += 1
        previous = link(previous, position, originator.bytes, version, topic, state)
        first = streams[originator.int].first
        values += (position, first, originator.hex, version, topic, previous, state)
    return Head(position, previous)


def _insert(cursor: sqlite3.Cursor, values: Sequence[object]) -> None:
    step = ROWS_PER_INSERT * _COLUMNS
    for start in range(0, len(values), step):
        chunk = values[start : start + step]
        cursor.execute(INSERTS[len(chunk) // _COLUMNS], chunk)
