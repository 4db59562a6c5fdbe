"""What ``bench.lifecycles`` measures: the plain library, raw SQLite, and our log."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
from fillwright.domain.instruction import Instruction
from fillwright.domain.ports import ExecutionReport, OrderType, ReportKind, TimeInForce
from fillwright.domain.strategies.contract import Place
from tools.event_examples import (
    DECISION,
    FILLED,
    INTENDED,
    PLANNED,
    PROVENANCE,
    head,
    report,
    reported,
    trade,
)

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

        def live(one: Lifecycle) -> None:
            first, *later = one.events
            aggregate = PlainAggregate(one.id, first.stored_topic(), payload(first))
            if per_event:
                self.app.save(aggregate)
            for later_event in later:
                aggregate.live(later_event.stored_topic(), payload(later_event))
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


def payload(one: e.DomainEvent) -> dict[str, Any]:
    """The fields of an event as the library's transcoder takes them."""
    return one.model_dump(mode="json", exclude={"originator_id", "originator_version"})


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


class OursWhole(Ours):
    """The same events made by the real aggregate's commands, which are part of the time."""

    async def _concurrently(self, work: Sequence[Lifecycle], in_flight: int) -> None:
        waiting: Iterator[Lifecycle] = iter(work)

        async def one_at_a_time() -> None:
            for one in waiting:
                await self._live(Instruction(one.id))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(in_flight):
                tasks.create_task(one_at_a_time())

    async def _live(self, instruction: Instruction) -> None:
        """Eight commands, each durable before the next; the last fill makes two events."""
        commit = self.log.commit
        instruction.receive(STAMP, **RECEIVED)
        await commit(instruction)
        instruction.accept(STAMP, **ACCEPTED)
        await commit(instruction)
        instruction.release(STAMP, Decimal("100.00"))
        await commit(instruction)
        order = instruction.intend(STAMP, PLACE, PROVENANCE).client_order_id
        await commit(instruction)
        for message in _messages(order):
            instruction.report(STAMP, message)
            await commit(instruction)


STAMP: Final = e.Stamp(DECISION.record_time, "engine/0.1.0", "bench", "bench")
RECEIVED: Final = {
    name: getattr(DECISION, name)
    for name in DECISION.model_fields
    if name not in e.DomainEvent.model_fields and name != "arrival_mid"
}
ACCEPTED: Final = {
    name: getattr(PLANNED, name)
    for name in PLANNED.model_fields
    if name not in e.DomainEvent.model_fields
}
PLACE: Final = Place(
    quantity=PLANNED.plan.quantity,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    limit_price=Decimal("100.00"),
)


def _messages(order: str) -> Iterator[ExecutionReport]:
    """Acknowledged, then filled in three parts."""
    quantity, done = PLACE.quantity, Decimal(0)
    acknowledged = report(ReportKind.NEW, leaves_qty=quantity)
    yield replace(acknowledged, client_order_id=order, order_qty=quantity)
    for number, part in enumerate((Decimal(300), Decimal(300), quantity - 600)):
        done += part
        yield replace(
            trade(ReportKind.TRADE, execution_id=f"{order}:{number}"),
            client_order_id=order,
            order_qty=quantity,
            last_qty=part,
            cum_qty=done,
            leaves_qty=quantity - done,
        )
