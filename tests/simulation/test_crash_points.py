"""Crash between any two durable writes, start again: same end, nothing twice, nothing lost.

Every point of the shorter runs and an even sample of the longer ones by default; every point of
all of them with ``FILLWRIGHT_THOROUGH=1``.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.ports import NANOS
from fillwright.domain.reasons import EndReason
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    STRATEGIES,
    THOROUGH,
    Scene,
    at,
    check_books,
    decision,
    instructions,
    logged,
    of_kind,
    only,
    outcome,
    placed,
    run,
)

SAMPLE = 60
DOUBLE = 12
WHOLE = ("market", "limit", "iceberg")


class Crash(BaseException):
    """The process dies here: nothing after it runs."""


class Boundaries:
    """Counts durable writes, and dies at the chosen one."""

    def __init__(self, die_at: int | None = None) -> None:
        self.seen: list[str] = []
        self.die_at = die_at

    def __call__(self, label: str) -> None:
        self.seen.append(label)
        if self.die_at is not None and len(self.seen) == self.die_at:
            raise Crash(f"{label} number {self.die_at}")


def points(count: int, at_most: int | None) -> list[int]:
    """All of 1..count, or an even sample with both ends."""
    if THOROUGH or at_most is None or count <= at_most:
        return list(range(1, count + 1))
    return sorted({1 + (count - 1) * step // (at_most - 1) for step in range(at_most)})


def scenes() -> dict[str, Scene]:
    """Each strategy alone, and two instructions that trade at once."""
    alone = {name: Scene([decision(name, window="2m")]) for name in STRATEGIES}
    pair = [
        decision("twap", slices=4, window="2m"),
        decision("iceberg", symbol="KO", window="2m", decision_id="d-other"),
    ]
    crossing = [
        decision("market", decision_id="d-buy"),
        decision("limit", symbol="KO", decision_id="d-limit", window="1m"),
    ]
    return {**alone, "twap and iceberg": Scene(pair), "market and limit": Scene(crossing)}


SCENES = scenes()


def sample_of(name: str) -> int | None:
    return None if name in WHOLE else SAMPLE


def crash(scene: Scene, store: Path | str, number: int) -> bool:
    """Run until the chosen write; whether it was reached."""
    hook = Boundaries(number)
    try:
        run(scene, store, hook)
    except Crash:
        return True
    return False


@pytest.mark.timeout(1_200 if THOROUGH else 120)
@pytest.mark.parametrize("name", SCENES)
def test_a_crash_between_any_two_writes_changes_nothing(name: str, tmp_path: Path) -> None:
    scene, calm = SCENES[name], Boundaries()
    whole = run(scene, tmp_path / "whole.db", calm)
    check_books(whole)
    expected = outcome(whole)
    assert any(executed for _, executed in expected["instructions"].values()) or name == "limit"
    for number in points(len(calm.seen), sample_of(name)):
        store = tmp_path / f"crash-{number}.db"
        died = f"died at {calm.seen[number - 1]} number {number} of {len(calm.seen)}"
        assert crash(scene, store, number)
        again = run(scene, store)
        check_books(again)
        assert outcome(again) == expected, died
        assert all(i.anomalies == 0 for i in instructions(again)), died


@pytest.mark.parametrize("name", ["market", "iceberg", "twap", "twap and iceberg"])
def test_a_crash_during_recovery_changes_nothing(name: str, tmp_path: Path) -> None:
    scene, calm = SCENES[name], Boundaries()
    expected = outcome(run(scene, tmp_path / "whole.db", calm))
    drawn = random.Random(name)
    for number in points(len(calm.seen), DOUBLE):
        store = tmp_path / f"crash-{number}.db"
        assert crash(scene, store, number)
        # The first writes after a start are those of recovery; it dies there again and again.
        for again in (1, 2, drawn.randint(3, 8)):
            crash(scene, store, again)
        last = run(scene, store)
        check_books(last)
        assert outcome(last) == expected, f"died at {calm.seen[number - 1]} number {number}"


def test_starting_again_when_all_is_done_records_nothing(tmp_path: Path) -> None:
    scene = SCENES["twap and iceberg"]
    first = run(scene, tmp_path / "a.db")
    hook = Boundaries()
    again = run(scene, tmp_path / "a.db", hook)
    assert hook.seen == []
    assert outcome(again) == outcome(first)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_stop_over_the_deadline_moves_it_for_no_strategy(strategy: str, tmp_path: Path) -> None:
    # Each is to complete, so that at its deadline it would cross with all that is left.
    fields = decision(strategy, window="4m", target_weight=4.0)
    store, before = stopped_midway(fields, tmp_path)
    (end,) = {event.plan.end_at for event in of_kind(before, e.InstructionPlanned)}
    again = run(Scene([fields], start_s=(end - at(0)) / NANOS + 600), store)
    check_books(again)
    made, intended = only(again), of_kind(logged(again), e.OrderIntended)
    assert len(intended) == len(of_kind(before, e.OrderIntended)), "nothing is sent any more"
    assert made.plan is not None
    assert made.plan.end_at == end
    assert made.executed < made.plan.quantity or strategy == "market"
    assert made.state is InstructionState.FILLED or made.end_reason is EndReason.WINDOW_ELAPSED


def test_a_stop_that_ends_at_the_deadline_leaves_time_to_complete(tmp_path: Path) -> None:
    fields = decision("opportunistic", window="4m", target_weight=4.0)
    store, before = stopped_midway(fields, tmp_path)
    (end,) = {event.plan.end_at for event in of_kind(before, e.InstructionPlanned)}
    again = run(Scene([fields], start_s=(end - at(0)) / NANOS + 2), store)
    check_books(again)
    assert only(again).state is InstructionState.FILLED


def stopped_midway(fields: dict[str, Any], folder: Path) -> tuple[Path, list[e.DomainEvent]]:
    """A store whose process died at work, and what it holds."""
    calm = Boundaries()
    run(Scene([fields]), folder / "whole.db", calm)
    for number in range(len(calm.seen) // 3, len(calm.seen)):
        store = folder / f"stopped-{number}.db"
        assert crash(Scene([fields]), store, number)
        with Log.open(placed(store), writer=False) as log:
            events = [recorded.event for recorded in log.events()]
        if of_kind(events, e.InstructionPlanned):
            return store, events
    raise AssertionError("it was never planned")
