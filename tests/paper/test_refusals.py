"""What the server refuses, with the status, code and fields that clients rely on."""

import json
import threading
from decimal import Decimal
from typing import Any

import pytest
import requests

from fillwright.adapters.paper.pace import SPEED_MIN
from tests.paper.servers import HEADERS, APIError, PaperServer, running


def refusal(server: PaperServer, **order: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(APIError) as refused:
        server.submit(**order)
    return refused.value.status_code, json.loads(str(refused.value))


@pytest.mark.parametrize(
    ("order", "status", "code", "message"),
    [
        ({"symbol": "NOPE"}, 422, 42210000, 'asset "NOPE" not found'),
        ({"qty": "0"}, 422, 40010001, "qty must be > 0"),
        ({"qty": "-1"}, 422, 40010001, "qty must be > 0"),
        ({"qty": "many"}, 422, 40010001, "qty must be a number"),
        ({"notional": "5", "qty": "1"}, 422, 40010001, "only one of qty or notional is accepted"),
        ({"type": "limit"}, 422, 40010001, "limit orders require a limit price"),
        ({"limit_price": "5"}, 422, 40010001, "market orders require no stop or limit price"),
        (
            {"type": "limit", "limit_price": "60.123"},
            422,
            42210000,
            "invalid limit_price 60.123. sub-penny increment does not fulfill minimum pricing "
            "criteria",
        ),
        (
            {"type": "stop", "stop_price": "60.123"},
            422,
            42210000,
            "invalid stop_price 60.123. sub-penny increment does not fulfill minimum pricing "
            "criteria",
        ),
        (
            {"qty": "0.5", "time_in_force": "gtc"},
            422,
            42210000,
            "fractional orders must be DAY orders",
        ),
        (
            {"qty": "0.5", "order_class": "bracket"},
            422,
            42210000,
            "fractional orders must be simple orders",
        ),
        (
            {"extended_hours": True},
            422,
            42210000,
            "extended hours order must be DAY or GTC limit orders",
        ),
        (
            {"order_class": "oto"},
            422,
            40010001,
            "oto orders require either take_profit or stop_loss",
        ),
        (
            {"client_order_id": "x" * 129},
            422,
            40010001,
            "client_order_id must be no more than 128 characters",
        ),
        ({"symbol": "NPK", "qty": "0.5"}, 403, 40310000, 'asset "NPK" is not fractionable'),
        (
            {"notional": "0.5"},
            403,
            40310000,
            "cost basis must be >= minimal amount of order 1",
        ),
        (
            {"time_in_force": "opg"},
            403,
            40310000,
            "opg orders must be submitted after 7:00pm and before 9:28am",
        ),
        (
            {"position_intent": "sell_to_close"},
            422,
            42210000,
            "position intent mismatch, inferred: buy_to_open, specified: sell_to_close",
        ),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    server: PaperServer, order: dict[str, Any], status: int, code: int, message: str
) -> None:
    seen, body = refusal(server, **order)
    assert (seen, body["code"], body["message"]) == (status, code, message)
    assert server.raw.get_orders() == []


def test_buying_power_is_named_with_the_cost(server: PaperServer) -> None:
    status, body = refusal(server, qty="1000000")
    assert (status, body["code"], body["message"]) == (403, 40310000, "insufficient buying power")
    assert Decimal(body["cost_basis"]) > Decimal(body["buying_power"])


def test_open_orders_hold_buying_power(server: PaperServer) -> None:
    before = Decimal(server.raw.get_account()["buying_power"])
    server.submit(type="limit", limit_price="30", qty="100")
    assert Decimal(server.raw.get_account()["buying_power"]) == before - 3000


def test_shares_that_are_not_there_are_not_sold(server: PaperServer) -> None:
    server.worked(server.submit(qty="10")["id"])
    server.submit(side="sell", qty="4", type="limit", limit_price="90")
    status, body = refusal(server, side="sell", qty="7", type="limit", limit_price="91")
    assert status == 403
    assert body == {
        "available": "6",
        "code": 40310000,
        "existing_qty": "10",
        "held_for_orders": "4",
        "message": "insufficient qty available for order (requested: 7, available: 6)",
        "symbol": "KO",
    }


def test_an_order_that_could_meet_an_own_one_is_a_wash_trade(server: PaperServer) -> None:
    server.worked(server.submit(qty="10")["id"])
    resting = server.submit(side="sell", qty="5", type="limit", limit_price="90")
    status, body = refusal(server)
    assert (status, body["code"]) == (403, 40310000)
    assert body["existing_order_id"] == resting["id"]
    assert body["reject_reason"] == "opposite side market/stop order exists"
    assert server.submit(type="limit", limit_price="30")["status"] == "pending_new"
    _, crossing = refusal(server, type="limit", limit_price="95")
    assert crossing["reject_reason"] == "opposite side limit order exists"


def test_a_client_id_is_unique_for_ever(server: PaperServer) -> None:
    first = server.submit(type="limit", limit_price="30", client_order_id="once")
    server.trading.cancel_order_by_id(first["id"])
    status, body = refusal(server, client_order_id="once")
    assert (status, body) == (422, {"code": 40010001, "message": "client_order_id must be unique"})


def test_of_concurrent_orders_under_one_client_id_one_is_taken(server: PaperServer) -> None:
    answers: list[int] = []

    def send() -> None:
        body = {"symbol": "KO", "qty": "1", "side": "buy", "type": "limit", "limit_price": "30"}
        body |= {"time_in_force": "day", "client_order_id": "raced"}
        url = server.urls["trading_url"] + "/v2/orders"
        answers.append(requests.post(url, json=body, headers=HEADERS, timeout=20).status_code)

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [422] * 11


def test_an_asset_that_is_not_tradable_or_shortable_says_so(server: PaperServer) -> None:
    server.fault(fault="forbid", symbol="MSFT", flag="tradable")
    status, body = refusal(server, symbol="MSFT")
    assert (status, body["code"]) == (422, 42210000)
    assert body["message"] == 'asset "MSFT" is not tradable'
    assert server.trading.get_asset("MSFT").tradable is False
    status, body = refusal(server, symbol="NPK", side="sell")
    assert (status, body["message"]) == (403, 'asset "NPK" cannot be sold short')


def test_a_done_order_is_neither_cancelled_nor_replaced(server: PaperServer) -> None:
    order = server.worked(server.submit(qty="1")["id"])
    with pytest.raises(APIError) as cancelled:
        server.trading.cancel_order_by_id(order["id"])
    assert cancelled.value.status_code == 422
    assert cancelled.value.code == 42210000
    assert cancelled.value.message == 'order is already in "filled" state'
    with pytest.raises(APIError) as replaced:
        server.raw.patch(f"/orders/{order['id']}", {"limit_price": "5"})
    assert replaced.value.message == "cannot replace order in filled status"


def test_a_replacement_that_comes_too_early_or_changes_nothing_is_refused() -> None:
    with running(speed=SPEED_MIN) as server:
        order = server.submit(type="limit", limit_price="30")
        with pytest.raises(APIError) as early:
            server.raw.patch(f"/orders/{order['id']}", {"limit_price": "31"})
        assert early.value.message == "cannot replace order in pending_new status"
        server.advance(1)
        with pytest.raises(APIError) as same:
            server.raw.patch(f"/orders/{order['id']}", {"limit_price": "30"})
        assert same.value.message == "order parameters are not changed"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v2/orders/not-an-id", 422, 40010001),
        ("/v2/orders/61d1feca-aa11-4863-8b79-64c5e4731a98", 404, 40410000),
        ("/v2/orders:by_client_order_id?client_order_id=none", 404, 40410000),
        ("/v2/positions/AAPL", 404, 40410000),
        ("/v2/positions/NOPE", 404, 40410000),
        ("/v2/assets/NOPE", 404, 40410000),
        ("/v2/orders?limit=0", 422, 40010001),
        ("/v2/orders?after=yesterday", 422, 40010001),
        ("/v2/nothing", 404, None),
        ("/v2/stocks/bars?symbols=KO&timeframe=7Years", 400, None),
        ("/v2/stocks/bars?symbols=KO&timeframe=1Min&limit=20000", 400, None),
    ],
)
def test_what_is_not_there_or_wrong_has_its_code(
    server: PaperServer, path: str, status: int, code: int | None
) -> None:
    answer = server.call("GET", path)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


def test_wrong_keys_are_refused_with_401(server: PaperServer) -> None:
    url = server.urls["trading_url"] + "/v2/account"
    wrong = requests.get(url, headers=HEADERS | {"APCA-API-SECRET-KEY": "other"}, timeout=20)
    assert (wrong.status_code, wrong.json()) == (401, {"message": "unauthorized."})
    none = requests.get(url, timeout=20)
    assert none.status_code == 401
    assert "text/html" in none.headers["content-type"]


def test_a_suspended_account_takes_no_orders(server: PaperServer) -> None:
    configuration = server.raw.patch("/account/configurations", {"suspend_trade": True})
    assert configuration["suspend_trade"] is True
    status, body = refusal(server)
    assert (status, body["message"]) == (403, "new orders are rejected by user request")
    configuration = server.trading.get_account_configurations()
    configuration.suspend_trade = False
    assert server.trading.set_account_configurations(configuration).suspend_trade is False


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b'{"symbol": NaN}', b"\xff\xfe"])
def test_a_body_that_is_no_order_is_refused_and_not_an_error(
    server: PaperServer, body: bytes
) -> None:
    assert server.call("POST", "/v2/orders", data=body).status_code == 422
