"""One symbol's quotes and prints as they arrive, and what a state says of them at any moment."""

from __future__ import annotations

import threading
from array import array
from decimal import Decimal
from typing import Final

import numpy as np

from ...domain.instruments import tick_on
from ...domain.market import Quote
from ...domain.money import PRICE_MAX, QUANTITY_MAX, ZERO
from ...domain.ports import MINUTE_NS, Session
from ..exchange.tape import SymbolDay
from .minutes import MinuteStatistics, minute_statistics

TICK: Final = Decimal("0.01")
NO_DEPTH: Final = Decimal(100)
"""Stands for what lies beyond the touch, which a feed of the touch does not say."""


class LiveTape:
    """Everything heard of one symbol in one session; times are ns UTC.

    Volume is what the feed said had traded by ``base_at`` and every regular print since.
    """

    def __init__(self, symbol: str, session: Session) -> None:
        """Begin with nothing heard."""
        self._lock = threading.Lock()  # a socket's thread writes, the engine's reads
        self.symbol, self.session = symbol, session
        self.quote: Quote | None = None
        self.last_price: Decimal | None = None
        self.base_volume: Decimal | None = None
        self.base_at = 0
        self._since_base = ZERO
        self._q_ts, self._q = array("q"), array("d")
        self._t_ts, self._t = array("q"), array("d")
        self._regular = array("b")
        self._closes: list[tuple[int, float]] = []
        self._statistics: tuple[int, MinuteStatistics] | None = None
        self._official: dict[bool, tuple[tuple[bool, bool, Decimal], Decimal]] = {}

    @property
    def tick(self) -> Decimal:
        """The smallest step of a price, by the price."""
        price = self.quote.mid if self.quote is not None else self.last_price
        return TICK if price is None else tick_on(price, self.session.date)

    def add_quote(
        self, at: int, bid: Decimal, bid_size: Decimal, ask: Decimal, ask_size: Decimal
    ) -> None:
        """Take in a quote; one with an empty side leaves no quote, an older one changes nothing."""
        with self._lock:
            self._q_ts.append(at)
            self._q.extend((float(bid), float(bid_size), float(ask), float(ask_size)))
        if self.quote is not None and at < self.quote.at:
            return
        fits = 0 < bid <= PRICE_MAX and 0 < ask <= PRICE_MAX
        sized = 0 <= bid_size <= QUANTITY_MAX and 0 <= ask_size <= QUANTITY_MAX
        if fits and sized:
            self.quote = Quote(bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size, at=at)
        else:
            self.quote = None

    def add_print(self, at: int, price: Decimal, size: Decimal, *, regular: bool) -> None:
        """Take in a print."""
        with self._lock:
            self._t_ts.append(at)
            self._t.extend((float(price), float(size)))
            self._regular.append(regular)
            if regular and 0 < price <= PRICE_MAX:
                self.last_price = price
                if at > self.base_at:
                    self._since_base += size

    def add_official(
        self, *, is_open: bool, price: Decimal, size: Decimal, rank: tuple[bool, bool]
    ) -> None:
        """Take in a print of an auction; ``rank`` says whether it is of the listing exchange, and
        whether it is marked as official. The highest rank is kept, of equal ones the largest.
        """
        if not 0 < price <= PRICE_MAX:
            return
        made = (*rank, size), price
        with self._lock:
            known = self._official.get(is_open)
            if known is None or made[0] > known[0]:
                self._official[is_open] = made

    def begin_volume(self, volume: Decimal, at: int) -> None:
        """The session's regular volume by ``at``; prints up to then are in it."""
        with self._lock:
            sizes = zip(self._t_ts, self._t[1::2], self._regular, strict=True)
            later = (Decimal(str(size)) for ts, size, regular in sizes if regular and ts > at)
            self._since_base = sum(later, ZERO)
            self.base_volume, self.base_at = volume, at

    def begin_minutes(self, closes: list[tuple[int, float]]) -> None:
        """Closing prices of the minutes before anything was heard, as (end of minute, price)."""
        self._closes = closes
        self._statistics = None

    def volume(self) -> Decimal | None:
        """Shares of regular prints since the open, None where the beginning is not known."""
        return None if self.base_volume is None else self.base_volume + self._since_base

    def statistics(self, now: int) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        """Volatility and trend in bps and the mean spread, as of the last whole minute."""
        minute = (now - self.session.open) // MINUTE_NS
        if self._statistics is None or self._statistics[0] != minute:
            day = self.day(with_closes=True)
            self._statistics = (minute, minute_statistics(day, self.session))
        found = self._statistics[1]
        if not 0 <= minute < len(found.volatility_bps):
            return None, None, None
        return found.volatility_bps[minute], found.trend_bps[minute], found.spread_mean[minute]

    def day(self, *, with_closes: bool = False) -> SymbolDay:
        """Quotes and prints heard so far, in order of time.

        ``with_closes`` puts minute closes, as quotes without a spread, before the first quote.
        """
        with self._lock:  # copies: an array that is being read cannot grow
            heard = [each.tobytes() for each in (self._q_ts, self._q, self._t_ts, self._t)]
            flags = self._regular.tobytes()
            opens, closes = (self._official.get(each, (None, None))[1] for each in (True, False))
        ts, t_ts = (np.frombuffer(each, dtype=np.int64) for each in heard[::2])
        q, t = (
            np.frombuffer(each, dtype=np.float64).reshape(-1, width)
            for each, width in zip(heard[1::2], (4, 2), strict=True)
        )
        if with_closes and self._closes:
            first = int(ts[0]) if len(ts) else None
            early = [(at, px) for at, px in self._closes if first is None or at < first]
            ts = np.concatenate((np.array([at for at, _ in early], dtype=np.int64), ts))
            q = np.concatenate((np.array([[px, 0, px, 0] for _, px in early]).reshape(-1, 4), q))
        regular = np.frombuffer(flags, dtype=np.int8).astype(np.bool_)
        quotes, prints = np.argsort(ts, kind="stable"), np.argsort(t_ts, kind="stable")
        return SymbolDay(
            symbol=self.symbol,
            date=self.session.date.replace("-", ""),
            tick=self.tick,
            lot=Decimal(1),
            levels=1,
            ext_level_size=NO_DEPTH,
            queue_share=Decimal(1),
            q_ts=ts[quotes],
            bid_px=q[quotes, 0:1],
            bid_sz=q[quotes, 1:2],
            ask_px=q[quotes, 2:3],
            ask_sz=q[quotes, 3:4],
            t_ts=t_ts[prints],
            t_px=t[prints, 0],
            t_sz=t[prints, 1],
            aggressor=np.zeros(len(t_ts), dtype=np.int8),
            lit=np.ones(len(t_ts), dtype=np.bool_),
            regular=regular[prints],
            official_open=opens,
            official_close=closes,
        )
