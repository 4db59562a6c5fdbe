"""Both sockets, through alpaca-py's own stream clients and by hand."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import pytest
import websockets

from tests.paper.servers import (
    KEY,
    SECRET,
    PaperServer,
    StockDataStream,
    TradingStream,
    eventually,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@contextmanager
def listening(stream: Any) -> Iterator[None]:
    """Run a stream of the client library in a thread of its own."""

    async def forever() -> None:
        task = asyncio.ensure_future(stream._run_forever())
        while not stopped.is_set():
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stream.close()

    stopped = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(forever()), daemon=True)
    thread.start()
    try:
        eventually(lambda: stream._running)
        yield
    finally:
        stopped.set()
        thread.join(10)


def updates_of(server: PaperServer) -> tuple[TradingStream, list[Any]]:
    stream = TradingStream(KEY, SECRET, url_override=server.urls["stream_url"])
    seen: list[Any] = []

    async def keep(update: Any) -> None:
        seen.append(update)

    stream.subscribe_trade_updates(keep)
    return stream, seen


def test_updates_tell_an_order_s_life(server: PaperServer) -> None:
    stream, seen = updates_of(server)
    with listening(stream):
        eventually(lambda: stream._running)
        server.submit(symbol="AAPL", qty="10")
        eventually(lambda: len(seen) >= 2)
    assert [str(update.event) for update in seen] == ["new", "fill"]
    fill = seen[-1]
    assert (fill.qty, fill.position_qty, fill.order.status.value) == (10, 10, "filled")
    assert len({update.execution_id for update in seen}) == 2


def test_a_replacement_is_told_with_the_old_order(server: PaperServer) -> None:
    stream, seen = updates_of(server)
    with listening(stream):
        old = server.submit(type="limit", limit_price="30")
        eventually(lambda: len(seen) == 1)
        new = server.raw.patch(f"/orders/{old['id']}", {"limit_price": "31"})
        server.raw.delete(f"/orders/{new['id']}")
        eventually(lambda: len(seen) >= 3)
    told = [(str(update.event), str(update.order.id)) for update in seen]
    assert told[:2] == [("new", old["id"]), ("replaced", old["id"])]
    assert told[-1] == ("canceled", new["id"])


def test_after_a_disconnect_the_client_comes_back(server: PaperServer) -> None:
    stream, seen = updates_of(server)
    with listening(stream):
        server.submit(type="limit", limit_price="30")
        eventually(lambda: len(seen) == 1)
        server.call("POST", "/fillwright/disconnect", json={"stream": "trading"})
        eventually(lambda: not stream._running)
        eventually(lambda: stream._running)
        asyncio.run(asyncio.sleep(0.2))
        server.submit(type="limit", limit_price="31")
        eventually(lambda: len(seen) == 2)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"fault": "drop_update", "event": "new"}, ["fill"]),
        ({"fault": "duplicate_update", "event": "fill"}, ["new", "fill", "fill"]),
        ({"fault": "reorder_update", "event": "new"}, ["fill", "new"]),
    ],
)
def test_updates_are_lost_doubled_and_reordered_on_request(
    server: PaperServer, rule: dict[str, str], told: list[str]
) -> None:
    stream, seen = updates_of(server)
    with listening(stream):
        server.fault(**rule)
        server.submit(symbol="AAPL", qty="1")
        eventually(lambda: len(seen) >= len(told))
    assert [str(update.event) for update in seen] == told


async def talk(url: str, *messages: object, listen: int, **named: Any) -> list[Any]:
    async with websockets.connect(url, **named) as socket:
        for message in messages:
            await socket.send(message if isinstance(message, bytes) else json.dumps(message))
        return [await asyncio.wait_for(socket.recv(), 5) for _ in range(listen)]


OLD_FORM = {"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}}
NEW_FORM = {"action": "auth", "key": KEY, "secret": SECRET}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}


@pytest.mark.parametrize("form", [OLD_FORM, NEW_FORM])
def test_both_forms_of_authentication_are_answered_in_binary_frames(
    server: PaperServer, form: dict[str, Any]
) -> None:
    frames = asyncio.run(talk(server.urls["stream_url"], form, LISTEN, listen=2))
    assert [type(frame) for frame in frames] == [bytes, bytes]
    assert [json.loads(frame) for frame in frames] == [
        {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}},
        {"stream": "listening", "data": {"streams": ["trade_updates"]}},
    ]


def test_wrong_keys_and_listening_without_them_are_answered(server: PaperServer) -> None:
    wrong = {"action": "auth", "key": KEY, "secret": "other"}
    frames = asyncio.run(talk(server.urls["stream_url"], LISTEN, wrong, b"{", listen=3))
    answers = [json.loads(frame)["data"] for frame in frames]
    assert answers[0] == {"status": "unauthorized", "action": "listen"}
    assert answers[1] == {"status": "unauthorized", "action": "authenticate"}
    assert "error" in answers[2]


def test_market_data_is_streamed_as_market_time_passes(server: PaperServer) -> None:
    stream = StockDataStream(KEY, SECRET, url_override=server.urls["data_stream_url"])
    seen: dict[str, list[Any]] = {"quotes": [], "trades": [], "bars": []}

    def keep(kind: str) -> Any:
        async def handler(message: Any) -> None:
            seen[kind].append(message)

        return handler

    stream.subscribe_quotes(keep("quotes"), "AAPL", "SPY")
    stream.subscribe_trades(keep("trades"), "SPY")
    stream.subscribe_bars(keep("bars"), "SPY")
    with listening(stream):
        asyncio.run(asyncio.sleep(0.3))
        server.advance(120)
        eventually(lambda: all(seen.values()))
    assert {quote.symbol for quote in seen["quotes"]} == {"AAPL", "SPY"}
    assert all(quote.bid_price < quote.ask_price for quote in seen["quotes"])
    times = [trade.timestamp for trade in seen["trades"]]
    assert times == sorted(times)
    assert len(seen["bars"]) in (2, 3)


def test_control_messages_of_the_data_stream_are_lists_of_one(server: PaperServer) -> None:
    url = server.urls["data_stream_url"]
    auth = {"action": "auth", "key": KEY, "secret": SECRET}
    subscribe = {"action": "subscribe", "quotes": ["KO"], "bars": ["*"]}
    said = [subscribe, {"action": "auth", "key": KEY, "secret": "no"}, auth, auth, subscribe]
    frames = asyncio.run(
        talk(
            url,
            *(msgpack.packb(each) for each in said),
            listen=6,
            additional_headers={"Content-Type": "application/msgpack"},
        )
    )
    answers = [msgpack.unpackb(frame) for frame in frames]
    assert {len(answer) for answer in answers} == {1}
    assert [(a[0]["T"], a[0].get("code", a[0].get("msg"))) for a in answers[:5]] == [
        ("success", "connected"),
        ("error", 401),
        ("error", 402),
        ("success", "authenticated"),
        ("error", 403),
    ]
    assert (answers[5][0]["T"], answers[5][0]["quotes"], answers[5][0]["bars"]) == (
        "subscription",
        ["KO"],
        ["*"],
    )


def test_without_a_content_type_the_data_stream_is_json(server: PaperServer) -> None:
    async def first_quote() -> Any:
        async with websockets.connect(server.urls["data_stream_url"]) as socket:
            await socket.send(json.dumps({"action": "auth", "key": KEY, "secret": SECRET}))
            await socket.send(json.dumps({"action": "subscribe", "quotes": ["SPY"]}))
            while True:
                (first, *_) = json.loads(await asyncio.wait_for(socket.recv(), 5))
                if first["T"] == "q":
                    return first
                if first["T"] == "subscription":
                    await asyncio.to_thread(server.advance, 30)

    quote = asyncio.run(first_quote())
    assert quote["S"] == "SPY"
    assert quote["t"].startswith("2024-06-12T")


def test_a_halt_is_told_and_stops_quotes_and_fills(server: PaperServer) -> None:
    stream = StockDataStream(KEY, SECRET, url_override=server.urls["data_stream_url"])
    seen: list[Any] = []

    async def keep(message: Any) -> None:
        seen.append(message)

    stream.subscribe_trading_statuses(keep, "MSFT")
    with listening(stream):
        asyncio.run(asyncio.sleep(0.3))
        server.fault(fault="halt", symbol="MSFT", seconds=300)
        eventually(lambda: len(seen) == 1)
        before = server.quote("MSFT")
        order = server.worked(server.submit(symbol="MSFT", qty="5")["id"], 100)
        assert (order["status"], order["filled_qty"]) == ("accepted", "0")
        assert server.quote("MSFT") == before
        assert server.worked(order["id"], 250)["status"] == "filled"
        eventually(lambda: len(seen) == 2)
    assert [message.status_code for message in seen] == ["H", "T"]


def test_a_market_wide_halt_and_a_price_band_are_told(server: PaperServer) -> None:
    stream = StockDataStream(
        KEY, SECRET, raw_data=True, url_override=server.urls["data_stream_url"]
    )
    seen: list[Any] = []

    async def keep(message: Any) -> None:
        seen.append(message)

    stream.subscribe_trading_statuses(keep, "MSFT", "KO")
    stream._handlers["lulds"] = {"KO": keep}
    with listening(stream):
        asyncio.run(asyncio.sleep(0.3))
        server.fault(fault="luld", symbol="KO", seconds=30, lower=1, upper=2)
        server.fault(fault="halt", symbol="*", seconds=60, cause="market_wide")
        eventually(lambda: len({m["S"] for m in seen if m["T"] == "s"}) == 2)
        server.advance(70)
        eventually(lambda: sum(m["T"] == "s" for m in seen) == 4)
        eventually(lambda: sum(m["T"] == "l" for m in seen) == 2)
    halts = [(m["S"], m["sc"], m["rc"]) for m in seen if m["T"] == "s"]
    assert sorted(halts[:2]) == [("KO", "H", "MWC1"), ("MSFT", "H", "MWC1")]
    bands = [(m["S"], m["d"], m["u"]) for m in seen if m["T"] == "l"]
    assert bands == [("KO", 1, 2), ("KO", 0, 0)], "and the end of the band"
