"""What is stored today loads for ever: golden bytes and schemas of every event."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from fillwright.adapters.storage.mapper import EventMapper
from fillwright.domain import events as e
from fillwright.domain.errors import StoreDamaged
from fillwright.domain.events import upcasting
from fillwright.domain.events.upcasting import Fields
from tools.event_examples import head
from tools.golden_events import FINGERPRINTS, GOLDEN, examples, fingerprint, stored_bytes

FILES = sorted(path for path in GOLDEN.glob("*.json") if path != FINGERPRINTS)
TOPICS = sorted(e.CATALOGUE)

CHANGED = (
    "{topic} is not stored as it was. Once a store of this version exists: give the class the next "
    "VERSION and write an upcaster. Before: python -m tools.golden_events --replace {topic}"
)


@pytest.mark.parametrize("topic", TOPICS)
def test_every_event_has_an_example_and_golden_bytes(topic: str) -> None:
    assert type(examples()[topic]) is e.CATALOGUE[topic]
    assert (GOLDEN / f"{topic}.json").is_file(), f"run python -m tools.golden_events for {topic}"


@pytest.mark.parametrize("topic", TOPICS)
def test_todays_code_writes_the_golden_bytes(topic: str) -> None:
    golden = (GOLDEN / f"{topic}.json").read_bytes()
    assert stored_bytes(examples()[topic]) == golden, CHANGED.format(topic=topic)


@pytest.mark.parametrize("topic", TOPICS)
def test_todays_code_reads_the_golden_bytes_back_equal(topic: str) -> None:
    golden = (GOLDEN / f"{topic}.json").read_bytes()
    assert EventMapper().decode(topic, golden) == examples()[topic]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_bytes_of_every_version_load(path: Path) -> None:
    name, _ = upcasting.split_topic(path.stem)
    event = EventMapper().decode(path.stem, path.read_bytes())
    assert type(event) is upcasting.latest(name)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_schema_changes_only_with_its_version(topic: str) -> None:
    known = json.loads(FINGERPRINTS.read_text())
    assert fingerprint(e.CATALOGUE[topic]) == known.get(topic), CHANGED.format(topic=topic)


def test_every_older_version_has_an_upcaster_to_the_next() -> None:
    stored = {upcasting.split_topic(path.stem) for path in FILES}
    steps = {
        (name, version)
        for name, oldest in stored
        for version in range(oldest, (upcasting.latest(name) or e.DomainEvent).VERSION)
    }
    assert steps == set(upcasting.UPCASTERS)


def test_topics_name_no_module() -> None:
    assert all("fillwright" not in topic and ":" not in topic for topic in TOPICS)


# -- upcasting, by an event that had two earlier versions -----------------------------------------

V1 = (
    b'{"originator_id":"00000000-0000-0000-0000-000000000001","originator_version":1,'
    b'"record_time":5,"actor":"a","correlation_id":"c","causation_id":"d","market_time":null,'
    b'"receive_time":null,"delay_seconds":3,"who":"kim"}'
)
V2 = V1.replace(b'"delay_seconds":3', b'"delay_ns":3000000000')
UPCASTERS = {
    ("Waited", 1): lambda fields: in_nanoseconds(fields),
    ("Waited", 2): lambda fields: renamed(fields),
}


def in_nanoseconds(fields: Fields) -> Fields:
    fields["delay_ns"] = fields.pop("delay_seconds") * 1_000_000_000
    return fields


def renamed(fields: Fields) -> Fields:
    fields["person"] = fields.pop("who")
    return fields


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[e.DomainEvent]]:
    """An event in its third version: seconds became nanoseconds, then a field got a new name."""

    class Waited(e.DomainEvent):
        """Somebody waited."""

        TOPIC: ClassVar[str] = "Waited"
        VERSION: ClassVar[int] = 3

        delay_ns: int
        person: str

    monkeypatch.setitem(upcasting._LATEST, "Waited", Waited)
    yield Waited
    del e.CATALOGUE["Waited.v3"]


@pytest.mark.parametrize(("topic", "state"), [("Waited.v1", V1), ("Waited.v2", V2)])
def test_an_older_version_is_read_as_todays_event(
    waited: type[e.DomainEvent], topic: str, state: bytes
) -> None:
    fields = head() | {
        "originator_id": "00000000-0000-0000-0000-000000000001",
        "originator_version": 1,
        "record_time": 5,
        "actor": "a",
        "correlation_id": "c",
        "causation_id": "d",
        "market_time": None,
        "receive_time": None,
    }
    expected = waited(**fields | {"delay_ns": 3_000_000_000, "person": "kim"})
    mapper = EventMapper(upcasters=UPCASTERS)
    assert mapper.decode(topic, state) == expected
    assert mapper.decode(topic, state) == expected
    assert mapper.encode(expected).topic == "Waited.v3"


def test_an_older_version_without_an_upcaster_is_not_guessed_at(
    waited: type[e.DomainEvent],
) -> None:
    with pytest.raises(StoreDamaged, match=r"Waited\.v1"):
        EventMapper(upcasters={}).decode("Waited.v1", V1)
