"""On PostgreSQL: full disks, rights, newer versions: said in one line, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fillwright.adapters.storage.chain import link
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.records import Job
from fillwright.domain.errors import StoreError, StoreNewer
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.entrypoints.conftest import Cli, cli
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.test_ops_log import verified
from tests.adapters.storage.test_postgres import raw
from tests.postgres import PostgresServer

__all__ = ["cli"]


def begun(url: str, events: int = 3) -> Log:
    """A log with events of one aggregate each, and a counter."""
    log = Log.open(url)
    for number in range(1, events + 1):
        log.append(Sample(number).happen(), counters=[CounterUpdate("k", 1, 100)])
    return log


def check_unharmed(log: Log, events: int = 3) -> None:
    """Nothing of what was refused is there, and the log goes on."""
    assert log.head().position == events
    assert log.counters() == {"k": events}
    placed = log.append(Sample(77).happen(), counters=[CounterUpdate("k", 1, 100)])
    assert placed.first_position == events + 1
    assert log.counters() == {"k": events + 1}
    assert log.verify().ok


# -- disks -----------------------------------------------------------------------------------------


@contextmanager
def small_disk(server: PostgresServer, name: str, megabytes: int) -> Iterator[Path]:
    """A disk of so many megabytes that the server can write; needs the right to mount."""
    folder = server.folder / name
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        if server.user is not None:
            shutil.chown(folder, server.user)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_writes_nothing_of_the_append_and_room_lets_it_go_on(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    with small_disk(postgres_server, "small", 1) as disk, begun(postgres_url) as log:
        raw(postgres_url, f"CREATE TABLESPACE small LOCATION '{disk}'")
        try:
            raw(postgres_url, "ALTER TABLE stored_events SET TABLESPACE small")
            large = [Sample(n).happen(cause=os.urandom(3_500).hex()) for n in range(100, 400)]
            with pytest.raises(StoreError, match=r"disk or memory is full.*free space"):
                log.append(*large, counters=[CounterUpdate("k", 50, 100)])
            with pytest.raises(StoreError, match="disk or memory is full"):
                log.append_jobs([Job([one]) for one in large] + [Job([Sample(500).happen(200)])])
            assert (log.head().position, log.counters()) == (3, {"k": 3})
            assert log.verify().ok
            more = ["mount", "-o", "remount,size=64m", str(disk)]
            subprocess.run(more, check=True)
            check_unharmed(log)
            again = [Sample(n).happen(cause=os.urandom(3_500).hex()) for n in range(100, 400)]
            assert log.append(*again).last_position == 4 + len(again)
            assert log.verify().ok
        finally:
            raw(postgres_url, "DROP TABLE stored_events CASCADE")
            raw(postgres_url, "DROP TABLESPACE small")


def refuse_with(url: str, code: str) -> None:
    """Have the server refuse each event with an error code of its own."""
    raw(
        url,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{code}'; END $$",
    )
    raw(
        url,
        "CREATE TRIGGER refuse BEFORE INSERT ON stored_events FOR EACH ROW "
        "EXECUTE FUNCTION refuse()",
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("53100", "disk or memory is full.*free space"),
        ("53200", "disk or memory is full.*free space"),
        ("25006", "the server only reads"),
        ("42501", "access is denied.*rights"),
        ("57014", "has been writing it for too long"),
        ("58030", "cannot use its disk.*the server's own log"),
    ],
)
@pytest.mark.parametrize("events", [1, 3])
def test_what_the_server_refuses_is_said_and_nothing_of_it_is_there(
    code: str, said: str, events: int, postgres_url: str
) -> None:
    """One event goes another way to the server than several."""
    with begun(postgres_url) as log:
        refuse_with(postgres_url, code)
        for counters in ((), (CounterUpdate("k", 1, 100),)):
            with pytest.raises(StoreError, match=said) as refused:
                log.append(Sample(50).happen(events), counters=counters)
            assert str(refused.value).count("\n") == 0
        raw(postgres_url, "DROP TRIGGER refuse ON stored_events")
        check_unharmed(log)


# -- rights ----------------------------------------------------------------------------------------


def test_a_role_that_only_reads_says_so_and_reads(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    begun(postgres_url).close()
    raw(postgres_url, "CREATE ROLE watcher LOGIN SUPERUSER")
    raw(postgres_url, "ALTER ROLE watcher SET default_transaction_read_only = on")
    theirs = postgres_url.replace("//fillwright@", "//watcher@")
    with Log.open(theirs, writer=False) as log:
        assert log.verify().count == 3
    with Log.open(theirs, exclusive=False) as log:
        for count in (1, 2):
            with pytest.raises(StoreError, match="the server only reads"):
                log.append(Sample(50).happen(count))
    with OpsLog.open(theirs) as ops, pytest.raises(StoreError, match="the server only reads"):
        ops.append(verified(1))
    with pytest.raises(StoreError, match="the server only reads"):
        Log.open(theirs)
    with Log.open(postgres_url) as log:
        check_unharmed(log)


def test_rights_that_are_taken_away_in_mid_run_stop_it_and_given_back_let_it_go_on(
    postgres_url: str,
) -> None:
    (schema,) = raw(postgres_url, "SELECT current_schema()")[0]
    raw(postgres_url, "CREATE ROLE worker LOGIN")
    raw(postgres_url, f"GRANT USAGE ON SCHEMA {schema} TO worker")
    raw(postgres_url, f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO worker")
    with begun(postgres_url.replace("//fillwright@", "//worker@")) as log:
        raw(postgres_url, "REVOKE INSERT ON stored_events FROM worker")
        for count in (1, 2):
            with pytest.raises(StoreError, match=r"access is denied.*rights"):
                log.append(Sample(50).happen(count), counters=[CounterUpdate("k", 1, 100)])
        raw(postgres_url, "GRANT INSERT ON stored_events TO worker")
        check_unharmed(log)


# -- what a later version wrote --------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["OrderTeleported.v1", "InstructionSuspended.v99"])
def test_an_event_of_a_later_version_stops_reading_at_its_position_and_stays(
    topic: str, postgres_url: str, cli: Cli
) -> None:
    with begun(postgres_url) as log:
        head = log.head()
    id = Sample(9).id
    hash = link(head.hash, 4, id.bytes, 1, topic, b"{}")
    raw(
        postgres_url,
        "INSERT INTO stored_events VALUES (4, 4, %s, 1, %s, %s, %s)",
        *(id.hex, topic, hash, b"{}"),
    )
    raw(postgres_url, "UPDATE head SET position = 4, hash = %s", hash)
    with Log.open(postgres_url) as log:
        events = log.events()
        assert [next(events).position for _ in range(3)] == [1, 2, 3]
        with pytest.raises(StoreNewer, match=rf"position 4 is {topic}"):
            next(events)
        assert [raw_event.topic for raw_event in log.raw_events(after=3)] == [topic]
        assert log.append(Sample(5).happen()).first_position == 5
        assert log.verify().ok
    told = cli("events", "--store", postgres_url)
    assert (told.code, told.err.count("\n")) == (3, 1), told.err
    assert f"position 4 is {topic}" in told.err


def test_a_store_of_a_newer_format_is_refused_by_every_command(
    postgres_url: str, cli: Cli, tmp_path: Path
) -> None:
    begun(postgres_url).close()
    raw(postgres_url, "INSERT INTO schema_version (version, code_version) VALUES (99, 'later')")
    for arguments in (
        ("status",),
        ("events",),
        ("replay",),
        ("verify",),
        ("mirror",),
        ("store", "info"),
        ("store", "migrate"),
        ("store", "compact"),
        ("store", "backup", tmp_path / "copy.db"),
    ):
        told = cli(*arguments, "--store", postgres_url)
        assert (told.code, told.err.count("\n")) == (3, 1), (arguments, told.err)
        assert "newer version" in told.err
    assert raw(postgres_url, "SELECT count(*) FROM stored_events") == [(3,)]
    assert not (tmp_path / "copy.db").exists()


# -- time ---------------------------------------------------------------------------------------


def test_a_clock_that_goes_back_keeps_the_order_of_the_log(postgres_url: str) -> None:
    """Order is by position; what was recorded with an earlier time later stays where it is."""
    with begun(postgres_url) as log:
        log.append(Sample(10).happen(3))
        log.append(Sample(11).happen())  # an earlier time than the last
        times = [recorded.event.record_time for recorded in log.events()]
        assert times != sorted(times)
        assert [recorded.position for recorded in log.events()] == list(range(1, 8))
        assert log.verify().ok
    rows = raw(postgres_url, "SELECT position, record_time_ns FROM events ORDER BY position")
    assert [time for _, time in rows] == times


def test_a_servers_clock_that_jumps_never_gives_an_account_to_two(
    postgres_url: str,
) -> None:
    """Forward: another may take it and the first is refused. Back: nobody can before its time."""
    from fillwright.adapters.storage.ownership import Ownership

    with Log.open(postgres_url, ownership=Ownership("a", request_seconds=60)) as first:
        first.append(Sample(1).happen())
        raw(postgres_url, "UPDATE leases SET expires_at = expires_at + interval '1 hour'")
        with pytest.raises(StoreError, match="is owned by"):
            Log.open(postgres_url, ownership=Ownership("a"))
        raw(postgres_url, "UPDATE leases SET expires_at = clock_timestamp() - interval '1 hour'")
        with Log.open(postgres_url, ownership=Ownership("a")) as second:
            for count in (1, 2):
                with pytest.raises(StoreError, match="owns the account a by now"):
                    first.append(Sample(2).happen(count))
            assert second.append(Sample(3).happen()).first_position == 2
            assert second.verify().ok
