"""Where a time falls among quotes and prints: the quote that was valid, the volume since.

Both books keep their rows by symbol and time, and answer for many (symbol, time) pairs at once.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from .formulas import mid_of
from .schema import PLACES
from .tables import MONEY, reals

Int64s = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

UNKNOWN_AT: Final = -(1 << 62)
"""Stands for an unknown time in arrays; no row is at or before it."""
DAY_NS: Final = 86_400_000_000_000
SILENCE_NS_MAX: Final = 300_000_000_000
"""Data whose last row is longer than this before the end of a window does not cover the window."""
QUOTE_AGE_NS_MAX: Final = 3_600_000_000_000
"""An older quote is not taken for the market: the one before it was of another session."""


def times_of(frame: pl.DataFrame, name: str) -> Int64s:
    """A column of times as an array, unknown ones as ``UNKNOWN_AT``."""
    return frame[name].fill_null(UNKNOWN_AT).to_numpy()


class Needles:
    """Rows that ask about a symbol, put in an order in which looking up is cheap."""

    def __init__(self, symbols: pl.Series, at: Int64s) -> None:
        codes = symbols.cast(pl.String).rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
        order = np.lexsort((at, codes))
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        ends = np.append(starts[1:], len(order)) if len(order) else starts
        self.size = len(order)
        self.groups = [
            (symbols[int(order[start])], order[start:end])
            for start, end in zip(starts, ends, strict=True)
        ]


class Book:
    """Rows of many symbols in order of time; of equal times the later row is the later one."""

    def __init__(self, frame: pl.DataFrame) -> None:
        counts = frame.group_by("symbol").len().sort("symbol")
        self.frame = frame.sort("symbol", "at", maintain_order=True).drop("symbol")
        self.at: Int64s = self.frame["at"].to_numpy()
        ends = np.cumsum(counts["len"].to_numpy()).astype(np.int64)
        starts = ends - counts["len"].to_numpy()
        self.slices = {
            symbol: (int(start), int(end))
            for symbol, start, end in zip(counts["symbol"], starts, ends, strict=True)
        }

    def rows_until(self, needles: Needles, at: Int64s) -> Int64s:
        """How many rows of the book lie before each needle's time, its own included.

        The row at or before it is the one before that number; -1 where the symbol is unknown. The
        rows of other symbols that come first count, so that differences are what is asked for.
        """
        found = np.full(needles.size, -1, dtype=np.int64)
        for symbol, rows in needles.groups:
            span = self.slices.get(symbol)
            if span is not None:
                inside = self.at[span[0] : span[1]]
                found[rows] = span[0] + inside.searchsorted(at[rows], side="right")
        return found

    def starts_of(self, needles: Needles) -> Int64s:
        """The first row of each needle's symbol, -1 where it is unknown."""
        found = np.full(needles.size, -1, dtype=np.int64)
        for symbol, rows in needles.groups:
            found[rows] = self.slices.get(symbol, (-1, -1))[0]
        return found

    def last_until(self, needles: Needles, at: Int64s) -> Int64s:
        """The time of the last row at or before each time, ``UNKNOWN_AT`` where there is none."""
        if not len(self.at):
            return np.full(needles.size, UNKNOWN_AT)
        rows = self.rows_until(needles, at)
        known = rows > self.starts_of(needles)
        return np.where(known, self.at[np.where(known, rows - 1, 0)], UNKNOWN_AT)


class QuoteBook(Book):
    """Quotes. One that is crossed, or has no price, is valid as any other but has no mid."""

    def __init__(self, frame: pl.DataFrame, age_ns_max: int = QUOTE_AGE_NS_MAX) -> None:
        super().__init__(frame.select("symbol", "at", "bid", "ask"))
        good = (pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid"))
        # As whole units of the last decimal place they take half the memory.
        units = self.frame.select(
            (pl.when(good).then(n).otherwise(0)).to_physical().cast(pl.Int64).alias(n)
            for n in ("bid", "ask")
        )
        self.frame = self.frame.select("at")
        self._bids: Int64s = units["bid"].to_numpy()
        self._asks: Int64s = units["ask"].to_numpy()
        self.mids: Floats = np.where(
            self._asks > 0, (self._bids + self._asks) / (2 * 10**PLACES), np.nan
        )
        self.age_ns_max = age_ns_max
        self.crossed = int((self._asks == 0).sum())
        self._integral: tuple[pl.Series, Int64s] | None = None

    def rows_at(
        self, needles: Needles, at: Int64s, *, no_later_than: Int64s | None = None
    ) -> Int64s:
        """The row valid at each time; -1 where there is none, or it is too old.

        Args:
            no_later_than: the time up to which the book is known at each needle; later times have
                no row, since whatever came then is not there.
        """
        if not len(self.at):
            return np.full(needles.size, -1)
        rows = self.rows_until(needles, at) - 1
        rows[rows < self.starts_of(needles)] = -1
        rows[at - self.at[np.maximum(rows, 0)] > self.age_ns_max] = -1
        if no_later_than is not None:
            rows[at > no_later_than] = -1
        return rows

    def mids_at(self, rows: Int64s) -> Floats:
        """Mids of rows as floats, NaN where there is none."""
        if not len(self.mids):
            return np.full(len(rows), np.nan)
        return np.where(rows >= 0, self.mids[np.maximum(rows, 0)], np.nan)

    def exact(self, rows: Int64s) -> tuple[pl.Series, pl.Series, pl.Series]:
        """Bid, ask and mid of rows, null where there is none."""
        if not len(self.at):
            none = pl.Series("", [None], MONEY).new_from_index(0, len(rows))
            return none, none, none
        safe = np.maximum(rows, 0)
        none = pl.Series((rows < 0) | (self._asks[safe] == 0))
        bid, ask = (_decimals(x[safe]).set(none, None) for x in (self._bids, self._asks))
        return bid, ask, mid_of(bid, ask)

    def mean_mid(self, needles: Needles, start: Int64s, end: Int64s) -> Floats:
        """The mean of the mid over time from ``start`` to ``end``; NaN without a mid in it."""
        if not len(self.at):
            return np.full(needles.size, np.nan)
        area, valid = self._integrals()
        parts = []
        for at in (start, end):
            rows = self.rows_until(needles, at) - 1
            known = rows >= self.starts_of(needles)
            safe = np.where(known & (rows >= 0), rows, 0)
            has_mid = known & ~np.isnan(self.mids[safe])
            beyond = np.where(has_mid, at - self.at[safe], 0)
            index = pl.Series(safe)
            _, _, mid = self.exact(safe)
            more = mid.fill_null(0) * pl.Series(beyond)
            nothing = pl.Series(~known)
            parts.append(
                (
                    (area.gather(index) + more).set(nothing, None),
                    np.where(known, valid[safe] + beyond, 0),
                    known,
                )
            )
        (area_0, time_0, known_0), (area_1, time_1, known_1) = parts
        # Before its first row a symbol has had no mid for no time.
        firsts = np.maximum(self.starts_of(needles), 0)
        area_0 = area_0.fill_null(area.gather(pl.Series(firsts)))
        time_0 = np.where(known_0, time_0, valid[firsts])
        length = (time_1 - time_0).astype(np.float64)
        whole = reals(area_1 - area_0)
        good = known_1 & (length > 0)
        return np.where(good, whole / np.where(good, length, 1.0), np.nan)

    def _integrals(self) -> tuple[pl.Series, Int64s]:
        """Up to each row: the mid summed over time, and the time with a mid; both exact."""
        if self._integral is None:
            lasts = np.append(self.at[1:] - self.at[:-1], 0)
            for _, end in self.slices.values():
                lasts[end - 1] = 0
            lasts[np.isnan(self.mids)] = 0
            time = np.cumsum(lasts) - lasts
            pieces = _decimals(self._bids + self._asks) / 2 * pl.Series(lasts)
            self._integral = pieces.cum_sum() - pieces, time
        return self._integral


def _decimals(units: Int64s) -> pl.Series:
    """Whole units of the last decimal place as decimals."""
    return pl.Series(units).cast(MONEY) / 10**PLACES


class PrintBook(Book):
    """The market's regular trades with their running sums."""

    def __init__(self, frame: pl.DataFrame) -> None:
        regular = frame.filter(pl.col("regular").fill_null(True) & (pl.col("size") > 0))
        super().__init__(regular.select("symbol", "at", "price", "size"))
        paid = pl.col("price") * pl.col("size")
        sums = self.frame.select(
            volume=pl.col("size").cum_sum(),
            notional=paid.cum_sum(),
            prices=pl.col("price").cum_sum(),
        )
        self.frame = self.frame.select("at")
        zero = pl.DataFrame({name: [0] for name in sums.columns}).cast(MONEY)
        self.sums = pl.concat([zero, sums.cast(MONEY)])
        self.volumes: Floats = reals(self.sums["volume"])

    def between(self, needles: Needles, start: Int64s, end: Int64s) -> pl.DataFrame:
        """Volume, notional, sum of prices and number of trades after ``start`` up to ``end``.

        Null where the symbol has no prints at all, or a time is unknown.
        """
        first, last = self.rows_until(needles, start), self.rows_until(needles, end)
        known = (first >= 0) & (start != UNKNOWN_AT) & (end != UNKNOWN_AT)
        a, b = pl.Series(np.where(known, first, 0)), pl.Series(np.where(known, last, 0))
        none = pl.Series(~known)
        columns = [
            (self.sums[n].gather(b) - self.sums[n].gather(a)).set(none, None).alias(n)
            for n in self.sums.columns
        ]
        return pl.DataFrame([*columns, (b - a).set(none, None).alias("trades")])

    def participation_price(
        self, needles: Needles, start: Int64s, shares: Floats, until: Int64s
    ) -> Floats:
        """VWAP from ``start`` until ``shares`` have traded; NaN when they have not by ``until``."""
        first, last = self.rows_until(needles, start), self.rows_until(needles, until)
        known = (first >= 0) & ~np.isnan(shares) & (start != UNKNOWN_AT)
        base = self.volumes[np.maximum(first, 0)]
        wanted = base + np.where(known, shares, 0.0)
        # Volumes run on over symbols, so that one search does; ``last`` keeps it in its own.
        row = self.volumes.searchsorted(wanted, side="left")
        known &= row <= np.maximum(last, 0)
        safe = pl.Series(np.where(known, row, 0))
        whole = self.sums["notional"].gather(safe) - self.sums["notional"].gather(
            pl.Series(np.where(known, first, 0))
        )
        at_last, before = pl.Series(np.where(known, row, 0)), pl.Series(np.where(known, row - 1, 0))
        prices = self.sums["prices"]
        price = reals(prices.gather(at_last) - prices.gather(before))
        excess = self.volumes[np.where(known, row, 0)] - wanted
        paid = reals(whole) - excess * price
        good = known & (shares > 0)
        return np.where(good, paid / np.where(good, shares, 1.0), np.nan)
