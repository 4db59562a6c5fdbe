"""A provider for trying things out: a simulated exchange on a generated or recorded market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import structlog

from ..domain.errors import InvalidInput
from ..domain.money import to_decimal
from ..domain.ports import NANOS, Session
from .exchange.tape import SymbolDay
from .market_data.recorded import RecordedMarketData
from .simulation import DEFAULT_CASH, Simulation, VenueTerms, simulate

if TYPE_CHECKING:
    from .settings import Settings

DATE: Final = "20240612"
START_MINUTES: Final = 30
"""Where a simulated day begins, in minutes from its open: past the first ones, which are avoided"""

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SimulatedProvider:
    """Stands where the seed has its ``alpaca_provider``; make one by :func:`simulated_provider`.

    It is the recipe of a day: every agent, order manager or application that is given it has an
    exchange, account and virtual clock of its own, which begin at ``start_at`` (ns UTC), or with a
    store where an earlier one stopped. Time passes only while something is being worked.
    """

    market: RecordedMarketData
    days: tuple[SymbolDay, ...]
    session: Session
    start_at: int
    venue: VenueTerms = field(default_factory=VenueTerms)
    seed: int = 0

    def open(self, settings: Settings, store: str | None) -> Simulation:
        """Begin the day, or take it up where the store left it.

        Raises:
            StoreError: the store cannot be opened.
        """
        if store is None:
            _logger.warning(
                "the log is in memory and ends with this process; name a store to keep it"
            )
        return simulate(
            self.days,
            store=store,
            account=settings.account,
            seed=self.seed,
            venue=self.venue,
            rules=replace(settings.to_rules(), mode="simulated", seed=self.seed),
            limits=settings.to_limits(),
            market=self.market,
            start_at=self.start_at,
        )


def simulated_provider(
    symbols: Sequence[str] | None = None,
    *,
    date: str = DATE,
    seed: int = 0,
    market: str | Path | RecordedMarketData | None = None,
    cash: Decimal | int | float = DEFAULT_CASH,
    positions: Mapping[str, Decimal | int | float] = MappingProxyType({}),
    start_minutes: int = START_MINUTES,
    venue: VenueTerms | None = None,
) -> SimulatedProvider:
    """A provider that trades one day of a market in virtual time.

    Args:
        symbols: what trades; by default everything the market has.
        date: the session, as ``YYYYMMDD``.
        seed: what a generated market and every random choice follow from.
        market: a market folder or recorded market data; by default a generated market.
        cash: the account's cash at the start, in account currency.
        positions: shares held at the start by symbol, negative for short.
        start_minutes: minutes from the open at which the day begins.
        venue: latency, fees, halts and faults; ``cash`` and ``positions`` replace its own.

    Raises:
        InvalidInput: no such symbol or session; names it.
    """
    data = _market(market, date, seed, symbols)
    session = data.calendar.session_on(date)
    if session is None:
        raise InvalidInput("date", date, "a day with a session")
    if not 0 <= start_minutes * 60 * NANOS < session.close - session.open:
        raise InvalidInput("start_minutes", start_minutes, "minutes within the session")
    wanted = sorted(set(symbols)) if symbols is not None else list(data.symbols)
    days = tuple(
        day
        for symbol in wanted
        for day in data.days_of(symbol)
        if data.calendar.session_on(day.date) == session
    )
    missing = sorted(set(wanted) - {day.symbol for day in days})
    if missing or not days:
        named = ", ".join(missing) or "none"
        raise InvalidInput("symbols", named, f"some of {', '.join(data.symbols)} on {date}")
    terms = replace(
        venue or VenueTerms(),
        cash=to_decimal(cash, field="cash"),
        positions={s: to_decimal(q, field=f"positions.{s}") for s, q in positions.items()},
    )
    start_at = session.open + start_minutes * 60 * NANOS
    return SimulatedProvider(data, days, session, start_at, terms, seed)


def _market(
    market: str | Path | RecordedMarketData | None,
    date: str,
    seed: int,
    symbols: Sequence[str] | None,
) -> RecordedMarketData:
    if isinstance(market, RecordedMarketData):
        return market
    if market is not None:
        return RecordedMarketData.from_folder(market, date, symbols)
    from .market_data.generated import GeneratedMarket
    from .market_data.instruments import DEFAULT_INSTRUMENTS

    known = {spec.symbol: spec for spec in DEFAULT_INSTRUMENTS}
    unknown = sorted(set(symbols or ()) - known.keys())
    if unknown:
        raise InvalidInput("symbols", ", ".join(unknown), f"some of {', '.join(known)}")
    specs = [known[symbol] for symbol in dict.fromkeys(symbols or known)]
    return GeneratedMarket(seed, date, specs).market_data()
