"""An interrupt at the terminal may come at any step of an append; the log goes on all the same."""

import dis
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import psycopg
import pytest

from fillwright.adapters.storage import group_commit
from fillwright.adapters.storage.group_commit import GroupCommit, WriteJob
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.postgres.connections import patiently
from fillwright.adapters.storage.records import Appended
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.test_postgres import raw
from tests.paper.servers import eventually

LOOKING = {"RESUME", "CALL", "CALL_KW", "CALL_FUNCTION_EX", "JUMP_BACKWARD"}
"""The instructions after which Python looks whether there was a signal."""
STEPS_MAX = 500
WRITERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'fillwright writer'"


def _interrupt() -> None:
    raise KeyboardInterrupt


@contextmanager
def interrupted_at(
    step: int,
    files: Collection[str | None] = (group_commit.__file__,),
    by: Callable[[], None] = _interrupt,
) -> Iterator[Callable[[], bool]]:
    """Interrupts this thread where it looks for the so-manieth time in the code of ``files``.

    Gives whether it did.
    """
    before: dict[FrameType, str] = {}
    looks = 0

    def called(frame: FrameType, what: str, _: Any) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return stepped

    def stepped(frame: FrameType, what: str, _: Any) -> Any:
        nonlocal looks
        if what == "opcode":
            last = before.get(frame, "")
            before[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            if last in LOOKING:
                looks += 1
                if looks == step:
                    by()
        return stepped

    previous = sys.gettrace()
    sys.settrace(called)
    try:
        yield lambda: looks >= step
    finally:
        sys.settrace(previous)


class Disk:
    """Notes what is written, and may have another caller come during the first write."""

    def __init__(self, *, crowded: bool) -> None:
        self.written: list[WriteJob] = []
        self.group = GroupCommit(self.write)
        self.others: list[threading.Thread] = []
        self.other = WriteJob([])
        self._crowded = crowded

    def write(self, jobs: Sequence[WriteJob]) -> None:
        if self._crowded and not self.others:
            self.others.append(start(self.group, self.other))
            eventually(lambda: len(self.group._waiting) > 1, 30)
        self.written += jobs
        for job in jobs:
            job.result = Appended(1, 0, b"")


def start(group: GroupCommit, job: WriteJob) -> threading.Thread:
    thread = threading.Thread(target=group.run, args=([job],), daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("crowded", [False, True])
def test_wherever_an_interrupt_comes_nobody_waits_for_ever(crowded: bool) -> None:
    for step in range(1, STEPS_MAX):
        disk, first, second = Disk(crowded=crowded), WriteJob([]), WriteJob([])
        with interrupted_at(step) as came, suppress(KeyboardInterrupt):
            disk.group.run([first])
        later = start(disk.group, second)
        for thread in (later, *disk.others):
            thread.join(30)
            assert not thread.is_alive(), step
        disk.group.close()
        assert second.result is not None
        assert all(
            sum(one is job for one in disk.written) <= 1 for job in (first, second, disk.other)
        ), step
        assert (first.result is not None) == any(one is first for one in disk.written)
        assert (disk.other.result is not None) == bool(disk.others), step
        if not came():
            break
    assert 20 < step < STEPS_MAX - 1


def test_an_interrupt_takes_back_what_waits_and_nobody_else_notices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached, go = threading.Event(), threading.Event()
    written: list[WriteJob] = []

    def write(jobs: Sequence[WriteJob]) -> None:
        reached.set()
        assert go.wait(30)
        for job in jobs:
            written.append(job)
            job.result = Appended(1, 0, b"")

    class Interrupted:
        """A gate at which an interrupt arrives."""

        def acquire(self, timeout: float = -1) -> None:
            if timeout > 0:
                raise KeyboardInterrupt

        def locked(self) -> bool:
            return False

    group, first, second, third = GroupCommit(write), WriteJob([]), WriteJob([]), WriteJob([])
    leader = start(group, first)
    assert reached.wait(30)
    with monkeypatch.context() as patch:
        patch.setattr(group_commit, "Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            group.run([second])
    later = start(group, third)
    eventually(lambda: len(group._waiting) == 3, 30)
    go.set()
    for thread in (leader, later):
        thread.join(30)
        assert not thread.is_alive()
    assert [job is second for job in written] == [False, False]
    assert not group._waiting


def test_an_interrupt_whose_tidying_fails_at_the_server_stops_an_append_all_the_same(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client library's own error would look like a lost connection, and be tried again."""

    def interrupted(pipeline: psycopg.Pipeline) -> None:
        patch.undo()
        try:
            raise KeyboardInterrupt
        finally:
            raise psycopg.OperationalError("lost synchronization with server")

    counted = [CounterUpdate("trades:sim:2026-01-02", 1_000_000, None)]
    with Log.open(postgres_url) as log:
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Pipeline, "sync", interrupted)
            with pytest.raises(KeyboardInterrupt):
                log.append(Sample(1).happen(), counters=counted)
        log.append(Sample(2).happen(), counters=counted)
        assert [recorded.event.originator_id for recorded in log.events()] == [Sample(2).id]
        assert log.counters() == {counted[0].key: 1_000_000}


def test_an_interrupted_look_at_the_server_is_not_looked_at_again() -> None:
    def look() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise psycopg.OperationalError("lost synchronization with server")

    with pytest.raises(KeyboardInterrupt):
        patiently(look, "the store", 20)


def test_an_interrupt_that_is_over_does_not_keep_a_lost_connection_from_being_made_anew(
    postgres_url: str,
) -> None:
    """Whoever tidies up after Ctrl-C records something too."""
    with Log.open(postgres_url) as log:
        log.append(Sample(1).happen())
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            writer = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%s)"
            pids = raw(postgres_url, WRITERS)
            raw(postgres_url, writer, [pid for (pid,) in pids])
            log.append(Sample(2).happen())
        assert log.head().position == 2
