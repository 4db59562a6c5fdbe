"""A run of the store with every write and sync of its files on record; started as a process.

    python -m tests.power_loss.record STORE RECORDING SEED

Appends of different sizes and kinds go in, some of them refused, from one caller and from many at
once, with the write-ahead log checkpointed often. What was acknowledged is noted where it happened
among the writes.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fillwright.adapters.storage import connection, wal_room
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.records import CounterExceeded
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
from tests.power_loss.vfs import CannotRecord, install

CANNOT = 77
"""The exit code of a machine on which nothing can be recorded."""
PAGES_BEFORE_CHECKPOINT = 24
Entry = tuple[Any, ...]


class CheckpointingPool(connection.StorePool):
    """The store's pool with checkpoints every few pages, so that a short run has many."""

    def _create_connection(self) -> Any:
        made = super()._create_connection()
        made._sqlite_conn.execute(f"PRAGMA wal_autocheckpoint={PAGES_BEFORE_CHECKPOINT}")
        return made


def watch_room(entries: list[Entry], store: Path) -> None:
    """Note the zeros too that the store itself puts into the write-ahead log, past SQLite."""
    append_zeros = wal_room.append_zeros

    def noted(descriptor: int, count: int) -> int:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        written = append_zeros(descriptor, count)
        entries.append(("write", f"{store.name}-wal", end, bytes(written)))
        return written

    wal_room.append_zeros = noted


def work(log: Log, entries: list[Entry], choose: random.Random) -> None:
    """Append, one after the other."""
    aggregates = [Sample(number) for number in range(1, 6)]
    for number in range(28):
        one = choose.choice(aggregates)
        one.happen(choose.choice((1, 1, 2, 7)), "x" * choose.choice((10, 300, 5_000)))
        key, cap = f"used:{number % 3}", 40 if number % 9 == 8 else None
        counters = [CounterUpdate(key, choose.randrange(1, 30), cap)]
        if number % 3 == 1:
            counters = []  # such an append is one statement
        entries.append(("attempt",))
        try:
            placed = log.append(one, counters=counters)
        except CounterExceeded:
            # The append is not there, and its aggregate goes on from what is.
            aggregates[aggregates.index(one)] = Sample(100 + number)
            continue
        entries.append(("ack", placed.last_position, placed.head_hash, log.counters()))


async def work_together(log: Log, entries: list[Entry]) -> None:
    """Append from many callers, whose commits are shared."""

    async def caller(number: int) -> None:
        one = Sample(1_000 + number)
        for _ in range(4):
            one.happen(2, "y" * 50)
            placed = await log.commit(one, counters=[CounterUpdate("shared", 3, None)])
            entries.append(("ack", placed.last_position, placed.head_hash, None))

    await asyncio.gather(*(caller(number) for number in range(6)))


def main(arguments: Sequence[str]) -> int:
    """Record one run."""
    store, recording, seed = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    entries: list[Entry] = []
    try:
        install(lambda what, path, *details: entries.append((what, Path(path).name, *details)))
    except CannotRecord as error:
        print(error, file=sys.stderr)
        return CANNOT
    watch_room(entries, store)
    connection.StorePool = CheckpointingPool  # type: ignore[misc]
    with Log.open(store, threaded=True) as log:
        work(log, entries, random.Random(seed))
        asyncio.run(work_together(log, entries))
    recording.write_bytes(pickle.dumps(entries))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
