"""A finished run is mirrored, asked in SQL and checked, all by the commands."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from .conftest import Cli, Run

EXECUTED = (
    "SELECT symbol, sum(executed) AS executed, sum(notional) AS notional FROM fills GROUP BY 1"
)


@pytest.fixture
def store(portfolio_run: Run, tmp_path: Path) -> Path:
    """A copy of the finished run's store, to be mirrored beside."""
    return Path(shutil.copy(portfolio_run.store, tmp_path / "log.db"))


def test_a_run_is_mirrored_asked_and_checked(cli: Cli, store: Path, portfolio_run: Run) -> None:
    blotter = portfolio_run.json["blotter"]
    executed: Counter[str] = Counter()
    for row in blotter:
        executed[row["symbol"]] += Decimal(row["executed"])
    from_log = json.loads(cli("query", EXECUTED, "--store", store, "--format", "json").out)
    assert {row["symbol"]: Decimal(row["executed"]) for row in from_log} == +executed

    done = cli("mirror", "--store", store, "--segment-events", 100, "--json").json
    assert done["position"] == portfolio_run.json["log"]["position"]
    assert done["head_hash"] == portfolio_run.json["log"]["head_hash"]
    folder = Path(done["folder"])
    assert folder == store.with_name("log.db.mirror")
    alone = json.loads(cli("query", EXECUTED, "--mirror", folder, "--format", "json").out)
    assert sorted(alone, key=str) == sorted(from_log, key=str)

    assert cli("mirror", "--store", store, "--segment-events", 100).out.startswith(
        f"{folder}: 0 new events".encode()
    )
    checked = cli("mirror", "--store", store, "--verify", "--json").json
    assert (checked["ok"], checked["against_log"]) == (True, True)
    assert "without the log" in cli("mirror", "--dir", folder, "--verify").out.decode()


def test_an_answer_is_given_as_table_csv_and_json(cli: Cli, store: Path) -> None:
    sql = "SELECT position, topic, hash, counters, actor FROM events ORDER BY position LIMIT 7"
    shown = cli("query", sql, "--store", store).out.decode().splitlines()
    assert shown[0].split() == ["position", "topic", "hash", "counters", "actor"]
    assert len(shown) == 2 + 7
    rows = list(
        csv.DictReader(
            io.StringIO(cli("query", sql, "--store", store, "--format", "csv").out.decode())
        )
    )
    told = json.loads(cli("query", sql, "--store", store, "--format", "json").out)
    assert [row["hash"] for row in rows] == [row["hash"] for row in told]
    assert [int(row["position"]) for row in rows] == list(range(1, 8))
    nothing = "SELECT * FROM orders WHERE false"
    assert cli("query", nothing, "--store", store, "--json").json == []
    many = cli("query", "SELECT * FROM range(300)", "--store", store)
    assert "only the first 200 rows" in many.err


def test_a_changed_mirror_and_a_wrong_query_say_so(cli: Cli, store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    assert cli("mirror", "--store", store, "--dir", folder).code == 0
    segment = next(folder.glob("*.parquet"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 3] ^= 4
    segment.write_bytes(data)
    harmed = cli("mirror", "--store", store, "--dir", folder, "--verify")
    assert harmed.code == 4
    assert segment.name in harmed.err
    for sql in ("DELETE FROM events", "SELECT * FROM read_text('/etc/hostname')"):
        refused = cli("query", sql, "--store", store)
        assert refused.code == 2
        assert "query" in refused.err
    assert cli("query", "SELECT 1", "--mirror", tmp_path / "nowhere").code == 2
