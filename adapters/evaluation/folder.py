"""Which symbol-days of a market folder can be evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from ...domain.errors import InvalidInput
from ...domain.ports import NANOS, Session
from ..exchange.tape import (
    INSTRUMENTS_FILE,
    MarketFolderError,
    SymbolDay,
    entries_of,
    load_symbol_day,
)
from ..market_data.sessions import SessionCalendar
from ..timekeeping.calendar import AlwaysOpenCalendar
from .findings import Skipped
from .grid import Stretch, round_the_clock, shown, within

CROSSED_MAX: Final = 0.01
"""More crossed states than this, as a share of a session's quotes, and a day is not believed."""
QUOTES_MIN: Final = 100
OUTSIDE_MIN: Final = 0.5
"""With more than this share of its regular prints outside the session, it is not the exchange's."""


def listed(folder: Path, symbols: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(symbol, date) of every symbol-day that a folder lists, sorted.

    A folder of Parquet files with ``instruments.json`` one level up (``core/``) lists its own:
    those of its name, or, when the list names other folders only, those that it has files of.

    Raises:
        MarketFolderError: there is no readable list.
        InvalidInput: a symbol that was asked for is not listed.
    """
    folder = folder.resolve()
    own = (folder / INSTRUMENTS_FILE).is_file()
    entries = entries_of(folder)
    named = [(str(each["symbol"]), str(each["date"]), each.get("dir")) for each in entries]
    if not own:
        mine = [each for each in named if each[2] in (None, folder.name)]
        files = _files_of(folder)
        named = mine or [each for each in named if each[:2] in files]
    days = sorted({(symbol, date) for symbol, date, _ in named})
    missing = sorted(set(symbols) - {symbol for symbol, _ in days})
    if missing:
        have = ", ".join(sorted({symbol for symbol, _ in days})) or "none"
        raise InvalidInput("symbols", ", ".join(missing), f"symbols of the folder: {have}")
    return [day for day in days if not symbols or day[0] in symbols]


def unlisted(folder: Path, days: Sequence[tuple[str, str]]) -> list[Skipped]:
    """Symbol-days that the folder has files of and ``instruments.json`` does not list."""
    why = f"{INSTRUMENTS_FILE} does not list it"
    return [Skipped(*day, why) for day in sorted(_files_of(folder) - set(days))]


def _files_of(folder: Path) -> set[tuple[str, str]]:
    """(symbol, date) of the files of quotes and prints that lie in the folder itself."""
    found = set()
    for path in folder.glob("*_*_*.parquet"):
        kind, _, rest = path.stem.partition("_")
        symbol, _, date = rest.rpartition("_")
        if kind in ("quotes", "trades") and symbol and date.isdecimal():
            found.add((symbol, date))
    return found


@dataclass(frozen=True, slots=True)
class Ready:
    """A symbol-day that can be evaluated, with its calendar, session and where parents lie."""

    day: SymbolDay
    calendar: SessionCalendar
    session: Session
    stretch: Stretch
    left_out: tuple[Skipped, ...] = ()


def read_day(
    folder: Path, symbol: str, date: str, calendar: SessionCalendar, *, named: bool
) -> Ready | Skipped:
    """A symbol-day that can be evaluated, or why it cannot.

    What mostly prints outside the session of ``calendar`` trades round the clock: its session is
    the UTC day, and its parents lie where there is data. ``named`` says that the symbol was asked
    for by name: quotes of one-second resolution, which are too coarse to tell a good execution from
    a lucky one, are then let through.
    """
    try:
        day = load_symbol_day(folder, symbol, date)
        session = calendar.session_on(date)
    except (MarketFolderError, InvalidInput) as error:
        return Skipped(symbol, date, str(error))
    if trades_round_the_clock(day, session):
        calendar = AlwaysOpenCalendar()
        session = calendar.session_on(date)
        ready = Ready(day, calendar, session, round_the_clock(day, session))
    elif session is None:
        return Skipped(symbol, date, "the exchange has no session on this date")
    else:
        ready = Ready(day, calendar, session, within(session))
    why = _unfit(day, ready.session, named=named)
    if why is not None:
        return Skipped(symbol, date, why)
    return replace(ready, left_out=tuple(_passed_over(day, ready.session)))


def trades_round_the_clock(day: SymbolDay, session: Session | None) -> bool:
    """Whether most regular prints lie outside the session, where a listed share has none."""
    times = day.t_ts[day.regular]
    if session is None or not len(times):
        return bool(len(times))
    return bool(np.mean((times < session.open) | (times >= session.close)) > OUTSIDE_MIN)


def _crossed(day: SymbolDay, session: Session) -> int:
    """How many book states of the session have a bid above the ask."""
    inside = (day.q_ts >= session.open) & (day.q_ts < session.close)
    bid, ask = day.bid_px[inside, 0], day.ask_px[inside, 0]
    return int(np.sum((bid > 0) & (ask > 0) & (bid > ask)))


def _off_tick(day: SymbolDay, session: Session) -> int:
    """How many book states of the session quote a touch between two ticks.

    Prints are left alone: midpoint and price-improved ones lie there rightly.
    """
    inside = (day.q_ts >= session.open) & (day.q_ts < session.close)
    ticks = np.column_stack([day.bid_px[inside, 0], day.ask_px[inside, 0]]) / float(day.tick)
    # A price as float64 is off by 1e-16 of itself; a thousandth of a tick is far more than that.
    return int(np.any(np.abs(ticks - np.round(ticks)) > 1e-3, axis=1).sum())


def _passed_over(day: SymbolDay, session: Session) -> Iterator[Skipped]:
    """Rows of a day that is evaluated which are not believed, or look wrong."""
    crossed = _crossed(day, session)
    if crossed:
        why = "crossed book states, in which no parent arrives"
        yield Skipped(day.symbol, day.date, why, rows=crossed)
    off = _off_tick(day, session)
    if off:
        why = f"prices in the book that are no multiple of the tick of {day.tick}"
        yield Skipped(day.symbol, day.date, why, rows=off)
    empty = int(np.sum(~((day.t_px > 0) & (day.t_sz > 0))))
    if empty:
        why = "prints without a price and a size above 0"
        yield Skipped(day.symbol, day.date, why, rows=empty)


def _unfit(day: SymbolDay, session: Session, *, named: bool) -> str | None:
    """Why a day cannot be evaluated, None when it can."""
    inside = (day.q_ts >= session.open) & (day.q_ts < session.close)
    quotes = int(inside.sum())
    if quotes < QUOTES_MIN:
        lie = (
            f"; they lie from {shown(int(day.q_ts[0]))} to {shown(int(day.q_ts[-1]))}"
            if len(day.q_ts)
            else ""
        )
        return f"only {quotes} quotes in the session, of {len(day.q_ts)} in the file{lie}"
    prints = (day.t_ts >= session.open) & (day.t_ts < session.close) & day.regular
    if not prints.any():
        return "no regular prints in the session"
    crossed = _crossed(day, session) / quotes
    if crossed > CROSSED_MAX:
        return f"{crossed:.1%} of its book states are crossed, more than {CROSSED_MAX:.0%}"
    if not named and not np.any(day.q_ts[inside] % NANOS):
        return "its quotes have one-second stamps; name the symbol to evaluate it all the same"
    return None
