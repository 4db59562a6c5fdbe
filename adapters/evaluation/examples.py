"""Example orders for the page: one parent per symbol with its market, rests and executions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from ...domain.ports import TimeInForce
from .outcome import Execution, Outcome
from .parallel import Evaluation, ready_for
from .policies import Policy
from .runner import Bench, ParentOrder

POINTS: Final = 400
"""How many points of the market's path are drawn."""
EXAMPLES_MAX: Final = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resting:
    """An order that rested at ``price`` from ``start`` to ``end``, ns UTC."""

    start: int
    end: int
    price: float


@dataclass(frozen=True, slots=True)
class Example:
    """One worked parent with what is drawn of it; ``path`` is (ns UTC, bid, ask)."""

    outcome: Outcome
    path: tuple[tuple[int, float, float], ...]
    rests: tuple[Resting, ...]
    executions: tuple[Execution, ...]


def examples_of(evaluation: Evaluation, policy: Policy) -> list[Example]:
    """One parent of each of the first symbols, worked once more by ``policy``.

    It is the one in the middle of the grid, of the middle horizon and size: chosen by its place,
    not by how it went.
    """
    found: list[Example] = []
    days: dict[str, str] = {}
    for outcome in evaluation.outcomes:
        days.setdefault(outcome.parent.symbol, outcome.parent.date)
    for symbol, date in list(days.items())[:EXAMPLES_MAX]:
        ready = ready_for(evaluation.request, symbol, date)
        if not isinstance(ready, tuple):
            continue
        bench, parents, _ = ready
        horizon = _middle(sorted({p.horizon_seconds for p in parents}))
        size = _middle(sorted({p.size for p in parents}))
        alike = [p for p in parents if p.horizon_seconds == horizon and p.size == size]
        order = ParentOrder.alone(bench, _middle(alike), policy)
        order.run()
        found.append(_drawn(bench, order))
    return found


def _middle(items: Sequence[T]) -> T:
    return items[len(items) // 2]


def _drawn(bench: Bench, order: ParentOrder) -> Example:
    parent, day = order.parent, bench.scaled.day
    step = max((parent.end - parent.start) // POINTS, 1)
    path = []
    for at in range(parent.start, parent.end + 1, step):
        row = day.quote_index(at)
        bid, ask = float(day.bid_px[row, 0]), float(day.ask_px[row, 0])
        if row >= 0 and 0 < bid < ask:
            path.append((at, bid, ask))
    rests = []
    for name, reports in order.reports().items():
        request = order.instruction.requests[name]
        if request.time_in_force is TimeInForce.DAY and request.limit_price is not None:
            times = [report.market_time for report in reports]
            rests.append(Resting(min(times), max(times), float(request.limit_price)))
    outcome = order.outcome(keep_executions=True)
    return Example(outcome, tuple(path), tuple(rests), outcome.executions)
