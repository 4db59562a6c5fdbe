"""``surveillance`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import EXAMPLES, GENERATED, Cli, Run

CROSSING = [
    {
        "symbol": "KO",
        "action": "BUY",
        "target_weight": 4.0,
        "confidence": 8,
        "strategy": "vwap",
        "window": "2h",
    },
    {
        "symbol": "KO",
        "action": "TRIM",
        "target_weight": 1.0,
        "confidence": 8,
        "decision_time": "2024-06-12T09:50:00-04:00",
    },
]


def test_a_decision_against_our_own_open_order_is_shown_with_its_refusal(
    cli: Cli, tmp_path: Path
) -> None:
    decisions, store = tmp_path / "crossing.json", tmp_path / "log.db"
    decisions.write_text(json.dumps(CROSSING))
    account = EXAMPLES / "account_generated.json"
    run = cli("run", decisions, *GENERATED, "--account", account, "--store", store, "--json")
    (finding,) = (
        one
        for one in cli("surveillance", "--store", store, "--json").json["findings"]
        if one["pattern"] == "self_cross_attempt"
    )
    assert (finding["symbol"], finding["session_date"], finding["count"]) == ("KO", "2024-06-12", 1)
    (place,) = finding["occurrences"][0]["positions"]
    (line,) = cli("events", "--store", store, "--json", "--after", place - 1).out.splitlines()[:1]
    event = json.loads(line)
    assert (event["position"], event["topic"]) == (place, "InstructionRejected.v3")
    assert event["fields"]["refusals"][0]["reason"] == "self_cross"
    assert run.json["log"]["position"] >= place
    assert "self_cross_attempt" in cli("surveillance", "--store", store).out.decode()


def test_the_portfolio_day_has_nothing_to_ask_about(cli: Cli, portfolio_run: Run) -> None:
    told = cli("surveillance", "--store", portfolio_run.store)
    assert (told.code, told.out.decode().strip()) == (0, "nothing to ask about")
    for day, note in (("20240612", ""), ("2020-01-02", "the log has no order of 2020-01-02\n")):
        one = cli("surveillance", "--store", portfolio_run.store, "--session", day)
        assert (one.code, one.err) == (0, note)
    log = cli("surveillance", "--store", portfolio_run.store, "--json").json["log"]
    assert log["hash"] == portfolio_run.json["log"]["head_hash"]
