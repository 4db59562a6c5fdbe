"""Trading sessions: an exchange's calendar with holidays and half days, and one that never closes.

Sessions are those of ``exchange_calendars``, loaded at the first question and kept for the process.
Its default range moves with today's date; ours is pinned, so that the same question has the same
answer on any day.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache

from ...domain.errors import InvalidInput
from ...domain.ports import DAY_NS, NANOS, Session
from .calendar_table import CALENDAR_END, CALENDAR_START, Table, load


class ExchangeCalendar:
    """Regular sessions of one exchange, ``XNYS`` unless told otherwise.

    Sessions are named by their ISO date at the exchange (``2013-10-07``). Half days close early;
    holidays have no session. Covers ``CALENDAR_START`` to ``CALENDAR_END``; later years hold the
    holidays that are known by rule today.
    """

    def __init__(self, name: str = "XNYS") -> None:
        """Name the exchange by its ISO 10383 code; nothing is loaded yet."""
        self.name = name
        self._last: Session | None = None

    def session_at(self, now: int) -> Session | None:
        """The session that ``now`` (ns UTC) lies in, or None when the market is closed.

        Raises:
            InvalidInput: ``now`` is outside the calendar's range, or the exchange is unknown.
        """
        last = self._last
        if last is not None and last.contains(now):
            return last
        table = self._table(now)
        row = bisect_right(table.opens, now) - 1
        if row < 0 or not table.sessions[row].contains(now):
            return None
        self._last = table.sessions[row]
        return self._last

    def next_session(self, now: int) -> Session:
        """The first session that opens at or after ``now`` (ns UTC).

        Raises:
            InvalidInput: there is none within the calendar's range, or the exchange is unknown.
        """
        table = self._table(now)
        row = bisect_left(table.opens, now)
        if row == len(table.sessions):
            raise _outside(now)
        return table.sessions[row]

    def session_on(self, day: str) -> Session | None:
        """The session of an ISO date (or ``YYYYMMDD``), None on holidays and weekends.

        Raises:
            InvalidInput: the date is malformed or outside the calendar's range.
        """
        start = _midnight_utc(day)
        table = self._table(start)
        name = date.fromisoformat(day).isoformat()
        # A session can open on the UTC day before or after its own date.
        row = bisect_left(table.opens, start - DAY_NS)
        found = (each for each in table.sessions[row : row + 4] if each.date == name)
        return next(found, None)

    def local_minutes(self, now: int) -> int:
        """Minutes since local midnight at the exchange, by its wall clock (0 to 1,439)."""
        local = datetime.fromtimestamp(now // NANOS, _table(self.name).zone)
        return local.hour * 60 + local.minute

    def _table(self, now: int) -> Table:
        table = _table(self.name)
        if not _midnight_utc(CALENDAR_START) <= now < _midnight_utc(CALENDAR_END) + DAY_NS:
            raise _outside(now)
        return table


class AlwaysOpenCalendar:
    """A market that never closes: one session per UTC day, local time is UTC."""

    name = "24/7"

    def session_at(self, now: int) -> Session:
        """The UTC day that ``now`` (ns UTC) lies in."""
        start = now // DAY_NS * DAY_NS
        day = datetime.fromtimestamp(start // NANOS, UTC).date()
        return Session(date=day.isoformat(), open=start, close=start + DAY_NS)

    def next_session(self, now: int) -> Session:
        """The first UTC day that begins at or after ``now`` (ns UTC)."""
        return self.session_at(-(-now // DAY_NS) * DAY_NS)

    def session_on(self, day: str) -> Session:
        """The session of an ISO date (or ``YYYYMMDD``).

        Raises:
            InvalidInput: the date is malformed.
        """
        return self.session_at(_midnight_utc(day))

    def local_minutes(self, now: int) -> int:
        """Minutes since UTC midnight (0 to 1,439)."""
        return now % DAY_NS // (60 * NANOS)


@cache
def _midnight_utc(day: str) -> int:
    try:
        parsed = date.fromisoformat(day)
    except ValueError as error:
        raise InvalidInput("date", day, "a date as YYYY-MM-DD") from error
    return (parsed - date(1970, 1, 1)) // timedelta(days=1) * DAY_NS


def _outside(now: int) -> InvalidInput:
    shown = datetime.fromtimestamp(now // NANOS, UTC).isoformat()
    return InvalidInput("time", shown, f"{CALENDAR_START} to {CALENDAR_END}")


@cache
def _table(name: str) -> Table:
    """Load a calendar once per process."""
    return load(name)
