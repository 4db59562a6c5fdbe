"""Group commit: whoever is writing writes for everybody who waits.

The first caller leads: it writes at once, alone. Those who come while it waits for the disk queue
up; when it is done it wakes the first of them, who writes all of them in one transaction. A lone
caller therefore pays one sync, and many share one.

An interrupt may come between any two steps, and whoever it hits is gone. So nothing depends on a
step that is still to be done: the lead is a lock held by a ``with``, a caller stays queued until
its outcome is known, the next leader tidies up what the last one left, and who waits looks now and
then whether there is a leader.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from ...domain.errors import StoreError
from ...domain.reservations import CounterUpdate
from .records import Appended, Encoded

GROUP_JOBS_MAX: Final = 1_024
"""The most jobs that one transaction takes, so that nobody waits long for others' writes."""

LOOK_SECONDS: Final = 0.1
"""How soon those who wait notice that whom they wait for was interrupted."""


@dataclass(slots=True)
class WriteJob:
    """Events and counters to be written together; afterwards a result or an error."""

    events: Sequence[Encoded]
    counters: Sequence[CounterUpdate] = ()
    result: Appended | None = None
    error: BaseException | None = None

    def outcome(self) -> Appended:
        """Where it was written; raises why it was not."""
        if self.error is not None:
            raise self.error
        if self.result is None:
            raise StoreError("the append was not carried out")
        return self.result


def _held() -> Lock:
    lock = Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Batch:
    """Jobs of one caller, which waits at ``gate`` until they are written or nobody leads.

    ``taken``: a leader has it, and it is written by that one or by nobody.
    """

    jobs: Sequence[WriteJob]
    gate: Lock = field(default_factory=_held)
    taken: bool = False
    done: bool = False


class GroupCommit:
    """Brings concurrent callers' jobs together for ``write``.

    ``write`` is called by one thread at a time with jobs in the order of submission, and has to
    leave a result or an error on each; it must not raise.
    """

    def __init__(self, write: Callable[[Sequence[WriteJob]], None]) -> None:
        self._write = write
        self._mutex = Lock()
        self._lead = Lock()
        self._waiting: deque[_Batch] = deque()
        self._closed = False

    def run(self, jobs: Sequence[WriteJob]) -> None:
        """Return when all ``jobs`` have a result or an error.

        Raises:
            StoreError: the log is closed.
        """
        batch = _Batch(jobs)
        try:
            with self._mutex:
                if self._closed:
                    raise StoreError("the log is closed")
                self._waiting.append(batch)
            self._see_through(batch)
        except BaseException:
            # An interrupt: what is still waiting is taken back; what a leader has will be written.
            with self._mutex:
                if not batch.taken:
                    batch.taken = batch.done = True
            self._see_through(batch)
            raise

    def close(self) -> None:
        """Refuse new jobs and wait until those accepted are written."""
        with self._mutex:
            self._closed = True
        while self._waiting:
            with self._lead:
                self._write_waiting()

    def _see_through(self, batch: _Batch) -> None:
        """Return when the batch was written, by another or here together with all that wait."""
        while not batch.done:
            if self._lead.locked():
                batch.gate.acquire(timeout=LOOK_SECONDS)
                continue
            with self._lead:
                if not batch.done:
                    self._write_waiting()
            self._wake_next()

    def _write_waiting(self) -> None:
        """Write the first of those that wait; by whoever leads."""
        self._tidy()
        jobs: list[WriteJob] = []
        with self._mutex:
            for batch in self._waiting:
                if len(jobs) >= GROUP_JOBS_MAX:
                    break
                if not batch.done:
                    batch.taken = True
                    jobs.extend(batch.jobs)
        try:
            if jobs:
                self._write(jobs)
        finally:
            self._tidy()

    def _tidy(self) -> None:
        """Let go of those that were given to be written, and of those taken back."""
        with self._mutex:
            while self._waiting and self._waiting[0].taken:
                batch = self._waiting[0]
                batch.done = True
                if batch.gate.locked():
                    batch.gate.release()
                self._waiting.popleft()

    def _wake_next(self) -> None:
        """Have the first of those that came meanwhile lead."""
        if not self._waiting:
            return
        with self._mutex:
            if self._waiting and self._waiting[0].gate.locked():
                self._waiting[0].gate.release()
