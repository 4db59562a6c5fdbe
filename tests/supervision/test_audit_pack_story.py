"""An audit pack is built in one command and believed by what it holds, on another machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.handover.audit_pack import check_pack
from fillwright.adapters.handover.ranges import state_of_line
from fillwright.adapters.integrity.checkpoints import Checkpoint, parse_checkpoint
from fillwright.adapters.integrity.merkle import EMPTY_ROOT
from fillwright.adapters.integrity.notes import (
    NoteError,
    SignerKey,
    VerifierKey,
    read_signer,
    read_verifier,
)
from fillwright.adapters.integrity.proofs import ProofError
from fillwright.adapters.storage.chain import GENESIS, link
from fillwright.adapters.storage.ops_log import OPS_ORIGINATOR
from fillwright.adapters.storage.records import RawRecorded
from fillwright.projections.canonical import canonical_bytes
from tests.adapters.entrypoints.conftest import ROOT, Cli, Done, Vouched, captured, vouched
from tests.supervision.conftest import House

__all__ = ["vouched"]

DIFFERS, NOT_ANCHORED = 4, 5


@pytest.fixture(scope="module")
def packed(vouched: Vouched, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A supervised store in which everything has happened once, and its pack; for copying."""
    folder = tmp_path_factory.mktemp("packed")
    shutil.copytree(vouched.folder, folder / "copy")
    copy = Vouched(folder / "copy")
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("FILLWRIGHT_")]:
            patched.delenv(name)
        house = House(folder, Quiet(), patched.setenv)
        house.store = copy.store
        build(house, copy, folder / "pack")
    return folder


class Quiet(Cli):
    """The command line, with what it prints kept apart."""

    def __init__(self) -> None:
        """There is no test whose output could be captured."""

    def __call__(self, *arguments: object) -> Done:
        return captured(*arguments)


def build(house: House, copy: Vouched, out: Path) -> None:
    house.set_up()
    change = house.propose("rob", "limits", "--limit", "trades_max_per_day=80")
    assert house.approve("kim", change).code == 0
    house.propose("ada", "retention", "--hold", "symbol:KO")
    assert house.by("eve", "kill", "--reason", "let me").code == 6
    assert house.by("rob", "kill", "--reason", "odd prices", "--scope", "symbol:KO").code in (0, 4)
    release = house.propose("rob", "release", "--scope", "symbol:KO")
    assert house.approve("ada", release).code == 0
    assert house.by("rob", "release", "--reason", "over", "--scope", "symbol:KO").code == 0
    refused = house.by("eve", "exceptions", "list", "--kind", "refusal", "--json").json
    text = ("--disposition", "explained", "--text", "over its limit, as it should be")
    first = refused["exceptions"][0]["exception"]
    assert house.by("kim", "exceptions", "close", first, *text).code == 0
    assert house.by("ada", "checkpoint", *signing(copy)).code == 0
    done = house.by("eve", "audit-pack", "--out", out, *signing(copy), "--json")
    assert done.code == 0, done.err


def signing(copy: Vouched) -> list[object]:
    return ["--signing-key", copy.keys / "signing.key", "--anchor", copy.anchor]


@pytest.fixture
def pack(
    packed: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> tuple[Vouched, House, Path]:
    """A copy of the store and its pack."""
    shutil.copytree(packed, tmp_path / "packed")
    copy = Vouched(tmp_path / "packed" / "copy")
    house = House(tmp_path, cli, monkeypatch.setenv)
    house.store = copy.store
    return copy, house, tmp_path / "packed" / "pack"


def document(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def test_a_pack_holds_what_an_auditor_asks_for(pack: tuple[Vouched, House, Path]) -> None:
    _, _, out = pack
    orders = document(out, "orders")
    assert len(orders) == 24
    ends = {row["history"][-1]["event"] for row in orders}
    assert {"InstructionFilled", "InstructionCancelled", "InstructionRejected"} <= ends
    children = [order for row in orders for order in row["orders"].values()]
    said = {message["event"] for order in children for message in order["messages"]}
    assert {"OrderAcknowledged", "OrderFilled", "OrderCanceled"} <= said
    assert all(row["authority"] and row["received_at"] for row in orders)
    assert all(order["record_time"] and order["actor"] for order in children)

    assert [row["limits"]["trades_max_per_day"] for row in document(out, "limits")] == [50, 80]
    permissions = document(out, "permissions")
    assert {p["name"] for p in permissions["principals"][0]["principals"]} >= {"kim", "pm-7"}
    behind = [(c["proposed"]["actor"], c["approved"]["actor"]) for c in permissions["changes"]]
    assert behind == [("rob", "kim"), ("ada", "ada"), ("rob", "ada")]
    assert [row["legal_holds"] for row in document(out, "retention")] == [["symbol:KO"]]
    assert [one["command"] for one in permissions["refused"]] == ["kill"]
    assert [one["event"] for one in document(out, "kills")] == [
        "KillSwitchEngaged",
        "KillSwitchReleased",
    ]
    assert len(document(out, "overrides")) == 2
    exceptions = document(out, "exceptions")
    closed = [one["disposition"] for one in exceptions if one["disposition"]]
    assert [(one["actor"], one["disposition"]) for one in closed] == [("kim", "explained")]
    assert {one["kind"] for one in exceptions} >= {"refusal", "override", "alert"}
    compared = document(out, "reconciliations")
    assert {row["event"] for row in compared} >= {"SessionOpened", "SessionClosed"}
    assert document(out, "strategies")["planned"]["twap"] > 0
    assert document(out, "clock")["starts"][0]["clock_source"]
    assert any(row["kind"] == "Anchored" for row in document(out, "checks"))
    manifest = document(out, "manifest")
    assert manifest["verification"]["events"]["ok"] is True
    assert set(manifest["files"]) >= {"orders.json", "records.jsonl", "events/events.jsonl"}


def test_the_same_store_gives_the_same_bytes_and_a_part_is_of_its_period(
    pack: tuple[Vouched, House, Path], tmp_path: Path
) -> None:
    vouched_store, house, out = pack
    again = tmp_path / "again"
    assert house.by("kim", "audit-pack", "--out", again, *signing(vouched_store)).code == 0
    assert contents(again) == contents(out)
    part = tmp_path / "part"
    asked = ("--from", "1", "--to", "400", "--out", part)
    assert house.by("kim", "audit-pack", *asked, *signing(vouched_store)).code == 0
    assert 0 < len(document(part, "orders")) < 24
    assert document(part, "kills") == []
    assert (
        house.by("kim", "audit-pack", *asked, *signing(vouched_store)).code == 2
    )  # it is not empty


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_it_is_verified_by_a_clean_clone_that_has_nothing_else(
    pack: tuple[Vouched, House, Path], tmp_path: Path
) -> None:
    """Another machine: the sources as committed, a new home, the pack and the public key."""
    vouched_store, _, out = pack
    elsewhere = tmp_path / "elsewhere"
    clone, home = elsewhere / "clone", elsewhere / "home"
    home.mkdir(parents=True)
    for name in ("src", "domain", "projections", "adapters"):
        shutil.copytree(ROOT / name, clone / name, symlinks=True)
    shutil.copytree(out, elsewhere / "handed over")
    key = elsewhere / "verifier.pub"
    shutil.copy(vouched_store.keys / "verifier.pub", key)
    shutil.move(vouched_store.folder, tmp_path / "gone")
    code = (
        "import sys; sys.argv = ['fillwright', 'check', 'handed over', '--key', 'verifier.pub', "
        "'--json']\nimport fillwright\nassert 'clone' in fillwright.__file__\n"
        "from fillwright.adapters.entrypoints.cli import main\nsys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=elsewhere,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(clone / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert told["documents_agree"] is True
    assert told["signed"] is True
    assert told["orders"] == 24


Tamper = Callable[[Path], None]


def _replace(name: str, old: bytes, new: bytes) -> Tamper:
    def change(folder: Path) -> None:
        path = folder / name
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))

    return change


def _remove(folder: Path) -> None:
    (folder / "kills.json").unlink()


def _add(folder: Path) -> None:
    (folder / "more.json").write_text("[]")


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (_replace("orders.json", b'"authority":"engine', b'"authority":"angine'), "orders.json"),
        (_replace("records.jsonl", b"a reason", b"a season"), "records.jsonl"),
        (_replace("events/events.jsonl", b"odd prices", b"odd priced"), "events"),
        (_replace("manifest.json", b'"to": ', b'"to": 1'), "signed"),
        (_remove, "kills.json is missing"),
        (_add, "more.json is not in the manifest"),
    ],
)
def test_what_is_changed_in_a_pack_is_named(
    pack: tuple[Vouched, House, Path], cli: Cli, tamper: Tamper, named: str
) -> None:
    vouched_store, _, out = pack
    tamper(out)
    done = cli("check", out, "--key", vouched_store.keys / "verifier.pub")
    assert done.code == DIFFERS
    assert named in done.err


def members(folder: Path) -> list[str]:
    return sorted(contents(folder))


def refused(folder: Path, key: VerifierKey) -> str:
    """Why a pack does not pass; an empty text when it does."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    try:
        check_pack(folder, manifest, key)
    except ProofError as error:
        return str(error)
    return ""


def sign_again(out: Path, copy: Vouched, **other: object) -> None:
    """What somebody does who has the key: hashes and signature fit again."""
    manifest = {**document(out, "manifest"), **other}
    manifest["files"] = {n: h for n, h in contents(out).items() if n != "manifest.json"}
    unsigned = {name: value for name, value in manifest.items() if name != "signature"}
    whole = hashlib.sha256(canonical_bytes(unsigned)).hexdigest()
    text = f"{manifest['origin']}\n{manifest['format']}\nsha256 {whole}\n"
    manifest["signature"] = read_signer(copy.keys / "signing.key").sign(text)
    (out / "manifest.json").write_text(json.dumps(manifest))


def test_no_member_can_be_changed_removed_or_swapped(pack: tuple[Vouched, House, Path]) -> None:
    """Each file in turn: one byte in the middle, gone, another in its place."""
    copy, _, out = pack
    key = read_verifier(copy.keys / "verifier.pub")
    assert refused(out, key) == ""
    names = members(out)
    assert len(names) == 18
    for number, name in enumerate(names):
        path, other = out / name, out / names[number - 1]
        before, others = path.read_bytes(), other.read_bytes()
        middle = len(before) // 2
        path.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
        with contextlib.suppress(ValueError):  # a manifest that is no JSON or text any more
            assert refused(out, key), f"{name} changed"
        path.unlink()
        if name != "manifest.json":
            assert f"{name} is missing" in refused(out, key)
        path.write_bytes(others)
        other.write_bytes(before)
        with contextlib.suppress(ValueError, TypeError, KeyError):
            assert refused(out, key), f"{name} swapped"
        path.write_bytes(before)
        other.write_bytes(others)
    assert refused(out, key) == ""


def test_no_document_is_believed_because_it_is_signed(
    pack: tuple[Vouched, House, Path], cli: Cli
) -> None:
    """Whoever has the key and changes a document, or leaves an order out, is found out."""
    copy, _, out = pack
    told = [name for name in members(out) if name not in ("manifest.json", "records.jsonl")]
    told = [name for name in told if not name.startswith("events/")]
    before = {name: (out / name).read_bytes() for name in told}
    orders = document(out, "orders")
    (out / "orders.json").write_bytes(canonical_bytes(orders[1:]) + b"\n")
    for name in set(told) - {"orders.json"}:
        (out / name).write_bytes(before[name] + b" ")
    sign_again(out, copy)
    done = cli("check", out, "--key", copy.keys / "verifier.pub")
    assert done.code == DIFFERS
    named = done.err.partition("not what its events and records tell: ")[2]
    assert {word.strip(" ,\n") for word in named.split(",")} >= {
        name.removesuffix(".json") for name in told
    }


def test_to_say_another_version_made_it_does_not_get_a_document_believed(
    pack: tuple[Vouched, House, Path], cli: Cli
) -> None:
    copy, _, out = pack
    (out / "kills.json").write_bytes(b"[]\n")
    for other in ({"code_version": "0.0.1"}, {"format": "fillwright audit pack 2"}):
        sign_again(out, copy, **other)
        done = cli("check", out, "--key", copy.keys / "verifier.pub")
        assert done.code == NOT_ANCHORED
        assert "are not compared" in done.out.decode()


@pytest.mark.parametrize("stream", ["events/events.jsonl", "records.jsonl"])
def test_neither_stream_is_believed_because_it_is_signed(
    pack: tuple[Vouched, House, Path], stream: str
) -> None:
    """A line that is left out, changed or moved breaks the chain, whoever signs it."""
    copy, _, out = pack
    key = read_verifier(copy.keys / "verifier.pub")
    lines = (out / stream).read_bytes().splitlines(keepends=True)
    changed = lines[2].replace(b'"record_time":1', b'"record_time":2', 1)
    assert changed != lines[2]
    for other in (
        lines[:2] + lines[3:],
        lines[:-1],
        [*lines[:2], changed, *lines[3:]],
        [*lines[:2], lines[3], lines[2], *lines[4:]],
    ):
        (out / stream).write_bytes(b"".join(other))
        sign_range_again(out)
        sign_again(out, copy)
        assert refused(out, key)


def sign_range_again(out: Path) -> None:
    manifest = json.loads((out / "events" / "manifest.json").read_bytes())
    manifest["sha256"] = hashlib.sha256((out / "events" / "events.jsonl").read_bytes()).hexdigest()
    (out / "events" / "manifest.json").write_text(json.dumps(manifest))


def test_without_a_key_it_holds_together_but_nobody_vouches(
    pack: tuple[Vouched, House, Path], cli: Cli
) -> None:
    assert cli("check", pack[2]).code == NOT_ANCHORED


def chained(lines: list[bytes]) -> tuple[list[bytes], bytes]:
    """The second stream with a chain that fits again, as somebody makes it who can write."""
    found, previous = [], GENESIS
    for position, line in enumerate(lines, start=1):
        raw = event_of(line)
        origin = OPS_ORIGINATOR.bytes
        previous = link(previous, position, origin, position, raw.topic, raw.state)
        found.append(raw._replace(position=position, hash=previous).as_line())
    return found, previous


def event_of(line: bytes) -> RawRecorded:
    whole, state = json.loads(line), state_of_line(line)
    return RawRecorded(0, OPS_ORIGINATOR.hex, 0, str(whole["topic"]), state, b"")


def test_the_second_stream_is_bound_to_the_checkpoint_and_so_to_what_lies_outside(
    pack: tuple[Vouched, House, Path],
) -> None:
    """Whoever signs packs cannot change what was left at the anchor."""
    copy, _, out = pack
    key = read_verifier(copy.keys / "verifier.pub")
    manifest = document(out, "manifest")
    found = check_pack(out, manifest, key)
    assert found.records == manifest["records"] == found.records_bound
    whole = (out / "records.jsonl").read_bytes().splitlines(keepends=True)
    denied = next(n for n, line in enumerate(whole) if b'"topic":"AccessRefused' in line)
    for lines in (whole[:denied] + whole[denied + 1 :], whole[:-1]):
        made, head = chained(lines)
        (out / "records.jsonl").write_bytes(b"".join(made))
        sign_again(out, copy, records=len(made), records_hash=head.hex())
        assert "checkpointed" in refused(out, key)


def test_a_pack_makes_the_checkpoint_that_binds_every_record_in_it(
    pack: tuple[Vouched, House, Path], tmp_path: Path, cli: Cli
) -> None:
    """A refused command since the last checkpoint is bound as well, or there is no pack."""
    copy, house, out = pack
    before = document(out, "manifest")["records"]
    assert house.by("pm-7", "kill", "--reason", "let me").code == 6
    asked = ("audit-pack", *signing(copy), "--json", "--out")
    for reader in ("eve", "pm-7"):
        done = house.by(reader, *asked, tmp_path / "none")
        assert done.code == 2
        assert "1 records are not bound to the newest checkpoint" in done.err
        assert "takes the role trade or compliance or admin" in done.err
        assert not (tmp_path / "none").exists()
    done = house.by("ada", *asked, tmp_path / "whole")
    assert done.code == 0, done.err
    found = check_pack(tmp_path / "whole", document(tmp_path / "whole", "manifest"))
    assert found.records == found.records_bound == before + 2  # the refusal and a former checkpoint
    refusals = document(tmp_path / "whole", "permissions")["refused"]
    assert [one["actor"] for one in refusals] == ["eve", "pm-7"]
    again = house.by("eve", *asked, tmp_path / "again")
    assert again.code == 0, again.err
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")
    with_key = ("--key", copy.keys / "verifier.pub", "--anchor", copy.anchor, "--json")
    assert cli("check", tmp_path / "whole", *with_key).json["anchored"] is True


def test_a_pack_with_a_record_that_no_checkpoint_binds_does_not_pass(
    pack: tuple[Vouched, House, Path],
) -> None:
    copy, _, out = pack
    lines = (out / "records.jsonl").read_bytes().splitlines(keepends=True)
    made, head = chained([*lines, lines[-1]])
    (out / "records.jsonl").write_bytes(b"".join(made))
    sign_again(out, copy, records=len(made), records_hash=head.hex())
    said = refused(out, read_verifier(copy.keys / "verifier.pub"))
    assert f"of its {len(made)} records {len(lines)} are bound to its checkpoint" in said


def test_a_store_whose_second_stream_was_written_anew_does_not_verify(
    pack: tuple[Vouched, House, Path],
) -> None:
    """The last records are gone, and the chain of what is left is whole."""
    copy, house, out = pack
    given = ("--key", copy.keys / "verifier.pub", "--anchor", copy.anchor, "--no-record")
    assert house.by("eve", "verify", *given).code == 0
    bound = check_pack(out, document(out, "manifest")).records_bound
    with contextlib.closing(sqlite3.connect(copy.store)) as other:
        other.execute("DELETE FROM ops_records WHERE position >= ?", (bound,))
        other.commit()
    assert house.by("eve", "verify", "--no-record").code == NOT_ANCHORED, "by itself it is whole"
    done = house.by("eve", "verify", *given)
    assert done.code == DIFFERS
    assert f"has {bound - 1} records, and {bound} were checkpointed" in done.err


@pytest.mark.parametrize("said", ["", "4", "4 zz", "-1 " + "0" * 64, "4 " + "0" * 63])
def test_a_checkpoint_that_says_nothing_readable_of_the_records_is_none(said: str) -> None:
    key = SignerKey("fillwright/test", bytes(range(32)))
    body = Checkpoint(key.name, 0, EMPTY_ROOT, bytes(32), 7).body
    with pytest.raises(NoteError, match="second stream"):
        parse_checkpoint(key.sign(f"{body}records {said}\n"))
    assert parse_checkpoint(key.sign(body)).checkpoint.records is None
