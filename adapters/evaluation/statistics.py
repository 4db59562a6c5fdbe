"""Means, spreads and paired differences with errors clustered by day."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

T_ONE_SIDED_95: Final = (
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812,
    1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725,
    1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699,
)  # fmt: skip
"""Student's t, 95 % one-sided, for 1 to 29 degrees of freedom."""
Z_ONE_SIDED_95: Final = 1.645
CLUSTERS_MIN: Final = 8
"""With fewer clusters no bound is claimed (ruling 31)."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, or a ratio of means, with its standard error over clusters.

    ``standard_error`` is None with fewer than two clusters.
    """

    value: float
    standard_error: float | None
    clusters: int

    @property
    def lower_95(self) -> float | None:
        """The one-sided lower 95 % bound, by t with clusters - 1 below 30 clusters."""
        if self.standard_error is None:
            return None
        return self.value - quantile(self.clusters) * self.standard_error

    @property
    def claimed_lower_95(self) -> float | None:
        """The same, None where there are too few clusters to claim it (ruling 31)."""
        return self.lower_95 if self.clusters >= CLUSTERS_MIN else None


def quantile(clusters: int) -> float:
    """The factor of a one-sided 95 % bound from so many clusters."""
    degrees = clusters - 1
    return T_ONE_SIDED_95[degrees - 1] if degrees < len(T_ONE_SIDED_95) + 1 else Z_ONE_SIDED_95


def mean(values: Sequence[float] | Values) -> float:
    """The arithmetic mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else math.nan


def deviation(values: Sequence[float] | Values) -> float:
    """The sample standard deviation; 0 of fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def ratio(
    numerator: Sequence[float], denominator: Sequence[float], clusters: Sequence[Hashable]
) -> Estimate:
    """The ratio of two means over the same parents, with errors clustered.

    The delta method: with r the ratio, e = a - r b has mean 0, and the variance of r is
    G / (G - 1) times the sum over clusters of (sum of e)^2, over (sum of b)^2.
    """
    a = np.asarray(numerator, dtype=np.float64)
    b = np.asarray(denominator, dtype=np.float64)
    if not len(a) or not b.sum():
        return Estimate(math.nan, None, 0)
    value = float(a.sum() / b.sum())
    residual = a - value * b
    codes: dict[Hashable, int] = {}
    rows = np.array([codes.setdefault(cluster, len(codes)) for cluster in clusters])
    count = len(codes)
    if count < 2:
        return Estimate(value, None, count)
    sums = np.bincount(rows, weights=residual, minlength=count)
    variance = count / (count - 1) * float(np.sum(sums * sums)) / float(b.sum()) ** 2
    return Estimate(value, math.sqrt(variance), count)


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """The mean with its standard error over clusters."""
    return ratio(values, [1.0] * len(values), clusters)


def grouped(
    keys: Sequence[Hashable], summarise: Callable[[list[int]], object]
) -> dict[Hashable, object]:
    """``summarise`` of the rows of each key, in the order in which keys appear."""
    rows: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return {key: summarise(each) for key, each in rows.items()}
