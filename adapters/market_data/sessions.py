"""Calendars that can also be asked for the session of a date."""

from __future__ import annotations

from typing import Protocol

from ...domain.ports import Calendar, Session


class SessionCalendar(Calendar, Protocol):
    """The calendar port plus :meth:`session_on`; both calendars of ``adapters`` are one."""

    def session_on(self, day: str) -> Session | None:
        """The session of an ISO date, None when there is none."""
        ...
