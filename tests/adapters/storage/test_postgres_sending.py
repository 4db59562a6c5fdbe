"""Appends that are sent before those before them were answered: each is told, and there, once.

Tasks commit without pause, in two halves that take turns, while the way to the server is cut with
both under way, the server refuses one of them, another process writes between, or somebody waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fillwright.adapters.storage import halving
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.postgres import connections
from fillwright.domain.errors import StoreError
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.cut_wire import Cut, CutWire, cut_wire
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.sending_work import TASKS, WARM, Work, stored, under_way, until
from tests.adapters.storage.test_postgres import own_server
from tests.postgres import PostgresServer, fresh_store

__all__ = ["own_server"]

WAITED_SECONDS = 2.0


@pytest.fixture(autouse=True)
def always_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's speed."""
    monkeypatch.setattr(halving, "WAIT_MAX", inf)


@pytest.fixture
def wire(postgres_url: str) -> Iterator[tuple[CutWire, str]]:
    with cut_wire(postgres_url, urlsplit(postgres_url).port) as (wire, url):
        yield wire, url()


@pytest.mark.parametrize("events", [1, 3])
@pytest.mark.parametrize(
    "cut",
    [
        Cut(2),
        Cut(2, passed=1),
        Cut(2, passed=2),
        Cut(2, late=1),
        Cut(2, late=2),
        Cut(2, late=2, looks=2),
        Cut(2, passed=1, late=1),
        Cut(2, passed=1, late=1, looks=2),
        Cut(1),
        Cut(1, passed=1),
        Cut(1, late=1),
    ],
    ids=str,
)
def test_a_way_that_is_cut_loses_and_doubles_nothing(
    postgres_url: str, wire: tuple[CutWire, str], cut: Cut, events: int
) -> None:
    way, url = wire
    with Log.open(url, threaded=True) as log:
        work = Work(log, events=events)

        async def cuts() -> None:
            await until(lambda: len(work.told) >= WARM * TASKS * events)
            way.cut = cut
            await until(way.done.is_set)

        asyncio.run(work.all(cuts()))
        assert way.done.is_set()
        assert log.outstanding == 0
        assert under_way(log) == 0
    assert not work.refused
    assert len(work.told) == TASKS * work.rounds * events
    work.check(postgres_url)


@pytest.mark.parametrize("late", [0, 1])
def test_an_append_that_may_come_late_is_not_told_as_never_written(
    wire: tuple[CutWire, str], monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """It was looked for once, and there is no time to write it again."""
    way, url = wire
    with Log.open(url, exclusive=False) as log:
        for number in range(3):  # by then its statement is prepared
            log.append(Sample(number).happen())
        monkeypatch.setattr(connections, "RECONNECT_SECONDS", 0.0)
        way.cut = Cut(1, late=late)
        with pytest.raises(StoreError, match="Whether this append was written is unknown"):
            log.append(Sample(3).happen())
        monkeypatch.undo()
        assert log.append(Sample(4).happen()).last_position == 4 + late
        assert log.verify().ok


def test_two_are_under_way_at_once_and_the_loop_goes_on(postgres_url: str) -> None:
    seen: set[int] = set()
    with Log.open(postgres_url, threaded=True) as log:
        work = Work(log)

        async def looks() -> None:
            while len(work.told) < TASKS * work.rounds:
                seen.add(under_way(log))
                await asyncio.sleep(0)

        asyncio.run(work.all(looks()))
    assert max(seen) == halving.HALVES
    work.check(postgres_url)


def test_who_writes_between_moves_the_head_and_both_are_written_behind(postgres_url: str) -> None:
    with (
        Log.open(postgres_url, exclusive=False) as other,
        Log.open(postgres_url, threaded=True, exclusive=False) as log,
    ):
        work = Work(log)
        theirs = Sample(10_000)

        def write() -> None:
            done = other.append(theirs.happen())
            work.told[theirs.id, theirs.version] = done.first_position

        async def writes() -> None:
            await until(lambda: len(work.told) >= WARM * TASKS)
            for _ in range(20):
                await asyncio.to_thread(write)
                await asyncio.sleep(0.002)

        asyncio.run(work.all(writes()))
    assert len(work.told) == TASKS * work.rounds + 20
    work.check(postgres_url)


@pytest.mark.parametrize("topic", ["\0", "\ud800"])
def test_one_that_cannot_be_stored_fails_alone(postgres_url: str, topic: str) -> None:
    """A character 0 is the server's to refuse, as nothing before it does; half a one is ours."""
    wrong: list[object] = []
    with Log.open(postgres_url, threaded=True) as log:
        work = Work(log)
        encode = log._mapper.encode

        def spoil(event: object) -> object:
            made = encode(event)  # type: ignore[arg-type]
            return made._replace(topic=topic) if b'"spoilt"' in made.state else made

        log._mapper.encode = spoil  # type: ignore[assignment, method-assign]

        async def spoils() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, what: wrong.append(what))
            await until(lambda: len(work.told) >= WARM * TASKS)
            for number in range(5):
                await work.commit(Sample(20_000 + number), cause="spoilt")
                await asyncio.sleep(0.01)

        asyncio.run(work.all(spoils()))
    assert not wrong
    assert len(work.refused) == 5
    assert len(work.told) == TASKS * work.rounds
    work.check(postgres_url)


def test_conflicts_and_counters_are_refused_as_without(postgres_url: str) -> None:
    with Log.open(postgres_url, threaded=True) as log:
        work = Work(log)

        async def others() -> None:
            await until(lambda: len(work.told) >= WARM * TASKS)
            for _ in range(4):
                await work.commit(Sample(1, version=0))  # stored already
                with pytest.raises(StoreError, match="counter k"):
                    await log.commit(Sample(9_000).happen(), counters=[CounterUpdate("k", 2, 1)])
            sample = Sample(30_000)
            done = await log.commit(sample.happen(), counters=[CounterUpdate("k", 1, 1)])
            work.told[sample.id, 1] = done.first_position

        asyncio.run(work.all(others()))
        assert log.counters() == {"k": 1}
    assert len(work.refused) == 4
    work.check(postgres_url)


@pytest.mark.parametrize("on_the_loop", [True, False])
def test_who_waits_for_an_append_of_his_own_gets_his_turn(
    postgres_url: str, *, on_the_loop: bool
) -> None:
    with Log.open(postgres_url, threaded=True) as log:
        work, sample = Work(log), Sample(40_000)

        def append() -> None:
            for _ in range(10):
                done = log.append(sample.happen())
                work.told[sample.id, sample.version] = done.first_position

        async def appends() -> None:
            await until(lambda: len(work.told) >= WARM * TASKS and under_way(log) == 2)
            await (asyncio.sleep(0, append()) if on_the_loop else asyncio.to_thread(append))

        asyncio.run(work.all(appends()))
    assert sample.version == 10
    work.check(postgres_url)


def test_more_than_the_socket_takes_at_once_goes_out_all_the_same(postgres_url: str) -> None:
    with Log.open(postgres_url, threaded=True) as log:
        work = Work(log)

        async def long_ones() -> None:
            await until(lambda: len(work.told) >= WARM * TASKS)
            async with asyncio.TaskGroup() as tasks:
                for number in range(40):
                    tasks.create_task(work.commit(Sample(60_000 + number), "long" * 100_000))

        asyncio.run(work.all(long_ones()))
    assert len(work.told) == TASKS * work.rounds + 40
    work.check(postgres_url)


def test_a_server_that_is_gone_for_good_is_told_to_each(
    own_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "RECONNECT_SECONDS", WAITED_SECONDS)
    url = fresh_store(own_server, tmp_path)
    beats: list[float] = []
    with Log.open(url, threaded=True) as log:
        work = Work(log)

        async def kills() -> None:
            await until(lambda: len(work.told) >= WARM * TASKS)
            await asyncio.to_thread(own_server.kill, whole=True)

        async def beat() -> None:
            while len(work.refused) < TASKS:
                beats.append(time.monotonic())
                await asyncio.sleep(0.01)
            beats.append(time.monotonic())  # it may have stood still until all were told

        asyncio.run(work.all(kills(), beat()))
        assert log.outstanding == 0
    longest = max(b - a for a, b in pairwise(beats))
    assert longest < WAITED_SECONDS / 2, "the loop waited for the server"
    own_server.start()
    with Log.open(url, writer=False) as log:
        assert log.verify().ok
        assert work.told.items() <= stored(log).items()
