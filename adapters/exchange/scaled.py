"""A symbol-day in exact integers, seen from each side of the market.

Prices and sizes are integers in units of 1e-8 (:data:`UNITS`), so that comparing a print with our
price, or adding up sizes, is exact. A :class:`SideView` turns the book so that every rule can be
written for a buy: prices are multiplied by the side's sign, *own* is the side we rest on and *far*
the side we take from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Final

import numpy as np

from .tape import BoolArray, Float64Array, Int64Array, SymbolDay

UNITS: Final = 100_000_000
NEVER: Final = 1 << 62
"""Stands for a price no order reaches (no quote on that side) and a time that does not come."""

Span = tuple[int, int]
"""A half-open stretch of time in ns UTC."""


def to_units(value: Decimal) -> int:
    """A price or size in units of 1e-8.

    Raises:
        ValueError: the value has more than eight decimals.
    """
    scaled = value * UNITS
    number = int(scaled)
    if number != scaled:
        raise ValueError(f"{value} has more than eight decimals")
    return number


def from_units(number: int) -> Decimal:
    """The Decimal a number of 1e-8 units stands for, in its shortest form (``13.89``, ``300``)."""
    whole, rest = divmod(number, UNITS)
    if not rest:
        return Decimal(whole)
    digits = f"{rest:08d}".rstrip("0")
    return Decimal(f"{whole}.{digits}") if number > 0 else Decimal(number) / UNITS


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """The prints that can fill a resting order: lit and regular, in time order.

    ``share`` is phi × size, the part of the print our queue sees. ``quote_row`` is the first quote
    that comes after the print (prints come first at equal times).
    """

    ts: Int64Array
    px: Int64Array
    sz: Int64Array
    share: Int64Array
    at_price: BoolArray
    quote_row: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class SideView:
    """The market as an order of one side sees it; all prices times ``sign``.

    ``own_px`` and ``far_px`` are ``(rows, levels)``; ``own`` and ``far`` with ``_size`` are the
    touch, where a missing side has a price that no order reaches and size 0.
    """

    sign: int
    q_ts: Int64Array
    print_row: Int64Array
    own_px: Int64Array
    own_sz: Int64Array
    far_px: Int64Array
    far_sz: Int64Array
    own: Int64Array
    own_size: Int64Array
    far: Int64Array
    far_size: Int64Array
    prints: Prints


class ScaledDay:
    """One symbol-day ready for matching, with trading halts cut out.

    In a halt nothing prints and no quote is made: its prints are dropped and its quotes collapse
    into the last one, which becomes valid when trading resumes.
    """

    def __init__(self, day: SymbolDay, halts: Sequence[Span] = ()) -> None:
        self.day = day
        self.halts = tuple(sorted(halts))
        self.tick = to_units(day.tick)
        self.lot = to_units(day.lot)
        self.ext_level_size = to_units(day.ext_level_size)
        self.q_ts, self._rows = _without_halts(day.q_ts, self.halts)

    @cached_property
    def buy(self) -> SideView:
        """The market as a buyer sees it."""
        return self._view(+1)

    @cached_property
    def sell(self) -> SideView:
        """The market as a seller sees it."""
        return self._view(-1)

    @property
    def fingerprint(self) -> str:
        """The day and a hash over all of its data, to tell it from any other."""
        return f"{self.day.date} {self.day.fingerprint}"

    def view(self, sign: int) -> SideView:
        """The market as an order of side ``sign`` (+1 buy, -1 sell) sees it."""
        return self.buy if sign > 0 else self.sell

    def quote_row(self, at: int) -> int:
        """Row of the book state valid at ``at``, -1 before the first."""
        return int(self.q_ts.searchsorted(at, side="right")) - 1

    def is_halted(self, at: int) -> bool:
        """Whether trading is halted at ``at``."""
        return any(start <= at < end for start, end in self.halts)

    @cached_property
    def _filling(self) -> tuple[Int64Array, Int64Array]:
        day = self.day
        keep = day.lit & day.regular
        for start, end in self.halts:
            keep &= (day.t_ts < start) | (day.t_ts >= end)
        rows = np.flatnonzero(keep)
        return rows, day.t_ts[rows]

    @cached_property
    def _shares(self) -> Int64Array:
        sizes = _scale(self.day.t_sz[self._filling[0]])
        phi = Fraction(self.day.queue_share)
        top = int(sizes.max(initial=0))
        if top * phi.numerator < NEVER:
            return sizes * phi.numerator // phi.denominator
        # Too many digits for 64 bits: exact in Python integers.
        exact = [int(size) * phi.numerator // phi.denominator for size in sizes]
        return np.array(exact, dtype=np.int64)

    def _view(self, sign: int) -> SideView:
        day, rows = self.day, self._rows
        bids = _levels(day.bid_px[rows], day.bid_sz[rows], missing=-NEVER)
        asks = _levels(day.ask_px[rows], day.ask_sz[rows], missing=NEVER)
        own, far = (bids, asks) if sign > 0 else (asks, bids)
        kept, times = self._filling
        prints = Prints(
            ts=times,
            px=sign * _scale(day.t_px[kept]),
            sz=_scale(day.t_sz[kept]),
            share=self._shares,
            at_price=day.aggressor[kept] != sign,
            quote_row=self.q_ts.searchsorted(times, side="left"),
        )
        return SideView(
            sign=sign,
            q_ts=self.q_ts,
            print_row=times.searchsorted(self.q_ts, side="right"),
            own_px=sign * own[0],
            own_sz=own[1],
            far_px=sign * far[0],
            far_sz=far[1],
            own=np.ascontiguousarray(sign * own[0][:, 0]),
            own_size=np.ascontiguousarray(own[1][:, 0]),
            far=np.ascontiguousarray(sign * far[0][:, 0]),
            far_size=np.ascontiguousarray(far[1][:, 0]),
            prints=prints,
        )


def prepare(
    markets: Iterable[SymbolDay | ScaledDay], halted: Callable[[str], Sequence[Span]]
) -> dict[str, ScaledDay]:
    """Markets by symbol, ready for matching; ``halted`` gives a symbol's halts.

    Raises:
        ValueError: a symbol is given twice, or was prepared with other halts.
    """
    found: dict[str, ScaledDay] = {}
    for market in markets:
        symbol = (market if isinstance(market, SymbolDay) else market.day).symbol
        halts = halted(symbol)
        scaled = ScaledDay(market, halts) if isinstance(market, SymbolDay) else market
        if symbol in found:
            raise ValueError(f"{symbol} is given twice")
        if list(scaled.halts) != list(halts):
            raise ValueError(f"{symbol} was prepared with other halts than the terms say")
        found[symbol] = scaled
    return found


def _scale(values: Float64Array) -> Int64Array:
    return np.rint(values * UNITS).astype(np.int64)


def _levels(px: Float64Array, sz: Float64Array, *, missing: int) -> tuple[Int64Array, Int64Array]:
    there = np.isfinite(px) & np.isfinite(sz) & (px > 0) & (sz > 0)
    prices = np.where(there, _scale(np.where(there, px, 0.0)), missing)
    sizes = np.where(there, _scale(np.where(there, sz, 0.0)), 0)
    return prices, sizes


def _without_halts(times: Int64Array, halts: Sequence[Span]) -> tuple[Int64Array, Int64Array]:
    rows = np.arange(len(times))
    if not halts:
        return times, rows
    stamps = times.copy()
    keep = np.ones(len(times), dtype=np.bool_)
    for start, end in halts:
        first, last = stamps.searchsorted((start, end), side="left")
        if last > first:
            keep[first : last - 1] = False
            stamps[last - 1] = end
    return stamps[keep], rows[keep]
