"""Awaitable durability: what coroutines submit is committed beside the loop, in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from queue import SimpleQueue
from threading import Thread

from ...domain.errors import StoreError
from .group_commit import GROUP_JOBS_MAX, WriteJob
from .halving import HALVES, Halving
from .recording import ChainedRecorder, Sender
from .records import Appended
from .watch import Watch

Submission = tuple[WriteJob, "asyncio.Future[Appended]"]


class _Call(Enum):
    """What the thread is called for."""

    WRITE = auto()
    SETTLE = auto()
    END = auto()


@dataclass(slots=True, eq=False)
class _Turn:
    """What one turn of a loop has submitted; ``is_sent``: the loop sends it, or has."""

    loop: asyncio.AbstractEventLoop
    submissions: list[Submission]
    is_sent: bool = False


class Committer:
    """Between event loops and the recorder.

    Everything that one turn of a loop submits goes over together, after the turn, so that jobs of
    tasks that run in the same turn share a transaction. Where the recorder can send without waiting
    (:class:`Sender`), the loop sends and is woken by the answer, and a second transaction may be
    under way behind the first. Whatever else there is to do, and whatever went wrong with what was
    sent, is done by a thread: the loop never waits. For a file the thread does everything; cutting
    long turns, to write beside gathering, was measured there and is slower, as the two then contend
    for the interpreter, and there are twice as many syncs.

    There is no lock: whoever held one could be interrupted by a collection or a signal whose code
    closes the log. A turn goes from one place to the next in single steps of the interpreter.
    """

    def __init__(self, recorder: ChainedRecorder) -> None:
        self._recorder = recorder
        self._sender: Sender | None = recorder.sender
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._turns: dict[asyncio.AbstractEventLoop, _Turn] = {}
        """Those to which their loops still add."""
        self._given: deque[_Turn] = deque()
        """Those that the thread has to write."""
        self._open: set[_Turn] = set()
        """Those of which it is not known what became of them, wherever they are."""
        self._halving = Halving()
        self._share: int | None = None
        self._watch = Watch(self._answered)
        self._closed = self._ended = False
        if self._sender is not None:
            self._sender.closed = self._watch.closed
            self._sender.calls = partial(self._calls.put, _Call.SETTLE)
        self._thread = Thread(target=self._run, name="fillwright-committer", daemon=True)
        self._thread.start()

    @property
    def outstanding(self) -> int:
        """Jobs that are submitted and not yet known to be written or refused."""
        return sum(len(turn.submissions) for turn in tuple(self._open) if self._is_on_its_way(turn))

    def _is_on_its_way(self, turn: _Turn) -> bool:
        """Whether it was submitted whole: an interrupt may come before."""
        return turn.is_sent or turn in self._given or self._turns.get(turn.loop) is turn

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
            turn = _Turn(loop, [(job, future)])
            loop.call_soon(self._hand_over, loop)
            self._open.add(turn)
            self._turns[loop] = turn
        else:
            turn.submissions.append((job, future))
        share = self._share
        if share is not None and len(turn.submissions) >= share:
            self._hand_over(loop)
        return future

    def close(self) -> None:
        """Write what was submitted and stop the thread; what comes meanwhile is written or refused.

        What is sent meanwhile is settled with the recorder's own close.
        """
        if self._closed:
            return
        self._closed = True
        for loop in list(self._turns):
            self._enqueue(loop)
        self._calls.put(_Call.END)
        self._thread.join()

    # -- on the loop's thread ------------------------------------------------------------------

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._hand_on(loop)
        except BaseException:
            # After an interrupt what comes later would wait behind it for ever.
            self._enqueue(loop)
            raise

    def _hand_on(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = self._turns.get(loop)
        if turn is None:
            return
        if self._sender is None or self._given or self._closed:
            self._enqueue(loop)
        elif self._sender.under_way >= (1 if self._share is None else HALVES):
            # It goes when those before it are told, if this loop has any to tell.
            if not any(one.is_sent and one.loop is loop for one in tuple(self._open)):
                self._enqueue(loop)
        elif not self._send(self._sender, turn):
            self._enqueue(loop)

    def _send(self, sender: Sender, turn: _Turn) -> bool:
        """Whether the turn is under way; what is not has to be queued."""
        jobs = [job for job, _ in turn.submissions]
        hooked = self._recorder.on_boundary is not None
        if hooked or len(jobs) > GROUP_JOBS_MAX or not self._watch.claim(turn.loop):
            return False
        try:
            return self._started(sender, turn, jobs)
        except BaseException:
            if not sender.holds(jobs) and jobs[0].result is None and jobs[0].error is None:
                self._take_back(turn)
            self._calls.put(_Call.SETTLE)
            raise

    def _started(self, sender: Sender, turn: _Turn, jobs: Sequence[WriteJob]) -> bool:
        turn.is_sent = True
        if self._turns.pop(turn.loop, None) is None:
            return True  # who closes has it
        connection = sender.send(jobs, lambda: self._tell(turn))
        if connection is None:
            self._take_back(turn)
            return False
        self._halving.sent()
        if sender.is_stuck or not self._watch.start(turn.loop, connection):
            self._calls.put(_Call.SETTLE)
        return True

    def _take_back(self, turn: _Turn) -> None:
        if turn not in self._given:
            self._turns[turn.loop] = turn
            turn.is_sent = False

    def _answered(self) -> bool:
        """Take what the server has answered; whether there is more to watch for."""
        sender = self._sender
        if sender is None:
            return False
        more = False
        try:
            self._halving.answered()
            self._share = self._halving.share(self.outstanding)
            more = sender.receive()
        except BaseException:
            self._calls.put(_Call.SETTLE)
            raise
        if not more and (sender.under_way or sender.is_stuck):
            self._calls.put(_Call.SETTLE)
        return more

    def _resolve(self, turn: _Turn) -> None:
        for job, future in turn.submissions:
            if future.done():
                continue
            if job.result is not None:
                future.set_result(job.result)
            else:
                future.set_exception(job.error or _refusal())
        if self._sender is not None and turn.loop in self._turns:
            # Behind the steps of those just told, so that what they submit goes with it.
            turn.loop.call_soon(self._hand_over, turn.loop)

    # -- on any thread -------------------------------------------------------------------------

    def _enqueue(self, loop: asyncio.AbstractEventLoop) -> None:
        # One step: an interrupt in the midst of it would leave the turn nowhere, or in two places.
        with suppress(KeyError):
            any(map(self._given.append, map(self._turns.pop, (loop,))))
        if self._given:
            self._calls.put(_Call.WRITE)
            if self._ended:
                self._refuse()

    def _refuse(self) -> None:
        """Answer those that the thread was given when it no longer wrote."""
        while True:
            try:
                turn = self._given.popleft()
            except IndexError:
                return
            for job, _ in turn.submissions:
                job.error = _refusal()
            self._wake(turn)

    def _tell(self, turn: _Turn) -> None:
        """Tell those whose turn was sent, as often as this is called for it."""
        self._wake(turn)

    def _wake(self, turn: _Turn) -> None:
        self._open.discard(turn)
        if not turn.loop.is_closed():
            if turn.loop is asyncio._get_running_loop():
                self._resolve(turn)
                return
            with suppress(RuntimeError):
                turn.loop.call_soon_threadsafe(self._resolve, turn)
                return
        # Nobody waits for these any more. They are written; so is what was to go behind them.
        self._enqueue(turn.loop)

    # -- on the committing thread --------------------------------------------------------------

    def _run(self) -> None:
        while True:
            called = {self._calls.get()}
            while not self._calls.empty():
                called.add(self._calls.get())
            if self._sender is not None and called != {_Call.WRITE}:
                self._sender.finish_sent()
            if self._given:
                self._commit(tuple(self._given))
            if _Call.END in called:
                self._ended = True
                self._refuse()
                return

    def _commit(self, turns: Sequence[_Turn]) -> None:
        jobs = [job for turn in turns for job, _ in turn.submissions]
        try:
            self._recorder.write_jobs(jobs)
        except BaseException as error:
            for job in jobs:
                job.error = error
        for turn in turns:
            self._given.popleft()
            self._wake(turn)


def _refusal() -> StoreError:
    return StoreError("the log is closed")
