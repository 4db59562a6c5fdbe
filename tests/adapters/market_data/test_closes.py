"""Rule 201 by prices: of the day, of the day before, and adjusted for what a company did."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.market_data.alpaca_closes import watch_of
from fillwright.adapters.market_data.closes import price_test_since
from fillwright.adapters.market_data.history import BarHistory, Bars
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain.corporate import ActionKind, CorporateAction
from fillwright.domain.ports import NANOS

D = Decimal
MakeDay = Callable[..., SymbolDay]
CALENDAR = ExchangeCalendar()
QUOTES = [(0, 9.99, 10.01, 100, 100)]
TODAY, BEFORE, EARLIER = "2024-01-04", "2024-01-03", "2024-01-02"


def session(date: str) -> Any:
    return CALENDAR.session_on(date)


def history(closes: dict[str, tuple[float, float]], *actions: CorporateAction) -> BarHistory:
    """One bar a session: low and close by date."""
    dates = sorted(closes)
    bars = Bars(
        np.array([session(date).open for date in dates], dtype=np.int64),
        np.full(len(dates), 100.0),
        np.array([closes[date][0] for date in dates]),
        np.array([closes[date][1] for date in dates]),
    )
    return BarHistory({"ABC": bars}, CALENDAR, actions)


def since(day: SymbolDay, earlier: BarHistory) -> int | None:
    return price_test_since("ABC", session(TODAY), {TODAY: day}, earlier, CALENDAR)


@pytest.fixture
def day(make_day: MakeDay) -> SymbolDay:
    """A session that opens at 10.00 and prints 9.00 and 8.99 in it."""
    prints = [(1, 10.0, 5, True), (60, 9.0, 5, True), (90, 8.99, 5, True)]
    made: SymbolDay = make_day(QUOTES, prints, date="20240104", start=session(TODAY).open)
    return made


def test_a_fall_of_a_tenth_below_the_last_close_starts_it_with_the_print(day: SymbolDay) -> None:
    opened = session(TODAY).open
    at_it = history({EARLIER: (10.0, 10.0), BEFORE: (10.0, 10.0)})
    assert since(day, at_it) == opened + 60 * NANOS
    below = history({EARLIER: (9.99, 9.99), BEFORE: (9.98, 9.98)})
    assert since(day, below) is None, "8.99 is not a tenth below 9.98"


def test_it_lasts_through_the_session_after(day: SymbolDay) -> None:
    fell = history({EARLIER: (10.0, 10.0), BEFORE: (9.0, 9.9)})
    assert since(day, fell) == session(TODAY).open
    held = history({EARLIER: (10.0, 10.0), BEFORE: (9.01, 9.9)})
    assert since(day, held) is None


def test_without_the_close_before_nothing_is_known(day: SymbolDay) -> None:
    assert since(day, BarHistory({}, CALENDAR)) is None
    assert since(day, history({EARLIER: (20.0, 20.0)})) is None, "an older close is not the last"


def test_a_split_overnight_is_no_fall(day: SymbolDay) -> None:
    twice = {EARLIER: (19.0, 19.9), BEFORE: (19.0, 19.9)}
    split = CorporateAction(
        action_id="s",
        kind=ActionKind.SPLIT,
        symbol="ABC",
        ex_date=TODAY,
        new_rate=D(2),
        old_rate=D(1),
    )
    assert since(day, history(twice)) == session(TODAY).open + NANOS
    assert since(day, history(twice, split)) is None


def test_a_special_dividend_comes_off_the_close(day: SymbolDay) -> None:
    dear = {EARLIER: (10.6, 10.6), BEFORE: (10.6, 10.6)}
    paid = CorporateAction(
        action_id="d",
        kind=ActionKind.CASH_DIVIDEND,
        symbol="ABC",
        ex_date=TODAY,
        cash_per_share=D("0.7"),
    )
    assert since(day, history(dear)) is not None
    assert since(day, history(dear, paid)) is None


def bar(date: str, low: float, close: float) -> dict[str, object]:
    return {"t": f"{date}T05:00:00Z", "l": low, "c": close}


@pytest.mark.parametrize(
    ("before", "today", "consolidated", "told"),
    [
        (9.5, 9.4, True, False),
        (9.0, 9.4, True, True),
        (9.5, 9.0, True, True),
        (9.5, 9.4, False, None),
        (9.0, 9.4, False, True),
    ],
)
def test_daily_bars_tell_before_the_first_print(
    before: float, today: float, consolidated: bool, told: bool | None
) -> None:
    bars = [bar(EARLIER, 10.0, 10.0), bar(BEFORE, before, 10.0), bar(TODAY, today, today)]
    watch = watch_of(bars, session(TODAY), CALENDAR, is_consolidated=consolidated)
    assert watch.in_force is told
    assert watch.since == session(BEFORE).open


def test_without_daily_bars_it_stays_unknown_and_prints_put_it_in_force() -> None:
    opened = session(TODAY).open
    nothing = watch_of([], session(TODAY), CALENDAR, is_consolidated=True)
    assert nothing.in_force is None
    bars = [bar(EARLIER, 10.0, 10.0), bar(BEFORE, 10.0, 10.0)]
    watch = watch_of(bars, session(TODAY), CALENDAR, is_consolidated=True)
    assert watch.in_force is False
    assert not watch.take(opened - 1, D("8")), "before the open"
    assert watch.take(opened, D("9.01"))
    assert not watch.take(opened, D("9.02"))
    assert watch.in_force is False
    assert watch.take(opened + 1, D("9.00"))
    assert watch.in_force is True
