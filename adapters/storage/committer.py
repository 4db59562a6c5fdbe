"""Awaitable durability: what coroutines submit is committed beside the loop, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread

from ...domain.errors import StoreError
from .group_commit import GROUP_JOBS_MAX, WriteJob
from .halving import HALVES, Halving
from .recording import ChainedRecorder, Sender
from .records import Appended
from .watch import HasSocket, Watch

Submission = tuple[WriteJob, "asyncio.Future[Appended]"]


@dataclass(slots=True, eq=False)
class _Turn:
    """What one turn of a loop has submitted."""

    loop: asyncio.AbstractEventLoop
    submissions: list[Submission] = field(default_factory=list)


class Committer:
    """Between event loops and the recorder.

    Everything that one turn of a loop submits goes over together, after the turn, so that jobs of
    tasks that run in the same turn share a transaction. Where the recorder can send without waiting
    (:class:`Sender`), the loop sends and is woken by the answer, and a second transaction may be
    under way behind the first. Whatever else there is to do, and whatever went wrong with what was
    sent, is done by a thread: the loop never waits. For a file the thread does everything; cutting
    long turns, to write beside gathering, was measured there and is slower, as the two then contend
    for the interpreter, and there are twice as many syncs.
    """

    def __init__(self, recorder: ChainedRecorder) -> None:
        self._recorder = recorder
        self._sender: Sender | None = recorder.sender
        self._queue: SimpleQueue[_Turn | Sender | None] = SimpleQueue()
        self._turns: dict[asyncio.AbstractEventLoop, _Turn] = {}
        self._lock = Lock()
        self._queued = 0
        self._untold: list[_Turn] = []
        self._halving = Halving()
        self._share: int | None = None
        self._watch = Watch(self._answered)
        self._closed = False
        if self._sender is not None:
            self._sender.closed = self._watch.closed
            self._sender.calls = partial(self._queue.put, self._sender)
        self._thread = Thread(target=self._run, name="fillwright-committer", daemon=True)
        self._thread.start()

    @property
    def outstanding(self) -> int:
        """Jobs that are submitted and not yet known to be written or refused."""
        with self._lock:
            turns = (*self._turns.values(), *self._untold)
            return self._queued + sum(len(turn.submissions) for turn in turns)

    def submit(self, job: WriteJob) -> asyncio.Future[Appended]:
        """Queue a job from the running loop; the future is done after its commit.

        Cancelling the future, or the task that awaits it, does not take the job back.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Appended] = loop.create_future()
        with self._lock:
            if self._closed:
                raise StoreError("the log is closed")
            turn = self._turns.get(loop)
            if turn is None:
                turn = self._turns[loop] = _Turn(loop)
                loop.call_soon(self._hand_over, loop)
            turn.submissions.append((job, future))
        if self._share is not None and len(turn.submissions) >= self._share:
            self._hand_over(loop)
        return future

    def close(self) -> None:
        """Write what was submitted and stop the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for loop in list(self._turns):
                self._queue_turn(loop)
            # Nothing comes behind it: with the lock each turn is queued, under way, or refused.
            self._queue.put(None)
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
        if self._sender is None or self._queued:
            self._enqueue(loop)
        elif self._sender.under_way >= (1 if self._share is None else HALVES):
            # It goes when those before it are told, if this loop has any to tell.
            if all(one.loop is not loop for one in self._untold):
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
            self._queue.put(sender)
            raise

    def _started(self, sender: Sender, turn: _Turn, jobs: Sequence[WriteJob]) -> bool:
        with self._lock:
            if self._turns.get(turn.loop) is not turn:
                return True  # who closes has it
            connection = self._sent(sender, turn, jobs)
        if connection is None:
            return False
        self._halving.sent()
        if sender.is_stuck or not self._watch.start(turn.loop, connection):
            self._queue.put(sender)
        return True

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
            self._queue.put(sender)
            raise
        if not more and (sender.under_way or sender.is_stuck):
            self._queue.put(sender)
        return more

    def _resolve(self, turn: _Turn) -> None:
        for job, future in turn.submissions:
            if future.done():
                continue
            if job.result is not None:
                future.set_result(job.result)
            else:
                future.set_exception(job.error or StoreError("the append was not carried out"))
        if self._sender is not None and turn.loop in self._turns:
            # Behind the steps of those just told, so that what they submit goes with it.
            turn.loop.call_soon(self._hand_over, turn.loop)

    # -- with the lock -------------------------------------------------------------------------

    def _sent(self, sender: Sender, turn: _Turn, jobs: Sequence[WriteJob]) -> HasSocket | None:
        try:
            self._untold.append(turn)
            del self._turns[turn.loop]
            connection = sender.send(jobs, lambda: self._tell(turn))
            if connection is None:
                self._take_back(turn)
        except BaseException:
            if not sender.holds(jobs) and jobs[0].result is None and jobs[0].error is None:
                self._take_back(turn)
            raise
        return connection

    def _take_back(self, turn: _Turn) -> None:
        if turn in self._untold:
            self._turns[turn.loop] = turn
            self._untold.remove(turn)

    def _queue_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = self._turns.pop(loop, None)
        if turn is not None:
            self._queued += len(turn.submissions)
            self._queue.put(turn)

    # -- on any thread -------------------------------------------------------------------------

    def _enqueue(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._queue_turn(loop)

    def _tell(self, turn: _Turn) -> None:
        """Tell those whose turn was sent, as often as this is called for it."""
        with self._lock:
            if turn in self._untold:
                self._untold.remove(turn)
        self._wake(turn)

    def _wake(self, turn: _Turn) -> None:
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
            given = [self._queue.get()]
            while not self._queue.empty():
                given.append(self._queue.get())
            turns = [one for one in given if isinstance(one, _Turn)]
            if self._sender is not None and (None in given or self._sender in given):
                self._sender.finish_sent()
            if turns:
                self._commit(turns)
            if None in given:
                return

    def _commit(self, turns: Sequence[_Turn]) -> None:
        jobs = [job for turn in turns for job, _ in turn.submissions]
        try:
            self._recorder.write_jobs(jobs)
        except BaseException as error:
            for job in jobs:
                job.error = error
        for turn in turns:
            with self._lock:
                self._queued -= len(turn.submissions)
            self._wake(turn)
