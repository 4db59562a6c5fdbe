"""Parts of the log for somebody else: what is handed over is of the log, and any change shows."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.handover.dossier import FORMAT, _raw_messages, _statement
from fillwright.adapters.integrity.notes import SignerKey, read_signer
from fillwright.projections.canonical import canonical_bytes
from tests.adapters.entrypoints.conftest import Cli, Vouched, bound_process, done_with
from tools.golden_events import examples, stored_bytes

INSTRUCTION = "pm-20240612-03"
LAST_AGAIN = ("last event", True)


def exported(cli: Cli, vouched: Vouched, out: Path, *more: object) -> Any:
    done = cli("export", *vouched.signing, "--out", out, *more, "--json")
    assert done.code == 0, done.err
    return done.json


# -- ranges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["jsonl", "parquet", "csv"])
def test_a_range_is_checked_without_the_log_and_is_the_same_each_time(
    vouched: Vouched, tmp_path: Path, cli: Cli, format: str
) -> None:
    told = exported(cli, vouched, tmp_path / "one", "--format", format, "--from", 100, "--to", 300)
    assert (told["from"], told["to"]) == (100, 300)
    done = cli("check", tmp_path / "one", *vouched.outside, "--json")
    assert done.code == 0, done.err
    assert (done.json["first"], done.json["last"], done.json["anchored"]) == (100, 300, True)
    exported(cli, vouched, tmp_path / "two", "--format", format, "--from", 100, "--to", 300)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_lines_are_those_that_events_prints(vouched: Vouched, tmp_path: Path, cli: Cli) -> None:
    exported(cli, vouched, tmp_path / "all")
    whole = cli("events", "--json", "--store", vouched.store).out
    assert (tmp_path / "all" / "events.jsonl").read_bytes() == whole
    assert cli("check", tmp_path / "all", *vouched.outside).code == 0


def test_a_range_may_be_given_by_time(vouched: Vouched, tmp_path: Path, cli: Cli) -> None:
    exported(
        cli,
        vouched,
        tmp_path / "hour",
        *("--from", "2024-06-12T14:30:00Z", "--to", "2024-06-12T15:30:00Z"),
    )
    lines = (tmp_path / "hour" / "events.jsonl").read_bytes().splitlines()
    times = [json.loads(line)["fields"]["record_time"] for line in lines]
    start, end = 1_718_202_600_000_000_000, 1_718_206_200_000_000_000
    assert start <= min(times)
    assert max(times) <= end
    everything = cli("events", "--json", "--store", vouched.store).out.splitlines()
    inside = [
        line for line in everything if start <= json.loads(line)["fields"]["record_time"] <= end
    ]
    assert lines == inside


def test_a_range_that_the_log_or_its_checkpoint_does_not_have_is_refused(
    vouched: Vouched, tmp_path: Path, cli: Cli
) -> None:
    for more in (
        ("--from", 10, "--to", 5),
        ("--to", 10**9),
        ("--from", "2030-01-01T00:00:00Z"),
        ("--format", "xml"),
    ):
        done = cli("export", *vouched.signing, "--out", tmp_path / "out", *more)
        assert done.code == 2, more
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert cli("export", *vouched.signing, "--out", tmp_path / "full").code == 2


def test_what_is_refused_is_named_as_it_was_typed(
    vouched: Vouched, tmp_path: Path, cli: Cli
) -> None:
    asked = ("export", *vouched.signing, "--out", tmp_path / "out")
    for option in ("from", "to"):
        for command in (asked, ("audit-pack", *asked[1:])):
            done = cli(*command, f"--{option}", "2024-06-12")
            named = done.err.startswith(f"fillwright: {option}: ")
            assert (done.code, named) == (2, True), done.err
    empty = cli(*asked, "--from", "2030-01-01T00:00:00Z", "--to", "2030-01-02T00:00:00Z")
    assert "range: 'no event in it'" in empty.err


def test_a_dossier_is_not_signed_by_a_key_that_nobody_could_check_it_with(
    vouched: Vouched, tmp_path: Path, cli: Cli
) -> None:
    assert cli("keys", tmp_path / "other", "--name", "other/one").code == 0
    done = cli(
        "export", "--store", vouched.store, "--anchor", vouched.anchor, "--dossier",
        "pm-20240612-03", "--signing-key", tmp_path / "other" / "signing.key",
        "--out", tmp_path / "dossier.json",
    )  # fmt: skip
    assert (done.code, "the key of the newest checkpoint" in done.err) == (2, True), done.err
    assert not (tmp_path / "dossier.json").exists()


def rehashed(folder: Path, change: Callable[[list[bytes]], None], **manifest: object) -> None:
    """Change lines, and make the manifest fit them again."""
    path = folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    change(lines)
    path.write_bytes(b"".join(lines))
    about = json.loads((folder / "manifest.json").read_text())
    about |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **manifest}
    (folder / "manifest.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("what", "change", "manifest"),
    [
        ("is not the file", None, {"sha256": "0" * 64}),
        ("altered", lambda lines: lines.__setitem__(5, lines[5].replace(b"0", b"1", 1)), {}),
        ("missing or out of order", lambda lines: lines.pop(5), {}),
        ("missing or out of order", lambda lines: lines.insert(5, lines[4]), {}),
        ("not an export", lambda lines: lines.pop(), {}),
        ("do not lead to the root", lambda lines: lines.pop(), {"to": 149}),
    ],
)
def test_a_changed_range_is_found_although_the_manifest_was_made_to_fit(
    vouched: Vouched,
    tmp_path: Path,
    cli: Cli,
    what: str,
    change: Callable[[list[bytes]], None] | None,
    manifest: dict[str, object],
) -> None:
    exported(cli, vouched, tmp_path / "out", "--from", 100, "--to", 150)
    rehashed(tmp_path / "out", change or (lambda lines: None), **manifest)
    done = cli("check", tmp_path / "out", *vouched.outside)
    assert done.code == 4, done.out
    if what != "do not lead to the root":
        assert what in done.err


# -- dossiers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dossier_bytes(vouched: Vouched, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("dossier") / "dossier.json"
    done_with({}, "export", *vouched.signing, "--out", path, "--dossier", INSTRUCTION)
    return path.read_bytes()


@pytest.fixture
def dossier(dossier_bytes: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "dossier.json"
    path.write_bytes(dossier_bytes)
    return path


def test_a_dossier_is_one_file_that_is_checked_offline(
    vouched: Vouched, dossier: Path, tmp_path: Path, cli: Cli
) -> None:
    done = cli("check", dossier, "--key", vouched.keys / "verifier.pub", "--json")
    assert done.code == 0, done.err
    assert done.json["decision_id"] == INSTRUCTION
    assert (done.json["signed"], done.json["analysis_agrees"]) == (True, True)
    assert done.json["segments"] == 2
    assert cli("check", dossier, *vouched.outside, "--json").json["anchored"] is True
    assert cli("check", dossier).code == 5
    words = ("--dossier", INSTRUCTION, "--format", "csv")
    refused = cli("export", *vouched.signing, "--out", tmp_path / "d.csv", *words)
    assert (refused.code, "format: 'csv'" in refused.err) == (2, True)
    exported(cli, vouched, tmp_path / "again.json", "--dossier", INSTRUCTION)
    assert (tmp_path / "again.json").read_bytes() == dossier.read_bytes()


def test_a_dossier_holds_every_event_of_its_instruction_and_its_terms(
    vouched: Vouched, dossier: Path, cli: Cli
) -> None:
    document = json.loads(dossier.read_bytes())
    lines = cli("events", "--json", "--store", vouched.store, "--instruction", INSTRUCTION).out
    own = {json.loads(line)["position"] for line in lines.splitlines()}
    held = {record["position"]: record["topic"] for record in document["events"]}
    assert own < set(held)
    around = {held[position].partition(".")[0] for position in held.keys() - own}
    assert {"EngineStarted", "SessionOpened", "LimitChanged", "MarketDataCaptured"} <= around
    assert document["analysis"]["instruction_id"] == document["instruction"]
    assert document["analysis"]["slippage_bps"] is not None


def test_raw_messages_of_the_broker_are_listed_with_their_events() -> None:
    found = _raw_messages(
        {"position": number, "state": stored_bytes(event).decode()}
        for number, event in enumerate(examples().values(), start=1)
    )
    assert found
    assert all(isinstance(one["message"], dict) and one["position"] > 0 for one in found)


def edits() -> dict[str, Callable[[Any], object]]:
    def flip(text: str) -> str:
        at = len(text) // 2
        return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]

    return {
        "state": lambda d: d["events"][5].update(state=d["events"][5]["state"] + " "),
        "event": lambda d: d["events"].pop(20),
        "last event": lambda d: d["events"].pop(),
        "order": lambda d: d["events"].reverse(),
        "raw": lambda d: d["raw_messages"].append({"position": 1, "message": {}}),
        "segment": lambda d: d["segments"][0].update(data=flip(d["segments"][0]["data"])),
        "segments": lambda d: d["segments"].pop(),
        "analysis": lambda d: d["analysis"].update(slippage_bps="0.1"),
        "decision": lambda d: d.update(decision_id="another"),
        "node": lambda d: d["nodes"][0].__setitem__(2, "00" * 32),
        "checkpoint": lambda d: d.update(checkpoint=flip(d["checkpoint"])),
    }


@pytest.mark.parametrize(
    ("edit", "signed_again"),
    # Market data after the end comes last: who has the key may make a dossier without it.
    [(edit, again) for edit in edits() for again in (False, True) if (edit, again) != LAST_AGAIN],
)
def test_an_edited_dossier_is_refused_even_signed_again_with_the_same_key(
    vouched: Vouched, dossier: Path, cli: Cli, edit: str, signed_again: bool
) -> None:
    document = json.loads(dossier.read_bytes())
    edits()[edit](document)
    if signed_again:
        key = read_signer(vouched.keys / "signing.key")
        document["signature"] = key.sign(_statement(key.name, document))
    dossier.write_bytes(canonical_bytes(document))
    done = cli("check", dossier, *vouched.outside)
    assert done.code == 4, done.out
    assert done.err.count("\n") == 1


def test_a_dossier_signed_by_another_key_is_refused(
    vouched: Vouched, dossier: Path, cli: Cli
) -> None:
    document = json.loads(dossier.read_bytes())
    other = SignerKey.generate("fund/one")
    document["signature"] = other.sign(_statement("fund/one", document))
    dossier.write_bytes(canonical_bytes(document))
    done = cli("check", dossier, "--key", vouched.keys / "verifier.pub")
    assert done.code == 4
    assert "its signature is not to be believed" in done.err


def test_a_dossier_needs_a_key_and_an_instruction(
    vouched: Vouched, tmp_path: Path, cli: Cli
) -> None:
    out = tmp_path / "out.json"
    assert cli("export", *vouched.signing, "--out", out, "--dossier", "nothing").code == 2
    unsigned = cli("export", *vouched.here, "--out", out, "--dossier", INSTRUCTION)
    assert (unsigned.code, "--signing-key" in unsigned.err) == (2, True)
    mixed = cli("export", *vouched.signing, "--out", out, "--dossier", INSTRUCTION, "--from", 5)
    assert mixed.code == 2
    assert FORMAT not in "".join(path.name for path in tmp_path.iterdir())


def test_market_data_that_is_gone_is_said_to_be(
    vouched_copy: Vouched, tmp_path: Path, cli: Cli
) -> None:
    for segment in vouched_copy.store.with_name("log.db.market").iterdir():
        segment.unlink()
    out = tmp_path / "out.json"
    done = cli("export", *vouched_copy.signing, "--out", out, "--dossier", INSTRUCTION)
    assert done.code == 4
    assert "market data that was captured is not there" in done.err
    assert not out.exists()


def test_market_data_that_may_not_be_read_is_not_said_to_be_gone(
    vouched_copy: Vouched, tmp_path: Path
) -> None:
    for segment in vouched_copy.store.with_name("log.db.market").iterdir():
        segment.chmod(0)
    out = tmp_path / "out.json"
    done = bound_process("export", *vouched_copy.signing, "--out", out, "--dossier", INSTRUCTION)
    assert done.returncode == 3
    assert "market data that was captured cannot be read" in done.stderr
    assert not out.exists()
