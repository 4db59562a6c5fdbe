"""All sessions of an exchange: from exchange_calendars, or from what we keep of it.

The library brings pandas: 100 MB and half a second. What it says of New York fits into a small
file of exceptions from the regular week, which ``python -m tools.generate_sessions`` writes. The
file is believed only while the installed library is the version that it was written from.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from ...domain.errors import InvalidInput
from ...domain.ports import NANOS, Session

CALENDAR_START: Final = "2000-01-01"
CALENDAR_END: Final = "2035-12-31"
LIBRARY: Final = "exchange_calendars"
SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Table:
    """All sessions of an exchange in order of time."""

    zone: ZoneInfo
    opens: tuple[int, ...]
    sessions: tuple[Session, ...]


def kept_path(name: str) -> Path:
    """Where the kept exceptions of an exchange are, if there are any."""
    return Path(__file__).with_name(f"calendar_{name.lower()}.json")


def load(name: str) -> Table:
    """The sessions of an exchange by its ISO 10383 code.

    Raises:
        InvalidInput: the exchange is unknown.
    """
    # The name goes into a path, and a strange one is for the library to refuse.
    path = kept_path(name) if name.isalnum() else None
    if path is not None and path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["library"] == version(LIBRARY):
            return from_exceptions(kept)
    return from_library(name)


def from_library(name: str) -> Table:
    """Ask exchange_calendars.

    Raises:
        InvalidInput: the exchange is unknown.
    """
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    try:
        with warnings.catch_warnings():
            # The library meets deprecations of newer pandas that are not ours to act on.
            warnings.simplefilter("ignore")
            calendar = exchange_calendars.get_calendar(name, start=CALENDAR_START, end=CALENDAR_END)
    except InvalidCalendarName as error:
        raise InvalidInput("calendar", name, "an ISO 10383 exchange code such as XNYS") from error
    opens = tuple(int(each) for each in calendar.opens_nanos)
    closes = tuple(int(each) for each in calendar.closes_nanos)
    half_days = {day.date().isoformat() for day in calendar.early_closes}
    days = [day.date().isoformat() for day in calendar.sessions]
    sessions = tuple(
        Session(date=day, open=start, close=end, is_half_day=day in half_days)
        for day, start, end in zip(days, opens, closes, strict=True)
    )
    return Table(zone=ZoneInfo(str(calendar.tz)), opens=opens, sessions=sessions)


def from_exceptions(kept: Mapping[str, Any]) -> Table:
    """Spell out the sessions from the regular week and its exceptions."""
    zone = ZoneInfo(kept["zone"])
    closed, half_days = frozenset(kept["closed"]), kept["half_days"]
    opens, closes = time.fromisoformat(kept["open"]), time.fromisoformat(kept["close"])
    sessions = []
    for day in _weekdays():
        name = day.isoformat()
        if name in closed:
            continue
        early = half_days.get(name)
        ends = time.fromisoformat(early) if early else closes
        sessions.append(
            Session(name, _ns(day, opens, zone), _ns(day, ends, zone), early is not None)
        )
    return Table(zone, tuple(session.open for session in sessions), tuple(sessions))


def exceptions_of(table: Table) -> dict[str, Any]:
    """What to keep of a table: the inverse of :func:`from_exceptions`.

    Raises:
        ValueError: the exchange's sessions are not a regular week with exceptions.
    """
    known = {session.date: session for session in table.sessions}
    last = next(s for s in reversed(table.sessions) if not s.is_half_day)
    kept: dict[str, Any] = {
        "library": version(LIBRARY),
        "zone": table.zone.key,
        "open": _local(last.open, table.zone),
        "close": _local(last.close, table.zone),
        "closed": [day.isoformat() for day in _weekdays() if day.isoformat() not in known],
        "half_days": {s.date: _local(s.close, table.zone) for s in table.sessions if s.is_half_day},
    }
    if from_exceptions(kept) != table:
        raise ValueError("the sessions are not a regular week with days off and half days")
    return kept


def _weekdays() -> Iterator[date]:
    day, last = date.fromisoformat(CALENDAR_START), date.fromisoformat(CALENDAR_END)
    while day <= last:
        if day.weekday() < SATURDAY:
            yield day
        day += timedelta(days=1)


def _ns(day: date, at: time, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, at, zone).timestamp()) * NANOS


def _local(at: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at // NANOS, zone).strftime("%H:%M")
