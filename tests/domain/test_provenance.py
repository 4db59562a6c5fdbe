"""Each act can be decided again from the stored event alone, and comes out the same.

The simulated runs are made once; what is then used of them is bytes from the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fillwright.adapters.exchange.terms import Faults, Halt
from fillwright.adapters.simulation import VenueTerms
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.mapper import EventMapper
from fillwright.domain import events as e
from fillwright.domain.instruction import Instruction
from fillwright.domain.strategies.contract import Step
from fillwright.domain.strategies.registry import STRATEGIES
from tests.simulation.world import STRATEGIES as NAMES
from tests.simulation.world import Scene, at, decision, run

FEATURES_BYTES_MAX = 2_048
"""Ruling 21: what a strategy reads, apart from the plan that is stored with it."""
STYLES = ("smart", "naive")
BY_NAME = {strategy.name: strategy for strategy in STRATEGIES.values()}


class Act(NamedTuple):
    """One step's events, in order, as they were stored."""

    events: tuple[Any, ...]
    states: tuple[bytes, ...]

    @property
    def provenance(self) -> e.Provenance:
        found = self.events[0].provenance
        assert found is not None
        return found


def scenes() -> Iterator[Scene]:
    """All strategies, both styles: alone, bounded, capped, and in a halt with lost reports."""
    rough = VenueTerms(
        halts=(Halt("KO", at(640), at(670)),),
        faults=Faults(seed=2, late_probability=0.2, missing_probability=0.2),
    )
    for style in STYLES:
        given = [
            decision(name, decision_id=f"{name}-{style}", style=style, window="3m")
            for name in NAMES
        ]
        for fields in given:
            yield Scene([fields])
            bounded = {**fields, "max_slippage": "3", "participation_cap": "0.05"}
            yield Scene([bounded])
            yield Scene([{**fields, "symbol": "KO"}], venue=rough)


@pytest.fixture(scope="module")
def acts(tmp_path_factory: pytest.TempPathFactory) -> list[Act]:
    """Every act of every run, decoded from bytes by a mapper that made none of them."""
    folder = tmp_path_factory.mktemp("runs")
    found: list[Act] = []
    for number, scene in enumerate(scenes()):
        run(scene, folder / f"{number}.db")
        found += acts_of(folder / f"{number}.db")
    return found


def acts_of(path: Path) -> list[Act]:
    mapper = EventMapper()
    acting = ("OrderIntended", "OrderCancelRequested")
    with Log.open(path, writer=False) as log:
        raws = [raw for raw in log.raw_events() if raw.topic.split(".")[0] in acting]
    read = [(mapper.decode(raw.topic, raw.state, raw.position), raw.state) for raw in raws]
    with_inputs = [(event, state) for event, state in read if event.provenance is not None]
    # Two steps may be taken at one moment: a cancel was confirmed and made room.
    groups = groupby(with_inputs, key=lambda pair: (pair[0].originator_id, pair[0].provenance))
    steps = []
    for _, group in groups:
        events, states = zip(*group, strict=True)
        steps.append(Act(events, states))
    return steps


def decided_again(provenance: e.Provenance) -> Step:
    strategy = BY_NAME[provenance.strategy]
    assert strategy.version == provenance.version
    return strategy.next_step(provenance.plan, provenance.view, provenance.market, provenance.now)


def test_every_strategy_and_style_acted(acts: list[Act]) -> None:
    seen = {(act.provenance.strategy, act.provenance.plan.style.value) for act in acts}
    assert seen == {(name, style) for name in NAMES for style in STYLES}
    kinds = {type(event) for act in acts for event in act.events}
    assert kinds == {e.OrderIntended, e.OrderCancelRequested}
    assert len({act.provenance.rule for act in acts}) >= 8
    assert len(acts) >= 150


def test_the_same_inputs_give_the_same_step(acts: list[Act]) -> None:
    for act in acts:
        provenance = act.provenance
        again = decided_again(provenance)
        assert again.rule == provenance.rule
        assert again.wake_at == provenance.wake_at
        cancelled = [x.client_order_id for x in act.events if isinstance(x, e.OrderCancelRequested)]
        assert [cancel.client_order_id for cancel in again.cancels] == cancelled
        placed = [x for x in act.events if isinstance(x, e.OrderIntended)]
        assert [
            (p.quantity, p.order_type, p.time_in_force, p.limit_price, p.display_quantity)
            for p in again.places
        ] == [
            (x.quantity, x.order_type, x.time_in_force, x.limit_price, x.display_quantity)
            for x in placed
        ]


def test_a_step_is_recorded_at_the_moment_it_was_decided(acts: list[Act]) -> None:
    for act in acts:
        assert {event.record_time for event in act.events} == {act.provenance.now}


def test_other_inputs_give_another_step(acts: list[Act]) -> None:
    """The proof is worth something: a changed input is found out."""
    found = 0
    for act in acts:
        provenance = act.provenance
        view = provenance.view.model_copy(update={"executed": provenance.plan.quantity})
        changed = provenance.model_copy(update={"view": view})
        found += decided_again(changed) != decided_again(provenance)
    assert found == len(acts)


def test_what_a_strategy_reads_is_small(acts: list[Act]) -> None:
    def size(part: Any) -> int:
        return len(part.model_dump_json().encode())

    features = [size(act.provenance.market) + size(act.provenance.view) for act in acts]
    plans = [size(act.provenance.plan) for act in acts]
    states = [len(state) for act in acts for state in act.states]
    print(
        f"features: median {sorted(features)[len(features) // 2]}, largest {max(features)} bytes; "
        f"plan: largest {max(plans)}; whole event: largest {max(states)}"
    )
    assert max(features) <= FEATURES_BYTES_MAX
    assert max(states) <= 3 * FEATURES_BYTES_MAX


def test_the_view_is_what_the_events_before_it_say(tmp_path: Path) -> None:
    """Not only does the step follow from its inputs: the inputs follow from the log."""
    run(Scene([decision("twap", window="3m")]), tmp_path / "a.db")
    run(Scene([decision("iceberg", style="naive", window="3m")]), tmp_path / "b.db")
    checked = 0
    for name in ("a.db", "b.db"):
        with Log.open(tmp_path / name, writer=False) as log:
            events = [recorded.event for recorded in log.events()]
        (id,) = {x.originator_id for x in events if isinstance(x, e.DecisionReceived)}
        made, last_now = Instruction(id), -1
        for event in (x for x in events if x.originator_id == id):
            provenance = getattr(event, "provenance", None)
            if provenance is not None and provenance.now != last_now:
                last_now = provenance.now
                assert provenance.view == made.view()
                assert provenance.plan == made.plan
                checked += 1
            made.apply(event)
    assert checked > 10
