"""When the power fails: what was acknowledged is there, what was not is there whole or not at all.

A subset of the points by default, all of them with several seeds under ``make soak``.
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from fillwright.adapters.mirror.checking import check
from fillwright.adapters.mirror.writing import update
from fillwright.adapters.storage.chain import GENESIS
from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import StoreDamaged, StoreError
from tests.adapters.integrity.evidence import Evidence
from tests.adapters.mirror.logs import BUSY, Batch, told
from tests.adapters.storage.helpers import Sample
from tests.power_loss.images import Disk, Entry, Image, images, put
from tests.power_loss.record import CANNOT

ROOT = Path(__file__).resolve().parents[2]
STORE = "log.db"
RECORD = [sys.executable, "-m", "tests.power_loss.record"]
Counters = dict[str, int]


@dataclass(frozen=True)
class Recording:
    """A run: its entries, the chain's hash by position, and the counters by position."""

    entries: list[Entry]
    hashes: dict[int, bytes]
    counters: dict[int, Counters]

    def acknowledged(self, point: int) -> int:
        """The last position that was acknowledged by entry ``point``."""
        return max((e[1] for e in self.entries[: point + 1] if e[0] == "ack"), default=0)

    def ends(self) -> set[int]:
        """Where an append ended."""
        return {0, *(entry[1] for entry in self.entries if entry[0] == "ack")}


def record(folder: Path, seed: int) -> Recording:
    """Run the store in a process of its own and read what it wrote."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.power_loss.record",
            folder / STORE,
            folder / "rec",
            str(seed),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == CANNOT:
        pytest.skip(f"power loss cannot be recorded: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    entries = pickle.loads((folder / "rec").read_bytes())
    with Log.open(folder / STORE, writer=False) as log:
        hashes = {0: GENESIS, **{raw.position: raw.hash for raw in log.raw_events()}}
    counters: dict[int, Counters] = {0: {}}
    last = 0
    for entry in entries:
        if entry[0] == "ack" and entry[3] is not None:
            last, counters[entry[1]] = entry[1], entry[3]
    for position in (entry[1] for entry in entries if entry[0] == "ack" and entry[3] is None):
        shared = {"shared": 3 * (position - last) // 2}  # each append has two events and counts 3
        counters[position] = {**counters[last], **shared}
    return Recording(entries, hashes, counters)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return record(tmp_path_factory.mktemp("recorded"), seed=1)


def check_image(image: Image, recording: Recording, point: int, folder: Path) -> int:
    """Open what the power cut left; gives the position that it has."""
    acknowledged = recording.acknowledged(point)
    if STORE not in image:
        assert not acknowledged, "the file is gone, and something in it was acknowledged"
        return 0
    folder.mkdir()
    put(image, folder)
    with Log.open(folder / STORE) as log:
        head = log.head()
        assert head.position >= acknowledged, "what was acknowledged is there"
        assert head.position in recording.ends(), "an append is there whole or not at all"
        assert head.hash == recording.hashes[head.position], "and it is what was written"
        assert log.counters() == recording.counters[head.position], "with its counters"
        assert log.verify().ok
        # And the store goes on as if nothing had happened.
        placed = log.append(Sample(9_999).happen())
        assert placed.first_position == head.position + 1
    shutil.rmtree(folder)
    return head.position


def points(recording: Recording, most: int, seed: int) -> list[int]:
    """Some points, spread at random, always with those just before and after each sync."""
    every = range(len(recording.entries))
    syncs = [number for number in every if recording.entries[number][0] == "sync"]
    around = [number + step for number in syncs for step in (-1, 0)]
    choose = random.Random(seed)
    chosen = set(choose.sample(around, min(most // 2, len(around))))
    chosen |= set(choose.sample(every, min(most // 2, len(every))))
    return sorted(chosen)


def test_whenever_the_power_fails_what_was_acknowledged_is_there(
    recording: Recording, tmp_path: Path
) -> None:
    reached, looked_at = set(), 0
    for point in points(recording, 120, seed=7):
        for image in images(recording.entries, point, seeds=(1, 2)):
            reached.add(check_image(image, recording, point, tmp_path / "image"))
            looked_at += 1
    assert looked_at > 120
    assert len(reached) > 20


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("seed", range(1, 9))
def test_at_every_point_whatever_the_disk_did(seed: int, tmp_path: Path) -> None:
    (tmp_path / "recorded").mkdir()
    recording = record(tmp_path / "recorded", seed)
    for point in range(len(recording.entries)):
        for image in images(recording.entries, point, seeds=range(8)):
            check_image(image, recording, point, tmp_path / "image")


def test_the_recording_has_what_is_to_be_lost(recording: Recording) -> None:
    named = [entry for entry in recording.entries if entry[0] in ("write", "sync")]
    kinds = {(what, name.rpartition("-")[2]) for what, name, *_ in named}
    assert {("write", "wal"), ("sync", "wal"), ("write", STORE), ("sync", STORE)} <= kinds
    syncs = [entry for entry in recording.entries if entry == ("sync", STORE)]
    assert len(syncs) > 5, "checkpoints are among what is interrupted"
    zeros = [e for e in recording.entries if e[0] == "write" and len(e[3]) > 24 and not any(e[3])]
    assert len(zeros) >= 2, "and so is the making of room in the write-ahead log"
    disk = Disk()
    differing = 0
    for entry in recording.entries:
        disk.take(entry)
        differing += disk.whole() != disk.least()
    assert differing > len(recording.entries) // 3


def test_losing_a_synced_write_would_be_noticed(recording: Recording, tmp_path: Path) -> None:
    """The check is not blind: a disk that forgets what it synced fails it."""
    last_ack = max(n for n, entry in enumerate(recording.entries) if entry[0] == "ack")
    forgetful = [
        entry
        for number, entry in enumerate(recording.entries)
        if not (number > last_ack - 60 and entry[0] == "write" and entry[1].endswith("-wal"))
    ]
    point = max(n for n, entry in enumerate(forgetful) if entry[0] == "ack")
    (image, *_) = images(forgetful, point, seeds=())
    with pytest.raises(AssertionError, match="acknowledged"):
        check_image(
            image, Recording(forgetful, recording.hashes, recording.counters), point, tmp_path / "x"
        )


def test_a_log_cut_off_below_a_sync_is_tampering_and_named(
    recording: Recording, tmp_path: Path
) -> None:
    """The write-ahead log is cut where no power cut can cut it; the checkpoint outside tells."""
    acks = [n for n, entry in enumerate(recording.entries) if entry[0] == "ack"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder, point in ((whole, acks[30]), (cut, acks[20])):
        folder.mkdir()
        (image, *_) = images(recording.entries, point, seeds=())
        put(image, folder)
    evidence = Evidence(whole / STORE, tmp_path / "anchor")
    evidence.checkpoint()
    assert evidence.verify().outcome == "anchored"
    with Log.open(cut / STORE, writer=False) as log:
        assert log.verify().ok, "a shorter log is a valid one, taken by itself"
    found = Evidence(cut / STORE, tmp_path / "anchor").verify()
    assert found.outcome == "failed"
    assert found.first_bad_position == recording.acknowledged(acks[20]) + 1
    assert "its end was cut off" in found.what


def test_a_log_cut_off_below_a_sync_is_found_against_its_mirror(tmp_path: Path) -> None:
    """What no power cut takes away somebody took away: the mirror keeps the head and names it."""
    records = told(BUSY)
    with Log.open(tmp_path / STORE) as log:
        log.append(Batch(records[:150]))
        early = {path.name: path.read_bytes() for path in tmp_path.glob(f"{STORE}*")}
        log.append(Batch(records[150:]))
        update(log, tmp_path / "mirror")
    (tmp_path / "cut").mkdir()
    put({name: data for name, data in early.items() if not name.endswith("-shm")}, tmp_path / "cut")
    with Log.open(tmp_path / "cut" / STORE) as log:
        assert log.verify().ok, "a shorter log is a valid one, taken by itself"
        assert log.head().position == 150
        with pytest.raises(StoreDamaged, match="has no event at position"):
            update(log, tmp_path / "mirror")
        found = check(tmp_path / "mirror", log)
    assert not found.ok
    assert "has no event at position 151" in found.what


def test_a_file_cut_off_anywhere_is_never_taken_for_whole(
    recording: Recording, tmp_path: Path
) -> None:
    (image, *_) = images(recording.entries, len(recording.entries) - 1, seeds=())
    whole = image[STORE]
    head = max(recording.hashes)
    choose = random.Random(3)
    for number in range(25):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / STORE).write_bytes(whole[: choose.randrange(0, len(whole), 512)])
        try:
            with Log.open(folder / STORE, writer=False) as log:
                assert not log.verify().ok or log.head().position < head
        except StoreError:
            pass
