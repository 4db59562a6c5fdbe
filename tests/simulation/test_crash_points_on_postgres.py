"""The crash simulation with its log on a real server: the same ends, whatever dies between.

An even sample of the points by default, every point with ``FILLWRIGHT_THOROUGH=1``.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.upkeep import store_info
from tests.adapters.storage.test_postgres import raw
from tests.postgres import PostgresServer, fresh_store
from tests.simulation.test_crash_points import SCENES, Boundaries, crash, points
from tests.simulation.test_kill_nine import ROOT, session
from tests.simulation.world import (
    THOROUGH,
    check_books,
    instructions,
    outcome,
    run,
    scaled_days,
    shared_data,
)

SAMPLE = None if THOROUGH else 5
NAMES = tuple(SCENES) if THOROUGH else ("limit", "twap and iceberg")
SEEDS = range(20 if THOROUGH else 1)
END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND application_name LIKE 'fillwright%%'"
)

Make = Callable[[], str]


@pytest.fixture
def make(postgres_server: PostgresServer, tmp_path: Path) -> Make:
    """Makes a new store on the server, with its files in a folder of its own."""
    made = iter(range(1_000_000))

    def store() -> str:
        folder = tmp_path / str(next(made))
        folder.mkdir()
        return fresh_store(postgres_server, folder, lease_seconds=60)

    return store


def in_the_log(store: str) -> list[tuple[int, str]]:
    """Position and chain hash of each event of a store that verifies."""
    with Log.open(store, writer=False) as log:
        assert log.verify().ok
        return [(position, hash.hex()) for position, hash in log.hashes()]


@pytest.mark.timeout(3_600 if THOROUGH else 240)
@pytest.mark.parametrize("name", NAMES)
def test_a_crash_between_any_two_writes_changes_nothing(
    name: str, make: Make, tmp_path: Path
) -> None:
    scene, calm, whole = SCENES[name], Boundaries(), make()
    ran = run(scene, whole, calm)
    check_books(ran)
    expected = outcome(ran)
    run(scene, tmp_path / "file.db")
    assert in_the_log(whole) == in_the_log(str(tmp_path / "file.db")), "as on SQLite, to the byte"
    for number in points(len(calm.seen), SAMPLE):
        store = make()
        died = f"died at {calm.seen[number - 1]} number {number} of {len(calm.seen)}"
        assert crash(scene, store, number)
        again = run(scene, store)
        check_books(again)
        assert outcome(again) == expected, died
        assert all(i.anomalies == 0 for i in instructions(again)), died
        assert in_the_log(store)


class Cutting(Boundaries):
    """Counts durable writes, and ends every connection to the server at the chosen one."""

    def __init__(self, store: str, cut_at: int) -> None:
        super().__init__()
        self._store, self._cut_at = store, cut_at
        self.cut = 0

    def __call__(self, label: str) -> None:
        super().__call__(label)
        if len(self.seen) >= self._cut_at and label.startswith("store:") and not self.cut:
            self.cut = len(raw(self._store, END_OTHERS))


@pytest.mark.timeout(3_600 if THOROUGH else 240)
def test_connections_that_end_between_any_two_writes_change_not_a_byte(make: Make) -> None:
    """The engine goes on by itself: the log is the one of an undisturbed run."""
    scene, calm, whole = SCENES["market and limit"], Boundaries(), make()
    expected = outcome(run(scene, whole, calm))
    for number in points(len(calm.seen) - 2, SAMPLE):
        store = make()
        hook = Cutting(store, number)
        ran = run(scene, store, hook)
        assert hook.cut, number
        check_books(ran)
        assert outcome(ran) == expected
        assert in_the_log(store) == in_the_log(whole), number


def child(store: str) -> None:
    """What the killed process runs; says when it begins to work."""
    scaled_days()
    shared_data()
    print("working", flush=True)
    run(session(), store)


def start(store: str) -> subprocess.Popen[str]:
    code = f"import sys\nfrom {__name__} import child\nchild(sys.argv[1])\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code, store],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


def recorded(store: str) -> int:
    (position,) = raw(store, "SELECT position FROM head")[0]
    return int(position)


def run_out(store: str) -> None:
    """Let the lease of a process that was killed run out, as it does by itself in time."""
    raw(store, "UPDATE leases SET expires_at = clock_timestamp()")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The small session as it ends when nobody interrupts it."""
    return outcome(run(session(), tmp_path_factory.mktemp("whole") / "a.db"))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", SEEDS)
def test_killing_the_process_changes_nothing_in_the_end(
    seed: int, undisturbed: dict[str, Any], make: Make
) -> None:
    store, drawn = make(), random.Random(seed)
    kills = 0
    for _ in range(3):
        process = start(store)
        until = recorded(store) + drawn.randint(1, 30)
        while process.poll() is None and recorded(store) < until:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
        kills += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), errors
        run_out(store)
    assert kills
    last = run(session(), store)
    check_books(last)
    assert outcome(last) == undisturbed
    assert all(i.anomalies == 0 for i in instructions(last))
    assert store_info(store).owners[0].epoch > kills
