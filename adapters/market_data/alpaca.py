"""Market data over Alpaca: quotes, prints and halts from the socket, the rest from REST.

What a symbol needs (is it there, today's volume so far, minutes of earlier days) is read once when
it is first asked for. While the socket is silent, quotes are asked for by REST. Every figure is of
the feed that it is labelled with; only ``sip`` is consolidated (ruling 22).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Any, Final

import structlog

from ...domain.errors import BrokerUnavailable
from ...domain.halts import HaltBook
from ...domain.instruments import Instrument
from ...domain.market import MarketState, TradingStatus
from ...domain.money import ONE, ZERO
from ...domain.ports import Clock, Session
from ..alpaca_api.access import CONSOLIDATED_FEEDS, AlpacaAccess
from ..alpaca_api.reading import moment_of, number_of
from ..alpaca_api.rest import AlpacaRest, ApiRefusal, ApiSilence
from ..corporate_actions import ActionsFile
from ..exchange.tape import SymbolDay
from .alpaca_actions import NOTHING, around, fetch_actions
from .alpaca_feed import Feed
from .alpaca_prints import take_print, take_quote
from .alpaca_rest import Known, RestReader
from .alpaca_signs import TradingSigns
from .feeds import CONSOLIDATED
from .live_tape import TICK, LiveTape
from .sessions import SessionCalendar

THREADS: Final = 4
SILENCE_SECONDS: Final = 3.0
"""So long without a message of a symbol, and its quote is asked for by REST, as often as this."""
BLIND_SECONDS: Final = 30.0
"""So long without a socket, and a halt would not be seen: the status is unknown (ruling 16)."""
_logger = structlog.get_logger(__name__)


class AlpacaMarketData:
    """A :class:`~fillwright.domain.ports.MarketData`, and what a capture of it reads."""

    def __init__(
        self, access: AlpacaAccess, rest: AlpacaRest, clock: Clock, calendar: SessionCalendar
    ) -> None:
        """Nothing is asked yet."""
        self.calendar = calendar
        self.source = f"alpaca:{access.feed}"
        self._feed_name = CONSOLIDATED if access.feed in CONSOLIDATED_FEEDS else access.feed
        self._rest, self._clock = rest, clock
        self._feed = Feed(access, self._take, self._subscribed)
        self._halts = HaltBook()
        is_all = self._feed_name == CONSOLIDATED
        self._signs = TradingSigns(lambda: self._clock.now(), is_consolidated=is_all)
        self._reader = RestReader(rest, access.feed, calendar, self._halts, self._signs)
        self._known: dict[str, Known] = {}
        self._tapes: dict[str, LiveTape] = {}
        self._pool = ThreadPoolExecutor(THREADS, "alpaca-data")

    def use_clock(self, clock: Clock) -> None:
        """Take times from ``clock`` from now on."""
        self._clock = clock

    # -- the port --------------------------------------------------------------------------------

    async def refresh(self, symbols: Sequence[str]) -> None:
        """Begin with symbols that are new today, and ask for quotes of which nothing is heard."""
        loop = asyncio.get_running_loop()
        session = self._session()
        wanted = list(dict.fromkeys(symbols))
        new = [s for s in wanted if self._known.setdefault(s, Known()).missing(session.date)]
        if new:
            await asyncio.gather(*(self._begin(s, session) for s in new))
        self._feed.subscribe(s for s in wanted if self._known[s].listed is not False)
        moment = time.monotonic()
        silent = [s for s in wanted if self._is_silent(self._known[s], moment)]
        if silent:
            for symbol in silent:
                self._known[symbol].asked_at = moment
            await loop.run_in_executor(self._pool, self._reader.poll, silent, self._tapes)

    def state(self, symbol: str, now: int) -> MarketState:
        """What is known of ``symbol`` at ``now``; unknown parts are None, never an exception."""
        known, tape = self._known.get(symbol) or Known(), self._tapes.get(symbol)
        session = self.calendar.session_at(now)
        shown = session or self.calendar.next_session(now)
        today = tape if tape is not None and tape.session.date == shown.date else None
        quote = today.quote if today is not None else None
        if quote is not None and quote.at > now:
            quote = quote.model_copy(update={"at": now})
        numbers: tuple[Decimal | None, ...] = (None, None, None)
        if today is not None and session is not None:
            numbers = today.statistics(now)
        volume = today.volume() if today is not None else None
        return MarketState(
            symbol=symbol,
            now=now,
            status=self._status(symbol, today, session),
            quote=quote,
            quote_age_ns=None if quote is None else max(now - quote.at, 0),
            tick=TICK if today is None else today.tick,
            lot=ONE,
            last_price=None if today is None else today.last_price,
            volume=None if volume is None else max(volume, ZERO),
            volatility_bps=numbers[0],
            trend_bps=numbers[1],
            average_daily_volume=self._reader.history(symbol).average_daily_volume(
                symbol, shown.date
            ),
            session_open=shown.open,
            session_close=shown.close,
            source="; ".join((self.source, *known.problems[-2:]))[:200],
            spread_mean=numbers[2],
            trading=None if session is None else self._halts.trading(symbol),
        )

    def knows(self, symbol: str) -> bool:
        """False only when the broker says that it has no such asset."""
        known = self._known.get(symbol)
        return known is None or known.listed is not False

    def volume_buckets(self, symbol: str, date: str) -> tuple[int, ...]:
        """Relative volumes of equal parts of the session from earlier days; empty: unknown."""
        session = self.calendar.session_on(date)
        history = self._reader.history(symbol)
        if session is None or history.average_daily_volume(symbol, session.date) is None:
            return ()
        return history.volume_buckets(symbol, session)

    def instrument(self, symbol: str) -> Instrument | None:
        """The asset that the symbol names at the broker, None before it was asked for."""
        known = self._known.get(symbol)
        return None if known is None else known.instrument

    def shortable(self, symbol: str) -> bool | None:
        """The broker's flag that the symbol is shortable and easy to borrow."""
        known = self._known.get(symbol)
        return None if known is None else known.shortable

    async def corporate_actions(self, symbols: Sequence[str], since: str, upto: str) -> ActionsFile:
        """What was announced of the symbols to take effect between two dates (ISO), and more.

        Raises:
            BrokerUnavailable: it cannot be asked for.
        """
        loop = asyncio.get_running_loop()
        dates = around(upto, since)
        asked = partial(fetch_actions, self._rest, symbols, *dates)
        try:
            return await loop.run_in_executor(self._pool, asked)
        except (ApiRefusal, ApiSilence) as error:
            raise BrokerUnavailable(f"corporate actions: {error}") from None

    def announced(self, symbol: str) -> ActionsFile:
        """What was announced of a symbol by when it was first used today."""
        known = self._known.get(symbol)
        return NOTHING if known is None else known.actions

    # -- what a capture reads --------------------------------------------------------------------

    def days_of(self, symbol: str) -> tuple[SymbolDay, ...]:
        """What was heard of a symbol today."""
        tape = self._tapes.get(symbol)
        return () if tape is None else (tape.day(),)

    def feed_of(self, symbol: str) -> str:
        """Which feed the data is of."""
        return self._feed_name

    def close(self) -> None:
        """Stop listening."""
        self._feed.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    # -- the socket ------------------------------------------------------------------------------

    def _take(self, message: Mapping[str, Any]) -> None:
        symbol, kind = message.get("S"), message.get("T")
        tape, known = self._tapes.get(str(symbol)), self._known.get(str(symbol))
        if known is None:
            return
        known.heard_at = time.monotonic()
        at = moment_of(message.get("t"))
        if kind == "s":
            moment = self._clock.now() if at is None else at
            code, reason = (str(message.get(name) or "").strip() for name in ("sc", "rc"))
            odd = self._halts.take_status(str(symbol), code, reason, moment)
            known.problems.extend([odd] if odd else ())
        elif tape is None or at is None:
            return
        elif kind == "q":
            take_quote(tape, at, message)
            self._signs.take_quote(tape.symbol, tape.quote)
        elif kind == "t" and take_print(tape, at, message, known.exchange):
            self._halts.take_print(str(symbol), at)
            self._signs.take_print(tape.symbol)
            if known.prices is not None and known.prices.take(at, tape.last_price):
                self._halts.take_prices(str(symbol), known.prices.in_force, known.prices.since)
        elif kind == "l":
            lower, upper = number_of(message, "d"), number_of(message, "u")
            self._halts.take_band(str(symbol), lower or ZERO, upper or ZERO, at)

    def _subscribed(self, symbol: str) -> None:
        """From now on it is told of halts; one that was told before a gap may be over."""
        self._signs.subscribed(symbol)
        self._halts.missed(symbol, self._clock.now())

    def _status(self, symbol: str, tape: LiveTape | None, session: Session | None) -> TradingStatus:
        if session is None:
            return TradingStatus.CLOSED
        said = self._halts.status(symbol)
        if said is not None:
            return said
        down = self._feed.down_since
        blind = down is not None and time.monotonic() - down > BLIND_SECONDS
        if tape is None or blind or not self._signs.trades(symbol):
            return TradingStatus.UNKNOWN
        return TradingStatus.OPEN

    def _is_silent(self, known: Known, moment: float) -> bool:
        last = max(known.heard_at, known.asked_at)
        return known.listed is not False and moment - last > SILENCE_SECONDS

    # -- REST ------------------------------------------------------------------------------------

    def _session(self) -> Session:
        now = self._clock.now()
        return self.calendar.session_at(now) or self.calendar.next_session(now)

    async def _begin(self, symbol: str, session: Session) -> None:
        """What is read once a day, at once; what fails is named and tried again next time."""
        known, tape = self._known[symbol], self._tapes.get(symbol)
        if tape is None or tape.session.date != session.date:
            tape = self._tapes[symbol] = LiveTape(symbol, session)
        known.problems.clear()
        parts, loop = known.missing(session.date), asyncio.get_running_loop()
        asked = (loop.run_in_executor(self._pool, self._reader.read, p, known, tape) for p in parts)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for part, failed in zip(parts, answers, strict=True):
            if failed is None:
                known.begun[part] = session.date
            elif not isinstance(failed, ApiRefusal | ApiSilence):
                raise failed
            elif known.listed is not False:
                known.problems.append(str(failed)[:120])
                _logger.warning("market data", symbol=symbol, problem=str(failed)[:200])
