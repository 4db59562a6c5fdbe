"""LULD bands and pauses as a recorded tape makes them: what a venue would have said that day.

Real tapes already show what the bands of their day allowed. This is for generated markets, and for
days from before the plan. Every regular print counts for the mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from ...domain.luld import (
    LIMIT_STATE_NS,
    PAUSE_NS,
    STANDS_NS,
    WINDOW_NS,
    band_around,
    next_reference,
)
from ...domain.market import HaltCause, PriceBand
from ...domain.ports import Session
from ..exchange.tape import SymbolDay
from ..exchange.terms import Band, Halt

DIGITS: Final = 8


class Banded(NamedTuple):
    """The bands of a session in order of time, and the pauses that they led to."""

    bands: tuple[Band, ...]
    pauses: tuple[Halt, ...]


def bands_of(day: SymbolDay, session: Session, close_before: Decimal | None, tier: int) -> Banded:
    """The bands and pauses of a session; none without a print.

    The first reference price is the opening price, after a pause the first print. Without the
    close before, the opening price stands for it.
    """
    inside = day.regular & (day.t_ts >= session.open) & (day.t_ts < session.close)
    times, prices = day.t_ts[inside], day.t_px[inside]
    bands: list[Band] = []
    pauses: list[Halt] = []
    at = session.open
    while at < session.close:
        row = int(times.searchsorted(at))
        if row == len(times):
            break
        at = int(times[row]) if pauses else max(at, int(times[row]))
        opening = day.official_open if not pauses else None
        first = opening or _price(float(prices[row]))
        before = close_before or first
        paused = None
        for band, end in _steps(times, prices, session, at, first, before, tier):
            paused = _paused_at(day, band, band.at, end)
            bands.append(Band(day.symbol, band.at, paused or end, band.lower, band.upper))
            if paused is not None:
                break
        if paused is None:
            break
        at = min(paused + PAUSE_NS, session.close)
        pauses.append(Halt(day.symbol, paused, at, HaltCause.LULD_PAUSE))
    return Banded(tuple(bands), tuple(pauses))


def _steps(
    times: np.ndarray[tuple[int], np.dtype[np.int64]],
    prices: np.ndarray[tuple[int], np.dtype[np.float64]],
    session: Session,
    start: int,
    reference: Decimal,
    close_before: Decimal,
    tier: int,
) -> Iterator[tuple[PriceBand, int]]:
    """Each band from ``start`` on with its end; one that has not moved goes on."""
    band = band_around(reference, close_before, tier, session, start)
    at = start + STANDS_NS
    while at < session.close:
        first, last = (int(times.searchsorted(each)) for each in (max(at - WINDOW_NS, start), at))
        mean = _price(float(prices[first:last].mean())) if last > first else None
        reference = next_reference(reference, mean)
        moved = band_around(reference, close_before, tier, session, at)
        if (moved.lower, moved.upper) != (band.lower, band.upper):
            yield band, at
            band = moved
        at += STANDS_NS
    yield band, session.close


def _paused_at(day: SymbolDay, band: PriceBand, start: int, end: int) -> int | None:
    """When a quote had stood at the band for too long, None when none did.

    That is a bid at the upper band or beyond it, or an offer at the lower one.
    """
    first = max(day.quote_index(start), 0)
    last = int(day.q_ts.searchsorted(end))
    if last <= first:
        return None
    times = np.maximum(day.q_ts[first:last], start)
    bid, ask = day.bid_px[first:last, 0], day.ask_px[first:last, 0]
    at_limit = (bid >= float(band.upper)) | ((ask > 0) & (ask <= float(band.lower)))
    since: int | None = None
    ends = np.append(times[1:], end)
    for limited, begins, until in zip(
        at_limit.tolist(), times.tolist(), ends.tolist(), strict=True
    ):
        if not limited:
            since = None
            continue
        since = begins if since is None else since
        if until - since >= LIMIT_STATE_NS:
            return int(since + LIMIT_STATE_NS)
    return None


def _price(value: float) -> Decimal:
    return Decimal(repr(round(value, DIGITS)))
