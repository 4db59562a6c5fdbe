"""Averages and ratios of exact figures, rounded on one grid."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from decimal import Context, Decimal
from functools import reduce
from typing import Final, NamedTuple, Self

from ..domain.money import ZERO

BPS_GRID: Final = Decimal("0.0001")
PRICE_GRID: Final = Decimal("0.0001")
RATIO_GRID: Final = Decimal("0.000001")
_BPS_PLACES: Final = 4
"""Decimals of ``BPS_GRID``."""


EXACT: Final = Context(prec=200)
"""Sums in it are the same in any order; amounts with a few dozen digits are never rounded."""


def exact_sum(values: Iterable[Decimal]) -> Decimal:
    """The sum, the same in any order."""
    return reduce(EXACT.add, values, ZERO)


class Mean:
    """A weighted mean and a count of what is known; None of nothing."""

    def __init__(self) -> None:
        self.count = 0
        self._weight = self._sum = ZERO

    def add(self, value: Decimal | None, weight: Decimal) -> None:
        """Count a value, if it is known."""
        if value is not None:
            self.count += 1
            self._weight = EXACT.add(self._weight, weight)
            self._sum = EXACT.fma(value, weight, self._sum)

    def merge(self, other: Self) -> None:
        """Count what another has counted."""
        self.count += other.count
        self._weight = EXACT.add(self._weight, other._weight)
        self._sum = EXACT.add(self._sum, other._sum)

    @property
    def mean(self) -> Decimal | None:
        """Weighted."""
        return on_grid(BPS_GRID, self._sum / self._weight if self._weight else None)


class Average(Mean):
    """A mean that knows the median too; its values are on ``BPS_GRID``.

    All of them are needed for it, so they are kept as 64-bit numbers of steps of the grid.
    """

    def __init__(self) -> None:
        super().__init__()
        self._steps: array[int] | list[int] = array("q")

    def add(self, value: Decimal | None, weight: Decimal) -> None:
        """Count a value, if it is known."""
        super().add(value, weight)
        if value is not None:
            steps = int(value.scaleb(_BPS_PLACES, EXACT))
            try:
                self._steps.append(steps)
            except OverflowError:
                self._steps = [*self._steps, steps]

    def merge(self, other: Self) -> None:
        """Count what another has counted."""
        super().merge(other)
        if isinstance(other._steps, list):
            self._steps = list(self._steps)
        self._steps.extend(other._steps)

    @property
    def median(self) -> Decimal | None:
        """Of the values, whatever their weights."""
        if not self._steps:
            return None
        ranked = sorted(self._steps)
        last = len(ranked) - 1
        twice = ranked[last // 2] + ranked[last - last // 2]
        return on_grid(BPS_GRID, Decimal(twice).scaleb(-_BPS_PLACES) / 2)


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
