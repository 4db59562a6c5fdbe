"""What is read for views is what they need, and never what was not written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fillwright.adapters import rebuilding
from fillwright.adapters.lean_reading import lean_events
from fillwright.adapters.rebuilding import rebuild
from fillwright.adapters.replaying import projections, replay
from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import StoreDamaged
from fillwright.projections.runner import follow
from tests.adapters.mirror.logs import BUSY, store_of
from tests.adapters.storage.helpers import filled


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return store_of(tmp_path / "log.db", BUSY)


def test_views_from_a_lean_reading_are_those_of_a_whole_one(store: Path) -> None:
    with Log.open(store, writer=False) as log:
        head = log.head().position
        lean = rebuild(log, head).projections()
        whole = projections()
        follow(whole, log.events())
        kinds = [type(recorded.event) for recorded in lean_events(log, head)]
        assert kinds == [type(recorded.event) for recorded in log.events()]
    for one, other in zip(lean, whole, strict=True):
        assert (one.position, one.head_hash) == (other.position, other.head_hash)
        assert one.to_bytes() == other.to_bytes()


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
        pytest.raises(StoreDamaged, match="position 31 is missing or not what was written"),
    ):
        rebuild(log, log.head().position, seal=True, parts=2)


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
        list(lean_events(log, 11))
