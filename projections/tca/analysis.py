"""All measures of a set of tables, in one call."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from .fill_measures import fill_table, measure_fills
from .instruction_measures import instruction_table, measure_instructions
from .order_measures import measure_orders, measure_phases
from .placing import place
from .preparing import prepare
from .tables import Tables


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
    fills = measure_fills(ready)
    instructions = measure_instructions(ready, fills, own_in_prints=own_in_prints)
    return Analysis(
        instructions=instruction_table(instructions),
        orders=measure_orders(ready, fills),
        fills=fill_table(fills),
        phases=measure_phases(ready, fills, instructions),
        problems=ready.problems.table(),
    )
