"""Every order type and time in force, from acceptance to its end."""

import re
import uuid
from decimal import Decimal

import pytest
from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    StopLimitOrderRequest,
    StopOrderRequest,
    TrailingStopOrderRequest,
)

from tests.paper.servers import PaperServer

HOURS = 3_600
RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$")


def test_a_market_order_is_pending_new_and_then_filled(server: PaperServer) -> None:
    request = MarketOrderRequest(
        symbol="AAPL", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY
    )
    answer = server.trading.submit_order(request)
    assert answer.status is OrderStatus.PENDING_NEW
    assert (answer.filled_qty, answer.filled_avg_price) == ("0", None)
    server.advance(1)
    order = server.trading.get_order_by_id(answer.id)
    assert (order.status, order.filled_qty) == (OrderStatus.FILLED, "10")
    assert order.filled_at is not None


def test_an_order_shows_the_recorded_keys_ids_and_times(
    server: PaperServer,
) -> None:
    order = server.submit(type="limit", limit_price="30")
    assert set(order) == {
        *("asset_class", "asset_id", "canceled_at", "client_order_id", "created_at", "expired_at"),
        *("expires_at", "extended_hours", "failed_at", "filled_at", "filled_avg_price"),
        *("filled_qty", "hwm", "id", "legs", "limit_price", "notional", "order_class"),
        *("order_type", "position_intent", "qty", "replaced_at", "replaced_by", "replaces"),
        *("side", "source", "status", "stop_price", "submitted_at", "subtag", "symbol"),
        *("time_in_force", "trail_percent", "trail_price", "type", "updated_at"),
    }
    for name in ("id", "client_order_id", "asset_id"):
        assert str(uuid.UUID(order[name])) == order[name]
    for name in ("created_at", "submitted_at", "updated_at"):
        assert RFC3339.match(order[name])
    assert order["expires_at"] == "2024-06-12T20:00:00Z"
    assert (order["order_class"], order["qty"], order["limit_price"]) == ("", "10", "30")


def test_a_limit_order_rests_and_is_cancelled(server: PaperServer) -> None:
    request = LimitOrderRequest(
        symbol="KO", qty=10, limit_price=30, side=OrderSide.BUY, time_in_force=TimeInForce.GTC
    )
    order = server.trading.submit_order(request)
    assert server.worked(str(order.id))["status"] == "new"
    assert server.call("DELETE", f"/v2/orders/{order.id}").status_code == 204
    ended = server.trading.get_order_by_id(order.id)
    assert ended.status is OrderStatus.CANCELED
    assert ended.canceled_at is not None


def test_a_marketable_limit_order_fills_at_its_limit_or_better(server: PaperServer) -> None:
    _, ask = server.quote("AAPL")
    limit = ask + Decimal("0.05")
    order = server.worked(server.submit(symbol="AAPL", type="limit", limit_price=str(limit))["id"])
    assert order["status"] == "filled"
    assert Decimal(order["filled_avg_price"]) <= limit


def test_a_buy_stop_waits_for_its_price(server: PaperServer) -> None:
    _, ask = server.quote("NVDA")
    stop = float(ask) + 0.05
    order = server.trading.submit_order(
        StopOrderRequest(
            symbol="NVDA",
            qty=5,
            stop_price=round(stop, 2),
            side=OrderSide.BUY,
            time_in_force=TimeInForce.DAY,
        )
    )
    assert server.worked(str(order.id), 0.2)["status"] == "new"
    ended = server.worked(str(order.id), HOURS / 2)
    assert ended["status"] == "filled"
    assert float(ended["filled_avg_price"]) >= round(stop, 2) - 0.02


def test_a_stop_limit_order_becomes_a_limit_order(server: PaperServer) -> None:
    bid, _ = server.quote("NVDA")
    server.worked(server.submit(symbol="NVDA", qty="5")["id"])
    request = StopLimitOrderRequest(
        symbol="NVDA",
        qty=5,
        stop_price=float(bid - Decimal("0.05")),
        limit_price=float(bid - Decimal("1.20")),
        side=OrderSide.SELL,
        time_in_force=TimeInForce.DAY,
    )
    order = server.trading.submit_order(request)
    ended = server.worked(str(order.id), HOURS / 2)
    assert ended["status"] == "filled"
    assert Decimal(ended["filled_avg_price"]) >= Decimal(str(request.limit_price))


def test_a_trailing_stop_follows_the_high_water_mark(server: PaperServer) -> None:
    server.worked(server.submit(symbol="NVDA", qty="5")["id"])
    request = TrailingStopOrderRequest(
        symbol="NVDA",
        qty=5,
        trail_percent=0.1,
        side=OrderSide.SELL,
        time_in_force=TimeInForce.DAY,
    )
    order = server.trading.submit_order(request)
    early = server.worked(str(order.id), 5)
    distance = Decimal(early["hwm"]) - Decimal(early["stop_price"])
    assert distance == pytest.approx(Decimal(early["hwm"]) * Decimal("0.001"), abs=Decimal("0.001"))
    ended = server.worked(str(order.id), HOURS / 2)
    assert ended["status"] == "filled"
    assert Decimal(ended["hwm"]) >= Decimal(early["hwm"])
    assert Decimal(ended["filled_avg_price"]) < Decimal(ended["hwm"])


def test_an_amount_of_money_buys_a_fraction(server: PaperServer) -> None:
    answer = server.submit(notional="25")
    assert (answer["qty"], answer["notional"]) == (None, "25")
    order = server.worked(answer["id"])
    assert order["status"] == "filled"
    assert order["qty"] is None
    spent = Decimal(order["filled_qty"]) * Decimal(order["filled_avg_price"])
    assert Decimal("24.99") < spent <= 25
    assert server.trading.get_open_position("KO").qty == order["filled_qty"]


def test_a_part_of_a_share_trades_both_ways(server: PaperServer) -> None:
    assert server.worked(server.submit(qty="0.5")["id"])["status"] == "filled"
    sold = server.worked(server.submit(qty="0.25", side="sell")["id"])
    assert (sold["status"], sold["filled_qty"]) == ("filled", "0.25")
    assert sold["position_intent"] == "sell_to_close"


@pytest.mark.parametrize("tif", ["ioc", "fok"])
def test_what_cannot_fill_at_once_is_cancelled(server: PaperServer, tif: str) -> None:
    order = server.worked(server.submit(type="limit", limit_price="30", time_in_force=tif)["id"])
    assert (order["status"], order["filled_qty"]) == ("canceled", "0")


def test_fill_or_kill_fills_whole_or_not_at_all(server: PaperServer) -> None:
    _, ask = server.quote("NPK")
    terms = {"symbol": "NPK", "type": "limit", "limit_price": str(ask), "time_in_force": "fok"}
    whole = server.worked(server.submit(**terms, qty="1")["id"], 0.01)
    large = server.worked(server.submit(**terms, qty="9000")["id"], 0.01)
    assert (large["status"], large["filled_qty"]) == ("canceled", "0")
    assert whole["status"] in ("filled", "canceled")
    assert whole["filled_qty"] in ("0", "1")


def test_client_libraries_that_send_floats_lose_nothing(server: PaperServer) -> None:
    answer = server.call(
        "POST",
        "/v2/orders",
        data='{"symbol":"KO","qty":0.30000000000000004,"side":"buy","type":"market",'
        '"time_in_force":"day"}',
    )
    assert answer.json()["qty"] == "0.3"


def test_a_client_id_is_kept_and_found(server: PaperServer) -> None:
    name = f"mine/{uuid.uuid4()} ü"
    answer = server.submit(type="limit", limit_price="30", client_order_id=name)
    assert answer["client_order_id"] == name
    assert server.trading.get_order_by_client_id(name).id == uuid.UUID(answer["id"])
