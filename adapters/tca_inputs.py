"""The tables of cost analysis from a log and the market data that is bound to it (ruling 22).

Only segments that the log names by their hash are read. A missing or damaged one is a problem that
is told, and its symbol has no quotes or prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ..domain.events import MarketDataCaptured
from ..projections.runner import RecordedEvent, follow
from ..projections.tca.log_rows import TcaRows
from .captured_segments import segments_beside
from .market_data.capture import PRINTS, QUOTES, Segment, SegmentError, read_segment
from .storage.log import Log

if TYPE_CHECKING:
    import polars as pl

    from ..projections.tca.tables import Tables

_QUOTE_COLUMNS: Final = {
    "ts_ns": "at",
    "bid_px": "bid",
    "ask_px": "ask",
    "bid_sz": "bid_size",
    "ask_sz": "ask_size",
}
_PRINT_COLUMNS: Final = {"ts_ns": "at", "px": "price", "sz": "size", "regular": "regular"}


class LogTables(NamedTuple):
    """The tables, and where in the log they stand.

    ``missing`` names the segments that could not be read, with the reason; ``segments`` the hashes
    of all that were bound to this part of the log. ``own_in_prints`` is whether our executions were
    printed on the tape that was captured: only when trading live.
    """

    tables: Tables
    position: int
    head_hash: str
    segments: tuple[str, ...]
    missing: tuple[str, ...]
    own_in_prints: bool


def tables_of_store(store: str, *, position: int | None = None) -> LogTables:
    """The tables of a store, as of a log position (default: its head).

    Raises:
        StoreError: the store cannot be read.
    """
    folder = segments_beside(store)
    with Log.open(store, writer=False) as log:
        return tables_of_events(log.events(upto=position or log.head().position), folder)


def tables_of_events(events: Iterable[RecordedEvent], folder: Path | None) -> LogTables:
    """The tables of a log's events from its first on; ``folder`` holds the captured segments.

    Raises:
        ProjectionStopped: the events cannot be followed.
    """
    rows = TcaRows()
    follow([rows], events)
    return tables_of_rows(rows, folder)


def tables_of_rows(rows: TcaRows, folder: Path | None) -> LogTables:
    """The tables of a projection that has followed a log."""
    from ..projections.tca.tables import Tables, concat, from_rows

    segments, missing = _segments(rows.captured, folder)
    frames: dict[str, pl.DataFrame | None] = {
        name: from_rows(name, found) for name, found in rows.rows().items()
    }
    frames["quotes"] = concat(_frames(QUOTES, segments))
    frames["prints"] = concat(_frames(PRINTS, segments))
    return LogTables(
        Tables.of(**frames),
        rows.position,
        rows.head_hash.hex(),
        tuple(dict.fromkeys(event.sha256 for event in rows.captured)),
        tuple(missing),
        rows.is_live,
    )


def _segments(
    captured: Sequence[MarketDataCaptured], folder: Path | None
) -> tuple[list[Segment], list[str]]:
    found: dict[str, Segment] = {}
    missing: dict[str, str] = {}
    for event in captured:
        if event.sha256 in found or event.sha256 in missing:
            continue
        try:
            if folder is None:
                raise SegmentError(f"segment {event.sha256}: the log has no folder of segments")
            found[event.sha256] = read_segment(folder, event.sha256)
        except SegmentError as error:
            missing[event.sha256] = f"{event.symbol} {event.kind}: {error}"
    return list(found.values()), list(missing.values())


def _frames(kind: str, segments: Sequence[Segment]) -> Iterator[pl.DataFrame]:
    """The rows of each segment that an earlier one of its symbol does not have."""
    import polars as pl

    from ..projections.tca.tables import typed_table

    names = _QUOTE_COLUMNS if kind == QUOTES else _PRINT_COLUMNS
    covered: dict[str, int] = {}
    for one in sorted(segments, key=lambda s: (s.symbol, s.from_ns, -s.to_ns, s.feed)):
        if one.kind != kind:
            continue
        columns = {new: one.columns[old] for old, new in names.items() if old in one.columns}
        until = covered.get(one.symbol, -1)
        rows = pl.DataFrame(columns).filter(pl.col("at") > until)
        if kind == QUOTES and rows.height and rows["at"][-1] < one.to_ns:
            # The last quote is known to have been valid to the end of what was captured.
            last = rows.tail(1).with_columns(at=pl.lit(one.to_ns, dtype=pl.Int64))
            rows = pl.concat([rows, last])
        covered[one.symbol] = max(until, one.to_ns)
        yield typed_table(kind, rows.with_columns(symbol=pl.lit(one.symbol)))
