"""Averages and ratios of exact figures, rounded on one grid."""

from __future__ import annotations

from decimal import Decimal
from statistics import median
from typing import Final, NamedTuple

from ..domain.money import ZERO

BPS_GRID: Final = Decimal("0.0001")
PRICE_GRID: Final = Decimal("0.0001")
RATIO_GRID: Final = Decimal("0.000001")


class Average:
    """A weighted mean, a median and a count of what is known; None of nothing."""

    def __init__(self) -> None:
        self._known: list[Decimal] = []
        self._weight = self._sum = ZERO

    def add(self, value: Decimal | None, weight: Decimal) -> None:
        """Count a value, if it is known."""
        if value is not None:
            self._known.append(value)
            self._weight += weight
            self._sum += value * weight

    def merge(self, other: Average) -> None:
        """Count what another has counted."""
        self._known += other._known
        self._weight += other._weight
        self._sum += other._sum

    @property
    def count(self) -> int:
        """How many values are known."""
        return len(self._known)

    @property
    def mean(self) -> Decimal | None:
        """Weighted."""
        return on_grid(BPS_GRID, self._sum / self._weight if self._weight else None)

    @property
    def median(self) -> Decimal | None:
        """Of the values, whatever their weights."""
        return on_grid(BPS_GRID, median(self._known) if self._known else None)


class Judged(NamedTuple):
    """Averages of a group that alerts judge; what each is says ``QualitySummary``."""

    group: str
    instructions: int
    successes: int
    success_rate: Decimal | None
    slippage_count: int
    slippage_bps_mean: Decimal | None


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """Part over whole to a millionth, None of nothing."""
    return on_grid(RATIO_GRID, part / whole if whole else None)


def on_grid(grid: Decimal, value: Decimal | None) -> Decimal | None:
    """A figure rounded half to even on its grid: 0.0001 bps or USD, ratios to a millionth."""
    return None if value is None else value.quantize(grid)
