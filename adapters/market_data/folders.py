"""Write symbol-days as a market folder, in the shape that recorded data has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...domain.ports import MINUTE_NS
from ..exchange.tape import INSTRUMENTS_FILE, SymbolDay
from .history import BARS_FILE, Bars
from .identities import UNTOLD, Identity

TICKS_FOLDER: Final = "core"


def write_market_folder(
    path: str | Path,
    days: Sequence[SymbolDay],
    bars: Mapping[str, Bars],
    *,
    source: str,
    feed: str,
    identities: Mapping[str, Identity] = MappingProxyType({}),
) -> Path:
    """Write ``instruments.json``, ``core/*.parquet`` and ``bars_1m.parquet``; gives the folder.

    Minutes for which there are prints of a day have prices; those of ``bars`` alone have volume
    only, and null prices.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = Path(path)
    (folder / TICKS_FOLDER).mkdir(parents=True, exist_ok=True)
    for day in days:
        name = f"{day.symbol}_{day.date}.parquet"
        _write(quote_table(day), folder / TICKS_FOLDER / f"quotes_{name}")
        _write(trade_table(day), folder / TICKS_FOLDER / f"trades_{name}")
    _write(_bar_table(days, bars, source), folder / BARS_FILE)
    entries = [
        {**_entry(day, source, feed), **_identity(identities.get(day.symbol, UNTOLD))}
        for day in days
    ]
    text = json.dumps(entries, indent=1) + "\n"
    (folder / INSTRUMENTS_FILE).write_text(text, encoding="utf-8")
    return folder


def quote_table(day: SymbolDay) -> pa.Table:
    """The book of a day: ``ts_ns, symbol, bid_px, bid_sz, ask_px, ask_sz``, deeper as ``…_1``."""
    columns: dict[str, Any] = {"ts_ns": day.q_ts, "symbol": _names(day.symbol, len(day.q_ts))}
    for level in range(day.levels):
        suffix = f"_{level}" if level else ""
        for name in ("bid_px", "bid_sz", "ask_px", "ask_sz"):
            column = np.ascontiguousarray(getattr(day, name)[:, level])
            columns[f"{name}{suffix}"] = column
    return pa.table(columns)


def trade_table(day: SymbolDay) -> pa.Table:
    """The prints of a day: ``ts_ns, symbol, px, sz, aggressor, lit, regular`` and ``ex``."""
    columns: dict[str, Any] = {
        "ts_ns": day.t_ts,
        "symbol": _names(day.symbol, len(day.t_ts)),
        "px": day.t_px,
        "sz": day.t_sz,
        "aggressor": day.aggressor,
        "lit": day.lit,
        "regular": day.regular,
    }
    if day.venue is not None:
        columns["ex"] = pa.array(day.venue.tolist(), type=pa.string()).dictionary_encode()
    return pa.table(columns)


def _names(symbol: str, count: int) -> pa.Array[Any]:
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([symbol]))


def _entry(day: SymbolDay, source: str, feed: str) -> dict[str, object]:
    official = {
        "official_open": day.official_open,
        "official_close": day.official_close,
    }
    return {
        "symbol": day.symbol,
        "date": day.date,
        "dir": TICKS_FOLDER,
        "src": source,
        "feed": feed,
        "levels": day.levels,
        "tick": _number(day.tick),
        "lot": _number(day.lot),
        "ext_level_size": _number(day.ext_level_size),
        "queue_share": _number(day.queue_share),
        **{name: _number(price) for name, price in official.items() if price is not None},
    }


def _identity(told: Identity) -> dict[str, object]:
    return {name: value for name, value in told._asdict().items() if value is not None}


def _number(value: Decimal) -> int | float:
    """A JSON number that reads back as the same Decimal."""
    return int(value) if value == int(value) else float(value)


def _bar_table(days: Sequence[SymbolDay], bars: Mapping[str, Bars], source: str) -> pa.Table:
    parts = [_symbol_bars(symbol, days, bars[symbol], source) for symbol in sorted(bars)]
    return pa.concat_tables(parts)


def _symbol_bars(symbol: str, days: Sequence[SymbolDay], bars: Bars, source: str) -> pa.Table:
    """Volume of every minute, with prices where there are regular prints."""
    count = len(bars.ts)
    prices = {name: np.full(count, np.nan) for name in ("open", "high", "low", "close", "vwap")}
    trades = np.zeros(count, dtype=np.int64)
    for day in days:
        if day.symbol != symbol:
            continue
        ts, px, sz = (each[day.regular] for each in (day.t_ts, day.t_px, day.t_sz))
        rows = bars.ts.searchsorted(ts, side="right") - 1
        inside = (rows >= 0) & (ts - bars.ts[rows] < MINUTE_NS)
        rows, px, sz = rows[inside], px[inside], sz[inside]
        minutes, first = np.unique(rows, return_index=True)
        if not len(minutes):
            continue
        last = np.append(first[1:], len(rows)) - 1
        prices["open"][minutes] = px[first]
        prices["close"][minutes] = px[last]
        prices["high"][minutes] = np.maximum.reduceat(px, first)
        prices["low"][minutes] = np.minimum.reduceat(px, first)
        prices["vwap"][minutes] = np.add.reduceat(px * sz, first) / np.add.reduceat(sz, first)
        trades[minutes] = np.diff(np.append(first, len(rows)))
    columns: dict[str, Any] = {"ts_ns": bars.ts, "symbol": pa.array([symbol] * count)}
    for name in ("open", "high", "low", "close"):
        columns[name] = pa.array(prices[name], from_pandas=True)
    columns["volume"] = bars.volume
    columns["vwap"] = pa.array(prices["vwap"], from_pandas=True)
    columns["n_trades"] = trades
    columns["src"] = pa.array([source] * count)
    return pa.table(columns)


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd")
