"""What is asked of Alpaca's market data over REST: once a day of a symbol, and in a silence.

Every figure is of the feed that it is asked of; only ``sip`` is consolidated (ruling 22).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ...domain.halts import HaltBook
from ...domain.instruments import Instrument
from ...domain.moments import utc_text
from ...domain.money import ZERO
from ...domain.ports import MINUTE_NS, NANOS, Session
from ..alpaca_api.reading import Json, nanos, number_of, part_of
from ..alpaca_api.rest import AlpacaRest, ApiRefusal, ApiSilence, Host
from ..corporate_actions import ActionsFile
from .alpaca_actions import NOTHING, around, fetch_actions
from .alpaca_asset import instrument_of
from .alpaca_closes import PriceTestWatch, watch_of
from .alpaca_prints import IRREGULAR, LISTING, take_quote
from .alpaca_signs import TradingSigns
from .history import BarHistory, Bars
from .live_tape import LiveTape
from .sessions import SessionCalendar

PARTS: Final = ("asset", "bars", "quote", "prices", "actions")
HISTORY_DAYS: Final = 30
"""Calendar days of minutes that the average day and the volume curve are made from."""
CLOSES_DAYS: Final = 15
"""Calendar days in which the two sessions before are found."""
PAGE_LIMIT: Final = 10_000
PAGES_MAX: Final = 20
EARLY_NS: Final = 19_800 * NANOS
"""How long before the open, from 04:00 on, quotes are made."""


@dataclass(slots=True)
class Known:
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


class RestReader:
    """Reads into what is known of a symbol and into its tape; may be called from any thread."""

    def __init__(
        self,
        rest: AlpacaRest,
        feed: str,
        calendar: SessionCalendar,
        halts: HaltBook,
        signs: TradingSigns,
    ) -> None:
        """Nothing is asked yet."""
        self._rest, self._parameter, self._calendar = rest, feed, calendar
        self._halts, self._signs, self._now = halts, signs, signs.now
        self._histories: dict[str, BarHistory] = {}
        self._readers = {
            "asset": self._read_asset,
            "bars": self._read_bars,
            "quote": self._read_quote,
            "prices": self._read_price_test,
            "actions": self._read_actions,
        }

    def read(self, part: str, known: Known, tape: LiveTape) -> None:
        """Read one of the :data:`PARTS` of a symbol's day.

        Raises:
            ApiRefusal, ApiSilence: it was not answered.
        """
        self._readers[part](known, tape)

    def history(self, symbol: str) -> BarHistory:
        """What earlier days say of a symbol; nothing before it was read."""
        return self._histories.get(symbol) or BarHistory({}, self._calendar)

    def poll(self, symbols: list[str], tapes: Mapping[str, LiveTape]) -> None:
        """Ask for the latest quotes; none come of it while there is no answer."""
        asked_at = self._now()
        with contextlib.suppress(ApiRefusal, ApiSilence):
            answer = self._data(
                "/stocks/quotes/latest", {"symbols": ",".join(symbols), "feed": self._parameter}
            )
            for symbol, quote in (answer.get("quotes") or {}).items():
                tape, at = tapes.get(symbol), nanos(quote.get("t"))
                if tape is None or at is None or at < self._earliest(tape.session):
                    continue
                if tape.quote is None or at > tape.quote.at:
                    take_quote(tape, at, quote)
                    self._signs.take_quote(symbol, tape.quote, asked_at)

    def _earliest(self, session: Session) -> int:
        """From when on a quote counts: the open, before it the early market of the same day."""
        return session.open - (EARLY_NS if self._now() < session.open else 0)

    def _read_asset(self, known: Known, tape: LiveTape) -> None:
        try:
            asset = self._rest.get(f"/assets/{tape.symbol}")
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
        known.instrument = instrument_of(asset, tape.symbol)
        if asset.get("tradable") is False:
            known.problems.append("the broker says that it is not tradable")

    def _read_quote(self, known: Known, tape: LiveTape) -> None:
        asked_at = self._now()
        shot = self._data(f"/stocks/{tape.symbol}/snapshot", {"feed": self._parameter})
        known.asked_at = time.monotonic()
        quote, trade = part_of(shot, "latestQuote"), part_of(shot, "latestTrade")
        at = nanos(quote.get("t"))
        if at is not None and at >= self._earliest(tape.session) and tape.quote is None:
            take_quote(tape, at, quote)
            self._signs.take_quote(tape.symbol, tape.quote, asked_at)
        traded_at = nanos(trade.get("t"))
        if traded_at is not None and IRREGULAR.isdisjoint(str(c) for c in trade.get("c") or ()):
            self._signs.take_print(tape.symbol, traded_at, asked_at)
        day = part_of(shot, "dailyBar")
        day_at, volume = nanos(day.get("t")), number_of(day, "v")
        if traded_at is None or day_at is None or volume is None:
            tape.begin_volume(ZERO, 0)
        elif day_at // MINUTE_NS >= tape.session.open // MINUTE_NS - 24 * 60:
            fresh = traded_at >= tape.session.open
            tape.begin_volume(volume if fresh else ZERO, traded_at)
            price = number_of(trade, "p")
            if fresh and price is not None and price > 0:
                tape.last_price = tape.last_price or price
        else:
            tape.begin_volume(ZERO, traded_at)

    def _read_actions(self, known: Known, tape: LiveTape) -> None:
        dates = around(tape.session.date)
        known.actions = fetch_actions(self._rest, [tape.symbol], *dates)

    def _read_price_test(self, known: Known, tape: LiveTape) -> None:
        """Whether Rule 201 is in force by prices; only a consolidated feed knows that it is not."""
        symbol, session = tape.symbol, tape.session
        asked = {"timeframe": "1Day", "adjustment": "split", "feed": self._parameter}
        span = {"start": utc_text(session.open - CLOSES_DAYS * 86_400 * NANOS)}
        bars = self._data(f"/stocks/{symbol}/bars", {**asked, **span, "limit": 100}).get("bars")
        is_all = self._signs.is_consolidated
        watch = watch_of(bars or (), session, self._calendar, is_consolidated=is_all)
        known.prices = watch
        self._halts.take_prices(symbol, watch.in_force, watch.since)

    def _read_bars(self, _known: Known, tape: LiveTape) -> None:
        symbol, session = tape.symbol, tape.session
        parameters: dict[str, object] = {
            "timeframe": "1Min",
            "start": utc_text(session.open - HISTORY_DAYS * 86_400 * NANOS),
            "end": utc_text(self._now()),
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
        self._histories[symbol] = BarHistory({symbol: bars}, self._calendar)
        tape.begin_minutes(closes)

    def _data(self, path: str, parameters: Mapping[str, object]) -> Json:
        answer = self._rest.get(path, parameters, host=Host.DATA)
        if not isinstance(answer, dict):
            raise ApiSilence(f"{path}: the answer is no object")
        return answer
