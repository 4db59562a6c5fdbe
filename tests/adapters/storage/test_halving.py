"""Commits are parted where that is quicker, of what a model of process and server says."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.storage.halving import HALF_MIN, HALVES, Halving

ROUNDS = 80
CLIENT = 15e-6
SERVER = CLIENT / 2


def seconds(jobs: int, fixed: float, *, parted: bool) -> float:
    """How long all jobs take once, by the process and a server that has a queue."""
    if not parted:
        return jobs * (CLIENT + SERVER) + fixed
    half = jobs / HALVES
    return HALVES * max(half * CLIENT, half * SERVER + fixed)


def settled(jobs: int, fixed: float) -> int | None:
    """What is shared after many rounds in which the times are those of the model."""
    *_, share = shares(jobs, fixed)
    return share


def shares(jobs: int, fixed: float, rests: Collection[int] = ()) -> Iterator[int | None]:
    """What is shared in each round; before ``rests`` there is nothing to do for long."""
    now = [0.0]
    halving = Halving(lambda: now[0])
    share: int | None = None
    for number in range(ROUNDS):
        parted = share is not None
        part = jobs / HALVES if parted else jobs
        halving.answered()
        share = halving.share(jobs)
        now[0] += part * CLIENT + (60 if number in rests else 0)
        halving.sent()
        now[0] += max(fixed + part * SERVER - (part * CLIENT if parted else 0), 1e-6)
        yield share


@given(
    st.integers(HALVES * HALF_MIN, 1_000),
    st.floats(0.05, 20).filter(lambda times: not 0.8 < times < 1.25),
)
def test_halves_are_taken_where_they_are_quicker(jobs: int, times: float) -> None:
    """``times``: what a commit costs, of the process' time for all jobs."""
    fixed = times * jobs * CLIENT
    quicker = seconds(jobs, fixed, parted=True) < seconds(jobs, fixed, parted=False)
    assert quicker == (times < 1)
    assert (settled(jobs, fixed) is not None) == quicker


@pytest.mark.parametrize("jobs", [1, 2, HALVES * HALF_MIN - HALVES])
def test_a_few_are_never_parted(jobs: int) -> None:
    assert settled(jobs, 0.0) is None


def test_before_anything_is_known_nobody_is_parted() -> None:
    ticks = count()
    halving = Halving(lambda: next(ticks))
    assert halving.share(1_000) is None
    halving.sent()
    assert halving.share(1_000) is None


@pytest.mark.parametrize("jobs", [64, 512])
def test_a_rest_is_not_taken_for_work(jobs: int) -> None:
    """On a disk whose syncs take 20 ms nobody is parted, whenever there was nothing to do."""
    assert set(shares(jobs, 0.02, rests=(10, 40))) == {None}


def test_all_jobs_are_in_the_halves() -> None:
    assert settled(2 * HALF_MIN + 1, 0.0) == HALF_MIN + 1
