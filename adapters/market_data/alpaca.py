"""Market data over Alpaca: quotes, prints and halts from the socket, the rest from REST.

What a symbol needs (is it there, today's volume so far, minutes of earlier days) is read once when
it is first asked for. While the socket is silent, quotes are asked for by REST. Every figure is of
the feed that it is labelled with; only ``sip`` is consolidated (ruling 22).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final

import numpy as np
import structlog

from ...domain.errors import BrokerUnavailable
from ...domain.halts import HaltBook
from ...domain.instruments import Instrument
from ...domain.market import MarketState, TradingStatus
from ...domain.money import ONE, ZERO
from ...domain.ports import NANOS, Clock, Session
from ..alpaca_api.access import CONSOLIDATED_FEEDS, AlpacaAccess
from ..alpaca_api.reading import Json, moment_of, nanos, number_of, part_of, whole_second
from ..alpaca_api.rest import AlpacaRest, ApiRefusal, ApiSilence, Host
from ..corporate_actions import ActionsFile
from ..exchange.tape import SymbolDay
from .alpaca_actions import NOTHING, around, fetch_actions
from .alpaca_asset import instrument_of
from .alpaca_closes import PriceTestWatch, watch_of
from .alpaca_feed import Feed
from .alpaca_prints import LISTING, take_print, take_quote
from .feeds import CONSOLIDATED
from .history import BarHistory, Bars
from .live_tape import TICK, LiveTape
from .minutes import MINUTE_NS
from .sessions import SessionCalendar

THREADS: Final = 4
PARTS: Final = ("asset", "bars", "quote", "prices", "actions")
HISTORY_DAYS: Final = 30
"""Calendar days of minutes that the average day and the volume curve are made from."""
CLOSES_DAYS: Final = 15
"""Calendar days in which the two sessions before are found."""
PAGE_LIMIT: Final = 10_000
PAGES_MAX: Final = 20
SILENCE_SECONDS: Final = 3.0
"""So long without a message of a symbol, and its quote is asked for by REST, as often as this."""
BLIND_SECONDS: Final = 30.0
"""So long without a socket, and a halt would not be seen: the status is unknown (ruling 16)."""
EARLY_NS: Final = 19_800 * NANOS
"""How long before the open, from 04:00 on, quotes are made."""
_logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    """What is known of one symbol beside its tape."""

    listed: bool | None = None
    shortable: bool | None = None
    instrument: Instrument | None = None
    exchange: str | None = None
    heard_at: float = 0.0
    asked_at: float = 0.0
    prices: PriceTestWatch | None = None
    actions: ActionsFile = NOTHING
    begun: dict[str, str] = field(default_factory=dict)
    """The date of the session for which a part of what is read once a day was read."""
    problems: list[str] = field(default_factory=list)

    def missing(self, date: str) -> list[str]:
        """Which parts are still to be read; no others of what is no asset."""
        parts = PARTS[:1] if self.listed is False else PARTS
        return [part for part in parts if self.begun.get(part) != date]


class AlpacaMarketData:
    """A :class:`~fillwright.domain.ports.MarketData`, and what a capture of it reads."""

    def __init__(
        self, access: AlpacaAccess, rest: AlpacaRest, clock: Clock, calendar: SessionCalendar
    ) -> None:
        """Nothing is asked yet."""
        self.calendar = calendar
        self.source = f"alpaca:{access.feed}"
        self._feed_name = CONSOLIDATED if access.feed in CONSOLIDATED_FEEDS else access.feed
        self._parameter = access.feed
        self._rest, self._clock = rest, clock
        self._feed = Feed(access, self._take)
        self._halts = HaltBook()
        self._known: dict[str, _Known] = {}
        self._tapes: dict[str, LiveTape] = {}
        self._histories: dict[str, BarHistory] = {}
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
        new = [s for s in wanted if self._known.setdefault(s, _Known()).missing(session.date)]
        if new:
            await asyncio.gather(*(self._begin(s, session) for s in new))
        self._feed.subscribe(s for s in wanted if self._known[s].listed is not False)
        moment = time.monotonic()
        silent = [s for s in wanted if self._is_silent(self._known[s], moment)]
        if silent:
            for symbol in silent:
                self._known[symbol].asked_at = moment
            await loop.run_in_executor(self._pool, self._poll, silent)

    def state(self, symbol: str, now: int) -> MarketState:
        """What is known of ``symbol`` at ``now``; unknown parts are None, never an exception."""
        known, tape = self._known.get(symbol) or _Known(), self._tapes.get(symbol)
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
            average_daily_volume=self._history(symbol).average_daily_volume(symbol, shown.date),
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
        history = self._history(symbol)
        if session is None or history.average_daily_volume(symbol, session.date) is None:
            return ()
        return history.volume_buckets(symbol, session)

    def _history(self, symbol: str) -> BarHistory:
        return self._histories.get(symbol) or BarHistory({}, self.calendar)

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
        elif kind == "t" and take_print(tape, at, message, known.exchange):
            self._halts.take_print(str(symbol), at)
            if known.prices is not None and known.prices.take(at, tape.last_price):
                self._halts.take_prices(str(symbol), known.prices.in_force, known.prices.since)
        elif kind == "l":
            lower, upper = number_of(message, "d"), number_of(message, "u")
            self._halts.take_band(str(symbol), lower or ZERO, upper or ZERO, at)

    def _status(self, symbol: str, tape: LiveTape | None, session: Session | None) -> TradingStatus:
        if session is None:
            return TradingStatus.CLOSED
        said = self._halts.status(symbol)
        if said is not None:
            return said
        down = self._feed.down_since
        blind = down is not None and time.monotonic() - down > BLIND_SECONDS
        return TradingStatus.UNKNOWN if tape is None or blind else TradingStatus.OPEN

    def _is_silent(self, known: _Known, moment: float) -> bool:
        last = max(known.heard_at, known.asked_at)
        return known.listed is not False and moment - last > SILENCE_SECONDS

    # -- REST ------------------------------------------------------------------------------------

    def _session(self) -> Session:
        now = self._clock.now()
        return self.calendar.session_at(now) or self.calendar.next_session(now)

    def _earliest(self, session: Session) -> int:
        """From when on a quote counts: the open, before it the early market of the same day."""
        return session.open - (EARLY_NS if self._clock.now() < session.open else 0)

    async def _begin(self, symbol: str, session: Session) -> None:
        """What is read once a day, at once; what fails is named and tried again next time."""
        known, tape = self._known[symbol], self._tapes.get(symbol)
        if tape is None or tape.session.date != session.date:
            tape = self._tapes[symbol] = LiveTape(symbol, session)
        known.problems.clear()
        readers = {
            "asset": self._begin_asset,
            "bars": self._begin_bars,
            "quote": self._begin_quote,
            "prices": self._begin_price_test,
            "actions": self._begin_actions,
        }
        parts, loop = known.missing(session.date), asyncio.get_running_loop()
        asked = (loop.run_in_executor(self._pool, readers[p], symbol, tape, session) for p in parts)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for part, failed in zip(parts, answers, strict=True):
            if failed is None:
                known.begun[part] = session.date
            elif not isinstance(failed, ApiRefusal | ApiSilence):
                raise failed
            elif known.listed is not False:
                known.problems.append(str(failed)[:120])
                _logger.warning("market data", symbol=symbol, problem=str(failed)[:200])

    def _begin_asset(self, symbol: str, _tape: LiveTape, _session: Session) -> None:
        known = self._known[symbol]
        try:
            asset = self._rest.get(f"/assets/{symbol}")
        except ApiRefusal as refusal:
            if refusal.status != 404:
                raise
            known.listed = False
            return
        known.listed = True
        if not isinstance(asset, dict):
            return
        known.exchange = LISTING.get(str(asset.get("exchange")))
        easy = asset.get("easy_to_borrow", asset.get("borrow_status") == "easy_to_borrow")
        known.shortable = asset.get("shortable") is True and easy is True
        known.instrument = instrument_of(asset, symbol)
        if asset.get("tradable") is False:
            known.problems.append("the broker says that it is not tradable")

    def _begin_quote(self, symbol: str, tape: LiveTape, session: Session) -> None:
        shot = self._data(f"/stocks/{symbol}/snapshot", {"feed": self._parameter})
        self._known[symbol].asked_at = time.monotonic()
        quote, trade = part_of(shot, "latestQuote"), part_of(shot, "latestTrade")
        at = nanos(quote.get("t"))
        if at is not None and at >= self._earliest(session) and tape.quote is None:
            take_quote(tape, at, quote)
        traded_at = nanos(trade.get("t"))
        day = part_of(shot, "dailyBar")
        day_at, volume = nanos(day.get("t")), number_of(day, "v")
        if traded_at is None or day_at is None or volume is None:
            tape.begin_volume(ZERO, 0)
        elif day_at // MINUTE_NS >= session.open // MINUTE_NS - 24 * 60:
            fresh = traded_at >= session.open
            tape.begin_volume(volume if fresh else ZERO, traded_at)
            price = number_of(trade, "p")
            if fresh and price is not None and price > 0:
                tape.last_price = tape.last_price or price
        else:
            tape.begin_volume(ZERO, traded_at)

    def _begin_actions(self, symbol: str, _tape: LiveTape, session: Session) -> None:
        dates = around(session.date)
        self._known[symbol].actions = fetch_actions(self._rest, [symbol], *dates)

    def _begin_price_test(self, symbol: str, _tape: LiveTape, session: Session) -> None:
        """Whether Rule 201 is in force by prices; only a consolidated feed knows that it is not."""
        asked = {"timeframe": "1Day", "adjustment": "split", "feed": self._parameter}
        span = {"start": whole_second(session.open - CLOSES_DAYS * 86_400 * NANOS)}
        bars = self._data(f"/stocks/{symbol}/bars", {**asked, **span, "limit": 100}).get("bars")
        is_all = self._feed_name == CONSOLIDATED
        watch = watch_of(bars or (), session, self.calendar, is_consolidated=is_all)
        self._known[symbol].prices = watch
        self._halts.take_prices(symbol, watch.in_force, watch.since)

    def _begin_bars(self, symbol: str, tape: LiveTape, session: Session) -> None:
        parameters: dict[str, object] = {
            "timeframe": "1Min",
            "start": whole_second(session.open - HISTORY_DAYS * 86_400 * NANOS),
            "end": whole_second(self._clock.now()),
            "limit": PAGE_LIMIT,
            "adjustment": "split",
            "feed": self._parameter,
        }
        ts: list[int] = []
        volumes: list[float] = []
        closes: list[tuple[int, float]] = []
        for _ in range(PAGES_MAX):
            answer = self._data(f"/stocks/{symbol}/bars", parameters)
            for bar in answer.get("bars") or ():
                at = nanos(bar.get("t")) if isinstance(bar, dict) else None
                volume, close = number_of(bar, "v"), number_of(bar, "c")
                if at is None or volume is None or close is None:
                    continue
                ts.append(at)
                volumes.append(float(volume))
                if at >= session.open:
                    closes.append((at + MINUTE_NS, float(close)))
            token = answer.get("next_page_token")
            if not token:
                break
            parameters["page_token"] = token
        order = np.argsort(np.array(ts, dtype=np.int64), kind="stable")
        bars = Bars(ts=np.array(ts, dtype=np.int64)[order], volume=np.array(volumes)[order])
        self._histories[symbol] = BarHistory({symbol: bars}, self.calendar)
        tape.begin_minutes(closes)

    def _poll(self, symbols: list[str]) -> None:
        with contextlib.suppress(ApiRefusal, ApiSilence):
            answer = self._data(
                "/stocks/quotes/latest", {"symbols": ",".join(symbols), "feed": self._parameter}
            )
            for symbol, quote in (answer.get("quotes") or {}).items():
                tape, at = self._tapes.get(symbol), nanos(quote.get("t"))
                newer = tape is not None and (tape.quote is None or (at or 0) > tape.quote.at)
                if (
                    tape is not None
                    and at is not None
                    and newer
                    and at >= self._earliest(tape.session)
                ):
                    take_quote(tape, at, quote)

    def _data(self, path: str, parameters: Mapping[str, object]) -> Json:
        answer = self._rest.get(path, parameters, host=Host.DATA)
        if not isinstance(answer, dict):
            raise ApiSilence(f"{path}: the answer is no object")
        return answer
