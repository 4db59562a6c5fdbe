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


class How(StrEnum):
    """How rows become one figure."""

    ROWS = "number of rows"
    KNOWN = "number of rows where it is known"
    SUM = "sum"
    RATIO = "sum over sum, of rows where both are known"
    MEAN = "average weighted by"


class Part(NamedTuple):
    """Something summed over rows: ``where`` is a column that must be known for a row to count."""

    what: str
    column: str = ""
    where: str = ""

    @property
    def expression(self) -> pl.Expr:
        """How it is summed; what is null adds nothing."""
        if self.what == "rows":
            return pl.len().cast(pl.Int64)
        if self.what == "known":
            return pl.col(self.column).is_not_null().sum().cast(pl.Int64)
        exact = pl.col(self.column).cast(EXACT)
        if self.what == "product":
            return (exact * pl.col(self.where).cast(EXACT)).sum()
        if self.where:
            exact = pl.when(pl.col(self.where).is_not_null()).then(exact)
        return exact.sum()


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

    def parts(self, complete: frozenset[str]) -> tuple[Part, Part]:
        """What is summed above and below the line; sums of groups add up to those of all.

        ``complete`` are columns that are never null: with them several measures share a sum.
        """
        if self.how is How.ROWS:
            return Part("rows"), Part("rows")
        if self.how is How.KNOWN:
            return Part("known", self.over), Part("known", self.over)
        if self.how is How.SUM:
            # A sum of nothing known is unknown, not zero.
            return Part("sum", self.over), Part("known", self.over)
        below = "" if self.over in complete else self.over
        if self.how is How.MEAN:
            return Part("product", self.over, self.under), Part("sum", self.under, below)
        above = "" if self.under in complete else self.under
        return Part("sum", self.over, above), Part("sum", self.under, below)

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


class Sums:
    """The sums of measures over a frame by all the keys that its tables group by.

    Rows are gone through once; every table adds up groups of this, exactly.
    """

    def __init__(
        self, frame: pl.DataFrame, keys: Sequence[str], measures: Sequence[Measure]
    ) -> None:
        self.frame = frame
        self.measures = tuple(measures)
        self.keys = tuple(keys)
        if "currency" in frame.columns and frame["currency"].n_unique() > 1:
            self.keys = (*self.keys, "currency")
        complete = frozenset(n for n in frame.columns if frame[n].null_count() == 0)
        self._parts = [measure.parts(complete) for measure in measures]
        each = dict.fromkeys(part for pair in self._parts for part in pair)
        self._places = {part: place for place, part in enumerate(each)}
        summed = [part.expression.alias(str(place)) for part, place in self._places.items()]
        self._sums = frame.lazy().group_by(self.keys).agg(summed).collect()

    def by(self, keys: Sequence[str]) -> list[tuple[Value, ...]]:
        """A row of figures for each group, in the order of its key; without keys one row."""
        sums = [pl.col(str(place)).sum() for place in self._places.values()]
        table = self._sums.group_by(keys).agg(sums) if keys else self._sums.select(sums)
        rows = []
        for row in table.iter_rows():
            key, found = row[: len(keys)], row[len(keys) :]
            figures = (
                measure.figure(found[self._places[above]], found[self._places[below]])
                for measure, (above, below) in zip(self.measures, self._parts, strict=True)
            )
            rows.append((*key, *figures))
        return sorted(rows, key=lambda row: tuple(_order(value) for value in row[: len(keys)]))


def _order(key: Value) -> tuple[int, str]:
    """Keys that are numbers in their order, then words in theirs."""
    words = "" if key is None else str(key)
    return (int(words), "") if words.isdecimal() else (1 << 62, words)


def _exact(value: Any) -> Decimal:
    """A value as it is summed: decimals as they are, floats at :data:`PLACES` places."""
    return value if isinstance(value, Decimal) else round(Decimal(value), PLACES)
