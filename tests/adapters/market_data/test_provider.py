"""Market data of a provider: what is read, what is assumed, and that nothing raises."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

from fillwright.adapters.market_data.provider import ProviderMarketData
from fillwright.adapters.timekeeping.calendar import AlwaysOpenCalendar, ExchangeCalendar
from fillwright.adapters.timekeeping.clocks import VirtualClock
from fillwright.domain import instruments
from fillwright.domain.instruments import DatedTiers, Tier
from fillwright.domain.market import MarketState, TradingStatus
from fillwright.domain.ports import NANOS

NOW = 1_381_240_800 * NANOS  # Tuesday 2013-10-08 10:00 in New York
SATURDAY = NOW + 4 * 86_400 * NANOS
QUOTE = {"bid": 149.99, "ask": 150.01, "bid_size": 300, "ask_size": 200}
FIGURES = {
    "AAPL": {
        "current_price": 150.0,
        "volatility": 0.02,
        "trend_strength": 0.5,
        "volume_profile": [3, 1, 2],
        "average_daily_volume": 1_000_000,
    }
}


def state_of(
    provider: object,
    symbol: str = "AAPL",
    *,
    now: int = NOW,
    neutral_price: Decimal | None = Decimal(100),
    refreshes: int = 1,
) -> MarketState:
    return market_of(provider, symbol, now, neutral_price, refreshes).state(symbol, now)


def market_of(
    provider: object,
    symbol: str = "AAPL",
    now: int = NOW,
    neutral_price: Decimal | None = Decimal(100),
    refreshes: int = 1,
) -> ProviderMarketData:
    market = ProviderMarketData(
        provider,
        VirtualClock(now),
        ExchangeCalendar(),
        neutral_price=neutral_price,
        timeout_seconds=0.05,
    )
    for _ in range(refreshes):
        asyncio.run(market.refresh([symbol, symbol]))
    return market


def seed_provider(quote: Any = None, figures: Any = None) -> Mock:
    provider = Mock()
    provider.get_latest_quote = quote if callable(quote) else AsyncMock(return_value=quote)
    provider.get_market_data = figures if callable(figures) else AsyncMock(return_value=figures)
    return provider


def test_a_quote_and_figures_are_read_in_our_units() -> None:
    provider = seed_provider(QUOTE, FIGURES)
    state = state_of(provider)
    assert state.status is TradingStatus.OPEN
    assert state.quote is not None
    assert (state.quote.bid, state.quote.ask) == (Decimal("149.99"), Decimal("150.01"))
    assert (state.quote.bid_size, state.quote.ask_size) == (300, 200)
    assert state.quote_age_ns == 0
    assert state.last_price == 150
    assert state.volatility_bps is not None
    assert round(state.volatility_bps, 2) == Decimal("10.13")  # 2 % a day over 390 minutes
    assert state.trend_bps == 20
    assert state.average_daily_volume == 1_000_000
    assert state.source == "provider: quote from get_latest_quote"
    provider.get_latest_quote.assert_awaited_once_with("AAPL")


def test_a_yearly_volatility_is_recognised() -> None:
    daily = state_of(seed_provider(QUOTE, {"AAPL": {"volatility": 0.02}})).volatility_bps
    yearly = state_of(seed_provider(QUOTE, {"AAPL": {"volatility": 0.3175}})).volatility_bps
    assert daily is not None
    assert yearly is not None
    assert abs(daily - yearly) < Decimal("0.01")


def test_a_price_without_a_quote_is_taken_as_its_middle_and_labelled() -> None:
    state = state_of(seed_provider(Mock(), FIGURES))
    assert state.quote is not None
    assert state.quote.mid == 150
    assert state.quote.spread == Decimal("0.02")
    assert "assumed around current_price" in state.source
    assert "get_latest_quote unreadable" in state.source


@pytest.mark.parametrize("provider", [Mock(), MagicMock(), AsyncMock(), object(), seed_provider()])
def test_a_provider_that_knows_nothing_is_neutral(provider: object) -> None:
    state = state_of(provider)
    assert state.quote is not None
    assert state.quote.mid == 100
    assert "neutral quote" in state.source


@pytest.mark.parametrize("provider", [Mock(), object(), seed_provider(Mock(), FIGURES)])
def test_nothing_is_assumed_without_a_neutral_price(provider: object) -> None:
    state = state_of(provider, neutral_price=None)
    assert state.quote is None
    assert state.quote_age_ns is None


def test_failing_and_slow_sources_are_named_and_never_raise() -> None:
    async def hang(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    provider = seed_provider(AsyncMock(side_effect=ConnectionError("down")), hang)
    state = state_of(provider, neutral_price=None)
    assert "get_latest_quote failed (ConnectionError: down)" in state.source
    assert "get_market_data failed (no answer within 0.05 s" in state.source


def test_a_source_that_fails_is_real_and_gets_no_made_up_price() -> None:
    provider = seed_provider(AsyncMock(side_effect=ConnectionError("down")))
    assert state_of(provider).quote is None


def test_the_last_quote_stays_and_shows_its_age() -> None:
    provider = seed_provider(AsyncMock(side_effect=[QUOTE, RuntimeError("down")]), FIGURES)
    market = market_of(provider, refreshes=2)
    state = market.state("AAPL", NOW + 90 * NANOS)
    assert state.quote_age_ns == 90 * NANOS
    assert "get_latest_quote failed" in state.source


def test_a_quotes_own_time_counts() -> None:
    quote = {**QUOTE, "timestamp": "2013-10-08T13:59:30Z"}
    assert state_of(seed_provider(quote)).quote_age_ns == 30 * NANOS


@pytest.mark.parametrize(
    "quote",
    [
        {"bid": 0, "ask": 150.01},
        {"bid": None, "ask": 150.01},
        {"bid": float("nan"), "ask": 150.01},
        {"bid": "n/a", "ask": 150},
        [],
        "quote",
    ],
)
def test_a_quote_that_is_none_is_no_quote(quote: object) -> None:
    assert state_of(seed_provider(quote), neutral_price=None).quote is None


def test_a_size_that_is_not_given_does_not_count_as_thin() -> None:
    quote = state_of(seed_provider({"bid": 10, "ask": 10.01})).quote
    assert quote is not None
    assert quote.ask_size == 1_000_000


def test_a_closed_market_is_closed_and_a_halt_a_halt() -> None:
    closed = state_of(seed_provider(QUOTE, FIGURES), now=SATURDAY)
    assert closed.status is TradingStatus.CLOSED
    assert closed.session_open > SATURDAY
    halted = {"AAPL": {**FIGURES["AAPL"], "halted": True}}
    assert state_of(seed_provider(QUOTE, halted)).status is TradingStatus.HALTED


def test_a_symbol_is_unknown_only_when_both_sources_say_so() -> None:
    assert not market_of(seed_provider({}, {})).knows("AAPL")
    assert market_of(seed_provider(QUOTE, {})).knows("AAPL")
    assert market_of(seed_provider({}, FIGURES)).knows("AAPL")
    assert market_of(seed_provider({}, AsyncMock(side_effect=OSError))).knows("AAPL")
    assert market_of(Mock()).knows("AAPL")
    assert market_of(seed_provider({}, {})).knows("IBM")  # not asked about yet


def test_figures_are_asked_once_a_minute_and_quotes_each_time() -> None:
    provider = seed_provider(QUOTE, FIGURES)
    clock = VirtualClock(NOW)
    market = ProviderMarketData(provider, clock, AlwaysOpenCalendar())

    async def three_times() -> None:
        await market.refresh(["AAPL"])
        await market.refresh(["AAPL"])
        clock.set(NOW + 60 * NANOS)
        await market.refresh(["AAPL"])

    asyncio.run(three_times())
    assert provider.get_market_data.await_count == 2
    assert provider.get_latest_quote.await_count == 3
    provider.get_market_data.assert_awaited_with(["AAPL"], 5)


def test_a_volume_profile_gives_the_curve() -> None:
    assert market_of(seed_provider(QUOTE, FIGURES)).volume_buckets("AAPL", "") == (5000, 1666, 3333)
    words = {"AAPL": {"volume_profile": "normal"}}
    assert market_of(seed_provider(QUOTE, words)).volume_buckets("AAPL", "") == ()


@pytest.mark.parametrize(
    ("price", "tick"), [(0.85, "0.0001"), (1.0, "0.01"), (150.0, "0.01")], ids=str
)
def test_a_tick_follows_the_dated_rule(price: float, tick: str, monkeypatch: Any) -> None:
    provider = Mock(spec=["get_latest_quote"])
    half = 0.00005
    quote = {"bid": price - half, "ask": price + half, "bid_size": 300, "ask_size": 200}
    provider.get_latest_quote = AsyncMock(return_value=quote)
    assert state_of(provider).tick == Decimal(tick)
    halves = DatedTiers("2013-10-08", (Tier(None, Decimal("0.005")),))
    monkeypatch.setattr(instruments, "TICKS", (*instruments.TICKS, halves))
    assert state_of(provider).tick == Decimal("0.005"), "another rule from the session's date on"
    assert state_of(provider, now=NOW - 86_400 * NANOS).tick == Decimal(tick)
