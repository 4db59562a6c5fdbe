"""Start-up over a long log: from what was kept beside it, and from its first event.

    python -m bench.start_up [--server] [--events 100000,1000000] [--open 1000] [--rounds 3]

Each start has a process of its own, so that its memory is its own. The limit beside it is SQLite
reading the rows of the open instructions alone, their bytes undecoded. A start includes opening the
store; that of the simulated market, which is no part of it, is left out of the time.

With ``--server`` the log is on a server that is started for the run, from the machine's package;
then there is a start beside another account's events as well, see ``bench/start_up_server.py``.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from bench.log_of_any_size import EMPTY, QUOTES, make
from bench.start_up_server import (
    ACCOUNT,
    NEIGHBOUR,
    OWN_EVENTS,
    fill,
    head_of,
    kept_of,
    new_store,
    read_rows_on_server,
)
from bench.twap_day import LIMITS, day_of, rules
from bench.twap_market import random_walk
from fillwright.adapters.simulation import simulate
from tests.postgres import DEFAULT_BUFFERS, PostgresServer, binaries

ROOT: Final = Path(__file__).resolve().parents[1]
RUN_SECONDS_MAX: Final = 36_000
AIM_SECONDS: Final = 3.0
AIM_EVENTS: Final = 1_000_000


def start_from_zero(store: str) -> dict[str, Any]:
    """The same with nothing kept."""
    kept_of(store).unlink(missing_ok=True)
    return start_cold(store)


def start_cold(store: str) -> dict[str, Any]:
    """One start in a process that did nothing before, the market's part taken out."""
    days = [day_of(random_walk(QUOTES))]
    with simulate(days, store="memory:", rules=rules(64), limits=LIMITS):
        pass
    wall, cpu = time.perf_counter(), time.process_time()
    with simulate(days, store=store, rules=rules(64), limits=LIMITS) as simulation:
        found = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        engine = simulation.engine
        return {
            **found,
            "began_at": engine.starting.began_at,
            "head": engine.desk.log.head().position,
            "open": len(engine.desk.active),
            "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def read_rows(store: str) -> dict[str, Any]:
    """SQLite alone, over the rows of instructions that never ended."""
    connection = sqlite3.connect(store)
    (last,) = connection.execute("SELECT max(position) FROM stored_events").fetchone()
    streams = [
        stream
        for stream, topics in connection.execute(
            "SELECT stream, group_concat(topic) FROM stored_events WHERE position > ? "
            "GROUP BY stream",
            (last - 40_000,),
        )
        if "DecisionReceived" in topics and "InstructionFilled" not in topics
    ]
    wall, cpu = time.perf_counter(), time.process_time()
    for stream in streams:
        connection.execute(
            "SELECT * FROM stored_events WHERE stream = ? ORDER BY originator_version", (stream,)
        ).fetchall()
    found = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    connection.close()
    return {**found, "open": len(streams)}


FROM_ZERO: Final = "from the first event"
KEPT: Final = "from what was kept"
BESIDE: Final = "kept, beside another account's"
LIMIT: Final = "SQLite reads the open ones"
LIMIT_ON_SERVER: Final = "server gives the open ones"
MEASURES: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    FROM_ZERO: start_from_zero,
    KEPT: start_cold,
    LIMIT: read_rows,
    BESIDE: start_cold,
    LIMIT_ON_SERVER: read_rows_on_server,
}


def measure(events: int, still_open: int, rounds: int) -> dict[str, Any]:
    """Medians by measure, over a file of that size."""
    with tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder:
        store = Path(folder) / "log.db"
        _say(f"writing {events:,} events ...")
        make(store, events, still_open)
        return {name: _median(name, str(store), rounds) for name in (FROM_ZERO, KEPT, LIMIT)}


def measure_on_server(events: int, still_open: int, rounds: int) -> dict[str, Any]:
    """The same on a server, and beside as many events of another account."""
    programs = binaries()
    if programs is None:
        raise SystemExit("not run: no PostgreSQL server is installed")
    with (
        tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder,
        closing(PostgresServer(programs, fsync=True, shared_buffers=DEFAULT_BUFFERS)) as server,
    ):
        server.start()
        store = new_store(server.url, Path(folder), "own")
        _say(f"writing {events:,} events to the server ...")
        fill(store, ACCOUNT, events, still_open, EMPTY)
        found = {n: _median(n, store, rounds) for n in (FROM_ZERO, KEPT, LIMIT_ON_SERVER)}
        shared = new_store(server.url, Path(folder), "shared")
        fill(shared, ACCOUNT, OWN_EVENTS, still_open, EMPTY)
        _apart(FROM_ZERO, shared)
        _say(f"writing {events:,} events of another account behind it ...")
        fill(shared, NEIGHBOUR, events, 0, head_of(shared))
        return {**found, BESIDE: _median(BESIDE, shared, rounds)}


def _median(name: str, store: str, rounds: int) -> dict[str, Any]:
    _say(f"{name} ...")
    kept = kept_of(store).read_bytes() if name in (KEPT, BESIDE) else None
    runs = []
    for _ in range(1 if name == FROM_ZERO else rounds):
        if kept is not None:  # a start keeps sums of its own, from which the next would be short
            kept_of(store).write_bytes(kept)
        runs.append(_apart(name, store))
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _apart(name: str, store: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.start_up", "--one", name, "--store", store],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=RUN_SECONDS_MAX,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Seconds of wall and processor and peak memory, and what the aim is met by."""
    rows = []
    for events, found in result.items():
        for name, run in found.items():
            figure = f"{run['seconds']:.2f} s ({run['cpu']:.2f} s of processor)"
            if "mb" in run:
                figure += f", {run['open']:.0f} open, {run['mb']:.0f} MB"
            rows.append((f"{int(events):,} events: {name}", figure))
        limit = found.get(LIMIT) or found[LIMIT_ON_SERVER]
        for name in (KEPT, BESIDE):
            if name not in found:
                continue
            verdict = "met" if found[name]["seconds"] < AIM_SECONDS else "SHORT"
            ratio = f"{found[name]['seconds'] / limit['seconds']:.0f}x of the limit"
            aim = f", aim under {AIM_SECONDS:g} s: {verdict}" if int(events) >= AIM_EVENTS else ""
            rows.append((f"{int(events):,} events: start {name}", ratio + aim))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", default="100000,1000000")
    parser.add_argument("--open", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", action="store_true", help="on PostgreSQL, not in a file")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(MEASURES[options.one](options.store)))
        return
    sizes = [int(size) for size in options.events.split(",")]
    how = measure_on_server if options.server else measure
    result = {str(size): how(size, options.open, options.rounds) for size in sizes}
    if options.json:
        print(json.dumps(result))
        return
    for what, figure in summary(result):
        print(f"{what:60}{figure}")


if __name__ == "__main__":
    main()
