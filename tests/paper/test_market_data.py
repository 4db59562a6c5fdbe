"""Historical data, latest values and snapshots, through alpaca-py's data client."""

from datetime import UTC, datetime, timedelta
from typing import Any

from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from tests.paper.servers import PaperServer

OPEN = datetime(2024, 6, 12, 13, 30, tzinfo=UTC)


def pages(server: PaperServer, path: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token: str | None = None
    while not found or token:
        more = {"page_token": token} if token else {}
        found.append(server.call("GET", path, params=query | more).json())
        token = found[-1]["next_page_token"]
    return found


def test_bars_of_several_symbols_come_whole(server: PaperServer) -> None:
    request = StockBarsRequest(
        symbol_or_symbols=["SPY", "AAPL"],
        timeframe=TimeFrame.Minute,
        start=OPEN,
        end=OPEN + timedelta(minutes=9),
    )
    bars = server.data.get_stock_bars(request).data
    assert {symbol: len(rows) for symbol, rows in bars.items()} == {"AAPL": 10, "SPY": 10}
    assert all(bar.low <= bar.open <= bar.high and bar.volume > 0 for bar in bars["SPY"])


def test_longer_bars_add_the_minutes_up(server: PaperServer) -> None:
    def volumes(frame: TimeFrame) -> list[float]:
        request = StockBarsRequest(
            symbol_or_symbols="KO",
            timeframe=frame,
            start=OPEN,
            end=OPEN + timedelta(minutes=14, seconds=59),
        )
        return [bar.volume for bar in server.data.get_stock_bars(request).data["KO"]]

    fives = volumes(TimeFrame(5, TimeFrameUnit.Minute))
    assert len(fives) == 3
    assert sum(fives) == sum(volumes(TimeFrame.Minute))


def test_days_before_the_session_have_bars(server: PaperServer) -> None:
    request = StockBarsRequest(
        symbol_or_symbols="KO", timeframe=TimeFrame.Day, start=OPEN - timedelta(days=20)
    )
    days = server.data.get_stock_bars(request).data["KO"]
    assert [day.timestamp.day for day in days] == [5, 6, 7, 10, 11, 12]


def test_nothing_of_the_future_is_shown(server: PaperServer) -> None:
    request = StockTradesRequest(symbol_or_symbols="SPY", start=OPEN, end=OPEN + timedelta(hours=9))
    trades = server.data.get_stock_trades(request).data["SPY"]
    assert trades[-1].timestamp <= server.trading.get_clock().timestamp


def test_pages_give_each_row_once_and_the_limit_is_of_all_symbols(server: PaperServer) -> None:
    query = {
        "symbols": "AAPL,KO",
        "start": OPEN.isoformat(),
        "end": (OPEN + timedelta(minutes=2)).isoformat(),
    }
    for sort in ("asc", "desc"):
        whole = pages(server, "/v2/stocks/quotes", **query, sort=sort, limit=10_000)
        assert len(whole) == 1
        parts = pages(server, "/v2/stocks/quotes", **query, sort=sort, limit=97)
        assert all(sum(map(len, part["quotes"].values())) <= 97 for part in parts)
        for symbol in ("AAPL", "KO"):
            rows = [row for part in parts for row in part["quotes"].get(symbol, [])]
            assert rows == whole[0]["quotes"][symbol]
    bars = {"timeframe": "1Min", "limit": 3}
    joined = pages(server, "/v2/stocks/KO/bars", **(query | bars))
    assert [len(part["bars"]) for part in joined] == [3]


def test_the_client_s_own_paging_gets_everything(server: PaperServer) -> None:
    request = StockQuotesRequest(symbol_or_symbols=["SPY", "NVDA"], start=OPEN, limit=None)
    found = server.data.get_stock_quotes(request).data
    times = [quote.timestamp for quote in found["SPY"]]
    assert len(times) > 1_000
    assert times == sorted(times)


def test_latest_and_snapshots_agree(server: PaperServer) -> None:
    names = ["AAPL", "SPY"]
    snapshots = server.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=names))
    latest = server.data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=names))
    assert set(snapshots) == set(names) == set(latest)
    spy = snapshots["SPY"]
    assert spy.previous_daily_bar.timestamp.day == 11
    daily, minute = spy.daily_bar, spy.minute_bar
    assert daily.low <= minute.low <= minute.high <= daily.high, "both are of whole minutes"
    assert abs(spy.latest_trade.price / minute.close - 1) < 0.01


def test_an_unknown_symbol_has_no_rows_but_an_answer(server: PaperServer) -> None:
    answer = server.call("GET", "/v2/stocks/bars", params={"symbols": "NOPE"})
    assert answer.json() == {"bars": {}, "next_page_token": None}
    assert server.call("GET", "/v2/stocks/NOPE/quotes/latest").status_code == 404
