"""A sell through zero, through the adapter and the paper server."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from fillwright.domain import events as e
from fillwright.domain.ports import SellMark
from tests.live.test_run_at_alpaca import SPEED, Fillwright, decision
from tests.paper.servers import running

HELD = {"KO": 40}


def test_an_unknown_price_test_refuses_a_short_sale_at_the_paper_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The feed has said nothing of Rule 201: unknown refuses, and what is held is still sold."""
    folder = tmp_path_factory.mktemp("shorts")
    account = folder / "account.json"
    account.write_text(json.dumps({"cash": 945_000, "positions": HELD}))
    sell = decision(action="SELL", target_weight=None, strategy="market")
    with running(speed=SPEED, start="10:00", account=account) as server:
        fillwright = Fillwright(server, folder)
        wanted = [
            sell | {"decision_id": "through", "order_size": 100},
            sell | {"decision_id": "held", "order_size": 40},
        ]
        ran = fillwright.run(wanted, "--json", FILLWRIGHT_LIMITS__ALLOW_SHORT="true")
        assert ran.returncode == 0, ran.stderr
        rows = {row["decision_id"]: row for row in json.loads(ran.stdout)["blotter"]}
        left = {p["symbol"]: Decimal(p["qty"]) for p in server.call("GET", "/v2/positions").json()}
    assert rows["through"]["state"] == "rejected"
    assert "short_sale" in json.dumps(rows["through"]["refusals"])
    assert rows["held"]["state"] == "filled"
    assert left.get("KO", Decimal(0)) == 0
    orders = [event for event in fillwright.events() if isinstance(event, e.OrderIntended)]
    assert {order.sell_mark for order in orders} == {SellMark.LONG}
