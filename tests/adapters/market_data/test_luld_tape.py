"""LULD bands and pauses from a tape: reference price, tiers, limit states."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.market_data.luld_tape import bands_of
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain.luld import band_around, next_reference
from fillwright.domain.market import HaltCause
from fillwright.domain.ports import NANOS, Session

D = Decimal
MakeDay = Callable[..., SymbolDay]
NOON_S = 9_000


def session(date: str = "2024-06-12") -> Session:
    found = ExchangeCalendar().session_on(date)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("date", "second", "close", "tier", "lower", "upper"),
    [
        ("2024-06-12", NOON_S, "50", 1, "47.50", "52.50"),
        ("2024-06-12", NOON_S, "50", 2, "45.00", "55.00"),
        ("2024-06-12", 60, "50", 1, "47.50", "52.50"),
        ("2018-06-12", 60, "50", 1, "45.00", "55.00"),
        ("2024-06-12", 22_500, "50", 1, "45.00", "55.00"),
        ("2024-06-12", 22_500, "50", 2, "45.00", "55.00"),
        ("2018-06-12", 22_500, "50", 2, "40.00", "60.00"),
        ("2024-06-12", NOON_S, "3.00", 1, "40.00", "60.00"),
        ("2024-06-12", NOON_S, "0.74", 2, "49.85", "50.15"),
    ],
)
def test_the_width_follows_tier_close_time_and_date(
    date: str, second: int, close: str, tier: int, lower: str, upper: str
) -> None:
    day = session(date)
    band = band_around(D(50), D(close), tier, day, day.open + second * NANOS)
    assert (band.lower, band.upper) == (D(lower), D(upper))


def test_a_low_price_has_the_lesser_of_fifteen_cents_and_three_quarters() -> None:
    day = session()
    band = band_around(D("0.10"), D("0.10"), 2, day, day.open + NOON_S * NANOS)
    assert (band.lower, band.upper) == (D("0.02"), D("0.18"))


def test_the_reference_moves_only_with_a_mean_one_percent_away() -> None:
    assert next_reference(D(100), D("100.99")) == 100
    assert next_reference(D(100), D(101)) == 101
    assert next_reference(D(100), None) == 100


def made(
    make_day: MakeDay, quotes: list[tuple[float, ...]], prints: list[tuple[float, ...]]
) -> SymbolDay:
    return make_day(quotes, prints, date="20240612", start=session().open)


def test_bands_follow_the_mean_of_five_minutes(make_day: MakeDay) -> None:
    quotes = [(0, 49.99, 50.01, 100, 100)]
    prints = [(1.0, 50.0, 10, True), *((10.0 + i, 51.2, 10, True) for i in range(5))]
    found = bands_of(made(make_day, quotes, prints), session(), D(50), 1)
    first, second = found.bands[:2]
    start = session().open + NANOS
    assert (first.start, first.end) == (start, start + 30 * NANOS)
    assert (first.lower, first.upper) == (D("47.50"), D("52.50"))
    assert second.upper == D("53.55"), "the mean of one print at 50 and five at 51.20 is 51"
    assert found.pauses == ()


@pytest.mark.parametrize(("stays", "pauses"), [(14.9, 0), (15.0, 1)])
def test_a_bid_at_the_upper_band_for_fifteen_seconds_pauses_trading(
    stays: float, pauses: int, make_day: MakeDay
) -> None:
    quotes = [(0, 49.99, 50.01, 100, 100), (5, 52.50, 52.52, 100, 100)]
    quotes += [(5 + stays, 49.99, 50.01, 100, 100)]
    prints = [(1.0, 50.0, 10, True), (400.0, 52.0, 10, True)]
    found = bands_of(made(make_day, quotes, prints), session(), D(50), 1)
    assert len(found.pauses) == pauses
    if pauses:
        (pause,) = found.pauses
        assert pause.start == session().open + 20 * NANOS
        assert pause.end - pause.start == 300 * NANOS
        assert pause.cause is HaltCause.LULD_PAUSE
        after = next(band for band in found.bands if band.start >= pause.end)
        assert after.start == session().open + 400 * NANOS, "the reopening print is the reference"
        assert after.upper == D("54.60")


def test_without_prints_there_are_no_bands(make_day: MakeDay) -> None:
    found = bands_of(made(make_day, [(0, 49.99, 50.01, 100, 100)], []), session(), None, 2)
    assert found == ((), ())
