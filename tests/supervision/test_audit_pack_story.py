"""An audit pack is built in one command and believed by what it holds, on another machine."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.entrypoints.cli import main
from fillwright.adapters.integrity.notes import read_signer
from fillwright.projections.canonical import canonical_bytes
from tests.adapters.entrypoints.conftest import ROOT, Cli, Done, Vouched, vouched
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
        out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
            out.flush()
        written = out.buffer
        assert isinstance(written, io.BytesIO)
        return Done(int(code), written.getvalue(), err.getvalue())


def build(house: House, copy: Vouched, out: Path) -> None:
    house.set_up()
    change = house.propose("rob", "limits", "--limit", "trades_max_per_day=80")
    assert house.approve("kim", change).code == 0
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
    assert behind == [("rob", "kim"), ("rob", "ada")]
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


def test_a_document_is_not_believed_because_it_is_signed(
    pack: tuple[Vouched, House, Path], cli: Cli
) -> None:
    """Whoever has the key and leaves an order out is found out by the events."""
    vouched_store, _, out = pack
    orders = document(out, "orders")
    (out / "orders.json").write_bytes(canonical_bytes(orders[1:]) + b"\n")
    manifest = document(out, "manifest")
    digest = hashlib.sha256((out / "orders.json").read_bytes()).hexdigest()
    manifest["files"]["orders.json"] = digest
    unsigned = {name: value for name, value in manifest.items() if name != "signature"}
    whole = hashlib.sha256(canonical_bytes(unsigned)).hexdigest()
    text = f"{manifest['origin']}\n{manifest['format']}\nsha256 {whole}\n"
    manifest["signature"] = read_signer(vouched_store.keys / "signing.key").sign(text)
    (out / "manifest.json").write_text(json.dumps(manifest))
    done = cli("check", out, "--key", vouched_store.keys / "verifier.pub")
    assert done.code == DIFFERS
    assert "not what its events and records tell: orders" in done.err


def test_without_a_key_it_holds_together_but_nobody_vouches(
    pack: tuple[Vouched, House, Path], cli: Cli
) -> None:
    assert cli("check", pack[2]).code == NOT_ANCHORED
