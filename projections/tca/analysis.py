"""All measures of a set of tables, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from .fill_measures import fill_table, measure_fills
from .instruction_measures import instruction_table, measure_instructions, own_in_windows
from .order_measures import measure_orders, measure_phases
from .placing import place
from .preparing import KEY, ORDER, Prepared, prepare
from .summing import sum_up
from .tables import Tables

FILLS_AT_ONCE: Final = 1 << 16
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


ALL: Final[Mapping[str, Sequence[str]]] = {}
"""Every column of every result."""


def analyse(
    tables: Tables,
    *,
    own_in_prints: bool = True,
    keep: Mapping[str, Sequence[str]] = ALL,
    progress: Callable[[int, int], object] = lambda done, whole: None,
) -> Analysis:
    """Measure every fill, order, instruction and phase.

    Args:
        tables: what :meth:`Tables.of` gives.
        own_in_prints: whether the prints contain these executions, as the market's tape does; not
            so when trading was simulated. Benchmarks are given with and without them either way.
        keep: which columns of ``orders`` and ``fills`` to keep, by table; by default all. A month's
            fills are mostly memory, and who adds them up needs a part of their columns.
        progress: is told from time to time how many of how many fills are measured.
    """
    ready = prepare(tables)
    place(tables, ready)
    fills, orders, sums, own, of_phases = [], [], [], [], []
    done = 0
    for some, their_orders in _pieces(ready):
        progress(done, ready.fills.height)
        done += some.height
        measured = measure_fills(ready, some)
        sums.append(sum_up(measured, KEY))
        own.append(own_in_windows(measured))
        if ready.phases.height:
            of_phases.append(_sum_by_phase(measured))
        of_orders = sum_up(measured.filter(pl.col(ORDER).is_not_null()), ORDER)
        orders.append(_kept(measure_orders(ready, their_orders, of_orders), keep.get("orders")))
        fills.append(_kept(fill_table(measured), keep.get("fills")))
    progress(done, done)
    instructions = measure_instructions(
        ready, pl.concat(sums), pl.concat(own), own_in_prints=own_in_prints
    )
    phases = pl.concat(of_phases) if of_phases else pl.DataFrame()
    return Analysis(
        instructions=instruction_table(instructions),
        orders=pl.concat(orders),
        fills=pl.concat(fills),
        phases=measure_phases(ready, phases, instructions),
        problems=ready.problems.table(),
    )


def _kept(frame: pl.DataFrame, columns: Sequence[str] | None) -> pl.DataFrame:
    return frame if columns is None else frame.select(columns)


def _pieces(ready: Prepared) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Fills with the orders of their instructions, in pieces that never part an instruction.

    There is always one piece, and every order is in one.
    """
    fills, orders = ready.fills, ready.orders
    start = first_order = 0
    while True:
        end = min(start + FILLS_AT_ONCE, fills.height)
        end_order = orders.height
        if end < fills.height:
            last = fills[KEY][end - 1]
            end = int(fills[KEY].search_sorted(last, side="right"))
            if end < fills.height:
                end_order = int(orders[KEY].search_sorted(last, side="right"))
        yield (
            fills.slice(start, end - start),
            orders.slice(first_order, end_order - first_order),
        )
        start, first_order = end, end_order
        if start >= fills.height:
            return


def _sum_by_phase(fills: pl.DataFrame) -> pl.DataFrame:
    keyed = fills.sort(KEY, "phase", maintain_order=True).with_columns(
        _phase=pl.struct(KEY, "phase")
    )
    return sum_up(keyed, "_phase").unnest("_phase")
