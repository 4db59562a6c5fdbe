"""``kill -9`` of a real engine process that trades over ``alpaca-py``: nothing twice, nothing lost.

A seeded part by default, everything under ``make soak``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import pytest

from tests.live.killing import FAULTS, LONG_WINDOWS, WINDOWS, Trial, trial
from tests.live.matrix import SEEN, page, record

TESTS = Path(__file__).parents[1]
KILLS_A_TRIAL = 12
KILLS_MIN = 200
KILLS_BESIDE_FAULTS = 3
SEEDS_FROM, SEEDS_MAX = 200, 60
SHORT_WINDOWS = ("6m", "5m", "5m")
"""Nine seconds of work, for one kill."""
PAIRS = list(combinations(FAULTS, 2))
TRIALS_MAX = 4
SLOW_SECONDS = 400
pytestmark = pytest.mark.timeout(SLOW_SECONDS)


def killed(
    folder: Path,
    seeds: Iterable[int],
    kills_min: int,
    *,
    kills: int,
    windows: tuple[str, ...] = WINDOWS,
) -> list[Trial]:
    """As many trials as so many kills take: on a busy machine a run may end before its last."""
    made: list[Trial] = []
    for seed in seeds:
        place = folder / str(seed)
        place.mkdir()
        made.append(trial(place, seed, kills=kills, windows=windows))
        record(made[-1])
        if sum(one.kills for one in made) >= kills_min:
            break
    return made


def test_killed_at_random_nothing_is_sent_twice_and_no_fill_is_lost(tmp_path: Path) -> None:
    made = killed(tmp_path, range(1, 4), 3, kills=3)
    assert [one.problems for one in made if one.problems] == []
    assert sum(one.kills for one in made) >= 3
    assert sum(one.kills_at_work for one in made) >= 1
    assert sum(one.fills for one in made) > 0


@pytest.mark.parametrize("fault", ["error_after", "drop_update"])
def test_the_same_with_a_fault(tmp_path: Path, fault: str) -> None:
    made = trial(tmp_path, 2, kills=1, faults=(fault,), windows=SHORT_WINDOWS)
    assert made.problems == []
    assert made.orders > 0


def test_the_page_of_trials_shows_what_went_wrong_and_what_was_not_run() -> None:
    rows = [
        asdict(Trial(1, (), kills=8, orders=20, fills=13)),
        asdict(Trial(2, ("latency",), 2, ["fw-1 was accepted 2 times"], struck={"latency": 4})),
        asdict(Trial(3, ("halt", "latency"), 2, struck={"latency": 3, "halt": 1})),
        asdict(Trial(4, ("halt", "reject"), 2, ["halt never struck"], struck={"reject": 3})),
    ]
    told = page(rows)
    assert "- Kills alone: 1 trials, 8 kills, 20 orders, 13 fills, 0 findings." in told
    assert "- One fault: 1 trials, 2 kills, 0 orders, 0 fills, 1 findings." in told
    latency = next(line for line in told.splitlines() if "`latency`" in line)
    assert latency.split(" | ")[1:3] == ["7", "1"]
    assert latency.endswith("| ok |")
    rejected = next(line for line in told.splitlines() if "`reject`" in line)
    assert rejected.endswith("| missed |")
    assert "- Two faults: 2 trials, 4 kills, 0 orders, 0 fills, 0 findings." in told
    assert "| 2 `latency_after` | 0 | - |" in told
    assert "- latency, seed 2: fw-1 was accepted 2 times" in told


def test_each_test_that_the_page_names_is_there() -> None:
    told = page([])
    for what, names in SEEN:
        for name in names:
            file, _, function = name.partition("::")
            assert f"def {function}(" in (TESTS / file).read_text(), what
            assert name in told


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_killed_two_hundred_times(tmp_path: Path) -> None:
    seeds = range(SEEDS_FROM, SEEDS_FROM + SEEDS_MAX)
    made = killed(tmp_path, seeds, KILLS_MIN, kills=KILLS_A_TRIAL, windows=LONG_WINDOWS)
    assert {one.seed: one.problems for one in made if one.problems} == {}
    assert sum(one.kills for one in made) >= KILLS_MIN


def at_work(folder: Path, seed: int, faults: tuple[str, ...]) -> Trial:
    """A trial in which something was traded: faults may strike so that all is refused at first."""
    for number in range(TRIALS_MAX):
        place = folder / str(seed + number)
        place.mkdir()
        made = trial(place, seed + number, kills=KILLS_BESIDE_FAULTS, faults=faults)
        if made.orders:
            break
    return made


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", list(FAULTS))
def test_killed_under_each_fault(tmp_path: Path, fault: str) -> None:
    made = at_work(tmp_path, 500, (fault,))
    record(made)
    assert made.problems == []
    assert made.orders > 0


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_killed_under_each_pair_of_faults(tmp_path: Path, pair: tuple[str, str]) -> None:
    made = at_work(tmp_path, 600, pair)
    record(made)
    assert made.problems == []
    assert made.orders > 0
