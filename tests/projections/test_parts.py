"""A log folded in parts, and with less held, gives what folding all of it in one piece gives."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given

from fillwright.projections.all_views import AllViews, may_go
from fillwright.projections.instruction_events import ACCOUNT_EVENTS
from fillwright.projections.parts import Part, Whole, part_of
from fillwright.projections.runner import History, ProjectionStopped, Recorded
from fillwright.projections.sealed import Sealed
from tests.projections.test_rebuilt_equals_live import MOVES, Teller

PARTS = 3


def story(moves: Sequence[tuple[int, int, int]]) -> list[Recorded]:
    teller = Teller()
    for move in [(0, 1, 50), (0, 2, 40), *moves]:
        teller.act(*move)
    return [one._replace(hash=bytes([one.position % 256])) for one in teller.story.log]


def history_of(log: Sequence[Recorded]) -> History:
    def history(id: UUID, before: int) -> list[Recorded]:
        return [
            one
            for one in log
            if one.event.originator_id == id and one.event.originator_version < before
        ]

    return history


def in_parts(log: Sequence[Recorded], window: int) -> AllViews:
    history = history_of(log)
    parts, whole = [Part(history) for _ in range(PARTS)], Whole(history)
    for start in range(0, len(log), window):
        piece = log[start : start + window]
        items: list[tuple[object, ...]] = []
        for recorded in piece:
            if type(recorded.event) in ACCOUNT_EVENTS:
                items.append(recorded)
            else:
                parts[part_of(recorded.event.originator_id.hex, PARTS)].take(recorded)
        for part in parts:
            items += part.take_effects()
        items.sort(key=lambda item: item[0])  # type: ignore[arg-type, return-value]
        whole.follow(items, piece[-1].position, piece[-1].hash)
    return whole.finish(part.folded() for part in parts)


def letting_go(log: Sequence[Recorded]) -> AllViews:
    views = AllViews(history_of(log))
    views.follow(log)
    return views


def told(views: AllViews) -> list[tuple[str, int, bytes, bytes]]:
    return [(one.name, one.position, one.head_hash, one.to_bytes()) for one in views.projections()]


@given(MOVES)
def test_parts_put_together_are_the_whole(moves: list[tuple[int, int, int]]) -> None:
    log = story(moves)
    whole = letting_go(log)
    together = in_parts(log, 7)
    assert told(together) == told(whole)
    assert together.limits.counters() == whole.limits.counters()
    assert together.blotter.rejects() == whole.blotter.rejects()


@given(MOVES)
def test_what_was_let_go_of_is_counted_as_it_is_in_the_whole(
    moves: list[tuple[int, int, int]],
) -> None:
    log = story(moves)
    whole, less = AllViews(), letting_go(log)
    whole.follow(log)
    limits, rows = Sealed(), Sealed()
    held = dict(whole.blotter.instructions())
    for id, entry in held.items():
        if may_go(entry.instruction):
            rows.add(id, entry.facts())
            limits.add(id, whole.limits.holdings().pop(id).facts())
            whole.reconciliation.forget(id)
            whole.blotter.forget(id)
    assert [sums.told() for sums in less.sums] == [limits.told(), rows.told()]
    assert set(less.blotter.instructions()) == set(whole.blotter.instructions())
    assert less.limits.counters() == whole.limits.counters()
    assert less.reconciliation.to_bytes() == whole.reconciliation.to_bytes()
    whole.limits.sealed, whole.blotter.sealed = less.sums
    assert told(less) == told(whole)


def test_another_state_of_one_instruction_gives_another_sum() -> None:
    id, sums, others = UUID(int=5), Sealed(), Sealed()
    sums.add(id, ("filled", 100))
    others.add(id, ("filled", 101))
    assert sums.told() != others.told()
    others.take(id, ("filled", 101))
    assert others.told() == {}
    others.add(id, ("filled", 100))
    assert sums.told() == others.told()


def test_an_event_of_an_unknown_instruction_stops_its_part() -> None:
    log = story([])
    planned = next(one for one in log if type(one.event).TOPIC == "InstructionPlanned")
    with pytest.raises(ProjectionStopped, match=f"position {planned.position}"):
        Part(lambda id, before: []).take(planned)
