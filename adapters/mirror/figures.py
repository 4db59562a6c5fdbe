"""The figures of a report, computed from columns instead of by folding every event.

Sums over events are DuckDB's, exact in DECIMAL. What is a quotient is computed by the projections'
own functions from those sums, so that both ways give the same digits (``docs/mirror.md``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from ...domain.money import ZERO
from ...domain.ports import Side
from ...domain.states import InstructionState
from ...projections.execution_quality import end_mid_of, volume_of
from ...projections.outcomes import ExecutionSummary, Outcome, summarise_outcomes
from ...projections.reports import Totals
from ..collector import without_collector
from .effects import counter_key
from .query import Tables

_INSTRUCTIONS: Final = """
SELECT instruction_id, symbol, strategy, state, released, side, ordered, executed, notional, fees,
  in_terms, unpriced, arrival_mid, release_mid, ended_at, last_fill_at, volume_at_start,
  seen['at'], seen['mid'], seen['volume']
FROM instructions ORDER BY first_position"""

_ORDERS: Final = """
SELECT count(*), coalesce(sum(fills), 0)::BIGINT, count(*) FILTER (WHERE indeterminate)
FROM orders"""

_COUNTERS: Final = """
SELECT c.counter, c.account, c.session_date, c.symbol, c.side, sum(c.amount_micro)::BIGINT
FROM (SELECT unnest(counters) AS c FROM mirrored WHERE counters IS NOT NULL)
GROUP BY ALL HAVING sum(c.amount_micro) <> 0"""

_STATES: Final = {state.value: state for state in InstructionState}
_SIDES: Final = {side.value: side for side in Side}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a report of the whole log tells, up to ``position``.

    ``counters`` are those of the limits in millionths, without those that are zero.
    """

    position: int
    head_hash: str
    totals: Totals
    quality: ExecutionSummary
    counters: Mapping[str, int]


def figures(tables: Tables) -> Figures:
    """The figures up to the last event of the tables."""
    with without_collector():
        return _figures(tables)


def _figures(tables: Tables) -> Figures:
    ((orders, fills, indeterminate),) = tables.ask(_ORDERS).rows()
    passing = _Passing()
    quality = summarise_outcomes(passing.outcomes(tables))
    states = passing.states
    return Figures(
        position=tables.position,
        head_hash=tables.head_hash.hex(),
        totals=Totals(
            decisions=states.total(),
            filled=states[InstructionState.FILLED],
            cancelled=states[InstructionState.CANCELLED],
            rejected=states[InstructionState.REJECTED],
            no_change=states[InstructionState.NO_CHANGE],
            active=passing.active,
            orders=orders,
            fills=fills,
            indeterminate=indeterminate,
            notional=passing.notional,
            fees=passing.fees,
        ),
        quality=quality,
        counters=dict(sorted(_counters(tables).items())),
    )


class _Passing:
    """Counts outcomes as they pass, so that no more than one of them is in memory."""

    def __init__(self) -> None:
        self.states: Counter[InstructionState] = Counter()
        self.active = 0
        self.notional = self.fees = ZERO

    def outcomes(self, tables: Tables) -> Iterator[Outcome]:
        """Those of the tables, in the order of the log."""
        for row in tables.ask(_INSTRUCTIONS).rows():
            one = _outcome(row)
            self.states[one.state] += 1
            self.active += not one.is_done
            self.notional += one.notional
            self.fees += one.fees
            yield one


def _outcome(row: tuple[Any, ...]) -> Outcome:
    id, symbol, strategy, state, released, side, ordered, executed, notional, fees = row[:10]
    in_terms, unpriced, arrival, release, ended_at, last_fill_at, start = row[10:17]
    seen_at, mid, volume = row[17:]
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
        unpriced,
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
