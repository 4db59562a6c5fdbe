"""A month on one store: each day traded, settled, stated by the broker, reconciled and final.

The broker's side is the simulated exchange and its custodian, which never see the engine's log;
the engine's side is the same engine as ever, stopped and taken up again where the plan says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from ..domain.corporate import CorporateAction
from ..domain.fees import FeeSchedule
from ..domain.limits import Limits
from ..domain.ports import NANOS
from ..domain.statement import Statement
from .account_record import AccountRecord
from .brokers.simulated import DayOver, SimulatedRuntime
from .corporate_actions import Announced
from .engine import Arrival, EngineRules
from .exchange.custody import Custodian
from .exchange.terms import Fees
from .inputs.statements import read_statement, write_statement
from .market_data.generated import GeneratedMarket
from .market_data.recorded import RecordedMarketData
from .month_plan import DayPlan, MonthPlan
from .simulation import DAY_END_NS, EXACT, Simulation, VenueTerms, simulate
from .statement_reconciling import Reconciled, StatementDesk
from .timekeeping.clocks import VirtualClock

ACTOR: Final = "person:operations"
ACCOUNT: Final = "month"
PLANNING: Final = EXACT.model_copy(update={"fee_rates": FeeSchedule().rates})
LIMITS: Final = Limits(position_pct_max=Decimal(20), turnover_pct_max=Decimal(400))


@dataclass(frozen=True, slots=True)
class DayDone:
    """One day as it went: the broker's statement, and what holding it against the log found."""

    session_date: str
    is_half_day: bool
    statement: Statement
    path: Path
    reconciled: Reconciled
    unexplained: tuple[str, ...]
    restarts: int

    @property
    def breaks(self) -> int:
        """Differences that nothing explains."""
        return len(self.reconciled.breaks) + len(self.unexplained)


@dataclass(frozen=True, slots=True)
class MonthDone:
    """All days; ``store`` and ``statements`` are where the log and the broker's records lie."""

    store: str
    statements: Path
    days: tuple[DayDone, ...]

    @property
    def breaks(self) -> int:
        """Differences that nothing explains, over all days."""
        return sum(day.breaks for day in self.days)

    @property
    def is_final(self) -> bool:
        """Whether every day is final."""
        return all(day.reconciled.is_final for day in self.days)


def run_month(
    plan: MonthPlan, store: Path, on_day: Callable[[DayDone], None] = lambda _: None
) -> MonthDone:
    """Run every day of a plan on a new store, and reconcile each.

    Statements lie in a folder beside the store, one file a day.

    Raises:
        StoreError: the store cannot be used.
    """
    folder = store.with_name(store.name + ".statements")
    folder.mkdir(parents=True, exist_ok=True)
    schedule = FeeSchedule()
    custodian = Custodian(plan.terms.cash, {}, schedule)
    done: list[DayDone] = []
    for day in plan.days:
        custodian.before_open(day.effective, {s.symbol: Decimal(str(s.price)) for s in day.specs})
        simulation, restarts = asyncio.run(_trade(plan, day, store, custodian))
        made = _close(day, simulation, store, folder, custodian, schedule, restarts)
        if not done:
            announce(store, plan.actions, simulation.clock.now())
        done.append(made)
        on_day(made)
    return MonthDone(str(store), folder, tuple(done))


def announce(store: Path, actions: tuple[CorporateAction, ...], at: int) -> None:
    """Put the actions of the month on the record, on the evening of the first day."""
    record = AccountRecord(str(store), ACCOUNT, VirtualClock(at))
    announced = [Announced(action, action.model_dump_json()) for action in actions]
    record.record_actions(announced, "month", ACTOR)


def _market(plan: MonthPlan, day: DayPlan) -> RecordedMarketData:
    date = day.session.date.replace("-", "")
    return GeneratedMarket(plan.terms.seed, date, day.specs).market_data()


def _build(
    plan: MonthPlan,
    day: DayPlan,
    store: Path,
    custodian: Custodian,
    market: RecordedMarketData,
    start_at: int,
) -> Simulation:
    venue = VenueTerms(
        cash=custodian.cash,
        positions=custodian.positions,
        fees=Fees.of_schedule(FeeSchedule(), day.session.date),
        halts=day.halts,
        faults=day.faults,
    )
    tapes = [tape for name in market.symbols for tape in market.days_of(name)]
    return simulate(
        tapes,
        store=str(store),
        account=ACCOUNT,
        seed=plan.terms.seed,
        venue=venue,
        rules=EngineRules(planning=PLANNING, seed=plan.terms.seed, reconcile_seconds=1_800),
        limits=LIMITS,
        market=market,
        start_at=start_at,
        day_of_many=True,
    )


async def _trade(
    plan: MonthPlan, day: DayPlan, store: Path, custodian: Custodian
) -> tuple[Simulation, int]:
    """Work the day; at each restart the engine is dropped as it stands, and a new one built."""
    market = _market(plan, day)
    start = day.session.open
    waiting = list(day.decisions)
    for stop in day.restarts:
        with _build(plan, day, store, custodian, market, start) as simulation:
            _schedule(simulation, [each for each in waiting if each[0] < stop])
            waiting = [each for each in waiting if each[0] >= stop]
            clock = simulation.clock
            simulation.engine.desk.runtime = SimulatedRuntime(clock, simulation.exchange, stop)
            with contextlib.suppress(DayOver):
                await simulation.engine.run()
        start = stop + 5 * NANOS
    simulation = _build(plan, day, store, custodian, market, start)
    with simulation:
        _schedule(simulation, waiting)
        await simulation.finish()
    return simulation, len(day.restarts)


def _schedule(
    simulation: Simulation, decisions: Sequence[tuple[int, Mapping[str, object]]]
) -> None:
    for at, fields in decisions:
        future = simulation.engine.schedule(Arrival(dict(fields)), at)
        future.add_done_callback(lambda done: done.cancelled() or done.exception())


def _close(
    day: DayPlan,
    simulation: Simulation,
    store: Path,
    folder: Path,
    custodian: Custodian,
    schedule: FeeSchedule,
    restarts: int,
) -> DayDone:
    at = day.session.close + DAY_END_NS
    simulation.exchange.advance(max(at, simulation.exchange.now))
    statement = custodian.close(simulation.exchange, day.session.date, simulation.exchange.now)
    path = folder / f"{day.session.date}.json"
    write_statement(statement, path)
    record = AccountRecord(str(store), ACCOUNT, VirtualClock(simulation.clock.now()))
    found = StatementDesk(record, schedule).reconcile(read_statement(path), ACTOR)
    standing = simulation.engine.desk.account.standing
    unexplained = tuple(f"{s}: {standing.told(s)}" for s in sorted(standing.unexplained))
    date, half = day.session.date, day.session.is_half_day
    return DayDone(date, half, statement, path, found, unexplained, restarts)
