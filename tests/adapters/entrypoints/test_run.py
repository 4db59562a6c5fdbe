"""A portfolio of decisions, run by the real command on generated and on recorded data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.running import load_market

from .checks import (
    check_journal,
    check_quantities,
    exchange_positions,
    logged_positions,
    positions_of,
)
from .conftest import EXAMPLES, GENERATED, PORTFOLIO, Cli, Run, finished_run, process

ACTIONS = {"BUY", "SELL", "TRIM", "ADD", "CLOSE"}
STRATEGIES = {"market", "limit", "twap", "vwap", "iceberg", "opportunistic"}
RECORDED_SESSION = "20131008"
SLOW_SECONDS = 400
"""Three whole sessions each, on a machine that may be busy."""


def events_of(store: Path) -> bytes:
    done = process("events", "--json", "--store", store)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def check_whole_run(document: Any) -> None:
    """It is the run that was asked for: everything happened that a portfolio can show."""
    rows = document["blotter"]
    assert len(rows) == len(document["decisions"]) >= 20
    assert {row["action"] for row in rows} == ACTIONS
    assert {row["strategy"] for row in rows if row["executed"] != "0"} == STRATEGIES
    assert sum(row["status"] == "NO_CHANGE" for row in rows) == 1
    reasons = set(document["report"]["refusals_by_reason"])
    assert {"position_size", "daily_turnover", "max_slippage", "spread_exceeds_bound"} <= reasons
    assert document["report"]["totals"]["active"] == 0
    assert document["report"]["quality"]["overall"]["completion"] is not None


def check_twice(
    run: Run, arguments: Sequence[str], market: RecordedMarketData, account: Path, tmp_path: Path
) -> None:
    """Another store gets the same log, and running again adds nothing to either."""
    document = run.json
    check_whole_run(document)
    second = finished_run(tmp_path / "second.db", arguments)
    assert events_of(second.store) == events_of(run.store)
    assert second.json["log"]["head_hash"] == document["log"]["head_hash"]
    assert second.json["blotter"] == document["blotter"]

    before = second.store.read_bytes()
    again = finished_run(second.store, arguments)
    assert again.out == second.out
    assert "nothing was appended" in again.err
    assert second.store.read_bytes() == before

    expected = check_quantities(document, positions_of(account))
    assert expected, "something is left to compare"
    assert logged_positions(run.store) == expected
    assert exchange_positions(second.store, market, account) == expected
    orders = sum(len(row["orders"]) for row in document["blotter"])
    assert check_journal(second.store) == orders

    # Not the first one, which is only for reading: that it was replayed is put on record.
    replayed = process("replay", "--store", second.store, "--json")
    assert replayed.returncode == 0, replayed.stderr.decode()
    found = json.loads(replayed.stdout)
    assert found["ok"] is True
    assert found["counters_agree"] is True
    assert found["decisions"]["steps"] > 100


@pytest.mark.timeout(SLOW_SECONDS)
def test_the_same_seed_gives_the_same_log_on_a_generated_market(
    portfolio_run: Run, tmp_path: Path
) -> None:
    market = load_market("generated", "20240612", seed=3)
    account = EXAMPLES / "account_generated.json"
    check_twice(portfolio_run, PORTFOLIO, market, account, tmp_path)


@pytest.mark.timeout(SLOW_SECONDS)
def test_the_same_seed_gives_the_same_log_on_recorded_data(
    shared_dir: Path, tmp_path: Path
) -> None:
    folder, account = shared_dir / "data", EXAMPLES / "account.json"
    arguments = [
        str(EXAMPLES / "portfolio.json"),
        *("--market", str(folder), "--session", "2013-10-08"),
        *("--account", str(account), "--seed", "11"),
    ]
    run = finished_run(tmp_path / "first.db", arguments)
    market = load_market(str(folder), RECORDED_SESSION)
    check_twice(run, arguments, market, account, tmp_path)


def test_another_seed_gives_another_generated_market(cli: Cli, tmp_path: Path) -> None:
    heads = set()
    for seed in (1, 2):
        store = tmp_path / f"{seed}.db"
        given = ("--store", store, "--seed", seed, "--json", "--lenient")
        done = cli("run", mixed(), *GENERATED, *given)
        assert done.code == 0, done.err
        heads.add(done.json["log"]["head_hash"])
    assert len(heads) == 2


def mixed() -> Path:
    return EXAMPLES / "mixed.jsonl"


def test_rows_that_are_no_decisions_are_refused_on_the_record_and_the_run_goes_on(
    cli: Cli, tmp_path: Path
) -> None:
    store = tmp_path / "log.db"
    done = cli("run", mixed(), *GENERATED, "--store", store)
    assert done.code == 2
    assert "7 of 8 rows" in done.err
    text = " ".join(done.out.decode().split())
    for said in (
        "action: 'HOLD'; allowed: one of BUY, SELL, TRIM, ADD, CLOSE",
        "target_weight: -2.0; allowed: a number from 0 to 1000 (percent of equity)",
        "target_weight: nan; allowed: a number from 0 to 1000 (percent of equity)",
        "confidence: 11; allowed: a whole number from 1 to 10",
        "symbols of this market: AAPL, KO, MSFT, NPK, NVDA, SPY",
    ):
        assert said in text
    assert "row 8" in text
    document = cli("run", mixed(), *GENERATED, "--store", store, "--json").json
    states = [row["state"] for row in document["decisions"]]
    assert states == ["filled"] + ["rejected"] * 7
    assert all(row["refusals"] for row in document["blotter"] if row["status"] == "REJECTED")


def test_lenient_takes_rows_that_are_no_decisions_for_no_error(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", mixed(), *GENERATED, "--store", tmp_path / "log.db", "--lenient")
    assert done.code == 0
    assert cli("status", "--store", tmp_path / "log.db", "--json").json["log"]["position"] > 0


def test_a_row_of_another_session_is_refused_by_name_and_leniently_the_run_goes_on(
    cli: Cli, tmp_path: Path
) -> None:
    row = {"symbol": "KO", "action": "BUY", "target_weight": 1, "strategy": "market"}
    late = {**row, "decision_id": "late", "decision_time": "2024-06-13T15:00:00-04:00"}
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps(one) for one in ({**row, "decision_id": "a"}, late)))
    store = tmp_path / "log.db"
    strict = cli("run", rows, *GENERATED, "--store", store)
    assert (strict.code, "decision_time (row 2)" in strict.err) == (2, True)
    done = cli("run", rows, *GENERATED, "--store", store, "--lenient", "--json")
    assert done.code == 0, done.err
    assert [one["state"] for one in done.json["decisions"]] == ["filled", "rejected"]
    (refused,) = [one for one in done.json["blotter"] if one["status"] == "REJECTED"]
    assert "2024-06-13T19:00:00Z" in str(refused["refusals"])
    assert cli("replay", "--store", store, "--decisions").code == 0
    again = cli("run", rows, *GENERATED, "--store", store, "--lenient", "--json")
    assert again.json["log"] == done.json["log"]


def test_decisions_may_come_as_a_table(cli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "decisions.csv"
    table.write_text("symbol,action,target_weight,strategy,window\nKO,BUY,1.5,twap,5m\n")
    done = cli("run", table, *GENERATED, "--store", tmp_path / "log.db", "--json")
    assert done.code == 0, done.err
    (row,) = done.json["blotter"]
    assert (row["strategy"], row["status"]) == ("twap", "FILLED")
    first = Decimal(row["received_at"]) - 1_718_199_000 * 10**9
    assert first == 300 * 10**9, "five minutes after the open"


def test_equal_rows_without_an_id_are_decisions_of_their_own(cli: Cli, tmp_path: Path) -> None:
    row = {"symbol": "KO", "action": "BUY", "target_weight": 4, "order_size": 50}
    file, store = tmp_path / "two.json", tmp_path / "log.db"
    file.write_text(json.dumps([row, row]))
    arguments = ("run", file, *GENERATED, "--store", store, "--json")
    first = cli(*arguments).json
    assert len(first["blotter"]) == 2
    assert len({row["decision_id"] for row in first["blotter"]}) == 2
    assert cli(*arguments).json == first


def test_a_changed_row_under_a_known_id_is_refused_and_said(cli: Cli, tmp_path: Path) -> None:
    file, store = tmp_path / "one.json", tmp_path / "log.db"
    row = {"decision_id": "a", "symbol": "KO", "action": "BUY", "target_weight": 1}
    row["strategy"] = "market"
    file.write_text(json.dumps([row]))
    arguments = ("run", file, *GENERATED, "--store", store)
    before = cli(*arguments, "--json").json
    file.write_text(json.dumps([{**row, "target_weight": 2}]))
    after = cli(*arguments, "--json")
    assert after.code == 2
    assert "row 1" in after.err
    assert "other content" in after.err
    assert after.json["log"] == before["log"]


def test_a_run_of_one_symbol_loads_no_other(shared_dir: Path, cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "d.json"
    file.write_text(json.dumps([{"symbol": "IBM", "action": "BUY", "target_weight": 1}]))
    done = cli(
        *("run", file, "--market", shared_dir / "data", "--session", RECORDED_SESSION),
        *("--symbols", "BAC", "--store", tmp_path / "log.db", "--json"),
    )
    assert done.code == 2
    assert done.json["blotter"][0]["refusals"][0]["reason"] == "unknown_symbol"


def test_a_symbol_that_nobody_knows_is_told_by_that_one_reason(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "d.json"
    file.write_text(json.dumps([{"symbol": "NOPE", "action": "BUY", "target_weight": 3}]))
    run = ("run", file, *GENERATED, "--store", tmp_path / "log.db")
    shown = cli(*run).out.decode()
    assert "unknown_symbol symbol: NOPE" in shown
    assert "no_price" not in shown
    assert "halted" not in shown
    kept = cli(*run, "--json").json["blotter"][0]["refusals"]  # what is on record is all of it
    assert "no_price" in [one["reason"] for one in kept]


def test_progress_is_shown_on_stderr_and_only_there(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", mixed(), *GENERATED, "--store", tmp_path / "log.db", "--json", "--progress")
    assert "8/8 done, 0 working" in done.err
    assert done.out.count(b"\n") == 1
    assert done.json["log"]["position"] > 0
