"""Crash between any two durable writes, start again: same end, nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.engine import Arrival
from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.simulation import Simulation, simulate
from fillwright.domain.ports import NANOS

STRATEGIES = ("market", "limit", "twap", "vwap", "iceberg", "opportunistic")


class Crash(BaseException):
    """The process dies here: nothing after it runs."""


class Boundaries:
    """Counts durable writes, and dies at the chosen one."""

    def __init__(self, die_at: int | None = None) -> None:
        self.seen: list[str] = []
        self.die_at = die_at

    def __call__(self, label: str) -> None:
        self.seen.append(label)
        if self.die_at is not None and len(self.seen) == self.die_at:
            raise Crash(f"{label} number {self.die_at}")


def decision(strategy: str) -> dict[str, Any]:
    return {
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


async def run(
    days: Sequence[SymbolDay], store: Path, fields: Mapping[str, Any], hook: Boundaries
) -> Simulation:
    simulation = simulate(days, store=str(store), seed=1, on_boundary=hook)
    try:
        at = simulation.session.open + 600 * NANOS
        arrival = simulation.engine.schedule(Arrival(dict(fields)), at)
        arrival.add_done_callback(lambda future: future.cancelled() or future.exception())
        await simulation.finish()
    finally:
        simulation.close()
    return simulation


def facts(simulation: Simulation) -> dict[str, Any]:
    """What must be the same however often the process died."""
    instruction = next(iter(simulation.engine.desk.instructions.values()))
    plan = instruction.plan
    assert plan is not None
    positions = simulation.exchange.positions(simulation.clock.now())
    return {
        "state": instruction.state.value,
        "executed": instruction.executed,
        "position": {symbol: held.quantity for symbol, held in positions.items()},
        "complete": instruction.executed == plan.quantity,
    }


def check(simulation: Simulation, store: Path) -> None:
    """No order twice, every fill counted once, and the log says what the exchange says."""
    journal = simulation.journal
    assert journal.duplicates() == {}
    instruction = next(iter(simulation.engine.desk.instructions.values()))
    bought = sum((order.cum_qty for order in instruction.orders.values()), Decimal(0))
    assert instruction.executed == bought
    positions = simulation.exchange.positions(simulation.clock.now())
    held = positions["AAPL"].quantity if "AAPL" in positions else Decimal(0)
    assert instruction.executed == held
    assert instruction.anomalies == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_crash_between_any_two_writes_changes_nothing(
    strategy: str, generated_days: Sequence[SymbolDay], tmp_path: Path
) -> None:
    fields = decision(strategy)
    calm = Boundaries()
    whole = asyncio.run(run(generated_days, tmp_path / "whole.db", fields, calm))
    expected = facts(whole)
    assert expected["complete"] or strategy == "limit", "the uninterrupted run completes"
    for number in range(1, len(calm.seen) + 1):
        store = tmp_path / f"crash-{number}.db"
        with pytest.raises(Crash):
            asyncio.run(run(generated_days, store, fields, Boundaries(number)))
        again = asyncio.run(run(generated_days, store, fields, Boundaries()))
        check(again, store)
        assert facts(again) == expected, f"died at {calm.seen[number - 1]} number {number}"
