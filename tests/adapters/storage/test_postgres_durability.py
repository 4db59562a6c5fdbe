"""A server that is set to lose what it acknowledged is named, to the engine and by the doctor."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import structlog

from fillwright.adapters.doctoring import Finding, Health, examine
from fillwright.adapters.settings import Settings
from fillwright.adapters.storage.log import Log
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.test_postgres import raw
from tests.paper.servers import eventually
from tests.postgres import ABSENT, PostgresServer, binaries, fresh_store


def warned(url: str, *, writer: bool = True, exclusive: bool = True) -> list[str]:
    """What is said while a store is opened."""
    with (
        structlog.testing.capture_logs() as lines,
        Log.open(url, writer=writer, exclusive=exclusive),
    ):
        return [line["event"] for line in lines if line["log_level"] == "warning"]


def examined(url: str, *, live: bool = False) -> Finding:
    """What the doctor says of it."""
    settings = Settings.read({"mode": "live"} if live else {}, live=live)
    found = examine(lambda: settings, url, {}, ask_broker=False)
    return next(one for one in found if one.name == "durability")


@pytest.fixture
def programs() -> Path:
    found = binaries()
    if found is None:
        pytest.skip(ABSENT)
    return found


def test_an_engine_is_warned_of_a_server_that_does_not_sync_and_a_reader_is_not(
    programs: Path, tmp_path: Path
) -> None:
    with closing(PostgresServer(programs, fsync=False)) as server:
        server.start()
        url = fresh_store(server, tmp_path)
        (said,) = warned(url)
        assert "fsync is off" in said
        assert warned(url, writer=False) == warned(url, exclusive=False) == []
        assert examined(url).health is Health.WARN
        assert examined(url, live=True).health is Health.FAIL
        assert "ALTER SYSTEM SET fsync = on" in examined(url).next


def test_what_the_doctor_advises_helps(programs: Path, tmp_path: Path) -> None:
    with closing(PostgresServer(programs, fsync=True, synchronous_commit="off")) as server:
        server.start()
        url = fresh_store(server, tmp_path)
        assert warned(url) == []
        assert examined(url, live=True).health is Health.OK
        raw(url, "ALTER SYSTEM SET full_page_writes = off")
        raw(url, "SELECT pg_reload_conf()")
        assert eventually(lambda: warned(url))
        found = examined(url, live=True)
        assert found.health is Health.WARN
        assert "full_page_writes is off" in found.seen
        for statement in found.next.split("; "):
            raw(url, statement)
        assert eventually(lambda: warned(url) == [])
        with Log.open(url) as log:
            assert log.append(Sample(1).happen()).last_position == 1
