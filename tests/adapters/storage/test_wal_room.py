"""Zeros at the end of the write-ahead log are in nobody's way, whatever happens around them."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from fillwright.adapters.storage import wal_room
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.records import Appended
from tests.adapters.storage.helpers import Sample

ROOT = Path(__file__).resolve().parents[3]
TEXT = "x" * 900
PAGE = 4_096
FRAME = PAGE + 24
HEADER = 32

BESIDE = """
import sys
from fillwright.adapters.storage import wal_room
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.test_ops_log import verified

wal_room.STEP_MAX = 6_000
with Log.open(sys.argv[1], exclusive=False) as log, OpsLog.open(sys.argv[1]) as ops:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(60):
        log.append(Sample(1_000 + number).happen(1 + number % 3, "y" * 700))
        ops.append(verified(number))
    print("done", flush=True)
"""

FILLING = """
import resource, sys
from fillwright.adapters.storage import wal_room
from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import StoreError
from tests.adapters.storage.helpers import Sample

append_zeros = wal_room.append_zeros
def noted(descriptor, count):
    try:
        written = append_zeros(descriptor, count)
    except OSError as error:
        print("refused", error.errno, flush=True)
        raise
    if written < count:
        print("short", flush=True)
    return written
wal_room.append_zeros = noted
one = Sample(1)
with Log.open(sys.argv[1]) as log:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        while True:
            print("ack", log.append(one.happen(cause="x" * 900)).last_position, flush=True)
    except StoreError:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is made often, and ends within a frame."""
    monkeypatch.setattr(wal_room, "STEP_MAX", 10_000)


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def check(path: Path, acknowledged: Appended) -> None:
    """Everything is there, and the store goes on."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with Log.open(path) as log:
        assert log.head() == (acknowledged.last_position, acknowledged.head_hash)
        assert log.verify().ok
        log.append(Sample(9_999).happen())
        assert log.verify().ok


def copy_apart(path: Path, copy: Path) -> None:
    """Copy a store by another process: to close a file gives up this one's locks on it."""
    for one, other in ((path, copy), (wal_of(path), wal_of(copy))):
        subprocess.run(["cp", str(one), str(other)], check=True)


def frames(data: bytes) -> int:
    """How many frames of a write-ahead log have the salt of its header."""
    salt, count = data[16:24], 0
    while data[HEADER + count * FRAME + 8 : HEADER + count * FRAME + 16] == salt:
        count += 1
    return count


def test_two_processes_that_both_make_room_lose_nothing(path: Path) -> None:
    ours, acknowledged, copy = Sample(1), 0, path.with_name("copy.db")
    with Log.open(path) as log:
        command = [sys.executable, "-c", BESIDE, str(path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": ROOT, "text": True}
        with subprocess.Popen(command, **pipes) as other:  # type: ignore[call-overload]
            assert other.stdout.readline() == "ready\n"
            other.stdin.write("go\n")
            other.stdin.flush()
            while other.poll() is None or acknowledged < 60:
                log.append(ours.happen(cause=TEXT))
                acknowledged += 1
                if acknowledged == 25:
                    copy_apart(path, copy)
            assert other.stdout.read() == "done\n"
        assert other.returncode == 0
        assert log.verify().ok
        versions: dict[object, int] = {}
        for recorded in log.events():
            versions[recorded.event.originator_id] = recorded.event.originator_version
        assert versions.pop(ours.id) == acknowledged
        assert list(versions.values()) == [1 + number % 3 for number in range(60)]
    with OpsLog.open(path, writer=False) as ops:
        assert ops.verify().ok
        assert len(list(ops.records())) == 60
    with Log.open(copy) as log:  # as a kill in the midst would have left it
        assert log.head().position >= 25
        assert log.verify().ok


@pytest.mark.parametrize("kind", ["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
def test_checkpoints_in_between_take_nothing_away(kind: str, path: Path) -> None:
    one, lengths = Sample(1), []
    with Log.open(path) as log, closing(sqlite3.connect(path)) as other:
        for number in range(60):
            placed = log.append(one.happen(cause=TEXT))
            if number % 7 == 6:
                busy, *_ = other.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()
                assert not busy
                lengths.append(wal_of(path).stat().st_size)
        assert log.head().position == 60
        assert (set(lengths) == {0}) is (kind == "TRUNCATE")
        left = path.read_bytes(), wal_of(path).read_bytes()
    check(path, placed)
    copy = path.with_name("copy.db")
    copy.write_bytes(left[0])
    wal_of(copy).write_bytes(left[1])
    check(copy, placed)


def test_whatever_a_power_cut_leaves_of_the_zeros_is_no_commit(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off anywhere, or with what the disk held there before: other files, or older frames."""
    monkeypatch.setattr(wal_room, "STEP_MAX", 40_000)
    one = Sample(1)
    with Log.open(path) as log:
        for _ in range(8):
            placed = log.append(one.happen(cause=TEXT))
        store, wal = path.read_bytes(), wal_of(path).read_bytes()
    end = HEADER + frames(wal) * FRAME
    room = len(wal) - end
    assert room > FRAME
    assert not any(wal[end:])
    choose = random.Random(5)
    older = bytearray(wal[HEADER:] * 2)
    for start in range(0, len(older) - FRAME, FRAME):
        older[start + 8 : start + 16] = b"older..."
    tails = [wal[end : end + choose.randrange(room)] for _ in range(6)]
    tails += [choose.randbytes(room), bytes(512) + choose.randbytes(room - 512)]
    tails += [bytes(older[:room]), bytes(100) + bytes(older[: room - 100]), b""]
    for number, tail in enumerate(tails):
        copy = tmp_path / f"{number}.db"
        copy.write_bytes(store)
        wal_of(copy).write_bytes(wal[:end] + tail)
        check(copy, placed)


def test_a_log_of_nothing_but_zeros_is_an_empty_one(path: Path) -> None:
    with Log.open(path) as log:
        placed = log.append(Sample(1).happen())
    wal_of(path).write_bytes(bytes(30_000))
    check(path, placed)


@pytest.mark.parametrize("limit", [60_000, 90_000, 130_001])
def test_a_disk_that_is_full_while_zeros_are_written_keeps_what_was_acknowledged(
    limit: int, path: Path
) -> None:
    """A file may not get longer: some of the zeros fit, then none, and the room is used up."""
    done = subprocess.run(
        [sys.executable, "-c", FILLING, str(path), str(limit)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.split("\n")
    told = [line for line in lines if line and not line.startswith("ack")]
    assert told, "zeros were written at the limit"
    after = lines[lines.index(told[0]) :]
    assert any(line.startswith("ack") for line in after), "commits go on into what there is"
    last = max(int(line.split()[1]) for line in lines if line.startswith("ack"))
    with Log.open(path) as log:
        assert last <= log.head().position <= last + 1, "the last one is there whole or not at all"
        assert log.verify().ok
        log.append(Sample(2).happen())
        assert log.verify().ok
