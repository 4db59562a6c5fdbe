"""Two days at the paper server, and between them a split and a symbol change of what is held."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fillwright.domain import events as e
from fillwright.domain.corporate import ActionKind
from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.reasons import EndReason
from tests.live.test_run_at_alpaca import AT_ALPACA, CLI, SPEED, Fillwright
from tests.paper.servers import PaperServer, eventually, running

DAYS = ("20240612", "20240613")
EX_DATE = "2024-06-13"
ACTIONS = {
    "forward_splits": [
        {
            "id": "82e602f6-35bc-4651-a5dd-f6d88ff37c60",
            "symbol": "KO",
            "cusip": "191216100",
            "new_rate": 2,
            "old_rate": 1,
            "process_date": EX_DATE,
            "ex_date": EX_DATE,
        }
    ],
    "name_changes": [
        {
            "id": "82e602f6-35bc-4651-a5dd-f6d88ff37c61",
            "old_symbol": "AAPL",
            "old_cusip": "037833100",
            "new_symbol": "APLX",
            "new_cusip": "037833100",
            "process_date": EX_DATE,
        }
    ],
}


def buy(name: str, symbol: str, **fields: Any) -> dict[str, Any]:
    given = {"decision_id": name, "symbol": symbol, "action": "BUY", "order_size": 40}
    return given | {"confidence": 8, "strategy": "market", "max_slippage": 100} | fields


def held(server: PaperServer) -> dict[str, float]:
    return {row["symbol"]: float(row["qty"]) for row in server.call("GET", "/v2/positions").json()}


def traded(day: Fillwright, decisions: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    ran = day.run(decisions, "--json", "--lenient")
    assert ran.returncode == 0, ran.stderr
    return {row["decision_id"]: row for row in json.loads(ran.stdout)["blotter"]}


@pytest.mark.timeout(240)
def test_a_position_is_traded_on_after_a_split_and_under_its_new_symbol(tmp_path: Path) -> None:
    file, account = tmp_path / "actions.json", tmp_path / "account.json"
    file.write_text(json.dumps({"corporate_actions": ACTIONS}))
    account.write_text(json.dumps({"cash": 1_000_000}))
    started = {"speed": SPEED, "start": "10:00", "account": account, "actions": file}
    with running(session=DAYS[0], **started) as server:
        day = Fillwright(server, tmp_path)
        traded(day, [buy("one", "KO"), buy("two", "AAPL", strategy="pov", window="20m")])
        assert held(server) == {"KO": 40, "AAPL": 40}
        cash = server.call("GET", "/v2/account").json()["cash"]
        before = server.quote("KO")[0]
    account.write_text(json.dumps({"cash": float(cash), "positions": {"KO": 40, "AAPL": 40}}))
    with running(session=DAYS[1], **started) as server:
        assert held(server) == {"KO": 80, "APLX": 40}, "the broker has booked both"
        assert abs(float(server.quote("KO")[0] / before) - 0.5) < 0.05
        day = Fillwright(server, tmp_path)
        rows = traded(
            day,
            [
                buy("more", "KO"),
                buy("less", "APLX", action="SELL"),
                buy("gone", "AAPL"),
            ],
        )
        assert held(server) == {"KO": 120}
    assert (rows["more"]["state"], rows["less"]["state"]) == ("filled", "filled"), rows
    assert rows["gone"]["state"] == "rejected", "the old name is no asset any more"
    events = day.events()
    assert not [x for x in events if isinstance(x, e.PositionUnexplained)]
    plans = {x.plan.symbol: x.plan for x in events if isinstance(x, e.InstructionPlanned)}
    assert plans["AAPL"].strategy is ExecutionStrategy.POV
    known = [x.action for x in events if isinstance(x, e.CorporateActionRecorded)]
    assert {(one.symbol, one.kind) for one in known} == {
        ("KO", ActionKind.SPLIT),
        ("AAPL", ActionKind.SYMBOL_CHANGE),
    }
    recorded = [x.instrument for x in events if isinstance(x, e.InstrumentRecorded)]
    ids = {x.symbol: x.asset_id for x in recorded}
    assert ids["APLX"] == ids["AAPL"], "the same asset under another name"
    assert not [x for x in events if isinstance(x, e.AccountAnomaly)]


@pytest.mark.timeout(240)
def test_a_position_that_nothing_explains_is_only_reduced(tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"cash": 1_000_000}))
    started = {"speed": SPEED, "start": "10:00", "account": account}
    with running(session=DAYS[0], **started) as server:
        day = Fillwright(server, tmp_path)
        traded(day, [buy("one", "KO")])
        assert held(server) == {"KO": 40}
    account.write_text(json.dumps({"cash": 990_000, "positions": {"KO": 65}}))
    with running(session=DAYS[1], **started) as server:
        day = Fillwright(server, tmp_path)
        rows = traded(day, [buy("more", "KO"), buy("other", "AAPL")])
        rows |= traded(day, [buy("less", "KO", action="SELL")])
        assert held(server) == {"KO": 25, "AAPL": 40}
    assert rows["more"]["state"] == "rejected", rows["more"]
    refusals = json.dumps(rows["more"]["refusals"])
    assert "corporate actions explain" in refusals, refusals
    assert (rows["less"]["state"], rows["other"]["state"]) == ("filled", "filled"), rows
    unexplained = [x for x in day.events() if isinstance(x, e.PositionUnexplained)]
    assert {x.symbol for x in unexplained} == {"KO"}


def read(day: Fillwright) -> list[e.DomainEvent]:
    return day.events() if day.store.exists() else []


@pytest.mark.timeout(240)
def test_nothing_is_carried_over_an_ex_date(tmp_path: Path) -> None:
    """A decision of the last minutes waits for a day on which a share is another one."""
    file, account = tmp_path / "actions.json", tmp_path / "account.json"
    file.write_text(json.dumps({"corporate_actions": ACTIONS}))
    account.write_text(json.dumps({"cash": 1_000_000}))
    started = {"speed": SPEED, "account": account, "actions": file}
    with running(session=DAYS[0], start="15:52", **started) as server:
        day = Fillwright(server, tmp_path)
        file_of = tmp_path / "late.json"
        file_of.write_text(json.dumps([buy("late", "KO", strategy="twap")]))
        command = [*CLI, "run", str(file_of), *AT_ALPACA, "--store", str(day.store)]
        with subprocess.Popen(command, env=day.environment, stdout=subprocess.DEVNULL) as engine:
            eventually(lambda: [x for x in read(day) if isinstance(x, e.InstructionPlanned)])
            engine.send_signal(signal.SIGTERM)  # the next session is not waited for
            assert engine.wait(timeout=60) == 0
        assert held(server) == {}
    with running(session=DAYS[1], start="10:00", **started) as server:
        day = Fillwright(server, tmp_path)
        rows = traded(day, [buy("new", "KO")])
        assert held(server) == {"KO": 40}, "the new decision alone"
    (ended,) = [x for x in day.events() if isinstance(x, e.InstructionCancelled)]
    assert (ended.reason, ended.executed) == (EndReason.CORPORATE_ACTION, 0)
    assert rows["new"]["state"] == "filled", rows
