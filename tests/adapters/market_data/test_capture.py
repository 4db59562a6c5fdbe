"""Captured segments are named by their bytes, hold what was known, and cannot be changed unseen."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.exchange.tape import MarketFolderError, SymbolDay
from fillwright.adapters.market_data.alpaca_prints import take_print
from fillwright.adapters.market_data.capture import (
    PRINTS,
    QUOTES,
    SegmentCapture,
    SegmentError,
    read_segment,
    write_segment,
)
from fillwright.adapters.market_data.feeds import CONSOLIDATED, feeds_of
from fillwright.adapters.market_data.generated import GeneratedMarket
from fillwright.adapters.market_data.live_tape import LiveTape
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain.errors import InvalidInput
from fillwright.domain.events import MarketDataCaptured
from fillwright.domain.ports import NANOS

MakeDay = Callable[..., SymbolDay]
ROWS = [(k, 10.0 + k / 100, 10.01 + k / 100, 100, 200) for k in range(10)]
TRADES = [(k + 0.5, 10.0 + k / 100, 7, k % 2 == 0) for k in range(10)]


def span_of(start: int, first: float, last: float) -> tuple[int, int]:
    return start + round(first * NANOS), start + round(last * NANOS)


def test_a_quote_segment_begins_with_the_quote_valid_at_its_start(
    make_day: MakeDay, open_ns: int, tmp_path: Path
) -> None:
    day = make_day(ROWS, TRADES)
    kept = write_segment(
        tmp_path, day, QUOTES, span_of(open_ns, 2.5, 5), source="test", feed="one venue"
    )
    segment = read_segment(tmp_path, kept.sha256)
    assert (kept.rows, kept.kind, kept.feed, kept.gaps) == (4, "quotes", "one venue", ())
    assert segment.columns["ts_ns"].tolist() == [open_ns + k * NANOS for k in (2, 3, 4, 5)]
    assert segment.columns["bid_px"].tolist() == [10.02, 10.03, 10.04, 10.05]
    assert (segment.symbol, segment.from_ns, segment.to_ns) == ("ABC", kept.from_ns, kept.to_ns)
    assert (segment.source, segment.feed, segment.tick, segment.lot) == (
        "test",
        "one venue",
        day.tick,
        day.lot,
    )


@pytest.mark.parametrize(
    ("first", "last", "quotes", "prints"),
    [(0, 9.5, 10, 10), (2, 2, 1, 0), (2.5, 2.5, 1, 1), (-9, -8, 0, 0), (20, 30, 1, 0)],
)
def test_both_ends_of_a_span_are_included(
    make_day: MakeDay,
    open_ns: int,
    tmp_path: Path,
    first: float,
    last: float,
    quotes: int,
    prints: int,
) -> None:
    day, span = make_day(ROWS, TRADES), span_of(open_ns, first, last)
    kept = [write_segment(tmp_path, day, k, span, source="s", feed="f") for k in (QUOTES, PRINTS)]
    assert [each.rows for each in kept] == [quotes, prints]
    for each in kept:
        assert len(read_segment(tmp_path, each.sha256).columns["ts_ns"]) == each.rows


def test_prints_keep_their_flags_and_venue(make_day: MakeDay, open_ns: int, tmp_path: Path) -> None:
    day = replace(make_day(ROWS, TRADES), venue=np.array(["P", None] * 5, dtype=object))
    kept = write_segment(
        tmp_path, day, PRINTS, span_of(open_ns, 0, 60), source="s", feed=CONSOLIDATED
    )
    columns = read_segment(tmp_path, kept.sha256).columns
    assert columns["regular"].tolist() == [True, False] * 5
    assert columns["lit"].tolist() == [True] * 10
    assert columns["ex"].tolist() == ["P", None] * 5
    assert columns["sz"].tolist() == [7.0] * 10


def test_the_same_rows_give_the_same_bytes_in_any_process(
    make_day: MakeDay, open_ns: int, tmp_path: Path
) -> None:
    day, span = make_day(ROWS, TRADES), span_of(open_ns, 0, 9)
    first = write_segment(tmp_path / "a", day, QUOTES, span, source="s", feed="f")
    again = write_segment(tmp_path / "b", day, QUOTES, span, source="s", feed="f")
    assert first == again
    name = f"{first.sha256}.parquet"
    data = (tmp_path / "a" / name).read_bytes()
    assert data == (tmp_path / "b" / name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == first.sha256
    other = write_segment(tmp_path, day, QUOTES, span, source="s", feed="g")
    assert other.sha256 != first.sha256
    code = (
        "import sys; from fillwright.adapters.market_data.capture import read_segment, _parquet;"
        "import pyarrow as pa; s = read_segment(sys.argv[1], sys.argv[2]);"
        "about = {n: str(getattr(s, n)) for n in"
        " ('symbol','kind','from_ns','to_ns','source','feed','tick','lot',"
        " 'ext_level_size','queue_share')};"
        "import hashlib; cols = {n: pa.array(c) for n, c in s.columns.items()};"
        "print(hashlib.sha256(_parquet(cols, about)).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a"), first.sha256]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.strip() == first.sha256


def test_a_changed_or_missing_or_foreign_segment_is_refused(
    make_day: MakeDay, open_ns: int, tmp_path: Path
) -> None:
    kept = write_segment(
        tmp_path, make_day(ROWS), QUOTES, span_of(open_ns, 0, 9), source="s", feed="f"
    )
    path = tmp_path / f"{kept.sha256}.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SegmentError, match="its bytes have changed"):
        read_segment(tmp_path, kept.sha256)
    path.unlink()
    with pytest.raises(SegmentError, match="No such file"):
        read_segment(tmp_path, kept.sha256)
    with pytest.raises(InvalidInput, match="64 lower-case hexadecimal digits"):
        read_segment(tmp_path, "../etc/passwd")
    foreign = b"not parquet"
    name = hashlib.sha256(foreign).hexdigest()
    (tmp_path / f"{name}.parquet").write_bytes(foreign)
    with pytest.raises(SegmentError, match="not a market data segment"):
        read_segment(tmp_path, name)


def test_a_torn_segment_is_written_anew(make_day: MakeDay, open_ns: int, tmp_path: Path) -> None:
    day, span = make_day(ROWS), span_of(open_ns, 0, 9)
    kept = write_segment(tmp_path, day, QUOTES, span, source="s", feed="f")
    path = tmp_path / f"{kept.sha256}.parquet"
    path.write_bytes(path.read_bytes()[:50])
    assert write_segment(tmp_path, day, QUOTES, span, source="s", feed="f") == kept
    assert read_segment(tmp_path, kept.sha256).symbol == "ABC"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(("silence_s", "gaps"), [(60, 0), (60.001, 1)])
def test_a_silence_longer_than_the_bound_is_a_gap(
    make_day: MakeDay, open_ns: int, tmp_path: Path, silence_s: float, gaps: int
) -> None:
    day = make_day([(0, 10.0, 10.01, 1, 1), (silence_s, 10.0, 10.01, 1, 1)])
    span = span_of(open_ns, 0, silence_s)
    kept = write_segment(tmp_path, day, QUOTES, span, source="s", feed="f")
    assert len(kept.gaps) == gaps
    if gaps:
        assert kept.gaps == (span,)


def test_silence_after_the_close_is_no_gap(make_day: MakeDay, open_ns: int, tmp_path: Path) -> None:
    close = open_ns + 23_400 * NANOS
    day = make_day([(23_399, 10.0, 10.01, 1, 1)])
    captured = SegmentCapture(RecordedMarketData([day]), tmp_path).capture(
        "ABC", close - 30 * NANOS, close + 300 * NANOS
    )
    assert [fields["gaps"] for fields in captured] == [0, 0]


def test_captured_fields_are_those_of_the_event(
    make_day: MakeDay, open_ns: int, tmp_path: Path
) -> None:
    market = RecordedMarketData([make_day(ROWS, TRADES)], feeds={"ABC": CONSOLIDATED})
    captured = SegmentCapture(market, tmp_path / "beside").capture("ABC", *span_of(open_ns, 0, 9))
    own = set(MarketDataCaptured.model_fields)
    assert [fields["kind"] for fields in captured] == [QUOTES, PRINTS]
    for fields in captured:
        assert set(fields) <= own
        # The source does not mark auctions.
        assert fields["official_open"] is fields["official_close"] is None
        assert fields["feed"] == CONSOLIDATED
        assert read_segment(tmp_path / "beside", str(fields["sha256"])).feed == CONSOLIDATED
    assert SegmentCapture(market, tmp_path).capture("NONE", 0, 1) == []
    assert SegmentCapture(market, tmp_path).capture("ABC", 0, 1) == []


def test_official_prices_are_those_of_the_auctions_and_survive_a_folder(tmp_path: Path) -> None:
    market = GeneratedMarket(5)
    day = market.days()[0]
    folder = market.write_folder(tmp_path / "market")
    read = RecordedMarketData.from_folder(folder, day.date, [day.symbol])
    session = market.sessions[0]
    for source in (market.market_data(), read):
        for fields in SegmentCapture(source, tmp_path).capture(
            day.symbol, session.open + NANOS, session.open + 9 * NANOS
        ):
            opened, closed = fields["official_open"], fields["official_close"]
            auctions = [float(px) for px in (day.t_px[0], day.t_px[-1])]
            assert [float(str(opened)), float(str(closed))] == auctions


@pytest.mark.parametrize(
    ("prints", "opened", "closed"),
    [
        ([("10.00", "P", ["O"]), ("10.01", "N", ["Q"]), ("10.02", "P", ["Q"])], "10.01", None),
        ([("10.00", "P", ["O"]), ("10.02", "P", ["Q"])], "10.02", None),
        ([("10.05", "N", ["@", "6"]), ("10.06", "N", ["M"]), ("10.07", "D", ["@"])], None, "10.06"),
        ([("10.05", "N", ["@"])], None, None),
    ],
)
def test_a_live_auction_is_told_by_its_conditions_and_the_listing_exchange(
    open_ns: int, prints: list[tuple[str, str, list[str]]], opened: str | None, closed: str | None
) -> None:
    session = ExchangeCalendar().session_at(open_ns)
    assert session is not None
    tape = LiveTape("ABC", session)
    for n, (price, venue, conditions) in enumerate(prints):
        message = {"p": float(price), "s": 100, "c": conditions, "x": venue}
        take_print(tape, open_ns + n, message, "N")
    day = tape.day()
    assert day.official_open == (None if opened is None else Decimal(opened))
    assert day.official_close == (None if closed is None else Decimal(closed))


def test_a_wrong_kind_or_span_is_refused(make_day: MakeDay, tmp_path: Path) -> None:
    day = make_day(ROWS)
    with pytest.raises(InvalidInput, match="allowed: quotes, prints"):
        write_segment(tmp_path, day, "depth", (0, 1), source="s", feed="f")
    with pytest.raises(InvalidInput, match="span"):
        write_segment(tmp_path, day, QUOTES, (1, 0), source="s", feed="f")


def test_the_feed_is_told_by_the_folder(tmp_path: Path) -> None:
    entries = [
        {"symbol": "A", "src": "lean"},
        {"symbol": "B", "src": "bitstamp"},
        {"symbol": "C", "src": "lean", "feed": "iex"},
        {"symbol": "D"},
    ]
    (tmp_path / "instruments.json").write_text(json.dumps(entries))
    assert feeds_of(tmp_path) == {
        "A": CONSOLIDATED,
        "B": "bitstamp",
        "C": "iex",
        "D": "unlabelled",
    }


def test_recorded_days_survive_the_round_trip(market_dir: Path, tmp_path: Path) -> None:
    market = RecordedMarketData.from_folder(market_dir, "20131007", ["IBM"])
    (day,) = market.days_of("IBM")
    session = market.calendar.session_on("20131007")
    assert session is not None
    span = (session.open + 3600 * NANOS, session.open + 7200 * NANOS)
    captured = SegmentCapture(market, tmp_path).capture("IBM", *span)
    quotes = read_segment(tmp_path, str(captured[0]["sha256"]))
    first, last = day.quote_index(span[0]), day.quote_index(span[1])
    assert quotes.feed == CONSOLIDATED
    assert np.array_equal(quotes.columns["ask_px"], day.ask_px[first : last + 1, 0])
    assert np.array_equal(quotes.columns["ts_ns"], day.q_ts[first : last + 1])


@given(
    first=st.floats(min_value=-20, max_value=20, allow_nan=False),
    length=st.floats(min_value=0, max_value=40, allow_nan=False),
    at=st.floats(min_value=0, max_value=1),
)
def test_a_segment_answers_any_moment_of_its_span_like_the_day(
    make_day: MakeDay,
    open_ns: int,
    tmp_path_factory: pytest.TempPathFactory,
    first: float,
    length: float,
    at: float,
) -> None:
    folder = tmp_path_factory.getbasetemp() / "segments"
    day, span = make_day(ROWS), span_of(open_ns, first, first + length)
    moment = span[0] + int((span[1] - span[0]) * at)
    kept = write_segment(folder, day, QUOTES, span, source="s", feed="f")
    columns = read_segment(folder, kept.sha256).columns
    row = int(np.searchsorted(columns["ts_ns"], moment, side="right")) - 1
    there = day.quote_index(moment)
    assert (row < 0) == (there < 0)
    if there >= 0:
        assert columns["bid_px"][row] == day.bid_px[there, 0]


def test_a_folder_that_lists_nothing_readable_has_no_feeds(tmp_path: Path) -> None:
    with pytest.raises(MarketFolderError, match=r"instruments\.json"):
        feeds_of(tmp_path)


def test_a_failed_write_leaves_nothing_behind(
    make_day: MakeDay, open_ns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_segment(
            tmp_path, make_day(ROWS), QUOTES, span_of(open_ns, 0, 9), source="s", feed="f"
        )
    assert list(tmp_path.iterdir()) == []
