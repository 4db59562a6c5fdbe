"""Which parts make an application over a simulation, a broker, or a seed-style provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast

from ..domain.account import TradingAccount
from ..domain.errors import InvalidInput
from ..domain.limits import Limits
from ..domain.ports import NANOS, Broker, Calendar, Clock, EventsCalendar, MarketData, Runtime
from ..projections.alerts import DEFAULT_THRESHOLDS, AlertThresholds
from ..projections.best_execution.reporter import OWN_FLOW, Reporter
from ..projections.daily_limits import DailyLimits
from .alpaca_provider import AlpacaProvider
from .brokers.provider import ProviderBroker
from .brokers.provider_runtime import ProviderRuntime
from .brokers.simulated import SimulatedBroker, SimulatedRuntime
from .captured_segments import segments_beside
from .engine import Desk, Engine
from .engine.gate import SendGate
from .inputs.events import FileEvents, NoEvents
from .market_data.capture import SegmentCapture
from .market_data.recorded import RecordedMarketData
from .permitting import escalating, permits_of
from .provider_sessions import AssumedSessionCalendar, AssumingMarketData, ProviderCalendar
from .settings import Settings
from .simulated_provider import SimulatedProvider
from .simulation import Simulation, last_record_time
from .storage.keystore import Keystore
from .storage.location import parse_location
from .storage.log import Log
from .storage.ownership import Ownership
from .supervision.permissions import admit_engine
from .timekeeping.calendar import ExchangeCalendar
from .timekeeping.clocks import LiveRuntime, SystemClock, VirtualClock

PROVIDER_GRID_NS: Final = 5 * NANOS
"""How often a strategy looks at the market of a provider that is asked for every quote."""
BROKER_METHODS: Final = (
    "send",
    "drain",
    "account",
    "positions",
    "find_order",
    "open_orders",
    "reports_since",
)


@dataclass(slots=True)
class Parts:
    """What an application is made of, and how it begins and ends."""

    engine: Engine
    limits: Limits
    thresholds: AlertThresholds = DEFAULT_THRESHOLDS
    reporter: Reporter = OWN_FLOW
    before: Callable[[], Awaitable[None]] | None = None
    aclose: Sequence[Callable[[], Awaitable[None]]] = ()
    close: Sequence[Callable[[], None]] = field(default_factory=tuple)


def assemble(
    provider: object,
    config: Settings | Mapping[str, object] | None,
    *,
    store: str | None,
    clock: Clock | None,
    calendar: Calendar | None,
    broker: Broker | None,
) -> Parts:
    """The parts for what was given; see ``Application.open`` for the arguments and errors."""
    settings = config if isinstance(config, Settings) else Settings.read(config)
    where = store if store is not None else settings.store
    if isinstance(provider, Simulation):
        if store is not None:
            raise InvalidInput("store", store, "none: the simulation has one already")
        return _of_simulation(provider, settings)  # whoever opened it closes it
    if isinstance(provider, SimulatedProvider):
        simulation = provider.open(settings, where)
        parts = _of_simulation(simulation, settings)
        parts.close = (simulation.journal.close, simulation.log.close)
        return parts
    if isinstance(provider, AlpacaProvider):
        return _of_alpaca(provider, settings, where, clock, calendar)
    port = broker if broker is not None else provider if is_broker(provider) else None
    if isinstance(port, SimulatedBroker):
        return _of_simulated_broker(port, settings, where, clock)
    if provider is None and port is None:
        raise InvalidInput("alpaca_provider", None, "a broker, a simulation or a provider object")
    return _of_provider(provider, settings, where, clock, calendar, cast("Broker | None", port))


def is_broker(provider: object) -> bool:
    """Whether an object is one of our broker ports; asked of its type, because mocks say yes."""
    kind = type(provider)
    return all(callable(getattr(kind, name, None)) for name in BROKER_METHODS)


# -- simulated -------------------------------------------------------------------------------------


def _of_simulation(simulation: Simulation, settings: Settings) -> Parts:
    desk = simulation.engine.desk
    desk.submitter = admit_engine(desk.gate.store if desk.gate else None, desk.name, is_live=False)
    limits = desk.account.limits or settings.to_limits()
    return Parts(
        simulation.engine, limits, settings.alerts.thresholds(), settings.reporting.reporter
    )


def _of_simulated_broker(
    broker: SimulatedBroker, settings: Settings, store: str | None, clock: Clock | None
) -> Parts:
    """Over an exchange that is there already: its market data, its time, a log of our own."""
    exchange = broker.exchange
    virtual = clock if clock is not None else broker.clock
    if not isinstance(virtual, VirtualClock):
        raise InvalidInput("clock", type(virtual).__name__, "the exchange's VirtualClock")
    days = [exchange.market(symbol).day for symbol in exchange.symbols]
    market = RecordedMarketData(days)
    log = Log.open(store, ownership=_ownership(settings))
    virtual.set(max(exchange.terms.open_at or 0, exchange.now, last_record_time(log)))
    desk = _desk(
        settings,
        log,
        store,
        broker=broker,
        market=market,
        runtime=SimulatedRuntime(virtual, exchange),
        calendar=market.calendar,
    )
    return _loaded(Engine(desk), settings, log)


# -- Alpaca ----------------------------------------------------------------------------------------


def _of_alpaca(
    provider: AlpacaProvider,
    settings: Settings,
    store: str | None,
    clock: Clock | None,
    calendar: Calendar | None,
) -> Parts:
    """Over a connection to Alpaca; it stays open for whoever opened it, and closes with the parts.

    A server whose market runs faster than the wall is given as much wall time to answer.
    """
    broker, market = provider.broker, provider.market
    runtime = LiveRuntime(clock if clock is not None else provider.clock, broker.arrived)
    broker.use_clock(runtime.clock)
    market.use_clock(runtime.clock)
    sessions = ProviderCalendar(provider, provider.exchange, None)
    log = Log.open(store, ownership=_ownership(settings))
    broker.guard(log.check_owner)
    desk = _desk(
        settings,
        log,
        store,
        broker=broker,
        market=market,
        runtime=runtime,
        calendar=calendar if calendar is not None else sessions,
    )
    if desk.gate is not None:
        broker.gate = desk.gate.sending
    rate = max(runtime.clock.rate, 1.0)
    desk.rules = replace(
        desk.rules,
        silent_answer_seconds=int(desk.rules.silent_answer_seconds * rate),
        silent_rest_seconds=int(desk.rules.silent_rest_seconds * rate),
    )
    folder = segments_beside(store) if store is not None else None
    capture = SegmentCapture(market, folder) if folder else None
    parts = _loaded(Engine(desk, capture, broker.arrived.set), settings, log)

    async def before() -> None:
        await provider.connect()
        await sessions.refresh(runtime.clock.now(), settings.broker.request_timeout_seconds)

    parts.before = before
    parts.aclose = (broker.aclose,)
    parts.close = (provider.close, log.close)
    return parts


# -- a provider ------------------------------------------------------------------------------------


def _of_provider(
    provider: object,
    settings: Settings,
    store: str | None,
    clock: Clock | None,
    calendar: Calendar | None,
    port: Broker | None,
) -> Parts:
    base = clock if clock is not None else SystemClock()
    timings = settings.provider_timings()
    runtime: Runtime
    interrupt: Callable[[], None] = _nothing
    if port is None:
        port = ProviderBroker(provider, base, neutral=settings.neutral(), timings=timings)
    if isinstance(port, ProviderBroker):
        polling = ProviderRuntime(base, port)
        runtime, interrupt = polling, polling.interrupt
    else:
        arrived = getattr(port, "arrived", None)
        runtime = LiveRuntime(base, arrived)
        interrupt = getattr(arrived, "set", _nothing)
    sessions = provider_calendar(provider, settings)
    known = calendar if calendar is not None else sessions
    market = AssumingMarketData(
        provider, runtime.clock, known, neutral_price=settings.neutral_price()
    )
    market.calendar = sessions
    log = Log.open(store, ownership=_ownership(settings))
    desk = _desk(
        settings,
        log,
        store,
        broker=port,
        market=market,
        runtime=runtime,
        calendar=known,
    )
    parts = _loaded(Engine(desk, None, interrupt), settings, log)
    if calendar is None:
        parts.before = _asking(sessions, runtime.clock, timings.request_timeout_seconds)
    else:
        market.calendar = ProviderCalendar(provider, calendar, None)
    if isinstance(port, ProviderBroker):
        parts.aclose = (port.aclose,)
        _adopt_open_orders(port, desk)
    return parts


def provider_calendar(provider: object, settings: Settings) -> ProviderCalendar:
    """The provider's sessions; where it has no clock they are assumed, on paper only."""
    exchange = ExchangeCalendar(settings.exchange)
    opening = settings.timing.avoid_open_minutes * 60
    assumed = AssumedSessionCalendar(exchange, opening_seconds=opening)
    return ProviderCalendar(provider, exchange, None if settings.is_live else assumed)


def _asking(
    sessions: ProviderCalendar, clock: Clock, timeout_seconds: float
) -> Callable[[], Awaitable[None]]:
    async def ask_the_clock() -> None:
        await sessions.refresh(clock.now(), timeout_seconds)

    return ask_the_clock


def _adopt_open_orders(broker: ProviderBroker, desk: Desk) -> None:
    """Have a new provider broker follow what an earlier process left at the provider."""
    for instruction in desk.active.values():
        for order in instruction.live_orders:
            if order.venue_order_id is not None:
                notional = order.cum_qty * (order.avg_price or 0)
                request = instruction.requests[order.client_order_id]
                broker.adopt(request, order.venue_order_id, order.cum_qty, notional)


# -- what all have ---------------------------------------------------------------------------------


def _desk(
    settings: Settings,
    log: Log,
    store: str | None,
    *,
    broker: Broker,
    market: MarketData,
    runtime: Runtime,
    calendar: Calendar,
) -> Desk:
    rules = settings.to_rules()
    if isinstance(broker, SimulatedBroker):
        rules = replace(rules, mode="simulated")
    elif "interval_ns" not in settings.execution.parameters.model_fields_set:
        # Each look costs a request for a quote; the account's message budget is for orders.
        parameters = rules.planning.parameters.model_copy(update={"interval_ns": PROVIDER_GRID_NS})
        planning = rules.planning.model_copy(update={"parameters": parameters})
        rules = replace(rules, planning=planning)
    path = parse_location(store) if store is not None else None
    clock = runtime.clock
    desk = Desk(
        name=settings.account,
        log=log,
        broker=broker,
        market=market,
        runtime=runtime,
        calendar=calendar,
        events_calendar=events_of(settings),
        keystore=Keystore.open(_keys_beside(path)),
        rules=rules,
        account=TradingAccount.named(settings.account),
        usage=DailyLimits(),
        clock_source=str(getattr(clock, "source", type(clock).__name__)),
        clock_offset_ns=getattr(clock, "offset_ns", None),
    )
    desk.gate = SendGate(desk, store)
    return desk


def events_of(settings: Settings) -> EventsCalendar:
    """The scheduled events of the settings' file, none without one."""
    return FileEvents.read(settings.events_file) if settings.events_file else NoEvents()


def _ownership(settings: Settings) -> Ownership:
    """The account that this process alone works on a shared store."""
    timeout = settings.broker.request_timeout_seconds
    return Ownership(settings.account, settings.standby_seconds, timeout)


def _keys_beside(path: Path | None) -> Path | None:
    return None if path is None else path.with_name(path.name + ".keys")


def _loaded(engine: Engine, settings: Settings, log: Log) -> Parts:
    limits = settings.to_limits()
    gate = engine.desk.gate
    try:
        store = gate.store if gate else None
        engine.desk.submitter = admit_engine(store, settings.account, is_live=settings.is_live)
        engine.load(limits)
        clock = engine.desk.runtime.clock
        engine.desk.permits, leave = permits_of(settings, log, clock)
        stop = escalating(log, clock)
    except BaseException:
        log.close()
        raise
    thresholds, reporter = settings.alerts.thresholds(), settings.reporting.reporter
    return Parts(engine, limits, thresholds, reporter, close=(stop, leave, log.close))


def _nothing() -> None:
    """There is no wait to interrupt."""
