"""What a command writes to a file that somebody names."""

import errno
import json
import os
from pathlib import Path
from unittest.mock import patch

import pytest

from fillwright.adapters.entrypoints.whole_files import write_whole
from tests.adapters.entrypoints.conftest import Cli, Vouched

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


def test_what_a_file_held_is_there_still_when_the_disk_is_full(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_whole(out, b"the first")
    with patch.object(Path, "write_bytes", side_effect=FULL), pytest.raises(OSError, match="space"):
        write_whole(out, b"the second")
    assert out.read_bytes() == b"the first"
    write_whole(out, b"the second")
    assert contents(*tmp_path.iterdir()) == [b"the second"]


def test_what_is_no_plain_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"")
    link.symlink_to(target)
    write_whole(link, b"told")
    assert link.is_symlink()
    assert target.read_bytes() == b"told"


def test_a_summary_refuses_a_file_that_it_would_not_write(
    vouched: Vouched, tmp_path: Path, cli: Cli
) -> None:
    done = cli("report", "--json", "--store", vouched.store, "--out", tmp_path / "summary.json")
    assert (done.code, done.out) == (2, b"")
    assert "out: " in done.err
    assert "--kind with it" in done.err


@pytest.mark.parametrize("was_there", [True, False])
def test_an_export_that_a_full_disk_stopped_is_made_by_the_same_command(
    vouched: Vouched, tmp_path: Path, cli: Cli, was_there: bool
) -> None:
    folder = tmp_path / "range"
    if was_there:
        folder.mkdir()
    asked = ("export", *vouched.signing, "--out", folder)
    with patch("os.fsync", side_effect=FULL):
        stopped = cli(*asked)
    assert (stopped.code, "run the same command again" in stopped.err) == (3, True)
    assert folder.exists() == was_there
    assert cli(*asked).code == 0
    assert json.loads((folder / "manifest.json").read_text())["from"] == 1


@pytest.mark.parametrize("writes", [0, 1])
def test_keys_that_a_full_disk_stopped_are_made_by_the_same_command(
    tmp_path: Path, cli: Cli, writes: int
) -> None:
    with patch("os.fsync", side_effect=[*[None] * writes, FULL]):
        assert cli("keys", tmp_path / "keys").code == 3
    assert list((tmp_path / "keys").iterdir()) == []
    assert cli("keys", tmp_path / "keys").code == 0
