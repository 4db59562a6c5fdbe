"""Bars of the days before the session: from a market folder, or made up to go with its volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..exchange.tape import MarketFolderError, SymbolDay
from ..market_data.day_model import stream
from ..market_data.generated import GeneratedMarket, earlier_volume
from ..market_data.history import BARS_FILE
from ..market_data.instruments import InstrumentSpec
from .tape import MinuteBars

MINUTES_A_DAY: Final = 390
SHARES_A_PRINT: Final = 150


def generated_history(market: GeneratedMarket) -> dict[str, MinuteBars]:
    """Minute bars of the sessions before a generated one; volumes are the generator's own."""
    return {
        spec.symbol: _walk(market, spec, market.days(spec.symbol)[0]) for spec in market.instruments
    }


def folder_history(folder: Path) -> dict[str, MinuteBars]:
    """The one-minute bars a market folder holds, by symbol; minutes without prices are left out.

    Raises:
        MarketFolderError: the file is there and not readable.
    """
    path = next((p / BARS_FILE for p in (folder, folder.parent) if (p / BARS_FILE).is_file()), None)
    if path is None:
        return {}
    try:
        table = pq.read_table(path)
        symbols = np.array(table.column("symbol").to_pylist(), dtype=object)
        names = ("ts_ns", "open", "high", "low", "close", "volume")
        columns = {name: table.column(name).to_numpy() for name in names}
    except (pa.ArrowException, OSError, KeyError) as error:
        raise MarketFolderError(f"{path}: cannot be read: {error}") from error
    priced = np.isfinite(columns["open"].astype(np.float64))
    found = {}
    for symbol in sorted(set(symbols.tolist())):
        rows = np.flatnonzero((symbols == symbol) & priced)
        rows = rows[np.argsort(columns["ts_ns"][rows], kind="stable")]
        floats = {name: columns[name][rows].astype(np.float64) for name in names[1:]}
        volume = floats["volume"]
        found[str(symbol)] = MinuteBars(
            ts=columns["ts_ns"][rows].astype(np.int64),
            open=floats["open"],
            high=floats["high"],
            low=floats["low"],
            close=floats["close"],
            volume=volume,
            count=np.maximum(1, volume / SHARES_A_PRINT).astype(np.int64),
            value=volume * (floats["high"] + floats["low"] + floats["close"]) / 3,
        )
    return found


def _walk(market: GeneratedMarket, spec: InstrumentSpec, day: SymbolDay) -> MinuteBars:
    """A random walk that ends where the generated day begins."""
    parts = [earlier_volume(spec, each, market.seed) for each in market.earlier_sessions()]
    ts = np.concatenate([part.ts for part in parts])
    volume = np.concatenate([part.volume for part in parts])
    rng = stream(market.seed, spec.symbol, "paper history")
    deviation = spec.daily_volatility / MINUTES_A_DAY**0.5
    steps = rng.standard_normal(len(ts)) * deviation
    end = float(day.bid_px[0, 0] + day.ask_px[0, 0]) / 2
    close = end * np.exp(np.cumsum(steps) - steps.sum())
    tick = float(spec.tick)
    close = np.maximum(tick, np.round(close / tick) * tick)
    opening = np.concatenate((close[:1], close[:-1]))
    reach = np.abs(rng.standard_normal((2, len(ts)))) * deviation * close / 2
    high = np.round((np.maximum(opening, close) + reach[0]) / tick) * tick
    low = np.maximum(tick, np.round((np.minimum(opening, close) - reach[1]) / tick) * tick)
    kept = np.flatnonzero(volume > 0)
    return MinuteBars(
        ts=ts[kept],
        open=np.round(opening, 8)[kept],
        high=np.round(high, 8)[kept],
        low=np.round(low, 8)[kept],
        close=np.round(close, 8)[kept],
        volume=volume[kept],
        count=np.maximum(1, volume[kept] / SHARES_A_PRINT).astype(np.int64),
        value=((opening + close) / 2 * volume)[kept],
    )
