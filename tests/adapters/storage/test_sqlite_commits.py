"""How a commit gets into a SQLite file: by one statement, into a log that need not grow for it."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.adapters.storage import wal_room
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.records import Appended, Job
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[Log]:
    with Log.open(path) as opened:
        yield opened


def statements_of(log: Log) -> list[str]:
    """The list that statements of the writing connection go to from now on, each by its verb."""
    seen: list[str] = []
    with log.application.log_recorder._writing() as cursor:
        cursor.connection.set_trace_callback(lambda text: seen.append(text.split()[0]))
    return seen


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def test_an_append_after_another_is_one_statement(log: Log) -> None:
    one = Sample(1)
    log.append(one.happen())
    statements = statements_of(log)
    log.append(one.happen(), Sample(2).happen(2))
    assert statements == ["INSERT"]
    # What is not remembered is looked up, in a transaction.
    log.append(Sample(3).happen(), counters=[CounterUpdate("k", 1, None)])
    assert statements[1:3] == ["BEGIN", "SELECT"]
    assert statements[-1] == "COMMIT"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(1, 90), min_size=1, max_size=4), min_size=1, max_size=5))
def test_the_chain_is_the_same_however_events_are_brought_together(
    batches: list[list[int]],
) -> None:
    together, alone = [Sample(n) for n in range(4)], [Sample(n) for n in range(4)]
    with Log.open("memory:") as one, Log.open("memory:") as two:
        for batch in batches:
            jobs = [Job([together[n].happen(times)]) for n, times in enumerate(batch)]
            placed = one.append_jobs(jobs)
            assert all(isinstance(each, Appended) for each in placed)
            for n, times in enumerate(batch):
                for _ in range(times):
                    two.append(alone[n].happen())
        assert one.head() == two.head()
        assert one.verify().ok
        assert two.verify().ok


def test_writers_that_take_turns_follow_each_other(path: Path) -> None:
    with Log.open(path) as one, Log.open(path, exclusive=False) as two:
        ours, others = Sample(1), Sample(2)
        for turn in range(1, 13):
            log, aggregate = (one, ours) if turn % 3 else (two, others)
            # From 65 events on several statements are needed.
            log.append(aggregate.happen(70 if turn % 4 == 0 else 1))
        assert one.verify().ok
        assert one.head() == two.head()
        assert one.head().position == 9 + 3 * 70


def test_an_append_follows_the_head_that_is_there_and_not_the_one_remembered(
    log: Log, path: Path
) -> None:
    log.append(Sample(1).happen())
    log.append(Sample(2).happen())
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DELETE FROM stored_events WHERE position = 2")
    assert log.append(Sample(3).happen()).first_position == 2
    assert log.verify().ok
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE stored_events SET hash = zeroblob(32) WHERE position = 2")
    assert log.append(Sample(4).happen()).first_position == 3
    with closing(sqlite3.connect(path)) as other:
        hashes = dict(other.execute("SELECT position, hash FROM stored_events"))
    assert hashes[2] == bytes(32)
    assert log.verify().first_bad_position == 2


def test_a_commit_seldom_makes_the_write_ahead_log_longer(log: Log, path: Path) -> None:
    one = Sample(1)
    lengths = []
    for _ in range(150):
        log.append(one.happen(cause="x" * 900))
        lengths.append(wal_of(path).stat().st_size)
    longer = sum(after > before for before, after in pairwise(lengths))
    assert 0 < longer < 10
    assert lengths[-1] < wal_room.ROOM_MAX + wal_room.STEP_MAX


def test_a_write_ahead_log_is_made_no_longer_than_it_gets_anyhow(log: Log, path: Path) -> None:
    for number in range(40):
        log.append(Sample(number).happen(150, "x" * 900))
    longest = wal_of(path).stat().st_size
    log.append(Sample(99).happen())
    assert wal_of(path).stat().st_size == longest
    assert longest < 2 * wal_room.ROOM_MAX


def test_zeros_behind_the_last_commit_are_no_commits(log: Log, path: Path, tmp_path: Path) -> None:
    """As after a kill: the write-ahead log with its room, and no index file."""
    one = Sample(1)
    for _ in range(20):
        placed = log.append(one.happen(cause="x" * 900))
    left = wal_of(path).read_bytes()
    assert left.endswith(bytes(8_192))
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / path.name
    copy.write_bytes(path.read_bytes())
    wal_of(copy).write_bytes(left)
    with Log.open(copy) as again:
        assert (again.head().position, again.head().hash) == (20, placed.head_hash)
        assert again.verify().ok
        assert again.append(one.happen()).first_position == 21


def test_a_disk_without_room_for_zeros_still_takes_what_fits(
    log: Log, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, count: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(wal_room, "append_zeros", full)
    one = Sample(1)
    for _ in range(5):
        log.append(one.happen(cause="x" * 900))
    assert log.head().position == 5
    assert wal_of(path).stat().st_size < 100_000


def test_closing_leaves_neither_a_write_ahead_log_nor_a_descriptor(path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    with Log.open(path) as log:
        log.append(Sample(1).happen())
    assert open_files() == before
    assert not wal_of(path).exists()
