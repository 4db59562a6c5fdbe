"""A seeded market: days that look like US equities, the same for the same seed.

The model, per symbol-day. *Activity* per minute is U-shaped with persistent noise. An *efficient
price* is a random walk whose variance follows activity and a mean-reverting log-volatility, with
drifts that change a few times a day. The *touch* follows it with a mean-reverting spread of one to
several ticks and only moves when the efficient price has left it, so that book imbalance and order
flow tell a little of where the price goes, as they do in real books. *Prints* happen at the touch,
at the midpoint (dark) or inside a wide spread; auctions open and close the day. Nothing crosses or
locks. Same numpy, same machine, same seed: identical arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np

from ...domain.errors import InvalidInput
from ...domain.ports import DAY_NS, MINUTE_NS, Session
from ..exchange.tape import Int64Array, SymbolDay
from ..timekeeping.calendar import ExchangeCalendar
from .day_model import (
    CONTINUOUS_SHARE,
    FULL_SESSION_MINUTES,
    LOT,
    activity_by_minute,
    day_volume,
    price_path,
    stream,
    tape_of,
    times,
    touch_lots,
)
from .feeds import CONSOLIDATED
from .folders import write_market_folder
from .history import BarHistory, Bars, session_minutes
from .identities import Identity
from .instruments import DEFAULT_INSTRUMENTS, InstrumentSpec
from .recorded import RecordedMarketData
from .sessions import SessionCalendar

CURRENCY: Final = "USD"
QUEUE_SHARE: Final = Decimal("0.3")
HISTORY_DAYS: Final = 5
PAUSE_DAYS_MAX: Final = 60


class GeneratedMarket:
    """Seeded days of a list of instruments; each symbol is independent of the others.

    A symbol's days follow each other: one starts near where the last ended.
    """

    def __init__(
        self,
        seed: int,
        dates: str | Sequence[str] = "20240612",
        instruments: Sequence[InstrumentSpec] = DEFAULT_INSTRUMENTS,
        calendar: SessionCalendar | None = None,
    ) -> None:
        """Choose what to make; nothing is generated yet. ``dates`` as ``YYYYMMDD``.

        Raises:
            InvalidInput: no date, no instrument, one given twice, or a day without a session.
        """
        self.seed = seed
        self.calendar: SessionCalendar = calendar or ExchangeCalendar()
        wanted = sorted([dates] if isinstance(dates, str) else dates)
        names = [each.symbol for each in instruments]
        for field, values in (("dates", wanted), ("instruments", names)):
            if not values or len(set(values)) < len(values):
                raise InvalidInput(field, ", ".join(values), "at least one, each once")
        self.instruments = tuple(instruments)
        self.sessions = tuple(self._session(day) for day in wanted)
        self._days: dict[str, tuple[SymbolDay, ...]] = {}

    def days(self, symbol: str | None = None) -> tuple[SymbolDay, ...]:
        """Symbol-days of one symbol, or of all, in order of symbol and date.

        Raises:
            InvalidInput: the symbol is not among the instruments.
        """
        if symbol is None:
            return tuple(day for spec in self.instruments for day in self.days(spec.symbol))
        if symbol not in self._days:
            spec = next((each for each in self.instruments if each.symbol == symbol), None)
            if spec is None:
                known = ", ".join(each.symbol for each in self.instruments)
                raise InvalidInput("symbol", symbol, known)
            made: list[SymbolDay] = []
            for session in self.sessions:
                start = _last_mid(made[-1]) if made else None
                made.append(generate_day(spec, session, self.seed, start))
            self._days[symbol] = tuple(made)
        return self._days[symbol]

    def history(self) -> BarHistory:
        """Minute volumes of the days and of ``HISTORY_DAYS`` sessions before the first."""
        return BarHistory(
            {each.symbol: self._bars(each) for each in self.instruments}, self.calendar
        )

    def market_data(self) -> RecordedMarketData:
        """All days behind the ``MarketData`` port, with their history."""
        return RecordedMarketData(
            self.days(),
            self.calendar,
            history=self.history(),
            source="generated",
            feeds={each.symbol: CONSOLIDATED for each in self.instruments},
            identities=self._identities(),
        )

    def write_folder(self, path: str | Path) -> Path:
        """Write a market folder: ``instruments.json``, ``core/*.parquet`` and ``bars_1m.parquet``.

        Raises:
            OSError: the folder cannot be written.
        """
        bars = {each.symbol: self._bars(each) for each in self.instruments}
        return write_market_folder(
            path,
            self.days(),
            bars,
            source="generated",
            feed=CONSOLIDATED,
            identities=self._identities(),
        )

    def earlier_sessions(self) -> tuple[Session, ...]:
        """The ``HISTORY_DAYS`` sessions before the first day, in order."""
        first = self.sessions[0].open
        found: list[Session] = []
        for days_back in range(1, PAUSE_DAYS_MAX + 1):
            session = self.calendar.next_session(first - days_back * DAY_NS)
            if session.open < (found[-1].open if found else first):
                found.append(session)
            if len(found) == HISTORY_DAYS:
                break
        return tuple(reversed(found))

    def _identities(self) -> dict[str, Identity]:
        """The invented assets; a symbol that was another before is the same asset."""
        return {
            each.symbol: Identity(asset_id=each.asset_id, currency=CURRENCY)
            for each in self.instruments
        }

    def _bars(self, spec: InstrumentSpec) -> Bars:
        early = [earlier_volume(spec, each, self.seed) for each in self.earlier_sessions()]
        made = [minute_volume(day, self._session(day.date)) for day in self.days(spec.symbol)]
        ts = np.concatenate([part.ts for part in (*early, *made)])
        return Bars(ts, np.concatenate([part.volume for part in (*early, *made)]))

    def _session(self, day: str) -> Session:
        session = self.calendar.session_on(day)
        if session is None:
            raise InvalidInput("dates", day, "days on which the exchange has a session")
        return session


def generate_day(
    spec: InstrumentSpec, session: Session, seed: int, start_price: float | None = None
) -> SymbolDay:
    """One symbol-day; ``start_price`` is where the efficient price starts, default the spec's.

    Quotes are stamped at even microseconds and prints at odd ones, so that none coincide.
    """
    rng = stream(seed, spec.symbol, session.date, "ticks")
    activity = activity_by_minute(rng, session_minutes(session))
    length = session_minutes(session) / FULL_SESSION_MINUTES
    q_ts = times(rng, activity, session, max(2, round(spec.quotes * length)), offset=0)
    q_ts[0] = session.open
    prices = price_path(rng, spec, session, q_ts, activity, start_price or spec.price)
    bid_lots, ask_lots = touch_lots(rng, spec, prices)
    tape = tape_of(rng, spec, session, activity, q_ts, prices, (bid_lots, ask_lots))
    tick = float(spec.tick)
    bid_px, ask_px = np.round(prices.bid * tick, 8), np.round(prices.ask * tick, 8)
    touch = float(np.mean(bid_lots + ask_lots)) / 2 * LOT
    return SymbolDay(
        symbol=spec.symbol,
        date=session.date.replace("-", ""),
        tick=spec.tick,
        lot=Decimal(1),
        levels=1,
        ext_level_size=Decimal(max(LOT, round(touch))),
        queue_share=QUEUE_SHARE,
        q_ts=q_ts,
        bid_px=bid_px[:, None],
        bid_sz=(bid_lots * LOT)[:, None],
        ask_px=ask_px[:, None],
        ask_sz=(ask_lots * LOT)[:, None],
        t_ts=tape.ts,
        t_px=tape.px,
        t_sz=tape.sz,
        aggressor=tape.aggressor,
        lit=tape.lit,
        regular=tape.regular,
        venue=tape.venue,
        official_open=Decimal(repr(float(tape.px[0]))),
        official_close=Decimal(repr(float(tape.px[-1]))),
    )


def minute_volume(day: SymbolDay, session: Session) -> Bars:
    """Regular volume of a day by minute, every minute of the session present."""
    length = session_minutes(session)
    minutes = (day.t_ts - session.open) // MINUTE_NS
    inside = day.regular & (minutes >= 0) & (minutes < length)
    volume = np.bincount(minutes[inside], weights=day.t_sz[inside], minlength=length)
    return Bars(_minute_starts(session), volume.astype(np.float64))


def earlier_volume(spec: InstrumentSpec, session: Session, seed: int) -> Bars:
    """Volume by minute of a day of which only bars are made."""
    rng = stream(seed, spec.symbol, session.date, "bars")
    activity = activity_by_minute(rng, session_minutes(session))
    total = day_volume(rng, spec) * session_minutes(session) / FULL_SESSION_MINUTES
    volume = np.round(activity / activity.sum() * total * CONTINUOUS_SHARE)
    return Bars(_minute_starts(session), volume)


def _minute_starts(session: Session) -> Int64Array:
    minutes = np.arange(session_minutes(session), dtype=np.int64)
    starts: Int64Array = session.open + minutes * MINUTE_NS
    return starts


def _last_mid(day: SymbolDay) -> float:
    return float(day.bid_px[-1, 0] + day.ask_px[-1, 0]) / 2
