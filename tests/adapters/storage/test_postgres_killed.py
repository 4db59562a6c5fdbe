"""A server that ends or is killed while several write, one and several events at a time.

What was acknowledged is there once. What was not, is there whole or not at all. Whoever follows the
log meanwhile has seen just what is in it afterwards.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.postgres import connections
from fillwright.domain.errors import StoreError
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.test_postgres import own_server, raw, record
from tests.paper.servers import eventually
from tests.postgres import PostgresServer, fresh_store

__all__ = ["own_server"]

WRITERS = 6
EVENTS_MAX = 5
BETWEEN_KILLS = 20
"""So many appends are acknowledged before the next kill, and after the last one."""
LONG_SECONDS = 90.0
COUNTER = "trades:main:2026-01-02"
WRITER_PIDS = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{connections.WRITER}'"


def end_in_order(server: PostgresServer, url: str) -> None:
    """Transactions are rolled back, and connections closed."""
    server.stop(signal.SIGINT)
    server.start()


def end_at_once(server: PostgresServer, url: str) -> None:
    """Each process leaves without tidying up."""
    server.stop(signal.SIGQUIT)
    server.start()


def kill_a_backend(server: PostgresServer, url: str) -> None:
    """The server notices, throws everybody out and recovers by itself."""
    (pid, *_) = [pid for (pid,) in raw(url, WRITER_PIDS)]
    os.kill(pid, signal.SIGKILL)


def kill_the_first(server: PostgresServer, url: str) -> None:
    """Backends in mid-transaction are left, and end when they notice."""
    server.kill(whole=False)
    server.start()


def kill_all(server: PostgresServer, url: str) -> None:
    server.kill(whole=True)
    server.start()


ROUNDS = 5 if os.environ.get("FILLWRIGHT_THOROUGH") == "1" else 1
KILLS = (end_in_order, end_at_once, kill_a_backend, kill_the_first, kill_all) * ROUNDS
KILLS_NOT_AWAITED = (kill_all, kill_a_backend)[: 2 * ROUNDS - 1] * ROUNDS


class Sent(NamedTuple):
    """One append: how many events of one stream, whether it counts, and where it was placed."""

    id: UUID
    events: int
    counts: bool
    places: tuple[int, ...]
    """Empty while nobody has said that it is written."""


class Place:
    """A log by which several write; opened anew when it no longer knows what is written."""

    def __init__(self, url: str) -> None:
        self._url, self._lock = url, threading.Lock()
        self.log = Log.open(url, exclusive=False)

    def renew(self, old: Log) -> None:
        """Open it anew, unless another has."""
        with self._lock:
            if self.log is not old:
                return
            old.close()

            def opened() -> Log | None:
                with suppress(StoreError):
                    return Log.open(self._url, exclusive=False)
                return None

            self.log = eventually(opened, LONG_SECONDS)


@dataclass
class Story:
    """What was sent, acknowledged and seen while the server was killed."""

    url: str
    sent: list[Sent] = field(default_factory=list)
    records: list[tuple[int, bool]] = field(default_factory=list)
    seen: list[tuple[int, bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    written: threading.Event = field(default_factory=threading.Event)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def acknowledged(self) -> list[Sent]:
        return [one for one in list(self.sent) if one.places]

    def write(self, place: Place) -> None:
        """Append again and again, with a counter or not, each time to a stream of its own."""
        while not self.over.is_set():
            number, log = next(self.numbers), place.log
            sample, events, counts = Sample(number), 1 + number % EVENTS_MAX, number % 3 == 0
            counters = [CounterUpdate(COUNTER, 1, None)] if counts else []
            places: tuple[int, ...] = ()
            try:
                done = log.append(sample.happen(events), counters=counters)
                places = tuple(range(done.first_position, done.last_position + 1))
            except StoreError:
                place.renew(log)
            self.sent.append(Sent(sample.id, events, counts, places))

    def note(self) -> None:
        """The same with the second stream."""
        for number in count(1):
            if self.over.is_set():
                return
            is_acknowledged = False
            with suppress(StoreError), OpsLog.open(self.url) as ops:
                ops.append(record(number))
                is_acknowledged = True
            self.records.append((number, is_acknowledged))
            time.sleep(0.02)

    def follow(self) -> None:
        """Read by position, as every reader does."""
        with Log.open(self.url, writer=False) as log:

            def has_read() -> bool:
                try:
                    for row in log.raw_events(self.seen[-1][0] if self.seen else 0):
                        self.seen.append((row.position, row.hash))
                except StoreError:
                    return False
                return True

            while not self.written.is_set():
                has_read()
                time.sleep(0.002)
            eventually(has_read, LONG_SECONDS)

    def go_on(self, appends: int = BETWEEN_KILLS) -> None:
        """Return when so many more appends have been acknowledged."""
        enough = len(self.acknowledged()) + appends
        eventually(lambda: len(self.acknowledged()) >= enough, LONG_SECONDS)


@contextmanager
def at_work(story: Story) -> Iterator[None]:
    """Half of the writers share a log, which joins their appends; the others have their own."""
    shared = Place(story.url)
    places = [shared if number % 2 else Place(story.url) for number in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS + 2) as pool:
        writing: list[Future[None]] = [pool.submit(story.write, place) for place in places]
        writing.append(pool.submit(story.note))
        following = pool.submit(story.follow)
        try:
            yield
        finally:
            story.over.set()
            wait(writing, LONG_SECONDS)
            story.written.set()
        for one in (*writing, following):
            one.result(LONG_SECONDS)
    for place in places:
        place.log.close()


def check(story: Story) -> None:
    """Compare what was told with what the store holds."""
    with Log.open(story.url, writer=False) as log, OpsLog.of(log) as ops:
        rows = list(log.raw_events())
        assert log.verify().ok
        assert ops.verify().ok
        used, records = log.counters(), Counter(r.record.record_time for r in ops.records())
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    assert story.seen == [(row.position, row.hash) for row in rows]
    placed: dict[UUID, list[int]] = {}
    for row in rows:
        placed.setdefault(UUID(row.originator_id), []).append(row.position)
    counted = 0
    for one in story.sent:
        found = tuple(placed.pop(one.id, ()))
        whole = tuple(range(found[0], found[0] + one.events)) if found else ()
        assert found == (one.places or whole)
        counted += one.counts and bool(found)
    assert placed == {}, "events that nobody sent"
    assert used == {COUNTER: counted}
    for number, is_acknowledged in story.records:
        assert records.pop(number, 0) in ((1,) if is_acknowledged else (0, 1))
    assert not records


@pytest.mark.timeout(600)
def test_what_was_acknowledged_is_there_once_and_what_was_not_is_whole_or_absent(
    own_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At first the server is awaited and all is told; then it is not, and some stays unknown."""
    story = Story(fresh_store(own_server, tmp_path))
    with at_work(story):
        for seconds, kills in ((LONG_SECONDS, KILLS), (0.0, KILLS_NOT_AWAITED)):
            assert len(story.sent) == len(story.acknowledged())
            monkeypatch.setattr(connections, "RECONNECT_SECONDS", seconds)
            for kill in kills:
                story.go_on()
                kill(own_server, story.url)
            story.go_on()
    check(story)
    assert len(story.sent) > len(story.acknowledged())
    assert {one.events for one in story.acknowledged()} == set(range(1, EVENTS_MAX + 1))
