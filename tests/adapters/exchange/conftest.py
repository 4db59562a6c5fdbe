"""Small markets in memory, for tests that need no recorded data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np
import pytest

from fillwright.adapters.exchange.tape import SymbolDay

Quotes = Sequence[tuple[int, float, float, float, float]]
Prints = Sequence[tuple[int, float, float, int]]
MakeDay = Callable[..., SymbolDay]


def _make_day(
    quotes: Quotes,
    prints: Prints = (),
    *,
    lit: Sequence[bool] | None = None,
    regular: Sequence[bool] | None = None,
    ext: str = "300",
    phi: str = "0.5",
    tick: str = "0.01",
    lot: str = "1",
    symbol: str = "ABC",
) -> SymbolDay:
    book = np.array(quotes, dtype=np.float64).reshape(-1, 5)
    tape = np.array(prints, dtype=np.float64).reshape(-1, 4)
    return SymbolDay(
        symbol=symbol,
        date="20240102",
        tick=Decimal(tick),
        lot=Decimal(lot),
        levels=1,
        ext_level_size=Decimal(ext),
        queue_share=Decimal(phi),
        q_ts=np.array([row[0] for row in quotes], dtype=np.int64),
        bid_px=book[:, 1:2],
        bid_sz=book[:, 2:3],
        ask_px=book[:, 3:4],
        ask_sz=book[:, 4:5],
        t_ts=np.array([row[0] for row in prints], dtype=np.int64),
        t_px=tape[:, 1],
        t_sz=tape[:, 2],
        aggressor=tape[:, 3].astype(np.int8),
        lit=np.array(lit if lit is not None else [True] * len(prints), dtype=np.bool_),
        regular=np.array(regular if regular is not None else [True] * len(prints), dtype=np.bool_),
    )


@pytest.fixture(scope="session")
def make_day() -> MakeDay:
    """Builds a day of ABC from ``(ts, bid, size, ask, size)`` and ``(ts, px, sz, agg)``."""
    return _make_day


@pytest.fixture(scope="session")
def random_day() -> Callable[[int], SymbolDay]:
    """A noisy symbol-day from a seed: 10 minutes, moving, sometimes locked or crossed."""

    def build(seed: int) -> SymbolDay:
        rng = np.random.default_rng(seed)
        count, prints = 1_200, 600
        times = np.sort(rng.integers(0, 600, count)) * 1_000_000_000
        mids = 1_000 + np.cumsum(rng.integers(-1, 2, count))
        half = rng.integers(-1, 4, count)
        quotes = [
            (int(ts), (mid - gap) / 100, int(b) * 50, (mid + gap + 1) / 100, int(a) * 50)
            for ts, mid, gap, b, a in zip(
                times,
                mids,
                half,
                rng.integers(1, 12, count),
                rng.integers(1, 12, count),
                strict=True,
            )
        ]
        rows = np.sort(rng.integers(0, count, prints))
        tape = [
            (
                int(times[row]) + int(late) * 1_000_000_000,
                (mids[row] + int(off)) / 100,
                int(size),
                int(agg),
            )
            for row, late, off, size, agg in zip(
                rows,
                rng.integers(0, 2, prints),
                rng.integers(-3, 4, prints),
                rng.integers(1, 900, prints),
                rng.integers(-1, 2, prints),
                strict=True,
            )
        ]
        tape.sort(key=lambda each: each[0])
        lit = list(rng.random(prints) < 0.7)
        regular = list(rng.random(prints) < 0.95)
        return _make_day(quotes, tape, lit=lit, regular=regular, ext="220", phi="0.37")

    return build
