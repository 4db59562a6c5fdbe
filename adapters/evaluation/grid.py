"""The parent orders of the evaluation: which, when and how large, read from a recorded day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple

import numpy as np

from ...domain.money import round_lot
from ...domain.ports import NANOS, Session, Side
from ..exchange.tape import SymbolDay
from .findings import Skipped

STEP_SECONDS: Final = ((300, 300), (1_800, 900), (7_200, 1_800))
"""How often parents start, by the longest horizon that the step is for, in seconds."""
EDGE_NS: Final = 300 * NANOS
"""Parents lie inside the session without its first and last five minutes (09:35 to 15:55)."""
QUANTITY_MIN: Final = 100
HORIZONS_SECONDS: Final = (300, 1_800, 7_200)
SIZES: Final = (Decimal("0.01"), Decimal("0.05"), Decimal("0.10"))
GAP_NS_MAX: Final = 300 * NANOS
"""A longer stretch of the session without a quote is a gap: no parent is worked across it."""


@dataclass(frozen=True, slots=True)
class Parent:
    """One parent order: ``size`` of the regular volume of ``[start, end)``, at least 100 shares.

    ``arrival_bid`` and ``arrival_ask`` are the last valid quote at or before the start. Prices of
    benchmarks are floats, quantities and times exact; times are ns UTC.
    """

    symbol: str
    date: str
    start: int
    horizon_seconds: int
    size: Decimal
    side: Side
    quantity: Decimal
    arrival_bid: float
    arrival_ask: float
    interval_vwap: float
    end_mid: float

    @property
    def end(self) -> int:
        """When its window ends."""
        return self.start + self.horizon_seconds * NANOS

    @property
    def arrival_mid(self) -> float:
        """Half way between the bid and the ask on arrival."""
        return (self.arrival_bid + self.arrival_ask) / 2

    @property
    def half_spread_bps(self) -> float:
        """Half the spread on arrival over the mid, in basis points."""
        return (self.arrival_ask - self.arrival_bid) / 2 / self.arrival_mid * 10_000

    @property
    def name(self) -> str:
        """What it is called in files and messages."""
        return (
            f"{self.symbol}-{self.date}-{self.start}-{self.horizon_seconds}"
            f"-{self.size}-{self.side.value}"
        )


def step_seconds(horizon_seconds: int) -> int:
    """How often parents of a horizon start: 5 min every 5, 30 min every 15, 2 h every 30."""
    fitting = (step for longest, step in STEP_SECONDS if horizon_seconds <= longest)
    return next(fitting, STEP_SECONDS[-1][1])


def shown(at: int) -> str:
    """A time in ns UTC for people, cut to the second."""
    try:
        return f"{datetime.fromtimestamp(at // NANOS, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{at} ns"  # no year that a calendar has


class Stretch(NamedTuple):
    """Where the windows of parents lie: ``[start, end]``, ns UTC."""

    start: int
    end: int


def within(session: Session) -> Stretch:
    """A session without its first and last five minutes."""
    return Stretch(session.open + EDGE_NS, session.close - EDGE_NS)


def round_the_clock(day: SymbolDay, session: Session) -> Stretch:
    """From the first to the last quote of a session that nothing opens or closes, in seconds."""
    inside = day.q_ts[(day.q_ts >= session.open) & (day.q_ts < session.close)]
    if not len(inside):
        return Stretch(session.open, session.open)
    return Stretch(-(-int(inside[0]) // NANOS) * NANOS, int(inside[-1]) // NANOS * NANOS)


def starts_of(stretch: Stretch, horizon_seconds: int) -> range:
    """When parents of a horizon start, ns UTC."""
    last = stretch.end - horizon_seconds * NANOS
    return range(stretch.start, last + 1, step_seconds(horizon_seconds) * NANOS)


def parents_of(
    day: SymbolDay,
    stretch: Stretch,
    horizons: Sequence[int] = HORIZONS_SECONDS,
    sizes: Sequence[Decimal] = SIZES,
) -> tuple[list[Parent], list[Skipped]]:
    """All parents of a symbol-day in a fixed order, and what had to be left out, with reasons."""
    reader = _Reader(day, stretch)
    parents: list[Parent] = []
    left_out: dict[str, int] = {}
    for horizon in horizons:
        starts = starts_of(stretch, horizon)
        if not starts:
            left_out[f"no window of {horizon} s fits"] = 0
        for start in starts:
            for size in sizes:
                made = reader.pair(start, horizon, size)
                if isinstance(made, str):
                    left_out[made] = left_out.get(made, 0) + 2
                else:
                    parents += made
    skipped = [Skipped(day.symbol, day.date, why, count) for why, count in left_out.items()]
    return parents, skipped


class _Reader:
    """Reads benchmarks of intervals from one symbol-day."""

    def __init__(self, day: SymbolDay, stretch: Stretch) -> None:
        self._day = day
        regular = np.flatnonzero(day.regular & np.isfinite(day.t_sz) & np.isfinite(day.t_px))
        self._ts = day.t_ts[regular]
        sizes, prices = day.t_sz[regular], day.t_px[regular]
        self._volume = np.concatenate(([0.0], np.cumsum(sizes)))
        self._notional = np.concatenate(([0.0], np.cumsum(sizes * prices)))
        bid, ask = day.bid_px[:, 0], day.ask_px[:, 0]
        with np.errstate(invalid="ignore"):
            valid = np.flatnonzero((bid > 0) & (ask > bid))
        self._q_ts, self._bid, self._ask = day.q_ts[valid], bid[valid], ask[valid]
        self._gaps = list(gaps_of(day, stretch))

    def pair(self, start: int, horizon: int, size: Decimal) -> list[Parent] | str:
        """The buy and the sell of one window and size, or why there are none."""
        end = start + horizon * NANOS
        for before, after in self._gaps:
            if before < end and start < after:
                return f"no quotes for {(after - before) // NANOS} s from {shown(before)}"
        first, last = self._ts.searchsorted((start, end), side="left")
        volume = float(self._volume[last] - self._volume[first])
        row, end_row = self._q_ts.searchsorted((start, end), side="right") - 1
        if row < 0:
            return "no valid quote at the start of the window"
        if volume <= 0:
            return "nothing printed in the window"
        quantity = _quantity(volume, size, self._day.lot)
        if quantity > Decimal(volume):
            return f"size {size} is more than the volume of the window"
        vwap = float(self._notional[last] - self._notional[first]) / volume
        return [
            Parent(
                symbol=self._day.symbol,
                date=self._day.date,
                start=start,
                horizon_seconds=horizon,
                size=size,
                side=side,
                quantity=quantity,
                arrival_bid=float(self._bid[row]),
                arrival_ask=float(self._ask[row]),
                interval_vwap=vwap,
                end_mid=float(self._bid[end_row] + self._ask[end_row]) / 2,
            )
            for side in (Side.BUY, Side.SELL)
        ]


def _quantity(volume: float, size: Decimal, lot: Decimal) -> Decimal:
    """``size`` of the volume, to the nearest share (half to even), at least 100."""
    wanted = Decimal(repr(volume)) * size
    if lot == 1:
        wanted = wanted.to_integral_value(rounding=ROUND_HALF_EVEN)
        return max(wanted, Decimal(QUANTITY_MIN))
    return round_lot(wanted, lot)


def gaps_of(day: SymbolDay, stretch: Stretch) -> Iterator[tuple[int, int]]:
    """Stretches of the evaluated time that are too long without a quote."""
    first, last = stretch
    from_row = max(int(day.q_ts.searchsorted(first, side="right")) - 1, 0)
    to_row = int(day.q_ts.searchsorted(last, side="left")) + 1
    times = day.q_ts[from_row:to_row]
    times = np.concatenate((times[:1].clip(max=first), times, times[-1:].clip(min=last)))
    for row in np.flatnonzero(np.diff(times) > GAP_NS_MAX):
        before, after = int(times[row]), int(times[row + 1])
        if after > first and before < last:
            yield before, after
