"""Closes and lows of earlier sessions, and from when on they put Rule 201 in force.

A whole symbol-day says what its session's prices were, else the one-minute bars do. Both are raw:
corporate actions since then are taken off before a price is compared with one of a later day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from ...domain.corporate import CorporateAction, close_after
from ...domain.ports import Session
from ...domain.short_sales import SessionPrices, triggers_price_test
from ..exchange.tape import SymbolDay
from .history import BarHistory
from .sessions import SessionCalendar

DAYS_BACK_MAX: Final = 15
"""A longer pause between two sessions is no weekend and no holiday."""
PRICE_DIGITS: Final = 8
NEAR: Final = 0.91
"""Prices above this part of a close are no fall of a tenth, whatever a float rounds."""


def session_before(calendar: SessionCalendar, session: Session) -> Session | None:
    """The session before, None where the calendar has none close enough."""
    day = date.fromisoformat(session.date)
    earlier = (
        calendar.session_on((day - timedelta(days=back)).isoformat())
        for back in range(1, DAYS_BACK_MAX)
    )
    return next((found for found in earlier if found is not None), None)


def close_before(
    symbol: str,
    session: Session,
    tapes: Mapping[str, SymbolDay],
    history: BarHistory,
    calendar: SessionCalendar,
) -> Decimal | None:
    """The close of the session before as a price of ``session``, None where it is not known."""
    before = session_before(calendar, session)
    if before is None:
        return None
    return _Prices(symbol, session.date, tapes, history).close(before, session)


def price_test_since(
    symbol: str,
    session: Session,
    tapes: Mapping[str, SymbolDay],
    history: BarHistory,
    calendar: SessionCalendar,
) -> int | None:
    """From when on (ns UTC) Rule 201 is in force in a session by prices; None: never in it.

    ``tapes`` are symbol-days by ISO date.
    """
    before = session_before(calendar, session)
    if before is None:
        return None
    earlier = session_before(calendar, before)
    prices = _Prices(symbol, session.date, tapes, history)
    if earlier is not None and prices.of(before, earlier).has_fallen:
        return session.open
    close = prices.close(before, session)
    tape = tapes.get(session.date)
    if close is None or tape is None:
        return None
    times, prints = _regular(tape, session)
    low = np.flatnonzero(prints <= float(close) * NEAR)  # the rest needs no exact comparison
    for at, price in zip(times[low].tolist(), prints[low].tolist(), strict=True):
        if triggers_price_test(_price(price), close):
            return int(at)
    return None


class _Prices:
    """What is known of the sessions of one symbol, named as it is on ``asked``."""

    def __init__(
        self, symbol: str, asked: str, tapes: Mapping[str, SymbolDay], history: BarHistory
    ) -> None:
        self._symbol, self._asked = symbol, asked
        self._tapes, self._history = tapes, history

    def of(self, session: Session, before: Session) -> SessionPrices:
        """A session and the close of the one before it."""
        found = self._low_and_close(session)
        return SessionPrices(self.close(before, session), None if found is None else found[0])

    def close(self, of: Session, asked: Session) -> Decimal | None:
        """The close of one session as a price of another, None where it is not known."""
        found = self._low_and_close(of)
        if found is None:
            return None
        actions = self._history.actions
        return close_after(found[1], self._name(of.date), actions, of.date, asked.date)

    def _low_and_close(self, session: Session) -> tuple[Decimal, Decimal] | None:
        tape = self._tapes.get(session.date)
        if tape is not None:
            _, prints = _regular(tape, session)
            if not len(prints):
                return None
            return _price(float(prints.min())), tape.official_close or _price(float(prints[-1]))
        found = self._history.prices_in(self._name(session.date), session)
        return None if found is None else (_price(found[0]), _price(found[1]))

    def _name(self, on: str) -> str:
        """What the symbol was called on a date."""
        name = self._symbol
        renamed: list[CorporateAction] = [a for a in self._history.actions if a.new_symbol]
        for action in sorted(renamed, key=lambda one: one.ex_date, reverse=True):
            if on < action.ex_date <= self._asked and action.new_symbol == name:
                name = action.symbol
        return name


def _regular(
    tape: SymbolDay, session: Session
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.float64]]
]:
    """Times and prices of the regular prints of a session."""
    inside = tape.regular & (tape.t_ts >= session.open) & (tape.t_ts < session.close)
    return tape.t_ts[inside], tape.t_px[inside]


def _price(value: float) -> Decimal:
    return Decimal(repr(round(value, PRICE_DIGITS)))
