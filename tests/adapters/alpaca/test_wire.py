"""Alpaca's messages in our words: nothing is lost, whatever is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.alpaca_api.access import AlpacaAccess
from fillwright.adapters.alpaca_api.reading import RAW_TEXT_MAX, decoded, nanos, raw
from fillwright.adapters.alpaca_api.rest import AlpacaRest
from fillwright.adapters.brokers.alpaca.listing import rfc3339
from fillwright.adapters.brokers.alpaca.wire import (
    KINDS,
    account_of,
    broker_order,
    is_same_order,
    order_body,
    position_of,
    report_of_update,
    reports_of_order,
)
from fillwright.domain.errors import InvalidInput
from fillwright.domain.orders import fold, intend, mark_sent
from fillwright.domain.ports import (
    BrokerCommand,
    CancelOrder,
    OrderRequest,
    OrderType,
    ReportKind,
    Side,
    SubmitOrder,
    TimeInForce,
)

NOW = 1_759_936_215 * 10**9
DAY = TimeInForce.DAY
ORDER: dict[str, Any] = {
    "id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
    "client_order_id": "fw-1-0",
    "symbol": "KO",
    "side": "buy",
    "qty": "100",
    "filled_qty": "40",
    "filled_avg_price": "61.2",
    "limit_price": "61.25",
    "status": "partially_filled",
    "submitted_at": "2026-10-08T15:10:21.371060727Z",
    "updated_at": "2026-10-08T15:10:22.4Z",
}


def update(event: str, **fields: Any) -> dict[str, Any]:
    return {
        "event": event,
        "order": ORDER,
        "timestamp": "2026-10-08T15:10:22.178543328Z",
        "execution_id": "e1",
        "qty": "40",
        "price": "61.2",
    } | fields


def test_a_fill_keeps_its_nine_digits_of_time_and_its_exact_price() -> None:
    report = report_of_update(update("partial_fill", price="61.200000000000003"), NOW)
    assert report is not None
    assert report.kind is ReportKind.TRADE
    assert report.market_time % 10**9 == 178_543_328
    assert (report.last_qty, report.last_price) == (Decimal(40), Decimal("61.200000000000003"))
    assert (report.cum_qty, report.leaves_qty, report.execution_id) == (40, 60, "e1")
    assert json.loads(str(report.raw["json"]))["order"] == ORDER


@pytest.mark.parametrize("event", sorted(KINDS))
def test_each_documented_event_has_a_word_of_ours(event: str) -> None:
    report = report_of_update(update(event), NOW)
    assert report is not None
    assert report.kind is KINDS[event]
    assert (report.execution_id is not None) is (report.kind.value.startswith("trade"))


def test_an_unknown_event_and_status_are_told_as_they_are() -> None:
    report = report_of_update(update("teleported", order=ORDER | {"status": "beamed"}), NOW)
    assert report is not None
    assert (report.kind, report.order_status) == (ReportKind.STATUS, "beamed")
    assert "teleported" in (report.text or "")


@pytest.mark.parametrize(
    "data",
    [{}, {"event": "fill", "order": None}, {"event": "fill", "order": {"id": "x"}}],
    ids=["nothing", "no order", "no client id"],
)
def test_a_message_that_names_no_order_is_known_to_be_none(data: dict[str, Any]) -> None:
    assert report_of_update(data, NOW) is None


def test_an_order_tells_what_its_activities_do_not() -> None:
    fill = {
        "id": "20261008111022178::e1",
        "order_id": ORDER["id"],
        "qty": "30",
        "price": "61.1",
        "cum_qty": "30",
        "transaction_time": "2026-10-08T15:10:22.178Z",
    }
    taken, known, missing = reports_of_order(ORDER, [fill], NOW)
    assert taken.kind is ReportKind.ACCEPTED
    assert (known.execution_id, known.derived, known.last_price) == ("e1", False, Decimal("61.1"))
    assert (missing.derived, missing.last_qty, missing.cum_qty) == (True, 10, 40)
    assert missing.last_price == (Decimal("61.2") * 40 - Decimal("61.1") * 30) / 10


def test_fills_of_one_millisecond_are_put_in_order_whatever_order_they_are_listed_in() -> None:
    fills = [
        {
            "id": f"20261008111022178::e{number}",
            "order_id": ORDER["id"],
            "qty": "10",
            "price": "61.2",
            "cum_qty": str(10 * number),
            "transaction_time": "2026-10-08T15:10:22.178Z",
        }
        for number in (3, 1, 4, 2)
    ]
    taken, *trades = reports_of_order(ORDER, fills, NOW)
    assert [trade.execution_id for trade in trades] == ["e1", "e2", "e3", "e4"]
    assert [trade.cum_qty for trade in trades] == [10, 20, 30, 40]
    request = OrderRequest("fw-1-0", "KO", Side.BUY, Decimal(100), OrderType.LIMIT, DAY)
    order = mark_sent(intend(request))
    for report in (taken, *trades, *reversed(trades)):
        order, odd = fold(order, report)
        assert list(odd) == []
    assert (order.cum_qty, order.leaves_qty) == (40, 60)


def test_no_order_is_ever_replaced_so_no_filled_part_is_ordered_anew() -> None:
    assert set(get_args(BrokerCommand)) == {SubmitOrder, CancelOrder}
    assert not hasattr(AlpacaRest, "patch")


@pytest.mark.parametrize(
    ("status", "last"),
    [
        ("canceled", ReportKind.CANCELED),
        ("expired", ReportKind.EXPIRED),
        ("rejected", ReportKind.REJECTED),
        ("replaced", ReportKind.REPLACED),
        ("something_new", ReportKind.STATUS),
        ("partially_filled", ReportKind.TRADE),
    ],
)
def test_an_order_ends_as_its_status_says(status: str, last: ReportKind) -> None:
    reports = reports_of_order(ORDER | {"status": status}, [], NOW)
    assert reports[-1].kind is last
    assert any(report.kind is ReportKind.TRADE for report in reports)


def test_an_order_goes_out_as_text_without_a_float() -> None:
    request = OrderRequest(
        "fw-1-0",
        "KO",
        Side.BUY,
        Decimal("100"),
        OrderType.LIMIT,
        TimeInForce.IOC,
        Decimal("61.250"),
    )
    body = order_body(request)
    assert body["qty"] == "100"
    assert body["limit_price"] in ("61.25", "61.250")
    assert all(isinstance(value, str) for value in body.values())
    assert is_same_order(ORDER, request)
    assert not is_same_order(ORDER | {"qty": "99"}, request)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-10-08T15:10:21.371060727Z", 371_060_727),
        ("2026-10-08T15:10:21Z", 0),
        ("2026-10-08T11:10:21.5-04:00", 500_000_000),
        ("2026-10-08T15:10:21.1234567891Z", 123_456_789),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, at: int) -> None:
    whole = int(datetime(2026, 10, 8, 15, 10, 21, tzinfo=UTC).timestamp()) * 10**9
    assert nanos(text) == whole + at


@given(st.integers(0, 4 * 10**18))
def test_times_are_written_and_read_alike_to_the_microsecond(at: int) -> None:
    assert nanos(rfc3339(at)) == at // 1_000 * 1_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*ORDER, "event", "order", "price", "timestamp"]), JSON))
def test_no_message_raises(odd: dict[str, Any]) -> None:
    report_of_update(odd, NOW)
    report_of_update(update("fill", order=ORDER | odd), NOW)
    reports_of_order(ORDER | odd, [odd], NOW)
    broker_order(odd)
    account_of(odd, NOW)
    position_of(odd)


@given(JSON)
def test_what_is_kept_is_bounded_and_can_be_read_again(message: Any) -> None:
    kept = raw(message)
    assert len(str(kept["json"])) <= RAW_TEXT_MAX
    if "cut_from" not in kept:
        assert decoded(str(kept["json"])) is not None or message is None


def test_keys_in_a_message_are_not_kept() -> None:
    kept = str(raw({"secret_key": "hunter2hunter2", "id": "x"}))
    assert "hunter2" not in kept


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("trading_url", "paper-api.alpaca.markets"),
        ("trading_url", "https://paper-api.alpaca.markets/v2"),
        ("data_url", "ftp://x"),
        ("stream_url", "http://127.0.0.1/stream"),
    ],
)
def test_a_wrong_address_is_named_before_anything_is_asked(field: str, url: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        AlpacaAccess("k", "s", **{field: url})  # type: ignore[arg-type]


# -- recorded and constructed payloads -----------------------------------------------------------


def payloads(shared_dir: Path, name: str) -> Any:
    return json.loads((shared_dir / "alpaca" / "fixtures" / name).read_text(encoding="utf-8"))


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def test_every_trade_update_is_told_or_known_to_be_empty(shared_dir: Path) -> None:
    messages = payloads(shared_dir, "derived__trade_updates.json")["messages"]
    for name, message in messages.items():
        data = message.get("data")
        report = report_of_update(data, NOW) if isinstance(data, dict) else None
        assert (report is None) is ("data null" in name), name
        if report is not None:
            assert json.loads(str(report.raw["json"])) == data
            expected = KINDS.get(data["event"], ReportKind.STATUS)
            assert report.kind is expected, name


def test_every_order_status_has_its_reports(shared_dir: Path) -> None:
    orders = payloads(shared_dir, "derived__orders_by_status.json")["orders"]
    assert len(orders) >= 16
    for status, order in orders.items():
        found = broker_order(order)
        assert found is not None, status
        assert found.status == order["status"]
        reports = reports_of_order(order, [], NOW)
        told = sum((r.last_qty or Decimal(0) for r in reports), Decimal(0))
        assert told == Decimal(str(order["filled_qty"])), status


def test_every_order_position_account_and_fill_on_record_is_read(shared_dir: Path) -> None:
    folder = shared_dir / "alpaca" / "fixtures"
    read = {"orders": 0, "positions": 0, "accounts": 0, "fills": 0}
    for path in sorted(folder.glob("*.json")):
        for each in objects(json.loads(path.read_text(encoding="utf-8"))):
            if {"client_order_id", "submitted_at", "filled_qty", "side", "symbol"} <= each.keys():
                read["orders"] += broker_order(each) is not None or each.get("symbol") in ("", None)
                reports_of_order(each, [], NOW)
            if {"avg_entry_price", "qty", "symbol", "side"} <= each.keys():
                assert position_of(each) is not None, each
                read["positions"] += 1
            if {"buying_power", "cash", "equity"} <= each.keys():
                assert account_of(each, NOW) is not None, each
                read["accounts"] += 1
            read["fills"] += each.get("activity_type") == "FILL"
    assert read["orders"] > 20
    assert min(read.values()) > 0
