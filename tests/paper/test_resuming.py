"""A server that is killed and started again on its journal is the same broker."""

import signal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.exchange.journal import Journal
from tests.paper.servers import PaperServer, start


def state(server: PaperServer) -> dict[str, Any]:
    """What a client can know of the account, apart from what moves with time."""
    orders = server.raw.get("/orders", {"status": "all", "limit": 500, "nested": False})
    moving = ("hwm", "stop_price")
    return {
        "orders": [{k: v for k, v in order.items() if k not in moving} for order in orders],
        "fills": server.raw.get("/account/activities/FILL"),
        "held": {row["symbol"]: row["qty"] for row in server.raw.get_all_positions()},
        "cash": server.raw.get_account()["cash"],
        "configuration": server.raw.get("/account/configurations"),
    }


def trade(server: PaperServer) -> None:
    bid, ask = server.quote("NVDA")
    server.submit(symbol="NVDA", qty="50", client_order_id="entry")
    server.fault(fault="partial", count=1, fraction=0.5, seconds=30)
    server.submit(symbol="AAPL", qty="10")
    server.submit(symbol="SPY", notional="1234.56")
    server.submit(symbol="MSFT", type="trailing_stop", trail_price="90", qty="5")
    resting = server.submit(type="limit", limit_price="30", client_order_id="old")
    server.submit(type="stop", stop_price=str(ask), symbol="NVDA", qty="1")
    server.fault(fault="halt", symbol="AAPL", seconds=5)
    server.advance(10)
    server.raw.patch(f"/orders/{resting['id']}", {"limit_price": "31", "client_order_id": "new"})
    server.submit(
        symbol="NVDA",
        side="sell",
        qty="50",
        type="limit",
        order_class="oco",
        take_profit={"limit_price": str(ask + 20)},
        stop_loss={"stop_price": str(bid - 20)},
    )
    server.raw.patch("/account/configurations", {"no_shorting": True})
    server.advance(200)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_after_a_restart_everything_is_as_it_was(tmp_path: Path, sign: signal.Signals) -> None:
    journal = tmp_path / "paper.journal"
    server = start(journal=journal)
    trade(server)
    before, at = state(server), server.trading.get_clock().timestamp
    code = server.stop(sign)
    assert code == (0 if sign is signal.SIGTERM else -signal.SIGKILL)
    again = start(journal=journal)
    try:
        assert state(again) == before
        assert again.trading.get_clock().timestamp >= at
        answer = again.call(
            "POST",
            "/v2/orders",
            json={"symbol": "KO", "qty": "1", "side": "buy", "type": "market"}
            | {"time_in_force": "day", "client_order_id": "entry"},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
        again.submit(symbol="KO", client_order_id="later")
    finally:
        again.stop()
    evidence = Journal(journal)
    names = [request.client_order_id for request in evidence.submitted()]
    assert evidence.duplicates() == {}
    assert {"entry", "old", "new", "later"} <= set(names)
    evidence.close()


def test_a_journal_of_another_world_is_refused(tmp_path: Path) -> None:
    journal = tmp_path / "paper.journal"
    start(journal=journal).stop()
    with pytest.raises(AssertionError, match="the server ended with 3"):
        start(journal=journal, seed=4)


def test_two_servers_never_share_a_journal(tmp_path: Path) -> None:
    journal = tmp_path / "paper.journal"
    first = start(journal=journal)
    try:
        with pytest.raises(AssertionError, match="the server ended with 3"):
            start(journal=journal)
    finally:
        first.stop()
