"""Rule 201 by the prices that Alpaca gives: daily bars of the sessions before, then the prints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from ...domain.ports import NANOS, Session
from ...domain.short_sales import SessionPrices, price_test_by_prices
from ..alpaca_api.reading import Json, nanos, number_of
from .closes import session_before
from .sessions import SessionCalendar

NOON_NS: Final = 43_200 * NANOS


class PriceTestWatch:
    """The prices of one symbol that decide on Rule 201, today's low as it comes.

    ``since`` is when the session before opened (ns UTC). Not every print is on a feed of one
    venue, so that only a consolidated one can say that nothing has fallen.
    """

    def __init__(
        self,
        today: SessionPrices,
        before: SessionPrices,
        session: Session,
        since: int,
        *,
        is_consolidated: bool,
    ) -> None:
        self._today, self._before = today, before
        self._session, self.since = session, since
        self._is_consolidated = is_consolidated

    @property
    def in_force(self) -> bool | None:
        """Whether the rule is in force, None where prices do not tell."""
        told = price_test_by_prices(self._today, self._before)
        return told if told or self._is_consolidated else None

    def take(self, at: int, price: Decimal | None) -> bool:
        """Take in a regular print; whether it is a new low of the session."""
        low = self._today.low
        if price is None or not self._session.contains(at) or (low is not None and price >= low):
            return False
        self._today = self._today._replace(low=price)
        return True


def watch_of(
    bars: Iterable[Json], session: Session, calendar: SessionCalendar, *, is_consolidated: bool
) -> PriceTestWatch:
    """What daily bars, adjusted for splits, say before the first print that is heard."""
    by_date = {}
    for bar in bars:
        at = nanos(bar.get("t"))
        if at is not None:
            # A bar is labelled with midnight at the exchange; by noon the date is the same in UTC.
            day = datetime.fromtimestamp((at + NOON_NS) // NANOS, UTC).date().isoformat()
            by_date[day] = (number_of(bar, "l"), number_of(bar, "c"))
    before = session_before(calendar, session)
    earlier = None if before is None else session_before(calendar, before)
    days = [None if each is None else by_date.get(each.date) for each in (session, before, earlier)]
    lows = [None if day is None else day[0] for day in days]
    closes = [None if day is None else day[1] for day in days]
    return PriceTestWatch(
        SessionPrices(closes[1], lows[0]),
        SessionPrices(closes[2], lows[1]),
        session,
        0 if before is None else before.open,
        is_consolidated=is_consolidated,
    )
