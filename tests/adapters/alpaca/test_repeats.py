"""What a refusal says of an order that may have been sent before, and what says nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr

from fillwright.adapters.alpaca_api.access import AlpacaAccess
from fillwright.adapters.alpaca_api.rest import AlpacaRest
from fillwright.adapters.brokers.alpaca import AlpacaBroker
from fillwright.adapters.timekeeping.clocks import VirtualClock
from fillwright.domain.ports import (
    NANOS,
    BrokerOrder,
    ExecutionReport,
    OrderRequest,
    OrderType,
    ReportKind,
    Side,
    SubmitOrder,
    TimeInForce,
)
from tests.adapters.alpaca.scripted import Answering, Route, scripted

ORDER = OrderRequest(
    client_order_id="fw-1-0",
    symbol="KO",
    side=Side.BUY,
    quantity=Decimal(100),
    order_type=OrderType.MARKET,
    time_in_force=TimeInForce.IOC,
)
NOW = 1_700_000_000 * NANOS
LISTED = (
    b'[{"id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415", "client_order_id": "fw-1-0",'
    b' "symbol": "KO", "side": "buy", "qty": "100", "filled_qty": "0", "status": "new"}]'
)
NO_POWER = 403, b'{"code": 40310000, "message": "insufficient buying power"}'


class Refusing(BaseHTTPRequestHandler):
    """Refuses every order as it is told to, finds none by its id, and lists what it is told to."""

    answer: tuple[int, bytes] = NO_POWER
    listed: bytes = b"[]"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(*self.answer)

    def do_GET(self) -> None:
        if "by_client_order_id" in self.path:
            self._say(404, b'{"code": 40410000, "message": "order not found"}')
        else:
            self._say(200, self.listed)

    def log_message(self, *_: object) -> None:
        pass

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def broker_at(url: str) -> AlpacaBroker:
    access = AlpacaAccess(SecretStr("k"), SecretStr("s"), trading_url=url)
    return AlpacaBroker(access, AlpacaRest(access), VirtualClock(NOW))


def told(url: str, command: SubmitOrder) -> list[ReportKind]:
    broker = broker_at(url)
    asyncio.run(broker.send([command]))
    broker.close()
    return [report.kind for report in broker.drain()]


def test_a_refusal_of_what_was_never_sent_before_is_a_rejection(url: str) -> None:
    assert told(url, SubmitOrder(ORDER)) == [ReportKind.REJECTED]


def test_a_refused_repeat_leaves_the_first_sending_unknown(url: str) -> None:
    """The first one may be what the buying power went into; a look-up without it proves nothing."""
    assert told(url, SubmitOrder(ORDER, again=True)) == [ReportKind.UNKNOWN_OUTCOME]


@pytest.mark.parametrize("status", [408, 409, 425, 500, 504])
def test_an_answer_that_leaves_open_whether_it_was_acted_on_is_no_rejection(
    status: int, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Refusing, "answer", (status, b'{"message": "try later"}'))
    assert told(url, SubmitOrder(ORDER)) == [ReportKind.UNKNOWN_OUTCOME]


@pytest.mark.parametrize(("listed", "is_there"), [(b"[]", False), (LISTED, True)])
def test_an_order_is_absent_only_when_the_days_list_has_it_neither(
    listed: bytes, *, is_there: bool, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up that finds nothing frees nothing alone (ruling 7)."""

    async def look_up() -> tuple[BrokerOrder | None, list[ReportKind]]:
        broker = broker_at(url)
        try:
            found = await broker.find_order(ORDER.client_order_id)
            reports = await broker.reports_since([ORDER.client_order_id])
            return found, [report.kind for report in reports]
        finally:
            await broker.aclose()

    monkeypatch.setattr(Refusing, "listed", listed)
    found, reports = asyncio.run(look_up())
    assert (found is not None) is is_there
    assert reports == ([ReportKind.ACCEPTED] if is_there else [])


FOUND = {"symbol": "KO", "side": "buy", "qty": "100", "price": "60", "cum_qty": "100"}
FOUND |= {"id": "20231114221320000::e-1", "order_id": "v-9", "leaves_qty": "0"}
FOUND |= {"transaction_time": "2023-11-14T22:13:20Z"}
EXECUTED = {"id": "v-9", "symbol": "KO", "side": "buy", "qty": "100", "filled_qty": "100"}
EXECUTED |= {"status": "filled", "client_order_id": ORDER.client_order_id}


@pytest.mark.parametrize(
    ("fill", "order", "may_be"),
    [
        ({}, None, True),  # of an order that nobody is known to have
        ({"order_id": None}, None, True),
        ({"side": "sell"}, None, False),
        ({"symbol": "PEP"}, None, False),
        ({}, {**EXECUTED, "client_order_id": "somebody-else's"}, False),
        ({}, EXECUTED, True),
    ],
)
def test_fills_are_asked_before_an_order_that_no_list_has_counts_as_absent(
    fill: dict[str, Any], order: dict[str, Any] | None, *, may_be: bool
) -> None:
    def unknown(to: Answering, _: dict[str, str]) -> None:
        to.say({"code": 40410000, "message": "order not found"}, 404)

    def of_the_broker(to: Answering, query: dict[str, str]) -> None:
        unknown(to, query) if order is None else to.say(order)

    routes: dict[str, Route] = {
        "/v2/orders:by_client_order_id": unknown,
        "/v2/orders": lambda to, _: to.say([]),
        "/v2/orders/v-9": of_the_broker,
        "/v2/account/activities/FILL": lambda to, _: to.say([{**FOUND, **fill}]),
    }

    async def ask(broker: AlpacaBroker) -> tuple[bool, list[ExecutionReport]]:
        try:
            assert await broker.find_order(ORDER.client_order_id) is None
            found = await broker.may_have_executed(ORDER, None, NOW - 600 * NANOS)
            return found, list(await broker.reports_since([ORDER.client_order_id]))
        finally:
            await broker.aclose()

    with scripted(routes) as server:
        found, reports = asyncio.run(ask(broker_at(server.url)))
    assert found is may_be
    traded = [report.last_qty for report in reports if report.kind is ReportKind.TRADE]
    assert traded == ([Decimal(100)] if order == EXECUTED else []), "what is known is taken in"
