"""One symbol-day of recorded market data, and how to read it from a market folder.

A market folder holds ``instruments.json`` (a list of symbol-days with ``symbol``, ``date``,
``tick``, ``levels``, ``ext_level_size``, ``queue_share`` and, optionally, ``dir``, ``lot``,
``official_open``, ``official_close``, ``listed_on``, the exchange as prints name it, and the
asset's ``asset_id``, ``figi``, ``cusip`` and ``currency``) and the files
``quotes_<SYMBOL>_<DATE>.parquet`` and ``trades_<SYMBOL>_<DATE>.parquet``, beside it or in the
folder that ``dir`` names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ...domain.auctions import CLOSING_CONDITIONS, OPENING_CONDITIONS
from ...domain.money import PRICE_MAX
from .conditions import Marked, conditions_of

if TYPE_CHECKING:
    import pyarrow as pa

Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LEVELS_MAX: Final = 50
INSTRUMENTS_FILE: Final = "instruments.json"
SMALLEST_LOT: Final = Decimal("0.00000001")
SHARES_MAX: Final = 9e10
"""Of a level, and of a day's prints together: matching counts units of 1e-8 in 64 bits."""


class MarketFolderError(ValueError):
    """A market folder cannot give what was asked of it; the message names folder and reason."""


@dataclass(frozen=True, slots=True, eq=False)
class SymbolDay:
    """Quotes and prints of one symbol on one day; times in ns UTC, never decreasing.

    Book columns are two-dimensional, ``(rows, levels)`` from the touch outwards; a level that the
    source did not have is NaN or has size 0. A row is valid until the next row. Sizes are shares.

    Args:
        date: ``YYYYMMDD``.
        ext_level_size: shares on each level beyond the visible book.
        queue_share: share of a print at our price that our queue sees (phi); with 0 only prints
            through our price fill.
        aggressor: +1 the buyer took, -1 the seller took, 0 unknown.
        lit: printed on a displayed book.
        regular: no auction, late, out-of-sequence or extended-hours print.
        venue: where each print happened, None where the source is silent.
        official_open: the price of the opening auction, None where the source does not mark it;
            ``official_close`` likewise.

    Raises:
        MarketFolderError: columns differ in length, times decrease, or a parameter is not positive.
    """

    symbol: str
    date: str
    tick: Decimal
    lot: Decimal
    levels: int
    ext_level_size: Decimal
    queue_share: Decimal
    q_ts: Int64Array
    bid_px: Float64Array
    bid_sz: Float64Array
    ask_px: Float64Array
    ask_sz: Float64Array
    t_ts: Int64Array
    t_px: Float64Array
    t_sz: Float64Array
    aggressor: NDArray[np.int8]
    lit: BoolArray
    regular: BoolArray
    venue: NDArray[np.object_] | None = None
    official_open: Decimal | None = None
    official_close: Decimal | None = None

    def __post_init__(self) -> None:
        """Check what matching relies on."""
        name = f"{self.symbol} {self.date}"
        quotes, prints = len(self.q_ts), len(self.t_ts)
        if not 1 <= self.levels <= LEVELS_MAX:
            raise MarketFolderError(f"{name}: levels must be 1 to {LEVELS_MAX}, not {self.levels}")
        for field in ("bid_px", "bid_sz", "ask_px", "ask_sz"):
            shape = getattr(self, field).shape
            if shape != (quotes, self.levels):
                raise MarketFolderError(
                    f"{name}: {field} has shape {shape}, expected {(quotes, self.levels)}"
                )
        for field in ("t_px", "t_sz", "aggressor", "lit", "regular"):
            if len(getattr(self, field)) != prints:
                raise MarketFolderError(f"{name}: {field} and t_ts differ in length")
        if self.venue is not None and len(self.venue) != prints:
            raise MarketFolderError(f"{name}: venue and t_ts differ in length")
        for field in ("q_ts", "t_ts"):
            row = _first_decrease(getattr(self, field))
            if row is not None:
                raise MarketFolderError(f"{name}: times in {field} decrease at row {row}")
        self._check_reach(name)
        for field in ("tick", "lot", "ext_level_size"):
            if not getattr(self, field) > 0:
                raise MarketFolderError(f"{name}: {field} must be above 0")
        for field in ("official_open", "official_close"):
            price = getattr(self, field)
            if price is not None and not price > 0:
                raise MarketFolderError(f"{name}: {field} must be above 0")
        if not self.queue_share >= 0:
            raise MarketFolderError(f"{name}: queue_share must not be below 0")

    def _check_reach(self, name: str) -> None:
        """Check that prices and sizes are no larger than what can be matched and traded."""
        for field in ("bid_px", "ask_px", "t_px", "bid_sz", "ask_sz"):
            values = getattr(self, field)
            most = float(PRICE_MAX) if field.endswith("px") else SHARES_MAX
            if np.fmax.reduce(values, axis=None, initial=0.0) > most:
                row = int(np.argwhere(values > most)[0][0])
                raise MarketFolderError(f"{name}: {field} is above {most:,.0f} at row {row}")
        if np.nansum(self.t_sz) > SHARES_MAX:
            raise MarketFolderError(f"{name}: t_sz adds up to more than {SHARES_MAX:,.0f}")

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything matching reads; two equal symbol-days have the same."""
        digest = hashlib.sha256()
        header = (self.symbol, self.date, self.tick, self.lot, self.levels)
        model = (self.ext_level_size, self.queue_share)
        digest.update("|".join(str(part) for part in header + model).encode())
        arrays = (self.q_ts, self.bid_px, self.bid_sz, self.ask_px, self.ask_sz, self.t_ts)
        more = (self.t_px, self.t_sz, self.aggressor, self.lit, self.regular)
        for array in arrays + more:
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def with_marked(
        self, conditions: NDArray[np.object_] | None, listed_on: str | None
    ) -> SymbolDay:
        """The day with the official prices that sale conditions mark, where none is given."""
        if conditions is None:
            return self
        marked = Marked(conditions, self.t_px, self.t_sz, self.venue)
        return replace(
            self,
            official_open=self.official_open or marked.official(OPENING_CONDITIONS, listed_on),
            official_close=self.official_close or marked.official(CLOSING_CONDITIONS, listed_on),
        )

    def quote_index(self, at: int) -> int:
        """Row of the book state valid at ``at`` (quotes stamped ``at`` count), -1 before all."""
        return int(self.q_ts.searchsorted(at, side="right")) - 1


def symbols_on(folder: str | Path, date: str) -> list[str]:
    """Symbols that the folder lists for a date (``YYYYMMDD``), sorted; empty when none.

    Raises:
        MarketFolderError: the folder has no readable ``instruments.json``.
    """
    return sorted(entry["symbol"] for entry in entries_of(Path(folder)) if entry["date"] == date)


def load_symbol_day(folder: str | Path, symbol: str, date: str) -> SymbolDay:
    """Read one symbol-day from a market folder.

    A print without a price and a size above 0 cannot have happened as it is told: it stays in the
    day's columns and is not regular.

    Raises:
        MarketFolderError: the day is not listed or its files are missing, unreadable or malformed.
    """
    root = Path(folder)
    entry = _entry(root, symbol, date)
    quotes = _read(root, entry, "quotes")
    trades = _read(root, entry, "trades")
    where = f"{symbol} {date}"
    try:
        levels = _levels(entry, quotes, where)
        sides = {
            f"{side}_{kind}": _book(quotes, f"{side}_{kind}", levels, where)
            for side in ("bid", "ask")
            for kind in ("px", "sz")
        }
        prices = _column(trades, "px", np.float64, where)
        sizes = _column(trades, "sz", np.float64, where)
        return SymbolDay(
            symbol=symbol,
            date=date,
            tick=_parameter(entry, "tick", where),
            lot=_lot(entry, sides["bid_sz"], sides["ask_sz"], where),
            levels=levels,
            ext_level_size=_parameter(entry, "ext_level_size", where),
            queue_share=_parameter(entry, "queue_share", where),
            q_ts=_column(quotes, "ts_ns", np.int64, where),
            t_ts=_column(trades, "ts_ns", np.int64, where),
            t_px=prices,
            t_sz=sizes,
            aggressor=_column(trades, "aggressor", np.int8, where),
            lit=_column(trades, "lit", np.bool_, where),
            regular=_column(trades, "regular", np.bool_, where) & (prices > 0) & (sizes > 0),
            venue=_venue(trades),
            official_open=_official(entry, "official_open", where),
            official_close=_official(entry, "official_close", where),
            **sides,
        ).with_marked(conditions_of(trades), entry.get("listed_on"))
    except MarketFolderError as error:
        raise MarketFolderError(f"{root}: {error}") from error


def _first_decrease(times: Int64Array) -> int | None:
    rows = np.flatnonzero(times[1:] < times[:-1])
    return int(rows[0]) + 1 if len(rows) else None


def entries_of(root: Path) -> list[Mapping[str, Any]]:
    """The symbol-days that a market folder lists, or the one above it for its folder of files.

    Raises:
        MarketFolderError: there is no readable list.
    """
    if not root.is_dir():
        raise MarketFolderError(f"{root}: no such folder")
    places = (root, root.resolve().parent)
    path = next((p / INSTRUMENTS_FILE for p in places if _holds(p)), None)
    if path is None:
        raise MarketFolderError(f"{root}: no {INSTRUMENTS_FILE} here; is it a market folder?")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise MarketFolderError(f"{path}: cannot be read: {error}") from error
    if not isinstance(entries, list):
        raise MarketFolderError(f"{path}: must hold a list of symbol-days")
    for entry in entries:
        if not (isinstance(entry, dict) and {"symbol", "date"} <= entry.keys()):
            raise MarketFolderError(f"{path}: every entry needs a symbol and a date")
    return [{**entry, "date": str(entry["date"])} for entry in entries]


def _holds(folder: Path) -> bool:
    return (folder / INSTRUMENTS_FILE).is_file()


def _entry(root: Path, symbol: str, date: str) -> Mapping[str, Any]:
    entries = entries_of(root)
    found = [each for each in entries if each["symbol"] == symbol and each["date"] == date]
    if found:
        # Several folders may hold the same symbol-day; a folder's own entry goes first.
        return min(found, key=lambda each: each.get("dir") != root.resolve().name)
    dates = sorted(entry["date"] for entry in entries if entry["symbol"] == symbol)
    if dates:
        have = f"{symbol} is there on {', '.join(dates)}"
    else:
        have = f"symbols there: {', '.join(sorted({e['symbol'] for e in entries})) or 'none'}"
    raise MarketFolderError(f"{root}: no {symbol} on {date}; {have}")


def _read(root: Path, entry: Mapping[str, Any], kind: str) -> pa.Table:
    name = f"{kind}_{entry['symbol']}_{entry['date']}.parquet"
    places = [root / str(entry["dir"]) / name] if "dir" in entry else []
    path = next((p for p in [*places, root / name] if p.is_file()), None)
    if path is None:
        looked = " or ".join(str(place.parent) for place in [*places, root / name])
        raise MarketFolderError(f"{root}: {name} is listed but not in {looked}")
    # Costs 40 MB and is needed only where files are read.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Read as a plain file: no dataset discovery, which would follow the folder's name.
        table = pq.ParquetFile(path).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise MarketFolderError(f"{path}: not a readable Parquet file: {error}") from error
    others = _symbols_in(table) - {str(entry["symbol"])}
    if others:
        named = ", ".join(sorted(others))
        raise MarketFolderError(f"{path}: column symbol names {named}, not {entry['symbol']} alone")
    return table


def _symbols_in(table: pa.Table) -> set[str]:
    """What the column of symbols names, empty where there is none; a null names nothing."""
    if "symbol" not in table.column_names:
        return set()
    return {str(each) for each in table.column("symbol").unique().to_pylist() if each is not None}


def _column(table: pa.Table, name: str, dtype: type[np.generic], where: str) -> NDArray[Any]:
    if name not in table.column_names:
        have = ", ".join(table.column_names)
        raise MarketFolderError(f"{where}: column {name} is missing; there are {have}")
    column = table.column(name)
    if dtype is not np.float64 and column.null_count:
        raise MarketFolderError(f"{where}: column {name} holds {column.null_count} nulls")
    import pyarrow as pa

    try:
        values: NDArray[Any] = _plain(column, dtype)
    except (TypeError, ValueError, ArithmeticError, pa.ArrowException) as error:
        raise MarketFolderError(
            f"{where}: column {name} is not {dtype.__name__}: {error}"
        ) from error
    return values


def _plain(column: pa.ChunkedArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """A column as numbers; whatever would have to be rounded, cut or guessed is an error."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ns", column.type.tz))
    given = column.to_numpy()
    if dtype is np.bool_ and given.dtype.kind not in "bui":
        raise TypeError("it holds neither true nor false")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        raise TypeError("it holds text")
    with np.errstate(invalid="raise"):
        values = given.astype(dtype)
    if dtype is np.float64:
        if np.isinf(values).any():
            raise ValueError("it holds infinite values")
    elif given.dtype.kind == "f" and np.any(values.astype(np.float64) != given):
        raise ValueError("it holds fractions")
    return values


def _levels(entry: Mapping[str, Any], quotes: pa.Table, where: str) -> int:
    """How many levels to read: as many as are said, else as many as the columns have."""
    levels = entry.get("levels")
    if levels is None:
        deeper = (f"bid_px_{level}" in quotes.column_names for level in range(1, LEVELS_MAX))
        return 1 + sum(takewhile(bool, deeper))
    if not isinstance(levels, int) or not 1 <= levels <= LEVELS_MAX:
        raise MarketFolderError(f"{where}: levels must be 1 to {LEVELS_MAX}, not {levels!r}")
    return levels


def _book(table: pa.Table, name: str, levels: int, where: str) -> Float64Array:
    names = [name] + [f"{name}_{level}" for level in range(1, levels)]
    return np.column_stack([_column(table, each, np.float64, where) for each in names])


def _venue(table: pa.Table) -> NDArray[np.object_] | None:
    if "ex" not in table.column_names:
        return None
    import pyarrow as pa

    encoded = table.column("ex").combine_chunks()
    if not isinstance(encoded, pa.DictionaryArray):
        encoded = encoded.dictionary_encode()
    # One Python string per venue, shared by all its prints; the last place stands for null.
    names = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    codes = encoded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
    venues: NDArray[np.object_] = names[codes]
    return venues


def _parameter(entry: Mapping[str, Any], name: str, where: str) -> Decimal:
    if name not in entry:
        raise MarketFolderError(f"{where}: {INSTRUMENTS_FILE} gives no {name}")
    try:
        value = Decimal(str(entry[name]))
    except ArithmeticError as error:
        raise MarketFolderError(f"{where}: {name} is not a number: {entry[name]!r}") from error
    if not value.is_finite():
        raise MarketFolderError(f"{where}: {name} is not finite")
    return value


def _official(entry: Mapping[str, Any], name: str, where: str) -> Decimal | None:
    return _parameter(entry, name, where) if entry.get(name) is not None else None


def _lot(entry: Mapping[str, Any], bids: Float64Array, asks: Float64Array, where: str) -> Decimal:
    if "lot" in entry:
        return _parameter(entry, "lot", where)
    # Shares trade whole; a book that shows fractions trades in them.
    whole = all(bool(np.all(np.nan_to_num(sizes) % 1 == 0)) for sizes in (bids, asks))
    return Decimal(1) if whole else SMALLEST_LOT
