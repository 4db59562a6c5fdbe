"""A mirror is what its log says, and says so when it is not."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fillwright.adapters.mirror import segments, writing
from fillwright.adapters.mirror.checking import check
from fillwright.adapters.mirror.query import open_tables
from fillwright.adapters.mirror.segments import MANIFEST, bound_to, read_manifest
from fillwright.adapters.mirror.writing import update
from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import StoreBusy, StoreDamaged, StoreError, StoreNewer

from .logs import BUSY, Batch, store_of, told


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and its mirror in segments of 100 events; only for reading."""
    folder = tmp_path_factory.mktemp("made")
    store = store_of(folder / "log.db")
    with Log.open(store, writer=False) as log:
        update(log, folder / "mirror", segment_events=100)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A copy of it to be tampered with."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


def files(folder: Path) -> list[Path]:
    return sorted((folder / "mirror").glob("*.parquet"))


def test_each_file_is_bound_to_its_range_of_the_chain(made: Path) -> None:
    manifest = read_manifest(made / "mirror")
    assert len(manifest.segments) > 2
    with Log.open(made / "log.db", writer=False) as log:
        hashes = {recorded.position: recorded.hash.hex() for recorded in log.events()}
    for segment in manifest.segments:
        assert bound_to(made / "mirror" / segment.file) == {
            "first_position": str(segment.first),
            "last_position": str(segment.last),
            "previous_hash": hashes.get(segment.first - 1, "00" * 32),
            "last_hash": hashes[segment.last],
            "columns_version": "1",
        }
        assert pq.read_table(made / "mirror" / segment.file).num_rows == (
            segment.last - segment.first + 1
        )


def test_a_good_mirror_agrees_with_its_log_and_alone_with_its_chain(made: Path) -> None:
    with Log.open(made / "log.db", writer=False) as log:
        found = check(made / "mirror", log)
        assert (found.ok, found.events, found.against_log) == (True, log.head().position, True)
    alone = check(made / "mirror", None)
    assert (alone.ok, alone.head_hash) == (True, found.head_hash)


def test_nothing_new_writes_nothing(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in files(copy)}
    with Log.open(copy / "log.db", writer=False) as log:
        done = update(log, copy / "mirror", segment_events=100)
    assert done.position == done.first - 1
    assert {path: path.stat().st_mtime_ns for path in files(copy)} == before


def test_whole_segments_are_never_written_again(copy: Path) -> None:
    before = {path.name: path.stat().st_ino for path in files(copy)}
    whole = [s.file for s in read_manifest(copy / "mirror").segments if s.last - s.first == 99]
    with Log.open(copy / "log.db") as log:
        log.append(Batch(_more(log)))
        update(log, copy / "mirror", segment_events=100)
        assert check(copy / "mirror", log).ok
    after = {path.name: path.stat().st_ino for path in files(copy)}
    assert whole
    assert all(after[name] == before[name] for name in whole)


def _more(log: Log) -> list[writing.MirroredLog]:
    """A second account's history, to go on with."""
    from fillwright.projections.runner import Recorded
    from tests.projections.story import Story

    story = Story("paper-2")
    story.open_session()
    made = story.start(300)
    story.fill(made, story.place(made, 300), 120)
    head = log.head().position
    records = [Recorded(head + r.position, r.event) for r in story.log]
    return records  # type: ignore[return-value]


def test_a_rebuilt_mirror_is_the_same(copy: Path) -> None:
    before = read_manifest(copy / "mirror")
    with Log.open(copy / "log.db", writer=False) as log:
        update(log, copy / "mirror", segment_events=100, rebuild=True)
        assert check(copy / "mirror", log).ok
    after = read_manifest(copy / "mirror")
    assert [(s.first, s.last, s.last_hash) for s in after.segments] == [
        (s.first, s.last, s.last_hash) for s in before.segments
    ]


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def change_a_figure(path: Path) -> None:
    table = pq.read_table(path)
    metadata = dict(pq.read_metadata(path).metadata or {})
    number = table.schema.get_field_index("record_time")
    changed = table.set_column(
        number,
        table.schema.field(number),
        pa.array([value + 1 for value in table["record_time"].to_pylist()]),
    )
    metadata.pop(b"ARROW:schema", None)
    pq.write_table(changed.replace_schema_metadata(metadata), path)


def forget_it(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (flip_a_byte, "not the file that was written"),
        (forget_it, "cannot be read"),
    ],
)
def test_a_changed_file_is_named(copy: Path, harm: Callable[[Path], None], said: str) -> None:
    harm(files(copy)[1])
    with Log.open(copy / "log.db", writer=False) as log:
        found = check(copy / "mirror", log)
    assert not found.ok
    assert found.events == 100
    assert said in found.what
    assert files(copy)[0].name.partition("-")[0] in found.what


def test_a_changed_column_is_found_though_its_file_is_listed_again(copy: Path) -> None:
    path = files(copy)[1]
    change_a_figure(path)
    manifest = copy / "mirror" / MANIFEST
    said = json.loads(manifest.read_bytes())
    said["segments"][1]["sha256"] = segments.digest_of(path)[0]
    manifest.write_text(json.dumps(said))
    assert check(copy / "mirror", None).ok  # the chain covers the stored bytes only
    with Log.open(copy / "log.db", writer=False) as log:
        found = check(copy / "mirror", log)
    assert not found.ok
    assert "column record_time of position 101" in found.what


def test_a_mirror_of_another_log_is_refused(copy: Path, tmp_path: Path) -> None:
    other = store_of(tmp_path / "other.db", list(reversed(BUSY)))
    with Log.open(other, writer=False) as log:
        with pytest.raises(StoreDamaged, match="mirrors another log"):
            update(log, copy / "mirror", segment_events=100)
        with (
            pytest.raises(StoreDamaged, match="mirrors another log"),
            open_tables(copy / "mirror", log),
        ):
            pass
        assert "has another event at position 5" in check(copy / "mirror", log).what


def test_a_log_whose_end_was_cut_off_is_refused(copy: Path) -> None:
    connection = sqlite3.connect(copy / "log.db")
    connection.execute("DELETE FROM stored_events WHERE position > 50")
    connection.commit()
    connection.close()
    with (
        Log.open(copy / "log.db", writer=False) as log,
        pytest.raises(StoreDamaged, match="has no event at position"),
    ):
        update(log, copy / "mirror", segment_events=100)


def test_a_log_that_was_altered_is_not_mirrored(tmp_path: Path) -> None:
    store = store_of(tmp_path / "log.db")
    connection = sqlite3.connect(store)
    connection.execute(
        "UPDATE stored_events SET state = replace(state, 'paper-1', 'paper-9') WHERE position = 1"
    )
    connection.commit()
    connection.close()
    with (
        Log.open(store, writer=False) as log,
        pytest.raises(StoreDamaged, match="position 1 is altered"),
    ):
        update(log, tmp_path / "mirror")
    assert read_manifest(tmp_path / "mirror").position == 0
    assert files(tmp_path) == []


def test_whatever_stops_it_the_manifest_names_whole_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path / "log.db")
    real, calls = segments._settle, []

    def failing(beside: Path, path: Path) -> None:
        calls.append(path)
        if len(calls) == stop_at:
            raise OSError(28, "No space left on device", str(path))
        real(beside, path)

    monkeypatch.setattr(segments, "_settle", failing)
    with Log.open(store, writer=False) as log:
        for stop_at in range(1, 7):
            calls.clear()
            folder = tmp_path / f"mirror-{stop_at}"
            with pytest.raises(OSError, match="No space"):
                update(log, folder, segment_events=100)
            position = read_manifest(folder).position
            assert position == (stop_at - 1) // 2 * 100
            assert check(folder, log).ok is (position > 0)
            stop_at = 0
            update(log, folder, segment_events=100)
            assert check(folder, log).ok
            update(log, folder, segment_events=100)
            kept = {segment.file for segment in read_manifest(folder).segments}
            assert {path.name for path in folder.glob("*.parquet*")} == kept


def test_one_process_mirrors_at_a_time(copy: Path) -> None:
    with (
        Log.open(copy / "log.db", writer=False) as log,
        writing._alone(copy / "mirror"),
        pytest.raises(StoreBusy, match=str(os.getpid())),
    ):
        update(log, copy / "mirror")


def test_a_folder_of_something_else_is_left_alone(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with (
        Log.open(copy / "log.db", writer=False) as log,
        pytest.raises(StoreError, match=r"cat\.jpg"),
    ):
        update(log, tmp_path / "photos")


def test_a_mirror_of_a_later_version_is_refused(copy: Path) -> None:
    manifest = copy / "mirror" / MANIFEST
    said = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(said | {"format": 99}))
    with pytest.raises(StoreNewer, match="newer version"):
        read_manifest(copy / "mirror")
    manifest.write_text("{}")
    with pytest.raises(StoreDamaged, match="not a manifest"):
        read_manifest(copy / "mirror")


def test_a_figure_with_too_many_decimals_is_rounded_and_counted(tmp_path: Path) -> None:
    from fillwright.domain.ports import ReportKind
    from tests.projections.story import D, Story

    story = Story()
    story.open_session()
    made = story.start(300)
    order = story.place(made, 300)
    story.fill(made, order, 100)
    story.report(
        made,
        order,
        ReportKind.TRADE_CORRECT,
        execution_id="c",
        ref_execution_id=story_fill(made),
        last_qty=D("33.3333333333333333333"),
        last_price=D("10.01"),
    )
    with Log.open("memory:") as log:
        log.append(Batch(story.log))
        done = update(log, tmp_path / "mirror")
        assert done.rounded == 1
        assert check(tmp_path / "mirror", log).ok


def story_fill(made: object) -> str:
    orders = made.orders.values()  # type: ignore[attr-defined]
    return str(next(iter(next(iter(orders)).executions)))


def test_told_histories_are_long_enough_to_matter() -> None:
    topics = {type(recorded.event).__name__ for recorded in told(BUSY)}
    assert {"FillBusted", "FillCorrected", "StrategySwitched", "OrderExpired"} <= topics
