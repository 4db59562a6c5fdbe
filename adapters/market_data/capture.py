"""Keep the market data that was used: content-addressed Parquet segments beside the store.

A segment is named by the SHA-256 of its bytes, and the log holds that name, so that a report reads
exactly what was known then (ruling 22), and ``sha256sum`` alone can check it. The same rows written
by the same version of pyarrow give the same bytes. Quotes and prints are separate segments.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from ...domain.errors import FillwrightError, InvalidInput
from ...domain.ports import NANOS
from ..exchange.tape import Int64Array, SymbolDay
from .sessions import SessionCalendar

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

QUOTES: Final = "quotes"
PRINTS: Final = "prints"
KINDS: Final = (QUOTES, PRINTS)
GAP_NS_MAX: Final = MappingProxyType({QUOTES: 60 * NANOS, PRINTS: 300 * NANOS})
"""A longer silence than this inside the session is a gap."""
ROW_GROUP_ROWS: Final = 1 << 16
_META_PREFIX: Final = "fillwright."
NOT_A_FILE: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
Span = tuple[int, int]
"""From and to in ns UTC."""


class SegmentError(FillwrightError):
    """A captured segment is missing, unreadable, or not what its name says."""


class SegmentUnreadable(SegmentError):
    """A captured segment cannot be read, so whether it is there and unchanged is not known."""


@dataclass(frozen=True, slots=True)
class CapturedSegment:
    """One written segment, with the fields of ``MarketDataCaptured``.

    ``from_ns`` to ``to_ns`` (ns UTC, both included) is what was asked for; a quote segment begins
    with the quote that was valid at ``from_ns``. ``gaps`` are silences longer than ``GAP_NS_MAX``.
    The official prices are the day's, None where the source does not mark them.
    """

    symbol: str
    from_ns: int
    to_ns: int
    source: str
    feed: str
    kind: str
    sha256: str
    rows: int
    gaps: tuple[Span, ...]
    official_open: Decimal | None = None
    official_close: Decimal | None = None

    def event_fields(self) -> dict[str, object]:
        """The fields as the event takes them: gaps as their number."""
        return {
            "symbol": self.symbol,
            "from_ns": self.from_ns,
            "to_ns": self.to_ns,
            "source": self.source,
            "feed": self.feed,
            "kind": self.kind,
            "sha256": self.sha256,
            "rows": self.rows,
            "gaps": len(self.gaps),
            "official_open": self.official_open,
            "official_close": self.official_close,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A segment read back: its columns by name and what it says of itself.

    Quotes have ``ts_ns, bid_px, bid_sz, ask_px, ask_sz`` and deeper levels as ``bid_px_1`` …;
    prints have ``ts_ns, px, sz, aggressor, lit, regular`` and, where known, ``ex``.
    ``ext_level_size`` and ``queue_share`` are the fill model's (see ``SymbolDay``), None in
    segments of earlier versions.
    """

    symbol: str
    kind: str
    from_ns: int
    to_ns: int
    source: str
    feed: str
    tick: Decimal
    lot: Decimal
    columns: dict[str, np.ndarray[Any, Any]]
    ext_level_size: Decimal | None = None
    queue_share: Decimal | None = None


class Capturable(Protocol):
    """Market data that can be kept: recorded, generated, or heard live."""

    @property
    def calendar(self) -> SessionCalendar:
        """The exchange's sessions."""
        ...

    @property
    def source(self) -> str:
        """Where the data comes from."""
        ...

    def days_of(self, symbol: str) -> Sequence[SymbolDay]:
        """The symbol-days there are, in order of date."""
        ...

    def feed_of(self, symbol: str) -> str:
        """Which feed the data is of."""
        ...


class SegmentCapture:
    """Captures what market data was used; what the engine closes a session with."""

    def __init__(self, market: Capturable, folder: str | Path) -> None:
        """Write segments of ``market`` into ``folder``, which is made when first needed."""
        self._market = market
        self._folder = Path(folder)

    def capture(self, symbol: str, from_ns: int, to_ns: int) -> list[dict[str, object]]:
        """Write quotes and prints of the span; the event's fields of each segment.

        A span over several days gives segments of each. An unknown symbol gives none.
        """
        captured = []
        for day in self._market.days_of(symbol):
            session = self._market.calendar.session_on(day.date)
            if session is None or session.close <= from_ns or session.open > to_ns:
                continue
            active = (session.open, session.close)
            for kind in KINDS:
                segment = write_segment(
                    self._folder,
                    day,
                    kind,
                    (from_ns, to_ns),
                    source=self._market.source,
                    feed=self._market.feed_of(symbol),
                    active=active,
                )
                captured.append(segment.event_fields())
        return captured


def write_segment(
    folder: str | Path,
    day: SymbolDay,
    kind: str,
    span: Span,
    *,
    source: str,
    feed: str,
    active: Span | None = None,
) -> CapturedSegment:
    """Write one kind of rows of a symbol-day within ``span`` (ns UTC, both ends included).

    ``active`` cuts where silence counts as a gap, normally to the session. A segment that is
    already there is left alone.

    Raises:
        InvalidInput: an unknown kind or an empty span.
        OSError: the folder cannot be written.
    """
    start, end = span
    if kind not in KINDS:
        raise InvalidInput("kind", kind, ", ".join(KINDS))
    if end < start:
        raise InvalidInput("span", span, "an end that is not before its start")
    ts = day.q_ts if kind == QUOTES else day.t_ts
    first = int(ts.searchsorted(start, side="left"))
    last = int(ts.searchsorted(end, side="right"))
    inside = ts[first:last]
    if kind == QUOTES:
        first = max(0, int(ts.searchsorted(start, side="right")) - 1)
    columns = _columns(day, kind, slice(first, last))
    about = {
        "symbol": day.symbol,
        "kind": kind,
        "from_ns": start,
        "to_ns": end,
        "source": source,
        "feed": feed,
        "tick": day.tick,
        "lot": day.lot,
        "ext_level_size": day.ext_level_size,
        "queue_share": day.queue_share,
    }
    data = _parquet(columns, {name: str(value) for name, value in about.items()})
    digest = hashlib.sha256(data).hexdigest()
    _store(Path(folder), f"{digest}.parquet", data)
    low, high = active or span
    return CapturedSegment(
        symbol=day.symbol,
        from_ns=start,
        to_ns=end,
        source=source,
        feed=feed,
        kind=kind,
        sha256=digest,
        rows=max(last - first, 0),
        gaps=_gaps(inside, (max(start, low), min(end, high)), GAP_NS_MAX[kind]),
        official_open=day.official_open,
        official_close=day.official_close,
    )


def read_segment(folder: str | Path, sha256: str) -> Segment:
    """Read a segment back after checking that its bytes are the ones it is named after.

    Raises:
        InvalidInput: ``sha256`` is not 64 lower-case hexadecimal digits.
        SegmentUnreadable: it cannot be read.
        SegmentError: the segment is missing, its bytes have changed, or it is not one of ours.
    """
    data = segment_bytes(Path(folder), sha256)
    # Costs 40 MB and is needed only where segments are read or written.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        # One thread: the readers' own may be started while the process is ending, which aborts it.
        about, table = _about(file), file.read(use_threads=False)
        return Segment(
            symbol=about["symbol"],
            kind=about["kind"],
            from_ns=int(about["from_ns"]),
            to_ns=int(about["to_ns"]),
            source=about["source"],
            feed=about["feed"],
            tick=Decimal(about["tick"]),
            lot=Decimal(about["lot"]),
            columns={
                name: table.column(name).combine_chunks().to_numpy(zero_copy_only=False)
                for name in table.column_names
            },
            ext_level_size=_optional(about, "ext_level_size"),
            queue_share=_optional(about, "queue_share"),
        )
    except (pa.ArrowException, KeyError, ValueError, ArithmeticError) as error:
        raise SegmentError(f"segment {sha256}: not a market data segment: {error}") from error


def copy_segment(sha256: str, source: Path, target: Path) -> None:
    """Copy a segment into another folder, durably; one that is there already is left alone.

    Raises:
        InvalidInput: ``sha256`` is not 64 lower-case hexadecimal digits.
        SegmentError: the segment is missing, or its bytes have changed.
        OSError: the folder cannot be written.
    """
    _store(target, f"{sha256}.parquet", segment_bytes(source, sha256))


def segment_bytes(folder: Path, sha256: str) -> bytes:
    """A segment as it lies on disk, after checking that it is the one it is named after.

    Raises:
        InvalidInput: ``sha256`` is not 64 lower-case hexadecimal digits.
        SegmentUnreadable: it cannot be read.
        SegmentError: it is missing, or its bytes have changed.
    """
    if not _SHA256.fullmatch(sha256):
        raise InvalidInput("sha256", sha256, "64 lower-case hexadecimal digits")
    try:
        data = (folder / f"{sha256}.parquet").read_bytes()
    except NOT_A_FILE as error:
        raise SegmentError(f"segment {sha256}: {error.strerror or error}") from error
    except OSError as error:
        raise SegmentUnreadable(f"segment {sha256}: {error.strerror or error}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SegmentError(f"segment {sha256}: its bytes have changed, they hash to {found}")
    return data


def _optional(about: dict[str, str], name: str) -> Decimal | None:
    return Decimal(about[name]) if name in about else None


def _columns(day: SymbolDay, kind: str, rows: slice) -> dict[str, pa.Array[Any]]:
    import pyarrow as pa

    if kind == PRINTS:
        columns: dict[str, pa.Array[Any]] = {
            "ts_ns": pa.array(day.t_ts[rows]),
            "px": pa.array(day.t_px[rows]),
            "sz": pa.array(day.t_sz[rows]),
            "aggressor": pa.array(day.aggressor[rows]),
            "lit": pa.array(day.lit[rows]),
            "regular": pa.array(day.regular[rows]),
        }
        if day.venue is not None:
            columns["ex"] = pa.array(day.venue[rows].tolist(), type=pa.string())
        return columns
    columns = {"ts_ns": pa.array(day.q_ts[rows])}
    for level in range(day.levels):
        suffix = f"_{level}" if level else ""
        for name in ("bid_px", "bid_sz", "ask_px", "ask_sz"):
            column = np.ascontiguousarray(getattr(day, name)[rows, level])
            columns[f"{name}{suffix}"] = pa.array(column)
    return columns


def _parquet(columns: dict[str, pa.Array[Any]], about: dict[str, str]) -> bytes:
    """The rows as Parquet with every choice of the writer fixed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        version="2.6",
        data_page_version="1.0",
        use_dictionary=True,
        compression="zstd",
        compression_level=3,
        write_statistics=True,
        store_schema=False,
    ) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        writer.add_key_value_metadata(
            {f"{_META_PREFIX}{name}": about[name] for name in sorted(about)}
        )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _about(file: pq.ParquetFile) -> dict[str, str]:
    metadata = file.metadata.metadata or {}
    named = {key.decode(): value.decode() for key, value in metadata.items()}
    return {
        name.removeprefix(_META_PREFIX): value
        for name, value in named.items()
        if name.startswith(_META_PREFIX)
    }


def _store(folder: Path, name: str, data: bytes) -> None:
    """Put a file in place whole and durable, or leave the one that is already there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if path.is_file() and path.stat().st_size == len(data):
        return
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".segment-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _gaps(times: Int64Array, active: Span, bound_ns: int) -> tuple[Span, ...]:
    """Silences longer than the bound within ``active``, its ends included."""
    start, end = active
    if end <= start:
        return ()
    inside = times[(times >= start) & (times <= end)]
    points = np.concatenate(([start], inside, [end]))
    rows = np.flatnonzero(np.diff(points) > bound_ns)
    return tuple((int(points[row]), int(points[row + 1])) for row in rows)
