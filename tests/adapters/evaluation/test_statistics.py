"""Statistics against examples worked by hand."""

from __future__ import annotations

import math

import pytest

from fillwright.adapters.evaluation.statistics import (
    Estimate,
    clustered_mean,
    deviation,
    mean,
    quantile,
    ratio,
)


def test_mean_and_deviation() -> None:
    assert mean([1.0, 2.0, 6.0]) == 3.0
    assert deviation([1.0, 2.0, 6.0]) == pytest.approx(math.sqrt(7))
    assert deviation([4.0]) == 0.0
    assert math.isnan(mean([]))


def test_errors_are_those_of_clusters() -> None:
    # Mean 3; the sums of deviations are -3 (a: -2, -1), 0 (b: 0) and 3 (c: 3).
    # Variance 3/2 * (9 + 0 + 9) / 4^2.
    found = clustered_mean([1.0, 2.0, 3.0, 6.0], ["a", "a", "b", "c"])
    assert found.value == 3.0
    assert found.clusters == 3
    assert found.standard_error == pytest.approx(math.sqrt(1.5 * 18 / 16))
    assert found.lower_95 == pytest.approx(3 - 2.920 * math.sqrt(1.5 * 18 / 16))


def test_a_ratio_of_means_by_the_delta_method() -> None:
    # r = 6/8; residuals 1 - .75*2 = -.5, 5 - .75*6 = .5; variance 2 * (.25 + .25) / 64.
    found = ratio([1.0, 5.0], [2.0, 6.0], ["a", "b"])
    assert found.value == 0.75
    assert found.standard_error == pytest.approx(math.sqrt(2 * 0.5 / 64))


def test_clusters_that_cancel_out_within_leave_no_error() -> None:
    found = clustered_mean([1.0, 3.0, 1.0, 3.0], ["a", "a", "b", "b"])
    assert found == Estimate(2.0, 0.0, 2)


def test_one_cluster_has_no_error_and_fewer_than_eight_no_claimed_bound() -> None:
    assert clustered_mean([1.0, 2.0], ["a", "a"]).lower_95 is None
    seven = clustered_mean([float(n) for n in range(7)], list(range(7)))
    eight = clustered_mean([float(n) for n in range(8)], list(range(8)))
    assert seven.lower_95 is not None
    assert seven.claimed_lower_95 is None
    assert eight.claimed_lower_95 == eight.lower_95


def test_the_bound_goes_by_t_below_thirty_clusters() -> None:
    assert quantile(2) == 6.314
    assert quantile(7) == 1.943
    assert quantile(30) == 1.699
    assert quantile(31) == 1.645


def test_nothing_has_no_ratio() -> None:
    assert math.isnan(ratio([], [], []).value)
