"""The statement of a lone caller's commit goes a way of its own, with the same outcomes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from fillwright.adapters.storage.location import postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.postgres.connections import connect
from fillwright.adapters.storage.postgres.direct import DirectStatement, bigint
from fillwright.adapters.storage.postgres.faults import is_connection_lost
from fillwright.adapters.storage.records import Conflict
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.test_postgres import raw
from tests.paper.servers import eventually

DIVIDE = DirectStatement("divide", "SELECT 1 / $1::bigint", ("bigint",))
LARGE = 8_000_000
"""Bytes of a value that no buffer on the way holds."""


@pytest.fixture
def connection(postgres_url: str) -> Iterator[Connection[Any]]:
    with closing(connect(postgres_address(postgres_url))) as made:
        yield made


def test_a_value_larger_than_every_buffer_goes_there_and_back(connection: Connection[Any]) -> None:
    echo = DirectStatement("echo", "SELECT $1, length($1) / ($1 = $2)::int", ("bytea", "bytea"))
    assert echo.execute(connection, (bytes(LARGE), bytes(LARGE))) == 1


def test_a_refusal_is_raised_by_its_kind_and_the_connection_goes_on(
    connection: Connection[Any],
) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            DIVIDE.execute(connection, (bigint(0),))
        assert DIVIDE.execute(connection, (bigint(1),)) == 1
    assert connection.execute("SELECT 2").fetchone() == (2,)


def test_what_cannot_be_prepared_says_why_each_time(connection: Connection[Any]) -> None:
    missing = DirectStatement("missing", "SELECT $1 FROM no_such_table", ("text",))
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            missing.execute(connection, (b"x",))


def test_a_lost_connection_is_known_as_one_and_another_is_prepared_anew(
    connection: Connection[Any], postgres_url: str
) -> None:
    assert DIVIDE.execute(connection, (bigint(1),)) == 1
    raw(postgres_url, "SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
    with pytest.raises(psycopg.Error) as lost:
        DIVIDE.execute(connection, (bigint(1),))
    assert is_connection_lost(lost.value)
    with closing(connect(postgres_address(postgres_url))) as other:
        assert DIVIDE.execute(other, (bigint(1),)) == 1


def test_a_statement_that_the_client_library_let_go_of_is_prepared_anew(
    connection: Connection[Any],
) -> None:
    assert DIVIDE.execute(connection, (bigint(1),)) == 1
    connection.execute("DEALLOCATE ALL")
    assert DIVIDE.execute(connection, (bigint(1),)) == 1
    with pytest.raises(psycopg.errors.DivisionByZero):
        DIVIDE.execute(connection, (bigint(0),))


def test_a_writer_goes_on_after_a_conflict_late_in_its_life(postgres_url: str) -> None:
    """The library has statements of its own prepared by then, and drops ours with them."""
    with Log.open(postgres_url) as log:
        log.append(Sample(1).happen())
    used = [CounterUpdate("used", 1, None)]
    with Log.open(postgres_url) as log:
        for number in range(10, 20):
            log.append(Sample(number).happen(), counters=used)
            log.append(Sample(number + 10).happen())
        with pytest.raises(Conflict):
            log.append(Sample(1).happen(), counters=used)
        for number in range(30, 34):
            log.append(Sample(number).happen())
            log.append(Sample(number + 10).happen(2))
        assert log.head().position == 33
        assert log.verify().ok


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Take SIGINT as Python does at a terminal; a job in the background is started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_wait_for_the_server_can_be_interrupted_and_the_log_goes_on(postgres_url: str) -> None:
    """Somebody holds the head; whoever waits for it at the terminal may give up."""

    def interrupt(pid: int) -> None:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        eventually(lambda: raw(postgres_url, waiting, pid), 30)
        signal.raise_signal(signal.SIGINT)

    with Log.open(postgres_url) as log:
        log.append(Sample(1).happen())
        address = postgres_address(postgres_url)
        with closing(connect(address)) as holder, holder.transaction():
            holder.execute("SELECT 1 FROM head FOR UPDATE")
            other = threading.Thread(target=interrupt, args=(holder.info.backend_pid,))
            other.start()
            with pytest.raises(KeyboardInterrupt):
                log.append(Sample(2).happen())
            other.join()
        # The server may still have done what was asked for; what comes next is exact either way.
        log.append(Sample(3).happen())
        assert log.verify().ok
        assert [recorded.event.originator_id for recorded in log.events()].count(Sample(3).id) == 1


def test_a_large_state_is_compressed_by_the_quick_method_where_the_server_has_it(
    postgres_url: str,
) -> None:
    with Log.open(postgres_url) as log:
        log.append(Sample(1).happen(cause="halt " * 1_000))
        log.append(Sample(2).happen(2, cause="halt " * 1_000))
        assert [len(recorded.event.cause) for recorded in log.events()] == [5_000] * 3  # type: ignore[attr-defined]
        assert log.verify().ok
    offered = raw(
        postgres_url,
        "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'",
    )
    if offered == [(True,)]:
        used = raw(postgres_url, "SELECT DISTINCT pg_column_compression(state) FROM stored_events")
        assert used == [("lz4",)]
