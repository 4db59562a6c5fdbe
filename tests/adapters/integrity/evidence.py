"""A store with checkpoints outside it, and ways of tampering with it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from fillwright.adapters.integrity.anchors import checkpoints_at
from fillwright.adapters.integrity.checkpointing import Checkpointer, start_for
from fillwright.adapters.integrity.notes import SignerKey
from fillwright.adapters.integrity.verifying import Outside, Verification, verify_log
from fillwright.adapters.storage.chain import GENESIS, link
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from tests.adapters.storage.helpers import Sample

KEY = SignerKey("fillwright/test", bytes(range(32)))
OTHER_KEY = SignerKey("fillwright/test", bytes(range(1, 33)))
COLUMNS = "position, stream, originator_id, originator_version, topic, hash, state"

_times = count(1_700_000_000_000_000_000)


@dataclass
class Evidence:
    """A store, and the anchor that its checkpoints were left at."""

    store: Path
    anchor: Path
    key: SignerKey = KEY

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
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.store, folder / "log.db")
        shutil.copy(self.anchor, folder / "anchor")
        return Evidence(folder / "log.db", folder / "anchor", self.key)


def anchored(folder: Path, sizes: Sequence[int] = (4, 7), beyond: int = 3) -> Evidence:
    """A store with checkpoints at these sizes and some events after the last one."""
    (folder / "store").mkdir(parents=True)
    evidence = Evidence(folder / "store" / "log.db", folder / "outside" / "anchor")
    made = 0
    for size in sizes:
        evidence.append(size - made)
        evidence.checkpoint()
        made = size
    evidence.append(beyond)
    return evidence


@contextmanager
def opened(store: Path) -> Iterator[sqlite3.Connection]:
    """The database as somebody opens it who does not go through the log."""
    connection = sqlite3.connect(store)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def rewrite(store: Path, change: Callable[[list[list[Any]]], None], *, rehash: bool) -> None:
    """Change the rows of the events, and with ``rehash`` make a chain that fits them again.

    Rows are lists in the order of ``COLUMNS``; positions and streams are made to fit as well when
    the chain is: whoever rewrites a log would do all of it.
    """
    with opened(store) as connection:
        rows = [
            list(row)
            for row in connection.execute(f"SELECT {COLUMNS} FROM stored_events ORDER BY position")
        ]
        change(rows)
        if rehash:
            _fit(rows)
        connection.execute("DELETE FROM stored_events")
        connection.executemany("INSERT INTO stored_events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


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
