"""Group commit by leader hand-over: whoever is writing writes for everybody who waits.

The first caller becomes the leader and writes at once, alone. Those who come while it waits for the
disk queue up; when it is done it hands the lead to the first of them, who writes all of them in one
transaction. A lone caller therefore pays one sync, and many share one.
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


@dataclass(slots=True, eq=False)
class _Batch:
    """Jobs of one caller, which waits at ``gate`` until they are written or it has to lead."""

    jobs: Sequence[WriteJob]
    gate: Lock = field(default_factory=Lock)
    leads: bool = False


class GroupCommit:
    """Brings concurrent callers' jobs together for ``write``.

    ``write`` is called by one thread at a time with jobs in the order of submission, and has to
    leave a result or an error on each; it must not raise.
    """

    def __init__(self, write: Callable[[Sequence[WriteJob]], None]) -> None:
        self._write = write
        self._mutex = Lock()
        self._waiting: deque[_Batch] = deque()
        self._led = False
        self._closed = False

    def run(self, jobs: Sequence[WriteJob]) -> None:
        """Return when all ``jobs`` have a result or an error.

        Raises:
            StoreError: the log is closed.
        """
        batch = _Batch(jobs)
        with self._mutex:
            if self._closed:
                raise StoreError("the log is closed")
            leads = not self._led
            if leads:
                self._led = True
            else:
                batch.gate.acquire()
                self._waiting.append(batch)
        if leads:
            self._lead(batch)
        else:
            self._wait(batch)

    def close(self) -> None:
        """Refuse new jobs and wait until those accepted are written."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            if not self._led:
                return
            last = _Batch(())
            last.gate.acquire()
            self._waiting.append(last)
        self._wait(last)

    def _wait(self, batch: _Batch) -> None:
        """Return when the batch was written, by its leader or as the leader."""
        try:
            batch.gate.acquire()
        except BaseException:
            # An interrupt: what is still waiting is taken back, so that nobody makes an absent
            # thread the leader; what a leader already has will be written.
            with self._mutex:
                if batch in self._waiting:
                    self._waiting.remove(batch)
                    raise
            batch.gate.acquire()
            if batch.leads:
                self._lead(batch)
            raise
        if batch.leads:
            self._lead(batch)

    def _lead(self, own: _Batch) -> None:
        group = [own]
        jobs = list(own.jobs)
        with self._mutex:
            while self._waiting and len(jobs) < GROUP_JOBS_MAX:
                batch = self._waiting.popleft()
                group.append(batch)
                jobs.extend(batch.jobs)
        try:
            if jobs:
                self._write(jobs)
        finally:
            with self._mutex:
                successor = self._waiting.popleft() if self._waiting else None
                self._led = successor is not None
            if successor is not None:
                successor.leads = True
                successor.gate.release()
            for batch in group[1:]:
                batch.gate.release()
