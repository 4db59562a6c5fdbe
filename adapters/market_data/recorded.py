"""Recorded symbol-days behind the ``MarketData`` port: what could be known at each moment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from ...domain.errors import InvalidInput
from ...domain.instruments import Instrument
from ...domain.market import HaltCause, MarketState, Quote, TradingState, TradingStatus
from ...domain.money import ONE, PRICE_MAX
from ...domain.ports import MINUTE_NS, Session
from ..exchange.scaled import UNITS, from_units
from ..exchange.tape import Int64Array, SymbolDay, load_symbol_day, symbols_on
from ..timekeeping.calendar import ExchangeCalendar
from .closes import close_before, price_test_since
from .feeds import UNLABELLED, feeds_of
from .history import BarHistory
from .identities import BROKER, UNTOLD, Identity, identities_of
from .minutes import MinuteStatistics, minute_statistics
from .sessions import SessionCalendar
from .venue_state import Span, VenueStates

DEFAULT_TICK: Final = Decimal("0.01")


class RecordedMarketData:
    """Market data of recorded (or generated) symbol-days.

    A state holds the last quote at or before the moment asked for, and figures of nothing later.
    An old or missing quote shows by its age; a session begins without one. Sizes and volume are
    shares. Outside sessions the status is closed, in a session without data it is unknown, and in
    a halt it is halted, and the quote, prints and volume stay as they were before it.
    """

    def __init__(
        self,
        days: Iterable[SymbolDay],
        calendar: SessionCalendar | None = None,
        *,
        history: BarHistory | None = None,
        halts: Mapping[str, Sequence[Span]] | None = None,
        source: str = "recorded",
        feeds: Mapping[str, str] | None = None,
        identities: Mapping[str, Identity] | None = None,
    ) -> None:
        """Serve ``days``; ``halts`` are half-open spans in ns UTC by symbol.

        ``feeds`` says by symbol which feed the data is of, ``CONSOLIDATED`` or a venue's name, and
        ``identities`` which asset it is.

        Raises:
            InvalidInput: a symbol-day is given twice or lies on no session, or a halt is empty.
        """
        self.calendar: SessionCalendar = calendar or ExchangeCalendar()
        self.history = history or BarHistory({}, self.calendar)
        self.source = source
        self._feeds = dict(feeds or {})
        self._identities = dict(identities or {})
        self.venue = VenueStates()
        """Halts, price bands and what else the venue says of trading."""
        for symbol, spans in (halts or {}).items():
            for start, end in spans:
                self.halt(symbol, start, end)
        self._symbols: dict[str, _Symbol] = {}
        for day in days:
            self._add(day)

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        dates: str | Sequence[str],
        symbols: Sequence[str] | None = None,
        calendar: SessionCalendar | None = None,
        *,
        halts: Mapping[str, Sequence[Span]] | None = None,
        source: str = "recorded",
    ) -> RecordedMarketData:
        """Read symbol-days of a market folder; ``dates`` as ``YYYYMMDD``, all symbols by default.

        Raises:
            MarketFolderError: the folder cannot give what was asked for.
        """
        used: SessionCalendar = calendar or ExchangeCalendar()
        wanted = [dates] if isinstance(dates, str) else list(dates)
        days = [
            load_symbol_day(folder, symbol, date)
            for date in wanted
            for symbol in (symbols if symbols is not None else symbols_on(folder, date))
        ]
        history = BarHistory.from_folder(folder, used)
        return cls(
            days,
            used,
            history=history,
            halts=halts,
            source=source,
            feeds=feeds_of(folder),
            identities=identities_of(folder),
        )

    def halt(self, symbol: str, start: int, end: int, cause: HaltCause = HaltCause.NEWS) -> None:
        """Add a halt ``[start, end)`` in ns UTC; the same one again changes nothing.

        Raises:
            InvalidInput: it does not end after it starts.
        """
        self.venue.halt(symbol, start, end, cause)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols that there is data for, sorted."""
        return tuple(sorted(self._symbols))

    def days_of(self, symbol: str) -> tuple[SymbolDay, ...]:
        """The symbol-days behind a symbol in order of date; none for an unknown one."""
        known = self._symbols.get(symbol)
        return () if known is None else tuple(day.tape for day in known.days)

    def feed_of(self, symbol: str) -> str:
        """Which feed the symbol's data is of; ``UNLABELLED`` where nothing says."""
        return self._feeds.get(symbol, UNLABELLED)

    def knows(self, symbol: str) -> bool:
        """Whether there is data for the symbol."""
        return symbol in self._symbols

    def instrument(self, symbol: str) -> Instrument | None:
        """The asset that the symbol names, None where there is no data for it."""
        known = self._symbols.get(symbol)
        if known is None:
            return None
        told = self._identities.get(symbol, UNTOLD)
        return Instrument(
            broker=BROKER,
            asset_id=told.id_for(symbol),
            symbol=symbol,
            exchange=told.listed_on,
            figi=told.figi,
            cusip=told.cusip,
            tradable=True,
            fractionable=known.days[-1].tape.lot < ONE,
            shortable=self.venue.shortable(symbol),
            currency=told.currency,
        )

    def shortable(self, symbol: str) -> bool | None:
        """Whether the venue's account may borrow the symbol, None where nothing says."""
        return self.venue.shortable(symbol)

    def close_before(self, symbol: str, session: Session) -> Decimal | None:
        """The close of the session before as a price of this one, None where it is not known."""
        known = self._symbols.get(symbol)
        tapes = {} if known is None else {day.session.date: day.tape for day in known.days}
        return close_before(symbol, session, tapes, self.history, self.calendar)

    def price_test_since(self, symbol: str, session: Session) -> int | None:
        """From when on its prices put Rule 201 in force in a session (ns UTC), None: not at all.

        That is the session's open after a fall of the session before. Without an earlier close
        nothing is known, and nothing is in force.
        """
        known = self._symbols.get(symbol)
        tapes = {} if known is None else {day.session.date: day.tape for day in known.days}
        return price_test_since(symbol, session, tapes, self.history, self.calendar)

    async def refresh(self, symbols: Sequence[str]) -> None:
        """Do nothing: all data is at hand."""

    def state(self, symbol: str, now: int) -> MarketState:
        """What could be known of ``symbol`` at ``now`` (ns UTC).

        When the market is closed, ``session_open`` and ``session_close`` are the next session's.
        """
        known = self._symbols.get(symbol)
        if known is not None and known.last is not None and known.last.now == now:
            return known.last
        session = self.calendar.session_at(now)
        state = (
            self._unknown(symbol, now, session)
            if known is None
            else self._read(known, now, session)
        )
        if known is not None:
            known.last = state
        return state

    def volume_curve(self, symbol: str, date: str) -> tuple[float, ...]:
        """Expected fraction of the session's volume per minute, from earlier days only.

        Raises:
            InvalidInput: there is no session on ``date``.
        """
        return self.history.volume_curve(symbol, self._session_on(date))

    def volume_buckets(self, symbol: str, date: str) -> tuple[int, ...]:
        """The volume curve as a VWAP plan stores it: whole weights of equal parts of the session.

        Raises:
            InvalidInput: there is no session on ``date``.
        """
        return self.history.volume_buckets(symbol, self._session_on(date))

    def day_volume_estimate(self, symbol: str, now: int) -> Decimal | None:
        """Expected volume of the session that ``now`` lies in, None when it cannot be said."""
        session = self.calendar.session_at(now)
        volume = self.state(symbol, now).volume
        if session is None or volume is None:
            return None
        return self.history.day_volume_estimate(symbol, session, now, volume)

    def _session_on(self, date: str) -> Session:
        session = self.calendar.session_on(date)
        if session is None:
            raise InvalidInput("date", date, "a day with a session")
        return session

    def _add(self, tape: SymbolDay) -> None:
        session = self._session_on(tape.date)
        volume = self.history.average_daily_volume(tape.symbol, session.date)
        known = self._symbols.setdefault(tape.symbol, _Symbol(tape.symbol))
        if any(day.session.date == session.date for day in known.days):
            raise InvalidInput("days", f"{tape.symbol} {tape.date} twice", "each symbol-day once")
        known.days.append(_Day(tape, session, volume))
        known.days.sort(key=lambda day: day.session.open)
        known.starts = [day.first_at for day in known.days]

    def _read(self, known: _Symbol, now: int, session: Session | None) -> MarketState:
        row = bisect_right(known.starts, now) - 1
        latest = known.days[max(row, 0)]
        since = self.venue.halted_since(known.symbol, now)
        seen = now if since is None else since - 1
        quote = latest.quote_at(seen) if row >= 0 else None
        today = latest if session is not None and latest.session == session else None
        if today is None and session is not None:
            today = next((day for day in known.days if day.session == session), None)
        minute = -1 if today is None else (now - today.session.open) // MINUTE_NS
        shown = session or self.calendar.next_session(now)
        return MarketState(
            symbol=known.symbol,
            now=now,
            status=self._status(known.symbol, now, session, today),
            quote=quote,
            quote_age_ns=None if quote is None else now - quote.at,
            tick=latest.tape.tick,
            lot=latest.tape.lot,
            last_price=latest.last_price_at(seen) if row >= 0 else None,
            volume=None if today is None else self._volume(known.symbol, now, today),
            volatility_bps=None if today is None else today.statistics.volatility_bps[minute],
            trend_bps=None if today is None else today.statistics.trend_bps[minute],
            average_daily_volume=(today or latest).average_daily_volume,
            session_open=shown.open,
            session_close=shown.close,
            source=self.source,
            spread_mean=None if today is None else today.statistics.spread_mean[minute],
            trading=self._trading(known.symbol, now, today),
        )

    def _volume(self, symbol: str, now: int, today: _Day) -> Decimal:
        """Regular volume since the open, without what the recording has inside halts."""
        volume = today.volume_at(now)
        for start, end in self.venue.stopped(symbol, now):
            volume -= today.volume_at(end if end == now else end - 1) - today.volume_at(start - 1)
        return volume

    def _trading(self, symbol: str, now: int, today: _Day | None) -> TradingState | None:
        def first_print(at: int) -> int | None:
            return None if today is None else today.first_print(at)

        return self.venue.state(symbol, now, first_print)

    def _status(
        self, symbol: str, now: int, session: Session | None, today: _Day | None
    ) -> TradingStatus:
        if session is None:
            return TradingStatus.CLOSED
        if self.venue.halted_since(symbol, now) is not None:
            return TradingStatus.HALTED
        return TradingStatus.UNKNOWN if today is None else TradingStatus.OPEN

    def _unknown(self, symbol: str, now: int, session: Session | None) -> MarketState:
        shown = session or self.calendar.next_session(now)
        return MarketState(
            symbol=symbol,
            now=now,
            status=TradingStatus.CLOSED if session is None else TradingStatus.UNKNOWN,
            quote=None,
            quote_age_ns=None,
            tick=DEFAULT_TICK,
            lot=ONE,
            last_price=None,
            volume=None,
            volatility_bps=None,
            trend_bps=None,
            average_daily_volume=None,
            session_open=shown.open,
            session_close=shown.close,
            source=self.source,
        )


class _Symbol:
    """The days of one symbol and the last state that was asked for."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.days: list[_Day] = []
        self.starts: list[int] = []
        self.last: MarketState | None = None


class _Day:
    """One symbol-day with what states are read from; times are rising arrays of ns UTC."""

    def __init__(self, tape: SymbolDay, session: Session, volume: Decimal | None) -> None:
        self.tape = tape
        self.session = session
        self.average_daily_volume = volume
        regular = np.flatnonzero(tape.regular)
        self._print_ts: Int64Array = tape.t_ts[regular]
        self._print_px: Int64Array = _units(tape.t_px[regular])
        sizes = _units(tape.t_sz[regular])
        # Volume is counted from the open; a print before it or after the close adds nothing.
        outside = (self._print_ts < session.open) | (self._print_ts >= session.close)
        sizes[outside] = 0
        self._volume: Int64Array = np.concatenate(([0], np.cumsum(sizes)))
        self._book = tuple(
            _units(column[:, 0]) for column in (tape.bid_px, tape.ask_px, tape.bid_sz, tape.ask_sz)
        )
        self._row = -1
        self._quote: Quote | None = None

    @cached_property
    def statistics(self) -> MinuteStatistics:
        """Volatility and trend by minute."""
        return minute_statistics(self.tape, self.session)

    @property
    def first_at(self) -> int:
        """When this day's data, or without any its session, begins."""
        firsts = [int(ts[0]) for ts in (self.tape.q_ts, self._print_ts) if len(ts)]
        return min([*firsts, self.session.open])

    def quote_at(self, now: int) -> Quote | None:
        """The last quote at or before ``now``; None before the first or when a side is empty."""
        row = self.tape.quote_index(now)
        if row != self._row:
            self._row = row
            self._quote = None if row < 0 else self._quote_of(row)
        return self._quote

    def last_price_at(self, now: int) -> Decimal | None:
        """Price of the last regular print at or before ``now``."""
        row = int(self._print_ts.searchsorted(now, side="right")) - 1
        return from_units(int(self._print_px[row])) if row >= 0 else None

    def first_print(self, at: int) -> int | None:
        """When the first regular print at or after ``at`` was, None when none was."""
        row = int(self._print_ts.searchsorted(at, side="left"))
        return int(self._print_ts[row]) if row < len(self._print_ts) else None

    def volume_at(self, now: int) -> Decimal:
        """Shares of regular prints since the open."""
        row = int(self._print_ts.searchsorted(now, side="right"))
        return from_units(int(self._volume[row]))

    def _quote_of(self, row: int) -> Quote | None:
        bid, ask, bid_size, ask_size = (int(column[row]) for column in self._book)
        if bid <= 0 or ask <= 0 or max(bid, ask) > PRICE_MAX * UNITS:
            return None
        return Quote(
            bid=from_units(bid),
            ask=from_units(ask),
            bid_size=from_units(max(bid_size, 0)),
            ask_size=from_units(max(ask_size, 0)),
            at=int(self.tape.q_ts[row]),
        )


def _units(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Int64Array:
    """Prices or sizes in whole units of 1e-8, which undoes float noise; 0 where unknown."""
    units: Int64Array = np.rint(np.nan_to_num(values) * UNITS).astype(np.int64)
    return units
