"""A part in the closing auction, through the adapter and the paper server."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal

import pytest

from fillwright.domain import events as e
from fillwright.domain.ports import TimeInForce
from tests.live.test_run_at_alpaca import AT_ALPACA, CLI, HELD, Fillwright, decision
from tests.paper.servers import running


@pytest.mark.soak
def test_an_engine_at_the_paper_server_trades_at_the_close(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("auctions")
    account = folder / "account.json"
    account.write_text(json.dumps({"cash": 945_000, "positions": HELD}))
    with running(speed=40, start="15:03", account=account) as server:
        fillwright = Fillwright(server, folder)
        wanted = decision(decision_id="close", strategy="twap", auction="close", max_slippage=200)
        file = folder / "decisions.json"
        file.write_text(json.dumps([wanted]))
        ran = subprocess.run(
            [*CLI, "run", str(file), *AT_ALPACA, "--store", str(fillwright.store), "--json"],
            env=fillwright.environment,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        (row,) = json.loads(ran.stdout)["blotter"]
        asset = server.call("GET", "/v2/assets/KO").json()
        held = {p["symbol"]: Decimal(p["qty"]) for p in server.call("GET", "/v2/positions").json()}
    events = fillwright.events()
    (order,) = [event for event in events if isinstance(event, e.OrderIntended)]
    assert order.time_in_force is TimeInForce.CLS
    assert order.limit_price is not None
    assert row["state"] == "filled"
    assert held["KO"] == HELD["KO"] + order.quantity
    (fill,) = [event for event in events if isinstance(event, e.OrderFilled)]
    closes = next(x.close for x in events if isinstance(x, e.SessionOpened))
    assert fill.report.market_time >= closes
    (known,) = [event.instrument for event in events if isinstance(event, e.InstrumentRecorded)]
    assert (known.symbol, known.asset_id, known.broker) == ("KO", asset["id"], "alpaca")
