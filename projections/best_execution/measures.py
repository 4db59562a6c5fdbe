"""Figures over groups of rows: sums, ratios of sums, weighted averages, and how much was known.

Sums are taken exactly, in decimals, so that the order of rows makes no difference; what is averaged
is first rounded to :data:`PLACES` places. A ratio is one of sums, never an average of ratios.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

import polars as pl

from ...domain.money import ZERO
from .document import Column, Value

PLACES: Final = 12
EXACT: Final = pl.Decimal(38, PLACES)
GRID: Final = Decimal("0.000001")
"""What averages and ratios are rounded to, half to even."""
BPS: Final = Decimal(10_000)


class How(StrEnum):
    """How rows become one figure."""

    ROWS = "number of rows"
    KNOWN = "number of rows where it is known"
    SUM = "sum"
    RATIO = "sum over sum, of rows where both are known"
    MEAN = "average weighted by"


class Measure(NamedTuple):
    """A figure over rows: ``over`` is summed or averaged, ``under`` divides or weighs.

    ``scale`` multiplies a ratio (10,000 for bps).
    """

    name: str
    title: str
    unit: str
    how: How
    over: str = ""
    under: str = ""
    scale: Decimal = Decimal(1)
    about: str = ""

    @property
    def column(self) -> Column:
        """Its column in a report, with its formula."""
        times = "" if self.scale == 1 else f" x {self.scale:f}"
        formula = {
            How.ROWS: "rows",
            How.KNOWN: f"rows with {self.over}",
            How.SUM: f"sum {self.over}",
            How.RATIO: f"sum {self.over} / sum {self.under}{times}",
            How.MEAN: f"sum {self.over} x {self.under} / sum {self.under}",
        }[self.how]
        return Column(self.name, self.title, self.unit, f"{self.about or self.title}: {formula}")

    def sums(self) -> tuple[pl.Expr, pl.Expr]:
        """What is summed above and below the line."""
        if self.how is How.ROWS:
            return pl.len().cast(EXACT), pl.lit(1)
        over = pl.col(self.over)
        if self.how is How.KNOWN:
            return over.is_not_null().sum().cast(EXACT), pl.lit(1)
        exact = over.cast(EXACT)
        if self.how is How.SUM:
            # A sum of nothing known is unknown, not zero.
            return exact.sum(), over.is_not_null().any().cast(pl.Int64)
        weight = pl.col(self.under).cast(EXACT)
        known = over.is_not_null() & pl.col(self.under).is_not_null()
        above = exact * weight if self.how is How.MEAN else exact
        return above.filter(known).sum(), weight.filter(known).sum()

    def figure(self, above: Any, below: Any) -> Value:
        """The figure from the two sums, None where it is unknown."""
        over, under = Decimal(above or 0), Decimal(below or 0)
        if self.how in (How.ROWS, How.KNOWN):
            return int(over)
        if not under:
            return None
        if self.how is How.SUM:
            return over
        return (over * self.scale / under).quantize(GRID)

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Value:
        """The same figure computed row by row, without polars: how a figure is checked."""
        if self.how is How.ROWS:
            return len(rows)
        known = [row for row in rows if row[self.over] is not None]
        if self.how is How.KNOWN:
            return len(known)
        if self.how is How.SUM:
            return sum((_exact(row[self.over]) for row in known), ZERO) if known else None
        both = [row for row in known if row[self.under] is not None]
        below = sum((_exact(row[self.under]) for row in both), ZERO)
        if self.how is How.MEAN:
            products = (_exact(row[self.over]) * _exact(row[self.under]) for row in both)
            above = sum((round(each, PLACES) for each in products), ZERO)
        else:
            above = sum((_exact(row[self.over]) for row in both), ZERO)
        return self.figure(above, below)


def grouped(
    frame: pl.DataFrame, by: Sequence[str], measures: Sequence[Measure]
) -> list[tuple[Value, ...]]:
    """A row of figures for each group, ordered by its key as text."""
    aggregates = []
    for measure in measures:
        above, below = measure.sums()
        aggregates += [above.alias(f"{measure.name}|n"), below.alias(f"{measure.name}|d")]
    if by:
        table = frame.group_by(by).agg(aggregates)
    else:
        table = frame.select(aggregates)
    rows = []
    for row in table.iter_rows():
        key, sums = row[: len(by)], row[len(by) :]
        figures = (
            measure.figure(sums[2 * n], sums[2 * n + 1]) for n, measure in enumerate(measures)
        )
        rows.append((*key, *figures))
    return sorted(rows, key=lambda row: tuple(_order(value) for value in row[: len(by)]))


def _order(key: Value) -> tuple[int, str]:
    """Keys that are numbers in their order, then words in theirs."""
    words = "" if key is None else str(key)
    return (int(words), "") if words.isdecimal() else (1 << 62, words)


def _exact(value: Any) -> Decimal:
    """A value as it is summed: decimals as they are, floats at :data:`PLACES` places."""
    return value if isinstance(value, Decimal) else round(Decimal(value), PLACES)
