"""Strategies changed while working: each rule fires, is on the record, and the run completes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.exchange.terms import Halt
from fillwright.adapters.replay import redeciding
from fillwright.adapters.replay.replaying import replay_decisions
from fillwright.adapters.simulation import VenueTerms
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.decision import ExecutionStrategy, Style
from fillwright.domain.ports import NANOS
from fillwright.domain.states import InstructionState
from fillwright.domain.switching import SwitchingRules
from tests.simulation.test_crash_points import Boundaries, crash, points
from tests.simulation.world import (
    START_S,
    THOROUGH,
    Scene,
    at,
    check_books,
    decision,
    logged,
    of_kind,
    only,
    outcome,
    run,
)

D = Decimal
QUICK = {"reassess_seconds": 10}
SESSION_S = 390 * 60


def scene_for(rule: str) -> Scene:
    """A run in which one rule must fire and the others cannot."""
    venue = VenueTerms()
    never = {
        "lag_fraction": D(1),
        "spread_multiple": D(10_000),
        "volatility_bps": D(10_000),
        "close_seconds": 0,
    }
    arrive_s: float = START_S
    if rule == "behind_schedule":
        # A halt leaves it behind by more than half of the band that it may wait in.
        rules = {**never, "lag_fraction": D("0.1"), "lag_after_fraction": D("0.3")}
        fields = decision("vwap", window="6m", target_weight=4.9, slices=3)
        halt = Halt("AAPL", at(START_S + 0.1), at(START_S + 140))
        venue = VenueTerms(halts=(halt,))
    elif rule == "volatility_jump":
        rules = {**never, "volatility_bps": D("0.0001")}
        fields = decision("twap", window="6m", slices=6)
    elif rule == "close_approaching":
        # Its window of a quarter of an hour is cut at the close, 700 s away.
        rules = {**never, "close_seconds": 600}
        fields = decision("twap", window="15m", slices=10)
        arrive_s = SESSION_S - 700
    else:
        rules = {**never, "spread_multiple": D("1.0001")}
        fields = decision("twap", window="10m", slices=10, style="naive")
    switching = SwitchingRules(**{**QUICK, **rules})
    return Scene([fields], rules={"switching": switching}, venue=venue, arrive_s=arrive_s)


RULES = ("behind_schedule", "volatility_jump", "spread_blow_out", "close_approaching")


@pytest.mark.parametrize("rule", RULES)
def test_a_switch_is_an_event_with_its_reason_and_the_run_completes(
    rule: str, tmp_path: Path
) -> None:
    ran = run(scene_for(rule), tmp_path / "a.db")
    check_books(ran)
    made, events = only(ran), logged(ran)
    switches = of_kind(events, e.StrategySwitched)
    assert switches
    assert {switch.rule for switch in switches} == {rule}
    assert len(switches) == made.switches <= 3
    for switch in switches:
        assert switch.observed
        assert switch.threshold
        assert switch.plan.quantity == of_kind(events, e.InstructionPlanned)[0].plan.quantity
        assert switch.plan.end_at == of_kind(events, e.InstructionPlanned)[0].plan.end_at
    assert made.state is InstructionState.FILLED


def test_a_switch_that_todays_rules_would_not_make_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run(scene_for("volatility_jump"), tmp_path / "a.db")
    switches = of_kind(logged(ran), e.StrategySwitched)
    monkeypatch.setattr(redeciding, "reassess", lambda *facts: None)
    with Log.open(ran.log.name, writer=False) as log:
        found = replay_decisions(log).decisions
    assert found.switches == len(switches) > 0
    assert [(one.kind, one.again) for one in found.differences] == [("switch", "no switch")] * len(
        switches
    )
    assert found.differences[0].recorded.startswith("volatility_jump (")


def test_what_lags_crosses_after_the_switch(tmp_path: Path) -> None:
    events = logged(run(scene_for("behind_schedule"), tmp_path / "a.db"))
    switch = of_kind(events, e.StrategySwitched)[0]
    assert switch.previous is ExecutionStrategy.VWAP
    assert switch.plan.strategy is ExecutionStrategy.TWAP
    assert switch.plan.parameters.band_fraction == 0


def test_what_waits_for_a_better_price_is_worked_before_the_close(tmp_path: Path) -> None:
    scene = scene_for("close_approaching")
    waiting = decision("opportunistic", window="15m", improvement_bps=400)
    ran = run(Scene([waiting], rules=scene.rules, arrive_s=scene.arrive_s), tmp_path / "a.db")
    events = logged(ran)
    (switch,) = of_kind(events, e.StrategySwitched)
    assert switch.rule == "close_approaching"
    assert switch.previous is ExecutionStrategy.OPPORTUNISTIC
    assert switch.plan.strategy is ExecutionStrategy.TWAP
    filled = of_kind(events, e.OrderFilled)
    assert {fill.record_time < switch.plan.final_phase_at for fill in filled} == {True, False}
    assert only(ran).state is InstructionState.FILLED


def test_a_spread_blow_out_makes_a_naive_plan_rest(tmp_path: Path) -> None:
    events = logged(run(scene_for("spread_blow_out"), tmp_path / "a.db"))
    switch = of_kind(events, e.StrategySwitched)[0]
    assert switch.plan.style is Style.SMART
    assert switch.plan.parameters.band_fraction == 1


def test_no_more_switches_than_allowed_and_none_in_the_final_phase(tmp_path: Path) -> None:
    scene = scene_for("volatility_jump")
    none = SwitchingRules(**{**QUICK, "volatility_bps": D("0.0001"), "switches_max": 0})
    quiet = run(Scene(scene.decisions, rules={"switching": none}), tmp_path / "a.db")
    assert of_kind(logged(quiet), e.StrategySwitched) == []
    events = logged(run(scene, tmp_path / "b.db"))
    for switch in of_kind(events, e.StrategySwitched):
        assert switch.record_time < switch.plan.final_phase_at
        assert switch.record_time - at(START_S) >= 10 * NANOS


@pytest.mark.parametrize("rule", RULES)
def test_a_crash_around_a_switch_changes_nothing(rule: str, tmp_path: Path) -> None:
    scene, calm = scene_for(rule), Boundaries()
    expected: dict[str, Any] = outcome(run(scene, tmp_path / "whole.db", calm))
    for number in points(len(calm.seen), None if THOROUGH else 12):
        assert crash(scene, tmp_path / f"{number}.db", number)
        again = run(scene, tmp_path / f"{number}.db")
        check_books(again)
        assert outcome(again) == expected, number
