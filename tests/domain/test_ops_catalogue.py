"""What the second stream stores loads for ever: golden bytes and schemas of every record."""

import json
from pathlib import Path
from typing import ClassVar

import pytest

from fillwright.adapters.storage.ops_log import decode_record
from fillwright.domain import ops
from fillwright.domain.errors import StoreDamaged, StoreNewer
from fillwright.domain.events.upcasting import split_topic
from fillwright.domain.ops.base import latest
from tools.golden_events import FINGERPRINTS, GOLDEN_OPS, fingerprint, record_examples, stored_bytes

PRINTS = GOLDEN_OPS / FINGERPRINTS.name
FILES = sorted(path for path in GOLDEN_OPS.glob("*.json") if path != PRINTS)
TOPICS = sorted(ops.OPS_CATALOGUE)
CHANGED = (
    "{topic} is not stored as it was: give the class the next VERSION and write an upcaster. "
    "Before a store of it exists: python -m tools.golden_events --replace {topic}"
)


@pytest.mark.parametrize("topic", TOPICS)
def test_todays_code_writes_and_reads_the_golden_bytes(topic: str) -> None:
    golden = (GOLDEN_OPS / f"{topic}.json").read_bytes()
    assert stored_bytes(record_examples()[topic]) == golden, CHANGED.format(topic=topic)
    assert decode_record(topic, golden) == record_examples()[topic]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_bytes_of_every_version_load(path: Path) -> None:
    name, _ = split_topic(path.stem)
    assert type(decode_record(path.stem, path.read_bytes())) is latest(name)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_schema_changes_only_with_its_version(topic: str) -> None:
    known = json.loads(PRINTS.read_text())
    assert fingerprint(ops.OPS_CATALOGUE[topic]) == known.get(topic), CHANGED.format(topic=topic)


def test_every_older_version_has_an_upcaster_to_the_next() -> None:
    stored = {split_topic(path.stem) for path in FILES}
    steps = {
        (name, version)
        for name, oldest in stored
        for version in range(oldest, (latest(name) or ops.OpsRecord).VERSION)
    }
    assert steps == set(ops.OPS_UPCASTERS)


def test_an_older_version_is_read_as_todays_record(monkeypatch: pytest.MonkeyPatch) -> None:
    class Looked(ops.OpsRecord):
        """Somebody looked."""

        TOPIC: ClassVar[str] = "Looked"
        VERSION: ClassVar[int] = 2

        where: str

    state = (
        b'{"record_time":1,"actor":"a","log_position":0,"log_hash":"'
        + b"0" * 64
        + b'","place":"blotter"}'
    )
    try:
        monkeypatch.setitem(
            ops.OPS_UPCASTERS,
            ("Looked", 1),
            lambda fields: {"where": fields.pop("place"), **fields},
        )
        record = decode_record("Looked.v1", state)
        assert record == Looked(
            record_time=1, actor="a", log_position=0, log_hash="0" * 64, where="blotter"
        )
    finally:
        del ops.OPS_CATALOGUE["Looked.v2"]


def test_a_later_version_and_an_unknown_topic_are_said_to_be_newer() -> None:
    with pytest.raises(StoreNewer, match=r"Anchored\.v9"):
        decode_record("Anchored.v9", b"{}")
    with pytest.raises(StoreNewer, match=r"Dreamt\.v1"):
        decode_record("Dreamt.v1", b"{}")


def test_bytes_of_another_form_are_damage() -> None:
    with pytest.raises(StoreDamaged, match="the record at position 3"):
        decode_record("Anchored.v1", b'{"actor": 5}', 3)
