"""A reader that follows a log on PostgreSQL misses nothing, whatever its writers do."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from multiprocessing.queues import Queue
from typing import Any

import psycopg

from fillwright.adapters.storage.location import postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.test_postgres import raw
from tests.postgres import PostgresServer

spawn = multiprocessing.get_context("spawn")
WRITERS_PER_PROCESS = 4
APPENDS = 20
SLOW_COMMITS = (
    """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_sleep(random() * 0.008);
      RETURN null;
    END $$""",
    """
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON stored_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()""",
)
"""Between an event's insertion and its commit some time passes, another one each time."""


def write(url: str, first: int, appends: int | None, told: Queue[Any]) -> None:
    """Write from several connections at once, one and several events at a time."""

    def one_writer(number: int) -> list[int]:
        placed: list[int] = []
        with Log.open(url, exclusive=False) as log:
            for turn in count() if appends is None else range(appends):
                sample = Sample(number * 100_000 + turn)
                # With a counter the head is locked first; without one a single statement does all.
                counters = [CounterUpdate("k", 1, None)] if turn % 3 == 0 else []
                done = log.append(sample.happen(1 + turn % 2), counters=counters)
                placed += range(done.first_position, done.last_position + 1)
                if appends is None:
                    told.put(done.last_position)
        return placed

    with ThreadPoolExecutor(WRITERS_PER_PROCESS) as pool:
        writers = range(first, first + WRITERS_PER_PROCESS)
        told.put([position for part in pool.map(one_writer, writers) for position in part])


def tail(read: Callable[[int], list[int]], seen: list[int], over: threading.Event) -> None:
    """Follow by position, as every reader of the log does."""
    while True:
        was_over = over.is_set()
        seen += read(seen[-1] if seen else 0)
        if was_over:
            return
        time.sleep(0.001)


def test_no_reader_misses_an_event_of_twelve_writers_some_of_which_are_killed(
    postgres_url: str,
) -> None:
    for statement in SLOW_COMMITS:
        raw(postgres_url, statement)
    told: Queue[Any] = spawn.Queue()
    endless: Queue[Any] = spawn.Queue()
    writers = [
        spawn.Process(target=write, args=(postgres_url, first, APPENDS, told)) for first in (1, 11)
    ]
    doomed = spawn.Process(target=write, args=(postgres_url, 21, None, endless))
    over = threading.Event()
    pages, decoded, viewed = list[int](), list[int](), list[int]()
    address = postgres_address(postgres_url)
    with (
        Log.open(postgres_url, writer=False) as log,
        psycopg.connect(address.conninfo, autocommit=True) as sql,
        ThreadPoolExecutor(3) as pool,
    ):
        sql.execute(f"SET search_path TO {address.schema}".encode())
        view = b"SELECT position FROM events WHERE position > %s ORDER BY position"
        readers = [
            pool.submit(tail, lambda at: [r.position for r in log.raw_events(at)], pages, over),
            pool.submit(
                tail, lambda at: [r.position for r in log.events(at, batch=3)], decoded, over
            ),
            pool.submit(tail, lambda at: [p for (p,) in sql.execute(view, (at,))], viewed, over),
        ]
        try:
            for process in (*writers, doomed):
                process.start()
            kept = {endless.get(timeout=60) for _ in range(15)}
            doomed.kill()
            doomed.join(30)
            acknowledged = [position for _ in writers for position in told.get(timeout=120)]
            for writer in writers:
                writer.join(30)
                assert writer.exitcode == 0
        finally:
            over.set()
        for reader in readers:
            reader.result(60)
        head = log.head().position
        assert len(acknowledged) == 2 * WRITERS_PER_PROCESS * APPENDS * 3 // 2
        for seen in (pages, decoded, viewed):
            assert seen == list(range(1, head + 1))
        assert {*acknowledged, *kept} <= set(pages)
        assert log.verify().ok


def test_the_same_reader_would_miss_rows_whose_numbers_come_from_a_sequence(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Why no sequence is used: the control that shows what the test above would find."""
    raw(postgres_url, "CREATE TABLE numbered (position bigserial PRIMARY KEY)")
    address = postgres_address(postgres_url)
    insert = f"INSERT INTO {address.schema}.numbered DEFAULT VALUES".encode()
    select = "SELECT position FROM numbered WHERE position > %s ORDER BY position"
    seen: list[int] = []

    def read(at: int) -> list[int]:
        return [position for (position,) in raw(postgres_url, select, at)]

    over = threading.Event()
    over.set()
    with psycopg.connect(address.conninfo) as late, psycopg.connect(address.conninfo) as early:
        late.execute(insert)
        early.execute(insert)
        early.commit()
        tail(read, seen, over)
        late.commit()
        tail(read, seen, over)
    assert seen == [2], "the first row came behind the second and is never seen"
    assert read(0) == [1, 2]
