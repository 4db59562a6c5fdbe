"""Awaitable durability: a thread that commits what coroutines submit, in the order they did."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple

from ...domain.errors import StoreError
from .group_commit import WriteJob
from .recording import ChainedRecorder
from .records import Appended

Submission = tuple[WriteJob, "asyncio.Future[Appended]"]


class _Turn(NamedTuple):
    """What one turn of a loop has submitted."""

    loop: asyncio.AbstractEventLoop
    submissions: list[Submission]


class Committer:
    """One thread between event loops and the recorder.

    Everything that one turn of a loop submits goes over together, after the turn: the loop wakes
    the thread once, and jobs of tasks that run in the same turn share a transaction. Cutting long
    turns, to write beside gathering, was measured and is slower: the two threads then contend for
    the interpreter, and there are twice as many syncs.
    """

    def __init__(self, recorder: ChainedRecorder) -> None:
        self._recorder = recorder
        self._queue: SimpleQueue[_Turn | None] = SimpleQueue()
        self._turns: dict[asyncio.AbstractEventLoop, _Turn] = {}
        self._lock = Lock()
        self._handed_over = 0
        self._closed = False
        self._thread = Thread(target=self._run, name="fillwright-committer", daemon=True)
        self._thread.start()

    @property
    def outstanding(self) -> int:
        """Jobs that are submitted and not yet known to be written or refused."""
        with self._lock:
            turns = list(self._turns.values())
            return self._handed_over + sum(len(turn.submissions) for turn in turns)

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
            turn = _Turn(loop, [])
            with self._lock:
                self._turns[loop] = turn
            loop.call_soon(self._hand_over, loop)
        turn.submissions.append((job, future))
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
        with self._lock:
            turn = self._turns.pop(loop, None)
            if turn is None:
                return
            self._handed_over += len(turn.submissions)
        self._queue.put(turn)

    def _run(self) -> None:
        while True:
            turns = [self._queue.get()]
            while not self._queue.empty():
                turns.append(self._queue.get())
            given = [turn for turn in turns if turn is not None]
            if given:
                self._commit(given)
            if len(given) < len(turns):
                return

    def _commit(self, turns: Sequence[_Turn]) -> None:
        jobs = [job for turn in turns for job, _ in turn.submissions]
        try:
            self._recorder.write_jobs(jobs)
        except BaseException as error:
            for job in jobs:
                job.error = error
        for turn in turns:
            try:
                turn.loop.call_soon_threadsafe(self._resolve, turn)
            except RuntimeError:
                # The loop is closed: nobody waits for these any more. They are written.
                self._forget(turn)

    def _resolve(self, turn: _Turn) -> None:
        self._forget(turn)
        for job, future in turn.submissions:
            if future.done():
                continue
            if job.result is not None:
                future.set_result(job.result)
            else:
                future.set_exception(job.error or StoreError("the append was not carried out"))

    def _forget(self, turn: _Turn) -> None:
        with self._lock:
            self._handed_over -= len(turn.submissions)
