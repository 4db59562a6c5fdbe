"""Sessions of the exchange: daylight saving, half days, holidays, and both sides of each edge."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.timekeeping.calendar import AlwaysOpenCalendar, ExchangeCalendar
from fillwright.domain.errors import InvalidInput
from fillwright.domain.ports import NANOS

MINUTE = 60 * NANOS
NEW_YORK = ExchangeCalendar()


def at(text: str) -> int:
    """Nanoseconds UTC of an ISO time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NANOS


def test_a_session_holds_its_open_and_not_its_close() -> None:
    session = NEW_YORK.session_at(at("2013-10-07T15:00"))
    assert session is not None
    assert (session.date, session.is_half_day) == ("2013-10-07", False)
    assert (session.open, session.close) == (at("2013-10-07T13:30"), at("2013-10-07T20:00"))
    assert NEW_YORK.session_at(session.open - 1) is None
    assert NEW_YORK.session_at(session.open) == session
    assert NEW_YORK.session_at(session.close - 1) == session
    assert NEW_YORK.session_at(session.close) is None


def test_the_next_session_is_one_that_opens_at_or_after_now() -> None:
    friday_open = at("2013-10-04T13:30")
    assert NEW_YORK.next_session(friday_open).date == "2013-10-04"
    assert NEW_YORK.next_session(friday_open + 1).date == "2013-10-07"


@pytest.mark.parametrize(
    ("day", "open_utc", "close_utc"),
    [
        ("2024-03-08", "14:30", "21:00"),  # the Friday before clocks go forward
        ("2024-03-11", "13:30", "20:00"),  # the Monday after
        ("2024-11-01", "13:30", "20:00"),  # the Friday before clocks go back
        ("2024-11-04", "14:30", "21:00"),  # the Monday after
    ],
)
def test_daylight_saving_moves_the_session_in_utc_and_not_in_local_minutes(
    day: str, open_utc: str, close_utc: str
) -> None:
    session = NEW_YORK.session_on(day)
    assert session is not None
    assert (session.open, session.close) == (at(f"{day}T{open_utc}"), at(f"{day}T{close_utc}"))
    assert NEW_YORK.local_minutes(session.open) == 9 * 60 + 30
    assert NEW_YORK.local_minutes(session.close) == 16 * 60


def test_local_minutes_follow_the_wall_clock_across_the_change_of_time() -> None:
    assert NEW_YORK.local_minutes(at("2024-03-10T06:59:59")) == 1 * 60 + 59
    assert NEW_YORK.local_minutes(at("2024-03-10T07:00")) == 3 * 60
    assert NEW_YORK.local_minutes(at("2024-11-03T05:59")) == 1 * 60 + 59
    assert NEW_YORK.local_minutes(at("2024-11-03T06:00")) == 1 * 60


@pytest.mark.parametrize("day", ["2013-07-03", "2013-11-29", "2013-12-24", "2024-11-29"])
def test_half_days_close_at_one(day: str) -> None:
    session = NEW_YORK.session_on(day)
    assert session is not None
    assert session.is_half_day
    assert NEW_YORK.local_minutes(session.close) == 13 * 60
    assert NEW_YORK.session_at(session.close - 1) == session
    assert NEW_YORK.session_at(session.close) is None


@pytest.mark.parametrize(
    "day",
    [
        "2012-10-29",  # the hurricane closed the exchange
        "2013-12-25",
        "2024-03-29",  # Good Friday
        "2024-06-19",
        "2025-01-09",  # a day of mourning
        "2024-06-22",  # a Saturday
    ],
)
def test_holidays_and_weekends_have_no_session(day: str) -> None:
    assert NEW_YORK.session_on(day) is None
    noon = at(f"{day}T17:00")
    assert NEW_YORK.session_at(noon) is None
    assert NEW_YORK.next_session(noon).date > day


def test_both_ways_to_write_a_date_are_read() -> None:
    assert NEW_YORK.session_on("20131007") == NEW_YORK.session_on("2013-10-07")


def test_what_the_calendar_does_not_cover_is_an_error_and_not_closed() -> None:
    with pytest.raises(InvalidInput, match="2000-01-01 to 2035-12-31"):
        NEW_YORK.session_at(at("1999-12-31T15:00"))
    with pytest.raises(InvalidInput, match="2036-01-01"):
        NEW_YORK.session_at(at("2036-01-01T00:00"))
    with pytest.raises(InvalidInput, match="2035-12-31"):
        NEW_YORK.next_session(at("2035-12-31T23:59"))
    with pytest.raises(InvalidInput, match="date: 'soon'"):
        NEW_YORK.session_on("soon")


def test_an_unknown_exchange_is_named() -> None:
    with pytest.raises(InvalidInput, match="XNOWHERE"):
        ExchangeCalendar("XNOWHERE").session_at(at("2013-10-07T15:00"))


@given(st.integers(min_value=at("2000-01-04T00:00"), max_value=at("2035-12-01T00:00")))
def test_every_time_is_in_a_session_or_before_the_next(now: int) -> None:
    session = NEW_YORK.session_at(now)
    following = NEW_YORK.next_session(now)
    assert following.open >= now
    if session is None:
        assert ExchangeCalendar().session_at(following.open) == following
    else:
        assert session.contains(now)
        assert following == session if now == session.open else following.open >= session.close


def test_importing_the_calendar_does_not_load_pandas() -> None:
    code = "import sys, fillwright.adapters.timekeeping.calendar; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_market_that_never_closes_has_a_session_per_utc_day() -> None:
    calendar = AlwaysOpenCalendar()
    midnight = at("2024-08-08T00:00")
    session = calendar.session_at(midnight)
    assert (session.date, session.open, session.close) == (
        "2024-08-08",
        midnight,
        at("2024-08-09T00:00"),
    )
    assert calendar.session_at(midnight - 1).date == "2024-08-07"
    assert calendar.next_session(midnight) == session
    assert calendar.next_session(midnight + 1).date == "2024-08-09"
    assert calendar.session_on("20240808") == session
    assert calendar.local_minutes(midnight + 61 * MINUTE) == 61
