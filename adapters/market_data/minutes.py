"""One-minute statistics of a session's mid prices, computed once and read by minute.

Grid point ``k`` is ``k`` minutes after the open and holds the mid of the last valid quote at or
before it, so that nothing read at a moment knows what came later.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from ...domain.ports import MINUTE_NS, NANOS, Session
from ..exchange.tape import Float64Array, SymbolDay

VOLATILITY_MINUTES: Final = 30
VOLATILITY_RETURNS_MIN: Final = 5
"""Fewer returns than this give no volatility."""
TREND_MINUTES: Final = 5
BPS_PLACES: Final = 4
SPREAD_PLACES: Final = 6


@dataclass(frozen=True, slots=True)
class MinuteStatistics:
    """Volatility and trend in basis points and the mean spread in price, None where unknown.

    All by whole minutes since the open.
    """

    volatility_bps: tuple[Decimal | None, ...]
    trend_bps: tuple[Decimal | None, ...]
    spread_mean: tuple[Decimal | None, ...]


def minute_statistics(day: SymbolDay, session: Session) -> MinuteStatistics:
    """Statistics at each whole minute of the session.

    Volatility is the sample standard deviation of the simple one-minute mid returns of the last 30
    minutes, trend the simple return of the mid over the last 5 minutes, the mean spread that of the
    last 30 minutes, each quote for as long as it was valid.
    """
    mids = minute_mids(day, session)
    with np.errstate(invalid="ignore"):
        returns = (mids[1:] / mids[:-1] - 1.0) * 10_000
        moves = (mids[TREND_MINUTES:] / mids[:-TREND_MINUTES] - 1.0) * 10_000
    trend = np.concatenate((np.full(min(TREND_MINUTES, len(mids)), np.nan), moves))
    spreads = _decimals(_mean_spreads(day, session), SPREAD_PLACES)
    return MinuteStatistics(_decimals(_rolling_deviation(returns)), _decimals(trend), spreads)


def minute_mids(day: SymbolDay, session: Session) -> Float64Array:
    """Mid of the last valid (not crossed) quote at each whole minute from open to close, or NaN."""
    bid, ask = day.bid_px[:, 0], day.ask_px[:, 0]
    with np.errstate(invalid="ignore"):
        valid = np.flatnonzero((bid > 0) & (ask >= bid))
    grid = np.arange(session.open, session.close + 1, MINUTE_NS)
    rows = day.q_ts[valid].searchsorted(grid, side="right") - 1
    # Padded in front, so that row -1 (no quote yet) reads NaN.
    known = np.concatenate(([np.nan], (bid[valid] + ask[valid]) / 2))
    mids: Float64Array = known[rows + 1]
    return mids


def _rolling_deviation(returns: Float64Array) -> Float64Array:
    """Entry ``k``: deviation of the last 30 of the first ``k`` returns, NaN with too few."""
    known = ~np.isnan(returns)
    clean = np.where(known, returns, 0.0)
    count, total, squares = (
        np.concatenate(([0.0], np.cumsum(part)))
        for part in (known.astype(np.float64), clean, clean * clean)
    )
    end = np.arange(len(returns) + 1)
    start = np.maximum(end - VOLATILITY_MINUTES, 0)
    n = count[end] - count[start]
    s = total[end] - total[start]
    q = squares[end] - squares[start]
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.maximum(q - s * s / n, 0.0) / (n - 1)
    deviation: Float64Array = np.where(n >= VOLATILITY_RETURNS_MIN, np.sqrt(variance), np.nan)
    return deviation


def _mean_spreads(day: SymbolDay, session: Session) -> Float64Array:
    """Entry ``k``: the mean spread of the 30 minutes before minute ``k`` of the session.

    Weighted by time; locked, crossed and one-sided states are left out. NaN before the first quote.
    """
    bid, ask = day.bid_px[:, 0], day.ask_px[:, 0]
    grid = np.arange(session.open, session.close + 1, MINUTE_NS)
    if not len(day.q_ts):
        return np.full(len(grid), np.nan)
    with np.errstate(invalid="ignore"):
        valid = (bid > 0) & (ask > bid)
    start = np.clip(day.q_ts, session.open, session.close)
    lasts = np.append(np.diff(start), session.close - start[-1]) * valid
    spread = np.where(valid, ask - bid, 0.0)
    # Sums up to the start of each row; between rows they grow evenly.
    seconds = np.concatenate(([0.0], np.cumsum(lasts / NANOS)))[:-1]
    weighted = np.concatenate(([0.0], np.cumsum(spread * lasts / NANOS)))[:-1]
    row = np.maximum(day.q_ts.searchsorted(grid, side="right") - 1, 0)
    since = np.maximum(grid - start[row], 0) / NANOS * valid[row]
    time_at, sum_at = seconds[row] + since, weighted[row] + since * spread[row]
    before = np.maximum(np.arange(len(grid)) - VOLATILITY_MINUTES, 0)
    covered = time_at - time_at[before]
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Float64Array = (sum_at - sum_at[before]) / covered
    return np.where(covered > 0, means, np.nan)


def _decimals(values: Float64Array, places: int = BPS_PLACES) -> tuple[Decimal | None, ...]:
    rounded = np.round(values, places).tolist()
    return tuple(Decimal(repr(value)) if value == value else None for value in rounded)
