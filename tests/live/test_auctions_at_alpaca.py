"""A part in the closing auction, through the adapter and the paper server."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fillwright.adapters.market_data.generated import GeneratedMarket
from fillwright.adapters.market_data.history import BARS_FILE
from fillwright.adapters.market_data.instruments import DEFAULT_INSTRUMENTS
from fillwright.domain import events as e
from fillwright.domain.ports import NANOS, TimeInForce
from tests.live.test_run_at_alpaca import AT_ALPACA, CLI, HELD, Fillwright, decision
from tests.paper.servers import SESSION, running

BEFORE_CLOSE: dict[str, Any] = {"speed": 75, "start": "15:26"}
"""The cut-off comes after 19 seconds, which engines need to start on a machine that is busy."""


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


@pytest.mark.soak
def test_an_engine_at_the_paper_server_trades_at_the_open(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A decision before the open, in a market with a quote of the early session."""
    folder = tmp_path_factory.mktemp("opening")
    account = folder / "account.json"
    account.write_text(json.dumps({"cash": 945_000, "positions": {"KO": HELD["KO"]}}))
    market = early_market(tmp_path_factory.mktemp("market"))
    started = {"speed": 40, "start": "09:00", "account": account, "session": SESSION}
    with running(market=market, **started) as server:
        fillwright = Fillwright(server, folder)
        wanted = decision(decision_id="open", strategy="twap", auction="open", max_slippage=400)
        ran = fillwright.run([wanted], "--json", FILLWRIGHT_LIMITS__QUOTE_AGE_SECONDS_MAX="3600")
        assert ran.returncode == 0, ran.stderr
        (row,) = json.loads(ran.stdout)["blotter"]
    events = fillwright.events()
    assert not row["refusals"], row
    (order,) = [event for event in events if isinstance(event, e.OrderIntended)]
    assert order.time_in_force is TimeInForce.OPG
    opens = next(x.open for x in events if isinstance(x, e.SessionOpened))
    assert order.record_time < opens - 120 * NANOS
    assert row["state"] == "filled", row
    (fill,) = [event for event in events if isinstance(event, e.OrderFilled)]
    assert fill.report.market_time >= opens


def early_market(folder: Path) -> Path:
    """KO with earlier days, and one quote half an hour before the open."""
    spec = next(each for each in DEFAULT_INSTRUMENTS if each.symbol == "KO")
    made = GeneratedMarket(3, SESSION, [spec])
    made.write_folder(folder)
    path = folder / "core" / f"quotes_KO_{SESSION}.parquet"
    quotes = pq.read_table(path)
    first = quotes.slice(0, 1).set_column(
        0, "ts_ns", pa.array([made.sessions[0].open - 1_860 * NANOS], pa.int64())
    )
    pq.write_table(pa.concat_tables([first, quotes]), path)
    bars = pq.read_table(folder / BARS_FILE)
    for name in ("open", "high", "low", "close", "vwap"):
        # Minutes of earlier days have volumes only, and a server leaves those without prices out.
        filled = bars.column(name).fill_null(60.0)
        bars = bars.set_column(bars.schema.get_field_index(name), name, filled)
    pq.write_table(bars, folder / BARS_FILE)
    return folder


def test_inside_the_last_ten_minutes_urgency_decides_at_the_paper_server_too(
    tmp_path: Path,
) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps({"cash": 945_000, "positions": HELD}))
    late = {"FILLWRIGHT_EXECUTION__LATE": "auction"}
    calm = decision(decision_id="calm", strategy="twap", max_slippage=50)
    hurried = decision(
        decision_id="hurried", strategy="twap", max_slippage=50, symbol="AAPL", urgency="high"
    )
    with running(speed=4, start="15:52", account=account) as server:
        fillwright = Fillwright(server, tmp_path)
        ran = fillwright.run([calm, hurried], "--json", "--lenient", **late)
        assert ran.returncode == 0, ran.stderr
        rows = {row["decision_id"]: row for row in json.loads(ran.stdout)["blotter"]}
    assert rows["calm"]["state"] == "rejected", rows
    assert "auction" in json.dumps(rows["calm"]["refusals"]), rows
    orders = [event for event in fillwright.events() if isinstance(event, e.OrderIntended)]
    assert orders
    assert {order.symbol for order in orders} == {"AAPL"}
    assert {order.time_in_force for order in orders} == {TimeInForce.IOC}
    assert all(order.limit_price is not None for order in orders), "a marketable limit order"
    assert Decimal(rows["hurried"]["executed"]) > 0, rows


def test_orders_for_the_close_are_sent_before_the_cut_off_and_filled_at_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Two engines, each at a server of its own, wait for the close at the same time."""
    kinds = (a_late_decision, a_vwap_with_a_part_at_the_close)
    with ThreadPoolExecutor(len(kinds)) as pool:
        runs = [pool.submit(kind, tmp_path_factory.mktemp("close")) for kind in kinds]
    for run in runs:
        run.result()


def a_late_decision(folder: Path) -> None:
    """It is a limit order on close until the cut-off at 15:50.

    Decisions count as late from 35 minutes before the close on.
    """
    account = folder / "account.json"
    account.write_text(json.dumps({"cash": 945_000, "positions": HELD}))
    late = {
        "FILLWRIGHT_EXECUTION__LATE": "auction",
        "FILLWRIGHT_TIMING__AVOID_CLOSE_MINUTES": "35",
    }
    wanted = decision(decision_id="late", strategy="twap", max_slippage=200)
    with running(**BEFORE_CLOSE, account=account) as server:
        fillwright = Fillwright(server, folder)
        ran = fillwright.run([wanted], "--json", **late)
        assert ran.returncode == 0, ran.stderr
        (row,) = json.loads(ran.stdout)["blotter"]
    events = fillwright.events()
    (order,) = [event for event in events if isinstance(event, e.OrderIntended)]
    assert (order.symbol, order.time_in_force) == ("KO", TimeInForce.CLS)
    assert order.limit_price is not None
    closes = next(event.close for event in events if isinstance(event, e.SessionOpened))
    assert order.record_time < closes - 600 * NANOS, "before the cut-off"
    assert row["state"] == "filled", row
    (fill,) = [event for event in events if isinstance(event, e.OrderFilled)]
    assert fill.report.market_time >= closes


def a_vwap_with_a_part_at_the_close(folder: Path) -> None:
    """It works the rest before."""
    account = folder / "account.json"
    account.write_text(json.dumps({"cash": 945_000, "positions": HELD}))
    wanted = decision(decision_id="vwap", strategy="vwap", auction="close", max_slippage=200)
    with running(**BEFORE_CLOSE, account=account) as server:
        fillwright = Fillwright(server, folder)
        ran = fillwright.run([wanted], "--json")
        assert ran.returncode == 0, ran.stderr
        (row,) = json.loads(ran.stdout)["blotter"]
    events = fillwright.events()
    (plan,) = [event.plan for event in events if isinstance(event, e.InstructionPlanned)]
    assert plan.auction is not None
    assert 0 < plan.auction.quantity < plan.quantity
    orders = [event for event in events if isinstance(event, e.OrderIntended)]
    at_close = [order for order in orders if order.time_in_force is TimeInForce.CLS]
    assert [order.quantity for order in at_close] == [plan.auction.quantity]
    assert len(orders) > len(at_close), "the rest is worked before"
    assert row["state"] == "filled", row
    closes = next(event.close for event in events if isinstance(event, e.SessionOpened))
    last = [x.report for x in events if isinstance(x, e.OrderFilled)]
    auctioned = [x for x in last if x.client_order_id == at_close[0].client_order_id]
    assert auctioned
    assert all(report.market_time >= closes for report in auctioned)
    before = [x for x in last if x.client_order_id != at_close[0].client_order_id]
    assert before
    assert all(report.market_time < closes for report in before)
