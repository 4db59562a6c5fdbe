"""Work on a server whose writes are recorded; started as a process.

    python -m tests.power_loss.server_work URL JOURNAL TRUTH SEED [careless]

Two engines append to one log: alone and many at once, one statement or a transaction, some refused.
Records go to the second stream meanwhile, and checkpoints, switches of the write-ahead log and a
vacuum come in between. What was acknowledged is noted in the journal where it happened. At the end
everything that is stored is written down, with the transaction that it came from.
"""

from __future__ import annotations

import asyncio
import pickle
import random
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from fillwright.adapters.storage.location import postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.ownership import Ownership
from fillwright.adapters.storage.postgres import connections
from fillwright.adapters.storage.postgres.opening import vacuum
from fillwright.adapters.storage.records import Conflict, CounterExceeded
from fillwright.domain.ops import VerificationDone
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
from tests.power_loss.journal import Marker

ACCOUNTS = ("one", "two")
CALLERS, APPENDS, ALONE, RECORDS = 10, 6, 12, 8
PAUSE_SECONDS = 0.03
HOT_CAP = 90
EVENTS = (
    "SELECT position, stream, originator_id, originator_version, topic, hash, state, xmin::text "
    "FROM stored_events ORDER BY position"
)
OPS = "SELECT position, topic, hash, state, xmin::text FROM ops_records ORDER BY position"
Rows = list[tuple[Any, ...]]


def ask(url: str, statement: str) -> Rows:
    """Rows of a statement, past all of our own code."""
    address = postgres_address(url)
    with psycopg.connect(address.conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(address.schema)))
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def owned(url: str, account: str) -> Log:
    """The log, opened as an engine of the account does; one before it may have to time out."""
    return Log.open(
        url, threaded=True, ownership=Ownership(account, wait_seconds=10, request_seconds=0.1)
    )


def record(number: int) -> VerificationDone:
    """A record of the second stream."""
    return VerificationDone(
        record_time=number,
        actor="test",
        log_position=number,
        log_hash="00" * 32,
        from_position=0,
        outcome="not_anchored",
    )


class Engine:
    """One of the engines: appends, and notes what was acknowledged."""

    def __init__(self, log: Log, account: str, mark: Callable[..., None], seed: str) -> None:
        self._log, self._account, self._mark = log, account, mark
        self._choose = random.Random(seed)
        self._base = 1_000 * (1 + ACCOUNTS.index(account))
        self._fresh = count(self._base + 500)

    async def alone(self) -> None:
        """One append after the other."""
        one = Sample(self._base)
        for _ in range(ALONE):
            one = await self._append(one, self._base)

    async def together(self) -> None:
        """Many at once, whose commits are shared."""
        numbers = range(self._base + 1, self._base + 1 + CALLERS)
        await asyncio.gather(*(self._caller(number) for number in numbers))

    async def _caller(self, number: int) -> None:
        one = Sample(number)
        for _ in range(APPENDS):
            await asyncio.sleep(self._choose.random() * PAUSE_SECONDS)
            one = await self._append(one, number)

    async def _append(self, one: Sample, number: int) -> Sample:
        choose = self._choose
        if one.version and choose.random() < 0.05:
            one = Sample(number)  # a stale copy, which is refused
        version = one.version
        one.happen(choose.choice((1, 1, 1, 2, 6)), "x" * choose.choice((10, 300, 3_000)))
        kinds: list[list[tuple[str, int, int | None]]] = [
            [],
            [(f"used:{number % 4}", choose.randrange(1, 30), None)],
            [("hot", choose.randrange(1, 5), HOT_CAP), (f"of:{self._account}", 1, None)],
        ]
        counters = choose.choice(kinds)
        try:
            placed = await self._log.commit(one, counters=[CounterUpdate(*c) for c in counters])
        except CounterExceeded:
            return Sample(number, version)
        except Conflict:
            return Sample(next(self._fresh))
        used = [(key, amount) for key, amount, _ in counters]
        self._mark(what="ack", last=placed.last_position, counters=used)
        return one


def tell_records(url: str, mark: Callable[..., None], choose: random.Random) -> None:
    """Append to the second stream, one or a few at a time."""
    with OpsLog.open(url) as ops:
        for number in range(RECORDS):
            few = [record(10 * number + step) for step in range(choose.choice((1, 1, 3)))]
            mark(what="record", last=ops.append(*few).last_position)


def upset(url: str, mark: Callable[..., None], choose: random.Random) -> None:
    """What a server does from time to time, while engines go on."""
    acts: dict[str, Callable[[], object]] = {
        "checkpoint": lambda: ask(url, "CHECKPOINT"),
        "switch": lambda: ask(url, "SELECT pg_switch_wal()"),
        "vacuum": lambda: vacuum(url),
    }
    order = [*acts, "checkpoint", "switch"]
    choose.shuffle(order)
    for name in order:
        mark(what="begins", act=name)
        acts[name]()
        mark(what="ends", act=name)


async def work(logs: Sequence[Log], url: str, mark: Callable[..., None], seed: int) -> None:
    """All of it at once."""
    engines = [
        Engine(log, account, mark, f"{seed}:{account}")
        for log, account in zip(logs, ACCOUNTS, strict=True)
    ]
    await engines[0].alone()
    choose = random.Random(seed)
    await asyncio.gather(
        *(engine.together() for engine in engines),
        asyncio.to_thread(tell_records, url, mark, random.Random(seed)),
        asyncio.to_thread(upset, url, mark, choose),
    )
    await engines[1].alone()


def open_engines(url: str, mark: Callable[..., None]) -> list[Log]:
    """Take the accounts, and note that they are owned."""
    logs = []
    for account in ACCOUNTS:
        logs.append(owned(url, account))
        ((epoch,),) = ask(url, f"SELECT epoch FROM leases WHERE account = '{account}'")
        mark(what="owned", account=account, epoch=epoch)
    return logs


def main(arguments: Sequence[str]) -> int:
    """Do the work and write down what there is at its end."""
    url, journal, truth, seed, *careless = arguments
    if careless:
        # Connections leave the server's word on when a commit is on disk as it is.
        connections.configure = _careless
    mark = Marker(Path(journal))
    logs = open_engines(url, mark)
    asyncio.run(work(logs, url, mark, int(seed)))
    stored = (ask(url, EVENTS), ask(url, OPS))
    for log in logs:
        log.close()
    Path(truth).write_bytes(pickle.dumps(stored))
    return 0


def _careless(connection: psycopg.Connection[Any], address: Any) -> None:
    connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(address.schema)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
