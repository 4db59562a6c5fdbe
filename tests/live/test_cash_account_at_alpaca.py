"""A cash account at the paper server: what is not paid for is kept, and the day reconciles."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fillwright.domain import events as e
from fillwright.domain.ports import AccountKind
from tests.live.test_run_at_alpaca import CLI, SPEED, Fillwright, decision
from tests.paper.servers import PaperServer, running

WIDE = {
    "FILLWRIGHT_LIMITS__POSITION_PCT_MAX": "100",
    "FILLWRIGHT_LIMITS__TURNOVER_PCT_MAX": "1000",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PaperServer]:
    """An account with shares and next to no cash that may borrow nothing."""
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"cash": 100, "positions": {"KO": 450, "AAPL": 50}}))
    with running(speed=SPEED, start="10:00", account=account) as one:
        one.raw.patch("/account/configurations", {"max_margin_multiplier": "1"})
        yield one


def trade(fillwright: Fillwright, **fields: Any) -> None:
    given = {key: value for key, value in decision(**fields).items() if value is not None}
    ran = fillwright.run([given], **WIDE)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.timeout(600)  # three runs, each of which a busy machine slows down
def test_proceeds_are_spent_not_sold_again_and_the_day_reconciles_with_the_brokers_answers(
    server: PaperServer, tmp_path: Path
) -> None:
    fillwright = Fillwright(server, tmp_path)
    trade(fillwright, decision_id="raise", action="CLOSE", target_weight=None)
    size = {"symbol": "AAPL", "target_weight": None, "order_size": 20}
    trade(fillwright, decision_id="spend", **size)
    trade(fillwright, decision_id="flip", **size | {"action": "SELL", "order_size": 60})
    events = fillwright.events()
    status = next(one for one in events if isinstance(one, e.AccountStatusRecorded))
    assert (status.kind, status.source, status.multiplier) == (AccountKind.CASH, "broker", 1)
    assert status.settlement_days in (1, 2, 3)
    (rejected,) = [one for one in events if isinstance(one, e.InstructionRejected)]
    assert [refusal.reason.value for refusal in rejected.refusals] == ["good_faith"]
    assert rejected.refusals[0].observed.startswith("60 shares of 70 held, ")
    assert not any(isinstance(one, e.PositionUnexplained) for one in events)

    answers = {
        "activities": server.raw.get("/account/activities", {"page_size": 100}),
        "positions": server.raw.get("/positions"),
        "account": server.raw.get("/account"),
    }
    assert answers["activities"]
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(answers))
    options = ["--session", status.session_date, "--store", str(fillwright.store), "--json"]
    done = subprocess.run(
        [*CLI, "reconcile", "--statement", str(file), *options],
        env=fillwright.environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    found = json.loads(done.stdout)
    assert (done.returncode, found["breaks"], found["missing"]) == (0, [], []), done.stderr
    assert found["standing"] == "final"
    assert found["trades"] == len(answers["activities"])
