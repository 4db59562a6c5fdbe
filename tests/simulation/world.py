"""What whole-engine tests share: a generated session, runs on it, and the checks after a run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from fillwright.adapters.brokers.simulated import SimulatedBroker
from fillwright.adapters.engine import Arrival, EngineRules
from fillwright.adapters.exchange.journal import Journal
from fillwright.adapters.exchange.scaled import ScaledDay
from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.market_data.generated import GeneratedMarket
from fillwright.adapters.market_data.instruments import DEFAULT_INSTRUMENTS
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.replay.replaying import replay_decisions
from fillwright.adapters.simulation import EXACT, Simulation, VenueTerms, simulate
from fillwright.adapters.storage.location import is_postgres
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.instruction import Instruction
from fillwright.domain.limits import Limits
from fillwright.domain.planning.facts import PlanningRules
from fillwright.domain.ports import NANOS, ExecutionReport
from fillwright.domain.switching import SwitchingRules
from tests.postgres import PostgresServer, fresh_store

D = Decimal
ZERO = D(0)
DATE = "20240108"
SYMBOLS = ("AAPL", "KO")
STRATEGIES = ("market", "limit", "twap", "vwap", "iceberg", "opportunistic")
THOROUGH = os.environ.get("FILLWRIGHT_THOROUGH") == "1"
START_S = 600
"""When decisions come, seconds after the open: past the minutes that are avoided."""


@cache
def market() -> GeneratedMarket:
    """One invented session of two symbols, lighter than the packaged one."""
    light = [
        replace(spec, quotes=spec.quotes // 3, prints=spec.prints // 3)
        for spec in DEFAULT_INSTRUMENTS
        if spec.symbol in SYMBOLS
    ]
    return GeneratedMarket(7, DATE, light)


@cache
def scaled_days() -> tuple[ScaledDay, ...]:
    return tuple(ScaledDay(day) for day in market().days())


@cache
def shared_data() -> RecordedMarketData:
    """Market data without halts; all runs read the same."""
    return market().market_data()


def opened_at() -> int:
    """The session's open, ns UTC."""
    return market().sessions[0].open


def closes_at() -> int:
    """The session's close, ns UTC."""
    return market().sessions[0].close


def at(seconds: float) -> int:
    """So many seconds after the open, ns UTC."""
    return opened_at() + round(seconds * NANOS)


def decision(strategy: str = "twap", **fields: Any) -> dict[str, Any]:
    """A buy of 3 % of equity within four minutes, without a bound, to be completed."""
    given = {
        "decision_id": f"d-{strategy}",
        "symbol": "AAPL",
        "action": "BUY",
        "target_weight": 3.0,
        "confidence": 8,
        "strategy": strategy,
        "window": "4m",
        "max_slippage": None,
        "must_complete": True,
        "reasoning": "momentum",
    }
    merged = {**given, **fields}
    return {key: value for key, value in merged.items() if value is not None or key in KEPT}


KEPT = {"max_slippage"}


@dataclass
class Scene:
    """What a run is told; ``moments`` are coroutines to run at times (ns UTC), in virtual time."""

    decisions: Sequence[Mapping[str, Any]] = ()
    arrive_s: float = START_S
    arrivals: Mapping[str, float] = field(default_factory=dict)
    venue: VenueTerms = field(default_factory=VenueTerms)
    rules: Mapping[str, Any] = field(default_factory=dict)
    planning: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    start_s: float | None = None
    seed: int = 1
    moments: Sequence[tuple[int, Callable[[Simulation], Awaitable[None]]]] = ()
    broker: Callable[[SimulatedBroker], Any] | None = None
    close: bool = True


class Interjecting:
    """A runtime that runs coroutines when their time has come."""

    def __init__(self, inner: Any, simulation: Simulation, moments: Sequence[Any]) -> None:
        self._inner, self._simulation = inner, simulation
        self._moments = sorted(moments, key=lambda moment: moment[0])

    @property
    def clock(self) -> Any:
        return self._inner.clock

    async def wait(self, until: int | None) -> None:
        due = self._moments[0][0] if self._moments else None
        if due is not None:
            until = due if until is None else min(until, max(due, self.clock.now()))
        await self._inner.wait(until)
        while self._moments and self._moments[0][0] <= self.clock.now():
            _, act = self._moments.pop(0)
            await act(self._simulation)


def placed(store: Path | str) -> str:
    """Where the log of a run with this store is; tests may put every file's on a server."""
    return str(store) if SERVER is None or is_postgres(store) else on_server(Path(store))


@cache
def on_server(store: Path) -> str:
    """The store on the server that stands for a file, with its other files where they were."""
    assert SERVER is not None
    return fresh_store(SERVER, store.parent, store.name, lease_seconds=60)


SERVER: PostgresServer | None = None
"""Set by tests that run on a server what others run on files."""


def build(
    scene: Scene, store: Path | str | None, on_boundary: Callable[[str], None] | None = None
) -> Simulation:
    """Wire a run of a scene."""
    planning = PlanningRules(**{**dict(EXACT), **scene.planning}) if scene.planning else EXACT
    venue = scene.venue
    # What a venue says of trading is added to the data, which other runs must not see.
    special = venue.halts or venue.bands or venue.short_selling or venue.price_tests
    data = market().market_data() if special else shared_data()
    given = {"planning": planning, "seed": scene.seed, **scene.rules}
    simulation = simulate(
        scaled_days() if not scene.venue.halts else market().days(),
        store=placed(store) if store is not None else "memory:",
        seed=scene.seed,
        venue=scene.venue,
        rules=EngineRules(**given),
        limits=scene.limits,
        market=data,
        on_boundary=on_boundary,
        start_at=None if scene.start_s is None else at(scene.start_s),
    )
    desk = simulation.engine.desk
    if scene.broker is not None:
        desk.broker = scene.broker(desk.broker)
    if scene.moments:
        desk.runtime = Interjecting(desk.runtime, simulation, scene.moments)
    return simulation


async def play(simulation: Simulation, scene: Scene) -> Simulation:
    """Let the decisions arrive and work until nothing is open; the store is let go of."""
    with simulation:
        for fields in scene.decisions:
            when = at(scene.arrivals.get(str(fields.get("decision_id")), scene.arrive_s))
            arrival = simulation.engine.schedule(Arrival(dict(fields)), when)
            arrival.add_done_callback(lambda future: future.cancelled() or future.exception())
        await simulation.engine.run()
        if scene.close:
            await simulation.engine.close_session()
    return simulation


def run(
    scene: Scene, store: Path | str | None = None, hook: Callable[[str], None] | None = None
) -> Simulation:
    """One run of a scene from wherever the store is."""
    return asyncio.run(play(build(scene, store, hook), scene))


# -- reading a run --------------------------------------------------------------------------------


def instructions(simulation: Simulation) -> list[Instruction]:
    return list(simulation.engine.desk.instructions.values())


def only(simulation: Simulation) -> Instruction:
    """The one instruction of a run."""
    (instruction,) = instructions(simulation)
    return instruction


def duplicates(simulation: Simulation) -> dict[str, int]:
    """Orders handed over more than once, from the exchange's own journal."""
    if simulation.log.name == "memory:":
        return simulation.journal.duplicates()
    files = simulation.log.files
    with closing(Journal(files.with_name(f"{files.name}.exchange"))) as journal:
        return journal.duplicates()


def logged(simulation: Simulation) -> list[e.DomainEvent]:
    """Every event in the run's store."""
    with Log.open(simulation.log.name, writer=False) as log:
        return [recorded.event for recorded in log.events()]


def of_kind(events: Sequence[e.DomainEvent], *kinds: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


def held(simulation: Simulation, symbol: str) -> Decimal:
    """The exchange's position."""
    positions = simulation.exchange.positions(simulation.clock.now())
    return positions[symbol].quantity if symbol in positions else ZERO


def exchange_fills(simulation: Simulation) -> list[ExecutionReport]:
    """Every execution as the exchange's own books have it."""
    names = [order.client_order_id for order in simulation.exchange.orders()]
    history = simulation.exchange.reports_since(names, simulation.clock.now())
    return [report for report in history if report.execution_id is not None]


def outcome(simulation: Simulation) -> dict[str, Any]:
    """What must be the same however often the process died."""
    return {
        "instructions": {
            i.decision_id: (i.state.value, i.executed) for i in instructions(simulation)
        },
        "positions": {symbol: held(simulation, symbol) for symbol in SYMBOLS},
    }


def check_books(simulation: Simulation, *, start: Mapping[str, Decimal] | None = None) -> None:
    """No order twice, each fill counted once, and log, exchange and positions say the same.

    And every decision on the record comes out the same when it is made again.
    """
    assert duplicates(simulation) == {}
    check_sums(simulation, start=start)
    with Log.open(simulation.log.name, writer=False) as log:
        assert [str(one) for one in replay_decisions(log).decisions.differences] == []


def check_sums(simulation: Simulation, *, start: Mapping[str, Decimal] | None = None) -> None:
    """What executed is the exchange's fills, and position is start plus what executed."""
    fills = exchange_fills(simulation)
    expected = dict.fromkeys(SYMBOLS, ZERO) | dict(start or {})
    known = 0
    for instruction in instructions(simulation):
        mine = [f for f in fills if f.client_order_id in instruction.orders]
        known += len(mine)
        total = sum((fill.last_qty for fill in mine), ZERO)
        paid = sum((fill.last_qty * fill.last_price for fill in mine), ZERO)
        assert instruction.executed == total
        assert instruction.notional == paid
        assert instruction.executed == sum((o.cum_qty for o in instruction.orders.values()), ZERO)
        assert instruction.is_done
        assert not instruction.live
        if instruction.plan is not None:
            assert instruction.executed <= instruction.plan.quantity
            expected[instruction.plan.symbol] += instruction.plan.side.sign * total
    assert known == len(fills), "the exchange filled an order that no instruction knows"
    for symbol in SYMBOLS:
        assert held(simulation, symbol) == expected[symbol]
    open_orders = [order for order in simulation.exchange.orders() if order.is_open]
    assert open_orders == []


NO_SWITCH = SwitchingRules(switches_max=0)
NO_FEES = Fees()
