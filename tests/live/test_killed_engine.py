"""``kill -9`` of a real engine process that trades over ``alpaca-py``: nothing twice, nothing lost.

A seeded part by default, everything under ``make soak``.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from tests.live.killing import FAULTS, trial

KILLS_A_TRIAL = 8
PAIRS = list(combinations(FAULTS, 2))


def test_killed_at_random_nothing_is_sent_twice_and_no_fill_is_lost(tmp_path: Path) -> None:
    made = trial(tmp_path, 1, kills=3)
    assert made.problems == []
    assert made.kills == 3
    assert made.fills > 0


@pytest.mark.parametrize("fault", ["error_after", "drop_update"])
def test_the_same_with_a_fault(tmp_path: Path, fault: str) -> None:
    made = trial(tmp_path, 2, kills=1, faults=(fault,))
    assert made.problems == []
    assert made.orders > 0


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 125))
def test_killed_two_hundred_times(tmp_path: Path, seed: int) -> None:
    made = trial(tmp_path, seed, kills=KILLS_A_TRIAL)
    assert made.problems == []


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", list(FAULTS))
def test_killed_under_each_fault(tmp_path: Path, fault: str) -> None:
    made = trial(tmp_path, 300, kills=2, faults=(fault,))
    assert made.problems == []


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_killed_under_each_pair_of_faults(tmp_path: Path, pair: tuple[str, str]) -> None:
    made = trial(tmp_path, 400, kills=2, faults=pair)
    assert made.problems == []
