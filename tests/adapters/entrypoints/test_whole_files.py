"""What a command writes to a file that somebody names."""

import errno
import json
import os
from pathlib import Path
from unittest.mock import patch

import pytest

from fillwright.adapters.entrypoints.whole_files import refuse_evidence, write_whole
from fillwright.adapters.storage.keystore import Keystore
from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import InvalidInput
from tests.adapters.entrypoints.conftest import Cli, Vouched
from tests.adapters.storage.helpers import Sample

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def contents(*paths: Path) -> list[bytes]:
    return [path.read_bytes() for path in paths]


def test_no_result_is_written_over_a_store_a_key_or_an_anchor(
    vouched_copy: Vouched, cli: Cli
) -> None:
    named = [vouched_copy.store, vouched_copy.keys / "signing.key", vouched_copy.anchor]
    before = contents(*named)
    for out in named:
        proof = cli("prove", 17, *vouched_copy.here, "--out", out)
        assert (proof.code, "no store, key or anchor" in proof.err) == (2, True), proof.err
        report = cli(
            "report", "--store", vouched_copy.store, "--kind", "execution",
            "--format", "html", "--out", out,
        )  # fmt: skip
        assert (report.code, "no store, key or anchor" in report.err) == (2, True), report.err
        assert "issued" not in report.err
    assert contents(*named) == before


def test_an_evaluation_is_refused_such_a_file_before_it_begins(
    vouched_copy: Vouched, tmp_path: Path, cli: Cli
) -> None:
    page = tmp_path / "log.html"
    page.write_bytes(vouched_copy.store.read_bytes())
    for out in (vouched_copy.store, tmp_path / "log.parquet"):
        done = cli("evaluate", "--market", tmp_path, "--out", out)
        assert (done.code, "no store, key or anchor" in done.err) == (2, True), done.err


def test_keys_of_personal_text_and_what_was_committed_last_are_not_written_over(
    tmp_path: Path,
) -> None:
    keys = tmp_path / "keystore"
    Keystore.open(keys).seal("somebody", "text", "reasoning")
    with Log.open(tmp_path / "log.db") as log:
        log.append(Sample(1).happen())
        for named in (keys, tmp_path / "log.db-wal"):
            with pytest.raises(InvalidInput, match="no store, key or anchor"):
                refuse_evidence(named)


def test_who_may_read_a_result_stays_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_whole(out, b"the first")
    out.chmod(0o640)
    write_whole(out, b"the second")
    assert out.stat().st_mode & 0o777 == 0o640


def test_what_a_file_held_is_there_still_when_the_disk_is_full(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_whole(out, b"the first")
    write = Path.write_bytes

    def half(path: Path, data: bytes) -> int:
        write(path, data[: len(data) // 2])
        raise FULL

    with patch.object(Path, "write_bytes", half), pytest.raises(OSError, match="space"):
        write_whole(out, b"the second")
    assert contents(*tmp_path.iterdir()) == [b"the first"]
    write_whole(out, b"the second")
    assert contents(*tmp_path.iterdir()) == [b"the second"]


def test_what_is_no_plain_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"")
    link.symlink_to(target)
    write_whole(link, b"told")
    assert link.is_symlink()
    assert target.read_bytes() == b"told"


@pytest.mark.parametrize("asked", [("--json", "--out", "summary.json"), ("--table", "venues")])
def test_a_summary_refuses_a_file_or_table_that_it_would_not_write(
    vouched: Vouched,
    tmp_path: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    asked: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("report", "--store", vouched.store, *asked)
    assert (done.code, done.out) == (2, b"")
    assert f"{asked[-2].removeprefix('--')}: " in done.err
    assert "--kind with it" in done.err


@pytest.mark.parametrize("was_there", ["not", "as a folder", "by a link"])
def test_an_export_that_a_full_disk_stopped_is_made_by_the_same_command(
    vouched: Vouched, tmp_path: Path, cli: Cli, was_there: str
) -> None:
    folder = there = tmp_path / "range"
    if was_there == "by a link":
        there = tmp_path / "elsewhere"
        folder.symlink_to(there)
    if was_there != "not":
        there.mkdir(mode=0o700)
    asked = ("export", *vouched.signing, "--out", folder)
    with patch("os.fsync", side_effect=FULL):
        stopped = cli(*asked)
    assert (stopped.code, "run the same command again" in stopped.err) == (3, True)
    assert folder.exists() == (was_there != "not")
    assert not folder.exists() or folder.stat().st_mode & 0o777 == 0o700
    assert cli(*asked).code == 0
    assert json.loads((folder / "manifest.json").read_text())["from"] == 1


def test_a_pack_that_a_full_disk_stopped_is_made_by_the_same_command(
    vouched_copy: Vouched, tmp_path: Path, cli: Cli
) -> None:
    folder = tmp_path / "pack"
    asked = ("audit-pack", *vouched_copy.signing, *vouched_copy.outside[:2], "--out", folder)
    with patch("fillwright.adapters.handover.audit_pack.PackDocuments", side_effect=FULL):
        stopped = cli(*asked)
    assert (stopped.code, "run the same command again" in stopped.err) == (3, True), stopped.err
    assert not folder.exists()
    done = cli(*asked)
    assert done.code == 0, done.err
    assert (folder / "manifest.json").exists()


@pytest.mark.parametrize("writes", [0, 1])
def test_keys_that_a_full_disk_stopped_are_made_by_the_same_command(
    tmp_path: Path, cli: Cli, writes: int
) -> None:
    with patch("os.fsync", side_effect=[*[None] * writes, FULL]):
        assert cli("keys", tmp_path / "keys").code == 3
    assert list((tmp_path / "keys").iterdir()) == []
    assert cli("keys", tmp_path / "keys").code == 0
