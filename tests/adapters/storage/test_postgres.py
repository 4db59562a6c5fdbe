"""On PostgreSQL: outcomes stay exact whatever happens to the server, and readers miss nothing."""

import multiprocessing
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from structlog.testing import capture_logs

from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.ownership import Ownership
from fillwright.adapters.storage.postgres import appending, connections
from fillwright.adapters.storage.postgres.opening import migrate_postgres
from fillwright.adapters.storage.postgres.schema import TABLES, VIEWS
from fillwright.adapters.storage.records import Appended, Conflict, CounterExceeded, Job
from fillwright.domain.errors import StoreBusy, StoreError, StoreNewer
from fillwright.domain.ops import VerificationDone
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
from tests.postgres import ABSENT, PostgresServer, binaries, fresh_store

spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server of the test's own, to be stopped and killed; it syncs for real."""
    programs = binaries()
    if programs is None:
        pytest.skip(ABSENT)
    server = PostgresServer(programs, fsync=True)
    try:
        server.start()
        yield server
    finally:
        server.close()


def raw(url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    from fillwright.adapters.storage.location import postgres_address

    address = postgres_address(url)
    with psycopg.connect(address.conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(address.schema)))
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


# -- tables ----------------------------------------------------------------------------------------


def test_a_store_that_was_not_migrated_says_how_to(postgres_server: PostgresServer) -> None:
    with pytest.raises(StoreError, match="fillwright store migrate"):
        Log.open(f"{postgres_server.url}?schema=never_made")


def test_migrations_at_the_same_time_make_one_store(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = f"{postgres_server.url}?schema=together&files={tmp_path / 'x'}"
    with ThreadPoolExecutor(6) as pool:
        before = list(pool.map(lambda _: migrate_postgres(url), range(6)))
    assert sorted(before) == [0, 1, 1, 1, 1, 1]
    with Log.open(url) as log:
        assert log.append(Sample(1).happen()).last_position == 1


def test_a_newer_store_is_refused(postgres_url: str) -> None:
    raw(postgres_url, "INSERT INTO schema_version (version, code_version) VALUES (99, 'later')")
    for act in (lambda: Log.open(postgres_url), lambda: migrate_postgres(postgres_url)):
        with pytest.raises(StoreNewer, match="format 99"):
            act()


@pytest.mark.parametrize(
    ("parameter", "allowed"),
    [("schema=Bad-Name", "a-z, 0-9 and _"), ("lease_seconds=0", "0.5 to 300")],
)
def test_a_wrong_part_of_the_url_is_named(parameter: str, allowed: str) -> None:
    with pytest.raises(StoreError, match=allowed):
        Log.open(f"postgresql://nobody@127.0.0.1:1/x?{parameter}")


@pytest.mark.parametrize("url", ["postgresql://", "postgresql://nobody@127.0.0.1:99999/x"])
def test_a_url_that_no_server_can_have_is_not_waited_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it is waited for"))
    with pytest.raises(StoreError, match="a part of the URL is wrong"):
        Log.open(url)


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fillwright.adapters.storage.postgres.opening.CONNECT_SECONDS", 0)
    with pytest.raises(StoreError, match="cannot be reached") as refused:
        Log.open("postgresql://me:hunter2@127.0.0.1:1/db")
    assert "hunter2" not in str(refused.value)


def test_sql_users_read_the_views_and_cannot_write(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    raw(postgres_url, "CREATE ROLE auditor LOGIN")
    migrate_postgres(postgres_url, "auditor")
    with Log.open(postgres_url) as log:
        event = Sample(1).happen(cause="news")
        log.append(event, counters=[CounterUpdate("trades:a:d", 2_500_000, None)])
        head = log.head()
    theirs = postgres_url.replace("//fillwright@", "//auditor@")
    rows = raw(theirs, "SELECT position, event, version, fields ->> 'cause', hash FROM events")
    assert rows == [(1, "InstructionSuspended", 2, "news", head.hash.hex())]
    (used,) = raw(theirs, "SELECT used FROM limit_counters")[0]
    assert used == 2.5
    with OpsLog.open(postgres_url) as ops:
        ops.append(record(1))
    assert raw(theirs, "SELECT record, version, fields ->> 'outcome' FROM records") == [
        ("VerificationDone", 1, record(1).outcome)
    ]
    with Log.open(postgres_url, ownership=Ownership("a")):
        assert raw(theirs, "SELECT epoch, is_owned FROM owners WHERE account = 'a'") == [(1, True)]
    assert raw(theirs, "SELECT is_owned FROM owners WHERE account = 'a'") == [(False,)]
    # All that docs/postgresql.md names, and nothing but it.
    assert set(documented_views()) == set(VIEWS)
    for view, columns in documented_views().items():
        assert columns_of(theirs, view) == columns
    writes = [f"DELETE FROM {view}" for view in VIEWS]
    reads = [f"SELECT * FROM {table}" for table in (*TABLES, "schema_version")]
    denied, not_writable = errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState
    for statement in (*writes, *reads):
        with pytest.raises((denied, not_writable) if statement in writes else denied):
            raw(theirs, statement)
    with pytest.raises(StoreError, match="rights"):
        Log.open(theirs)


def documented_views() -> dict[str, list[str]]:
    """The views of docs/postgresql.md, each with its columns."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "postgresql.md").read_text()
    section = page.partition("## For SQL users")[2].partition("```")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)
    return {view: re.findall(r"`(\w+)`", columns) for view, columns in rows}


def columns_of(url: str, view: str) -> list[str]:
    """What a user sees of a view."""
    asked = (
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
        "AND table_schema = current_schema() ORDER BY ordinal_position"
    )
    return [name for (name,) in raw(url, asked, view)]


def test_an_engine_needs_no_right_to_change_an_event(postgres_url: str) -> None:
    """The rights of docs/postgresql.md are enough for a log with counters, lease and records."""
    raw(postgres_url, "CREATE ROLE engine LOGIN")
    (schema,) = raw(postgres_url, "SELECT current_schema()")[0]
    for grant in (
        f"USAGE ON SCHEMA {schema}",
        "SELECT, INSERT ON stored_events, ops_records",
        "SELECT, UPDATE ON head",
        "SELECT, INSERT, UPDATE, DELETE ON counters",
        "SELECT, INSERT, UPDATE ON leases",
        "SELECT ON schema_version, events, records, limit_counters, owners",
    ):
        raw(postgres_url, f"GRANT {grant} TO engine")
    theirs = postgres_url.replace("//fillwright@", "//engine@")
    with Log.open(theirs) as log, OpsLog.of(log) as ops:
        log.append(Sample(1).happen(), counters=[CounterUpdate("k", 1, 1)])
        log.reset_counters({"k": 1})
        ops.append(record(1))
        assert log.verify().ok
    for statement in ("UPDATE stored_events SET topic = 'x'", "DELETE FROM ops_records"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            raw(theirs, statement)


def test_a_reader_cannot_write(postgres_url: str) -> None:
    with Log.open(postgres_url) as writer, Log.open(postgres_url, writer=False) as reader:
        writer.append(Sample(1).happen())
        for act in (
            lambda: reader.append(Sample(2).happen()),
            lambda: reader.reset_counters({"k": 1}),
        ):
            with pytest.raises(StoreError, match="opened for reading only, and cannot be written"):
                act()
        writer.append(Sample(2).happen())
        assert (reader.head().position, reader.counters()) == (2, {})


# -- many writers ----------------------------------------------------------------------------------


def test_writers_of_one_stream_conflict_and_lose_nothing(postgres_url: str) -> None:
    """What a writer remembers of a stream is not believed once another has written."""
    with (
        Log.open(postgres_url, exclusive=False) as one,
        Log.open(postgres_url, exclusive=False) as two,
    ):
        first = Sample(1)
        one.append(first.happen())
        two.append(Sample(1, version=1).happen())
        with pytest.raises(StoreError, match="does not follow the stored version 2"):
            one.append(first.happen())
        assert one.append(Sample(1, version=2).happen()).last_position == 3
        assert [e.originator_version for e in two.stream(first.id)] == [1, 2, 3]


def test_a_stream_of_an_earlier_process_that_is_begun_again_is_a_conflict(
    postgres_url: str,
) -> None:
    with Log.open(postgres_url) as log:
        log.append(Sample(1).happen())
    with Log.open(postgres_url) as log:
        log.append(Sample(2).happen())  # from here on the head is known and nothing is looked up
        outcomes = log.append_jobs([Job([Sample(n).happen()]) for n in (3, 1, 4)])
        assert isinstance(outcomes[1], Conflict)
        assert [o.last_position for o in outcomes if isinstance(o, Appended)] == [3, 4]
        assert log.verify().ok


def test_what_cannot_be_stored_fails_alone(postgres_url: str) -> None:
    with Log.open(postgres_url) as log:
        jobs = [Job([Sample(n).happen()]) for n in range(1, 12)]
        jobs[4] = Job([Sample(50).happen()], [CounterUpdate("a\0b", 1, None)])
        jobs[9] = Job([Sample(51).happen()], [CounterUpdate("full", 2, 1)])
        written = []
        with ThreadPoolExecutor(1):
            outcomes = log.application.log_recorder.commit_jobs(
                [log._job(job.aggregates, job.counters) for job in jobs]
            )
        for number, outcome in enumerate(outcomes):
            if isinstance(outcome, StoreError):
                assert number in (4, 9)
                assert number != 9 or isinstance(outcome, CounterExceeded)
            else:
                written.append(outcome.last_position)
        assert written == list(range(1, 10))
        assert log.verify().ok


# -- a server that goes away -----------------------------------------------------------------------


def test_a_commit_whose_answer_is_lost_is_found_and_not_written_twice(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = appending.PostgresAppender.finish
    calls = count(1)

    def lose_the_answer(self: Any, connection: Any, prepared: Any) -> None:
        finish(self, connection, prepared)
        if next(calls) == 2:
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(appending.PostgresAppender, "finish", lose_the_answer)
    with Log.open(postgres_url) as log:
        one = Sample(1)
        for _ in range(3):
            log.append(one.happen(), counters=[CounterUpdate("k", 1, 3)])
        assert log.head().position == 3
        assert log.counters() == {"k": 3}
        assert log.verify().ok


def test_a_commit_that_was_never_asked_for_is_written_again(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = appending.PostgresAppender.finish
    calls = count(1)

    def lose_the_question(self: Any, connection: Any, prepared: Any) -> None:
        if next(calls) == 2:
            connection.close()
            raise psycopg.OperationalError("connection reset")
        finish(self, connection, prepared)

    monkeypatch.setattr(appending.PostgresAppender, "finish", lose_the_question)
    with Log.open(postgres_url) as log:
        one = Sample(1)
        placed = [log.append(one.happen(), counters=[CounterUpdate("k", 1, 3)]) for _ in range(3)]
        assert [p.last_position for p in placed] == [1, 2, 3]
        assert log.counters() == {"k": 3}


def test_an_append_that_no_server_was_there_for_says_that_nothing_was_written(
    own_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "RECONNECT_SECONDS", 0.3)
    url = fresh_store(own_server, tmp_path)
    with Log.open(url, exclusive=False) as log:
        own_server.stop()
        with pytest.raises(StoreError, match="Nothing of this append was written: run again"):
            log.append(Sample(1).happen())
        own_server.start()
        assert log.append(Sample(1).happen()).last_position == 1


def test_a_server_that_is_away_is_said_once_and_not_by_the_client_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "MOMENT_SECONDS", 0.15)
    attempts = 0

    def away() -> None:
        nonlocal attempts
        attempts += 1
        raise psycopg.OperationalError("connection refused\nIs it running?")

    with capture_logs() as told, pytest.raises(StoreError, match="cannot be reached"):
        connections.patiently(away, "the store", 0.6)
    assert attempts > 3
    (one,) = told
    assert one["event"] == "the store: the server is away, and waited for (connection refused)"
    assert one["seconds_max"] == 0.6
    monkeypatch.setattr(connections, "MOMENT_SECONDS", 30)
    with capture_logs() as told, pytest.raises(StoreError, match="cannot be reached"):
        connections.patiently(away, "the store", 0.3)
    assert told == []
    program = (
        "import logging, fillwright.adapters.storage.postgres.connections\n"
        "logging.getLogger('psycopg.pool').warning('discarding closed connection')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stderr == b""


def test_a_server_that_stays_away_is_a_clear_error(
    own_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "RECONNECT_SECONDS", 0.3)
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 1)
    url = fresh_store(own_server, tmp_path)
    with Log.open(url, exclusive=False) as log:
        log.append(Sample(1).happen())
        own_server.stop()
        with pytest.raises(StoreError, match="cannot be reached"):
            log.head()
        for _ in range(2):
            # Nobody can say whether the commit was written, so nothing may follow it.
            with pytest.raises(StoreError, match=r"written is unknown.* open the store again"):
                log.append(Sample(2).happen())
        own_server.start()
    with Log.open(url, exclusive=False) as log:
        assert log.append(Sample(3).happen()).last_position == 2


# -- who owns an account ---------------------------------------------------------------------------


def test_an_account_has_one_owner_and_another_account_its_own(postgres_url: str) -> None:
    with Log.open(postgres_url, ownership=Ownership("a")) as one:
        with pytest.raises(StoreBusy, match="account a is owned by"):
            Log.open(postgres_url, ownership=Ownership("a"))
        with Log.open(postgres_url, ownership=Ownership("b")) as two:
            one.append(Sample(1).happen())
            two.append(Sample(2).happen())
            one.append(Sample(1, version=1).happen())
            assert two.verify().ok
    with Log.open(postgres_url, ownership=Ownership("a")) as again:
        again.check_owner()


def test_an_owner_that_was_replaced_can_neither_append_nor_send(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fillwright.adapters.storage.postgres import leases

    url = fresh_store(postgres_server, tmp_path, lease_seconds=0.5)
    # As a frozen process does: it renews nothing, and does not notice.
    monkeypatch.setattr(leases.Lease, "_renew_on", lambda self: None)
    with Log.open(url, ownership=Ownership("a", request_seconds=0.1)) as old:
        old.append(Sample(1).happen())
        old.check_owner()
        begun = time.monotonic()
        with Log.open(url, ownership=Ownership("a", 10, 0.1)) as new:
            assert 0.2 < time.monotonic() - begun < 5
            with pytest.raises(StoreBusy, match="nothing is sent"):
                old.check_owner()
            with pytest.raises(StoreBusy, match="owns the account a"):
                old.append(Sample(2).happen())
            assert new.append(Sample(3).happen()).last_position == 2
            assert new.verify().ok


def test_a_lease_must_outlive_one_request(postgres_server: PostgresServer, tmp_path: Path) -> None:
    url = fresh_store(postgres_server, tmp_path, lease_seconds=1)
    with pytest.raises(StoreError, match="does not outlive one request"):
        Log.open(url, ownership=Ownership("a", request_seconds=1.0))


def test_a_writer_that_stands_still_in_a_transaction_holds_nobody_up(postgres_url: str) -> None:
    from fillwright.adapters.storage.location import postgres_address

    with Log.open(postgres_url, exclusive=False) as log:
        frozen = connections.connect(postgres_address(postgres_url), frozen_seconds=0.5)
        try:
            frozen.execute("BEGIN")
            frozen.execute(appending.LOCK_HEAD)
            begun = time.monotonic()
            assert log.append(Sample(1).happen()).last_position == 1
            assert 0.1 < time.monotonic() - begun < 5
        finally:
            frozen.close()


# -- the second stream -----------------------------------------------------------------------------


def add_records(url: str, number: int) -> None:
    with OpsLog.open(url) as ops:
        for _ in range(10):
            ops.append(record(number))


def record(number: int) -> VerificationDone:
    return VerificationDone(
        record_time=number,
        actor="test",
        log_position=0,
        log_hash="00" * 32,
        from_position=0,
        outcome="not_anchored",
    )


def test_the_second_stream_takes_records_of_several_at_once(postgres_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: add_records(postgres_url, number), range(4)))
    with Log.open(postgres_url) as log, OpsLog.of(log) as ops:
        assert ops.head().position == 40
        assert ops.verify().ok
        assert [r.position for r in ops.records()] == list(range(1, 41))
        assert log.head().position == 0
