"""The recorder misses nothing, and what is built from a recording is what a disk may hold."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.power_loss import journal
from tests.power_loss.folder_disk import Disk
from tests.power_loss.images import SECTOR
from tests.power_loss.journal import CannotRecord, Note
from tests.power_loss.server_recording import ROOT

OLD, NEW = 11, 12
"""Two files by their numbers: one was there before, one is made."""


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_processes_of_a_program_do_is_recorded(seed: int, tmp_path: Path) -> None:
    library, notes, base, data = (tmp_path / name for name in ("lib.so", "notes", "base", "data"))
    try:
        journal.build(library)
    except CannotRecord as error:
        pytest.skip(str(error))
    notes.touch()
    base.mkdir()
    data.mkdir()
    subprocess.run(
        [sys.executable, "-m", "tests.power_loss.folder_work", data, str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **journal.environment(library, notes, data)},
        check=True,
    )
    disk = Disk(base, {})
    for note in journal.read(notes):
        disk.take(note)
    files = [path for path in data.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert disk.whole().files == {str(f.relative_to(data)): f.read_bytes() for f in files}


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """A disk with one file in a folder."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_bytes(b"lasting")
    return Disk(tmp_path, {OLD: "folder/old"})


def take(disk: Disk, what: str, file: int, number: int, content: bytes, result: int = 0) -> None:
    """A call and its end."""
    disk.take(Note(1, what, file, number, content))
    disk.take(Note(1, ".", 0, result or len(content), b""))


def written(disk: Disk, file: int, offset: int, data: bytes) -> None:
    take(disk, "w", file, offset, data)


def synced(disk: Disk, file: int) -> None:
    disk.take(Note(2, "s", file, 0, b""))
    disk.take(Note(2, ".", 0, 0, b""))


def some(disk: Disk, of: int = 300) -> Iterator[dict[str, bytes]]:
    """What may be there, many times."""
    for seed in range(of):
        yield disk.some(random.Random(seed)).files


def test_a_write_is_lost_until_its_file_is_synced(disk: Disk) -> None:
    written(disk, OLD, 0, b"changed")
    assert disk.least().files == {"folder/old": b"lasting"}
    assert disk.whole().files == {"folder/old": b"changed"}
    synced(disk, OLD)
    assert disk.least() == disk.whole()
    assert all(files == {"folder/old": b"changed"} for files in some(disk))


def test_a_sync_covers_what_was_done_before_it_began(disk: Disk) -> None:
    written(disk, OLD, 0, b"L")
    disk.take(Note(3, "w", OLD, 1, b"A"))  # under way when the sync begins
    disk.take(Note(2, "s", OLD, 0, b""))
    disk.take(Note(3, ".", 0, 1, b""))
    written(disk, OLD, 2, b"S")
    disk.take(Note(2, ".", 0, 0, b""))
    assert disk.least().files == {"folder/old": b"Lasting"}
    assert disk.whole().files == {"folder/old": b"LASting"}


def test_a_sync_that_fails_and_a_write_that_fails_leave_nothing_lasting(disk: Disk) -> None:
    take(disk, "w", OLD, 0, b"full disk", result=-1)
    take(disk, "w", OLD, 0, b"LOST rest", result=4)
    disk.take(Note(2, "s", OLD, 0, b""))
    disk.take(Note(2, ".", 0, -1, b""))
    assert disk.least().files == {"folder/old": b"lasting"}
    assert disk.whole().files == {"folder/old": b"LOSTing"}


def test_a_write_is_torn_between_its_sectors_and_nowhere_else(disk: Disk) -> None:
    before, after = b"a" * 4 * SECTOR, b"b" * 4 * SECTOR
    written(disk, OLD, 0, before)
    synced(disk, OLD)
    written(disk, OLD, 0, after)
    seen = set()
    for files in some(disk):
        data = files["folder/old"]
        sectors = [data[at : at + SECTOR] for at in range(0, len(data), SECTOR)]
        assert all(sector in (before[:SECTOR], after[:SECTOR]) for sector in sectors)
        seen.add(tuple(sectors))
    assert len(seen) == 2**4, "any of them may be the old one"


def test_torn_pages_have_their_first_sector_in_one_folder_only(disk: Disk) -> None:
    page = b"1" * SECTOR + b"2" * SECTOR
    take(disk, "o", NEW, 0, b"new")
    for file in (OLD, NEW):
        written(disk, file, 0, page)
    assert disk.torn("folder").files == {"folder/old": page[:SECTOR] + bytes(SECTOR), "new": page}


def test_writes_arrive_in_any_order_and_a_file_may_have_grown_by_zeros(disk: Disk) -> None:
    written(disk, OLD, 7, b"1" * SECTOR)
    written(disk, OLD, 7 + SECTOR, b"2" * SECTOR)
    found = {(b"1" in files["folder/old"], b"2" in files["folder/old"]) for files in some(disk)}
    assert found == {(False, False), (True, False), (False, True), (True, True)}
    assert any(files["folder/old"] == b"lasting" + bytes(2 * SECTOR) for files in some(disk))


@pytest.mark.parametrize("synced_by", ["file", "folder"])
def test_a_name_lasts_from_the_sync_of_its_file_or_folder_on(disk: Disk, synced_by: str) -> None:
    take(disk, "o", NEW, 0, b"folder/new", result=0)
    written(disk, NEW, 0, b"data")
    assert {"folder/new" in files for files in some(disk)} == {False, True}
    assert "folder/new" not in disk.least().files
    if synced_by == "file":
        synced(disk, NEW)
        assert disk.least().files["folder/new"] == b"data"
    else:
        disk.take(Note(2, "S", 0, 0, b"folder"))
        disk.take(Note(2, ".", 0, 0, b""))
        assert disk.least().files["folder/new"] == b"", "a name says nothing of what is in it"


def test_a_move_is_never_half_there(disk: Disk) -> None:
    take(disk, "o", NEW, 0, b"folder/new")
    written(disk, NEW, 0, b"newer")
    synced(disk, NEW)
    disk.take(Note(1, "r", NEW, 0, b"folder/new\0folder/old"))
    disk.take(Note(1, ".", 0, 0, b""))
    may_be = {"folder/old": b"lasting", "folder/new": b"newer"}, {"folder/old": b"newer"}
    found = list(some(disk))
    assert all(files in may_be for files in found)
    assert all(one in found for one in may_be)


def test_what_was_removed_may_come_back_until_the_folder_is_synced(disk: Disk) -> None:
    take(disk, "u", 0, 0, b"folder/old")
    assert disk.whole().files == {}
    assert disk.least().files == {"folder/old": b"lasting"}
    disk.take(Note(2, "S", 0, 0, b"folder"))
    disk.take(Note(2, ".", 0, 0, b""))
    assert disk.least().files == {}


def test_a_file_made_under_a_name_that_was_removed_is_not_removed_by_that(disk: Disk) -> None:
    take(disk, "u", 0, 0, b"folder/old")
    take(disk, "o", NEW, 0, b"folder/old")
    written(disk, NEW, 0, b"again")
    synced(disk, NEW)
    assert all(files == {"folder/old": b"again"} for files in [disk.least().files, *some(disk)])
