"""From keys to a proof on another machine: the log vouched for from outside."""

import json
import shutil
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.integrity.checkpoints import parse_checkpoint
from tests.adapters.entrypoints.conftest import Cli, Run, Vouched


def changed(store: Path, *statements: str) -> None:
    connection = sqlite3.connect(store)
    with connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
    connection.close()


def test_the_private_key_is_for_its_owner_only_and_made_once(vouched: Vouched, cli: Cli) -> None:
    private = vouched.keys / "signing.key"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    again = cli("keys", vouched.keys)
    assert (again.code, "does not exist yet" in again.err) == (2, True)
    with_store = cli("keys", vouched.store.parent)
    assert (with_store.code, "without a store" in with_store.err) == (2, True)


def test_checkpoints_change_nothing_of_the_run(
    vouched: Vouched, portfolio_run: Run, cli: Cli
) -> None:
    plain = cli("events", "--json", "--store", portfolio_run.store).out
    assert cli("events", "--json", "--store", vouched.store).out == plain
    size = plain.count(b"\n")
    notes = vouched.anchor.read_text()
    assert f"\n{size}\n" in notes


def test_verify_says_that_the_log_is_anchored(vouched: Vouched, cli: Cli) -> None:
    done = cli("verify", *vouched.here, "--counters", "--json")
    assert done.code == 0, done.err
    assert (done.json["outcome"], done.json["ok"]) == ("anchored", True)
    assert done.json["anchored_position"] == done.json["events"]
    later = cli("verify", *vouched.here, "--incremental", "--json")
    assert (later.code, later.json["from"]) == (0, done.json["events"])
    assert later.json["root"] == done.json["root"]
    # Nothing before the checkpoint was read, and it says so.
    size = done.json["events"]
    again = f"whether an event up to position {size} was changed since: a whole verify reads them"
    assert (done.json["not_checked"], later.json["not_checked"]) == ([], [again])
    shown = cli("verify", *vouched.here, "--incremental").out.decode()
    assert f"not checked: {again}" in shown
    assert f"the hash at {size} is that of a checkpoint kept outside" in shown
    told = cli("verify", *vouched.here)
    assert "anchored: the first" in told.out.decode()


def test_verify_has_a_code_of_its_own_for_consistent_and_not_anchored(
    vouched: Vouched, portfolio_run: Run, cli: Cli, tmp_path: Path
) -> None:
    bare = cli("verify", "--store", vouched.store)
    assert bare.code == 5
    assert "consistent, not anchored" in bare.out.decode()
    assert "not checked: whether the end was cut off" in bare.out.decode()
    assert "as they were written" not in bare.out.decode()
    assert "--key and --anchor" in bare.err
    # A store that nobody ever anchored is not expected to be, unless it is asked for.
    never = shutil.copy(portfolio_run.store, tmp_path / "log.db")
    shutil.copytree(f"{portfolio_run.store}.market", f"{never}.market")
    plain = cli("verify", "--store", never)
    assert (plain.code, "consistent, not anchored" in plain.out.decode()) == (0, True)
    assert cli("verify", "--store", never, "--require-anchor").code == 5
    half = cli("verify", "--store", never, "--anchor", vouched.anchor)
    assert (half.code, "--key" in half.err) == (2, True)


def test_a_tail_that_was_cut_off_is_found(vouched_copy: Vouched, cli: Cli) -> None:
    changed(vouched_copy.store, "DELETE FROM stored_events WHERE position > 50")
    done = cli("verify", *vouched_copy.here)
    assert done.code == 4
    assert "position 51 is missing: the log ends at 50" in done.err
    kept = sqlite3.connect(vouched_copy.store)
    record = json.loads(
        kept.execute("SELECT state FROM ops_records ORDER BY position DESC LIMIT 1").fetchone()[0]
    )
    kept.close()
    assert (record["outcome"], record["first_bad_position"]) == ("failed", 51)


def test_an_incremental_check_of_a_rewritten_log_fails_and_says_what_to_run(
    vouched_copy: Vouched, cli: Cli
) -> None:
    changed(
        vouched_copy.store,
        "UPDATE stored_events SET hash = zeroblob(32) WHERE position = "
        "(SELECT max(position) FROM stored_events)",
    )
    done = cli("verify", *vouched_copy.here, "--incremental")
    assert done.code == 4
    assert "is not the one of the checkpoint" in done.err
    assert "Run it without --incremental" in done.err


def test_what_is_wrong_with_a_column_of_another_type_is_said_in_words(
    vouched_copy: Vouched, cli: Cli
) -> None:
    columns = (("ops_records", 1, "second stream's record"), ("stored_events", 5, "event"))
    for table, position, what in columns:
        changed(
            vouched_copy.store,
            f"UPDATE {table} SET state = CAST(state AS TEXT) WHERE position = {position}",
        )
        done = cli("verify", *vouched_copy.here)
        assert done.code == 4
        fault = f"the {what} at position {position} is altered: a column has another type"
        assert fault in done.err, done.err


def test_a_checkpoint_that_cannot_be_left_names_the_anchor_or_the_authority(
    vouched: Vouched, tmp_path: Path, cli: Cli
) -> None:
    asked = ("checkpoint", "--store", vouched.store, "--signing-key", vouched.keys / "signing.key")
    done = cli(*asked, "--anchor", "http://127.0.0.1:9/x")
    assert (done.code, done.err.startswith("fillwright: anchor: ")) == (2, True), done.err
    config = tmp_path / "config.toml"
    config.write_text('[integrity]\ntime_stamp_url = "http://127.0.0.1:9/"\n')
    done = cli(*asked, "--anchor", tmp_path / "anchor", "--config", config)
    named = done.err.startswith("fillwright: integrity.time_stamp_url: ")
    assert (done.code, named) == (2, True), done.err
    assert not (tmp_path / "anchor").exists()


def test_a_version_that_an_aggregate_does_not_have_is_refused_with_those_it_has(
    vouched: Vouched, cli: Cli
) -> None:
    event = cli("prove", 17, *vouched.here).json["event"]
    done = cli("prove", f"{event['originator_id']}:7000", *vouched.here)
    assert done.code == 2
    assert "allowed: versions 1 to " in done.err
    none = cli("prove", "00000000-0000-0000-0000-000000000000:1", *vouched.here)
    assert (none.code, "an id that the log holds" in none.err) == (2, True)
    assert cli("prove", f"{event['originator_id']}:0", *vouched.here).code == 2


def test_edited_counters_are_found(vouched_copy: Vouched, cli: Cli) -> None:
    changed(vouched_copy.store, "UPDATE counters SET used = used + 1 WHERE key LIKE 'turnover:%'")
    assert cli("verify", *vouched_copy.here).code == 0
    done = cli("verify", *vouched_copy.here, "--counters")
    assert done.code == 4
    assert "counter turnover:main:2024-06-12" in done.err


def test_an_edited_second_stream_is_found(vouched_copy: Vouched, cli: Cli) -> None:
    changed(vouched_copy.store, "UPDATE ops_records SET topic = 'Anchored.v2' WHERE position = 1")
    done = cli("verify", *vouched_copy.here)
    assert done.code == 4
    assert "second stream's record at position 1" in done.err


def test_a_proof_holds_on_another_machine_without_the_log(
    vouched: Vouched, tmp_path: Path, cli: Cli
) -> None:
    notes = vouched.anchor.read_text().split("\n\n")
    first = tmp_path / "first.note"
    first.write_text(f"{notes[0]}\n\n{notes[1]}\n")
    assert parse_checkpoint(first.read_text()).size < 1_000
    proof = tmp_path / "proof.json"
    made = cli("prove", 17, *vouched.here, "--since", first, "--out", proof)
    assert made.code == 0, made.err
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(vouched.keys / "verifier.pub", elsewhere)
    shutil.copy(proof, elsewhere)
    done = cli("check", elsewhere / "proof.json", "--key", elsewhere / "verifier.pub", "--json")
    assert done.code == 0, done.err
    assert (done.json["position"], done.json["signed"], done.json["anchored"]) == (17, True, False)
    kept = cli("check", proof, *vouched.outside)
    assert kept.code == 0
    assert "its checkpoint lies outside" in kept.out.decode()
    unbelieved = cli("check", proof)
    assert (unbelieved.code, "give --key" in unbelieved.err) == (5, True)


def test_the_same_event_named_by_its_aggregate_gives_the_same_proof(
    vouched: Vouched, cli: Cli
) -> None:
    by_position = cli("prove", 17, *vouched.here)
    event = by_position.json["event"]
    name = f"{event['originator_id']}:{event['originator_version']}"
    assert cli("prove", name, *vouched.here).out == by_position.out
    wrong = cli("prove", "nothing", *vouched.here)
    assert (wrong.code, "ID:VERSION" in wrong.err) == (2, True)
    assert cli("prove", 10**9, *vouched.here).code == 2
    nowhere = cli("prove", 17, *vouched.here, "--out", "/nowhere/proof.json")
    assert (nowhere.code, "name another" in nowhere.err) == (2, True)


EDITS: dict[str, Any] = {
    "state": lambda proof: proof["event"].update(state=proof["event"]["state"] + " "),
    "position": lambda proof: proof["event"].update(position=18),
    "hash": lambda proof: proof["event"].update(hash="00" * 32),
    "path": lambda proof: proof["inclusion"].reverse(),
    "checkpoint": lambda proof: proof.update(checkpoint=proof["checkpoint"].replace("\nt", "\nT")),
    "missing": lambda proof: proof.pop("inclusion"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_proof_is_refused(vouched: Vouched, tmp_path: Path, cli: Cli, edit: str) -> None:
    proof = cli("prove", 17, *vouched.here).json
    EDITS[edit](proof)
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(proof))
    done = cli("check", path, *vouched.outside)
    assert done.code == 4, done.out
    assert done.err.count("\n") == 1


def test_what_is_no_proof_is_bad_input(tmp_path: Path, cli: Cli) -> None:
    for text in ("", "[]", "{}", '{"format": "other"}', "[" * 100_000):
        path = tmp_path / "proof.json"
        path.write_text(text)
        assert cli("check", path).code == 2
    assert cli("check", tmp_path / "none.json").code == 2


def test_nothing_is_proved_from_a_log_that_was_changed(vouched_copy: Vouched, cli: Cli) -> None:
    changed(vouched_copy.store, "UPDATE stored_events SET hash = zeroblob(32) WHERE position = 3")
    done = cli("prove", 17, *vouched_copy.here)
    assert done.code == 4
    assert "nothing can be proved" in done.err


def test_a_checkpoint_can_be_made_by_hand(vouched_copy: Vouched, cli: Cli, tmp_path: Path) -> None:
    place = tmp_path / "by-hand"
    done = cli(
        *(
            "checkpoint",
            "--store",
            vouched_copy.store,
            "--signing-key",
            vouched_copy.keys / "signing.key",
        ),
        *("--anchor", place),
    )
    assert done.code == 0, done.err
    assert place.read_bytes() == done.out + b"\n"
    near = cli(
        *(
            "checkpoint",
            "--store",
            vouched_copy.store,
            "--signing-key",
            vouched_copy.keys / "signing.key",
        ),
        *("--anchor", vouched_copy.store.parent / "anchor"),
    )
    assert (near.code, "integrity.anchor" in near.err) == (2, True)
    assert cli("checkpoint", "--store", vouched_copy.store).code == 2
