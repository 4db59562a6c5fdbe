"""A symbol-day that can be traded on, from the segments that were captured of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import numpy as np

from ..exchange.tape import SymbolDay
from ..market_data.capture import Segment

EXT_LEVEL_SIZE: Final = Decimal(1_000)
QUEUE_SHARE: Final = Decimal("0.5")
"""What is assumed of the book where a captured segment does not say it."""


def symbol_day(quotes: Segment, prints: Segment | None, date: str) -> SymbolDay:
    """Captured segments as a symbol-day that can be traded on; ``date`` as ``YYYYMMDD``."""
    columns: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = quotes.columns
    levels = sum(name.startswith("bid_px") for name in columns)

    def book(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        names = [f"{name}_{level}" if level else name for level in range(levels)]
        return np.column_stack([columns[each].astype(np.float64) for each in names])

    traded = prints.columns if prints is not None else {}
    none = np.empty(0)
    return SymbolDay(
        symbol=quotes.symbol,
        date=date,
        tick=quotes.tick,
        lot=quotes.lot,
        levels=levels,
        ext_level_size=quotes.ext_level_size or EXT_LEVEL_SIZE,
        queue_share=QUEUE_SHARE if quotes.queue_share is None else quotes.queue_share,
        q_ts=columns["ts_ns"].astype(np.int64),
        bid_px=book("bid_px"),
        bid_sz=book("bid_sz"),
        ask_px=book("ask_px"),
        ask_sz=book("ask_sz"),
        t_ts=traded.get("ts_ns", none).astype(np.int64),
        t_px=traded.get("px", none).astype(np.float64),
        t_sz=traded.get("sz", none).astype(np.float64),
        aggressor=traded.get("aggressor", none).astype(np.int8),
        lit=traded.get("lit", none).astype(np.bool_),
        regular=traded.get("regular", none).astype(np.bool_),
    )
