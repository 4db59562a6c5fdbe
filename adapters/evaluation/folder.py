"""Which symbol-days of a market folder can be evaluated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from ...domain.errors import InvalidInput
from ...domain.ports import NANOS, Session
from ..exchange.tape import INSTRUMENTS_FILE, MarketFolderError, SymbolDay, load_symbol_day
from ..market_data.sessions import SessionCalendar
from .findings import Skipped

CROSSED_MAX: Final = 0.01
"""More crossed states than this, as a share of a session's quotes, and a day is not believed."""
QUOTES_MIN: Final = 100


def listed(folder: Path, symbols: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(symbol, date) of every symbol-day that a folder lists, sorted.

    A folder of Parquet files with ``instruments.json`` one level up (``core/``) lists its own.

    Raises:
        MarketFolderError: there is no readable list.
        InvalidInput: a symbol that was asked for is not listed.
    """
    own = (folder / INSTRUMENTS_FILE).is_file()
    path = folder / INSTRUMENTS_FILE if own else folder.parent / INSTRUMENTS_FILE
    if not path.is_file():
        raise MarketFolderError(f"{folder}: no {INSTRUMENTS_FILE} here; is it a market folder?")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        days = sorted(
            {
                (str(entry["symbol"]), str(entry["date"]))
                for entry in entries
                if own or entry.get("dir", folder.name) == folder.name
            }
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MarketFolderError(f"{path}: cannot be read: {error!r}") from error
    missing = sorted(set(symbols) - {symbol for symbol, _ in days})
    if missing:
        have = ", ".join(sorted({symbol for symbol, _ in days})) or "none"
        raise InvalidInput("symbols", ", ".join(missing), f"symbols of the folder: {have}")
    return [day for day in days if not symbols or day[0] in symbols]


def read_day(
    folder: Path, symbol: str, date: str, calendar: SessionCalendar, *, named: bool
) -> tuple[SymbolDay, Session] | Skipped:
    """A symbol-day that can be evaluated, or why it cannot.

    ``named`` says that the symbol was asked for by name: quotes of one-second resolution, which
    are too coarse to tell a good execution from a lucky one, are then let through.
    """
    try:
        day = load_symbol_day(folder, symbol, date)
        session = calendar.session_on(date)
    except (MarketFolderError, InvalidInput) as error:
        return Skipped(symbol, date, str(error))
    if session is None:
        return Skipped(symbol, date, "the exchange has no session on this date")
    why = _unfit(day, session, named=named)
    return (day, session) if why is None else Skipped(symbol, date, why)


def _unfit(day: SymbolDay, session: Session, *, named: bool) -> str | None:
    """Why a day cannot be evaluated, None when it can."""
    inside = (day.q_ts >= session.open) & (day.q_ts < session.close)
    quotes = int(inside.sum())
    if quotes < QUOTES_MIN:
        return f"only {quotes} quotes in the session"
    prints = (day.t_ts >= session.open) & (day.t_ts < session.close) & day.regular
    if not prints.any():
        return "no regular prints in the session"
    bid, ask = day.bid_px[inside, 0], day.ask_px[inside, 0]
    crossed = float(np.mean((bid > 0) & (ask > 0) & (bid > ask)))
    if crossed > CROSSED_MAX:
        return f"{crossed:.1%} of its book states are crossed, more than {CROSSED_MAX:.0%}"
    if not named and not np.any(day.q_ts[inside] % NANOS):
        return "its quotes have one-second stamps; name the symbol to evaluate it all the same"
    return None
