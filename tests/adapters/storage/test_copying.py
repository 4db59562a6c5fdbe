"""A copy of a store is the store at one position, on either database, or nothing."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.storage.copying import copy_store
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.upkeep import compact_store, migrate_store, store_info
from fillwright.domain.errors import StoreBusy, StoreDamaged, StoreError
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample, filled
from tests.adapters.storage.test_postgres import raw, record
from tests.postgres import PostgresServer, fresh_store


@pytest.fixture(params=["file", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    where = str(tmp_path / "log.db")
    return where if request.param == "file" else str(request.getfixturevalue("postgres_url"))


def contents(url: str) -> tuple[object, ...]:
    with Log.open(url, writer=False) as log, OpsLog.of(log) as ops:
        assert log.verify().ok
        assert ops.verify().ok
        return (log.head(), list(log.raw_events()), log.counters(), list(ops.raw_events()))


def test_a_backup_made_while_it_is_written_is_a_whole_store(store: str, tmp_path: Path) -> None:
    with Log.open(store) as log, OpsLog.of(log) as ops:
        for number in range(200):
            log.append(Sample(number).happen(3), counters=[CounterUpdate("k", 1, None)])
        ops.append(record(1), record(2))
        stop = threading.Event()
        more = Sample(1_000)

        def write() -> None:
            while not stop.is_set():
                log.append(more.happen(), counters=[CounterUpdate("k", 1, None)])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            done = copy_store(store, str(tmp_path / "copy.db"))
        finally:
            stop.set()
            writer.join()
        assert 600 <= done.position <= log.head().position
    with Log.open(tmp_path / "copy.db", writer=False) as copy:
        assert copy.verify().ok
        assert copy.head().hash.hex() == done.head_hash
        # Counters and events are of the same moment.
        assert copy.counters() == {"k": 200 + done.position - 600}


def test_a_restored_store_is_what_was_backed_up_and_goes_on(
    store: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with Log.open(store) as log, OpsLog.of(log) as ops:
        for number in range(20):
            log.append(Sample(number).happen(2), counters=[CounterUpdate("k", 1, None)])
        ops.append(record(1))
    copy_store(store, str(tmp_path / "copy.db"))
    for target in (str(tmp_path / "again.db"), fresh_store(postgres_server, tmp_path)):
        copy_store(str(tmp_path / "copy.db"), target)
        assert contents(target) == contents(store)
        with Log.open(target) as log:
            log.append(Sample(3, version=2).happen())
            assert log.verify().ok


def test_nothing_is_overwritten(store: str, tmp_path: Path) -> None:
    filled(tmp_path / "source.db")
    with Log.open(store) as log:
        log.append(Sample(1).happen())
    before = contents(store)
    with pytest.raises(StoreError, match="nothing is overwritten"):
        copy_store(str(tmp_path / "source.db"), store)
    assert contents(store) == before


def test_a_damaged_store_is_not_copied_and_leaves_nothing(
    postgres_url: str, tmp_path: Path
) -> None:
    source = filled(tmp_path / "source.db")
    with sqlite3.connect(source) as connection:
        connection.execute("UPDATE stored_events SET topic = 'Other.v1' WHERE position = 4")
    connection.close()
    for target in (str(tmp_path / "copy.db"), postgres_url):
        with pytest.raises(StoreDamaged, match="position 4 is altered"):
            copy_store(str(source), target)
    assert not list(tmp_path.glob("copy*"))
    with Log.open(postgres_url) as log:
        assert log.head().position == 0


def test_a_source_that_cannot_be_read_is_named_and_not_the_target(
    postgres_url: str, tmp_path: Path
) -> None:
    source = tmp_path / "source.db"
    with Log.open(source) as log:
        for number in range(2_000):
            log.append(Sample(number).happen())
    held = bytearray(source.read_bytes())
    held[len(held) // 2 : len(held) // 2 + 50_000] = bytes(range(250)) * 200
    source.write_bytes(held)
    for target in (str(tmp_path / "copy.db"), postgres_url):
        with pytest.raises(StoreDamaged, match=f"{source}: its file is damaged"):
            copy_store(str(source), target)


def test_a_source_on_a_server_that_goes_away_is_named_and_not_the_target(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    with Log.open(postgres_url) as log:
        log.append(*(Sample(number).happen(6) for number in range(1_000)))
        named = log.name
    reads = "state = 'idle in transaction' AND strpos(query, 'copy_') > 0"
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {reads}"
    with pytest.raises(StoreError) as gone:
        copy_store(
            postgres_url, fresh_store(postgres_server, tmp_path), lambda *_: raw(postgres_url, end)
        )
    assert str(gone.value).startswith(f"{named}: the server cannot be reached")


def test_a_store_on_a_read_only_disk_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = filled(tmp_path / "source.db")
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for beside in ("-wal", "-shm"):
        Path(f"{source}{beside}").unlink(missing_ok=True)
    opened: list[str] = []
    connect = sqlite3.connect

    def on_read_only_disk(name: str, **options: Any) -> sqlite3.Connection:
        opened.append(name)
        if "source.db?mode=ro" in name and "immutable" not in name:
            name = "file:/nowhere/none.db?mode=ro"
        return connect(name, **options)

    monkeypatch.setattr(sqlite3, "connect", on_read_only_disk)
    copy_store(str(source), str(tmp_path / "copy.db"))
    monkeypatch.undo()
    assert any("immutable=1" in name for name in opened)
    assert contents(str(tmp_path / "copy.db")) == contents(str(source))


def test_a_log_on_the_server_that_was_cut_off_or_changed_is_found(postgres_url: str) -> None:
    with Log.open(postgres_url) as log:
        for number in range(10):
            log.append(Sample(number).happen())
        raw(postgres_url, "UPDATE stored_events SET state = 'x' WHERE position = 4")
        assert log.verify().first_bad_position == 4
        raw(postgres_url, "DELETE FROM stored_events WHERE position = 10")
    with pytest.raises(StoreDamaged):
        copy_store(postgres_url, "nowhere-copy.db")
    assert not Path("nowhere-copy.db").exists()


def test_compaction_gives_space_back_and_drops_no_event(store: str) -> None:
    with Log.open(store) as log:
        for number in range(50):
            log.append(Sample(number).happen(2), counters=[CounterUpdate(f"k{number}", 1, None)])
        log.reset_counters({"k": 1})
        if not store.startswith("postgresql"):
            with pytest.raises(StoreBusy):
                compact_store(store)
    before = contents(store)
    done = compact_store(store)
    assert contents(store) == before
    assert done.position == 100


def test_info_says_where_a_log_ends_and_whose_it_is(store: str) -> None:
    with Log.open(store) as log, OpsLog.of(log) as ops:
        log.append(Sample(1).happen(3), Sample(2).happen())
        ops.append(record(1))
        head = log.head()
        found = store_info(store)
        assert (found.position, found.head_hash) == (4, head.hash.hex())
        assert (found.streams, found.records, found.checkpoint_position) == (2, 1, None)
        assert found.size_bytes > 10_000
        if found.database == "postgresql":
            (owner,) = found.owners
            assert (owner.account, owner.epoch, owner.is_owned) == ("default", 1, True)
    assert migrate_store(store) == 1
