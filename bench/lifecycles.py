"""Durable instruction lifecycles per second, beside the library we build on and raw SQLite.

    python -m bench.lifecycles [--seconds 2] [--rounds 3] [--sync-ms 2] [--json] [--profile]

One run measures all contenders in turn, round after round, and compares medians: absolute figures
move between machines and runs, ratios inside one run far less. See ``bench/README.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import InfrastructureFactory
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool, SQLiteFactory
from eventsourcing.utils import Environment

from fillwright.adapters.storage.chain import GENESIS, link
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.mapper import EventMapper
from fillwright.adapters.storage.schema import CREATE_EVENTS, CREATE_STREAMS, EVENTS_TABLE
from fillwright.domain import events as e
from fillwright.domain.ports import ReportKind
from tools.event_examples import DECISION, FILLED, INTENDED, PLANNED, head, report, reported, trade

EVENTS_PER_LIFECYCLE: Final = 9
EVENTS_PER_BATCH: Final = 576
PLAIN_THREADS: Final = 64


class Lifecycle(NamedTuple):
    """The events of one instruction, made before the clock starts for every contender."""

    id: UUID
    events: list[e.DomainEvent]


class Pending:
    """An aggregate as far as a store sees it: events to be taken once."""

    def __init__(self, events: Sequence[e.DomainEvent]) -> None:
        self._events = events

    def collect_events(self) -> Sequence[e.DomainEvent]:
        """Take them."""
        taken, self._events = self._events, ()
        return taken


def template() -> list[e.DomainEvent]:
    """Received, planned, released, intended (with provenance), acknowledged, 3 fills, filled."""
    released = e.InstructionReleased(**head(), release_mid=Decimal("100.00"))
    acknowledged = report(ReportKind.NEW, leaves_qty=Decimal(400))
    fills = [trade(ReportKind.TRADE, execution_id=f"x-{number}") for number in (1, 2, 3)]
    return [
        DECISION,
        PLANNED,
        released,
        INTENDED,
        reported(e.OrderAcknowledged, acknowledged),
        *(reported(e.OrderFilled, fill) for fill in fills),
        FILLED,
    ]


def lifecycles(count: int, start: int) -> list[Lifecycle]:
    """``count`` instructions with ids of their own, spread as computed ids are."""
    made = []
    events = template()
    for number in range(start, start + count):
        id = UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)
        made.append(
            Lifecycle(
                id,
                [
                    one.model_copy(update={"originator_id": id, "originator_version": version})
                    for version, one in enumerate(events, start=1)
                ],
            )
        )
    return made


# -- (a), (b): the plain library ---------------------------------------------------------------


class PlainAggregate(Aggregate):
    """Holds nothing, so that only making and storing events is measured."""

    def __init__(self, key: UUID, kind: str, fields: dict[str, Any]) -> None:
        """Created by its first event."""

    @staticmethod
    def create_id(key: UUID) -> UUID:
        """The id is given, as ours are."""
        return key

    @event("Lived")
    def live(self, kind: str, fields: dict[str, Any]) -> None:
        """Any later event: what kind, and the same fields as ours."""


class SleepingConnection(SQLiteConnection):
    """The library's connection with time added to every commit."""

    sync_seconds = 0.0

    def commit(self) -> None:
        """Wait as a slower disk would, then commit."""
        if self.sync_seconds:
            time.sleep(self.sync_seconds)
        super().commit()


class PlainPool(SQLiteConnectionPool):
    """The library's pool, with its durability stated."""

    sync_seconds = 0.0

    def _create_connection(self) -> SQLiteConnection:
        plain_connection = super()._create_connection()._sqlite_conn
        plain_connection.execute("PRAGMA synchronous=FULL")
        made = SleepingConnection(plain_connection, self.max_age)
        made.sync_seconds = self.sync_seconds
        return made


class PlainApplication(Application[UUID]):
    """The library's application as its documentation shows it."""

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        """SQLite, with a pool whose commits can be slowed down."""
        factory = SQLiteFactory(env)
        name = factory.datastore.pool.db_name
        factory.datastore.pool = PlainPool(db_name=name, lock_timeout=600, pool_timeout=600)
        return factory


class Plain:
    """SQLite in WAL mode, ``synchronous=FULL``."""

    def __init__(self, folder: Path, sync_seconds: float) -> None:
        self.app = PlainApplication({"SQLITE_DBNAME": str(folder / "plain.db")})
        assert isinstance(self.app.factory, SQLiteFactory)
        pool = self.app.factory.datastore.pool
        assert isinstance(pool, PlainPool)
        # The tables are made by now; from here on every commit is slow.
        for connection in pool._pool:
            assert isinstance(connection, SleepingConnection)
            connection.sync_seconds = sync_seconds
        pool.sync_seconds = sync_seconds

    def run(self, work: Sequence[Lifecycle], *, threads: int, per_event: bool) -> None:
        """Store the work."""
        payloads = Payloads()

        def live(one: Lifecycle) -> None:
            first, *later = one.events
            aggregate = PlainAggregate(one.id, first.stored_topic(), payloads.of(first))
            if per_event:
                self.app.save(aggregate)
            for later_event in later:
                aggregate.live(later_event.stored_topic(), payloads.of(later_event))
                if per_event:
                    self.app.save(aggregate)
            if not per_event:
                self.app.save(aggregate)

        if threads == 1:
            for one in work:
                live(one)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(live, work))

    def close(self) -> None:
        """Close the database."""
        self.app.close()


class Payloads:
    """The fields of each kind of event as the library's transcoder takes them, made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], dict[str, Any]] = {}

    def of(self, one: e.DomainEvent) -> dict[str, Any]:
        """The fields of ``one``."""
        key = (one.stored_topic(), one.originator_version)
        if key not in self._made:
            self._made[key] = one.model_dump(
                mode="json", exclude={"originator_id", "originator_version"}
            )
        return self._made[key]


# -- (c): raw SQLite ---------------------------------------------------------------------------


class Raw:
    """The same bytes in the same columns, made before the clock starts; nothing else."""

    def __init__(self, folder: Path, sync_seconds: float) -> None:
        self.connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute(CREATE_EVENTS)
        self.connection.execute(CREATE_STREAMS)
        self.sync_seconds = sync_seconds

    def run(self, rows: Sequence[tuple[object, ...]], *, events_per_commit: int) -> None:
        statement = f"INSERT INTO {EVENTS_TABLE} VALUES (?,?,?,?,?,?,?)"
        execute = self.connection.execute
        for start in range(0, len(rows), events_per_commit):
            execute("BEGIN")
            self.connection.executemany(statement, rows[start : start + events_per_commit])
            if self.sync_seconds:
                time.sleep(self.sync_seconds)
            execute("COMMIT")

    def close(self) -> None:
        self.connection.close()


def stored_rows(work: Sequence[Lifecycle]) -> list[tuple[object, ...]]:
    """The rows that our log would write for ``work``."""
    rows: list[tuple[object, ...]] = []
    mapper, previous = EventMapper(), GENESIS
    for one in work:
        for made in one.events:
            id, version, topic, state = mapper.encode(made)
            position = len(rows) + 1
            previous = link(previous, position, id.bytes, version, topic, state)
            first = position - version + 1
            rows.append((position, first, id.hex, version, topic, previous, state))
    return rows


# -- ours --------------------------------------------------------------------------------------


class Ours:
    """One durable commit per event, each awaited before the instruction's next."""

    def __init__(self, folder: Path, sync_seconds: float, *, threaded: bool) -> None:
        self.log = Log.open(folder / "ours.db", threaded=threaded)
        if sync_seconds:
            self.log.on_boundary = lambda label: (
                time.sleep(sync_seconds) if label == "store:before" else None
            )

    def run(self, work: Sequence[Lifecycle], *, in_flight: int) -> None:
        if in_flight == 1:
            for one in work:
                for made in one.events:
                    self.log.append(Pending((made,)))
        else:
            asyncio.run(self._concurrently(work, in_flight))

    async def _concurrently(self, work: Sequence[Lifecycle], in_flight: int) -> None:
        waiting: Iterator[Lifecycle] = iter(work)

        async def one_at_a_time() -> None:
            for one in waiting:
                for made in one.events:
                    await self.log.commit(Pending((made,)))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(in_flight):
                tasks.create_task(one_at_a_time())

    def close(self) -> None:
        self.log.close()


# -- measuring ---------------------------------------------------------------------------------


class Contender(NamedTuple):
    """A name and a run: (folder, work, sync seconds) gives the seconds it took."""

    name: str
    run: Callable[[Path, Sequence[Lifecycle], float], float]


def timed(action: Callable[[], object]) -> float:
    """Seconds that ``action`` takes."""
    # What was made before is nobody's cost: keep the collector from walking it.
    gc.collect()
    gc.freeze()
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def plain(threads: int, *, per_event: bool) -> Callable[..., float]:
    def run(folder: Path, work: Sequence[Lifecycle], sync_seconds: float) -> float:
        with closing(Plain(folder, sync_seconds)) as one:
            return timed(lambda: one.run(work, threads=threads, per_event=per_event))

    return run


def raw(events_per_commit: int) -> Callable[..., float]:
    def run(folder: Path, work: Sequence[Lifecycle], sync_seconds: float) -> float:
        rows = stored_rows(work)
        with closing(Raw(folder, sync_seconds)) as one:
            return timed(lambda: one.run(rows, events_per_commit=events_per_commit))

    return run


def ours(in_flight: int) -> Callable[..., float]:
    def run(folder: Path, work: Sequence[Lifecycle], sync_seconds: float) -> float:
        with closing(Ours(folder, sync_seconds, threaded=in_flight > 1)) as one:
            return timed(lambda: one.run(work, in_flight=in_flight))

    return run


CONTENDERS: Final = (
    Contender("plain, save per event, 1 caller", plain(1, per_event=True)),
    Contender("plain, save per event, 64 threads", plain(PLAIN_THREADS, per_event=True)),
    Contender("plain, save per lifecycle, 1 caller", plain(1, per_event=False)),
    Contender("raw SQLite, 1 event per commit", raw(1)),
    Contender("raw SQLite, 576 events per commit", raw(EVENTS_PER_BATCH)),
    Contender("fillwright, 1 in flight", ours(1)),
    Contender("fillwright, 64 in flight", ours(64)),
    Contender("fillwright, 512 in flight", ours(512)),
)

AIMS: Final = (
    # (what, contender, against, at least, only with slow syncs)
    ("lone caller / plain per event", 5, (0,), 2.2, False),
    ("lone caller / raw 1 per commit", 5, (3,), 0.5, False),
    ("64 in flight / plain per event", 6, (0, 1), 8.0, False),
    ("512 in flight / plain per event", 7, (0, 1), 8.0, False),
    ("64 in flight / raw 576 per commit", 6, (4,), 0.35, False),
    ("512 in flight / raw 576 per commit", 7, (4,), 0.35, False),
    ("64 in flight / plain per event", 6, (0, 1), 40.0, True),
    ("512 in flight / plain per event", 7, (0, 1), 40.0, True),
)
"""Ratios that the design asks for; against the better of several plain figures."""

LIFECYCLES_MAX: Final = 20_000


def measure(seconds: float, rounds: int, sync_seconds: float) -> list[float]:
    """Lifecycles per second of each contender: the median of interleaved rounds."""
    results: list[list[float]] = [[] for _ in CONTENDERS]
    share = seconds / rounds
    for number in range(rounds):
        for index, contender in enumerate(CONTENDERS):
            known = results[index][-1] if results[index] else _rate(contender, 64, sync_seconds)
            count = int(min(max(known * share, 64), LIFECYCLES_MAX))
            results[index].append(_rate(contender, count, sync_seconds))
            _say(f"round {number + 1}/{rounds}: {contender.name}: {results[index][-1]:,.0f}/s")
    return [statistics.median(rates) for rates in results]


def _rate(contender: Contender, count: int, sync_seconds: float) -> float:
    work = lifecycles(count, start=1)
    with tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder:
        return count / contender.run(Path(folder), work, sync_seconds)


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def ratios(rates: Sequence[float], *, slow: bool) -> list[dict[str, Any]]:
    """Each aim with what was measured."""
    found = []
    for what, contender, against, aim, only_slow in AIMS:
        if only_slow == slow:
            ratio = rates[contender] / max(rates[index] for index in against)
            found.append({"what": what, "ratio": round(ratio, 2), "aim": aim, "met": ratio >= aim})
    return found


def report_text(title: str, rates: Sequence[float], *, slow: bool) -> str:
    """The figures for a terminal."""
    lines = ["", title, f"{'':40}{'lifecycles/s':>14}{'events/s':>12}"]
    for contender, rate in zip(CONTENDERS, rates, strict=True):
        lines.append(f"{contender.name:40}{rate:>14,.0f}{rate * EVENTS_PER_LIFECYCLE:>12,.0f}")
    lines.append("")
    for row in ratios(rates, slow=slow):
        verdict = "met" if row["met"] else "SHORT"
        lines.append(f"{row['what']:40}{row['ratio']:>13.2f}x  aim {row['aim']:g}x  {verdict}")
    return "\n".join(lines)


def profile(in_flight: int, count: int = 2_000) -> None:
    """Print where the time of our contender goes (the calling thread; the other is beside)."""
    work = lifecycles(count, start=1)
    with tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder:
        profiler = cProfile.Profile()
        with closing(Ours(Path(folder), 0, threaded=in_flight > 1)) as one, profiler:
            one.run(work, in_flight=in_flight)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


def main() -> None:
    """Measure, print, and say which aims are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3.0, help="per contender, all rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sync-ms", type=float, default=2.0, help="added to each commit; 0: skip")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", type=int, metavar="IN_FLIGHT", help="profile ours instead")
    options = parser.parse_args()
    if options.profile:
        profile(options.profile)
        return
    fast = measure(options.seconds, options.rounds, 0)
    slow = (
        measure(options.seconds, options.rounds, options.sync_ms / 1e3) if options.sync_ms else []
    )
    _say("")
    if options.json:
        names = [contender.name for contender in CONTENDERS]
        result = {
            "events_per_lifecycle": EVENTS_PER_LIFECYCLE,
            "lifecycles_per_second": dict(zip(names, fast, strict=True)),
            "ratios": ratios(fast, slow=False),
            "sync_ms": options.sync_ms,
            "lifecycles_per_second_slow_sync": dict(zip(names, slow, strict=True)) if slow else {},
            "ratios_slow_sync": ratios(slow, slow=True) if slow else [],
        }
        print(json.dumps(result, indent=1))
        return
    print(report_text("This disk, synchronous=FULL", fast, slow=False))
    if slow:
        title = f"The same with {options.sync_ms:g} ms added to every commit"
        print(report_text(title, slow, slow=True))


if __name__ == "__main__":
    main()
