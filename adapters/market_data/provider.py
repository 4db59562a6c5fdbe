"""Market data of a seed-style provider, asked for when told to and read from what it last said.

A provider may have ``get_latest_quote(symbol)`` and ``get_market_data(symbols, days)``; either may
be missing, a mock, slow or failing. Nothing here raises: what is not known is None, and
``MarketState.source`` says which coroutine gave what and what was assumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ...domain.instruments import tick_on
from ...domain.market import MarketState, Quote, TradingStatus
from ...domain.money import BPS, ONE, PRICE_MAX, QUANTITY_MAX
from ...domain.plan import CURVE_BUCKETS_MAX
from ...domain.ports import NANOS, Calendar, Clock
from ...domain.timing.engine import (
    DAILY_VOLATILITY_MAX,
    DAYS_ASKED,
    DEFAULT_TIMING,
    STRONG_TREND,
    TRADING_DAYS,
    VOLATILITY_MAX,
)
from ...domain.timing.rules import SESSION_MINUTES
from ..provider_reading import Answer, ask, field_of, nanos_of, number_of, truth_of

REQUEST_TIMEOUT_SECONDS: Final = 5.0
FIGURES_INTERVAL_NS: Final = 60 * NANOS
"""How old a provider's figures may be before they are asked for anew; quotes always are."""
SIZE_UNKNOWN: Final = Decimal(1_000_000)
"""Stands for a size that is not given: what is not known must not count as thin."""
TICK: Final = Decimal("0.01")
"""Where no price is known."""
CURVE_UNITS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What ``get_market_data`` says of one symbol, in our units; None where it is silent."""

    price: Decimal | None = None
    volatility_bps: Decimal | None = None
    trend_bps: Decimal | None = None
    average_daily_volume: Decimal | None = None
    volume_curve: tuple[int, ...] = ()
    halted: bool = False


NO_FIGURES: Final = Figures()


@dataclass(slots=True)
class _Known:
    """What is known of one symbol; ``listed`` is None until the provider said yes or no."""

    quote: Quote | None = None
    quote_halted: bool = False
    figures: Figures = NO_FIGURES
    figures_at: int | None = None
    listed: bool | None = None
    problems: tuple[str, ...] = ()


class ProviderMarketData:
    """A :class:`~fillwright.domain.ports.MarketData` over a seed-style provider.

    ``neutral_price`` stands in for the price of a provider that gives none at all and never fails
    (a mock). None, as when trading live, leaves the quote unknown, and a price without a quote is
    then not taken for one either.
    """

    def __init__(
        self,
        provider: object,
        clock: Clock,
        calendar: Calendar,
        *,
        neutral_price: Decimal | None = None,
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
    ) -> None:
        """Join the ports; nothing is asked yet."""
        self._provider = provider
        self._clock = clock
        self._calendar = calendar
        self._neutral_price = neutral_price
        self._timeout_seconds = timeout_seconds
        self._known: dict[str, _Known] = {}
        self._is_real = False

    async def refresh(self, symbols: Sequence[str]) -> None:
        """Ask for quotes, and for figures older than a minute, all at once."""
        wanted = list(dict.fromkeys(symbols))
        if not wanted:
            return
        for symbol in wanted:
            self._known.setdefault(symbol, _Known())
        stale = [symbol for symbol in wanted if self._figures_are_old(symbol)]
        figures, *quotes = await asyncio.gather(
            self._ask_figures(stale),
            *(self._ask("get_latest_quote", symbol) for symbol in wanted),
        )
        now = self._clock.now()
        # One that fails is a real source, whose silence is no licence to make up a price.
        self._is_real |= any(answer.failure is not None for answer in (figures, *quotes))
        for symbol, quote in zip(wanted, quotes, strict=True):
            known = self._known[symbol]
            problems = []
            if symbol in stale:
                self._take_figures(known, symbol, figures, now)
            if known.figures is NO_FIGURES:
                problems.append(f"get_market_data {_problem(figures)}")
            self._take_quote(known, quote, now)
            if quote.value is None or known.quote is None:
                problems.append(f"get_latest_quote {_problem(quote)}")
            known.listed = _listed(symbol, figures, quote, known)
            known.problems = tuple(problems)

    def state(self, symbol: str, now: int) -> MarketState:
        """What is known of ``symbol`` at ``now``; unknown parts are None, never an exception."""
        known = self._known.get(symbol) or _Known()
        session = self._calendar.session_at(now)
        shown = session or self._calendar.next_session(now)
        quote, origin = self._quote(known, now, shown.date)
        status = TradingStatus.OPEN if session is not None else TradingStatus.CLOSED
        if session is not None and (known.figures.halted or known.quote_halted):
            status = TradingStatus.HALTED
        price = known.figures.price
        return MarketState(
            symbol=symbol,
            now=now,
            status=status,
            quote=quote,
            quote_age_ns=None if quote is None else max(now - quote.at, 0),
            tick=TICK if quote is None else tick_on(quote.mid, shown.date),
            lot=ONE,
            last_price=price if price is not None or quote is None else quote.mid,
            volume=None,
            volatility_bps=known.figures.volatility_bps,
            trend_bps=known.figures.trend_bps,
            average_daily_volume=known.figures.average_daily_volume,
            session_open=shown.open,
            session_close=shown.close,
            source="; ".join((f"provider: {origin}", *known.problems))[:200],
        )

    def knows(self, symbol: str) -> bool:
        """False only when both sources answered readably and neither has the symbol."""
        known = self._known.get(symbol)
        return known is None or known.listed is not False

    def volume_buckets(self, symbol: str, date: str) -> tuple[int, ...]:
        """The provider's ``volume_profile`` where it is a list of volumes; empty: unknown."""
        known = self._known.get(symbol)
        return () if known is None else known.figures.volume_curve

    # -- asking ----------------------------------------------------------------------------------

    async def _ask(self, name: str, *args: object) -> Answer:
        return await ask(self._provider, name, *args, timeout_seconds=self._timeout_seconds)

    async def _ask_figures(self, symbols: list[str]) -> Answer:
        if not symbols:
            return Answer(value={})
        return await self._ask("get_market_data", symbols, DAYS_ASKED)

    def _figures_are_old(self, symbol: str) -> bool:
        at = self._known[symbol].figures_at
        return at is None or self._clock.now() - at >= FIGURES_INTERVAL_NS

    def _take_figures(self, known: _Known, symbol: str, answer: Answer, now: int) -> None:
        entry = field_of(answer.value, symbol) if isinstance(answer.value, Mapping) else None
        if entry is None:
            return
        known.figures = read_figures(entry)
        known.figures_at = now

    def _take_quote(self, known: _Known, answer: Answer, now: int) -> None:
        quote = read_quote(answer.value, now)
        if quote is None:
            return  # the last one stays and shows its age
        known.quote = quote
        known.quote_halted = truth_of(answer.value, "halted") is True
        self._is_real = True

    def _quote(self, known: _Known, now: int, date: str) -> tuple[Quote | None, str]:
        if known.quote is not None:
            return known.quote, "quote from get_latest_quote"
        if self._neutral_price is None:
            return None, "no quote"
        if known.figures.price is not None:
            return _around(known.figures.price, now, date), "quote assumed around current_price"
        if self._is_real or known.listed is False:
            return None, "no quote"
        return _around(self._neutral_price, now, date), "neutral quote, nothing is known"


def read_quote(answer: object, now: int) -> Quote | None:
    """A provider's quote; None when a side is missing or not a price.

    A quote without a readable time counts as of ``now``, a size that is not given as
    ``SIZE_UNKNOWN``.
    """
    bid = number_of(answer, "bid", "bid_price")
    ask_price = number_of(answer, "ask", "ask_price")
    if (
        bid is None
        or ask_price is None
        or not (0 < bid <= PRICE_MAX and 0 < ask_price <= PRICE_MAX)
    ):
        return None
    sizes = [number_of(answer, name) for name in ("bid_size", "ask_size")]
    bid_size, ask_size = (
        size if size is not None and 0 <= size <= QUANTITY_MAX else SIZE_UNKNOWN for size in sizes
    )
    at = nanos_of(answer, "timestamp", "time", "at") or now
    return Quote(bid=bid, ask=ask_price, bid_size=bid_size, ask_size=ask_size, at=min(at, now))


def read_figures(entry: object) -> Figures:
    """One symbol's figures in our units.

    ``volatility`` is a standard deviation of returns as a fraction, of a day, or of a year when
    above 0.15; it becomes bps of one minute. ``trend_strength`` runs from -1 to 1, where 0.5 counts
    as the move that the timing rules call a trend.
    """
    price = number_of(entry, "current_price", "price", "last_price")
    volatility = number_of(entry, "volatility")
    trend = number_of(entry, "trend_strength")
    volume = number_of(entry, "average_daily_volume", "average_volume", "avg_volume")
    per_minute = None
    if volatility is not None and 0 <= volatility <= VOLATILITY_MAX:
        if volatility > DAILY_VOLATILITY_MAX:
            volatility /= Decimal(TRADING_DAYS).sqrt()
        per_minute = volatility / Decimal(SESSION_MINUTES).sqrt() * BPS
    strength = trend if trend is not None and abs(trend) <= 1 else None
    return Figures(
        price=price if price is not None and 0 < price <= PRICE_MAX else None,
        volatility_bps=per_minute,
        trend_bps=None if strength is None else strength / STRONG_TREND * DEFAULT_TIMING.trend_bps,
        average_daily_volume=volume if volume is not None and 0 < volume <= QUANTITY_MAX else None,
        volume_curve=_curve(field_of(entry, "volume_profile")),
        halted=truth_of(entry, "halted") is True,
    )


def _curve(profile: object) -> tuple[int, ...]:
    """A list of volumes as relative whole numbers; empty when it is not such a list."""
    if not isinstance(profile, list | tuple) or not 2 <= len(profile) <= CURVE_BUCKETS_MAX:
        return ()
    volumes = [number_of({"volume": volume}, "volume") for volume in profile]
    known = [volume for volume in volumes if volume is not None and volume >= 0]
    total = sum(known)
    if len(known) != len(profile) or not total:
        return ()
    return tuple(int(volume * CURVE_UNITS / total) for volume in known)


def _around(price: Decimal, now: int, date: str) -> Quote:
    """A quote of one tick of the date (ISO) on either side of a price."""
    bid = max(price - tick_on(price, date), price / 2)
    return Quote(
        bid=bid, ask=price + price - bid, bid_size=SIZE_UNKNOWN, ask_size=SIZE_UNKNOWN, at=now
    )


def _listed(symbol: str, figures: Answer, quote: Answer, known: _Known) -> bool | None:
    if known.quote is not None or known.figures is not NO_FIGURES:
        return True
    # An empty mapping is an answer; a failure, or a mock, is none.
    said_figures = isinstance(figures.value, Mapping) and symbol not in figures.value
    said_quote = isinstance(quote.value, Mapping) or (
        quote.value is None and not quote.missing and quote.failure is None
    )
    return False if said_figures and said_quote else None


def _problem(answer: Answer) -> str:
    if answer.missing:
        return "missing"
    return f"failed ({answer.failure})" if answer.failure else "unreadable"
