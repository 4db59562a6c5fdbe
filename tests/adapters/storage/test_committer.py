"""Between loops and a sender: moments that a real server shows once in some hundred runs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest

from fillwright.adapters.storage.committer import Committer
from fillwright.adapters.storage.group_commit import GROUP_JOBS_MAX, WriteJob
from fillwright.adapters.storage.recording import ChainedRecorder
from fillwright.adapters.storage.records import Appended

DONE = Appended(1, 0, b"")
SECONDS = 20.0


class Server:
    """A recorder and its sender: what is sent waits for :meth:`answer`, the rest is written."""

    def __init__(self) -> None:
        self.sender = self
        self.is_stuck = False
        self.under_way = 0
        self.sent_by: list[object] = []
        self.written: list[WriteJob] = []
        self.answered: list[WriteJob] = []
        self.sending: Callable[[], None] = lambda: None
        self.has_sent: Callable[[], None] = lambda: None
        self.asked: Callable[[], None] = lambda: None
        self.writing: Callable[[], object] = lambda: None
        self.calls: Callable[[], None] = lambda: None
        self._waiting: list[tuple[Sequence[WriteJob], Callable[[], None]]] = []
        self._ends = socket.socketpair()

    @property
    def on_boundary(self) -> None:
        """Asked for before each sending."""
        self.asked()

    def write_jobs(self, jobs: Sequence[WriteJob]) -> None:
        self.writing()
        for job in jobs:
            self.written.append(job)
            job.result = DONE

    def send(self, jobs: Sequence[WriteJob], told: Callable[[], None]) -> socket.socket:
        self.sending()
        self.sent_by.append(asyncio.get_running_loop())
        self._waiting.append((jobs, told))
        self.under_way += 1
        self.has_sent()
        return self._ends[0]

    def holds(self, jobs: Sequence[WriteJob]) -> bool:
        return any(one is jobs for one, _ in self._waiting)

    def receive(self) -> bool:
        return True

    def answer(self) -> None:
        """Tell the first; it counts as under way still, as it does for a moment."""
        jobs, told = self._waiting.pop(0)
        self.answered += jobs
        for job in jobs:
            job.result = DONE
        told()

    def finish_sent(self) -> None:
        while self._waiting:
            self.answer()
            self.under_way -= 1

    def close(self) -> None:
        for end in self._ends:
            end.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def committer(server: Server) -> Iterator[Committer]:
    made = Committer(cast(ChainedRecorder, server))
    yield made
    made.close()


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0)


async def _answered(server: Server) -> None:
    await _until(lambda: bool(server.sent_by))
    server.answer()


def test_nobody_waits_behind_those_that_were_told_already(
    server: Server, committer: Committer
) -> None:
    async def commits() -> None:
        first = committer.submit(WriteJob([]))
        await _answered(server)
        await first
        assert server.under_way == 1
        assert await asyncio.wait_for(committer.submit(WriteJob([])), SECONDS) == DONE

    asyncio.run(commits())
    assert committer.outstanding == 0


def test_what_waits_behind_is_sent_when_those_before_it_were_told(
    server: Server, committer: Committer
) -> None:
    async def commits() -> None:
        waiting = [committer.submit(WriteJob([]))]
        await _until(lambda: len(server.sent_by) == 1)
        waiting += [committer.submit(WriteJob([])) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert (len(server.sent_by), committer.outstanding) == (1, 3)
        for sent in (2, 3):
            server.under_way = 0
            server.answer()
            if sent == 2:
                await _until(lambda: len(server.sent_by) == 2)
        assert await asyncio.gather(*waiting) == [DONE] * 3

    asyncio.run(asyncio.wait_for(commits(), SECONDS))
    assert not server.written


def test_nothing_is_sent_ahead_of_what_the_thread_has_to_write(
    server: Server, committer: Committer
) -> None:
    first, second = WriteJob([]), WriteJob([])
    goes_on = threading.Event()
    server.writing = lambda: goes_on.wait(SECONDS)

    async def commits() -> None:
        server.under_way = 1  # another's
        one = committer.submit(first)
        await asyncio.sleep(0.01)
        server.under_way = 0
        other = committer.submit(second)
        await asyncio.sleep(0.01)
        goes_on.set()
        await asyncio.wait_for(asyncio.gather(one, other), SECONDS)

    asyncio.run(commits())
    assert not server.sent_by
    assert [id(job) for job in server.written] == [id(first), id(second)]


def test_the_thread_sees_to_what_somebody_was_interrupted_at(
    server: Server, committer: Committer
) -> None:
    async def commits() -> None:
        one = committer.submit(WriteJob([]))
        await _until(lambda: len(server.sent_by) == 1)
        server.calls()
        assert await one == DONE

    asyncio.run(asyncio.wait_for(commits(), SECONDS))
    assert not server.written


def test_one_loop_at_a_time_sends(server: Server, committer: Committer) -> None:
    told: list[Appended] = []

    async def another() -> None:
        told.append(await asyncio.wait_for(committer.submit(WriteJob([])), SECONDS))

    async def commits() -> asyncio.AbstractEventLoop:
        one = committer.submit(WriteJob([]))
        await _answered(server)
        await asyncio.wait_for(one, SECONDS)
        server.under_way = 0
        await asyncio.to_thread(asyncio.run, another())
        return asyncio.get_running_loop()

    assert server.sent_by == [asyncio.run(commits())]
    assert told == [DONE]
    assert len(server.written) == 1
    assert committer.outstanding == 0


def test_the_next_loop_sends_when_the_one_before_is_closed(
    server: Server, committer: Committer
) -> None:
    async def commits() -> None:
        server.under_way = 0
        before = len(server.sent_by)
        one = committer.submit(WriteJob([]))
        while len(server.sent_by) == before:
            await asyncio.sleep(0)
        server.answer()
        await one

    for _ in range(2):
        asyncio.run(commits())
    assert len(set(server.sent_by)) == 2
    assert not server.written


def test_more_than_one_transaction_takes_is_not_sent_in_one(
    server: Server, committer: Committer
) -> None:
    async def commits() -> None:
        jobs = [WriteJob([]) for _ in range(GROUP_JOBS_MAX + 1)]
        await asyncio.wait_for(asyncio.gather(*map(committer.submit, jobs)), SECONDS)

    asyncio.run(commits())
    assert not server.sent_by
    assert len(server.written) == GROUP_JOBS_MAX + 1


def test_what_was_about_to_be_sent_when_another_thread_closed_is_written_once(
    server: Server, committer: Committer
) -> None:
    wrong: list[dict[str, Any]] = []

    def closes() -> None:
        server.asked = lambda: None
        thread = threading.Thread(target=committer.close)
        thread.start()
        thread.join(SECONDS)

    async def commits() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: wrong.append(what))
        server.asked = closes
        assert await asyncio.wait_for(committer.submit(WriteJob([])), SECONDS) == DONE

    asyncio.run(commits())
    assert not wrong
    assert not server.sent_by
    assert len(server.written) == 1
    assert committer.outstanding == 0


@pytest.mark.parametrize("was_sent", [False, True])
def test_what_an_interrupt_leaves_is_sent_or_written_once(
    was_sent: bool, server: Server, committer: Committer
) -> None:
    jobs = [WriteJob([]) for _ in range(3)]

    def interrupts() -> None:
        server.sending = server.has_sent = lambda: None
        raise KeyboardInterrupt

    async def commits() -> None:
        for job in jobs:
            committer.submit(job)
        await asyncio.sleep(SECONDS)

    if was_sent:
        server.has_sent = interrupts
    else:
        server.sending = interrupts
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(commits())
    committer.close()
    done = server.answered if was_sent else server.written
    assert list(map(id, done)) == list(map(id, jobs))
    assert len(server.answered) + len(server.written) == len(jobs)
    assert committer.outstanding == 0
