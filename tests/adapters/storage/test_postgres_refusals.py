"""A server that refuses a connection is told from one that is away, at once and by its reason."""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from fillwright.adapters.storage.location import postgres_address
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.postgres import connections
from fillwright.adapters.storage.postgres.opening import migrate_postgres, vacuum
from fillwright.domain.errors import StoreError
from tests.adapters.entrypoints.conftest import Cli, cli
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.test_postgres import raw
from tests.paper.servers import eventually
from tests.postgres import PostgresServer, fresh_store

__all__ = ["cli"]

RULES = """\
host all secure,stranger 127.0.0.1/32 reject
host all clerk 127.0.0.1/32 scram-sha-256
"""
ROLES = (
    "CREATE ROLE clerk LOGIN PASSWORD 'right'",
    "CREATE ROLE secure LOGIN",
    'CREATE ROLE "group" NOLOGIN',
    "CREATE DATABASE closed",
    "REVOKE CONNECT ON DATABASE closed FROM public",
)
REFUSED = {
    "a wrong password": ("clerk:wrong", "postgres", "", "authentication failed.*user or password"),
    "no password": ("clerk", "postgres", "", "authentication failed.*none was given"),
    "a wrong user": ("nobody", "postgres", "", "authentication failed.*no such user"),
    "a user that may not log in": ("group", "postgres", "", "authentication failed.*no such user"),
    "a user that has no rule": ("stranger", "postgres", "sslmode=disable", "not let this user in"),
    "a wrong database": ("fillwright", "nowhere", "", "there is no such database. Create it"),
    "a closed database": ("clerk:right", "closed", "", "access is denied.*CONNECT"),
    "a user that needs SSL": ("secure", "postgres", "", r"without SSL.*\(sslmode=require\)"),
    "SSL where there is none": ("fillwright", "postgres", "sslmode=require", "the server has none"),
    "a wrong parameter": ("fillwright", "postgres", "sslmod=require", "part of the URL is wrong"),
    "a wrong value": ("fillwright", "postgres", "sslmode=maybe", "part of the URL is wrong"),
}


@pytest.fixture(scope="module")
def strict(postgres_server: PostgresServer) -> PostgresServer:
    """A server that does not let everybody in; those of other tests it does."""
    for statement in ROLES:
        raw(postgres_server.url, statement)
    rules = postgres_server.folder / "data" / "pg_hba.conf"
    rules.write_text(RULES + rules.read_text())
    raw(postgres_server.url, "SELECT pg_reload_conf()")
    stranger = postgres_server.url.replace("//fillwright@", "//stranger@")
    eventually(lambda: "pg_hba.conf" in refusal(stranger), 10)
    return postgres_server


def refusal(url: str) -> str:
    """What the server says to somebody who wants in."""
    with pytest.raises(psycopg.OperationalError) as told:
        psycopg.connect(url)
    return str(told.value)


@pytest.fixture
def never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would ask a second time fails the test instead of waiting."""

    def asked_again(seconds: float) -> None:
        raise AssertionError(f"it would be asked again after {seconds} s")

    monkeypatch.setattr(connections.time, "sleep", asked_again)


def open_log(url: str) -> None:
    Log.open(url)


def open_records(url: str) -> None:
    OpsLog.open(url)


@pytest.mark.usefixtures("never_again")
@pytest.mark.parametrize("act", [open_log, open_records, migrate_postgres, vacuum])
@pytest.mark.parametrize("refused", REFUSED)
def test_a_refusal_is_told_by_its_reason_and_not_waited_for(
    refused: str, act: Callable[[str], object], strict: PostgresServer
) -> None:
    user, database, parameters, said = REFUSED[refused]
    url = f"postgresql://{user}@127.0.0.1:{strict.port}/{database}?{parameters}"
    with pytest.raises(StoreError, match=said) as told:
        act(url)
    assert "cannot be reached" not in str(told.value)
    assert ":wrong" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_command_says_that_the_password_is_wrong(strict: PostgresServer, cli: Cli) -> None:
    done = cli("status", "--store", f"postgresql://clerk:wrong@127.0.0.1:{strict.port}/postgres")
    assert (done.code, done.err.count("\n")) == (3, 1), done.err
    assert "authentication failed" in done.err
    assert "wrong@" not in done.err


def test_a_server_of_another_language_is_told_from_one_that_is_away(
    strict: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server says is not known to the code; that it asked for a password is."""
    monkeypatch.setattr("fillwright.adapters.storage.postgres.faults._REFUSED", ())
    with pytest.raises(StoreError, match="authentication failed, or access to the database"):
        Log.open(f"postgresql://clerk:wrong@127.0.0.1:{strict.port}/postgres")


def test_a_password_that_is_changed_in_mid_run_is_told_and_not_waited_for(
    strict: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 1)
    url = fresh_store(strict, tmp_path)
    schema = postgres_address(url).schema
    raw(url, f"GRANT USAGE ON SCHEMA {schema} TO clerk")
    raw(url, f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO clerk")
    theirs = url.replace("//fillwright@", "//clerk:right@")
    with Log.open(theirs, exclusive=False) as log:
        log.append(Sample(1).happen())
        assert log.head().position == 1
        raw(url, "ALTER ROLE clerk PASSWORD 'other'")
        raw(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'clerk'")
        begun = time.monotonic()
        with pytest.raises(StoreError, match="authentication failed"):
            log.head()
        with pytest.raises(StoreError, match=r"whether .* is unknown.*authentication failed"):
            log.append(Sample(2).happen())
        # Far from the twenty seconds that a server that went away is waited for.
        assert time.monotonic() - begun < connections.RECONNECT_SECONDS / 2
        raw(url, "ALTER ROLE clerk PASSWORD 'right'")
        assert log.verify().count == 1
    with Log.open(theirs, exclusive=False) as log:
        assert log.append(Sample(2).happen()).last_position == 2
        assert log.verify().ok


@pytest.mark.parametrize(
    ("missing", "statement"),
    [
        ("to use the schema", "SELECT 1"),
        ("to read the tables", "GRANT USAGE ON SCHEMA {schema} TO clerk"),
    ],
)
@pytest.mark.usefixtures("never_again")
def test_a_role_that_lacks_a_right_is_told_so(
    missing: str, statement: str, strict: PostgresServer, tmp_path: Path
) -> None:
    url = fresh_store(strict, tmp_path)
    raw(url, statement.format(schema=postgres_address(url).schema))
    theirs = url.replace("//fillwright@", "//clerk:right@")
    for act in (open_log, open_records, lambda url: migrate_postgres(url, "auditor")):
        with pytest.raises(StoreError, match=r"access is denied\. Give the role the rights"):
            act(theirs)
