"""What the exceptions book reads of a log in part is what it would tell of whole events."""

from __future__ import annotations

from pathlib import Path

import pytest

from fillwright.adapters.storage.lean_reading import decoder_for
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.records import RawRecorded, Recorded
from fillwright.adapters.supervision.exceptions_book import BookView
from fillwright.domain import events as e
from fillwright.domain.errors import StoreDamaged, StoreNewer
from fillwright.domain.events import CATALOGUE
from fillwright.projections.raised import RaisedExceptions
from fillwright.projections.runner import Projection, follow
from fillwright.projections.surveillance import Surveillance
from tests.adapters.mirror.logs import BUSY, store_of

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"
VIEWS: tuple[type[Projection], ...] = (RaisedExceptions, Surveillance)
RECEIVED = e.DecisionReceived.stored_topic()
INTENDED = e.OrderIntended.stored_topic()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return store_of(tmp_path / "log.db", BUSY)


def views() -> tuple[Projection, ...]:
    return tuple(view() for view in VIEWS)


def golden(topic: str, position: int) -> RawRecorded:
    """An event of a kind as it is stored; those of instructions are all of the same."""
    state = (GOLDEN / f"{topic}.json").read_bytes().strip()
    event = CATALOGUE[topic].model_validate_json(state)
    id, version = event.originator_id.hex, event.originator_version
    return RawRecorded(position, id, version, topic, state, bytes(32))


def test_a_log_is_told_as_from_whole_events(store: Path) -> None:
    with Log.open(store, writer=False) as log:
        whole, part = views(), views()
        follow(whole, log.events())
        decode = decoder_for(log, part)
        follow(part, (Recorded(raw.position, decode(raw), raw.hash) for raw in log.raw_events()))
    for one, other in zip(whole, part, strict=True):
        assert len(one.to_bytes()) > 1_000
        assert one.to_bytes() == other.to_bytes()
        assert (one.position, one.head_hash) == (other.position, other.head_hash)


@pytest.mark.parametrize("topic", sorted(set(CATALOGUE) - {RECEIVED, INTENDED}))
def test_an_event_of_any_kind_is_told_as_from_the_whole_of_it(topic: str) -> None:
    raws = [golden(one, place) for place, one in enumerate((RECEIVED, INTENDED, topic), start=1)]
    whole, part = views(), views()
    with Log.open("memory:") as log:
        decode = decoder_for(log, part)
        follow(whole, [Recorded(raw.position, log.decode(raw), raw.hash) for raw in raws])
        follow(part, [Recorded(raw.position, decode(raw), raw.hash) for raw in raws])
    assert [one.to_bytes() for one in whole] == [one.to_bytes() for one in part]


def test_an_event_that_cannot_be_read_is_named() -> None:
    with Log.open("memory:") as log:
        decode = decoder_for(log, views())
        raw = golden(RECEIVED, 7)
        with pytest.raises(StoreDamaged, match="position 7"):
            decode(raw._replace(state=b"{}"))
        with pytest.raises(StoreNewer, match="position 7"):
            decode(raw._replace(topic="DecisionReceived.v99"))
        with pytest.raises(StoreNewer, match="position 7"):
            decode(raw._replace(topic="NeverHeardOf.v1"))


def test_a_book_that_is_brought_forward_in_steps_is_the_same(store: Path) -> None:
    with Log.open(store) as log, OpsLog.open(store) as ops:
        at_once, in_steps = BookView(), BookView()
        assert at_once.follow(log, ops)
        for upto in range(40, log.head().position, 40):
            assert in_steps.follow(log, ops, upto)
        in_steps.follow(log, ops)
        assert in_steps.raised() == at_once.raised()
        assert len(at_once.raised()) > 5
        assert not in_steps.follow(log, ops)
