"""The same commands on a PostgreSQL store give the same events, the same chain, the same report."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from fillwright.adapters.storage.log import Log
from fillwright.projections.daily_limits import DailyLimits
from fillwright.projections.runner import follow
from tests.postgres import PostgresServer

from .conftest import GENERATED, PORTFOLIO, Cli, Run, command, environment

DECISION = {"symbol": "KO", "action": "BUY", "target_weight": 2.0, "confidence": 7}


def test_a_portfolio_on_postgresql_is_the_one_on_sqlite_to_the_byte(
    cli: Cli, postgres_url: str, portfolio_run: Run, tmp_path: Path
) -> None:
    ran = cli("run", *PORTFOLIO, "--store", postgres_url, "--json")
    assert ran.code in (0, 2), ran.err
    ours = cli("events", "--store", postgres_url, "--json")
    assert ours.out == cli("events", "--store", portfolio_run.store, "--json").out
    for view in ("status", "report", "limits"):
        one = cli(view, "--store", postgres_url, "--json").json
        other = cli(view, "--store", portfolio_run.store, "--json").json
        for told in (one, other):
            told.pop("store", None)
            told.get("log", {}).pop("store", None)
        assert one == other
    assert cli("verify", "--store", postgres_url, "--counters").code == 0
    assert cli("replay", "--store", postgres_url).code == 0
    assert cli("replay", "--store", postgres_url, "--decisions").code == 0
    # Once more: everything is there, nothing is appended.
    before = cli("store", "info", "--store", postgres_url, "--json").json
    again = cli("run", *PORTFOLIO, "--store", postgres_url, "--json")
    assert again.code == ran.code
    after = cli("store", "info", "--store", postgres_url, "--json").json
    assert after["head_hash"] == before["head_hash"]
    copied = cli("store", "backup", tmp_path / "copy.db", "--store", postgres_url, "--json").json
    assert copied["head_hash"] == before["head_hash"]
    assert cli("events", "--store", tmp_path / "copy.db", "--json").out == ours.out


def test_a_store_is_made_looked_at_copied_and_compacted(
    cli: Cli, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    (tmp_path / "decisions.json").write_text(json.dumps([DECISION]), encoding="utf-8")
    url = f"{postgres_server.url}?schema=by_hand&files={tmp_path / 'by_hand'}"
    run = ("run", tmp_path / "decisions.json", *GENERATED, "--store", url)
    refused = cli(*run)
    assert refused.code == 3
    assert "fillwright store migrate" in refused.err
    assert cli("store", "migrate", "--store", url, "--json").json["format_before"] == 0
    assert "nothing to do" in cli("store", "migrate", "--store", url).out.decode()
    assert cli(*run).code == 0
    told = cli("store", "info", "--store", url, "--json").json
    assert told["database"] == "postgresql"
    assert told["position"] > 10
    assert [owner["is_owned"] for owner in told["owners"]] == [False]
    assert "fillwright@127.0.0.1" in cli("store", "info", "--store", url).out.decode()
    compacted = cli("store", "compact", "--store", url, "--json").json
    assert compacted["head_hash"] == told["head_hash"]
    target = tmp_path / "restored.db"
    assert cli("store", "backup", tmp_path / "copy.db", "--store", url).code == 0
    assert cli("store", "restore", tmp_path / "copy.db", "--store", target).code == 0
    again = cli("store", "restore", tmp_path / "copy.db", "--store", target)
    assert again.code == 3
    assert "nothing is overwritten" in again.err
    assert cli("verify", "--store", target).code == 0
    segments = sorted((tmp_path / "copy.db.market").iterdir())
    assert len(segments) == len(list((tmp_path / "by_hand.market").iterdir())) > 1
    segments[0].unlink()
    segments[1].write_bytes(b"something else")
    done = cli("store", "restore", tmp_path / "copy.db", "--store", tmp_path / "part.db", "--json")
    assert (done.code, done.json["segments"]) == (0, len(segments) - 2)
    assert [one.split(": ", 1)[1][:9] for one in sorted(done.json["segments_missing"])] == [
        "No such f",
        "its bytes",
    ]
    missing = cli("verify", "--store", tmp_path / "part.db")
    assert missing.code == 4
    assert "segment" in missing.err


def test_two_accounts_trade_at_the_same_time_on_one_log(postgres_url: str, tmp_path: Path) -> None:
    def trade(account: str) -> subprocess.Popen[bytes]:
        row = {"symbol": "KO", "action": "BUY", "target_weight": 2.0, "confidence": 7}
        decisions = tmp_path / f"{account}.json"
        decisions.write_text(json.dumps([row | {"decision_id": f"{account}-1"}]), encoding="utf-8")
        own_files = postgres_url.replace("fillwright.pg", f"{account}.pg")
        return subprocess.Popen(
            command("run", decisions, *GENERATED, "--store", own_files, "--json"),
            env=environment() | {"FILLWRIGHT_ACCOUNT": account},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    engines = [trade("a"), trade("b")]
    assert [engine.wait(100) for engine in engines] == [0, 0]
    usage = DailyLimits()
    with Log.open(postgres_url, writer=False) as log:
        assert log.verify().ok
        before = log.head()
        follow([usage], log.events())
        stored = {key: used for key, used in log.counters().items() if used}
        assert stored == usage.counters()
        assert {key.split(":")[1] for key in stored} == {"a", "b"}
        # Each takes up its own part only: nothing is left to do, and no counter disagrees.
        assert trade("a").wait(100) == 0
        assert log.head() == before
