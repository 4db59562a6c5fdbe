"""Appending on PostgreSQL: the plain library, raw inserts, and our log, in one run on one server.

python -m bench.postgres [--seconds N] [--rounds N] [--sync-ms N] [--json]

The server is the machine's own package, started for the run on loopback with fsync on. Every
contender stores the same events; ours also chains them and keeps the head row. With ``--sync-ms``
the server waits so long before each sync of a commit, as it would for a slower disk, whoever it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
from eventsourcing.application import Application
from psycopg import sql

from bench.lifecycle_contenders import (
    EVENTS_PER_BATCH,
    Lifecycle,
    Pending,
    PlainAggregate,
    lifecycles,
    payload,
    stored_rows,
)
from fillwright.adapters.storage.location import postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.postgres.opening import migrate_postgres
from tests.postgres import DEFAULT_BUFFERS, PostgresServer, binaries

PLAIN_THREADS: Final = 64
EVENTS_MAX: Final = 60_000
_schemas = count(1)

Contender = Callable[[PostgresServer, Sequence[Lifecycle]], float]


def store(server: PostgresServer) -> str:
    """A new, empty store."""
    folder = Path(tempfile.gettempdir()) / "fillwright-bench-postgres"
    url = f"{server.url}?schema=bench{next(_schemas)}&files={folder}"
    migrate_postgres(url)
    return url


def plain(threads: int) -> Contender:
    """The library's application as its documentation shows it, one save per event."""

    def run(server: PostgresServer, work: Sequence[Lifecycle]) -> float:
        parts, schema = urlsplit(server.url), f"plain{next(_schemas)}"
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        app = Application[UUID](
            {
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "POSTGRES_DBNAME": "postgres",
                "POSTGRES_HOST": "127.0.0.1",
                "POSTGRES_PORT": str(parts.port),
                "POSTGRES_USER": str(parts.username),
                "POSTGRES_PASSWORD": "",
                "POSTGRES_SCHEMA": schema,
                "POSTGRES_POOL_SIZE": str(min(threads, 16)),
                "POSTGRES_CONNECT_TIMEOUT": "60",
            }
        )

        def live(one: Lifecycle) -> None:
            first, *later = one.events
            aggregate = PlainAggregate(one.id, first.stored_topic(), payload(first))
            app.save(aggregate)
            for event in later:
                aggregate.live(event.stored_topic(), payload(event))
                app.save(aggregate)

        with closing(app), ThreadPoolExecutor(threads) as pool:
            begun = time.perf_counter()
            list(pool.map(live, work))
            return time.perf_counter() - begun

    return run


def raw(events_per_commit: int) -> Contender:
    """The same bytes in the same columns, made before the clock starts; nothing else.

    One event is one prepared statement and its own transaction, which is one round trip.
    """

    def run(server: PostgresServer, work: Sequence[Lifecycle]) -> float:
        address = postgres_address(store(server))
        rows = stored_rows(work)
        with psycopg.connect(address.conninfo) as connection:
            connection.execute(
                sql.SQL("SET search_path TO {}").format(sql.Identifier(address.schema))
            )
            connection.commit()
            statement = "INSERT INTO stored_events VALUES (%b, %b, %b, %b, %b, %b, %b)"
            connection.autocommit = events_per_commit == 1
            begun = time.perf_counter()
            if events_per_commit == 1:
                for row in rows:
                    connection.execute(statement, row, prepare=True)
                return time.perf_counter() - begun
            for start in range(0, len(rows), events_per_commit):
                with connection.cursor() as cursor:
                    cursor.executemany(statement, rows[start : start + events_per_commit])
                connection.commit()
            return time.perf_counter() - begun

    return run


def ours(in_flight: int) -> Contender:
    """One durable commit per event, each awaited before the instruction's next."""

    def run(server: PostgresServer, work: Sequence[Lifecycle]) -> float:
        with Log.open(store(server), threaded=in_flight > 1) as log:
            begun = time.perf_counter()
            if in_flight == 1:
                for one in work:
                    for event in one.events:
                        log.append(Pending((event,)))
            else:
                asyncio.run(_concurrently(log, work, in_flight))
            return time.perf_counter() - begun

    return run


async def _concurrently(log: Log, work: Sequence[Lifecycle], in_flight: int) -> None:
    waiting = iter(work)

    async def one_at_a_time() -> None:
        for one in waiting:
            for event in one.events:
                await log.commit(Pending((event,)))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(one_at_a_time())


CONTENDERS: Final[tuple[tuple[str, Contender], ...]] = (
    ("plain, save per event, 1 caller", plain(1)),
    ("plain, save per event, 64 threads", plain(PLAIN_THREADS)),
    ("raw, 1 event per commit", raw(1)),
    ("raw, 576 events per commit", raw(EVENTS_PER_BATCH)),
    ("fillwright, 1 in flight", ours(1)),
    ("fillwright, 64 in flight", ours(64)),
    ("fillwright, 512 in flight", ours(512)),
)
PLAIN: Final = (0, 1)
"""The better of the two is what we are compared with."""
AIMS: Final[tuple[tuple[str, int, tuple[int, ...], float], ...]] = (
    ("PostgreSQL, lone caller / plain per event", 4, PLAIN, 2.5),
    ("PostgreSQL, 64 in flight / plain per event", 5, PLAIN, 40.0),
    ("PostgreSQL, 512 in flight / plain per event", 6, PLAIN, 40.0),
    ("PostgreSQL, lone caller / raw 1 per commit", 4, (2,), 0.35),
    ("PostgreSQL, 64 in flight / raw 576 per commit", 5, (3,), 0.2),
)
LIMIT: Final = 2
"""What a lone caller is bound by, whoever it is: one insert, one sync, one round trip."""
SPARE_SEGMENTS: Final = 24


def measure(server: PostgresServer, seconds: float, rounds: int) -> list[float]:
    """Events per second of each contender: the median of interleaved rounds."""
    results: list[list[float]] = [[] for _ in CONTENDERS]
    for _ in range(rounds):
        for index, (_, run) in enumerate(CONTENDERS):
            known = results[index][-1] if results[index] else _rate(server, run, 24)
            wanted = min(max(known * seconds / rounds, 200), EVENTS_MAX)
            results[index].append(_rate(server, run, max(int(wanted / 9), 1)))
    return [statistics.median(rates) for rates in results]


def warm(server: PostgresServer) -> None:
    """Have the server use segments of its write-ahead log again, as one that has run for long."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        for _ in range(SPARE_SEGMENTS):
            admin.execute("SELECT pg_logical_emit_message(true, 'bench', 'x'), pg_switch_wal()")
        admin.execute("CHECKPOINT")


def _rate(server: PostgresServer, run: Contender, instructions: int) -> float:
    work = lifecycles(instructions, start=1)
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("CHECKPOINT")  # nobody writes what another has left
    return sum(len(one.events) for one in work) / run(server, work)


def ratios(rates: Sequence[float]) -> list[dict[str, Any]]:
    """Each aim with what was measured."""
    found = []
    for what, ours_index, others, aim in AIMS:
        ratio = rates[ours_index] / max(rates[other] for other in others)
        found.append({"what": what, "ratio": round(ratio, 2), "aim": aim, "met": ratio >= aim})
    return found


def bound(rates: Sequence[float]) -> float:
    """How often the plain library's rate raw inserts reach, each with a sync of its own."""
    return round(rates[LIMIT] / max(rates[index] for index in PLAIN), 2)


def summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the table of all benchmarks."""
    if "skipped" in result:
        return [("PostgreSQL", result["skipped"])]
    rows = [(name, f"{rate:,.0f} events/s") for name, rate in result["events_per_second"].items()]
    for row in result["ratios"]:
        verdict = "met" if row["met"] else "SHORT"
        rows.append((row["what"], f"{row['ratio']:.2f}x, aim {row['aim']:g}x, {verdict}"))
    what = "PostgreSQL, raw 1 per commit / plain per event"
    return [*rows, (what, f"{result['bound_of_lone']:.2f}x, what one sync for each event allows")]


def main() -> None:
    """Start a server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=4.0, help="per contender, all rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sync-ms", type=float, default=0.0, help="added to each sync")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    programs = binaries()
    result: dict[str, Any] = {"skipped": "not run: no PostgreSQL server is installed"}
    if programs is not None:
        # Without other transactions to wait for, the delay is one before every sync.
        settings = {
            "commit_delay": str(round(options.sync_ms * 1_000)),
            "commit_siblings": "0",
            "shared_buffers": DEFAULT_BUFFERS,
            "min_wal_size": f"{16 * SPARE_SEGMENTS}MB",
        }
        with closing(PostgresServer(programs, fsync=True, **settings)) as server:
            server.start()
            warm(server)
            rates = measure(server, options.seconds, options.rounds)
        names = [name for name, _ in CONTENDERS]
        result = {
            "events_per_second": dict(zip(names, rates, strict=True)),
            "ratios": ratios(rates),
            "bound_of_lone": bound(rates),
        }
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for what, figure in summary(result):
        print(f"{what:48}{figure}")


if __name__ == "__main__":
    main()
