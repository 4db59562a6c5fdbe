"""The figures of a report, computed from columns instead of by folding every event.

Sums over events are DuckDB's, exact in DECIMAL. What is a quotient is computed by the projections'
own functions from those sums, so that both ways give the same digits (``docs/mirror.md``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from ...domain.money import ZERO
from ...domain.ports import Side
from ...domain.states import InstructionState
from ...projections.averages import EXACT
from ...projections.execution_quality import end_mid_of, volume_of
from ...projections.outcomes import (
    GroupedQuality,
    InstructionQuality,
    Outcome,
    QualitySums,
    quality_of_outcome,
)
from ...projections.reports import Totals
from ..collector import without_collector
from .effects import counter_key
from .query import Row, Tables
from .standings import instructions, order_counts

_COUNTERS: Final = """
SELECT c.counter, c.account, c.session_date, c.symbol, c.side, sum(c.amount_micro)::BIGINT
FROM (SELECT unnest(counters) AS c FROM mirrored WHERE counters IS NOT NULL)
GROUP BY ALL HAVING sum(c.amount_micro) <> 0"""

_STATES: Final = {state.value: state for state in InstructionState}
_SIDES: Final = {side.value: side for side in Side}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a report of the whole log tells, up to ``position``.

    ``counters`` are those of the limits in millionths, without those that are zero. The cost of
    each instruction is told by :func:`costs`.
    """

    position: int
    head_hash: str
    totals: Totals
    quality: GroupedQuality
    counters: Mapping[str, int]


def figures(tables: Tables) -> Figures:
    """The figures up to the last event of the tables."""
    with without_collector():
        return _figures(tables)


def costs(tables: Tables) -> Iterator[InstructionQuality]:
    """The cost of each instruction that was admitted and has ended, in no order."""
    for row in instructions(tables):
        one = _outcome(row)
        cost = quality_of_outcome(one) if one.counts else None
        if cost is not None:
            yield cost


def _figures(tables: Tables) -> Figures:
    totals, quality = _of_instructions(tables)
    orders, counters = order_counts(tables), _counters(tables)
    return Figures(
        position=tables.position,
        head_hash=tables.head_hash.hex(),
        totals=replace(totals, **orders._asdict()),
        quality=quality,
        counters=dict(sorted(counters.items())),
    )


def _of_instructions(tables: Tables) -> tuple[Totals, GroupedQuality]:
    """What instructions tell; nothing is counted of their orders."""
    quality = QualitySums()
    states: Counter[InstructionState] = Counter()
    active = 0
    notional = fees = ZERO
    for row in instructions(tables):
        one = _outcome(row)
        quality.add(one)
        states[one.state] += 1
        active += not one.is_done
        notional = EXACT.add(notional, one.notional)
        fees = EXACT.add(fees, one.fees)
    totals = Totals(
        decisions=states.total(),
        filled=states[InstructionState.FILLED],
        cancelled=states[InstructionState.CANCELLED],
        rejected=states[InstructionState.REJECTED],
        no_change=states[InstructionState.NO_CHANGE],
        active=active,
        orders=0,
        fills=0,
        indeterminate=0,
        notional=notional,
        fees=fees,
    )
    return totals, quality.grouped()


def _outcome(row: Row) -> Outcome:
    id, _, symbol, strategy, state, released, side, ordered, executed, notional, fees = row[:11]
    in_terms, unpriced, arrival, release, ended_at, last_fill_at, start = row[11:18]
    seen_at, mid, volume = row[18:]
    end_mid = at_end = None
    if seen_at is not None:
        end_mid = end_mid_of(ended_at, seen_at, mid)
        at_end = volume_of(start, seen_at, volume, last_fill_at or 0)
    return Outcome(
        UUID(id),
        symbol or "",
        strategy,
        _STATES[state],
        released,
        None if side is None else _SIDES[side],
        ordered,
        executed,
        notional,
        fees,
        in_terms,
        unpriced or False,
        arrival,
        release,
        end_mid,
        at_end,
    )


def _counters(tables: Tables) -> dict[str, int]:
    names = ("counter", "account", "session_date", "symbol", "side")
    found = {}
    for *parts, amount in tables.ask(_COUNTERS).rows():
        found[counter_key(dict(zip(names, parts, strict=True)))] = amount
    return found
