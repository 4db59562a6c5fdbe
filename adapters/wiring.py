"""The seed's three classes, joined to the world: this is where everything comes together.

Each takes the seed's ``alpaca_provider``: a :class:`SimulatedProvider` or ``Simulation``, one of
our brokers, or any object with the seed's coroutines. Constructing one asks nothing and needs no
event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from ..domain import agent as agents
from ..domain import order_manager as managers
from ..domain.ports import Broker, Calendar, Clock, EventsCalendar
from ..domain.timing import engine as timings
from ..domain.timing.terms import TimingConfig
from .alpaca_provider import AlpacaProvider
from .application import Application
from .assembly import events_of, provider_calendar
from .brokers.simulated import SimulatedBroker
from .closing import AsyncClosing
from .market_data.recorded import RecordedMarketData
from .settings import Settings
from .simulated_provider import SimulatedProvider, simulated_provider
from .simulation import Simulation
from .timekeeping.clocks import SystemClock, VirtualClock

__all__ = [
    "ExecutionTimingEngine",
    "OrderManager",
    "SimulatedProvider",
    "TradeExecutionAgent",
    "simulated_provider",
]

COMMENTARY_SECONDS_MAX: Final = 30.0
"""How long a language model may take for the commentary of a report."""


class ExecutionTimingEngine(timings.ExecutionTimingEngine):
    """Judges market conditions, time of day and liquidity (seed).

    ``assess_market_timing(symbol, action)`` gives the score, the assessment and the recommended
    strategy; a source that fails gives the neutral default with the risk named.
    """

    def __init__(
        self,
        alpaca_provider: object,
        config: Settings | TimingConfig | Mapping[str, object] | None = None,
        *,
        clock: Clock | None = None,
        calendar: Calendar | None = None,
        events: EventsCalendar | None = None,
    ) -> None:
        """Judge by what ``alpaca_provider`` knows of the market.

        Args:
            alpaca_provider: see the module.
            config: the timing rules' thresholds, or all settings.
            clock: the source of time, by default the machine's or the simulation's.
            calendar: the exchange's sessions; by default the simulation's, or assumed ones for a
                provider on paper.
            events: scheduled events, by default those of the settings' file.

        Raises:
            InvalidInput: a setting that is not allowed.
        """
        thresholds = config if isinstance(config, TimingConfig) else None
        settings = _settings(None if isinstance(config, TimingConfig) else config)
        source, its_clock, its_calendar = _timing_ports(alpaca_provider)
        super().__init__(
            source,
            thresholds or settings.timing,
            clock=clock or its_clock or SystemClock(),
            calendar=calendar or its_calendar or provider_calendar(alpaca_provider, settings),
            events=events or events_of(settings),
            bounded=_bounded(settings.broker.request_timeout_seconds),
        )


class _OverApplication(AsyncClosing):
    """What is joined to an application of its own, and closed with it."""

    application: Application

    async def aclose(self) -> None:
        """Stop and let go of the store; open orders stay and are found again on the next start."""
        await self.application.aclose()


class OrderManager(_OverApplication, managers.OrderManager):
    """Executes trade instructions by plan, and tells what came of them from the log (seed)."""

    def __init__(
        self,
        alpaca_provider: object,
        config: Settings | Mapping[str, object] | None = None,
        *,
        store: str | None = None,
        clock: Clock | None = None,
        calendar: Calendar | None = None,
        broker: Broker | None = None,
    ) -> None:
        """Trade on ``alpaca_provider``; the arguments are those of :class:`TradeExecutionAgent`."""
        self.application = Application.open(
            alpaca_provider, config, store=store, clock=clock, calendar=calendar, broker=broker
        )
        super().__init__(self.application)


class TradeExecutionAgent(_OverApplication, agents.ExecutionAgent):
    """Executes a portfolio manager's decisions, within limits and on the record (seed).

    >>> agent = TradeExecutionAgent(None, simulated_provider(["AAPL"]))  # doctest: +SKIP
    >>> await agent.execute_single_trade(
    ...     {"symbol": "AAPL", "action": "BUY", "target_weight": 3.0}
    ... )  # doctest: +SKIP
    """

    def __init__(
        self,
        llm_provider: object,
        alpaca_provider: object,
        config: Settings | Mapping[str, object] | None = None,
        *,
        store: str | None = None,
        clock: Clock | None = None,
        calendar: Calendar | None = None,
        broker: Broker | None = None,
    ) -> None:
        """Join the parts; nothing is asked or sent yet.

        Args:
            llm_provider: writes the commentary of reports by ``await complete(prompt)``; None or an
                object without it writes none. It can never cause, change or block an order.
            alpaca_provider: see the module.
            config: ``Settings``, a mapping of settings or of the seed's names
                (``max_daily_trades``), or None for the defaults.
            store: where the log is (``sqlite:///PATH`` or a path); by default the settings', else
                in memory with a warning.
            clock: the source of time.
            calendar: the exchange's sessions.
            broker: a broker port to trade on, where ``alpaca_provider`` gives market data only.

        Raises:
            InvalidInput: a setting or argument that is not allowed; names it.
            StoreError: the store cannot be opened.
        """
        settings = _settings(config)
        self.settings = settings
        self.application = Application.open(
            alpaca_provider, settings, store=store, clock=clock, calendar=calendar, broker=broker
        )
        desk = self.application.engine.desk
        seen = _timing_ports(alpaca_provider)[0]
        timing = ExecutionTimingEngine(
            desk.market if seen is not alpaca_provider else alpaca_provider,
            settings,
            clock=desk.runtime.clock,
            calendar=desk.calendar,
            events=desk.events_calendar,
        )
        super().__init__(
            self.application,
            timing,
            managers.OrderManager(self.application),
            llm_provider=llm_provider,
            bounded=_bounded(COMMENTARY_SECONDS_MAX),
            intake=desk.rules.intake,
        )


def _settings(config: Settings | Mapping[str, object] | None) -> Settings:
    return config if isinstance(config, Settings) else Settings.read(config)


def _timing_ports(provider: object) -> tuple[object, Clock | None, Calendar | None]:
    """Where timing looks: a simulation's market, time and sessions, else the provider itself."""
    if isinstance(provider, Simulation):
        return provider.market, provider.clock, provider.market.calendar
    if isinstance(provider, SimulatedProvider):
        return provider.market, VirtualClock(provider.start_at), provider.market.calendar
    if isinstance(provider, SimulatedBroker):
        exchange = provider.exchange
        market = RecordedMarketData(exchange.market(symbol).day for symbol in exchange.symbols)
        return market, provider.clock, market.calendar
    if isinstance(provider, AlpacaProvider):
        return provider.market, provider.clock, provider.exchange
    return provider, None, None


def _bounded(seconds: float) -> Callable[[Awaitable[object]], Awaitable[object]]:
    async def within(call: Awaitable[object]) -> object:
        async with asyncio.timeout(seconds):
            return await call

    return within
