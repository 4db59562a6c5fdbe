"""The fill model rule by rule, and the look-ahead against an event-by-event reference."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.adapters.exchange.book import Fill, Rest, TakerSide
from fillwright.adapters.exchange.scaled import (
    NEVER,
    UNITS,
    ScaledDay,
    from_units,
    prepare,
    to_units,
)
from fillwright.adapters.exchange.tape import SymbolDay

S = 1_000_000_000
MakeDay = Callable[..., SymbolDay]

Shown = list[tuple[float, float]]
"""Price and shares of fills."""


def shown(fills: list[Fill]) -> Shown:
    return [(fill.price / UNITS, fill.size / UNITS) for fill in fills]


def take(
    day: SymbolDay, sign: int, shares: float, at: int, limit: float | None = None
) -> list[Fill]:
    signed = None if limit is None else sign * round(limit * UNITS)
    return TakerSide(ScaledDay(day), sign).take(round(shares * UNITS), signed, at)


def rest_fills(
    day: SymbolDay,
    price: float,
    shares: int,
    *,
    sign: int = 1,
    display: int | None = None,
    at: int = 0,
    end: int = NEVER,
) -> list[tuple[int, float]]:
    """When and how many shares a resting order fills, to the end of the day."""
    rest = Rest(
        ScaledDay(day),
        sign,
        price=sign * round(price * UNITS),
        size=shares * UNITS,
        display=None if display is None else display * UNITS,
        at=at,
        end=end,
    )
    while rest.looked_to < NEVER:
        rest.look()
    return [(fill.at, fill.size / UNITS) for fill in rest.found]


# M3: takers


def test_a_taker_takes_the_touch_first(make_day: MakeDay) -> None:
    day = make_day([(0, 9.99, 100, 10.01, 200)])
    assert shown(take(day, 1, 150, 0)) == [(10.01, 150)]
    assert shown(take(day, -1, 60, 0)) == [(9.99, 60)]


def test_beyond_the_book_levels_stand_a_fifth_of_the_spread_apart(make_day: MakeDay) -> None:
    narrow = make_day([(0, 9.99, 100, 10.01, 200)])
    assert shown(take(narrow, 1, 600, 0)) == [(10.01, 200), (10.02, 300), (10.03, 100)]
    five_ticks = make_day([(0, 9.96, 100, 10.01, 200)])
    assert shown(take(five_ticks, 1, 300, 0)) == [(10.01, 200), (10.02, 100)]
    six_ticks = make_day([(0, 9.95, 100, 10.01, 200)])
    assert shown(take(six_ticks, 1, 300, 0)) == [(10.01, 200), (10.03, 100)]
    assert shown(take(six_ticks, -1, 450, 0)) == [(9.95, 100), (9.93, 300), (9.91, 50)]


def test_a_crossed_book_extends_by_ticks(make_day: MakeDay) -> None:
    crossed = make_day([(0, 10.05, 100, 10.01, 200)])
    assert shown(take(crossed, 1, 250, 0)) == [(10.01, 200), (10.02, 50)]


def test_visible_levels_come_before_the_extension(make_day: MakeDay) -> None:
    one = make_day([(0, 9.99, 100, 10.01, 200)])
    day = SymbolDay(
        **{
            **{name: getattr(one, name) for name in one.__slots__},
            "levels": 3,
            "bid_px": np.array([[9.99, 9.97, np.nan]]),
            "bid_sz": np.array([[100.0, 50.0, np.nan]]),
            "ask_px": np.array([[10.01, 10.05, 10.06]]),
            "ask_sz": np.array([[200.0, 10.0, 20.0]]),
        }
    )
    walked = shown(take(day, 1, 300, 0))
    assert walked == [(10.01, 200), (10.05, 10), (10.06, 20), (10.07, 70)]
    assert shown(take(day, -1, 200, 0)) == [(9.99, 100), (9.97, 50), (9.96, 50)]


@pytest.mark.parametrize(
    ("later", "price"),
    [(0, 10.02), (5 * S, 10.02), (5 * S + 1, 10.01)],
)
def test_what_we_took_is_missing_for_five_seconds_inclusive(
    make_day: MakeDay, later: int, price: float
) -> None:
    taker = TakerSide(ScaledDay(make_day([(0, 9.99, 100, 10.01, 200)])), 1)
    taker.take(200 * UNITS, None, 0)
    assert taker.take(10 * UNITS, None, later)[0].price == round(price * UNITS)


def test_a_preview_is_not_remembered(make_day: MakeDay) -> None:
    taker = TakerSide(ScaledDay(make_day([(0, 9.99, 100, 10.01, 200)])), 1)
    assert taker.preview(150 * UNITS, None, 0) == taker.take(150 * UNITS, None, 0)
    assert shown(taker.take(100 * UNITS, None, 0)) == [(10.01, 50), (10.02, 50)]


def test_a_limit_stops_the_walk(make_day: MakeDay) -> None:
    day = make_day([(0, 9.99, 100, 10.01, 200)])
    assert shown(take(day, 1, 900, 0, limit=10.02)) == [(10.01, 200), (10.02, 300)]
    assert take(day, 1, 900, 0, limit=10.00) == []
    assert shown(take(day, -1, 900, 0, limit=9.98)) == [(9.99, 100), (9.98, 300)]


def test_a_huge_sell_never_trades_below_one_tick(make_day: MakeDay) -> None:
    day = make_day([(0, 0.03, 100, 0.04, 200)])
    assert shown(take(day, -1, 10_000, 0)) == [(0.03, 100), (0.02, 300), (0.01, 300), (0.01, 9300)]


def test_nothing_is_taken_from_a_missing_side(make_day: MakeDay) -> None:
    day = make_day([(0, 9.99, 100, np.nan, 0)])
    assert take(day, 1, 100, 0) == []
    assert take(day, 1, 100, -1) == []
    assert shown(take(day, -1, 150, 0)) == [(9.99, 100), (9.98, 50)]


# M4: resting orders

QUOTE = (0, 9.99, 100, 10.01, 200)


def test_a_print_through_our_price_fills_its_whole_size(make_day: MakeDay) -> None:
    day = make_day([QUOTE], [(1, 9.98, 40, 1), (2, 9.98, 500, -1)])
    assert rest_fills(day, 9.99, 300) == [(1, 40), (2, 260)]


def test_a_print_at_our_price_first_shortens_the_queue(make_day: MakeDay) -> None:
    day = make_day([QUOTE], [(1, 9.99, 120, -1), (2, 9.99, 100, 0), (3, 9.99, 50, -1)])
    # Queue 100, half of each print counts: 40 left, then 10 filled, then 25.
    assert rest_fills(day, 9.99, 300) == [(2, 10), (3, 25)]


def test_buyers_prints_at_our_price_do_not_fill_a_buy(make_day: MakeDay) -> None:
    day = make_day([QUOTE], [(1, 9.99, 5_000, 1)])
    assert rest_fills(day, 9.99, 300) == []
    assert rest_fills(day, 9.99, 300, sign=-1) == [(1, 300)]


def test_unlit_and_irregular_prints_never_fill(make_day: MakeDay) -> None:
    prints = [(1, 9.90, 500, -1), (2, 9.90, 500, -1)]
    day = make_day([QUOTE], prints, lit=[False, True], regular=[True, False])
    assert rest_fills(day, 9.99, 300) == []


def test_an_order_that_improves_the_touch_has_no_queue(make_day: MakeDay) -> None:
    day = make_day([QUOTE], [(1, 10.00, 100, -1)])
    assert rest_fills(day, 10.00, 300) == [(1, 50)]


def test_an_order_behind_the_book_waits_for_an_unseen_level(make_day: MakeDay) -> None:
    day = make_day([QUOTE], [(1, 9.97, 640, -1)])
    assert rest_fills(day, 9.97, 300) == [(1, 20)]


def test_a_quote_at_our_price_can_only_shorten_the_queue(make_day: MakeDay) -> None:
    quotes = [QUOTE, (1, 9.99, 30, 10.01, 200), (2, 9.99, 900, 10.01, 200)]
    day = make_day(quotes, [(3, 9.99, 100, -1)])
    assert rest_fills(day, 9.99, 300) == [(3, 20)]


def test_a_falling_touch_clears_the_queue_and_a_low_ask_fills(make_day: MakeDay) -> None:
    quotes = [QUOTE, (1, 9.98, 30, 9.99, 70), (2, 9.98, 30, 10.00, 70), (3, 9.97, 1, 9.98, 500)]
    day = make_day(quotes)
    assert rest_fills(day, 9.99, 300) == [(1, 70), (3, 230)]


def test_a_locked_touch_at_our_price_does_not_fill(make_day: MakeDay) -> None:
    day = make_day([QUOTE, (1, 9.99, 100, 9.99, 70)])
    assert rest_fills(day, 9.99, 300) == []


def test_at_equal_times_prints_come_before_quotes_before_arrivals(make_day: MakeDay) -> None:
    quotes = [QUOTE, (5, 9.98, 30, 10.01, 200)]
    day = make_day(quotes, [(5, 9.99, 300, -1), (6, 9.99, 300, -1)])
    assert rest_fills(day, 9.99, 100) == [(5, 50), (6, 50)]
    late = make_day(quotes, [(5, 9.98, 300, -1), (6, 9.98, 300, -1)])
    assert rest_fills(late, 9.99, 100, at=5) == [(6, 100)]


def test_passive_fills_are_whole_lots_and_the_queue_stays_exact(make_day: MakeDay) -> None:
    prints = [(1, 9.99, 203, -1), (2, 9.99, 3, -1), (3, 9.99, 3, -1)]
    # Half of 203 leaves 1.5 beyond the queue: 1 share; then 1.5 each: 1 share.
    assert rest_fills(make_day([QUOTE], prints), 9.99, 300) == [(1, 1), (2, 1), (3, 1)]


def test_the_next_tranche_joins_at_the_back_of_the_queue(make_day: MakeDay) -> None:
    prints = [(1, 9.99, 400, -1), (2, 9.99, 180, -1), (3, 9.99, 40, -1)]
    day = make_day([QUOTE], prints)
    assert rest_fills(day, 9.99, 120, display=50) == [(1, 50), (3, 10)]
    assert rest_fills(day, 9.99, 120) == [(1, 100), (2, 20)]


def test_nothing_fills_from_the_close_on(make_day: MakeDay) -> None:
    day = make_day([QUOTE], [(1, 9.90, 10, -1), (2, 9.90, 10, -1)])
    assert rest_fills(day, 9.99, 300, end=2) == [(1, 10)]


def test_a_halt_cuts_prints_and_delays_the_last_quote(make_day: MakeDay) -> None:
    quotes = [QUOTE, (10, 9.98, 30, 9.99, 70), (12, 9.97, 30, 9.99, 80)]
    day = make_day(quotes, [(11, 9.90, 1_000, -1)])
    scaled = ScaledDay(day, [(9, 20)])
    assert scaled.quote_row(19) == 0
    rest = Rest(scaled, 1, price=999_000_000, size=100 * UNITS, display=None, at=0, end=NEVER)
    while rest.looked_to < NEVER:
        rest.look()
    assert [(fill.at, fill.size / UNITS) for fill in rest.found] == [(20, 80)]


# Against an independent, event-by-event reading of the rules


def reference(
    day: SymbolDay, sign: int, price: Decimal, shares: int, display: int, at: int
) -> list[tuple[int, int]]:
    """M4 and M5 written out once more, one event at a time, in Decimals."""

    def number(value: float) -> Decimal:
        return Decimal(str(round(float(value), 8)))

    own_px, own_sz = (day.bid_px, day.bid_sz) if sign > 0 else (day.ask_px, day.ask_sz)
    far_px, far_sz = (day.ask_px, day.ask_sz) if sign > 0 else (day.bid_px, day.bid_sz)

    def ahead(row: int) -> Decimal:
        own = number(own_px[row, 0])
        if sign * (price - own) > 0:
            return Decimal(0)
        return number(own_sz[row, 0]) if own == price else day.ext_level_size

    events = [(int(ts), 0, i) for i, ts in enumerate(day.t_ts) if day.lit[i] and day.regular[i]]
    events += [(int(ts), 1, i) for i, ts in enumerate(day.q_ts)]
    row = day.quote_index(at)
    queue, left, tranche = ahead(row), shares, min(display, shares)
    fills = []
    for ts, kind, i in sorted(events):
        if ts <= at or not left:
            continue
        available = Decimal(0)
        if kind == 0:
            px, size = number(day.t_px[i]), number(day.t_sz[i])
            if sign * (px - price) < 0:
                available = size
            elif px == price and day.aggressor[i] != sign:
                share = day.queue_share * size
                available = max(Decimal(0), share - queue)
                queue = max(Decimal(0), queue - share)
        else:
            row = i
            own, far = number(own_px[i, 0]), number(far_px[i, 0])
            if own == price:
                queue = min(queue, number(own_sz[i, 0]))
            elif sign * (own - price) < 0:
                queue = Decimal(0)
                if sign * (far - price) <= 0:
                    available = number(far_sz[i, 0])
        filled = min(tranche, int(available))
        if filled:
            fills.append((ts, filled))
            tranche -= filled
            left -= filled
            if not tranche:
                tranche, queue = min(display, left), ahead(row)
    return fills


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    sign=st.sampled_from([1, -1]),
    offset=st.integers(-4, 4),
    shares=st.integers(1, 9_000),
    tenths=st.integers(1, 10),
    second=st.integers(1, 500),
)
def test_looking_ahead_gives_what_single_events_give(
    random_day: Any, seed: int, sign: int, offset: int, shares: int, tenths: int, second: int
) -> None:
    day = random_day(seed)
    at = second * S + 50_000_000
    row = day.quote_index(at)
    own = day.bid_px[row, 0] if sign > 0 else day.ask_px[row, 0]
    price = Decimal(str(round(float(own), 2))) + offset * Decimal("0.01")
    display = max(1, shares * tenths // 10)
    expected = reference(day, sign, price, shares, display, at)
    found = rest_fills(day, float(price), shares, sign=sign, display=display, at=at)
    assert found == expected
    assert sum(size for _, size in found) <= shares


@given(st.decimals(min_value="0.00000001", max_value="99999999", places=8))
def test_units_are_exact_both_ways(value: Decimal) -> None:
    assert from_units(to_units(value)) == value
    assert from_units(-to_units(value)) == -value


def test_more_than_eight_decimals_are_refused() -> None:
    with pytest.raises(ValueError, match="eight decimals"):
        to_units(Decimal("0.000000001"))


def test_a_market_is_given_once_and_with_the_same_halts(make_day: MakeDay) -> None:
    day = make_day([QUOTE])
    with pytest.raises(ValueError, match="given twice"):
        prepare([day, day], lambda _: [])
    with pytest.raises(ValueError, match="other halts"):
        prepare([ScaledDay(day)], lambda _: [(1, 2)])


def test_large_sizes_keep_an_exact_queue_share(make_day: MakeDay) -> None:
    day = make_day([QUOTE], [(1, 9.99, 40_000_000_000, -1)], phi="0.333333333333")
    assert ScaledDay(day).buy.prints.share.tolist() == [1_333_333_333_332_000_000]
