"""Whatever was acknowledged survives a kill -9 at any moment."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fillwright.adapters.storage.log import Log

WRITER = """
import asyncio, sys, threading
from fillwright.adapters.storage.log import Log
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample

log = Log.open(sys.argv[1], threaded=True)
out = threading.Lock()

def acknowledge(aggregate, count):
    with out:
        sys.stdout.write(f"{aggregate.id.hex} {count}\\n")
        sys.stdout.flush()

def counted(count):
    return [CounterUpdate("all", count, None)] if sys.argv[2] == "counted" else []

def work(number):
    aggregate = Sample(number)
    while True:
        log.append(aggregate.happen(3), counters=counted(3))
        acknowledge(aggregate, aggregate.version)

async def work_async(number):
    aggregate = Sample(number)
    while True:
        await log.commit(aggregate.happen(2), counters=counted(2))
        acknowledge(aggregate, aggregate.version)

async def main():
    async with asyncio.TaskGroup() as tasks:
        for number in range(100, 108):
            tasks.create_task(work_async(number))

for number in range(1, 5):
    threading.Thread(target=work, args=(number,), daemon=True).start()
asyncio.run(main())
"""

ROOT = Path(__file__).resolve().parents[3]


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    # Appends without counters go in by one statement each.
    for attempt, kind in enumerate(("counted", "bare", "counted", "bare"), start=1):
        path = tmp_path / f"log{attempt}.db"
        acknowledged = write_until_killed(path, kind, seconds=0.12 * attempt)
        with Log.open(path) as log:
            result = log.verify()
            assert result.ok, result
            stored: dict[str, int] = {}
            for recorded in log.events():
                stored[recorded.event.originator_id.hex] = recorded.event.originator_version
            assert all(stored[id] >= version for id, version in acknowledged.items())
            assert log.counters() == ({"all": result.count} if kind == "counted" else {})
        assert len(acknowledged) == 12


def write_until_killed(path: Path, kind: str, seconds: float) -> dict[str, int]:
    """What a writer acknowledged by aggregate, killed once all have begun and some time later."""
    acknowledged: dict[str, int] = {}
    command = [sys.executable, "-c", WRITER, str(path), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        deadline = None
        for line in writer.stdout:
            note(acknowledged, line)
            if deadline is None and len(acknowledged) == 12:
                deadline = time.monotonic() + seconds
            if deadline is not None and time.monotonic() > deadline:
                break
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            note(acknowledged, line)
    return acknowledged


def note(acknowledged: dict[str, int], line: str) -> None:
    if line.endswith("\n"):
        id, version = line.split()
        acknowledged[id] = int(version)


@pytest.mark.parametrize("label", ["store:before", "store:after"])
def test_a_process_that_dies_around_a_commit_leaves_all_or_nothing(
    tmp_path: Path, label: str
) -> None:
    path = tmp_path / "log.db"
    program = f"""
import os, sys
from fillwright.adapters.storage.log import Log
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
log = Log.open(sys.argv[1])
log.append(Sample(1).happen(3), counters=[CounterUpdate("k", 1, None)])
log.on_boundary = lambda label: os._exit(9) if label == {label!r} else None
log.append(Sample(2).happen(5), counters=[CounterUpdate("k", 1, None)])
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, check=False)
    assert done.returncode == 9
    with Log.open(path) as log:
        written = label == "store:after"
        assert log.head().position == (8 if written else 3)
        assert log.counters() == {"k": 2 if written else 1}
        assert log.verify().ok
