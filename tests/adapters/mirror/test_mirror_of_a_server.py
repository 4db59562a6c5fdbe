"""A mirror of a log on PostgreSQL is that of the same log in a file, and as hard to mislead."""

from __future__ import annotations

from pathlib import Path

import pytest

from fillwright.adapters.mirror import query
from fillwright.adapters.mirror.checking import check
from fillwright.adapters.mirror.query import open_tables
from fillwright.adapters.mirror.segments import read_manifest, read_rows
from fillwright.adapters.mirror.writing import update
from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import StoreDamaged
from tests.adapters.integrity.evidence import change_state, fit_head, opened
from tests.postgres import PostgresServer, fresh_store

from .logs import BUSY, Batch, told
from .test_figures import computed, folded


def rows_of(folder: Path) -> list[object]:
    segments = read_manifest(folder).segments
    return [
        row for one in segments for batch in read_rows(folder, one) for row in batch.to_pylist()
    ]


def test_a_server_that_is_written_to_is_mirrored_in_pieces_as_a_file_is_at_once(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "PIECE_EVENTS", 60)
    records, folder = told(BUSY), tmp_path / "mirror"
    with Log.open(postgres_url) as writer, Log.open(postgres_url, writer=False) as reader:
        for start in range(0, len(records), 40):
            writer.append(Batch(records[start : start + 40]))
            if start % 80 and start + 40 < len(records):
                assert update(reader, folder, segment_events=50).position == start + 40
        assert read_manifest(folder).position < len(records)
        with open_tables(folder, reader) as tables:  # the mirror, and after it the log
            assert computed(tables) == folded(reader)
        update(reader, folder, segment_events=50)
        found = check(folder, reader)
        assert (found.ok, found.events, found.against_log) == (True, len(records), True)
    with Log.open("memory:") as log:
        log.append(Batch(records))
        update(log, tmp_path / "of a file")
    assert rows_of(folder) == rows_of(tmp_path / "of a file")


def test_what_was_done_to_a_server_beside_the_log_is_not_mirrored(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    store, other = (fresh_store(postgres_server, tmp_path, name) for name in ("one", "other"))
    records, folder = told(BUSY)[:120], tmp_path / "mirror"
    for url, history in ((store, records), (other, told(list(reversed(BUSY)))[:120])):
        with Log.open(url) as log:
            log.append(Batch(history))
            if url == store:
                update(log, folder, segment_events=50)
    with Log.open(other, writer=False) as log:
        with pytest.raises(StoreDamaged, match="mirrors another log"):
            update(log, folder, segment_events=50)
        assert "has another event at position" in check(folder, log).what
    change_state(store, "stored_events", 3, b'"actor"', b'"actoR"')
    with Log.open(store, writer=False) as log:
        with pytest.raises(StoreDamaged, match="position 3 is altered"):
            update(log, tmp_path / "anew", segment_events=50)
        assert read_manifest(tmp_path / "anew").position == 0
        assert "position 3" in check(folder, log).what
    with opened(store) as connection:
        connection.execute("DELETE FROM stored_events WHERE position > 60")
        fit_head(store, connection)
    with (
        Log.open(store, writer=False) as log,
        pytest.raises(StoreDamaged, match="has no event at position 120"),
    ):
        update(log, folder, segment_events=50)
