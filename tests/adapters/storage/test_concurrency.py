"""Many callers share commits; each gets its own outcome, and caps hold exactly."""

import asyncio
import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.records import Appended, Conflict, CounterExceeded
from fillwright.domain.errors import StoreError
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
from tests.paper.servers import eventually


@pytest.fixture(params=["file", "memory", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    where = {"file": f"sqlite:///{tmp_path / 'log.db'}", "memory": "memory:"}.get(request.param)
    return where or str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def log(url: str) -> Iterator[Log]:
    with Log.open(url, threaded=True) as opened:
        yield opened


class Held:
    """Stops the first commit until it is let go, so that others have to gather."""

    def __init__(self, log: Log) -> None:
        self.commits = 0
        self.reached = threading.Event()
        self.go = threading.Event()
        log.on_boundary = self._hook

    def _hook(self, label: str) -> None:
        if label == "store:before":
            self.commits += 1
            if self.commits == 1:
                self.reached.set()
                assert self.go.wait(30)


def wait_for_waiting(log: Log, count: int) -> None:
    """Wait until so many callers wait behind what is being written."""
    group = log.application.log_recorder._group

    def are_there() -> bool:
        with group._mutex:
            return sum(not batch.taken for batch in group._waiting) >= count

    eventually(are_there, 30)


def test_callers_who_wait_share_one_commit_and_fail_alone(log: Log) -> None:
    log.append(Sample(99).happen())
    held = Held(log)
    jobs = [Sample(number).happen(2) for number in range(1, 21)]
    jobs[7] = Sample(99).happen()
    with ThreadPoolExecutor(len(jobs) + 1) as pool:
        first = pool.submit(log.append, Sample(50).happen())
        assert held.reached.wait(30)
        rest = [pool.submit(log.append, job) for job in jobs]
        wait_for_waiting(log, len(jobs))
        held.go.set()
        assert first.result().last_position == 2
        for index, future in enumerate(rest):
            if index == 7:
                with pytest.raises(Conflict):
                    future.result()
            else:
                assert future.result().last_position <= log.head().position
    assert held.commits == 2
    assert log.head().position == 2 + 19 * 2
    assert log.verify().ok


def test_as_many_threads_pass_a_cap_as_it_allows(log: Log) -> None:
    def admit(number: int) -> bool:
        try:
            log.append(Sample(number).happen(), counters=[CounterUpdate("hot", 3, 100)])
        except CounterExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        passed = list(pool.map(admit, range(1, 201)))
    assert sum(passed) == 33
    assert log.counters() == {"hot": 99}
    assert log.head().position == 33
    assert log.verify().ok


def admit_many(url: str, first: int, results: "multiprocessing.Queue[int]") -> None:
    passed = 0
    with Log.open(url, exclusive=False) as log:

        def admit(number: int) -> None:
            nonlocal passed
            try:
                log.append(Sample(number).happen(), counters=[CounterUpdate("hot", 1, 50)])
            except CounterExceeded:
                return
            with lock:
                passed += 1

        lock = threading.Lock()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(admit, range(first, first + 60)))
    results.put(passed)


@pytest.mark.parametrize("kind", ["file", "postgres"])
def test_as_many_processes_pass_a_cap_as_it_allows(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    if kind == "postgres":
        url = str(request.getfixturevalue("postgres_url"))
    Log.open(url).close()
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[int] = context.Queue()
    workers = [
        context.Process(target=admit_many, args=(url, 1 + 1_000 * number, results))
        for number in range(3)
    ]
    for worker in workers:
        worker.start()
    passed = sum(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert passed == 50
    with Log.open(url) as log:
        assert log.counters() == {"hot": 50}
        assert log.head().position == 50
        assert log.verify().ok


def test_processes_that_write_one_stream_conflict(tmp_path: Path) -> None:
    """What another process added since is found by the table's keys, not by what we remember."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with Log.open(url) as one, Log.open(url, exclusive=False) as two:
        one.append(Sample(1).happen())
        two.append(Sample(1, version=1).happen())
        with pytest.raises(Conflict, match="stored version 2"):
            one.append(Sample(1, version=1).happen(), counters=[CounterUpdate("k", 1, 1)])
        one.append(Sample(1, version=2).happen())
        with pytest.raises(Conflict):
            two.append(Sample(2).happen(), Sample(1, version=2).happen())
        assert one.counters() == {}
        assert one.verify().ok


def test_commits_are_written_in_the_order_they_were_awaited(log: Log) -> None:
    async def run() -> list[Appended]:
        tasks = [
            asyncio.create_task(log.commit(Sample(1, version=number).happen()))
            for number in range(50)
        ]
        await asyncio.sleep(0)
        tasks += [
            asyncio.create_task(log.commit(Sample(1, version=number).happen()))
            for number in range(50, 80)
        ]
        return await asyncio.gather(*tasks)

    appended = asyncio.run(run())
    assert [one.last_position for one in appended] == list(range(1, 81))
    assert log.outstanding == 0


def test_tasks_of_one_turn_share_a_commit(log: Log) -> None:
    held = Held(log)
    held.go.set()

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(1, 65):
                tasks.create_task(log.commit(Sample(number).happen()))

    asyncio.run(run())
    assert held.commits == 1
    assert log.head().position == 64


def test_other_tasks_run_while_a_commit_waits_for_the_disk(log: Log) -> None:
    held = Held(log)

    async def run() -> int:
        commit = asyncio.create_task(log.commit(Sample(1).happen()))
        await asyncio.to_thread(held.reached.wait, 30)
        assert not commit.done()
        assert log.outstanding == 1
        held.go.set()
        return (await commit).last_position

    assert asyncio.run(run()) == 1
    assert log.outstanding == 0


def test_refusals_reach_the_task_that_asked(log: Log) -> None:
    async def run() -> list[Appended | BaseException]:
        return await asyncio.gather(
            *(
                log.commit(Sample(number).happen(), counters=[CounterUpdate("k", 1, 2)])
                for number in range(1, 5)
            ),
            return_exceptions=True,
        )

    kinds = [type(outcome) for outcome in asyncio.run(run())]
    assert kinds == [Appended, Appended, CounterExceeded, CounterExceeded]


def test_cancelling_who_awaits_does_not_take_the_commit_back(log: Log) -> None:
    held = Held(log)

    async def run() -> None:
        commit = asyncio.create_task(log.commit(Sample(1).happen()))
        await asyncio.to_thread(held.reached.wait, 30)
        commit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await commit
        held.go.set()
        await log.commit(Sample(2).happen())

    asyncio.run(run())
    assert log.head().position == 2


def test_closing_writes_what_was_submitted(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = Log.open(path, threaded=True)

    async def run() -> None:
        commit = asyncio.create_task(log.commit(Sample(1).happen()))
        await asyncio.sleep(0)
        log.close()
        assert (await commit).last_position == 1
        with pytest.raises(StoreError, match="closed"):
            await log.commit(Sample(2).happen())

    asyncio.run(run())
    with Log.open(path) as again:
        assert again.head().position == 1


def test_a_loop_that_ends_leaves_the_log_usable(log: Log) -> None:
    held = Held(log)

    async def leave() -> None:
        task = asyncio.create_task(log.commit(Sample(1).happen()))
        await asyncio.to_thread(held.reached.wait, 30)
        task.cancel()

    asyncio.run(leave())
    held.go.set()

    async def go_on() -> Appended:
        return await log.commit(Sample(2).happen())

    assert asyncio.run(go_on()).last_position == 2


def test_without_a_thread_a_commit_is_done_at_once(url: str) -> None:
    with Log.open(url) as log:

        async def run() -> None:
            before = asyncio.current_task()
            ran: list[object] = []
            asyncio.get_running_loop().call_soon(ran.append, before)
            await log.commit(Sample(1).happen())
            assert ran == []

        asyncio.run(run())
        assert log.outstanding == 0
        assert log.head().position == 1


def test_a_group_takes_no_more_jobs_than_its_bound(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fillwright.adapters.storage.group_commit.GROUP_JOBS_MAX", 5)
    held = Held(log)
    with ThreadPoolExecutor(16) as pool:
        first = pool.submit(log.append, Sample(100).happen())
        assert held.reached.wait(30)
        rest = [pool.submit(log.append, Sample(number).happen()) for number in range(1, 13)]
        wait_for_waiting(log, 12)
        held.go.set()
        assert first.result() is not None
        assert sorted(future.result().last_position for future in rest) == list(range(2, 14))
    assert held.commits == 4
