"""Account, positions, activities, lists, calendar and portfolio history."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from alpaca.trading.enums import QueryOrderStatus
from alpaca.trading.requests import ClosePositionRequest, GetCalendarRequest, GetOrdersRequest

from fillwright.adapters.alpaca_api.ulid import ulid
from fillwright.adapters.brokers.alpaca.wire import account_of
from fillwright.domain.ports import NANOS, AccountKind
from tests.paper.servers import PaperServer


def fills(server: PaperServer, **query: Any) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = server.raw.get("/account/activities/FILL", query)
    return answer


def test_the_account_is_of_one_piece(server: PaperServer) -> None:
    server.worked(server.submit(symbol="AAPL", qty="100")["id"])
    account = server.trading.get_account()
    (position,) = server.trading.get_all_positions()
    equity = Decimal(account.cash or 0) + Decimal(account.long_market_value or 0)
    assert Decimal(account.equity or 0) == equity
    assert account.multiplier == "4"
    assert (position.symbol, position.qty, position.qty_available) == ("AAPL", "100", "100")
    assert Decimal(position.cost_basis) == 100 * Decimal(position.avg_entry_price)


def test_a_short_position_is_negative_and_is_bought_back(server: PaperServer) -> None:
    server.worked(server.submit(symbol="AAPL", qty="10", side="sell")["id"])
    position = server.trading.get_open_position("AAPL")
    assert (position.qty, position.side.value) == ("-10", "short")
    closing = server.trading.close_position("AAPL")
    assert server.worked(str(closing.id))["position_intent"] == "buy_to_close"
    assert server.trading.get_all_positions() == []


def test_a_position_is_closed_in_part_and_whole(server: PaperServer) -> None:
    server.worked(server.submit(qty="10")["id"])
    half = server.trading.close_position("KO", ClosePositionRequest(percentage="50"))
    assert server.worked(str(half.id))["filled_qty"] == "5"
    server.worked(server.submit(symbol="AAPL", qty="3")["id"])
    rows = server.trading.close_all_positions(cancel_orders=True)
    assert [(row.symbol, row.status) for row in rows] == [("AAPL", 200), ("KO", 200)]
    server.advance(1)
    assert server.trading.get_all_positions() == []


def test_cancelling_all_answers_for_each_order(server: PaperServer) -> None:
    ids = {server.submit(type="limit", limit_price="30")["id"] for _ in range(3)}
    answer = server.call("DELETE", "/v2/orders")
    assert answer.status_code == 207
    assert {row["id"] for row in answer.json()} == ids
    assert {row["status"] for row in answer.json()} == {200}
    assert server.trading.get_orders() == []


def test_lists_are_filtered_bounded_and_in_order(server: PaperServer) -> None:
    sent = [server.submit(type="limit", limit_price="30") for _ in range(4)]
    server.trading.cancel_order_by_id(sent[0]["id"])
    names = [order["id"] for order in sent]

    def listed(**query: Any) -> list[str]:
        return [row["id"] for row in server.raw.get("/orders", query)]

    assert listed() == names[:0:-1]
    assert listed(direction="asc") == names[1:]
    assert listed(limit=2) == names[:1:-1]
    assert names[0] in listed(status="closed")
    assert names[0] not in listed(status="open")
    assert listed(status="all", after=sent[1]["submitted_at"], direction="asc") == names[2:]
    assert listed(after=sent[0]["submitted_at"], until=sent[2]["submitted_at"]) == [names[1]]
    assert listed(symbols="AAPL,MSFT") == []
    assert listed(side="sell") == []
    assert listed(status="all", after_order_id=names[2]) == names[3:]
    rows = server.trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, symbols=["KO"]))
    assert str(rows[0].id) == names[-1]


def test_activities_are_paged_by_the_last_id(server: PaperServer) -> None:
    for _ in range(5):
        server.worked(server.submit(symbol="SPY", qty="1")["id"])
    everything = fills(server)
    pages: list[dict[str, Any]] = []
    while page := fills(server, page_size=2, **({"page_token": pages[-1]["id"]} if pages else {})):
        assert len(page) <= 2
        pages += page
    assert pages == everything
    assert fills(server, direction="asc") == everything[::-1]
    newest = everything[0]
    assert fills(server, order_id=newest["order_id"]) == [newest]
    prefix, _, _ = newest["id"].partition("::")
    local = datetime.fromisoformat(newest["transaction_time"]) - timedelta(hours=4)
    assert prefix[:14] == f"{local:%Y%m%d%H%M%S}"
    assert (newest["type"], newest["leaves_qty"], newest["order_status"]) == ("fill", "0", "filled")
    assert server.raw.get("/account/activities", {"activity_types": "DIV"}) == []


def test_fills_can_be_resumed_as_events(server: PaperServer) -> None:
    for _ in range(3):
        server.worked(server.submit(symbol="SPY", qty="1")["id"])
    end = server.trading.get_clock().timestamp.isoformat()
    path = "/v2beta1/events/activities"

    def told(**query: str) -> list[str]:
        lines = server.call("GET", path, params=query).text.splitlines()
        return [line for line in lines if line.startswith("data: ")]

    everything = told(since="2024-06-12T00:00:00Z", until=end)
    assert len(everything) == len(fills(server))
    second = everything[-2].split('"event_id":"')[1][:26]
    last = everything[-1].split('"event_id":"')[1][:26]
    assert told(since_id=second, until_id=last) == everything[-1:]
    # What is due by the end has happened before it is told.
    bought = server.submit(symbol="SPY", qty="1")
    moment = server.trading.get_clock().timestamp + timedelta(seconds=2)
    server.call("POST", "/fillwright/clock", json={"advance_seconds": 3})
    until = ulid(int(moment.timestamp() * NANOS))
    (new,) = told(since_id=last, until_id=until)
    assert bought["id"] in new
    assert server.call("GET", path, params={"since_id": "no ulid"}).status_code == 422


def test_clock_and_calendar_are_the_exchange_s(server: PaperServer) -> None:
    clock = server.trading.get_clock()
    assert clock.is_open
    assert clock.next_close.isoformat() == "2024-06-12T16:00:00-04:00"
    days = server.trading.get_calendar(
        GetCalendarRequest(start=date(2024, 7, 1), end=date(2024, 7, 5))
    )
    assert [day.date.day for day in days] == [1, 2, 3, 5]
    assert days[2].close.hour == 13


def test_portfolio_history_values_the_account_over_time(server: PaperServer) -> None:
    server.worked(server.submit(symbol="AAPL", qty="1000")["id"], 600)
    history = server.raw.get("/account/portfolio/history", {"timeframe": "1Min", "period": "1D"})
    lengths = {len(history[name]) for name in ("timestamp", "equity", "profit_loss")}
    assert len(lengths) == 1
    assert lengths.pop() >= 40
    account = server.trading.get_account()
    assert abs(Decimal(str(history["equity"][-1])) - Decimal(account.equity or 0)) < 500
    assert len(set(history["equity"])) > 3


def test_assets_are_listed_and_found_by_symbol_and_id(server: PaperServer) -> None:
    assets = server.trading.get_all_assets()
    assert [asset.symbol for asset in assets] == ["AAPL", "KO", "MSFT", "NPK", "NVDA", "SPY"]
    assert server.trading.get_asset(str(assets[0].id)).symbol == "AAPL"


def test_an_account_that_may_borrow_nothing_is_a_cash_account_to_the_engine(
    server: PaperServer,
) -> None:
    for multiplier, kind in (("1", AccountKind.CASH), ("2", AccountKind.MARGIN)):
        server.raw.patch("/account/configurations", {"max_margin_multiplier": multiplier})
        read = account_of(server.raw.get("/account"), 0)
        assert read is not None
        assert (read.kind, read.multiplier) == (kind, Decimal(multiplier))
        assert read.currency == "USD"
    silent = {**server.raw.get("/account"), "multiplier": None, "currency": "dollars"}
    unknown = account_of(silent, 0)
    assert unknown is not None
    assert unknown.kind is AccountKind.UNKNOWN
    assert unknown.currency is None


def test_the_calendar_says_when_trades_settle(server: PaperServer) -> None:
    days = server.raw.get("/calendar", {"start": "2025-11-07", "end": "2025-11-12"})
    settles = {day["date"]: day["settlement_date"] for day in days}
    assert settles["2025-11-07"] == "2025-11-10"
    assert settles["2025-11-10"] == settles["2025-11-11"] == "2025-11-12"
