"""When the power fails under PostgreSQL: the log is what was acknowledged, whole, and goes on.

A real server works for two engines with every write and sync of its processes on record. For
points of that recording the data folder is built that a power cut may leave (``folder_disk.py``
says what may be), a server recovers from it, and our own code looks at what it holds. A few points
by default, many with several seeds under ``make soak``.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fillwright.domain.errors import StoreError
from tests.postgres import ABSENT, PostgresServer, binaries
from tests.power_loss.folder_disk import Disk, Image
from tests.power_loss.journal import CannotRecord, Note
from tests.power_loss.server_recording import (
    Recording,
    check_image,
    copied,
    kept,
    make_base,
    make_recording,
)

POINTS = 6


@pytest.fixture(scope="module")
def programs() -> Path:
    found = binaries()
    if found is None:
        pytest.skip(ABSENT)
    return found


@pytest.fixture(scope="module")
def base(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "data"
    make_base(programs, folder)
    return folder


def recorded(programs: Path, base: Path, seed: int, **how: Any) -> Recording:
    """A recording, or a skip where none can be made."""
    try:
        return make_recording(programs, base, seed, **how)
    except CannotRecord as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def recording(programs: Path, base: Path) -> Recording:
    return recorded(programs, base, seed=1)


def images(disk: Disk, point: int, seeds: Sequence[int]) -> Iterator[Image]:
    """Different images of a power cut: what is there at least, and some by chance."""
    made = [disk.least(), *(disk.some(random.Random(f"{point}:{seed}")) for seed in seeds)]
    for number, image in enumerate(made):
        if image not in made[:number]:
            yield image


def disks(recording: Recording, points: Sequence[int]) -> Iterator[tuple[int, Disk]]:
    """The disk at each of the points, one after the other."""
    disk = recording.disk()
    for number, note in enumerate(recording.notes[: max(points) + 1]):
        disk.take(note)
        if number in points:
            yield number, disk


def points(recording: Recording, most: int, seed: int) -> list[int]:
    """Some points: anywhere, where something was acknowledged, and while the server tidied up."""
    choose = random.Random(seed)
    every = range(len(recording.notes))
    marks = [number for number in every if recording.notes[number].what == "!"]
    busy = [number for begin, end in acts(recording) for number in range(begin, end)]
    return sorted({choose.choice(kind) for kind in (every, marks, busy) for _ in range(most // 3)})


def acts(recording: Recording) -> list[tuple[int, int]]:
    """From where to where checkpoints, switches of the log and the vacuum went."""
    begins = [n for n, note in enumerate(recording.notes) if b'"begins"' in note.content[:20]]
    ends = [n for n, note in enumerate(recording.notes) if b'"ends"' in note.content[:20]]
    return list(zip(begins, ends, strict=True))


def test_whenever_the_power_fails_what_was_acknowledged_is_there(
    programs: Path, recording: Recording
) -> None:
    looked_at = 0
    for point, disk in disks(recording, points(recording, POINTS, seed=7)):
        for image in images(disk, point, seeds=(1,)):
            check_image(programs, recording, point, image)
            looked_at += 1
    assert looked_at > POINTS


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("seed", range(1, 5))
def test_at_many_points_whatever_the_disk_did(
    seed: int, programs: Path, base: Path, tmp_path: Path
) -> None:
    recording = recorded(programs, base, seed, keep=tmp_path / "server")
    for point, disk in disks(recording, points(recording, 120, seed)):
        for image in (*images(disk, point, seeds=range(3)), disk.torn("base")):
            with kept(tmp_path / "found", recording, point, image):
                check_image(programs, recording, point, image)


def test_what_a_check_failed_on_is_kept(
    programs: Path, recording: Recording, tmp_path: Path
) -> None:
    """No second run is like the one that failed."""
    lying = replace(recording, events=[])
    ((point, disk),) = disks(recording, [len(recording.notes) - 1])
    with (
        pytest.raises(AssertionError, match="byte for byte") as failed,
        kept(tmp_path / "found", lying, point, disk.least()),
    ):
        check_image(programs, lying, point, disk.least())
    said = "\n".join(failed.value.__notes__)
    assert "ready to accept connections" in said, "the server's log"
    assert str(tmp_path / "found") in said
    assert pickle.loads((tmp_path / "found").read_bytes()) == (lying, point, disk.least())


def test_the_files_of_a_server_under_which_something_failed_are_kept(
    programs: Path, base: Path, tmp_path: Path
) -> None:
    with closing(PostgresServer(programs, data=lambda data: copied(base, data))) as server:
        server.start()
        with pytest.raises(ValueError, match="x") as failed, server.explaining(tmp_path / "server"):
            raise ValueError("x")
    assert not server.folder.exists()
    assert (tmp_path / "server" / "data" / "PG_VERSION").exists()
    assert "ready to accept connections" in (tmp_path / "server" / "server.log").read_text()
    assert "ready to accept connections" in failed.value.__notes__[0]


def test_the_recording_has_what_is_to_be_lost(recording: Recording) -> None:
    synced = {note.content.decode().split("/")[0] for note in recording.notes if note.what == "s"}
    assert {"pg_wal", "base", "pg_xact"} <= synced
    renamed = [n.content.split(b"\0") for n in recording.notes if n.what == "r"]
    assert any(all(name.startswith(b"pg_wal/") for name in names) for names in renamed)
    differing, appended = 0, set()
    disk = recording.disk()
    for number, note in enumerate(recording.notes):
        disk.take(note)
        if note.what == "!":
            differing += disk.whole() != disk.least()
            appended.add(recording.acknowledged("ack", number))
    assert differing > 50, "there is something to be lost where something was acknowledged"
    assert len(appended) > 50
    inside = [number for begin, end in acts(recording) for number in range(begin, end)]
    marks = [n for n in inside if b'"ack"' in recording.notes[n].content[:16]]
    assert len(acts(recording)) == 5
    assert len(marks) > 5, "engines go on while the server tidies up"


def losses(recording: Recording, most: int, after: int = 40) -> Iterator[tuple[int, Image]]:
    """What is there at least at some of the points where we noted something."""
    may = [n for n, note in enumerate(recording.notes) if n >= after and note.what == "!"]
    for point, disk in disks(recording, random.Random(3).sample(may, most)):
        yield point, disk.least()


def torn_pages(recording: Recording, most: int) -> Iterator[tuple[int, Image]]:
    """Pages of which the first sector is on disk only: some of the moments before they are synced.

    By chance a page is seldom torn where the server does not write it again from its log.
    """
    syncs = [n for n, note in enumerate(recording.notes) if note.what == "s"]
    may = [n for n in syncs if recording.notes[n].content.startswith(b"base/")]
    for point, disk in disks(recording, random.Random(3).sample(may, most)):
        yield point, disk.torn("base")


def is_found(
    programs: Path, recording: Recording, cuts: Iterable[tuple[int, Image]], said: str = ""
) -> bool:
    """Whether the check fails at one of some points."""
    for point, image in cuts:
        try:
            check_image(programs, recording, point, image)
        except (AssertionError, StoreError, psycopg.Error) as error:
            if said in str(error):
                return True
    return False


def test_a_server_that_does_not_sync_would_be_noticed(programs: Path, base: Path) -> None:
    """The check is not blind: without syncs everything is lost."""
    recording = recorded(programs, base, seed=2, fsync=False)
    assert is_found(programs, recording, losses(recording, 1), said="acknowledged")


def test_a_disk_that_forgets_what_it_synced_would_be_noticed(
    programs: Path, recording: Recording
) -> None:
    half = len(recording.notes) // 2
    forgetful = replace(recording, notes=list(without_syncs(recording.notes, half)))
    assert is_found(programs, forgetful, losses(forgetful, 1, after=half + 200))


def without_syncs(notes: Sequence[Note], after: int) -> Iterator[Note]:
    """The notes without any sync of the write-ahead log that came late."""
    dropped = set()
    for number, note in enumerate(notes):
        if number > after and note.what == "s" and note.content.startswith(b"pg_wal/"):
            dropped.add(note.process)
        elif note.what == "." and note.process in dropped:
            dropped.remove(note.process)
        else:
            yield note


def test_a_commit_that_does_not_wait_would_be_noticed(programs: Path, base: Path) -> None:
    """Our connections ask for the sync; if they took the server's word, acknowledged were lost."""
    slow = {"wal_writer_delay": "10s", "bgwriter_delay": "10s"}
    recording = recorded(programs, base, seed=3, work=["careless"], **slow)
    assert is_found(programs, recording, least_synced(recording, 3), said="acknowledged")


def least_synced(recording: Recording, most: int) -> Iterator[tuple[int, Image]]:
    """Where the most was acknowledged since the write-ahead log was last synced.

    By chance a point has nothing to lose: checkpoints and the second stream sync it as well.
    """
    since, ends = 0, [(0, 0)]
    for number, note in enumerate(recording.notes):
        if note.what == "s" and note.content.startswith(b"pg_wal/"):
            since = 0
            ends.append((0, number))
        elif note.what == "!" and b'"ack"' in note.content[:16]:
            since += 1
            ends[-1] = (since, number)
    for point, disk in disks(recording, [number for _, number in sorted(ends)[-most:]]):
        yield point, disk.least()


def test_a_page_that_is_torn_is_written_anew(programs: Path, recording: Recording) -> None:
    for point, image in torn_pages(recording, 3):
        check_image(programs, recording, point, image)


def test_a_page_that_is_torn_would_be_noticed(programs: Path, base: Path) -> None:
    """Without full pages in the log a torn page stays torn."""
    recording = recorded(programs, base, seed=4, full_page_writes="off")
    assert is_found(programs, recording, torn_pages(recording, 16))
