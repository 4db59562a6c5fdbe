"""Which fills Alpaca tells of, over the real client: whole, cut, odd, or by pages instead."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from fillwright.adapters.alpaca_api.access import AlpacaAccess
from fillwright.adapters.alpaca_api.event_stream import Body, read_events
from fillwright.adapters.alpaca_api.rest import AlpacaRest
from fillwright.adapters.alpaca_api.ulid import time_of_ulid, ulid
from fillwright.adapters.brokers.alpaca import AlpacaBroker, fills
from fillwright.adapters.timekeeping.clocks import SystemClock
from fillwright.domain.fills_told import FillsTold
from fillwright.domain.ports import NANOS
from tests.adapters.alpaca.scripted import Answering, Scripted, scripted

EVENTS = "/v2beta1/events/activities"
NOW = 1_718_200_000 * NANOS
SINCE = NOW - 3_600 * NANOS
UNTIL = NOW - fills.LATE_NS


def event(number: int, **details: Any) -> dict[str, Any]:
    at = SINCE + number * NANOS
    order = {"order_id": f"v-{number}", "client_order_id": f"fw-{number}", "cum_qty": "10"}
    return {
        "event_id": ulid(at, number),
        "executed_at": "2024-06-12T13:00:01.5Z",
        "ref_id": f"e-{number}",
        "details": {**order, "execution_type": "fill", **details},
    }


def data(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events)


def clock(to: Answering, _: dict[str, str]) -> None:
    to.say({"timestamp": "2024-06-12T09:46:40-04:00"})


def streaming(content: bytes, *, chunked: bool = True) -> Callable[..., None]:
    def route(to: Answering, _: dict[str, str]) -> None:
        to.begin_events(chunked=chunked)
        if chunked:
            to.chunk(b": connected\n\n")
            if content:
                to.chunk(content)
            to.chunk(b"")
        else:
            to.wfile.write(content)
            to.hang_up()

    return route


def broker_at(server: Scripted, seconds: float = 2.0) -> AlpacaBroker:
    access = AlpacaAccess(
        SecretStr("k"), SecretStr("s"), trading_url=server.url, read_seconds=seconds
    )
    return AlpacaBroker(access, AlpacaRest(access), SystemClock())


def told_by(server: Scripted, times: int = 1) -> list[FillsTold]:
    async def ask() -> list[FillsTold]:
        broker = broker_at(server)
        try:
            found, since = [], SINCE
            for _ in range(times):
                found.append(await broker.fills_told(since))
                since = found[-1].complete_until or since
            return found
        finally:
            await broker.aclose()

    return asyncio.run(ask())


def asked_of(server: Scripted, path: str) -> list[dict[str, str]]:
    return [query for one, query in server.asked if one == path]


def test_a_whole_list_goes_on_from_its_last_event_and_asks_up_to_the_broker_s_time() -> None:
    with scripted({"/v2/clock": clock, EVENTS: streaming(data(event(1), event(2)))}) as server:
        first, _ = told_by(server, 2)
        before, after = asked_of(server, EVENTS)
    assert (first.complete_until, first.source, first.note) == (UNTIL, "activity_events", "")
    assert [(one.client_order_id, one.cum_qty) for one in first.fills] == [
        ("fw-1", Decimal(10)),
        ("fw-2", Decimal(10)),
    ]
    assert before == {"since_id": ulid(SINCE), "until_id": ulid(NOW)}
    assert after == {"since_id": event(2)["event_id"], "until_id": ulid(NOW)}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (data(event(1)) + b": internal server error\n\n", "the server says: internal server"),
        (b": you are reading too slowly, dropped 10000 messages\n\n", "dropped 10000"),
        (data(event(1)) + b"data: {}", "last event is cut"),
        (data(event(1)) + b"data: {}\n", "last event is cut"),
        (b"data: not json\n\n", "an event cannot be read"),
        (data(event(2), event(1)), "out of order"),
        (data(event(1, cum_qty=None)), "cannot be read"),
    ],
)
def test_a_list_with_a_flaw_vouches_for_nothing_and_is_read_again(content: bytes, why: str) -> None:
    with scripted({"/v2/clock": clock, EVENTS: streaming(content)}) as server:
        told = told_by(server, 2)
        assert [query["since_id"] for query in asked_of(server, EVENTS)] == [ulid(SINCE)] * 2
    for one in told:
        assert (one.complete_until, one.source) == (None, "activity_events")
        assert why in one.note


def test_what_breaks_off_or_cannot_be_told_from_it_vouches_for_nothing() -> None:
    def broken(to: Answering, _: dict[str, str]) -> None:
        to.begin_events()
        to.chunk(data(event(1)))
        to.hang_up()

    for route in (broken, streaming(data(event(1)), chunked=False)):
        with scripted({"/v2/clock": clock, EVENTS: route}) as server:
            (told,) = told_by(server)
        assert [one.client_order_id for one in told.fills] == ["fw-1"]
        assert told.complete_until is None
        assert "broke off" in told.note or "lost connection" in told.note


def test_a_stream_that_does_not_end_or_says_nothing_is_left_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fills, "EVENTS_SECONDS_MAX", 0.4)

    def dripping(to: Answering, _: dict[str, str]) -> None:
        to.begin_events()
        while not to.server.ending.wait(0.01):
            try:
                to.chunk(b":")
            except OSError:
                break
        to.hang_up()

    def mute(to: Answering, _: dict[str, str]) -> None:
        to.begin_events()
        to.chunk(b": connected\n\n")
        to.server.ending.wait(10)
        to.hang_up()

    for route in (dripping, mute):
        with scripted({"/v2/clock": clock, EVENTS: route}) as server:
            began = time.monotonic()
            (told,) = told_by(server)
            assert time.monotonic() - began < 5
        assert told.complete_until is None
        assert told.note.startswith("not whole")


def page(to: Answering, _: dict[str, str]) -> None:
    row = {"id": "20240612090001000::a-1", "order_id": "v-1", "cum_qty": "4"}
    to.say([{**row, "transaction_time": "2024-06-12T13:00:01Z"}])


def orders(to: Answering, _: dict[str, str]) -> None:
    to.say([{"id": "v-1", "client_order_id": "fw-1", "submitted_at": "2024-06-12T13:00:00Z"}])


def no_stream(to: Answering, _: dict[str, str]) -> None:
    to.say(b"<html></html>", kind="text/html")


@pytest.mark.parametrize("status", [None, 403, 405])
def test_a_server_without_events_is_asked_for_fill_pages_and_it_is_said(status: int | None) -> None:
    def refused(to: Answering, _: dict[str, str]) -> None:
        to.say({"message": "forbidden."}, status or 404)

    routes: dict[str, Any] = {"/v2/clock": clock, "/v2/orders": orders, EVENTS: refused}
    routes["/v2/account/activities/FILL"] = page
    for route in (refused, no_stream):
        routes[EVENTS] = route
        with scripted(routes) as server:
            (told,) = told_by(server)
            (asked,) = asked_of(server, "/v2/account/activities/FILL")
        assert asked["after"] < "2024-06-12T12:46:40" < asked["until"]
        assert (told.complete_until, told.source) == (UNTIL, "fill_activities")
        assert [(one.client_order_id, one.execution_id) for one in told.fills] == [("fw-1", "a-1")]


def test_what_cannot_be_asked_is_an_answer_too() -> None:
    def forbidden(to: Answering, _: dict[str, str]) -> None:
        to.say({"message": "forbidden."}, 403)

    with scripted({"/v2/clock": clock, EVENTS: forbidden}) as server:
        (told,) = told_by(server)
    assert (told.fills, told.complete_until) == ((), None)
    assert told.note.startswith("not read")
    with scripted({}) as server:
        (told,) = told_by(server)
    assert told.note.startswith("not read")


def test_a_fill_of_an_order_that_nobody_lists_keeps_the_list_open() -> None:
    nameless = event(1)
    del nameless["details"]["client_order_id"]

    def none(to: Answering, _: dict[str, str]) -> None:
        to.say([])

    content = streaming(data(nameless))
    with scripted({"/v2/clock": clock, "/v2/orders": none, EVENTS: content}) as server:
        (told,) = told_by(server)
    assert told.complete_until is None
    assert "v-1 is in no list" in told.note


def test_dividends_and_unknown_kinds_are_no_fills() -> None:
    dividend = {**event(2), "details": {"symbol": "KO"}}
    content = streaming(data(event(1, execution_type="trade_pondered"), dividend))
    with scripted({"/v2/clock": clock, EVENTS: content}) as server:
        (told,) = told_by(server)
    assert (told.fills, told.restated, told.complete_until) == ((), (), UNTIL)


def test_busts_and_corrections_are_told_of_with_the_execution_that_they_change() -> None:
    bust = {**event(1, execution_type="trade_bust", cum_qty="0"), "previous_id": "e-0"}
    correction = event(2, execution_type="trade_correct", cum_qty="8")
    correction |= {"previous_id": "e-9", "qty": "8", "price": "60.5", "at": "2024-06-12T13:00:02Z"}
    del correction["details"]["client_order_id"]

    def listed(to: Answering, _: dict[str, str]) -> None:
        to.say([{"id": "v-2", "client_order_id": "fw-2", "submitted_at": "2024-06-12T13:00:00Z"}])

    content = streaming(data(bust, correction))
    with scripted({"/v2/clock": clock, EVENTS: content, "/v2/orders": listed}) as server:
        (told,) = told_by(server)
    assert (told.fills, told.complete_until) == ((), UNTIL)
    assert [
        (one.kind.value, one.client_order_id, one.execution_id, one.ref_execution_id, one.cum_qty)
        for one in told.restated
    ] == [
        ("trade_bust", "fw-1", "e-1", "e-0", Decimal(0)),
        ("trade_correct", "fw-2", "e-2", "e-9", Decimal(8)),
    ]
    assert (told.restated[1].last_qty, told.restated[1].last_price) == (8, Decimal("60.5"))


@pytest.mark.parametrize("lost", ["previous_id", "qty", "price"])
def test_a_correction_that_cannot_be_read_vouches_for_nothing(lost: str) -> None:
    correction = event(1, execution_type="trade_correct")
    correction |= {"previous_id": "e-9", "qty": "8", "price": "60.5"}
    del correction[lost]
    with scripted({"/v2/clock": clock, EVENTS: streaming(data(correction))}) as server:
        (told,) = told_by(server)
    assert (told.restated, told.complete_until) == ((), None)
    assert "cannot be read" in told.note


def test_lines_end_as_the_protocol_says_and_data_may_take_several() -> None:
    body = b'\xef\xbb\xbf: ping\r\rdata: {"a":\rdata: "\xe2\x80\xa8"}\r\n\r\nid: 1\nevent: x\n\n'
    found = read_events(Body("text/event-stream", body))
    assert found.events == ({"a": "\u2028"},)
    assert found.flaw == ""


def test_a_ulid_gives_its_time_back() -> None:
    assert time_of_ulid(ulid(NOW, 7)) == NOW
    assert ulid(NOW) < ulid(NOW, 1) < ulid(NOW + NANOS)
    assert time_of_ulid("8" + "0" * 25) is None
    assert [time_of_ulid(text) for text in ("", "U" * 26, "0" * 25)] == [None] * 3
