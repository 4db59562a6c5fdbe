"""The formulas, one by one, over plain numbers or whole columns.

Each works alike on floats, Decimals, numpy arrays and polars expressions. ``side`` is +1 for a buy
and -1 for a sell; a positive cost hurts the client. Sources are named where a formula has one; the
full references are in docs/cost-analysis.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

BPS: Final = 10_000

# Any number, or column of numbers, that knows + - * /.
Number = Any


def slippage_bps(side: Number, price: Number, benchmark: Number) -> Number:
    """Cost against a benchmark in bps of it: ``side (price - benchmark) / benchmark`` (CFA)."""
    return side * (price - benchmark) / benchmark * BPS


def benchmark_performance_bps(
    side: Number, price: Number, benchmark: Number, executed: Number, order_value: Number
) -> Number:
    """Johnson's (2010, table 6-2) form: positive is *good*, and bps are of the order's value.

    ``side (benchmark - price) · executed / order_value``, where the order's value is ordered
    quantity times decision price.
    """
    return side * (benchmark - price) * executed / order_value * BPS


def mid_of(bid: Number, ask: Number) -> Number:
    """Half way between bid and ask, price."""
    return (bid + ask) / 2


def effective_spread(side: Number, price: Number, mid: Number) -> Number:
    """``2 side (price - mid)``, price; the mid of the order's receipt (17 CFR 242.600, Rule 605).

    Academic work takes the mid at the trade. Twice what one trade costs against the mid.
    """
    return 2 * side * (price - mid)


def realised_spread(side: Number, price: Number, mid_later: Number) -> Number:
    """``2 side (price - mid_later)``, price: what the other side keeps (Rule 605)."""
    return 2 * side * (price - mid_later)


def price_impact(side: Number, mid: Number, mid_later: Number) -> Number:
    """``2 side (mid_later - mid)`` = effective - realised, price; the one-way form is half."""
    return 2 * side * (mid_later - mid)


def quoted_spread(bid: Number, ask: Number) -> Number:
    """``ask - bid``, price."""
    return ask - bid


def spread_bps(spread: Number, mid: Number) -> Number:
    """A spread over the mid, bps."""
    return spread / mid * BPS


def markout_bps(side: Number, price: Number, mid_later: Number) -> Number:
    """``side (mid_later - price) / price`` in bps: minus half the realised spread.

    Negative after a buy when the price came back, positive when it ran on.
    """
    return side * (mid_later - price) / price * BPS


def spread_capture(side: Number, price: Number, bid: Number, ask: Number) -> Number:
    """``side (mid - price) / half spread`` by the quote at the fill, a ratio.

    +1 at the near touch, 0 at the mid, -1 at the far touch; equal to minus E/Q.
    """
    return side * (bid + ask - 2 * price) / (ask - bid)


def price_improvement(side: Number, price: Number, bid: Number, ask: Number) -> Number:
    """Better than the far touch by, price; negative outside the quote (Rule 605).

    A buy's is ``ask - price``, a sell's ``price - bid``.
    """
    far = mid_of(bid, ask) + side * (ask - bid) / 2
    return side * (far - price)


def market_adjusted_bps(arrival_cost_bps: Number, beta: Number, index_cost_bps: Number) -> Number:
    """Arrival cost less what the market's own move explains, ``beta · index cost``, bps (CFA)."""
    return arrival_cost_bps - beta * index_cost_bps


def added_value_bps(expected_cost_bps: Number, arrival_cost_bps: Number) -> Number:
    """Pre-trade estimate less arrival cost, bps: positive is *good* (CFA)."""
    return expected_cost_bps - arrival_cost_bps


def vwap(prices: Sequence[Number], sizes: Sequence[Number]) -> Number:
    """Σ p v / Σ v, price; None when nothing traded."""
    volume = sum(sizes)
    return sum(p * v for p, v in zip(prices, sizes, strict=True)) / volume if volume else None


def twap_of_trades(prices: Sequence[Number], trades: Sequence[Number] | None = None) -> Number:
    """Mean of trade prices (Johnson 2010), ``trades`` many at each; None without any."""
    return vwap(prices, trades if trades is not None else [1] * len(prices))


def ohlc(open: Number, high: Number, low: Number, close: Number) -> Number:
    """Mean of open, high, low and close, price."""
    return (open + high + low + close) / 4


def pwp(prices: Iterable[Number], sizes: Iterable[Number], shares: Number) -> Number:
    """Participation-weighted price: VWAP of prints in order until ``shares`` have traded.

    ``shares`` is the order over the rate (X / r), ``prices`` begin at arrival. The print that
    completes it counts for the part that is needed. None when not so much traded.
    """
    left, paid = shares, 0 * shares
    for price, size in zip(prices, sizes, strict=True):
        taken = min(size, left)
        paid, left = paid + taken * price, left - taken
        if left <= 0:
            return paid / shares
    return None


def relative_performance(
    side: Number, average: Number, prices: Sequence[Number], weights: Sequence[Number]
) -> Number:
    """RPM (Kissell): the share of the market's volume, or trades, at a worse price; a ratio."""
    worse = [w for p, w in zip(prices, weights, strict=True) if side * (p - average) > 0]
    return sum(worse) / sum(weights)
