"""What captured market data says of instructions that the log does not: end mid and volume.

Only the segments that the log names by their hash are read (ruling 22); where one is missing the
figure stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np

from ..domain.events import MarketDataCaptured
from ..projections.execution_quality import EndFacts
from ..projections.instruction_book import Followed, InstructionBook
from .exchange.scaled import UNITS, from_units
from .market_data.capture import PRINTS, QUOTES, Segment, SegmentError, read_segment


class Captured:
    """The captured segments of a log, read when first asked for and kept."""

    def __init__(self, folder: Path, events: Iterable[MarketDataCaptured]) -> None:
        self._folder = folder
        self._events = tuple(events)
        self._segments: dict[str, Segment | None] = {}

    def segment(self, symbol: str, kind: str, from_ns: int, to_ns: int) -> Segment | None:
        """A segment that covers a span (ns UTC), None when there is none or it cannot be read."""
        for event in self._events:
            covers = event.from_ns <= from_ns and to_ns <= event.to_ns
            if event.symbol == symbol and event.kind == kind and covers:
                return self._read(event.sha256)
        return None

    def _read(self, sha256: str) -> Segment | None:
        if sha256 not in self._segments:
            try:
                self._segments[sha256] = read_segment(self._folder, sha256)
            except SegmentError:
                self._segments[sha256] = None
        return self._segments[sha256]


def end_facts(book: InstructionBook, captured: Captured) -> Mapping[UUID, EndFacts]:
    """The facts of every instruction that has a plan and has ended."""
    found = {}
    for id, entry in book.instructions().items():
        facts = _facts(entry, captured)
        if facts is not None:
            found[id] = facts
    return found


def _facts(entry: Followed, captured: Captured) -> EndFacts | None:
    it, ended = entry.instruction, entry.ended_at
    if it.plan is None or ended is None:
        return None
    symbol, started = it.plan.symbol, it.released_at or it.plan.start_at
    quotes = captured.segment(symbol, QUOTES, started, ended)
    prints = captured.segment(symbol, PRINTS, started, ended)
    return EndFacts(
        end_mid=_mid_at(quotes, ended) if quotes else None,
        volume=_volume(prints, started, ended) if prints else None,
    )


def _mid_at(quotes: Segment, at: int) -> Decimal | None:
    """The mid of the last quote at or before a time, None while it is not two-sided."""
    columns = quotes.columns
    row = int(columns["ts_ns"].searchsorted(at, side="right")) - 1
    if row < 0:
        return None
    bid, ask = (round(float(columns[name][row]) * UNITS) for name in ("bid_px", "ask_px"))
    return (from_units(bid) + from_units(ask)) / 2 if 0 < bid < ask else None


def _volume(prints: Segment, start: int, end: int) -> Decimal:
    """Shares of regular prints after ``start`` up to ``end``."""
    times = prints.columns["ts_ns"]
    inside = (times > start) & (times <= end) & prints.columns["regular"].astype(bool)
    sizes = np.rint(prints.columns["sz"][inside] * UNITS).astype(np.int64)
    return from_units(int(sizes.sum()))
