"""Awaitable durability: a thread that commits what coroutines submit, in the order they did."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple

from ...domain.errors import StoreError
from .group_commit import WriteJob
from .records import Appended
from .sqlite_recorder import LogRecorder


class _Submission(NamedTuple):
    job: WriteJob
    future: asyncio.Future[Appended]
    loop: asyncio.AbstractEventLoop


class Committer:
    """One thread between event loops and the recorder.

    Everything that one turn of a loop submits goes over together, after the turn: the loop wakes
    the thread once, and jobs of tasks that run in the same turn share a transaction.
    """

    def __init__(self, recorder: LogRecorder) -> None:
        self._recorder = recorder
        self._queue: SimpleQueue[list[_Submission] | None] = SimpleQueue()
        self._turns: dict[asyncio.AbstractEventLoop, list[_Submission]] = {}
        self._lock = Lock()
        self._outstanding = 0
        self._closed = False
        self._thread = Thread(target=self._run, name="fillwright-committer", daemon=True)
        self._thread.start()

    @property
    def outstanding(self) -> int:
        """Jobs that are submitted and not yet known to be written or refused."""
        return self._outstanding

    def submit(self, job: WriteJob) -> asyncio.Future[Appended]:
        """Queue a job from the running loop; the future is done after its commit.

        Cancelling the future, or the task that awaits it, does not take the job back.
        """
        if self._closed:
            raise StoreError("the log is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Appended] = loop.create_future()
        turn = self._turns.get(loop)
        if turn is None:
            turn = self._turns[loop] = []
            loop.call_soon(self._hand_over, loop)
        turn.append(_Submission(job, future, loop))
        with self._lock:
            self._outstanding += 1
        return future

    def close(self) -> None:
        """Write what was submitted and stop the thread."""
        if self._closed:
            return
        self._closed = True
        for loop in list(self._turns):
            self._hand_over(loop)
        self._queue.put(None)
        self._thread.join()

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = self._turns.pop(loop, None)
        if turn:
            self._queue.put(turn)

    def _run(self) -> None:
        while True:
            batches = [self._queue.get()]
            while True:
                try:
                    batches.append(self._queue.get_nowait())
                except Empty:
                    break
            submissions = [item for batch in batches if batch is not None for item in batch]
            if submissions:
                self._commit(submissions)
            if None in batches:
                return

    def _commit(self, submissions: Sequence[_Submission]) -> None:
        try:
            self._recorder.write_jobs([item.job for item in submissions])
        except BaseException as error:
            for item in submissions:
                item.job.error = error
        by_loop: dict[asyncio.AbstractEventLoop, list[_Submission]] = {}
        for item in submissions:
            by_loop.setdefault(item.loop, []).append(item)
        for loop, items in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._resolve, items)
            except RuntimeError:
                # The loop is closed: nobody waits for these any more. They are written.
                self._forget(len(items))

    def _resolve(self, submissions: Sequence[_Submission]) -> None:
        for job, future, _ in submissions:
            if future.done():
                continue
            if job.error is not None:
                future.set_exception(job.error)
            else:
                future.set_result(job.outcome())
        self._forget(len(submissions))

    def _forget(self, count: int) -> None:
        with self._lock:
            self._outstanding -= count
