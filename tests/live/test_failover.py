"""Three engine processes on one PostgreSQL database: one owns the account, the others stand by.

The owner is frozen in mid-trade and thawed, its successor is killed. What must hold afterwards is
read from the paper server's own journal, from the leases as they were taken by the database's own
clock, and from which connection wrote each event.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from fillwright.adapters.storage.copying import copy_store
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ownership import Ownership
from fillwright.adapters.storage.postgres import connections, leases
from fillwright.adapters.storage.upkeep import store_info
from tests.adapters.storage.test_postgres import raw
from tests.live.agreement import compared
from tests.live.killing import COMMON, DECISIONS, START_HELD
from tests.paper.servers import KEY, SECRET, PaperServer, eventually, running

THOROUGH = os.environ.get("FILLWRIGHT_THOROUGH") == "1"
TAKEN_OVER_SECONDS_MAX = 3.0
"""From a freeze or kill until another owns the account; looked at when nothing else runs beside."""
UNDER_WAY_SECONDS = 0.5
"""So long a renewal that was sent before the signal may still be on its way."""
SPEED = 20
WINDOWS = ("10m", "9m", "9m")
"""Half a minute of work, where both takeovers are done in three seconds: a slow machine too has no
part of it done before it is to be taken over.
"""
REQUEST_SECONDS = 1
LEASE_SECONDS = Ownership(request_seconds=REQUEST_SECONDS).lease_seconds


def test_a_lease_and_a_pause_between_two_asks_are_shorter_than_a_takeover_may_take() -> None:
    assert leases.LOCK_SECONDS + leases.WAIT_SECONDS + LEASE_SECONDS < TAKEN_OVER_SECONDS_MAX
    # One that froze with locks is out before its lease is.
    assert connections.FROZEN_SECONDS < LEASE_SECONDS * (1 - 1 / leases.RENEWALS_PER_LEASE)


@contextmanager
def engine(server: PaperServer, store: str, folder: Path, name: str) -> Iterator[Engine]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FILLWRIGHT_", "APCA_"))}
    environment = kept | {
        "APCA_API_KEY_ID": KEY,
        "APCA_API_SECRET_KEY": SECRET,
        "APCA_API_BASE_URL": server.urls["trading_url"],
        "FILLWRIGHT_BROKER__REQUESTS_PER_MINUTE": "100000",
        "FILLWRIGHT_BROKER__REQUEST_TIMEOUT_SECONDS": str(REQUEST_SECONDS),
        "FILLWRIGHT_STANDBY_SECONDS": "120",
    }
    command = [sys.executable, "-W", "ignore", "-m", "fillwright.adapters.entrypoints.cli", "run"]
    options = ["--broker", "alpaca", "--store", store.replace("fillwright@", f"{name}@"), "--json"]
    said = folder / f"{name}.err"
    with said.open("wb") as errors, (folder / f"{name}.out").open("wb") as out:
        process = subprocess.Popen(
            [*command, str(folder / "decisions.json"), *options],
            env=environment,
            stdout=out,
            stderr=errors,
        )
    try:
        yield Engine(name, process, said)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


class Engine:
    """One engine process and what it says."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], said: Path) -> None:
        self.name = name
        self.process = process
        self._said = said

    @property
    def said(self) -> str:
        return self._said.read_text(errors="replace")

    def stands_by(self) -> bool:
        assert self.process.poll() is None, self.said
        return "standing by" in self.said


NAMES = ("ann", "bob", "cid")
WITNESS = (
    "ALTER TABLE stored_events ADD COLUMN writer text NOT NULL DEFAULT session_user",
    """
    CREATE TABLE takings (
      epoch bigint, owner text, run_out_at timestamptz, taken_at timestamptz
    )""",
    "CREATE TABLE asks (owner text, asked_at timestamptz)",
    """
    CREATE FUNCTION asked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO asks VALUES (new.owner, clock_timestamp());
      RETURN new;
    END $$""",
    "CREATE TRIGGER asked BEFORE INSERT ON leases FOR EACH ROW EXECUTE FUNCTION asked()",
    """
    CREATE FUNCTION taken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO takings VALUES (new.epoch, new.owner, old.expires_at, clock_timestamp());
      RETURN new;
    END $$""",
    """
    CREATE TRIGGER taken AFTER UPDATE ON leases FOR EACH ROW
    WHEN (new.epoch <> old.epoch) EXECUTE FUNCTION taken()""",
    *(f"CREATE ROLE {name} LOGIN SUPERUSER" for name in NAMES),
)
"""What the database notes by itself: who wrote each event, asked for the account, and took it."""


class Taking(NamedTuple):
    """When an account was taken, by which process, and when the lease before it ran out."""

    owner: str
    run_out_at: datetime
    taken_at: datetime


def taking(store: str, epoch: int, engines: Sequence[Engine]) -> Taking:
    """Wait until somebody owns the account with ``epoch``."""
    asked = "SELECT owner, run_out_at, taken_at FROM takings WHERE epoch = %s"
    try:
        return Taking(*eventually(lambda: raw(store, asked, epoch), 60)[0])
    except AssertionError as error:
        at_work = "SELECT usename, state, wait_event, query FROM pg_stat_activity"
        told = [f"{one.name} {one.process.poll()}: {one.said[-2000:]}" for one in engines]
        held, doing = raw(store, "SELECT * FROM leases"), raw(store, at_work)
        raise AssertionError("\n".join([*told, str(held), *map(str, doing)])) from error


def check_no_delay(store: str, signalled_at: datetime, taken: Taking) -> None:
    """The account was without an owner for no longer than the lease and one pause of a standby.

    By the database's own notes, which a slow machine does not change: the lease ran out one lease
    after the last renewal, and whoever asked first after that was not refused.
    """
    lasted = (taken.run_out_at - signalled_at).total_seconds()
    assert lasted <= LEASE_SECONDS + UNDER_WAY_SECONDS
    asked = "SELECT owner, count(*) FROM asks WHERE asked_at BETWEEN %s AND %s GROUP BY owner"
    asks = dict(raw(store, asked, taken.run_out_at, taken.taken_at))
    # One of two that ask at once waits for the other's transaction and is refused then.
    assert set(asks.values()) == {1}, asks
    assert taken.owner in asks


def server_time(store: str) -> datetime:
    """Now, by the database's clock."""
    ((found,),) = raw(store, "SELECT clock_timestamp()")
    assert isinstance(found, datetime)
    return found


def turns(store: str) -> list[tuple[str, int, int]]:
    """Who wrote, in order of the log: the writer's name, its first and its last position."""
    found: list[tuple[str, int, int]] = []
    for writer, position in raw(store, "SELECT writer, position FROM stored_events ORDER BY 2"):
        begun = found.pop()[1] if found and found[-1][0] == writer else position
        found.append((writer, begun, position))
    return found


def owner_of(engines: Sequence[Engine], taken: Taking) -> Engine:
    """The engine whose process took the account."""
    (found,) = (one for one in engines if taken.owner.endswith(f":{one.process.pid}"))
    return found


def orders_at(server: PaperServer) -> int:
    return len(server.call("GET", "/v2/orders", params={"status": "all", "limit": 500}).json())


@pytest.mark.timeout(300)
def test_a_frozen_and_a_killed_owner_are_followed_and_nothing_is_sent_twice(
    tmp_path: Path, postgres_url: str
) -> None:
    for statement in WITNESS:
        raw(postgres_url, statement)
    rows = [
        COMMON | row | {"decision_id": f"d{i}", "window": window}
        for i, (row, window) in enumerate(zip(DECISIONS, WINDOWS, strict=True))
    ]
    (tmp_path / "decisions.json").write_text(json.dumps(rows))
    (tmp_path / "account.json").write_text(json.dumps({"cash": 945_000, "positions": START_HELD}))
    # Somebody owns the account until all three have started, so that none has to hurry.
    raw(postgres_url, "INSERT INTO leases VALUES ('main', 'nobody', 1, 'infinity')")
    with ExitStack() as stack:
        server = stack.enter_context(
            running(
                seed=7,
                speed=SPEED,
                start="10:00",
                account=tmp_path / "account.json",
                journal=tmp_path / "paper.db",
            )
        )
        engines = [
            stack.enter_context(engine(server, postgres_url, tmp_path, name)) for name in NAMES
        ]
        for one in engines:
            eventually(one.stands_by, 120)
        raw(postgres_url, "UPDATE leases SET expires_at = clock_timestamp()")

        first = owner_of(engines, taking(postgres_url, 2, engines))
        eventually(lambda: first.process.poll() is not None or orders_at(server) >= 2, 60)
        first.process.send_signal(signal.SIGSTOP)
        at = server_time(postgres_url)
        after_freeze = taking(postgres_url, 3, engines)
        second = owner_of(engines, after_freeze)
        frozen_for = (after_freeze.taken_at - at).total_seconds()
        check_no_delay(postgres_url, at, after_freeze)
        before = orders_at(server)
        eventually(lambda: orders_at(server) > before or second.process.poll() == 0, 60)
        first.process.send_signal(signal.SIGCONT)
        assert first.process.wait(60) == 3, first.said
        assert "owns the account" in first.said or "ran out" in first.said

        assert second.process.poll() is None, second.said
        second.process.kill()
        at = server_time(postgres_url)
        after_kill = taking(postgres_url, 4, engines)
        third = owner_of(engines, after_kill)
        killed_for = (after_kill.taken_at - at).total_seconds()
        check_no_delay(postgres_url, at, after_kill)
        assert third.process.wait(120) == 0, third.said

        copy_store(postgres_url, str(tmp_path / "log.db"))
        found = compared(server, tmp_path, START_HELD, SPEED * REQUEST_SECONDS)
    assert found.problems == []
    assert found.fills > 0
    print(f"taken over in {frozen_for:.2f} s after a freeze, {killed_for:.2f} s after a kill")
    if THOROUGH:
        assert frozen_for < TAKEN_OVER_SECONDS_MAX
        assert killed_for < TAKEN_OVER_SECONDS_MAX
    # Nobody took it before the lease had run out; each had its turn and came back to none: what
    # the frozen one wanted to write when it went on was refused.
    assert all(one.run_out_at <= one.taken_at for one in (after_freeze, after_kill))
    expected = [first.name, second.name, third.name]
    assert sorted(expected) == sorted(NAMES)
    assert [writer for writer, _, _ in turns(postgres_url)] == expected
    assert [owner.epoch for owner in store_info(postgres_url).owners] == [4]
    with Log.open(postgres_url, writer=False) as log:
        starts = [r for r in log.raw_events() if r.topic.startswith("EngineStarted.")]
        assert len(starts) == 3
        assert log.verify().ok
