"""Exactly as many decisions pass as a limit allows, whoever races; limits outlive processes."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.brokers.simulated import SimulatedBroker
from fillwright.adapters.engine import Arrival
from fillwright.adapters.simulation import Simulation, VenueTerms
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.records import CounterExceeded, Job
from fillwright.adapters.timekeeping.clocks import VirtualClock
from fillwright.domain import events as e
from fillwright.domain.errors import StoreBusy
from fillwright.domain.limits import Limits
from fillwright.domain.ports import NANOS
from fillwright.domain.reasons import Anomalous, Reason
from fillwright.domain.reservations import CounterUpdate
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    START_S,
    Scene,
    at,
    build,
    check_books,
    decision,
    instructions,
    logged,
    of_kind,
    run,
)

D = Decimal
WIDE = {
    "trades_max_per_day": 1_000,
    "turnover_pct_max": D(1_000),
    "position_pct_max": D(100),
    "adv_fraction_max": D(10),
}
REFUSED_FOR = {
    "trades": Reason.DAILY_TRADES,
    "turnover": Reason.DAILY_TURNOVER,
    "position": Reason.POSITION_SIZE,
    "buying_power": Reason.BUYING_POWER,
}
CALLERS = 40
SHARES = 10


def limits(**fields: Any) -> Limits:
    return Limits(**{**WIDE, **fields})


def asks(number: int, symbol: str = "KO", **fields: Any) -> dict[str, Any]:
    """A buy of ten shares that differs from every other."""
    return decision(
        "market",
        decision_id=f"d{number}",
        symbol=symbol,
        order_size=str(SHARES),
        target_weight=50,
        window="60s",
        **fields,
    )


def reserved_price() -> Decimal:
    """What one share is reserved at, from a run of one decision."""
    ran = run(Scene([asks(0)], limits=limits()))
    (made,) = instructions(ran)
    assert made.reservation is not None
    return made.reservation.turnover_usd / made.reservation.quantity


CASES: Mapping[str, Callable[[Decimal, int], tuple[Limits, VenueTerms]]] = {
    "trades": lambda price, n: (limits(trades_max_per_day=n), VenueTerms()),
    "turnover": lambda price, n: (
        limits(turnover_pct_max=(price * SHARES * n + 1) / 10_000),
        VenueTerms(),
    ),
    "buying_power": lambda price, n: (limits(), VenueTerms(cash=price * SHARES * n + 1)),
}


async def together(simulation: Simulation, count: int) -> None:
    """All at one moment, each from a task of its own."""
    engine = simulation.engine

    async def ask(number: int) -> None:
        await asyncio.sleep(0)
        await engine.schedule(Arrival(asks(number)), at(START_S))

    order = list(range(count))
    random.Random(count).shuffle(order)
    await asyncio.gather(*(ask(number) for number in order))
    await engine.run()
    await engine.close_session()


def admitted(simulation: Simulation) -> list[Any]:
    return [i for i in instructions(simulation) if i.state is not InstructionState.REJECTED]


@pytest.mark.parametrize("allowed", [1, 7, 25])
@pytest.mark.parametrize("limit", CASES)
def test_of_many_at_once_exactly_as_many_pass_as_the_limit_allows(
    limit: str, allowed: int, tmp_path: Path
) -> None:
    terms, venue = CASES[limit](reserved_price(), allowed)
    with build(Scene(limits=terms, venue=venue), tmp_path / "a.db") as simulation:
        asyncio.run(together(simulation, CALLERS))
    check_books(simulation)
    assert len(admitted(simulation)) == allowed
    for made in instructions(simulation):
        if made.state is InstructionState.REJECTED:
            reasons = {refusal.reason for refusal in made.refusals}
            assert REFUSED_FOR[limit] in reasons
            assert all(refusal.observed and refusal.allowed for refusal in made.refusals)


def test_a_position_limit_is_exact_for_many_at_once(tmp_path: Path) -> None:
    """10 shares each in a position of at most 0.43 % of a million at about 61 dollars: 70."""
    terms = limits(position_pct_max=D("0.43"))
    with build(Scene(limits=terms), tmp_path / "a.db") as simulation:
        asyncio.run(together(simulation, CALLERS))
    check_books(simulation)
    passed = admitted(simulation)
    shares = sum((made.executed for made in passed), D(0))
    price = max(made.average_price for made in passed if made.executed)
    assert shares * price <= D(4_300)
    assert (shares + SHARES) * (price - 1) > D(4_300), "no more was refused than had to be"


def test_one_after_the_other_and_at_once_admit_the_same_number(tmp_path: Path) -> None:
    terms = limits(trades_max_per_day=5)
    spread = Scene(
        [asks(number) for number in range(12)],
        arrivals={f"d{number}": START_S + number for number in range(12)},
        limits=terms,
    )
    ran = run(spread, tmp_path / "a.db")
    assert len(admitted(ran)) == 5


def test_limits_outlive_the_process(tmp_path: Path) -> None:
    terms = limits(trades_max_per_day=5)
    for batch in range(4):
        scene = Scene(
            [asks(batch * 3 + number) for number in range(3)],
            arrive_s=START_S + 100 * batch,
            limits=terms,
            close=batch == 3,
        )
        ran = run(scene, tmp_path / "a.db")
    assert len(instructions(ran)) == 12
    assert len(admitted(ran)) == 5


def counters(path: Path) -> dict[str, int]:
    with Log.open(path, writer=False) as log:
        return log.counters()


def test_what_only_was_refused_takes_nothing(tmp_path: Path) -> None:
    run(Scene([asks(0)], limits=limits(trades_max_per_day=0)), tmp_path / "a.db")
    assert {key: used for key, used in counters(tmp_path / "a.db").items() if used} == {}


@pytest.mark.parametrize("amount", [-1_000_000, 1, 5_000_000])
@pytest.mark.parametrize("which", ["trades", "turnover", "position", "buying_power"])
def test_a_tampered_counter_is_found_shown_and_rebuilt(
    which: str, amount: int, tmp_path: Path
) -> None:
    store = tmp_path / "a.db"
    terms = limits(trades_max_per_day=2)
    run(Scene([asks(0)], limits=terms, close=False), store)
    honest = counters(store)
    with sqlite3.connect(store) as file:
        changed = file.execute(
            "UPDATE counters SET used = used + ? WHERE key LIKE ?", (amount, f"{which}:%")
        )
        assert changed.rowcount == 1
    file.close()
    ran = run(Scene([asks(1), asks(2)], arrive_s=START_S + 90, limits=terms), store)
    noted = [
        x for x in of_kind(logged(ran), e.AccountAnomaly) if x.kind is Anomalous.COUNTERS_DISAGREE
    ]
    assert len(noted) == 1
    key = next(key for key in honest if key.startswith(f"{which}:"))
    assert f"{key}: stored {honest[key] + amount}, log {honest[key]}" in noted[0].detail
    assert len(admitted(ran)) == 2, "the log decides, not the table"
    rebuilt = ran.engine.desk.usage.counters()
    assert {k: v for k, v in counters(store).items() if v} == rebuilt


def test_a_deleted_counter_table_is_rebuilt(tmp_path: Path) -> None:
    store, terms = tmp_path / "a.db", limits(trades_max_per_day=1)
    run(Scene([asks(0)], limits=terms, close=False), store)
    with sqlite3.connect(store) as file:
        file.execute("DELETE FROM counters")
    file.close()
    ran = run(Scene([asks(1)], arrive_s=START_S + 90, limits=terms), store)
    assert len(admitted(ran)) == 1
    noted = [x.kind for x in of_kind(logged(ran), e.AccountAnomaly)]
    assert noted == [Anomalous.COUNTERS_DISAGREE]


def test_a_second_engine_on_the_same_store_is_refused_clearly(tmp_path: Path) -> None:
    """Threads with a loop and an engine each: one has the store, the others are told so."""
    store, allowed = tmp_path / "a.db", 4
    barrier, told, ran = threading.Barrier(6), list[str](), list[Simulation]()

    def work(number: int) -> None:
        barrier.wait()
        scene = Scene(
            [asks(number * 10 + n) for n in range(3)], limits=limits(trades_max_per_day=allowed)
        )
        try:
            ran.append(run(replace(scene, close=False), store))
        except StoreBusy as error:
            told.append(str(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran
    assert len(ran) + len(told) == 6
    assert all(str(store) in message for message in told)
    last = run(
        Scene([asks(99)], arrive_s=START_S + 90, limits=limits(trades_max_per_day=allowed)), store
    )
    assert len(admitted(last)) <= allowed
    check_books(last)


def test_writers_beside_the_engine_cannot_pass_a_cap_together(tmp_path: Path) -> None:
    """Many threads take from one counter in transactions of their own: never one too many."""
    store, cap = tmp_path / "a.db", 50
    passed: list[int] = []
    with Log.open(store) as log:

        def take() -> None:
            for _ in range(20):
                update = CounterUpdate("trades:race", 1_000_000, cap * 1_000_000)
                (result,) = log.append_jobs([Job([], [update])])
                if not isinstance(result, CounterExceeded):
                    passed.append(1)

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.counters()["trades:race"] == cap * 1_000_000
    assert len(passed) == cap


class TakesATradeMeanwhile:
    """A broker during whose answer somebody else takes a trade of the counter, and gives it back
    once more is on record; each of the two takes a second."""

    def __init__(self, inner: SimulatedBroker) -> None:
        self._inner = inner
        self.log: Log | None = None
        self.amounts = [1_000_000, -1_000_000]
        self._seen = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def account(self) -> object:
        if self.amounts and self.log is not None and self._received() > self._seen:
            self._seen = self._received()
            key = next(key for key in self.log.counters() if key.startswith("trades:"))
            self.log.append_jobs([Job([], [CounterUpdate(key, self.amounts.pop(0), None)])])
            clock = self._inner.clock
            assert isinstance(clock, VirtualClock)
            clock.set(clock.now() + NANOS)
        return await self._inner.account()

    def _received(self) -> int:
        assert self.log is not None
        return len(of_kind([one.event for one in self.log.events()], e.DecisionReceived))


def test_decisions_without_an_id_are_admitted_once_when_another_writer_was_faster(
    tmp_path: Path,
) -> None:
    """One is on record when the other is found to be too many, and both are taken anew."""
    nameless = [{**asks(number), "order_size": str(10 + number)} for number in range(3)]
    for fields in nameless:
        del fields["decision_id"]
    terms = limits(trades_max_per_day=3, duplicate_window_seconds=0)
    scene = Scene(limits=terms, broker=TakesATradeMeanwhile)

    async def play(simulation: Simulation) -> None:
        engine, broker = simulation.engine, simulation.engine.desk.broker
        await engine.submit(nameless[0])
        broker.log = simulation.log  # type: ignore[attr-defined]
        await engine.submit_batch(nameless[1:])
        await engine.run()
        await engine.close_session()
        assert broker.amounts == []  # type: ignore[attr-defined]

    with build(scene, tmp_path / "a.db") as simulation:
        asyncio.run(play(simulation))
        check_books(simulation)
    received = of_kind(logged(simulation), e.DecisionReceived)
    assert len(received) == 3
    assert len(admitted(simulation)) == 3
