"""Recorded market data tells what could be known at a moment and nothing later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.exchange.tape import SymbolDay, load_symbol_day
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.timekeeping.calendar import AlwaysOpenCalendar, ExchangeCalendar
from fillwright.domain.errors import InvalidInput
from fillwright.domain.market import TradingStatus
from fillwright.domain.ports import NANOS

MakeDay = Callable[..., SymbolDay]
MINUTE = 60 * NANOS
SESSION_S = 23_400


def test_the_quote_is_the_last_at_or_before_now(make_day: MakeDay, open_ns: int) -> None:
    market = RecordedMarketData(
        [make_day([(1, 10.0, 10.01, 300, 200), (2, 10.01, 10.02, 100, 400)])]
    )
    before = market.state("ABC", open_ns + NANOS - 1)
    assert (before.quote, before.quote_age_ns) == (None, None)
    first = market.state("ABC", open_ns + NANOS).quote
    assert first is not None
    assert (first.bid, first.ask) == (Decimal("10"), Decimal("10.01"))
    assert (first.bid_size, first.ask_size) == (300, 200)
    last = market.state("ABC", open_ns + 2 * NANOS - 1)
    assert last.quote == first
    assert last.quote_age_ns == NANOS - 1
    second = market.state("ABC", open_ns + 2 * NANOS).quote
    assert second is not None
    assert second.bid == Decimal("10.01")


def test_float_noise_of_the_source_does_not_reach_a_price(make_day: MakeDay, open_ns: int) -> None:
    market = RecordedMarketData(
        [make_day([(0, 181.70000000000002, 181.9, 1, 1)], [(0, 181.89999999999998, 5, True)])]
    )
    state = market.state("ABC", open_ns)
    assert state.quote is not None
    assert str(state.quote.bid) == "181.7"
    assert str(state.last_price) == "181.9"


@pytest.mark.parametrize(
    ("offset_s", "status"),
    [(-1, "closed"), (0, "open"), (SESSION_S - 1, "open"), (SESSION_S, "closed")],
)
def test_it_is_closed_outside_the_session(
    make_day: MakeDay, open_ns: int, offset_s: int, status: str
) -> None:
    market = RecordedMarketData([make_day([(-60, 10.0, 10.01, 300, 200)])])
    state = market.state("ABC", open_ns + offset_s * NANOS)
    assert state.status == status
    assert (state.usable_quote is None) == (status == "closed")
    assert state.session_close - state.session_open == SESSION_S * NANOS


def test_a_halt_holds_from_its_start_to_before_its_end(make_day: MakeDay, open_ns: int) -> None:
    start, end = open_ns + MINUTE, open_ns + 2 * MINUTE
    market = RecordedMarketData(
        [make_day([(0, 10.0, 10.01, 300, 200)])], halts={"ABC": [(start, end)]}
    )
    seen = [market.state("ABC", at).status for at in (start - 1, start, end - 1, end)]
    assert seen == ["open", "halted", "halted", "open"]


def test_an_unknown_symbol_is_unknown_and_not_an_exception(make_day: MakeDay, open_ns: int) -> None:
    market = RecordedMarketData([make_day([(0, 10.0, 10.01, 300, 200)])])
    state = market.state("NONE", open_ns)
    assert not market.knows("NONE")
    assert (state.status, state.quote, state.volume) == (TradingStatus.UNKNOWN, None, None)
    assert market.knows("ABC")
    assert market.symbols == ("ABC",)


def test_a_session_without_data_is_unknown_and_the_old_quote_shows_its_age(
    make_day: MakeDay, open_ns: int
) -> None:
    market = RecordedMarketData([make_day([(0, 10.0, 10.01, 300, 200)], [(0, 10.0, 5, True)])])
    day = 86_400 * NANOS
    state = market.state("ABC", open_ns + day)
    assert (state.status, state.volume) == (TradingStatus.UNKNOWN, None)
    assert state.quote_age_ns == day
    assert state.usable_quote is None


def test_a_new_session_of_a_symbol_begins_without_a_quote(make_day: MakeDay, open_ns: int) -> None:
    day = 86_400 * NANOS
    market = RecordedMarketData(
        [
            make_day([(5, 11.0, 11.01, 1, 1)], date="20131008", start=open_ns + day),
            make_day([(5, 10.0, 10.01, 1, 1)]),
        ]
    )
    assert [each.date for each in market.days_of("ABC")] == ["20131007", "20131008"]
    early = market.state("ABC", open_ns + day)
    assert early.status is TradingStatus.OPEN
    assert early.quote is None
    before = market.state("ABC", open_ns + day - 1)
    assert before.quote_age_ns == day - 5 * NANOS - 1
    later = market.state("ABC", open_ns + day + 5 * NANOS).quote
    assert later is not None
    assert later.bid == 11


def test_locked_and_one_sided_books_are_not_usable(make_day: MakeDay, open_ns: int) -> None:
    market = RecordedMarketData(
        [make_day([(0, 10.0, 10.0, 1, 1), (1, 0.0, 10.0, 0, 1), (2, float("nan"), 10.0, 0, 1)])]
    )
    locked = market.state("ABC", open_ns)
    assert locked.quote is not None
    assert locked.usable_quote is None
    assert market.state("ABC", open_ns + NANOS).quote is None
    assert market.state("ABC", open_ns + 2 * NANOS).quote is None


def test_volume_counts_regular_prints_of_the_session(make_day: MakeDay, open_ns: int) -> None:
    prints = [
        (-1, 10.0, 1_000, True),
        (0, 10.0, 1, True),
        (1, 10.0, 2, False),
        (2, 10.01, 4, True),
        (SESSION_S, 10.0, 8, True),
    ]
    market = RecordedMarketData([make_day([(0, 10.0, 10.01, 1, 1)], prints)])
    assert [market.state("ABC", open_ns + s * NANOS).volume for s in (0, 1, 2)] == [1, 1, 5]
    assert market.state("ABC", open_ns + NANOS).last_price == 10
    assert market.state("ABC", open_ns + 2 * NANOS).last_price == Decimal("10.01")


def test_trend_and_volatility_follow_their_formulas(make_day: MakeDay, open_ns: int) -> None:
    mids = [100 + 0.1 * (k % 3) for k in range(60)]
    rows = [
        (60 * k, round(mid - 0.01, 2), round(mid + 0.01, 2), 1, 1) for k, mid in enumerate(mids)
    ]
    market = RecordedMarketData([make_day(rows)])
    at_40 = market.state("ABC", open_ns + 40 * MINUTE + 30 * NANOS)
    returns = [(b / a - 1) * 10_000 for a, b in pairwise(mids[10:41])]
    assert float(at_40.volatility_bps or 0) == pytest.approx(np.std(returns, ddof=1), abs=1e-3)
    assert float(at_40.trend_bps or 0) == pytest.approx((mids[40] / mids[35] - 1) * 1e4, abs=1e-3)


def test_statistics_are_unknown_until_there_is_enough_to_tell(
    make_day: MakeDay, open_ns: int
) -> None:
    rows = [(60 * k, 10.0, 10.02, 1, 1) for k in range(10)]
    market = RecordedMarketData([make_day(rows)])
    assert market.state("ABC", open_ns + 5 * MINUTE - 1).trend_bps is None
    assert market.state("ABC", open_ns + 5 * MINUTE).trend_bps == 0
    assert market.state("ABC", open_ns + 5 * MINUTE - 1).volatility_bps is None
    assert market.state("ABC", open_ns + 5 * MINUTE).volatility_bps == 0


@given(cut=st.integers(min_value=1, max_value=119))
def test_nothing_that_comes_later_changes_what_is_known(cut: int) -> None:
    """Cutting the tape after a moment leaves the state at that moment as it was."""
    calendar = ExchangeCalendar()
    session = calendar.session_on("20131007")
    assert session is not None
    rng = np.random.default_rng(7)
    seconds = np.arange(120) * 20.0
    mids = np.round(50 + np.cumsum(rng.normal(0, 0.02, 120)), 2)

    def tape(rows: int) -> SymbolDay:
        ts = session.open + (seconds[:rows] * NANOS).astype(np.int64)
        book = (mids[:rows, None] - 0.01, mids[:rows, None] + 0.01)
        ones = np.ones((rows, 1))
        return SymbolDay(
            symbol="ABC",
            date="20131007",
            tick=Decimal("0.01"),
            lot=Decimal(1),
            levels=1,
            ext_level_size=Decimal(1),
            queue_share=Decimal(1),
            q_ts=ts,
            bid_px=book[0],
            ask_px=book[1],
            bid_sz=ones,
            ask_sz=ones,
            t_ts=ts,
            t_px=mids[:rows],
            t_sz=ones[:, 0],
            aggressor=np.ones(rows, dtype=np.int8),
            lit=np.ones(rows, dtype=np.bool_),
            regular=np.ones(rows, dtype=np.bool_),
        )

    now = session.open + int(seconds[cut - 1]) * NANOS
    whole = RecordedMarketData([tape(120)], calendar).state("ABC", now)
    assert RecordedMarketData([tape(cut)], calendar).state("ABC", now) == whole


def test_a_moment_is_read_once(make_day: MakeDay, open_ns: int) -> None:
    market = RecordedMarketData([make_day([(0, 10.0, 10.01, 1, 1)])])
    assert market.state("ABC", open_ns) is market.state("ABC", open_ns)
    asyncio.run(market.refresh(["ABC"]))


def test_wrong_days_and_halts_are_named(make_day: MakeDay) -> None:
    day = make_day([(0, 10.0, 10.01, 1, 1)])
    with pytest.raises(InvalidInput, match="ABC 20131007 twice"):
        RecordedMarketData([day, day])
    with pytest.raises(InvalidInput, match="20131006"):
        RecordedMarketData([make_day([(0, 10.0, 10.01, 1, 1)], date="20131006")])
    with pytest.raises(InvalidInput, match="halts of ABC"):
        RecordedMarketData([day], halts={"ABC": [(5, 5)]})


def test_recorded_days_give_states_all_day(market_dir: Path) -> None:
    market = RecordedMarketData.from_folder(market_dir, "20131008", ["IBM"])
    day = load_symbol_day(market_dir, "IBM", "20131008")
    session = market.calendar.session_on("20131008")
    assert session is not None
    for minute in range(31, 390, 7):
        now = session.open + minute * MINUTE
        state = market.state("IBM", now)
        row = day.quote_index(now)
        assert state.quote is not None
        assert float(state.quote.bid) == pytest.approx(day.bid_px[row, 0])
        assert state.volume == day.t_sz[(day.t_ts <= now) & day.regular].sum()
        assert state.volatility_bps is not None
        assert 0 < state.volatility_bps < 50
    assert state.average_daily_volume is not None
    assert 2_000_000 < state.average_daily_volume < 6_000_000


def test_the_average_volume_of_a_recorded_day_does_not_know_that_day(market_dir: Path) -> None:
    market = RecordedMarketData.from_folder(market_dir, ["20131007", "20131008"], ["IBM"])
    first, second = (market.calendar.session_on(day) for day in ("20131007", "20131008"))
    assert first is not None
    assert second is not None
    friday = market.state("IBM", first.open).average_daily_volume
    both = market.state("IBM", second.open).average_daily_volume
    monday = load_symbol_day(market_dir, "IBM", "20131007")
    assert friday is not None
    assert both is not None
    assert float(both * 2 - friday) == pytest.approx(monday.t_sz[monday.regular].sum(), rel=0.001)


def test_recorded_crypto_runs_on_a_market_that_never_closes(market_dir: Path) -> None:
    market = RecordedMarketData.from_folder(
        market_dir, "20240808", ["BTCUSDT.BINANCE"], AlwaysOpenCalendar()
    )
    (day,) = market.days_of("BTCUSDT.BINANCE")
    state = market.state("BTCUSDT.BINANCE", int(day.q_ts[-1]))
    assert state.usable_quote is not None
    assert state.average_daily_volume is None
    assert state.volume is not None
    assert float(state.volume) == pytest.approx(day.t_sz[day.t_ts <= day.q_ts[-1]].sum())


def test_the_usual_spread_is_weighted_by_time_and_knows_nothing_later(
    make_day: MakeDay, open_ns: int
) -> None:
    quotes = [
        (-5, 9.99, 10.01, 100, 100),
        (60, 9.98, 10.02, 100, 100),
        (90, 10.00, 10.00, 100, 100),  # locked: left out
        (105, 9.98, 10.02, 100, 100),
        (3_000, 9.90, 10.10, 100, 100),
    ]
    market = RecordedMarketData([make_day(quotes, [(10, 10.0, 100, True)])])

    def usual(seconds: float) -> Decimal | None:
        return market.state("ABC", open_ns + round(seconds * NANOS)).spread_mean

    assert usual(59) is None
    assert usual(60) == Decimal("0.02")
    assert usual(119.9) == Decimal("0.02")
    # 60 s at 0.02, then 45 s at 0.04.
    assert usual(120) == Decimal(str(round((60 * 0.02 + 45 * 0.04) / 105, 6)))
    # Half an hour later the first minutes are forgotten.
    assert usual(2_100) == Decimal("0.04")
    assert usual(4_860) == Decimal("0.2")
