"""A store is one file with one writer; what is wrong with it is said clearly."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fillwright.adapters.storage.filelock import FileLock
from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import StoreBusy, StoreDamaged, StoreError, StoreNewer
from tests.adapters.storage.helpers import Sample, filled
from tests.rights import bound_by_modes

HOLDER = """
import sys, time
from fillwright.adapters.storage.log import Log
with Log.open(sys.argv[1]):
    print("open", flush=True)
    time.sleep(120)
"""


@contextmanager
def changed(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_a_store_is_opened_by_path_or_url(tmp_path: Path, form: str) -> None:
    url = form.format(tmp_path / "a b?c#d%20é.db")
    with Log.open(url) as log:
        log.append(Sample(1).happen())
    assert (tmp_path / "a b?c#d%20é.db").is_file()
    with Log.open(url, writer=False) as log:
        assert log.head().position == 1


def test_a_relative_url_is_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Log.open("sqlite:///here.db").close()
    assert (tmp_path / "here.db").is_file()


def test_the_file_is_durable_and_says_what_it_is(tmp_path: Path) -> None:
    path = filled(tmp_path / "log.db")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA application_id").fetchone() == (0x66776C67,)
    with Log.open(path) as log, log.application.log_recorder._writing() as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize("url", ["mysql://x", "", "sqlite:///"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="allowed: sqlite:///PATH"):
        Log.open(url)


def test_a_folder_is_not_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is a folder; name a file in it"):
        Log.open(tmp_path)


@pytest.mark.parametrize("writer", [True, False])
def test_a_folder_that_is_missing_is_named(tmp_path: Path, writer: bool) -> None:
    with pytest.raises(StoreError, match="missing is not a folder"):
        Log.open(tmp_path / "missing" / "log.db", writer=writer)


def test_reading_does_not_make_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        Log.open(tmp_path / "log.db", writer=False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "log.db").touch()
    with pytest.raises(StoreError, match="nothing has been recorded"):
        Log.open(tmp_path / "log.db", writer=False)
    with Log.open(tmp_path / "log.db") as log:
        log.append(Sample(1).happen())


@pytest.mark.parametrize("writer", [True, False])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, writer: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, not a database\n" * 100)
    with pytest.raises(StoreDamaged, match="not a fillwright store"):
        Log.open(path, writer=writer)
    assert path.read_text().startswith("these are my notes")


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with changed(path) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    with pytest.raises(StoreDamaged, match="not a fillwright store"):
        Log.open(path)
    with changed(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("customers",)]


@pytest.mark.parametrize("writer", [True, False])
def test_a_store_of_a_newer_version_is_not_touched(tmp_path: Path, writer: bool) -> None:
    path = filled(tmp_path / "log.db")
    with changed(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(StoreNewer, match=r"format 2, this version reads up to 1"):
        Log.open(path, writer=writer)
    assert path.read_bytes() == before


def test_an_event_of_a_newer_version_stops_reading_at_its_position(tmp_path: Path) -> None:
    path = filled(tmp_path / "log.db")
    with changed(path) as connection:
        connection.execute(
            "UPDATE stored_events SET topic = 'InstructionSuspended.v7' WHERE position = 4"
        )
    with Log.open(path) as log:
        events = log.events()
        assert [next(events).position for _ in range(3)] == [1, 2, 3]
        with pytest.raises(StoreNewer, match=r"at position 4 is InstructionSuspended\.v7"):
            next(events)


# -- one writer --------------------------------------------------------------------------------


def test_a_second_process_cannot_write_and_can_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "log.db")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreBusy, match=f"log.db is being written by process {holder.pid}"):
            Log.open(path)
        with Log.open(path, writer=False) as log:
            assert log.head().position == 10
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with Log.open(path) as log:
        assert log.append(Sample(5).happen()).first_position == 11


def test_one_process_does_not_write_twice(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with Log.open(path), pytest.raises(StoreBusy, match=f"process {os.getpid()}"):
        Log.open(path)
    Log.open(path).close()


def test_a_store_that_cannot_be_opened_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_text("not a database, and longer than a header" * 10)
    with pytest.raises(StoreDamaged):
        Log.open(path)
    path.unlink()
    Log.open(path).close()


def test_a_reader_sees_what_is_committed_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with Log.open(path) as writer, Log.open(path, writer=False) as reader:
        writer.append(Sample(1).happen())
        assert reader.head() == writer.head()
        assert reader.verify().count == 1
        with pytest.raises(StoreError, match="cannot be written"):
            reader.append(Sample(2).happen())
        writer.append(Sample(2).happen())
        assert reader.head().position == 2


# -- disks -------------------------------------------------------------------------------------


def limit_pages(log: Log, more: int) -> None:
    with log.application.log_recorder._writing() as cursor:
        (pages,) = cursor.execute("PRAGMA page_count").fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages + more}")


def test_a_full_disk_writes_nothing_of_the_append(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with Log.open(path) as log:
        log.append(Sample(1).happen())
        limit_pages(log, 2)
        with pytest.raises(StoreError, match=r"log\.db: the disk is full.*free space"):
            log.append(Sample(2).happen(200))
        assert log.head().position == 1
        limit_pages(log, 1_000)
        assert log.append(Sample(3).happen()).first_position == 2
        assert log.verify().ok


def test_a_full_disk_fails_all_who_share_the_commit(tmp_path: Path) -> None:
    from fillwright.adapters.storage.records import Job

    with Log.open(tmp_path / "log.db") as log:
        limit_pages(log, 2)
        with pytest.raises(StoreError, match="the disk is full"):
            log.append_jobs([Job([Sample(1).happen(100)]), Job([Sample(2).happen(100)])])
        assert log.head().position == 0


def test_after_a_disk_error_at_commit_the_store_is_opened_again_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether such a commit was written is unknown until the file is read again."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR | (4 << 8)
    with Log.open(tmp_path / "log.db") as log:

        def fail(*_: object) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(log.application.log_recorder._appender, "transact", fail)
            with pytest.raises(StoreError, match="open the store again"):
                log.append(Sample(1).happen())
        with pytest.raises(StoreError, match="open the store again"):
            log.append(Sample(2).happen())
    with Log.open(tmp_path / "log.db") as log:
        log.append(Sample(1).happen())


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreError, match=r"cannot write .*log\.db\.lock: Permission denied"):
        Log.open(tmp_path / "log.db")


OPENS_BOTH_WAYS = """
import sys
from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import StoreError

try:
    Log.open(sys.argv[1])
except StoreError as error:
    print(error)
with Log.open(sys.argv[1], writer=False) as log:
    print(log.verify().count)
"""


def test_a_read_only_folder_is_named_and_can_be_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "log.db")
    (tmp_path / "log.db.lock").unlink()
    command = bound_by_modes([sys.executable, "-c", OPENS_BOTH_WAYS, str(path)])
    tmp_path.chmod(0o500)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        tmp_path.chmod(0o700)
    refused, count = done.stdout.splitlines()
    assert "The store's folder has to be writable" in refused
    assert count == "10"


def test_a_store_on_a_read_only_disk_is_read_as_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There SQLite cannot make the index of the write-ahead file, and says it cannot open."""
    path = filled(tmp_path / "log.db")
    connect = sqlite3.connect

    def read_only_disk(name: str, **options: object) -> sqlite3.Connection:
        if "immutable=1" not in name:
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        made: Callable[..., sqlite3.Connection] = connect
        return made(name, **options)

    monkeypatch.setattr(sqlite3, "connect", read_only_disk)
    with Log.open(path, writer=False) as log:
        assert log.verify().count == 10
    with pytest.raises(StoreError, match="cannot be opened"):
        Log.open(path)


def test_a_lock_file_without_a_number_is_still_a_lock(tmp_path: Path) -> None:
    lock = FileLock.acquire(tmp_path / "x.lock", store=tmp_path / "x")
    (tmp_path / "x.lock").write_text("garbage")
    with pytest.raises(StoreBusy, match=r"process \(unknown\)"):
        FileLock.acquire(tmp_path / "x.lock", store=tmp_path / "x")
    lock.release()
    lock.release()
    FileLock.acquire(tmp_path / "x.lock", store=tmp_path / "x").release()


# -- tampering ---------------------------------------------------------------------------------

TAMPERING = {
    "a changed state": (
        "UPDATE stored_events SET state = CAST(replace(state, 'halt 4', 'halt 5') AS BLOB) "
        "WHERE position = 5",
        5,
    ),
    "a changed topic": ("UPDATE stored_events SET topic = 'OrderFilled.v1' WHERE position = 3", 3),
    "a changed version": (
        "UPDATE stored_events SET originator_version = 9 WHERE position = 10",
        10,
    ),
    "a changed owner": (
        "UPDATE stored_events SET originator_id = lower(hex(randomblob(16))) WHERE position = 7",
        7,
    ),
    "an owner that is no id": (
        "UPDATE stored_events SET originator_id = 'nobody' WHERE position = 7",
        7,
    ),
    "a changed hash": ("UPDATE stored_events SET hash = zeroblob(32) WHERE position = 2", 2),
    "a missing event": ("DELETE FROM stored_events WHERE position = 6", 6),
    "a missing beginning": ("DELETE FROM stored_events WHERE position <= 2", 1),
    "two events exchanged": (
        "UPDATE stored_events SET state = (SELECT state FROM stored_events AS other "
        "WHERE other.position = 13 - stored_events.position) WHERE position IN (6, 7)",
        6,
    ),
    "an event filed elsewhere": (
        "UPDATE stored_events SET stream = 5 WHERE position = 9",
        9,
    ),
    "an event filed nowhere": ("UPDATE stored_events SET stream = 99 WHERE position = 9", 9),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_verify_names_the_first_event_that_is_not_what_was_written(
    tmp_path: Path, how: str
) -> None:
    statement, position = TAMPERING[how]
    path = filled(tmp_path / "log.db")
    with changed(path) as connection:
        assert connection.execute(statement).rowcount >= 1
    with Log.open(path, writer=False) as log:
        result = log.verify()
    assert not result.ok
    assert result.first_bad_position == position
    assert result.count == position - 1
    assert result.what


def test_one_damaged_byte_on_the_disk_is_found(tmp_path: Path) -> None:
    path = filled(tmp_path / "log.db", events=300)
    data = bytearray(path.read_bytes())
    at = data.index(b'"cause":"halt 123"') + len(b'"cause":"halt 12')
    data[at] ^= 1
    path.write_bytes(data)
    with Log.open(path, writer=False) as log:
        result = log.verify()
    assert (result.ok, result.first_bad_position) == (False, 124)
    assert "altered" in result.what


def test_a_damaged_page_is_reported_and_not_raised(tmp_path: Path) -> None:
    path = filled(tmp_path / "log.db", events=300)
    data = bytearray(path.read_bytes())
    page = data.index(b'"cause":"halt 150"') // 4096
    data[4096 * page : 4096 * (page + 1)] = b"\xff" * 4096
    path.write_bytes(data)
    with Log.open(path, writer=False) as log:
        result = log.verify()
        assert not result.ok
        assert result.first_bad_position is not None
        assert 130 < result.first_bad_position == result.count + 1 <= 151
        with pytest.raises(StoreError):
            list(log.events())


def test_bytes_that_do_not_belong_to_their_columns_are_damaged(tmp_path: Path) -> None:
    path = filled(tmp_path / "log.db")
    with changed(path) as connection:
        connection.execute(
            "UPDATE stored_events SET state = (SELECT state FROM stored_events WHERE position = 1)"
            "WHERE position = 3"
        )
    with Log.open(path) as log, pytest.raises(StoreDamaged, match="position 3"):
        list(log.events())


def test_verify_reports_progress(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with Log.open(tmp_path / "log.db") as log:
        log.append(Sample(1).happen(12_000))
        assert log.verify(lambda done, total: seen.append((done, total))).ok
    assert seen == [(5_000, 12_000), (10_000, 12_000), (12_000, 12_000)]


def test_the_environment_does_not_change_what_a_store_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {
        "PERSISTENCE_MODULE": "eventsourcing.popo",
        "COMPRESSOR_TOPIC": "zlib",
        "CREATE_TABLE": "no",
        "SQLITE_DBNAME": "/nonexistent/x.db",
        "IS_SNAPSHOTTING_ENABLED": "y",
    }.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING):
        path = filled(tmp_path / "log.db")
    monkeypatch.undo()
    with Log.open(path) as log:
        assert log.verify().count == 10
