"""The limit on the day's loss at the paper server, reached by what somebody else trades there."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from fillwright.domain import events as e
from tests.live.test_run_at_alpaca import SPEED, Fillwright
from tests.paper.servers import PaperServer, eventually, running

HELD = {"KO": 400}
SIZE = 200
LIMIT = {"FILLWRIGHT_LIMITS__DAILY_LOSS_PCT_MAX": "0.1"}
LOST_USD = 1_000
"""Above the limit of the account's 970,000 USD."""


def order(name: str, **fields: Any) -> dict[str, Any]:
    given = {"decision_id": name, "confidence": 8, "strategy": "twap", "window": "20m"}
    return given | {"order_size": SIZE, "max_slippage": "none"} | fields


def equity(server: PaperServer) -> float:
    return float(server.call("GET", "/v2/account").json()["equity"])


def is_filled(server: PaperServer, order_id: str) -> bool:
    return bool(server.order(order_id)["status"] == "filled")


def lose_once_both_trade(server: PaperServer, fillwright: Fillwright) -> None:
    """Buy and sell a thin symbol at market, to and fro, until that has cost enough.

    Returns when what reduces has been sold all the same.
    """

    def symbols() -> set[str]:
        return {row["symbol"] for row in server.call("GET", "/v2/orders?status=all").json()}

    eventually(lambda: symbols() >= {"KO", "AAPL"}, seconds=200)
    before = equity(server)
    for _ in range(20):
        for side in ("buy", "sell"):
            sent = server.submit(symbol="NPK", qty="2000", side=side)
            eventually(partial(is_filled, server, sent["id"]), seconds=60)
        if equity(server) < before - LOST_USD:
            break
    eventually(lambda: any(isinstance(x, e.InstructionFilled) for x in fillwright.events()), 200)


@pytest.mark.timeout(500)
def test_what_is_bought_stops_when_the_days_loss_is_reached_and_what_is_sold_goes_on(
    tmp_path: Path,
) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"cash": 945_000, "positions": HELD}))
    wanted = [
        order("adds", symbol="AAPL", action="BUY"),
        order("reduces", symbol="KO", action="SELL", window="9m"),
    ]
    with running(speed=SPEED, start="10:00", account=account) as server:
        fillwright = Fillwright(server, tmp_path)
        losing = partial(lose_once_both_trade, server, fillwright)
        ran = fillwright.run(wanted, "--json", until=losing, **LIMIT)
        assert ran.returncode == 0, ran.stderr
    rows = {row["decision_id"]: row for row in json.loads(ran.stdout)["blotter"]}
    events = fillwright.events()
    suspended = [x for x in events if isinstance(x, e.InstructionSuspended)]
    assert {x.cause for x in suspended} == {"daily_loss"}
    (adding,) = {x.originator_id for x in suspended}
    assert rows["reduces"]["state"] == "filled", "it goes on"
    resumed = [
        x.record_time
        for x in events
        if isinstance(x, e.InstructionResumed) and x.originator_id == adding
    ]
    first, until = suspended[0].record_time, min(resumed, default=2**63)
    sent = [x for x in events if isinstance(x, e.OrderIntended)]
    assert {x.symbol for x in sent if x.originator_id == adding} == {"AAPL"}
    inside = [x for x in sent if first < x.record_time < until]
    assert [x for x in inside if x.originator_id == adding] == []
    assert inside, "only what reduces is sent"
    assert any("daily loss" in x.detail for x in events if isinstance(x, e.AccountAnomaly))


def withdraw_once_it_trades(server: PaperServer) -> None:
    """Take out far more than the limit on the day's loss while something is worked."""
    if eventually(lambda: server.call("GET", "/v2/orders?status=all").json(), seconds=200):
        server.call("POST", "/fillwright/cash", json={"amount": "-20000"})


@pytest.mark.timeout(300)
def test_what_is_withdrawn_within_the_session_is_no_loss(tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"cash": 970_000}))
    wanted = [order("adds", symbol="AAPL", action="BUY", window="4m")]
    with running(speed=SPEED, start="10:00", account=account) as server:
        fillwright = Fillwright(server, tmp_path)
        taking = Thread(target=withdraw_once_it_trades, args=(server,))
        taking.start()
        ran = fillwright.run(wanted, "--json", **LIMIT)
        taking.join()
        assert ran.returncode == 0, ran.stderr
        activities = server.call("GET", "/v2/account/activities/CSW").json()
    (row,) = json.loads(ran.stdout)["blotter"]
    assert row["state"] == "filled", row
    events = fillwright.events()
    (moved,) = [x for x in events if isinstance(x, e.CashMoved)]
    assert (moved.kind, moved.amount_usd) == ("CSW", -20_000)
    assert [x["id"] for x in activities] == [moved.movement_id]
    assert [x for x in events if isinstance(x, e.InstructionSuspended)] == []
