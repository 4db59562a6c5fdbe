"""Loops that end, share a log or are interrupted, and logs that close, with appends under way."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from math import inf
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from fillwright.adapters.storage import committer, halving, watch
from fillwright.adapters.storage.location import postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.postgres import connections, sending, writing
from fillwright.adapters.storage.postgres.sending import PostgresSender
from fillwright.domain.errors import StoreError
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.sending_work import TASKS, WARM, Work, stored, under_way, until
from tests.adapters.storage.test_interrupts import interrupted_at
from tests.adapters.storage.test_postgres import raw
from tests.paper.servers import eventually


@pytest.fixture(autouse=True)
def always_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's speed."""
    monkeypatch.setattr(halving, "WAIT_MAX", inf)


def test_a_log_that_is_closed_with_two_under_way_has_written_them(postgres_url: str) -> None:
    log = Log.open(postgres_url, threaded=True)
    work = Work(log, rounds=1_000)

    async def closes() -> None:
        tasks = [asyncio.create_task(work.one(number)) for number in range(1, TASKS + 1)]
        await until(lambda: len(work.told) >= WARM * TASKS and under_way(log) == 2)
        log.close()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(one is None or isinstance(one, StoreError) for one in done)

    asyncio.run(closes())
    assert under_way(log) == 0
    assert all("the log is closed" in str(one) for one in work.refused)
    work.check(postgres_url)


def test_what_nobody_awaits_any_more_is_written(postgres_url: str) -> None:
    """The loop ends with two under way: they are as good as any that were submitted."""
    with Log.open(postgres_url, threaded=True) as log:
        work = Work(log, rounds=1_000)

        async def stops() -> None:
            tasks = [asyncio.create_task(work.one(number)) for number in range(1, TASKS + 1)]
            await until(lambda: len(work.told) >= WARM * TASKS and under_way(log) == 2)
            for task in tasks:
                task.cancel()

        asyncio.run(stops())
        submitted = len(work.told) + TASKS
        log.append(Sample(50_000).happen())
    with Log.open(postgres_url, writer=False) as log:
        assert log.verify().ok
        assert log.head().position == submitted + 1


@contextmanager
def held_up(url: str) -> Iterator[None]:
    """No append is carried out meanwhile."""
    address = postgres_address(url)
    with psycopg.connect(address.conninfo) as holding:
        holding.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(address.schema)))
        holding.execute("SELECT * FROM head FOR UPDATE")
        yield


@pytest.mark.parametrize("by_another_thread", [True, False])
def test_what_waits_behind_when_its_loop_ends_is_written_before_what_comes_later(
    postgres_url: str, *, by_another_thread: bool
) -> None:
    samples = [Sample(number) for number in (1, 2, 3)]
    with Log.open(postgres_url, threaded=True) as log:

        async def ends() -> None:
            for sample in samples:
                for _ in range(3):
                    await log.commit(sample.happen())
            stack.enter_context(held_up(postgres_url))
            tasks = [asyncio.create_task(_committed(log, samples[0]))]
            await until(lambda: under_way(log) == 1)
            tasks += [asyncio.create_task(_committed(log, one)) for one in samples[1:]]
            await asyncio.sleep(0.01)
            assert (log.outstanding, under_way(log)) == (3, 1)
            for task in tasks:
                task.cancel()

        with ExitStack() as stack:
            asyncio.run(ends())
        later = Sample(4)
        if by_another_thread:
            thread = threading.Thread(target=lambda: log.append(later.happen()))
            thread.start()
            thread.join(20)
        else:
            log.append(later.happen())
        eventually(lambda: log.outstanding == 0)
        assert log.append(samples[1].happen()).first_position == 3 * 3 + 3 + 1 + 1
        assert log.verify().ok


async def _committed(log: Log, sample: Sample) -> None:
    await log.commit(sample.happen())


def test_a_connection_that_ends_while_the_loop_is_busy_is_watched_no_longer(
    postgres_url: str,
) -> None:
    """The client library closes a lost socket by itself, and the next has the same number."""
    with Log.open(postgres_url, threaded=True) as log:
        work, other = Work(log), Sample(70_000)

        def on_another_thread() -> None:
            raw(
                postgres_url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE application_name = '{connections.WRITER}'",
            )
            for _ in range(4):
                done = log.append(other.happen())
                work.told[other.id, other.version] = done.first_position

        async def busy() -> None:
            sample = Sample(1)
            for _ in range(5):
                await work.commit(sample)
            thread = threading.Thread(target=on_another_thread)
            thread.start()
            thread.join()  # stands for anything that keeps the loop from its sockets
            for _ in range(5):
                await asyncio.wait_for(work.commit(sample), 10)

        asyncio.run(busy())
    assert len(work.told) == 14
    work.check(postgres_url)


def test_two_threads_that_tell_at_once_leave_nobody_out() -> None:
    told: list[str] = []
    within, goes_on = threading.Event(), threading.Event()

    def slowly() -> None:
        told.append("first")
        within.set()
        assert goes_on.wait(20)

    sender = PostgresSender.__new__(PostgresSender)
    sender._untold = deque([slowly, lambda: told.append("second")])
    one = threading.Thread(target=sender._tell)
    one.start()
    assert within.wait(20)
    other = threading.Thread(target=sender._tell)
    other.start()
    goes_on.set()
    for thread in (one, other):
        thread.join(20)
    assert set(told) == {"first", "second"}
    assert not sender._untold


SENDING = (sending.__file__, writing.__file__, committer.__file__, watch.__file__)
STRIDE = 1 if os.environ.get("FILLWRIGHT_THOROUGH") == "1" else 11


@pytest.mark.timeout(900)
def test_wherever_an_interrupt_comes_on_the_loop_nobody_waits_for_ever(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halving, "HALF_MIN", 2)
    numbers = count(1)
    with Log.open(postgres_url, threaded=True) as log:
        asyncio.run(_rounds(log, [Sample(next(numbers)) for _ in range(4)], 10, {}))
        for step in count(1, STRIDE):
            told: dict[tuple[UUID, int], int] = {}
            samples = [Sample(next(numbers)) for _ in range(4)]
            with interrupted_at(step, SENDING) as came, suppress(KeyboardInterrupt):
                asyncio.run(_rounds(log, samples, 3, told))
            last = Sample(next(numbers))
            thread = threading.Thread(target=lambda one=last: log.append(one.happen()))
            thread.start()
            thread.join(20)
            assert not thread.is_alive(), step
            assert told.items() <= stored(log).items(), step
            if not came():
                break
        assert log.verify().ok
    assert step > 100


async def _rounds(
    log: Log, samples: Sequence[Sample], rounds: int, told: dict[tuple[UUID, int], int]
) -> None:
    async def one(sample: Sample) -> None:
        for _ in range(rounds):
            version = sample.version + 1
            told[sample.id, version] = (await log.commit(sample.happen())).first_position

    await asyncio.gather(*(one(sample) for sample in samples))


class WatchesNothing(asyncio.SelectorEventLoop):
    """As loops of systems on which only some sockets can be watched."""

    def add_reader(self, fd: object, callback: object, *args: object) -> None:
        raise NotImplementedError


def test_a_loop_that_can_watch_no_socket_has_the_thread_wait(postgres_url: str) -> None:
    with Log.open(postgres_url, threaded=True) as log:
        work, wrong = Work(log), list[object]()
        with asyncio.Runner(loop_factory=WatchesNothing) as runner:
            runner.get_loop().set_exception_handler(lambda _, what: wrong.append(what))
            runner.run(work.all())
        assert not wrong
        assert log.outstanding == 0
    assert len(work.told) == TASKS * work.rounds
    work.check(postgres_url)


def test_two_loops_share_a_log(postgres_url: str) -> None:
    with Log.open(postgres_url, threaded=True) as log:
        works = [Work(log), Work(log)]

        def run(work: Work, first: int) -> None:
            async def some() -> None:
                async with asyncio.TaskGroup() as tasks:
                    for number in range(first, first + TASKS):
                        tasks.create_task(work.one(number))

            asyncio.run(some())

        threads = [
            threading.Thread(target=run, args=(work, 1 + 1_000 * index))
            for index, work in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert log.outstanding == 0
    works[0].told.update(works[1].told)
    assert len(works[0].told) == 2 * TASKS * works[0].rounds
    works[0].check(postgres_url)
