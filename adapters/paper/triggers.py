"""When a held order's moment comes: stops, trailing stops, and prices a quote must reach.

Our orders never move the recorded market, so the moment can be looked up as soon as the order is
held; a cancel merely forgets it. Prices carry the side's sign as in the matching core, so that each
rule is written for a buy. Trading halts are cut out of the data already.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import numpy as np

from ...domain.ports import Side
from ..exchange.scaled import NEVER, ScaledDay, from_units, to_units
from ..exchange.tape import Int64Array

HUNDRED: Final = 100
PERCENT_DIGITS: Final = 10**9


def stop_time(market: ScaledDay, side: Side, stop: Decimal, since: int) -> int | None:
    """When a stop is reached: a print at or beyond it, or a whole market beyond it.

    The last print and quote at ``since`` count, so a stop on the wrong side triggers at once.
    """
    view = market.view(side.sign)
    price = side.sign * to_units(stop)
    prints = _first(view.prints.ts, view.prints.px >= price, since)
    quotes = _first(view.q_ts, (view.own >= price) & (view.own < NEVER), since)
    return _earlier(prints, quotes)


def reach_time(market: ScaledDay, side: Side, limit: Decimal, since: int) -> int | None:
    """When the other side of the market is first at ``limit`` or better."""
    view = market.view(side.sign)
    return _first(view.q_ts, view.far <= side.sign * to_units(limit), since)


class Trail:
    """A trailing stop: follows the best print since it was armed, at a distance.

    A sell stop follows the highest price (the high-water mark) from below, a buy stop the lowest
    from above. ``price`` and ``percent`` are the distance; one of them is None.
    """

    def __init__(
        self,
        market: ScaledDay,
        side: Side,
        price: Decimal | None,
        percent: Decimal | None,
        since: int,
    ) -> None:
        view = market.view(side.sign)
        self._sign = side.sign
        self._since = since
        first = max(int(view.prints.ts.searchsorted(since, side="right")) - 1, 0)
        self._ts = view.prints.ts[first:]
        self._px = view.prints.px[first:]
        # With prices signed for a buy, the water mark is the least of them.
        self._mark: Int64Array = np.minimum.accumulate(self._px)
        if price is not None:
            self._stop = self._mark + to_units(price)
        else:
            share = int((percent or Decimal(0)) * PERCENT_DIGITS)
            distance = np.abs(self._mark).astype(object) * share // (HUNDRED * PERCENT_DIGITS)
            self._stop = self._mark + distance.astype(np.int64)

    def time(self) -> int | None:
        """When the stop is reached, None when it never is."""
        rows = np.flatnonzero(self._px >= self._stop)
        return max(int(self._ts[rows[0]]), self._since) if len(rows) else None

    def at(self, now: int) -> tuple[Decimal, Decimal] | None:
        """High-water mark and stop price at ``now``, None before the first print."""
        row = int(self._ts.searchsorted(now, side="right")) - 1
        if row < 0:
            return None
        return (
            from_units(self._sign * int(self._mark[row])),
            from_units(self._sign * int(self._stop[row])),
        )


def _first(
    times: Int64Array, met: np.ndarray[tuple[int], np.dtype[np.bool_]], since: int
) -> int | None:
    """The first time from ``since`` on at which ``met`` holds; the last row before it counts."""
    start = max(int(times.searchsorted(since, side="right")) - 1, 0)
    rows = np.flatnonzero(met[start:])
    return max(int(times[start + int(rows[0])]), since) if len(rows) else None


def _earlier(one: int | None, other: int | None) -> int | None:
    found = [time for time in (one, other) if time is not None]
    return min(found) if found else None
