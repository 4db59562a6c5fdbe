"""The arithmetic of a generated day: activity, efficient price, touch and prints.

Everything is drawn from one ``numpy`` generator in a fixed order, so that a seed repeats a day.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...domain.ports import MINUTE_NS, Session
from ..exchange.tape import BoolArray, Float64Array, Int64Array
from .history import session_minutes
from .instruments import InstrumentSpec

FULL_SESSION_MINUTES: Final = 390
MICRO_NS: Final = 1_000
LOT: Final = 100
OPEN_AUCTION_SHARE: Final = 0.012
CLOSE_AUCTION_SHARE: Final = 0.06
CONTINUOUS_SHARE: Final = 1 - OPEN_AUCTION_SHARE - CLOSE_AUCTION_SHARE
DARK_SHARE: Final = 0.28
"""Share of prints off the displayed books; half of them at the midpoint."""
INSIDE_SHARE: Final = 0.08
"""Share of prints inside a spread of two ticks or more."""
IRREGULAR_SHARE: Final = 0.002
DISPLAY_MULTIPLE_MAX: Final = 2
"""A lit print is at most this many times the displayed size: what is hidden behind it."""
LIT_VENUES: Final = ("N", "Q", "P", "Z", "K")
DARK_VENUE: Final = "D"


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Touch in whole ticks at each quote, and the efficient price in ticks."""

    efficient: Float64Array
    bid: Int64Array
    spread: Int64Array

    @property
    def ask(self) -> Int64Array:
        """The ask in ticks."""
        ask: Int64Array = self.bid + self.spread
        return ask


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """Prints in order of time, auctions included; sizes in shares."""

    ts: Int64Array
    px: Float64Array
    sz: Float64Array
    aggressor: NDArray[np.int8]
    lit: BoolArray
    regular: BoolArray
    venue: NDArray[np.object_]


def stream(seed: int, *names: str) -> np.random.Generator:
    """A stream of its own for each symbol, day and purpose."""
    digest = hashlib.sha256("|".join([str(seed), *names]).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def _ar1(rng: np.random.Generator, count: int, memory: float, deviation: float) -> Float64Array:
    """A stationary first-order autoregression of mean 0 with the given standard deviation."""
    noise = rng.standard_normal(count) * deviation * (1 - memory * memory) ** 0.5
    noise[0] = rng.standard_normal() * deviation
    return np.fromiter(
        accumulate(noise.tolist(), lambda last, shock: memory * last + shock),
        dtype=np.float64,
        count=count,
    )


def activity_by_minute(rng: np.random.Generator, minutes: int) -> Float64Array:
    """Relative activity per minute: a U with persistent noise, of mean about 1.

    The U is 0.65 + 1.5 (1 - x)^6 + 1.8 x^12 over the session, near the mean of the recorded
    equity days: twice the average at the open, two thirds at noon, 2.4 times at the close.
    """
    x = (np.arange(minutes) + 0.5) / minutes
    shape = 0.65 + 1.5 * (1 - x) ** 6 + 1.8 * x**12
    noise: Float64Array = np.exp(_ar1(rng, minutes, 0.6, 0.35) - 0.35**2 / 2)
    return shape * noise


def times(
    rng: np.random.Generator, activity: Float64Array, session: Session, count: int, *, offset: int
) -> Int64Array:
    """Rising times by activity, two microseconds apart at least, shifted by ``offset`` of them."""
    cumulative = np.concatenate(([0.0], np.cumsum(activity)))
    uniform = np.sort(rng.random(count)) * cumulative[-1]
    minutes = np.interp(uniform, cumulative, np.arange(len(cumulative)))
    pairs = np.floor(minutes * (MINUTE_NS / (2 * MICRO_NS))).astype(np.int64)
    steps = np.arange(count, dtype=np.int64)
    spread = np.maximum.accumulate(pairs - steps) + steps
    last = (session.close - session.open) // (2 * MICRO_NS) - 1
    # What was pushed past the close is pulled back, still apart.
    kept = np.minimum(spread, last - steps[::-1])
    return session.open + kept * 2 * MICRO_NS + offset * MICRO_NS


def price_path(
    rng: np.random.Generator,
    spec: InstrumentSpec,
    session: Session,
    q_ts: Int64Array,
    activity: Float64Array,
    start_price: float,
) -> Prices:
    minutes, count = len(activity), len(q_ts)
    minute = np.minimum((q_ts - session.open) // MINUTE_NS, minutes - 1)
    volatility = np.exp(_ar1(rng, minutes, 0.97, 0.4))
    variance = activity * volatility**2
    # Each minute's variance is shared by its quotes; the day's adds up to the spec's.
    per_quote = (variance / np.maximum(np.bincount(minute, minlength=minutes), 1))[minute]
    length = minutes / FULL_SESSION_MINUTES
    scale = spec.daily_volatility * length**0.5
    steps = rng.standard_normal(count) * np.sqrt(per_quote / per_quote.sum()) * scale
    regimes = np.sort(rng.random(5))
    drifts = rng.standard_normal(6) * 0.6 * scale
    place = (q_ts - session.open) / (session.close - session.open)
    steps += drifts[np.searchsorted(regimes, place)] * np.diff(place, prepend=0.0)
    steps[0] = rng.standard_normal() * 0.2 * spec.daily_volatility
    tick = float(spec.tick)
    efficient = start_price * np.exp(np.cumsum(steps)) / tick
    opening = 1 + 1.2 * np.exp(-(q_ts - session.open) / (8 * MINUTE_NS))
    excess = (spec.spread_ticks - 1) * opening + 0.4 * (opening - 1)
    level = np.exp(_ar1(rng, count, 0.98, 0.5) - 0.5**2 / 2)
    spread = 1 + np.floor(excess * level + rng.random(count)).astype(np.int64)
    # A spread changes now and then, not with every quote.
    change = np.maximum.accumulate(np.where(rng.random(count) < 0.25, np.arange(count), 0))
    return _follow(efficient, spread[change])


def _follow(efficient: Float64Array, spread: Int64Array) -> Prices:
    """The touch: stays while the efficient price is within it, else is centred on it."""
    bids: list[int] = []
    bid = round(float(efficient[0]) - float(spread[0]) / 2)
    for price, width in zip(efficient.tolist(), spread.tolist(), strict=True):
        off = price - (bid + width / 2)
        room = 0.5 + width / 4
        if off > room or off < -room:
            bid = max(1, round(price - width / 2))
        bids.append(bid)
    return Prices(efficient, np.array(bids, dtype=np.int64), spread)


def _lean(prices: Prices, rows: Int64Array | slice = slice(None)) -> Float64Array:
    """How far the efficient price leans from the mid, -1 (towards the bid) to 1."""
    mid = prices.bid[rows] + prices.spread[rows] / 2
    lean: Float64Array = np.clip(prices.efficient[rows] - mid, -1, 1)
    return lean


def touch_lots(
    rng: np.random.Generator, spec: InstrumentSpec, prices: Prices
) -> tuple[Float64Array, Float64Array]:
    """Board lots at bid and ask: persistent, and heavier on the side the price leans from."""
    lean = _lean(prices)
    bid, ask = (
        np.maximum(
            1.0,
            np.round(spec.touch_lots * np.exp(_ar1(rng, len(lean), 0.95, 0.7) + sign * 0.5 * lean)),
        )
        for sign in (1, -1)
    )
    return bid, ask


def day_volume(rng: np.random.Generator, spec: InstrumentSpec) -> float:
    """A day's volume: the usual one with a lognormal factor of about a fifth."""
    return float(spec.daily_volume * np.exp(rng.standard_normal() * 0.2 - 0.02))


def tape_of(
    rng: np.random.Generator,
    spec: InstrumentSpec,
    session: Session,
    activity: Float64Array,
    q_ts: Int64Array,
    prices: Prices,
    lots: tuple[Float64Array, Float64Array],
) -> Tape:
    length = session_minutes(session) / FULL_SESSION_MINUTES
    count = max(1, round(spec.prints * length))
    ts = times(rng, activity, session, count, offset=1)
    rows = q_ts.searchsorted(ts, side="right") - 1
    buys = rng.random(count) < 0.5 + 0.3 * _lean(prices, rows)
    bid, spread = prices.bid[rows], prices.spread[rows]
    ticks = np.where(buys, bid + spread, bid).astype(np.float64)
    kind = rng.random(count)
    dark = kind < DARK_SHARE
    inside = (kind > 1 - INSIDE_SHARE) & (spread > 1)
    ticks[inside] += np.where(buys[inside], -1.0, 1.0)
    midpoint = kind < DARK_SHARE / 2
    ticks[midpoint] = bid[midpoint] + spread[midpoint] / 2
    aggressor = np.where(buys, 1, -1).astype(np.int8)
    aggressor[midpoint] = 0
    total = day_volume(rng, spec) * length
    shown = np.where(buys, lots[1][rows], lots[0][rows]) * LOT * DISPLAY_MULTIPLE_MAX
    most = np.where(dark, np.inf, shown)
    size = _sizes(rng, total * CONTINUOUS_SHARE, most)
    venue = np.array(LIT_VENUES, dtype=object)[rng.integers(0, len(LIT_VENUES), count)]
    venue[dark] = DARK_VENUE
    auctions = np.maximum(
        1.0, np.round(total * np.array([OPEN_AUCTION_SHARE, CLOSE_AUCTION_SHARE]))
    )
    edges = np.array([prices.bid[0], prices.bid[-1]], dtype=np.float64)
    return Tape(
        ts=np.concatenate(([session.open], ts, [session.close])).astype(np.int64),
        px=np.round(np.concatenate((edges[:1], ticks, edges[1:])) * float(spec.tick), 8),
        sz=np.concatenate((auctions[:1], size, auctions[1:])),
        aggressor=np.concatenate(([0], aggressor, [0])).astype(np.int8),
        lit=np.concatenate(([False], ~dark, [False])),
        regular=np.concatenate(([False], rng.random(count) >= IRREGULAR_SHARE, [False])),
        venue=np.concatenate((["N"], venue, ["N"])).astype(object),
    )


def _sizes(rng: np.random.Generator, total: float, most: Float64Array) -> Float64Array:
    """Print sizes that add up to about ``total``, each at most ``most``.

    Lognormal, three in four in board lots. What the cap takes away is spread over the others.
    """
    count = len(most)
    size = np.exp(rng.standard_normal(count) * 1.1)
    for _ in range(4):
        size = np.minimum(size / size.sum() * total, most)
    board = (rng.random(count) < 0.75) & (size >= LOT / 2)
    rounded = np.where(board, np.round(size / LOT) * LOT, np.round(size))
    return np.maximum(1.0, np.minimum(rounded, most))
