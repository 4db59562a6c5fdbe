"""A session that is only assumed keeps its date while it lasts."""

from __future__ import annotations

from datetime import UTC, datetime

from fillwright.adapters.provider_sessions import AssumedSessionCalendar
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain.ports import NANOS

HOUR_NS = 3_600 * NANOS


def test_an_assumed_session_is_not_cut_in_two_at_midnight() -> None:
    late = int(datetime(2026, 11, 29, 3, 0, tzinfo=UTC).timestamp()) * NANOS  # 22:00, a Saturday
    sessions = AssumedSessionCalendar(ExchangeCalendar())
    dates = [sessions.session_at(late + hours * HOUR_NS).date for hours in (0, 1, 3, 11)]
    assert dates == ["2026-11-28"] * 4
    assert sessions.session_at(late + 13 * HOUR_NS).date == "2026-11-29"
    anew = AssumedSessionCalendar(ExchangeCalendar())
    assert anew.session_at(late + 3 * HOUR_NS).date == "2026-11-29"
