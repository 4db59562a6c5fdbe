"""Small symbol-days by hand, and the folder of recorded market data."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.domain.ports import NANOS

ROOT = Path(__file__).resolve().parents[3]
OPEN = 1_381_152_600 * NANOS
"""2013-10-07 09:30 in New York."""

QuoteRow = tuple[float, float, float, float, float]
PrintRow = tuple[float, float, float, bool]
MakeDay = Callable[..., SymbolDay]


def _make_day(
    quotes: Sequence[QuoteRow],
    prints: Sequence[PrintRow] = (),
    *,
    symbol: str = "ABC",
    date: str = "20131007",
    start: int = OPEN,
) -> SymbolDay:
    """Rows of (seconds after ``start``, bid, ask, bid size, ask size) and (s, px, sz, regular)."""
    book = np.array(quotes, dtype=np.float64).reshape(len(quotes), 5)
    tape = np.array([row[:3] for row in prints], dtype=np.float64).reshape(len(prints), 3)
    q_ts = np.array([start + round(row[0] * NANOS) for row in quotes], dtype=np.int64)
    t_ts = np.array([start + round(row[0] * NANOS) for row in prints], dtype=np.int64)
    return SymbolDay(
        symbol=symbol,
        date=date,
        tick=Decimal("0.01"),
        lot=Decimal(1),
        levels=1,
        ext_level_size=Decimal(500),
        queue_share=Decimal("0.3"),
        q_ts=q_ts,
        bid_px=book[:, 1:2],
        ask_px=book[:, 2:3],
        bid_sz=book[:, 3:4],
        ask_sz=book[:, 4:5],
        t_ts=t_ts,
        t_px=tape[:, 1],
        t_sz=tape[:, 2],
        aggressor=np.zeros(len(prints), dtype=np.int8),
        lit=np.ones(len(prints), dtype=np.bool_),
        regular=np.array([row[3] for row in prints], dtype=np.bool_),
    )


@pytest.fixture(scope="session")
def open_ns() -> int:
    """The open of the session that :func:`make_day` makes days of by default."""
    return OPEN


@pytest.fixture(scope="session")
def make_day() -> MakeDay:
    """Make a symbol-day from rows."""
    return _make_day


@pytest.fixture(scope="session")
def market_dir() -> Path:
    """The folder of recorded market data; skips where it is missing."""
    folder = Path(os.environ.get("FILLWRIGHT_MARKET_DIR") or ROOT.parent / "shared" / "data")
    if not (folder / "instruments.json").is_file():
        pytest.skip(f"shared data not present: {folder}")
    return folder.resolve()
