"""Corporate actions that the paper server announces, as the engine and alpaca-py read them."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.entrypoints.cli import main
from fillwright.domain import events as e
from fillwright.domain.corporate import ActionKind
from fillwright.domain.ports import NANOS
from tests.live.test_run_at_alpaca import SPEED, Fillwright, decision
from tests.paper.servers import KEY, SECRET, PaperServer, running

DAY = "2024-06-12"
SPIN_OFF, DIVIDEND, OTHER = (f"82e602f6-35bc-4651-a5dd-f6d88ff37c5{n}" for n in range(3))
ACTIONS = {
    "spin_offs": [
        {
            "id": SPIN_OFF,
            "source_symbol": "KO",
            "source_cusip": "191216100",
            "source_rate": 5,
            "new_symbol": "KOB",
            "new_cusip": "191216101",
            "new_rate": 1,
            "process_date": DAY,
            "ex_date": DAY,
        }
    ],
    "cash_dividends": [
        {
            "id": DIVIDEND,
            "symbol": "AAPL",
            "cusip": "037833100",
            "rate": 0.25,
            "special": False,
            "foreign": False,
            "process_date": "2024-07-01",
            "payable_date": "2024-07-01",
            "ex_date": "2024-06-14",
        },
        {
            "id": OTHER,
            "symbol": "MSFT",
            "cusip": "594918104",
            "rate": 0.75,
            "special": False,
            "foreign": False,
            "process_date": "2024-06-13",
            "ex_date": "2024-05-15",
        },
    ],
}


def by_alpaca_py(server: PaperServer, **asked: Any) -> dict[str, list[Any]]:
    from alpaca.data.historical.corporate_actions import CorporateActionsClient
    from alpaca.data.requests import CorporateActionsRequest

    client = CorporateActionsClient(KEY, SECRET, url_override=server.urls["data_url"])
    answer: Any = client.get_corporate_actions(CorporateActionsRequest(**asked))
    found: dict[str, list[Any]] = answer.data
    return found


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and standard output of a command."""
    capsys.readouterr()
    code = main(list(arguments))
    return code, capsys.readouterr().out


def test_what_is_announced_is_on_record_and_a_spin_off_waits_for_a_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, account = tmp_path / "actions.json", tmp_path / "account.json"
    file.write_text(json.dumps({"corporate_actions": ACTIONS}))
    account.write_text(json.dumps({"cash": 945_000, "positions": {"KO": 40, "AAPL": 10}}))
    with running(speed=SPEED, start="10:00", account=account, actions=file) as server:
        span = {"start": date(2024, 6, 1), "end": date(2024, 8, 1)}
        found = by_alpaca_py(server, symbols=["KO", "AAPL"], **span)
        assert {name: len(rows) for name, rows in found.items()} == {
            "spin_offs": 1,
            "cash_dividends": 1,
        }
        assert found["spin_offs"][0].new_symbol == "KOB"
        only = by_alpaca_py(
            server, types=["cash_dividend"], start=date(2024, 6, 13), end=date(2024, 6, 13)
        )
        assert [row.symbol for row in only["cash_dividends"]] == ["MSFT"]
        fillwright = Fillwright(server, tmp_path)
        ran = fillwright.run([decision(decision_id="more")], "--json")
        assert ran.returncode == 0, ran.stderr
        (row,) = json.loads(ran.stdout)["blotter"]
        assert row["state"] == "rejected"
        assert "not settled" in json.dumps(row["refusals"])
        store = ["--store", str(fillwright.store)]
        _, listed = told(capsys, "exceptions", "list", *store, "--kind", "alert", "--json")
        (waits,) = json.loads(listed)["exceptions"]
        assert (waits["subject"], waits["owner"]) == ("KO", "role:risk")
        assert "KO: spin_off with KOB on 2024-06-12" in waits["detail"]
        assert waits["due_at"] - waits["raised_at"] == 86_400 * NANOS
        said = ["accept", "KO", "--reason", "KOB booked", "--store", str(fillwright.store)]
        assert main([*said, "--person", "ann"]) == 0
        capsys.readouterr()
        again = fillwright.run([decision(decision_id="then", target_weight=1.0)], "--json")
        assert again.returncode == 0, again.stderr
        blotter = {row["decision_id"]: row for row in json.loads(again.stdout)["blotter"]}
        assert blotter["then"]["state"] == "filled", blotter

        # On demand: what is held is known already, what is named is not.
        for name, value in fillwright.environment.items():
            monkeypatch.setenv(name, value)
        assert told(capsys, "actions", *store) == (0, "2 on the record already\n")
        code, text = told(capsys, "actions", "--symbols", "msft", *store, "--json")
        (new,) = json.loads(text)["recorded"]
        assert (code, new["action"]["action_id"], new["source"]) == (0, OTHER, "alpaca")
        assert told(capsys, "actions", "--symbols", "PEP", *store) == (0, "nothing is announced\n")
        for wrong in (["--since", "june"], ["--symbols", "no,'t"], [str(file), "--symbols", "KO"]):
            assert told(capsys, "actions", *wrong, *store) == (2, "")
    assert told(capsys, "actions", *store) == (7, ""), "nobody answers any more"
    recorded = [x for x in fillwright.events() if isinstance(x, e.CorporateActionRecorded)]
    kinds = {x.action.action_id: (x.action.kind, x.source) for x in recorded}
    assert kinds == {
        SPIN_OFF: (ActionKind.SPIN_OFF, "alpaca"),
        DIVIDEND: (ActionKind.CASH_DIVIDEND, "alpaca"),
        OTHER: (ActionKind.CASH_DIVIDEND, "alpaca"),
    }
    assert len(recorded) == 3, "what is known is not recorded again"
    dividend = next(x.action for x in recorded if x.action.action_id == DIVIDEND)
    assert dividend.cash_per_share == Decimal("0.25")
