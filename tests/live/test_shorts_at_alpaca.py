"""Short sales, and a sell through zero, through the adapter and the paper server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fillwright.adapters.market_data.closes import session_before
from fillwright.adapters.market_data.generated import GeneratedMarket
from fillwright.adapters.market_data.history import BARS_FILE
from fillwright.adapters.market_data.instruments import DEFAULT_INSTRUMENTS
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain import events as e
from fillwright.domain.ports import SellMark, TimeInForce
from tests.live.test_run_at_alpaca import SLOW_SECONDS, SPEED, Fillwright, decision
from tests.paper.servers import SESSION, PaperServer, running

pytestmark = pytest.mark.timeout(SLOW_SECONDS)
HELD = {"KO": 40}
ON = {"FILLWRIGHT_LIMITS__ALLOW_SHORT": "true"}
CONSOLIDATED = ON | {"FILLWRIGHT_BROKER__FEED": "sip"}


def selling(name: str, size: int, **fields: Any) -> dict[str, Any]:
    wanted = {"action": "SELL", "target_weight": None, "order_size": size, "decision_id": name}
    return decision(**wanted, **fields)


def account_in(folder: Path) -> Path:
    account = folder / "account.json"
    account.write_text(json.dumps({"cash": 945_000, "positions": HELD}))
    return account


def ended(fillwright: Fillwright, wanted: Sequence[dict[str, Any]], **on: str) -> dict[str, Any]:
    """How the decisions ended, by id."""
    ran = fillwright.run(list(wanted), "--json", **on)
    assert ran.returncode == 0, ran.stderr
    return {row["decision_id"]: row for row in json.loads(ran.stdout)["blotter"]}


def held(server: PaperServer) -> Decimal:
    positions = server.call("GET", "/v2/positions").json()
    return next((Decimal(p["qty"]) for p in positions if p["symbol"] == "KO"), Decimal(0))


def orders(fillwright: Fillwright) -> list[e.OrderIntended]:
    return [event for event in fillwright.events() if isinstance(event, e.OrderIntended)]


def test_a_sell_through_zero_at_the_paper_server_is_a_long_and_then_a_short_fill(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A feed of one venue cannot say that nothing has fallen: unknown refuses the short sale."""
    folder = tmp_path_factory.mktemp("shorts")
    with running(speed=SPEED, start="10:00", account=account_in(folder)) as server:
        fillwright = Fillwright(server, folder)
        refused = ended(fillwright, [selling("one-venue", 100)], **ON)["one-venue"]
        assert refused["state"] == "rejected"
        assert "Rule 201" in json.dumps(refused["refusals"])
        assert held(server) == 40
        rows = ended(fillwright, [selling("through", 100)], **CONSOLIDATED)
        left = held(server)
        sent = server.call("GET", "/v2/orders?status=all&limit=100").json()
    assert rows["through"]["state"] == "filled", rows
    assert left == -60
    intended = orders(fillwright)
    marks = [order.sell_mark for order in intended]
    assert marks == sorted(marks, key=lambda mark: mark is SellMark.SHORT)
    assert set(marks) == {SellMark.LONG, SellMark.SHORT}
    theirs = {order["client_order_id"]: order for order in sent}
    for mark, intent, shares in (("long", "sell_to_close", 40), ("short", "sell_to_open", 60)):
        mine = [theirs[order.client_order_id] for order in intended if order.sell_mark == mark]
        assert {order["position_intent"] for order in mine} == {intent}
        assert sum(Decimal(order["filled_qty"]) for order in mine) == shares


def market_after_a_fall(folder: Path) -> Path:
    """A session of KO that opens a fifth below the close before."""
    spec = next(each for each in DEFAULT_INSTRUMENTS if each.symbol == "KO")
    made = GeneratedMarket(3, SESSION, [spec])
    made.write_folder(folder)
    calendar = ExchangeCalendar()
    before = session_before(calendar, made.sessions[0])
    assert before is not None
    earlier = session_before(calendar, before)
    assert earlier is not None
    close = round(float(made.days("KO")[0].t_px[0]) * 1.25, 2)
    columns = {"ts_ns": pa.array([earlier.open, before.open], pa.int64()), "symbol": ["KO", "KO"]}
    prices = {name: [close, close] for name in ("open", "high", "low", "close", "vwap")}
    pq.write_table(
        pa.table({**columns, **prices, "volume": [1e6, 1e6], "n_trades": [1, 1]}),
        folder / BARS_FILE,
    )
    return folder


def test_after_a_fall_of_a_tenth_a_short_sale_at_the_paper_server_stays_above_the_bid(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The venue tells nothing: the close before and the prints do, on a feed of one venue too."""
    folder = tmp_path_factory.mktemp("rule-201")
    market = market_after_a_fall(tmp_path_factory.mktemp("market"))
    account = account_in(folder)
    started = {"speed": SPEED, "start": "10:00", "account": account, "session": SESSION}
    with running(market=market, **started) as server:
        fillwright = Fillwright(server, folder)
        short = selling("short", 100, strategy="twap", window="5m", max_slippage=None)
        row = ended(fillwright, [short], **ON)["short"]
        server.call("POST", "/v2/orders", json=at_market(10))
        server.advance(2)
        crossing = server.call("GET", "/v2/orders?status=all&limit=1").json()[0]
    assert row["state"] in ("filled", "cancelled"), row
    intended = [order for order in orders(fillwright) if order.sell_mark is SellMark.SHORT]
    assert intended
    for order in intended:
        quote = order.provenance.market.quote
        assert quote is not None
        assert order.limit_price is not None
        assert order.limit_price > quote.bid
        assert order.time_in_force is TimeInForce.DAY
    assert crossing["status"] == "rejected", "the venue holds others to the rule too"


def at_market(shares: int) -> dict[str, str]:
    body = {"symbol": "KO", "side": "sell", "type": "market", "time_in_force": "day"}
    return body | {"qty": str(shares)}
