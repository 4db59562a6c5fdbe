"""A whole simulated session wired together: recorded or generated market, venue, engine, log."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ..domain.account import TradingAccount
from ..domain.errors import InvalidInput
from ..domain.limits import Limits
from ..domain.plan import StrategyParameters
from ..domain.planning.facts import PlanningRules
from ..domain.ports import NANOS, AccountKind, Session
from ..projections.daily_limits import DailyLimits
from .brokers.simulated import DayOver, SimulatedBroker, SimulatedRuntime
from .captured_segments import segments_beside
from .closing import Closing
from .engine import Desk, Engine, EngineRules
from .engine.gate import SendGate
from .engine.session_books import Capture
from .exchange.exchange import Exchange
from .exchange.journal import Journal
from .exchange.scaled import ScaledDay
from .exchange.tape import SymbolDay
from .exchange.terms import EVERY, Band, Faults, Fees, Halt, Terms
from .inputs.events import NoEvents
from .market_data.capture import SegmentCapture
from .market_data.luld_tape import bands_of
from .market_data.recorded import RecordedMarketData
from .storage.keystore import Keystore
from .storage.location import parse_location
from .storage.log import Log
from .storage.ownership import Ownership
from .timekeeping.calendar import ExchangeCalendar
from .timekeeping.clocks import VirtualClock

EXACT: Final = PlanningRules(parameters=StrategyParameters(wake_slack_ns=0))
"""In virtual time no call is late, so none is taken for one of the moment before."""
DAY_END_NS: Final = 60 * NANOS
"""How long after the close a day of many goes on, for what is still under way."""
LOOK_BACK: Final = 100
"""How many events are read at once to find the engine's last."""
DEFAULT_CASH: Final = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class VenueTerms:
    """The simulated venue and account: what a run is told beside market data and decisions."""

    cash: Decimal = DEFAULT_CASH
    positions: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    latency_ns: int = 50_000_000
    fees: Fees = field(default_factory=Fees.us_equities)
    halts: tuple[Halt, ...] = ()
    faults: Faults = field(default_factory=Faults)
    check_buying_power: bool = True
    bands: tuple[Band, ...] = ()
    short_selling: bool = False
    price_tests: tuple[str, ...] = ()
    account_kind: AccountKind = AccountKind.MARGIN
    luld_tiers: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """By symbol the tier (1 or 2) whose bands, and pauses, are made from the day's own prints."""


@dataclass(slots=True)
class Simulation(Closing):
    """One simulated session; close it to let go of the store."""

    engine: Engine
    exchange: Exchange
    journal: Journal
    log: Log
    clock: VirtualClock
    session: Session
    market: RecordedMarketData

    async def finish(self) -> None:
        """Work until everything is done, then close the session's books."""
        with contextlib.suppress(DayOver):
            await self.engine.run()
        await self.engine.close_session()

    def close(self) -> None:
        """Let go of store and journal."""
        self.journal.close()
        self.log.close()


def simulate(
    days: Sequence[SymbolDay | ScaledDay],
    *,
    store: str | None,
    account: str = "sim",
    seed: int = 0,
    venue: VenueTerms | None = None,
    rules: EngineRules | None = None,
    limits: Limits | None = None,
    market: RecordedMarketData | None = None,
    on_boundary: Callable[[str], None] | None = None,
    start_at: int | None = None,
    day_of_many: bool = False,
) -> Simulation:
    """Wire one session of these symbol-days; an earlier run of the same store is taken up again.

    Args:
        days: symbol-days of one date.
        store: where the log is (``sqlite:///PATH`` or a path; None keeps it in memory). The
            exchange's journal and captured market data lie beside it.
        on_boundary: called around every durable write, for crash tests.
        start_at: when the virtual clock starts (ns UTC), the session's open by default.
        day_of_many: other days follow in the store, each with an exchange of its own.

    Raises:
        InvalidInput: the days are not of one session.
        StoreError: the store cannot be opened.
    """
    calendar = market.calendar if market else ExchangeCalendar()
    tapes = [day.day if isinstance(day, ScaledDay) else day for day in days]
    market = market or RecordedMarketData(tapes, calendar)
    session = _one_session(tapes, market)
    terms_of_venue = _with_bands(venue or VenueTerms(), tapes, market, session)
    _tell(market, terms_of_venue)
    tests = _price_tests(market, terms_of_venue, session)
    terms = _terms(terms_of_venue, session, tests)
    log = Log.open(store if store is not None else "memory:", ownership=Ownership(account))
    path = parse_location(store) if store is not None else None
    try:
        return _wire(
            days,
            log,
            path,
            account,
            seed,
            terms,
            rules,
            limits,
            market,
            session,
            on_boundary,
            start_at,
            day_of_many,
        )
    except BaseException:
        log.close()
        raise


def _tell(market: RecordedMarketData, venue: VenueTerms) -> None:
    """Have the market data say what the venue says of trading."""
    for halt in venue.halts:
        market.halt(halt.symbol, halt.start, halt.end, halt.cause)
    if venue.short_selling:
        market.venue.lend(EVERY)
        market.venue.price_test(EVERY, in_force=False)
    for symbol in venue.price_tests:
        market.venue.price_test(symbol, in_force=True)
    for band in venue.bands:
        market.venue.band(band.symbol, (band.start, band.end), band.lower, band.upper)


def _with_bands(
    venue: VenueTerms, tapes: Sequence[SymbolDay], market: RecordedMarketData, session: Session
) -> VenueTerms:
    """The venue with the bands and pauses that its tapes make, where those are asked for."""
    bands, halts = list(venue.bands), list(venue.halts)
    for tape in tapes:
        tier = venue.luld_tiers.get(tape.symbol)
        if tier is not None:
            found = bands_of(tape, session, market.close_before(tape.symbol, session), tier)
            bands += found.bands
            halts += found.pauses
    return replace(venue, bands=tuple(bands), halts=tuple(halts))


def _price_tests(market: RecordedMarketData, venue: VenueTerms, session: Session) -> dict[str, int]:
    """From when on Rule 201 is in force by the recorded prices; asked only where shorts may be."""
    if not venue.short_selling:
        return {}
    found = {each: market.price_test_since(each, session) for each in market.symbols}
    since = {each: at for each, at in found.items() if at is not None}
    for symbol, at in since.items():
        market.venue.price_test(symbol, in_force=True, since=at)
    return since


def _terms(venue: VenueTerms, session: Session, price_tests: Mapping[str, int]) -> Terms:
    """What the exchange is told."""
    return Terms(
        cash=venue.cash,
        positions=venue.positions,
        open_at=session.open,
        close_at=session.close,
        latency_ns=venue.latency_ns,
        check_buying_power=venue.check_buying_power,
        fees=venue.fees,
        halts=venue.halts,
        faults=venue.faults,
        bands=venue.bands,
        short_selling=venue.short_selling,
        price_tests=venue.price_tests,
        account_kind=venue.account_kind,
        price_tests_from=price_tests,
    )


def _wire(
    days: Sequence[SymbolDay | ScaledDay],
    log: Log,
    path: Path | None,
    account: str,
    seed: int,
    terms: Terms,
    rules: EngineRules | None,
    limits: Limits | None,
    market: RecordedMarketData,
    session: Session,
    on_boundary: Callable[[str], None] | None,
    start_at: int | None,
    day_of_many: bool,
) -> Simulation:
    suffix = f".{session.date}" if day_of_many else ""
    ends_at = session.close + DAY_END_NS if day_of_many else None
    journal = Journal(path.with_name(f"{path.name}.exchange{suffix}") if path else None)
    exchange = Exchange(days, terms, journal=journal, on_boundary=on_boundary)
    clock = VirtualClock(max(start_at or session.open, exchange.now, last_record_time(log)))
    log.on_boundary = on_boundary
    desk = Desk(
        name=account,
        log=log,
        broker=SimulatedBroker(exchange, clock),
        market=market,
        runtime=SimulatedRuntime(clock, exchange, ends_at),
        calendar=market.calendar,
        events_calendar=NoEvents(),
        keystore=Keystore.open(None, seed=seed),
        rules=rules or EngineRules(planning=EXACT, seed=seed),
        account=TradingAccount.named(account),
        usage=DailyLimits(),
        clock_source=clock.source,
        clock_offset_ns=clock.offset_ns,
    )
    desk.gate = SendGate(desk, None if path is None else log.url)
    folder = segments_beside(log.url)
    capture: Capture | None = SegmentCapture(market, folder) if folder else None
    engine = Engine(desk, capture)
    engine.load(limits or Limits())
    return Simulation(engine, exchange, journal, log, clock, session, market)


def last_record_time(log: Log) -> int:
    """When the engine last recorded something (ns UTC), 0 for an empty log.

    What a person put on the record from beside it bears the time of the day on which they did.
    """
    upto = log.head().position
    while upto > 0:
        after = max(upto - LOOK_BACK, 0)
        times = [
            recorded.event.record_time
            for recorded in log.events(after=after, upto=upto)
            if not recorded.event.actor.startswith("person:")
        ]
        if times:
            return times[-1]
        upto = after
    return 0


def _one_session(tapes: Sequence[SymbolDay], market: RecordedMarketData) -> Session:
    dates = sorted({tape.date for tape in tapes})
    if len(dates) != 1:
        raise InvalidInput("market days", ", ".join(dates) or "none", "symbol-days of one date")
    session = market.calendar.session_on(dates[0])
    if session is None:
        raise InvalidInput("session", dates[0], "a day on which the exchange has a session")
    return session
