"""Everything that vouches for a log, on a server: the commands, one after the other."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from fillwright.adapters.mirror.segments import MANIFEST
from fillwright.adapters.storage.copying import copy_store
from fillwright.adapters.storage.location import postgres_address
from tests.adapters.storage.test_postgres import raw
from tests.postgres import PostgresServer, fresh_store

from .conftest import Cli, Run, run_with_checkpoints
from .test_redaction import ASKED, DECISION, text_of

EXECUTED = (
    "SELECT symbol, sum(executed) AS executed, sum(notional) AS notional FROM fills GROUP BY 1"
)


class OnServer:
    """A finished run on a server, with its files beside and its checkpoints elsewhere.

    ``kept`` is the schema that a copy was made from, empty for what is none.
    """

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.folder = folder
        self.kept = ""
        (folder / "store").mkdir(parents=True)
        self.server = server
        self.store = fresh_store(server, folder / "store")
        self.keys = folder / "keys"
        self.anchor = folder / "outside" / "anchor"

    @property
    def signing(self) -> list[object]:
        return [
            *("--store", self.store, "--anchor", self.anchor),
            *("--signing-key", self.keys / "signing.key"),
        ]

    @property
    def outside(self) -> list[object]:
        return ["--key", self.keys / "verifier.pub", "--anchor", self.anchor]

    @property
    def here(self) -> list[object]:
        return ["--store", self.store, *self.outside]

    @property
    def schema(self) -> str:
        return postgres_address(self.store).schema

    def copy(self, folder: Path) -> OnServer:
        """The same in a schema and a folder of its own, to be changed."""
        made = OnServer(self.server, folder)
        made.kept = self.schema
        copy_store(self.store, made.store)
        for kept in ("store", "keys", "outside"):
            shutil.copytree(self.folder / kept, folder / kept, dirs_exist_ok=True)
        return made


@pytest.fixture(scope="module")
def ran(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> OnServer:
    """The portfolio, run once with checkpoints; only for reading."""
    found = OnServer(postgres_server, tmp_path_factory.mktemp("on-server"))
    run_with_checkpoints(found.store, found.keys, found.anchor)
    return found


@pytest.fixture
def copied(ran: OnServer, tmp_path: Path) -> OnServer:
    """The same, to be changed."""
    return ran.copy(tmp_path / "copy")


def test_the_log_is_anchored_and_an_incremental_check_goes_on_from_there(
    ran: OnServer, cli: Cli
) -> None:
    done = cli("verify", *ran.here, "--counters", "--json")
    assert done.code == 0, done.err
    assert (done.json["outcome"], done.json["ok"]) == ("anchored", True)
    assert done.json["anchored_position"] == done.json["events"]
    later = cli("verify", *ran.here, "--incremental", "--json")
    assert (later.code, later.json["from"]) == (0, done.json["events"])
    assert later.json["root"] == done.json["root"]
    assert cli("verify", "--store", ran.store).code == 5


CHANGES = {
    "tail": "DELETE FROM stored_events WHERE position > 50",
    "event": "UPDATE stored_events SET state = state || ' '::bytea WHERE position = 51",
    "order": "UPDATE stored_events SET topic = 'EngineStarted.v9' WHERE position = 51",
    "records": "UPDATE ops_records SET topic = 'Anchored.v2' WHERE position = 1",
    "counters": "UPDATE counters SET used = used + 1 WHERE key LIKE 'turnover:%%'",
    "head": "UPDATE head SET position = position - 1",
}
REPLAYED = {"tail": 4, "event": 3, "order": 3, "counters": 4, "records": 0, "head": 0}
"""How a replay ends after each: it folds nothing from the second stream and the head's row."""


def test_what_somebody_changes_in_the_database_is_found_and_named(
    copied: OnServer, cli: Cli
) -> None:
    where = {
        "records": "second stream's record at position 1",
        "counters": "counter turnover:main",
        "head": "added by somebody else",
    }
    for change, statement in CHANGES.items():
        raw(copied.store, statement)
        done = cli("verify", *copied.here, "--counters")
        assert done.code == 4, change
        assert where.get(change, "position 51") in done.err, change
        again = cli("replay", "--store", copied.store)
        assert again.code == REPLAYED[change], (change, again.err)
        assert again.err.count("\n") == (again.code > 0), again.err
        for table in ("stored_events", "ops_records", "counters", "head"):
            (kept,) = raw(copied.store, f"SELECT count(*) FROM {copied.kept}.{table}")
            assert kept[0] > 0
            raw(copied.store, f"DELETE FROM {table}")
            raw(copied.store, f"INSERT INTO {table} SELECT * FROM {copied.kept}.{table}")
        assert cli("verify", *copied.here, "--counters").code == 0


def test_a_proof_holds_on_another_machine_without_the_server(
    ran: OnServer, tmp_path: Path, cli: Cli
) -> None:
    first = tmp_path / "first.note"
    first.write_text("\n\n".join(ran.anchor.read_text().split("\n\n")[:2]) + "\n")
    proof = tmp_path / "proof.json"
    made = cli("prove", 17, *ran.here, "--since", first, "--out", proof)
    assert made.code == 0, made.err
    done = cli("check", proof, "--key", ran.keys / "verifier.pub", "--json")
    assert (done.code, done.json["position"], done.json["signed"]) == (0, 17, True)
    edited = json.loads(proof.read_text())
    edited["event"]["position"] = 18
    proof.write_text(json.dumps(edited))
    assert cli("check", proof, "--key", ran.keys / "verifier.pub").code == 4


def test_a_text_is_made_unreadable_and_the_log_verifies_still(
    copied: OnServer, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = copied.store
    refused = cli("redact", DECISION, *ASKED, "--store", store)
    assert (refused.code, "until 2030-06" in refused.err) == (2, True)
    before = cli("events", "--json", "--store", store).out
    assert text_of(cli, store, DECISION) != "[redacted]"
    monkeypatch.setenv("FILLWRIGHT_RETENTION__DAYS", "30")
    done = cli("redact", DECISION, *ASKED, "--store", store, "--json")
    assert done.code == 0, done.err
    assert done.json["anew"]
    assert text_of(cli, store, DECISION) == "[redacted]"
    after = cli("events", "--json", "--store", store).out
    assert after.startswith(before)
    verified = cli("verify", *copied.here, "--counters", "--json")
    assert (verified.code, verified.json["outcome"]) == (0, "anchored")
    assert cli("replay", "--store", store).code == 0


def test_a_range_and_a_dossier_are_handed_over_and_checked_offline(
    ran: OnServer, tmp_path: Path, cli: Cli
) -> None:
    for form in ("jsonl", "parquet", "csv"):
        folder = tmp_path / form
        made = cli(
            *("export", "--from", 1, "--to", 60, "--format", form, "--out", folder), *ran.signing
        )
        assert made.code == 0, made.err
        assert cli("check", folder, *ran.outside).code == 0
    dossier = tmp_path / "dossier.json"
    made = cli("export", "--dossier", DECISION, "--out", dossier, *ran.signing)
    assert made.code == 0, made.err
    assert cli("check", dossier, "--key", ran.keys / "verifier.pub").code == 0
    text = dossier.read_text()
    dossier.write_text(text.replace(DECISION, DECISION[:-1] + "9", 1))
    assert cli("check", dossier, "--key", ran.keys / "verifier.pub").code == 4


def test_it_is_mirrored_asked_and_the_mirror_is_checked(
    ran: OnServer, portfolio_run: Run, tmp_path: Path, cli: Cli
) -> None:
    executed: Counter[str] = Counter()
    for row in portfolio_run.json["blotter"]:
        executed[row["symbol"]] += Decimal(row["executed"])
    from_log = cli("query", EXECUTED, "--store", ran.store, "--format", "json").json
    assert {row["symbol"]: Decimal(row["executed"]) for row in from_log} == +executed
    folder = tmp_path / "mirror"
    done = cli("mirror", "--store", ran.store, "--dir", folder, "--json")
    assert done.code == 0, done.err
    assert done.json["head_hash"] == portfolio_run.json["log"]["head_hash"]
    alone = cli("query", EXECUTED, "--mirror", folder, "--format", "json").json
    assert sorted(alone, key=str) == sorted(from_log, key=str)
    checked = cli("mirror", "--store", ran.store, "--dir", folder, "--verify", "--json").json
    assert (checked["ok"], checked["against_log"]) == (True, True)


def test_mirror_and_what_if_find_their_place_beside_the_store(
    copied: OnServer, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``files`` there, and by default in the working folder under database and schema."""
    store = copied.store
    done = cli("mirror", "--store", store, "--json")
    assert done.code == 0, done.err
    assert done.json["folder"] == f"{postgres_address(store).files}.mirror"
    assert cli("query", EXECUTED, "--store", store, "--format", "json").code == 0
    told = cli("replay", "--store", store, "--what-if", "market", "--json")
    assert told.code == 0, told.err
    plain = store.partition("&files=")[0]
    work = copied.folder / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    assert cli("mirror", "--store", plain).code == 0
    assert (work / f"postgres.{copied.schema}.mirror" / MANIFEST).exists()
    missing = cli("replay", "--store", plain, "--what-if", "market")
    assert (missing.code, missing.err.count("\n")) == (2, 1), missing.err
    assert "no market data was captured for it" in missing.err
    market = postgres_address(store).files.name + ".market"
    shutil.copytree(copied.folder / "store" / market, work / f"postgres.{copied.schema}.market")
    again = cli("replay", "--store", plain, "--what-if", "market", "--json")
    assert again.code == 0, again.err
    assert again.json | {"store": ""} == told.json | {"store": ""}


def test_it_is_backed_up_restored_on_a_server_and_compacted(
    ran: OnServer, postgres_server: PostgresServer, tmp_path: Path, cli: Cli
) -> None:
    head = cli("store", "info", "--store", ran.store, "--json").json["head_hash"]
    copy = tmp_path / "copy.db"
    assert cli("store", "backup", copy, "--store", ran.store).code == 0
    (tmp_path / "again").mkdir()
    again = fresh_store(postgres_server, tmp_path / "again")
    restored = cli("store", "restore", copy, "--store", again)
    assert restored.code == 0, restored.err
    shutil.copytree(ran.folder / "store", tmp_path / "again", dirs_exist_ok=True)
    compacted = cli("store", "compact", "--store", again, "--json")
    assert (compacted.code, compacted.json["head_hash"]) == (0, head)
    verified = cli("verify", "--store", again, *ran.outside, "--counters", "--json")
    assert (verified.code, verified.json["outcome"]) == (0, "anchored")
    assert cli("replay", "--store", again, "--decisions").code == 0
    events = cli("events", "--store", again, "--json").out
    assert events == cli("events", "--store", ran.store, "--json").out
