"""All measures of a set of tables, in one call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from .fill_measures import fill_table, measure_fills
from .instruction_measures import instruction_table, measure_instructions
from .order_measures import measure_orders, measure_phases
from .placing import place
from .preparing import KEY, ORDER, prepare
from .summing import sum_up
from .tables import Tables

FILLS_AT_ONCE: Final = 1 << 17
"""How many fills are measured together, give or take an instruction; it bounds the memory."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What cost analysis gives; the columns are those of :mod:`.results`.

    ``problems`` names whatever is wrong with the data: rows that were left out, and figures that
    are null because of it.
    """

    instructions: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    phases: pl.DataFrame
    problems: pl.DataFrame


def analyse(tables: Tables, *, own_in_prints: bool = True) -> Analysis:
    """Measure every fill, order, instruction and phase.

    Args:
        tables: what :meth:`Tables.of` gives.
        own_in_prints: whether the prints contain these executions, as the market's tape does; not
            so when trading was simulated. Benchmarks are given with and without them either way.
    """
    ready = prepare(tables)
    place(tables, ready)
    fills, of_instructions, of_orders, of_phases = [], [], [], []
    for some in _pieces(ready.fills):
        measured = measure_fills(ready, some)
        of_instructions.append(sum_up(measured, KEY))
        of_orders.append(sum_up(measured.filter(pl.col(ORDER).is_not_null()), ORDER))
        if ready.phases.height:
            of_phases.append(_sum_by_phase(measured))
        fills.append(fill_table(measured))
    instructions = measure_instructions(
        ready, pl.concat(of_instructions), own_in_prints=own_in_prints
    )
    ready.fills = ready.fills.clear()
    phases = pl.concat(of_phases) if of_phases else pl.DataFrame()
    return Analysis(
        instructions=instruction_table(instructions),
        orders=measure_orders(ready, pl.concat(of_orders)),
        fills=pl.concat(fills),
        phases=measure_phases(ready, phases, instructions),
        problems=ready.problems.table(),
    )


def _pieces(fills: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Fills in pieces that never part an instruction; one empty piece of none."""
    start = 0
    while start < fills.height or start == 0:
        end = min(start + FILLS_AT_ONCE, fills.height)
        if end < fills.height:
            last = fills[KEY][end - 1]
            end = int(fills[KEY].search_sorted(last, side="right"))
        yield fills.slice(start, end - start)
        start = max(end, 1)


def _sum_by_phase(fills: pl.DataFrame) -> pl.DataFrame:
    keyed = fills.sort(KEY, "phase", maintain_order=True).with_columns(
        _phase=pl.struct(KEY, "phase")
    )
    return sum_up(keyed, "_phase").unnest("_phase")
