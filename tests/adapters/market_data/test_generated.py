"""The generated market repeats by its seed, holds no impossible state, and looks like equities."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.adapters.exchange.tape import SymbolDay, load_symbol_day, symbols_on
from fillwright.adapters.market_data.feeds import CONSOLIDATED
from fillwright.adapters.market_data.generated import GeneratedMarket, generate_day
from fillwright.adapters.market_data.instruments import DEFAULT_INSTRUMENTS, InstrumentSpec
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.timekeeping.calendar import AlwaysOpenCalendar, ExchangeCalendar
from fillwright.domain.errors import InvalidInput
from fillwright.domain.market import TradingStatus
from fillwright.domain.ports import MINUTE_NS, NANOS, Session

CALENDAR = ExchangeCalendar()


def session_on(day: str) -> Session:
    session = CALENDAR.session_on(day)
    assert session is not None
    return session


SESSION = session_on("2024-06-12")
MARKET = GeneratedMarket(7)


def mids_by_minute(day: SymbolDay) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    grid = SESSION.open + np.arange(391) * MINUTE_NS
    rows = day.q_ts.searchsorted(grid, side="right") - 1
    return (day.bid_px[rows, 0] + day.ask_px[rows, 0]) / 2


def check_possible(day: SymbolDay, session: Session) -> None:
    """What must hold for any generated day."""
    bid, ask = day.bid_px[:, 0], day.ask_px[:, 0]
    tick = float(day.tick)
    assert bool(np.all(bid > 0))
    assert bool(np.all(ask - bid > tick / 2)), "neither crossed nor locked"
    assert bool(np.all(np.abs(bid / tick - np.rint(bid / tick)) < 1e-6)), "on the tick grid"
    assert bool(np.all(np.diff(day.q_ts) > 0))
    assert bool(np.all(np.diff(day.t_ts) > 0))
    assert not set(day.q_ts.tolist()) & set(day.t_ts[1:-1].tolist())
    assert int(day.q_ts[0]) == session.open
    assert int(day.q_ts[-1]) < session.close
    assert (int(day.t_ts[0]), int(day.t_ts[-1])) == (session.open, session.close)
    for sizes in (day.bid_sz, day.ask_sz):
        assert bool(np.all(sizes >= 100))
        assert bool(np.all(sizes % 100 == 0))
    assert bool(np.all(day.t_sz >= 1))
    assert bool(np.all(day.t_sz % 1 == 0))
    rows = day.q_ts.searchsorted(day.t_ts, side="right") - 1
    half = tick / 4
    assert bool(np.all((day.t_px >= bid[rows] - half) & (day.t_px <= ask[rows] + half)))
    buys, sells = day.aggressor == 1, day.aggressor == -1
    touch = day.lit & (ask[rows] - bid[rows] < 1.5 * tick)
    assert bool(np.all(np.abs(day.t_px - ask[rows])[touch & buys] < half))
    assert bool(np.all(np.abs(day.t_px - bid[rows])[touch & sells] < half))
    assert not bool(day.regular[0])
    assert not bool(day.regular[-1])
    assert day.venue is not None
    assert set(day.venue[1:-1][~day.lit[1:-1]]) <= {"D"}


@pytest.mark.parametrize("spec", DEFAULT_INSTRUMENTS, ids=lambda spec: spec.symbol)
def test_default_instruments_have_only_possible_states(spec: InstrumentSpec) -> None:
    (day,) = MARKET.days(spec.symbol)
    check_possible(day, SESSION)
    assert len(day.q_ts) == spec.quotes
    assert len(day.t_ts) == spec.prints + 2


@settings(max_examples=25)
@given(
    seed=st.integers(min_value=0, max_value=2**64),
    price=st.floats(min_value=1, max_value=5_000),
    volume=st.integers(min_value=1, max_value=10**8),
    volatility=st.floats(min_value=0, max_value=0.2),
    spread=st.floats(min_value=1, max_value=50),
    lots=st.floats(min_value=0.01, max_value=1_000),
    quotes=st.integers(min_value=2, max_value=2_000),
    prints=st.integers(min_value=1, max_value=2_000),
    day=st.sampled_from(["2024-06-12", "2013-11-29", "2024-11-04"]),
)
def test_any_instrument_has_only_possible_states(
    seed: int,
    price: float,
    volume: int,
    volatility: float,
    spread: float,
    lots: float,
    quotes: int,
    prints: int,
    day: str,
) -> None:
    spec = InstrumentSpec("ANY", price, volume, volatility, spread, lots, quotes, prints)
    session = session_on(day)
    check_possible(generate_day(spec, session, seed), session)


def test_the_same_seed_gives_identical_days_and_another_seed_others() -> None:
    (day,) = MARKET.days("MSFT")
    assert GeneratedMarket(7).days("MSFT")[0].fingerprint == day.fingerprint
    assert GeneratedMarket(8).days("MSFT")[0].fingerprint != day.fingerprint


def test_a_symbol_does_not_depend_on_which_others_are_made() -> None:
    alone = GeneratedMarket(7, instruments=DEFAULT_INSTRUMENTS[3:4]).days("KO")
    assert alone[0].fingerprint == MARKET.days("KO")[0].fingerprint
    renamed = replace(DEFAULT_INSTRUMENTS[3], symbol="XX")
    other = GeneratedMarket(7, instruments=[renamed]).days("XX")
    assert not np.array_equal(other[0].bid_px, alone[0].bid_px)


def test_a_day_is_made_in_well_under_a_second() -> None:
    session_on("2024-06-13")
    started = time.perf_counter()
    generate_day(DEFAULT_INSTRUMENTS[2], SESSION, 99)
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize("spec", DEFAULT_INSTRUMENTS, ids=lambda spec: spec.symbol)
def test_the_statistics_are_those_of_the_instrument(spec: InstrumentSpec) -> None:
    days = [generate_day(spec, SESSION, seed) for seed in range(12)]
    volumes = [day.t_sz[day.regular].sum() for day in days]
    assert np.mean(volumes) == pytest.approx(spec.daily_volume * 0.93, rel=0.3)
    returns = np.concatenate([np.diff(np.log(mids_by_minute(day))) for day in days])
    assert returns.std() * 390**0.5 == pytest.approx(spec.daily_volatility, rel=0.35)
    spreads = []
    for day in days:
        held = np.diff(day.q_ts, append=SESSION.close)
        ticks = (day.ask_px[:, 0] - day.bid_px[:, 0]) / float(day.tick)
        spreads.append((ticks * held).sum() / held.sum())
    assert np.mean(spreads) == pytest.approx(spec.spread_ticks, rel=0.25)


def test_volume_is_u_shaped_over_the_day() -> None:
    spec = DEFAULT_INSTRUMENTS[0]
    buckets = np.zeros(13)
    for seed in range(10):
        day = generate_day(spec, SESSION, seed)
        minute = (day.t_ts - SESSION.open) // (30 * MINUTE_NS)
        buckets += np.bincount(minute[day.regular], weights=day.t_sz[day.regular], minlength=13)
    share = buckets / buckets.sum() * 13
    assert share[0] > 1.3
    assert share[-1] > 1.3
    assert 0.4 < share[5:8].mean() < 0.85


def test_spreads_are_widest_after_the_open_and_revert() -> None:
    (day,) = MARKET.days("MSFT")
    spread = day.ask_px[:, 0] - day.bid_px[:, 0]
    early = day.q_ts < SESSION.open + 5 * MINUTE_NS
    assert spread[early].mean() > 1.3 * spread[~early].mean()
    later = spread[~early]
    step = 2_000
    memory = np.corrcoef(later[:-step], later[step:])[0, 1]
    assert memory < 0.2, "an excursion is gone a few thousand quotes later"
    assert np.corrcoef(later[:-5], later[5:])[0, 1] > 0.3


def test_flow_and_book_lean_where_the_price_goes() -> None:
    (day,) = MARKET.days("KO")
    mids = (day.bid_px[:, 0] + day.ask_px[:, 0]) / 2
    later = np.minimum(day.q_ts.searchsorted(day.q_ts + 5 * NANOS, side="right") - 1, len(mids) - 1)
    lean = ((day.bid_sz - day.ask_sz) / (day.bid_sz + day.ask_sz))[:, 0]
    assert np.corrcoef(lean, mids[later] - mids)[0, 1] > 0.02
    assert 0.4 < np.mean(day.aggressor[day.aggressor != 0] == 1) < 0.6


def test_days_follow_each_other() -> None:
    market = GeneratedMarket(3, ["20240613", "20240612"], DEFAULT_INSTRUMENTS[:1])
    first, second = market.days("AAPL")
    assert (first.date, second.date) == ("20240612", "20240613")
    ends = (first.bid_px[-1, 0] + first.ask_px[-1, 0]) / 2
    starts = (second.bid_px[0, 0] + second.ask_px[0, 0]) / 2
    assert starts == pytest.approx(ends, rel=0.02)


def test_half_days_are_short_and_quieter() -> None:
    session = session_on("2024-11-29")
    day = generate_day(DEFAULT_INSTRUMENTS[0], session, 1)
    check_possible(day, session)
    assert len(day.q_ts) == round(50_000 * 210 / 390)


def test_the_market_port_serves_generated_days_with_history() -> None:
    data = MARKET.market_data()
    state = data.state("AAPL", SESSION.open + 60 * MINUTE_NS)
    assert (state.status, state.source) == (TradingStatus.OPEN, "generated")
    assert state.usable_quote is not None
    assert state.average_daily_volume is not None
    assert float(state.average_daily_volume) == pytest.approx(9_000_000, rel=0.35)
    assert data.feed_of("AAPL") == CONSOLIDATED
    assert [each.date for each in MARKET.earlier_sessions()] == [
        "2024-06-05",
        "2024-06-06",
        "2024-06-07",
        "2024-06-10",
        "2024-06-11",
    ]
    curve = data.volume_buckets("AAPL", "20240612")
    assert curve[0] > curve[6] < curve[-1]


def test_a_written_folder_reads_back_as_the_same_market(tmp_path: Path) -> None:
    market = GeneratedMarket(5, "20240612", DEFAULT_INSTRUMENTS[4:])
    folder = market.write_folder(tmp_path / "market")
    assert symbols_on(folder, "20240612") == ["NPK", "NVDA"]
    for day in market.days():
        assert load_symbol_day(folder, day.symbol, day.date).fingerprint == day.fingerprint
    read = RecordedMarketData.from_folder(folder, "20240612")
    now = SESSION.open + 100 * MINUTE_NS
    made = market.market_data().state("NPK", now)
    assert read.state("NPK", now) == made.model_copy(update={"source": "recorded"})
    assert read.feed_of("NPK") == CONSOLIDATED


def test_a_folder_is_written_the_same_each_time(tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        folder = GeneratedMarket(5, instruments=DEFAULT_INSTRUMENTS[5:]).write_folder(
            tmp_path / name
        )
        files = sorted(each for each in folder.rglob("*") if each.is_file())
        names = [each.relative_to(folder).as_posix() for each in files]
        assert names == [
            "bars_1m.parquet",
            "core/quotes_NPK_20240612.parquet",
            "core/trades_NPK_20240612.parquet",
            "instruments.json",
        ]
        digests.append([hashlib.sha256(each.read_bytes()).hexdigest() for each in files])
    assert digests[0] == digests[1]


def test_a_market_that_never_closes_can_be_generated() -> None:
    market = GeneratedMarket(1, "20240810", DEFAULT_INSTRUMENTS[5:], AlwaysOpenCalendar())
    (day,) = market.days()
    check_possible(day, market.sessions[0])


def test_wrong_requests_are_named() -> None:
    with pytest.raises(InvalidInput, match="20240615"):
        GeneratedMarket(1, "20240615")
    with pytest.raises(InvalidInput, match="dates: ''"):
        GeneratedMarket(1, [])
    with pytest.raises(InvalidInput, match="dates"):
        GeneratedMarket(1, ["20240612", "20240612"])
    with pytest.raises(InvalidInput, match=r"symbol: 'ZZZ' .* allowed: AAPL"):
        MARKET.days("ZZZ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", 0.99),
        ("daily_volume", 0),
        ("daily_volatility", 0.21),
        ("spread_ticks", 0.9),
        ("touch_lots", 0),
        ("quotes", 1),
        ("prints", 0),
    ],
)
def test_an_instrument_out_of_range_is_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=f"instrument AAPL {field}"):
        replace(DEFAULT_INSTRUMENTS[0], **{field: value})


def test_curves_and_day_estimates_are_served_with_the_market() -> None:
    data = MARKET.market_data()
    curve = data.volume_curve("KO", "2024-06-12")
    assert len(curve) == 390
    assert sum(curve) == pytest.approx(1)
    (day,) = MARKET.days("KO")
    printed = day.t_sz[day.regular].sum()
    late = data.day_volume_estimate("KO", SESSION.close - MINUTE_NS)
    assert float(late or 0) == pytest.approx(printed, rel=0.05)
    assert data.day_volume_estimate("KO", SESSION.close) is None
    assert data.day_volume_estimate("ZZZ", SESSION.open) is None
    with pytest.raises(InvalidInput, match="a day with a session"):
        data.volume_curve("KO", "2024-06-15")
