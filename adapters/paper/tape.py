"""The market as data requests see it: quotes, prints and bars up to the market time, none later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

import numpy as np

from ...domain.ports import MINUTE_NS, Session
from ..exchange.tape import BoolArray, Float64Array, Int64Array, SymbolDay
from .adjusting import Adjusted, Booked
from .frames import DAY_NS, Timeframe, period_starts

PRICE_DIGITS: Final = 8
VWAP_DIGITS: Final = 6
NO_VENUE: Final = "V"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class MinuteBars:
    """One-minute bars in order of time; prices in account currency, volumes in shares."""

    ts: Int64Array
    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array
    volume: Float64Array
    count: Int64Array
    value: Float64Array
    """Price times size, summed: divided by the volume it is the VWAP."""

    @classmethod
    def of_prints(cls, ts: Int64Array, px: Float64Array, sz: Float64Array) -> MinuteBars:
        """Bars of prints, only of the minutes that have some."""
        minutes = ts // MINUTE_NS * MINUTE_NS
        starts, first = np.unique(minutes, return_index=True)
        if not len(starts):
            empty = np.array([], dtype=np.float64)
            none = np.array([], dtype=np.int64)
            return cls(none, empty, empty, empty, empty, empty, none, empty)
        last = np.append(first[1:], len(ts)) - 1
        return cls(
            ts=starts,
            open=px[first],
            high=np.maximum.reduceat(px, first),
            low=np.minimum.reduceat(px, first),
            close=px[last],
            volume=np.add.reduceat(sz, first),
            count=np.diff(np.append(first, len(ts))),
            value=np.add.reduceat(px * sz, first),
        )

    def joined(self, other: MinuteBars) -> MinuteBars:
        """These bars and later ones."""
        mine = (getattr(self, name) for name in _COLUMNS)
        theirs = (getattr(other, name) for name in _COLUMNS)
        return MinuteBars(*(np.concatenate(pair) for pair in zip(mine, theirs, strict=True)))

    def before(self, at: int) -> MinuteBars:
        """The bars that begin before ``at``."""
        keep = self.ts < at
        return MinuteBars(*(getattr(self, name)[keep] for name in _COLUMNS))

    def times(self, prices: Float64Array, shares: Float64Array) -> MinuteBars:
        """These bars with prices and volumes multiplied."""
        return replace(
            self,
            open=self.open * prices,
            high=self.high * prices,
            low=self.low * prices,
            close=self.close * prices,
            volume=self.volume * shares,
            value=self.value * prices * shares,
        )

    def row(self, first: int, last: int, start: int) -> Row:
        """One bar over the minutes ``[first, last)``, labelled with ``start``."""
        volume = float(self.volume[first:last].sum())
        value = float(self.value[first:last].sum())
        close = round(float(self.close[last - 1]), PRICE_DIGITS)
        return {
            "t": start,
            "o": round(float(self.open[first]), PRICE_DIGITS),
            "h": round(float(self.high[first:last].max()), PRICE_DIGITS),
            "l": round(float(self.low[first:last].min()), PRICE_DIGITS),
            "c": close,
            "v": round(volume),
            "n": int(self.count[first:last].sum()),
            "vw": round(value / volume, VWAP_DIGITS) if volume else close,
        }


NOTHING_BOOKED: Final = Booked()
_COLUMNS: Final = ("ts", "open", "high", "low", "close", "volume", "count", "value")


class Tape:
    """One symbol: its day in full and bars of earlier days."""

    def __init__(
        self,
        day: SymbolDay,
        session: Session,
        earlier: MinuteBars | None,
        booked: Booked = NOTHING_BOOKED,
    ) -> None:
        self.day = day
        self._booked = booked
        self._session = session
        self._earlier = None if earlier is None else earlier.before(session.open)
        self._halts: list[tuple[int, int]] = []
        self._read()

    def halt(self, start: int, end: int) -> None:
        """In ``[start, end)`` nothing prints and no quote is made."""
        self._halts.append((start, end))
        self._read()

    def _read(self) -> None:
        regular = np.flatnonzero(self.day.regular & self._trading(self.day.t_ts))
        self._ts: Int64Array = self.day.t_ts[regular]
        self._px: Float64Array = np.round(self.day.t_px[regular], PRICE_DIGITS)
        sizes: Float64Array = self.day.t_sz[regular]
        today, past = MinuteBars.of_prints(self._ts, self._px, sizes), self._earlier
        self.bars = today if past is None or not len(past.ts) else past.joined(today)

    def _trading(self, times: Int64Array) -> BoolArray:
        trading = np.ones(len(times), dtype=np.bool_)
        for start, end in self._halts:
            trading &= (times < start) | (times >= end)
        return trading

    def last_price(self, at: int) -> Decimal | None:
        """Price of the last regular print at or before ``at``."""
        row = int(self._ts.searchsorted(at, side="right")) - 1
        return Decimal(repr(float(self._px[row]))) if row >= 0 else None

    @cached_property
    def previous_close(self) -> Decimal | None:
        """Close of the day before, None when it is not known."""
        row = int(self.bars.ts.searchsorted(self._session.open, side="left")) - 1
        if row < 0:
            return None
        return Decimal(repr(round(float(self.bars.close[row]), PRICE_DIGITS)))

    # Rows as REST and stream show them; "t" is ns UTC until it is written

    def quote(self, row: int) -> Row:
        """One quote; sizes in shares, a missing side has price and size 0."""
        day = self.day
        bid, ask = _side(day.bid_px, day.bid_sz, row), _side(day.ask_px, day.ask_sz, row)
        return {
            "t": int(day.q_ts[row]),
            "ax": NO_VENUE,
            "ap": ask[0],
            "as": ask[1],
            "bx": NO_VENUE,
            "bp": bid[0],
            "bs": bid[1],
            "c": ["R"],
            "z": "C",
        }

    def trade(self, row: int) -> Row:
        """One print; an irregular one says so in its conditions."""
        day = self.day
        venue = NO_VENUE if day.venue is None else day.venue[row] or NO_VENUE
        return {
            "t": int(day.t_ts[row]),
            "x": str(venue)[:1] or NO_VENUE,
            "p": round(float(day.t_px[row]), PRICE_DIGITS),
            "s": _size(float(day.t_sz[row])),
            "c": ["@"] if day.regular[row] else [self._irregular(row)],
            "i": row + 1,
            "z": "C",
        }

    def quote_rows(self, start: int, end: int) -> Sequence[int]:
        """Rows of quotes from ``start`` up to and including ``end``, none of a halt."""
        return self._rows(self.day.q_ts, start, end)

    def trade_rows(self, start: int, end: int) -> Sequence[int]:
        """Rows of prints from ``start`` up to and including ``end``, none of a halt."""
        return self._rows(self.day.t_ts, start, end)

    def _rows(self, times: Int64Array, start: int, end: int) -> Sequence[int]:
        first = int(times.searchsorted(start, side="left"))
        last = max(first, int(times.searchsorted(end, side="right")))
        if not self._halts:
            return range(first, last)
        rows: list[int] = (np.flatnonzero(self._trading(times[first:last])) + first).tolist()
        return rows

    def bars_of(
        self, frame: Timeframe, start: int, end: int, now: int, adjusted: Adjusted | None = None
    ) -> list[Row]:
        """Bars that begin in ``[start, end]``; of minutes only whole ones, of days also today's.

        As they are stored where ``adjusted`` says nothing.
        """
        bars = self.bars
        if adjusted is not None:
            asked = (self.day.symbol, bars.ts, bars.close, adjusted)
            bars = bars.times(*self._booked.factors(*asked))
        lasting = bars.ts + MINUTE_NS <= now
        count = int(lasting.sum())
        if not count:
            return []
        starts = period_starts(bars.ts[:count], frame)
        labels, first = np.unique(starts, return_index=True)
        last = np.append(first[1:], count)
        found: list[Row] = []
        for label, begin, stop in zip(labels.tolist(), first.tolist(), last.tolist(), strict=True):
            is_whole = frame.is_daily or label + frame.length_ns <= now
            if start <= label <= end and is_whole:
                found.append(bars.row(begin, stop, label))
        return found

    def _irregular(self, row: int) -> str:
        at = int(self.day.t_ts[row])
        if at == self._session.open:
            return "O"
        return "6" if at == self._session.close else "Z"


class Tapes:
    """The tapes of all symbols."""

    def __init__(
        self,
        days: Sequence[SymbolDay],
        session: Session,
        earlier: Mapping[str, MinuteBars],
        booked: Booked = NOTHING_BOOKED,
    ):
        self.session = session
        self._by_symbol = {
            day.symbol: Tape(day, session, earlier.get(day.symbol), booked) for day in days
        }

    @property
    def symbols(self) -> list[str]:
        """All symbols, sorted."""
        return sorted(self._by_symbol)

    def find(self, symbol: str) -> Tape | None:
        """The tape of a symbol, None when there is none."""
        return self._by_symbol.get(symbol)


def snapshot(tape: Tape, now: int) -> dict[str, Row | None]:
    """Latest trade and quote, minute bar, today's bar and the day's before."""
    trades, quotes = tape.trade_rows(0, now), tape.quote_rows(0, now)
    minute = tape.bars_of(Timeframe(1, "Min"), now - DAY_NS, now, now)
    days = tape.bars_of(Timeframe(1, "Day"), now - 10 * DAY_NS, now, now)
    today = tape.bars_of(Timeframe(1, "Day"), now - DAY_NS, now, now)
    before = [day for day in days if not today or day["t"] < today[-1]["t"]]
    return {
        "latestTrade": tape.trade(trades[-1]) if trades else None,
        "latestQuote": tape.quote(quotes[-1]) if quotes else None,
        "minuteBar": minute[-1] if minute else None,
        "dailyBar": today[-1] if today else None,
        "prevDailyBar": before[-1] if before else None,
    }


def _side(prices: Float64Array, sizes: Float64Array, row: int) -> tuple[float, int | float]:
    price, size = float(prices[row, 0]), float(sizes[row, 0])
    if not (price > 0 and size > 0):
        return 0, 0
    return round(price, PRICE_DIGITS), _size(size)


def _size(size: float) -> int | float:
    return int(size) if size == int(size) else size
