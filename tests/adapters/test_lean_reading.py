"""What is read for views is what they need, and never what was not written."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from uuid import UUID

import pytest
from msgspec import Struct
from pydantic import BaseModel

from fillwright.adapters.alerting.watch import LogView
from fillwright.adapters.replay import rebuilding
from fillwright.adapters.replay.rebuilding import history_upto, rebuild
from fillwright.adapters.replay.replaying import replay
from fillwright.adapters.storage import lean_reading
from fillwright.adapters.storage.lean_reading import bring_up, checked_events, lean_decoder
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.records import RawRecorded
from fillwright.adapters.views import Views
from fillwright.domain.errors import StoreDamaged
from fillwright.domain.events import CATALOGUE
from fillwright.domain.plan import PlanTerms
from fillwright.projections.alerts import DEFAULT_THRESHOLDS
from fillwright.projections.all_views import AllViews
from fillwright.projections.canonical import to_json
from fillwright.projections.instruction_events import INSTRUCTION_EVENTS
from tests.adapters.mirror.logs import BUSY, store_of
from tests.adapters.storage.helpers import filled

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return store_of(tmp_path / "log.db", BUSY)


def told(views: AllViews) -> list[tuple[int, bytes, bytes]]:
    return [(one.position, one.head_hash, one.to_bytes()) for one in views.projections()]


def test_views_from_a_lean_reading_are_those_of_a_whole_one(store: Path) -> None:
    with Log.open(store, writer=False) as log:
        head = log.head().position
        lean = rebuild(log, head, seal=True, parts=1)
        whole = AllViews(history_upto(log, head))
        whole.follow(log.events())
        assert len(whole.blotter.instructions()) > 0
        assert told(lean) == told(whole)
        held = rebuild(log, head, seal=True, keep=lambda id: True)
        assert told(held) == told(rebuild(log, head))
        plans = [entry.instruction.plan for entry in held.blotter.instructions().values()]
        assert {type(plan) for plan in plans if plan is not None} == {PlanTerms}


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("topic", sorted(kind.stored_topic() for kind in INSTRUCTION_EVENTS))
def test_what_is_read_of_an_event_is_what_it_says(topic: str, mirror: bool) -> None:
    state = (GOLDEN / f"{topic}.json").read_bytes().strip()
    event = CATALOGUE[topic].model_validate_json(state)
    raw = RawRecorded(7, event.originator_id.hex, event.originator_version, topic, state, b"")
    with Log.open("memory:") as log:
        lean = lean_decoder(log, mirror=mirror)(raw)
        for wrong in (raw._replace(originator_version=90), raw._replace(originator_id="0" * 32)):
            with pytest.raises(StoreDamaged, match="position 7"):
                lean_decoder(log, mirror=mirror)(wrong)
    assert type(lean) is type(event)
    assert {"originator_id", "originator_version", "record_time"} <= vars(lean).keys()
    assert_is_part(lean, event)


def assert_is_part(lean: object, whole: object) -> None:
    """All that the lean value has is what the whole one has under the same name."""
    if isinstance(lean, BaseModel):
        names = vars(lean).keys() - {"checks"}
    elif isinstance(lean, Struct):
        names = set(lean.__struct_fields__)
    else:
        assert (type(lean), lean) == (type(whole), whole)
        return
    for name in names:
        assert_is_part(getattr(lean, name), getattr(whole, name))


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"[]",
        b"{}",
        b'{"originator_id":5,"originator_version":1,"record_time":0,"release_at":1,"rule":""}',
        b'{"originator_id":[],"originator_version":1,"record_time":0,"release_at":1,"rule":""}',
        b'{"originator_id":"x","originator_version":1,"record_time":0,"release_at":1,"rule":""}',
    ],
)
def test_bytes_that_are_no_event_are_damage(state: bytes) -> None:
    with Log.open("memory:") as log, pytest.raises(StoreDamaged, match="position 3"):
        lean_decoder(log)(RawRecorded(3, "0" * 32, 1, "ReleaseDeferred.v1", state, b""))


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "", "1,5", [1], {}])
def test_a_figure_that_is_no_number_is_damage(figure: object) -> None:
    golden = json.loads((GOLDEN / "InstructionReleased.v1.json").read_bytes())
    state = json.dumps({**golden, "release_mid": figure}).encode()
    id, version = UUID(golden["originator_id"]).hex, golden["originator_version"]
    with Log.open("memory:") as log, pytest.raises(StoreDamaged, match="position 3"):
        lean_decoder(log)(RawRecorded(3, id, version, "InstructionReleased.v1", state, b""))


def test_views_that_begin_with_a_lean_reading_hold_whole_instructions(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Log.open(store, writer=False) as log:
        head, whole, lean = log.head().position, Views(log), Views(log)
        whole.current()
        monkeypatch.setattr(lean_reading, "LEAN_FROM_EVENTS", 1)
        bring_up(lean._recent, log, head - 20)
        assert lean._recent.limits.position == head - 20
        assert told(lean.current()) == told(whole.current())
        assert lean.judged() == whole.judged()
        assert lean.quality() == whole.quality()
        assert to_json(lean.last_sessions(9).blotter.rows()) == to_json(
            whole.last_sessions(9).blotter.rows()
        )
        held = lean.current().blotter.instructions()
        assert len(held) > 0
        for id, entry in held.items():
            same = whole.current().blotter.instructions()[id]
            assert (entry.checks, entry.instruction.plan) == (same.checks, same.instruction.plan)
            assert entry.instruction.decision == same.instruction.decision
            assert entry.instruction is lean.current().limits.instruction(id)


def test_an_alert_watch_that_begins_with_a_lean_reading_sees_the_same(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Log.open(store, writer=False) as log:
        last = [one.event.record_time for one in log.events()][-1]
        seen = []
        for least in (10**9, 1):
            monkeypatch.setattr(lean_reading, "LEAN_FROM_EVENTS", least)
            view = LogView(DEFAULT_THRESHOLDS)
            view.follow(log)
            assert (view.stopped, view.last_at) == ("", last)
            seen.append(view.alerts(last))
        assert seen[0] == seen[1]
        assert len(seen[0]) > 0


def test_processes_that_share_a_log_come_to_what_one_comes_to(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "WINDOW", 50)
    done: list[int] = []
    with Log.open(store, writer=False) as log:
        head = log.head().position
        one = rebuild(log, head - 5, seal=True, parts=1)
        several = rebuild(log, head - 5, done.append, seal=True, parts=2)
    assert done == [*range(50, head - 5, 50), head - 5]
    assert one.sums[0].count > 0
    assert len(one.blotter.instructions()) > 0
    for mine, theirs in zip(one.projections(), several.projections(), strict=True):
        assert (mine.position, mine.head_hash) == (theirs.position, theirs.head_hash)
        assert mine.to_bytes() == theirs.to_bytes()
    assert one.limits.counters() == several.limits.counters()


def test_processes_that_share_a_log_name_the_first_event_that_is_wrong(store: Path) -> None:
    connection = sqlite3.connect(store)
    for position in (31, 40, 41):
        connection.execute(
            "UPDATE stored_events SET hash = zeroblob(32) WHERE position = ?", (position,)
        )
    connection.commit()
    connection.close()
    with (
        Log.open(store, writer=False) as log,
        pytest.raises(StoreDamaged, match="position 31 is altered: its hash does not fit"),
    ):
        rebuild(log, log.head().position, seal=True, parts=2)


def test_processes_that_share_a_log_name_the_first_of_those_that_are_gone(store: Path) -> None:
    connection = sqlite3.connect(store)
    connection.execute("DELETE FROM stored_events WHERE position IN (30, 31, 32, 45)")
    connection.commit()
    connection.close()
    with (
        Log.open(store, writer=False) as log,
        pytest.raises(StoreDamaged, match="position 30 is missing"),
    ):
        rebuild(log, log.head().position, seal=True, parts=2)


def test_every_event_is_in_one_part_whatever_id_it_is_filed_under(store: Path) -> None:
    connection = sqlite3.connect(store)
    for position, id in ((20, ""), (21, b"\xff"), (22, "é"), (23, "\x00")):
        harm = "UPDATE stored_events SET originator_id = ? WHERE position = ?"
        connection.execute(harm, (id, position))
    connection.commit()
    connection.close()
    with Log.open(store, writer=False) as log:
        head = log.head().position
        hashes = dict(log.hashes())
        found = [
            (position, previous)
            for part in range(3)
            for after in range(0, head, 40)
            for position, *_, previous in log.raw_part(part, 3, after, min(after + 40, head))
        ]
    assert sorted(found, key=lambda one: one[0]) == [
        (position, hashes.get(position - 1)) for position in range(1, head + 1)
    ]


@pytest.mark.parametrize(
    "harm",
    [
        'UPDATE stored_events SET state = replace(state, \'"volume":"5000"\', \'"volume":"5001"\') '
        "WHERE topic = 'OrderIntended.v2'",
        "UPDATE stored_events SET originator_version = originator_version + 90 WHERE position = 20",
        "DELETE FROM stored_events WHERE position = 20",
        "UPDATE stored_events SET hash = zeroblob(32) WHERE position = 20",
        "UPDATE stored_events SET state = '{}' WHERE position = 20",
        "UPDATE stored_events SET topic = 'OrderFilled.v1' WHERE position = 4",
    ],
)
def test_what_is_not_what_was_written_stops_a_replay(store: Path, harm: str) -> None:
    connection = sqlite3.connect(store)
    assert connection.execute(harm).rowcount > 0
    connection.commit()
    connection.close()
    with Log.open(store, writer=False) as log, pytest.raises(StoreDamaged, match="position"):
        replay(log)


def test_an_event_that_goes_missing_while_reading_is_noticed(tmp_path: Path) -> None:
    store = filled(tmp_path / "log.db", 10)
    with (
        Log.open(store, writer=False) as log,
        pytest.raises(StoreDamaged, match="position 11 is missing"),
    ):
        list(checked_events(log, 11, lean_decoder(log)))
