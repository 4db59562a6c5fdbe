"""A store with checkpoints outside it, on either database, and ways of tampering with it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from fillwright.adapters.integrity.anchors import checkpoints_at
from fillwright.adapters.integrity.checkpointing import Checkpointer, start_for
from fillwright.adapters.integrity.notes import SignerKey
from fillwright.adapters.integrity.verifying import Outside, Verification, verify_log
from fillwright.adapters.storage.chain import GENESIS, link
from fillwright.adapters.storage.copying import copy_store
from fillwright.adapters.storage.location import is_postgres, postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from tests.adapters.storage.helpers import Sample
from tests.postgres import PostgresServer, fresh_store

KEY = SignerKey("fillwright/test", bytes(range(32)))
OTHER_KEY = SignerKey("fillwright/test", bytes(range(1, 33)))
COLUMNS = "position, stream, originator_id, originator_version, topic, hash, state"
TABLES = ("stored_events", "ops_records", "counters")

_times = count(1_700_000_000_000_000_000)


@dataclass
class Evidence:
    """A store, and the anchor that its checkpoints were left at; on ``server`` if there is one."""

    store: Path | str
    anchor: Path
    key: SignerKey = KEY
    server: PostgresServer | None = None

    @property
    def outside(self) -> Outside:
        return Outside(self.key.verifier, checkpoints_at(str(self.anchor)))

    def append(self, events: int) -> None:
        """Two aggregates in turn, the same ones always."""
        with Log.open(self.store) as log:
            made = log.head().position
            samples = [Sample(1, (made + 1) // 2), Sample(2, made // 2)]
            for number in range(made, made + events):
                log.append(samples[number % 2].happen(cause=f"halt {number}"))

    def checkpoint(self) -> None:
        with Log.open(self.store, writer=False) as log, OpsLog.open(self.store) as ops:
            Checkpointer(log, ops, self.key, str(self.anchor), clock_ns=lambda: next(_times)).make()

    def verify(self, *, incremental: bool = False, jobs: int = 1) -> Verification:
        with Log.open(self.store, writer=False) as log:
            start = None
            if incremental:
                with OpsLog.of(log) as ops:
                    start = start_for(log, ops, self.outside)
            return verify_log(log, self.outside, start=start, jobs=jobs)

    def copy(self, folder: Path) -> Evidence:
        """A copy of what is whole still, with its own anchor."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.anchor, folder / "anchor")
        if self.server is None:
            copied: Path | str = Path(shutil.copy(self.store, folder / "log.db"))
        else:
            copied = fresh_store(self.server, folder)
            copy_store(str(self.store), copied)
        return Evidence(copied, folder / "anchor", self.key, self.server)


def anchored(
    folder: Path,
    sizes: Sequence[int] = (4, 7),
    beyond: int = 3,
    server: PostgresServer | None = None,
) -> Evidence:
    """A store with checkpoints at these sizes and some events after the last one."""
    (folder / "store").mkdir(parents=True)
    store = folder / "store" / "log.db" if server is None else fresh_store(server, folder / "store")
    evidence = Evidence(store, folder / "outside" / "anchor", server=server)
    made = 0
    for size in sizes:
        evidence.append(size - made)
        evidence.checkpoint()
        made = size
    evidence.append(beyond)
    return evidence


class Direct:
    """Statements of somebody who does not go through the log; ``?`` stands for parameters."""

    def __init__(self, connection: Any, mark: str) -> None:
        self._connection = connection
        self._mark = mark

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        return self._connection.execute(statement.replace("?", self._mark), tuple(parameters))


@contextmanager
def opened(store: Path | str) -> Iterator[Direct]:
    """The database as somebody opens it who does not go through the log."""
    if is_postgres(store):
        address = postgres_address(store)
        with psycopg.connect(address.conninfo) as server:
            server.execute(f"SET search_path TO {address.schema}".encode())
            yield Direct(server, "%s")
        return
    with closing(sqlite3.connect(store)) as file, file:
        yield Direct(file, "?")


def put_in_place(other: Path | str, store: Path | str) -> None:
    """Everything of another store in the place of what a store has, without going through it."""
    with opened(other) as source, opened(store) as target:
        for table in TABLES:
            rows = source.execute(f"SELECT * FROM {table}").fetchall()
            target.execute(f"DELETE FROM {table}")
            for row in rows:
                marks = ", ".join("?" * len(row))
                target.execute(f"INSERT INTO {table} VALUES ({marks})", row)
        fit_head(store, target)


def change_state(store: Path | str, table: str, position: int, old: bytes, new: bytes) -> None:
    """Change bytes of one stored record."""
    with opened(store) as connection:
        asked = f"SELECT state FROM {table} WHERE position = ?"
        (state,) = connection.execute(asked, (position,)).fetchone()
        assert old in bytes(state)
        edited = bytes(state).replace(old, new)
        connection.execute(f"UPDATE {table} SET state = ? WHERE position = ?", (edited, position))


def rewrite(store: Path | str, change: Callable[[list[list[Any]]], None], *, rehash: bool) -> None:
    """Change the rows of the events, and with ``rehash`` make a chain that fits them again.

    Rows are lists in the order of ``COLUMNS``; positions and streams are made to fit as well when
    the chain is: whoever rewrites a log would do all of it.
    """
    with opened(store) as connection:
        rows = [
            list(row)
            for row in connection.execute(
                f"SELECT {COLUMNS} FROM stored_events ORDER BY position"
            ).fetchall()
        ]
        change(rows)
        if rehash:
            _fit(rows)
        connection.execute("DELETE FROM stored_events")
        for row in rows:
            connection.execute("INSERT INTO stored_events VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        fit_head(store, connection)


def fit_head(store: Path | str, connection: Direct) -> None:
    """Have the row of a server that says where the log ends name its last event."""
    if is_postgres(store):
        last = "SELECT position, hash FROM stored_events ORDER BY position DESC LIMIT 1"
        row = connection.execute(last).fetchone() or (0, GENESIS)
        connection.execute("UPDATE head SET position = ?, hash = ?", row)


def _fit(rows: list[list[Any]]) -> None:
    previous = GENESIS
    first: dict[str, int] = {}
    for position, row in enumerate(rows, start=1):
        row[0] = position
        row[1] = first.setdefault(row[2], position)
        row[3] = 1 + sum(1 for other in rows[: position - 1] if other[2] == row[2])
        state = row[6]
        previous = link(previous, position, bytes.fromhex(row[2]), row[3], row[4], state)
        row[5] = previous
