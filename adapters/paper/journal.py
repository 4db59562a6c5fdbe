"""The paper server's journal: what clients asked for, beside the exchange's own requests.

One SQLite file holds two lists. ``command`` is the truth: each request the broker accepted, with
its market time; running them again gives the same orders, fills and ids. ``request`` is the
exchange's journal in its own format, so that orders and duplicates can be counted from the venue's
evidence (ruling 20); on a restart it is compared with what the commands lead to. A request and all
it causes at once become durable in one commit, before the client has its answer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ..exchange.journal import (
    Journal,
    JournalMismatchError,
    MemoryRows,
    Row,
    SqliteRows,
)
from ..storage.filelock import FileLock

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS command (
    number INTEGER PRIMARY KEY, at INTEGER NOT NULL, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS world (
    one INTEGER PRIMARY KEY CHECK (one = 1), content TEXT NOT NULL, mark INTEGER NOT NULL);
"""


class _SharedRows(SqliteRows):
    """The exchange's rows in a file that holds the server's commands too."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._db.executescript(_SCHEMA)

    @property
    def db(self) -> sqlite3.Connection:
        """The one connection to the file."""
        return self._db

    def write(self, rows: Sequence[Row]) -> None:
        """Keep rows, as part of a transaction that is open."""
        if not self._db.in_transaction:
            super().write(rows)
            return
        self._db.executemany("INSERT INTO request (at, content) VALUES (?, ?)", rows)


class PaperJournal(Journal):
    """Everything that outlives the server's process; in memory when there is no path."""

    def __init__(self, path: Path | None) -> None:
        """Open the file; one server at a time writes it, and anybody may read it.

        Raises:
            JournalError: it cannot be opened or is no journal.
            StoreBusy: another server has it.
            StoreError: its folder cannot be written.
        """
        super().__init__(None)
        self._db: sqlite3.Connection | None = None
        self._lock: FileLock | None = None
        if path is not None:
            self._lock = FileLock.acquire(path.with_name(f"{path.name}.lock"), store=path)
            shared = _SharedRows(path)
            self._rows = shared
            self._db = shared.db
        self._expected: list[Row] = list(self._rows.read())
        self._is_replaying = False

    def resume(self, world: Mapping[str, Any]) -> int | None:
        """The market time to go on from, None for a new journal, which now belongs to ``world``.

        Raises:
            JournalMismatchError: it belongs to another world.
        """
        if self._db is None:
            return None
        content = json.dumps(world, sort_keys=True)
        row = self._db.execute("SELECT content, mark FROM world").fetchone()
        if row is None:
            self._db.execute("INSERT INTO world VALUES (1, ?, 0)", (content,))
            return None
        if row[0] != content:
            old = json.loads(row[0])
            parts = ", ".join(
                f"{name} ({old.get(name)!r}, now {new!r})"
                for name, new in world.items()
                if old.get(name) != new
            )
            raise JournalMismatchError(f"the journal was written with other {parts}")
        # Without a mark the server ended before it had begun to serve.
        return int(row[1]) or None

    def mark(self, at: int) -> None:
        """Promise that no client has been shown a market time beyond ``at``."""
        if self._db is not None:
            self._db.execute("UPDATE world SET mark = ? WHERE mark < ?", (at, at))

    @contextmanager
    def command(self, at: int, content: Mapping[str, Any]) -> Iterator[None]:
        """Keep one accepted command with all it causes, durably at the end of the block.

        An exception in the block leaves nothing behind.
        """
        if self._db is None or self._is_replaying:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            text = json.dumps(content, default=str)
            self._db.execute("INSERT INTO command (at, content) VALUES (?, ?)", (at, text))
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def commands(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every command with its market time, in order; meanwhile nothing is written anew."""
        if self._db is None:
            return
        rows = self._db.execute("SELECT at, content FROM command ORDER BY number").fetchall()
        self._is_replaying = True
        try:
            for at, content in rows:
                yield int(at), json.loads(content)
        finally:
            self._is_replaying = False

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        if self._lock is not None:
            self._lock.release()

    def append(self, at: int, commands: Sequence[Any]) -> None:
        """Keep what goes to the exchange; what is there already must be the same.

        Raises:
            JournalMismatchError: running the commands again led to something else.
        """
        if not self._expected:
            super().append(at, commands)
            return
        kept, self._rows = self._rows, MemoryRows()
        try:
            super().append(at, commands)
            new = list(self._rows.read())
        finally:
            self._rows = kept
        for row in new:
            old = self._expected.pop(0) if self._expected else None
            if old is None:
                self._rows.write([row])
            elif old != row:
                raise JournalMismatchError(f"the journal's request {old} came out as {row}")
