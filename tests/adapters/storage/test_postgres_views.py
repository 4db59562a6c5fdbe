"""What SQL users read is every event and record, of every version that was ever stored."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.postgres.opening import migrate_postgres
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.test_postgres import raw
from tools.golden_events import FINGERPRINTS, GOLDEN, GOLDEN_OPS

INSERT_EVENT = "INSERT INTO stored_events VALUES (%s, %s, %s, 1, %s, %s, %s)"
INSERT_RECORD = "INSERT INTO ops_records VALUES (%s, %s, %s, %s)"
TEXTS = ("a\0b", "\0\0", "\\u0000", "\\\0", "\\\\u0000\0", "as ever")
SHOWN = ("a\ufffdb", "\ufffd\ufffd", "\\u0000", "\\\ufffd", "\\\\u0000\ufffd", "as ever")


def golden(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if path.name != FINGERPRINTS.name)


def test_every_version_of_every_event_and_record_is_shown_as_it_was_stored(
    postgres_url: str,
) -> None:
    events, records = golden(GOLDEN), golden(GOLDEN_OPS)
    assert len(events) > 40
    assert len(records) > 10
    for number, path in enumerate(events, start=1):
        values = (number, number, UUID(int=number).hex, path.stem, bytes(32), path.read_bytes())
        raw(postgres_url, INSERT_EVENT, *values)
    for number, path in enumerate(records, start=1):
        raw(postgres_url, INSERT_RECORD, number, path.stem, bytes(32), path.read_bytes())
    shown = "SELECT event, version, fields, record_time_ns, recorded_at FROM events ORDER BY 1, 2"
    found = {f"{event}.v{version}": rest for event, version, *rest in raw(postgres_url, shown)}
    for path in events:
        fields, at, moment = found.pop(path.stem)
        assert fields == json.loads(path.read_bytes())
        assert at == fields["record_time"]
        assert abs(moment.timestamp() - at / 1e9) < 1e-5
    assert not found
    shown = "SELECT record, version, fields FROM records"
    assert {
        f"{record}.v{version}": fields for record, version, fields in raw(postgres_url, shown)
    } == {path.stem: json.loads(path.read_bytes()) for path in records}


@pytest.mark.parametrize("old", [False, True])
def test_a_text_that_the_database_cannot_show_hides_no_event(postgres_url: str, old: bool) -> None:
    """The database's texts have no character 0, and somebody's decision may."""
    if old:  # a store that was made when the view did not know
        raw(
            postgres_url,
            """CREATE OR REPLACE VIEW events AS SELECT position, originator_id::uuid AS
            originator_id, originator_version, split_part(topic, '.v', 1) AS event,
            split_part(topic, '.v', 2)::integer AS version, now() AS recorded_at,
            1::bigint AS record_time_ns, convert_from(state, 'UTF8')::jsonb AS fields,
            encode(hash, 'hex') AS hash FROM stored_events""".replace("%", "%%"),
        )
        assert migrate_postgres(postgres_url) == 1
    with Log.open(postgres_url) as log:
        for number, text in enumerate(TEXTS, start=1):
            log.append(Sample(number).happen(cause=text))
        assert [recorded.event.cause for recorded in log.events()] == list(TEXTS)  # type: ignore[attr-defined]
    rows = raw(postgres_url, "SELECT fields ->> 'cause' FROM events ORDER BY position")
    assert [text for (text,) in rows] == list(SHOWN)
