"""How long an account is without an owner when its process is killed, or frozen.

python -m bench.failover [--rounds N] [--json]

Real processes on a real server, which the benchmark starts on loopback with fsync on. The owner
appends without pause and another process stands by; at a moment drawn by chance the owner gets
SIGKILL, or SIGSTOP. The time runs until the other's first event is on the server's disk. A frozen
owner is let go on afterwards: it must end by itself and have written nothing behind the other.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ownership import Ownership
from fillwright.adapters.storage.postgres.opening import migrate_postgres
from fillwright.domain.errors import StoreBusy
from tests.adapters.storage.helpers import Sample
from tests.postgres import PostgresServer, binaries

AIM_SECONDS: Final = 3.0
WAIT_SECONDS: Final = 60.0
REQUEST_SECONDS: Final = 1.0
"""The broker's longest request; the lease is twice that."""
FENCED: Final = 3


def own(store: str, number: int) -> None:
    """What a process of the benchmark does: own the account as soon as it can, and append."""
    with Log.open(store, ownership=Ownership("main", WAIT_SECONDS, REQUEST_SECONDS)) as log:
        print("owns it", flush=True)
        sample = Sample(number)
        while True:
            try:
                log.append(sample.happen())
            except StoreBusy:
                sys.exit(FENCED)


@contextmanager
def owner(store: str, number: int) -> Iterator[subprocess.Popen[str]]:
    """A process that waits for the account and then owns it."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bench.failover", "--own", store, str(number)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    """Wait until a process says a line with these words."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"a process ended and never said {words!r}")


def measure(store: str, how: signal.Signals, chance: random.Random) -> float:
    """Seconds from a signal to the owner until the next one's first event is on disk."""
    with Log.open(store, writer=False) as log, owner(store, 1) as first:
        wait_for(first, "owns it")
        with owner(store, 2) as second:
            wait_for(second, "standing by")
            time.sleep(chance.random() * REQUEST_SECONDS)
            begun = time.monotonic()
            first.send_signal(how)
            wait_for(second, "owns it")
            taken, at = log.head().position, time.monotonic()
            while log.head().position == taken:
                if time.monotonic() > at + WAIT_SECONDS:
                    raise AssertionError("the new owner does not append")
                time.sleep(0.001)
            lasted = time.monotonic() - begun
            if how is signal.SIGSTOP:
                first.send_signal(signal.SIGCONT)
                if first.wait(WAIT_SECONDS) != FENCED:
                    raise AssertionError("the frozen owner was not refused")
        check(log)
    return lasted


def check(log: Log) -> None:
    """Each owner's events lie together: none came behind its successor's."""
    turns = [writer for writer, _ in groupby(r.originator_id for r in log.raw_events())]
    if not log.verify().ok or len(turns) != 2:
        raise AssertionError(f"the log is not the two owners' one after the other: {turns}")


def run(rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, by what was done to the owner."""
    programs = binaries()
    assert programs is not None
    found: dict[str, list[float]] = {"kill": [], "freeze": []}
    chance = random.Random(1)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(PostgresServer(programs, fsync=True)) as server,
    ):
        server.start()
        for number in range(rounds):
            for name, how in (("kill", signal.SIGKILL), ("freeze", signal.SIGSTOP)):
                store = f"{server.url}?schema={name}{number}&files={Path(folder) / name}"
                migrate_postgres(store)
                found[name].append(measure(store, how, chance))
    return found


def summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the table of all benchmarks."""
    if "skipped" in result:
        return [("Failover", result["skipped"])]
    rows = []
    for name, seconds in result["seconds"].items():
        verdict = "met" if max(seconds) < AIM_SECONDS else "SHORT"
        figure = f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s"
        rows.append((f"followed after a {name}", f"{figure}, aim {AIM_SECONDS:g} s, {verdict}"))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--own", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.own:
        own(options.own[0], int(options.own[1]))
        return
    result: dict[str, Any] = {"skipped": "not run: no PostgreSQL server is installed"}
    if binaries() is not None:
        result = {"seconds": run(options.rounds)}
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for what, figure in summary(result):
        print(f"{what:32}{figure}")


if __name__ == "__main__":
    main()
