"""A store that cannot be used gives one line and exit code 3, and nothing is half-done."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .checks import check_journal
from .conftest import GENERATED, Cli, command, environment

HOLDER = """
import sys
from fillwright.adapters.storage.log import Log
with Log.open(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
ROWS = [
    {
        "decision_id": f"d-{n}",
        "symbol": symbol,
        "action": "BUY",
        "target_weight": 2.0,
        "strategy": "twap",
        "window": "10m",
        "max_slippage": 100,
    }
    for n, symbol in enumerate(("KO", "AAPL", "SPY"))
]


@pytest.fixture
def decisions(tmp_path: Path) -> Path:
    file = tmp_path / "decisions.json"
    file.write_text(json.dumps(ROWS))
    return file


@pytest.fixture
def held_store(tmp_path: Path) -> Iterator[Path]:
    """A store that another process writes."""
    store = tmp_path / "held.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield store
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait()


def test_a_store_that_another_process_writes(cli: Cli, decisions: Path, held_store: Path) -> None:
    done = cli("run", decisions, *GENERATED, "--store", held_store)
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert "is being written by process" in done.err


def test_a_store_of_a_newer_version(cli: Cli, decisions: Path, tmp_path: Path) -> None:
    store = tmp_path / "log.db"
    assert cli("run", decisions, *GENERATED, "--store", store).code == 0
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for arguments in (["run", decisions, *GENERATED], ["status"], ["events"], ["replay"]):
        done = cli(*arguments, "--store", store)
        assert done.code == 3
        assert done.err.count("\n") == 1
        assert "newer version" in done.err


def test_a_file_that_is_no_store(cli: Cli, decisions: Path) -> None:
    before = decisions.read_bytes()
    done = cli("run", decisions, *GENERATED, "--store", decisions)
    assert done.code == 3
    assert "not a fillwright store" in done.err
    assert decisions.read_bytes() == before


def test_another_database_is_left_alone(cli: Cli, decisions: Path, tmp_path: Path) -> None:
    store = tmp_path / "other.db"
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    done = cli("run", decisions, *GENERATED, "--store", store)
    assert done.code == 3
    assert "not a fillwright store" in done.err


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("missing/log.db", "is not a folder: make it"),
        (".", "name a file in it"),
        ("mysql://host/db", "not supported"),
        ("/proc/log.db", "/proc/log.db"),
    ],
)
def test_a_place_where_no_store_can_be(
    store: str, said: str, cli: Cli, decisions: Path, tmp_path: Path
) -> None:
    where = store if "://" in store else str(tmp_path / store)
    done = cli("run", decisions, *GENERATED, "--store", where)
    assert done.code == 3
    assert done.err.count("\n") == 1
    assert said in done.err


def test_reading_a_store_that_is_not_there_makes_none(cli: Cli, tmp_path: Path) -> None:
    done = cli("status", "--store", tmp_path / "log.db")
    assert done.code == 3
    assert "does not exist" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_begun_on_other_terms(cli: Cli, decisions: Path, tmp_path: Path) -> None:
    arguments = ("run", decisions, *GENERATED, "--store", tmp_path / "log.db", "--json")
    first = cli(*arguments, "--seed", 3)
    assert first.code == 0
    other_seed = cli(*arguments, "--seed", 4)
    assert (other_seed.code, "seed" in other_seed.err) == (2, True)
    other_fees = cli(*arguments, "--fees", "none")
    assert other_fees.code == 3
    assert "begun on other terms: terms.fees" in other_fees.err
    assert cli(*arguments).out == first.out, "without a seed it is the store's own"


def limited(store: Path, decisions: Path, size: int) -> subprocess.CompletedProcess[bytes]:
    """Run while no file may grow past ``size`` bytes, which is how a full disk looks from here."""
    return subprocess.run(
        command("run", decisions, *GENERATED, "--store", store),
        env=environment(),
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


@pytest.mark.timeout(400)
def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(
    cli: Cli, decisions: Path, tmp_path: Path
) -> None:
    whole = cli("run", decisions, *GENERATED, "--store", tmp_path / "whole.db", "--json").json
    store = tmp_path / "full.db"
    for size in (30_000, 150_000, 300_000):
        done = limited(store, decisions, size)
        assert done.returncode == 3, done.stderr.decode()
        err = done.stderr.decode()
        assert err.count("\n") == 1, err
        assert "disk" in err
        assert done.stdout == b""
    after = cli("run", decisions, *GENERATED, "--store", store, "--json")
    assert after.code == 0, after.err
    assert cli("verify", "--store", store).code == 0
    assert cli("replay", "--store", store).code == 0
    check_journal(store)
    done_now = {row["decision_id"]: row["executed"] for row in after.json["blotter"]}
    assert done_now == {row["decision_id"]: row["executed"] for row in whole["blotter"]}
