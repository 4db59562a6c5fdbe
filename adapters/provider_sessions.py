"""Trading sessions where a seed-style provider is all there is to ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from ..domain.market import MarketState
from ..domain.ports import DAY_NS, NANOS, Calendar, Session
from .market_data.provider import ProviderMarketData
from .provider_reading import ask, nanos_of, truth_of

ASSUMED: Final = "session assumed open"
"""Stands in ``MarketState.source`` while a session is assumed."""
CLOSE_MARGIN_NS: Final = 3_600 * NANOS
CLOCK_INTERVAL_NS: Final = 30 * NANOS
"""How old the provider's clock may be before it is asked again."""
_ZONE: Final = "America/New_York"


class AssumedSessionCalendar:
    """Sessions for trading on paper with a provider that does not say when its market is open.

    Well inside a real session of the exchange it is that one. Else, and wherever the real one would
    make a decision wait or cut its window short (its first minutes, its last hour), it is one of 24
    hours around the moment: a calendar alone is no reason to hold back play money. Once begun it
    keeps its date over midnight for the half of them, so that what it works is not cut in two.
    Never for live.
    """

    def __init__(self, exchange: Calendar, *, opening_seconds: int = 300) -> None:
        """Assume over ``exchange``; its first ``opening_seconds`` are not taken for a session."""
        self._exchange = exchange
        self._opening_ns = opening_seconds * NANOS
        self._begun: Session | None = None

    def is_assumed(self, now: int) -> bool:
        """Whether the session at ``now`` (ns UTC) is assumed."""
        real = self._exchange.session_at(now)
        if real is None:
            return True
        return not real.open + self._opening_ns <= now < real.close - CLOSE_MARGIN_NS

    def session_at(self, now: int) -> Session:
        """The real session, or the assumed one around ``now``; there always is one."""
        real = self._exchange.session_at(now)
        if real is not None and not self.is_assumed(now):
            return real
        date = real.date if real is not None else self._date_of_begun(now)
        return Session(date=date, open=now - DAY_NS // 2, close=now + DAY_NS // 2)

    def _date_of_begun(self, now: int) -> str:
        begun = self._begun
        if begun is None or not begun.open <= now < begun.close:
            begun = self._begun = Session(_local_date(now), now, now + DAY_NS // 2)
        return begun.date

    def next_session(self, now: int) -> Session:
        """The exchange's next real session."""
        return self._exchange.next_session(now)

    def local_minutes(self, now: int) -> int:
        """Minutes since local midnight at the exchange."""
        return self._exchange.local_minutes(now)


@dataclass(frozen=True, slots=True)
class BrokerClock:
    """What ``get_clock`` said, and when it was asked; times are ns UTC, None where it is silent."""

    is_open: bool
    next_open: int | None
    next_close: int | None
    asked_at: int

    def says_open(self, now: int) -> bool:
        """Whether the market is open at ``now``, as far as this answer reaches."""
        if self.is_open:
            return self.next_close is None or now < self.next_close
        return self.next_open is not None and now >= self.next_open


class ProviderCalendar:
    """Sessions as a provider's own clock says, cut at the earlier close of it and the calendar.

    Until a clock has answered it is the ``assumed`` calendar where one is given (trading on paper),
    else the exchange's. A provider whose clock fails is a real one: then nothing is assumed.
    """

    def __init__(
        self, provider: object, exchange: Calendar, assumed: AssumedSessionCalendar | None
    ) -> None:
        """Join the parts; nothing is asked yet."""
        self._provider = provider
        self._exchange = exchange
        self._assumed = assumed
        self._clock: BrokerClock | None = None
        self._asked_at: int | None = None

    async def refresh(self, now: int, timeout_seconds: float) -> None:
        """Ask the provider's clock, at most twice a minute."""
        if self._asked_at is not None and 0 <= now - self._asked_at < CLOCK_INTERVAL_NS:
            return
        self._asked_at = now
        answer = await ask(self._provider, "get_clock", timeout_seconds=timeout_seconds)
        if answer.failure is not None:
            self._assumed = None
            return
        is_open = truth_of(answer.value, "is_open")
        if is_open is not None:
            next_open = nanos_of(answer.value, "next_open")
            next_close = nanos_of(answer.value, "next_close")
            self._clock = BrokerClock(is_open, next_open, next_close, now)

    def is_assumed(self, now: int) -> bool:
        """Whether the session at ``now`` (ns UTC) is assumed."""
        return self._clock is None and self._assumed is not None and self._assumed.is_assumed(now)

    def session_at(self, now: int) -> Session | None:
        """The session that ``now`` lies in, or None when the market is closed."""
        clock = self._clock
        if clock is None:
            return (self._assumed or self._exchange).session_at(now)
        if not clock.says_open(now):
            return None
        real = self._exchange.session_at(now)
        if real is None:  # a market that the calendar does not know, such as an extra session
            end = clock.next_close or now + DAY_NS // 2
            real = Session(date=_local_date(now), open=now - DAY_NS // 2, close=end)
        if clock.is_open and clock.next_close is not None and clock.next_close < real.close:
            return replace(real, close=clock.next_close)
        return real

    def next_session(self, now: int) -> Session:
        """The exchange's next session by the calendar."""
        return self._exchange.next_session(now)

    def local_minutes(self, now: int) -> int:
        """Minutes since local midnight at the exchange."""
        return self._exchange.local_minutes(now)


class AssumingMarketData(ProviderMarketData):
    """A provider's market data whose states say when their session is assumed."""

    calendar: ProviderCalendar

    def state(self, symbol: str, now: int) -> MarketState:
        """What is known of ``symbol`` at ``now``; unknown parts are None, never an exception."""
        found = super().state(symbol, now)
        if not self.calendar.is_assumed(now):
            return found
        return found.model_copy(update={"source": f"{ASSUMED}; {found.source}"[:200]})


def _local_date(now: int) -> str:
    return datetime.fromtimestamp(now // NANOS, UTC).astimezone(ZoneInfo(_ZONE)).date().isoformat()
