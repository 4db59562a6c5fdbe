"""Start-up over a long log: from what was kept beside it, and from its first event.

    python -m bench.start_up [--events 100000,1000000] [--open 1000] [--rounds 3] [--json]

Each start has a process of its own, so that its memory is its own. The limit beside it is SQLite
reading the rows of the open instructions alone, their bytes undecoded. A start includes opening the
store; that of the simulated market, which is no part of it, is left out of the time.
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
from pathlib import Path
from typing import Any, Final

from bench.log_of_any_size import QUOTES, make
from bench.twap_day import LIMITS, day_of, rules
from bench.twap_market import random_walk
from fillwright.adapters.simulation import simulate

ROOT: Final = Path(__file__).resolve().parents[1]
RUN_SECONDS_MAX: Final = 36_000
AIM_SECONDS: Final = 3.0
AIM_EVENTS: Final = 1_000_000


def start_from_zero(store: Path) -> dict[str, Any]:
    """The same with nothing kept."""
    store.with_name(store.name + ".start").unlink(missing_ok=True)
    return start_cold(store)


def start_cold(store: Path) -> dict[str, Any]:
    """One start in a process that did nothing before, the market's part taken out."""
    days = [day_of(random_walk(QUOTES))]
    with simulate(days, store="memory:", rules=rules(64), limits=LIMITS):
        pass
    wall, cpu = time.perf_counter(), time.process_time()
    with simulate(days, store=str(store), rules=rules(64), limits=LIMITS) as simulation:
        found = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        engine = simulation.engine
        return {
            **found,
            "began_at": engine.starting.began_at,
            "head": engine.desk.log.head().position,
            "open": len(engine.desk.active),
            "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def read_rows(store: Path) -> dict[str, Any]:
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


MEASURES: Final[dict[str, Callable[[Path], dict[str, Any]]]] = {
    "from the first event": start_from_zero,
    "from what was kept": start_cold,
    "SQLite reads the open ones": read_rows,
}


def measure(events: int, still_open: int, rounds: int) -> dict[str, Any]:
    """Medians by measure, over a store of that size."""
    with tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder:
        store = Path(folder) / "log.db"
        print(f"writing {events:,} events ...", file=sys.stderr, flush=True)
        make(store, events, still_open)
        found: dict[str, Any] = {}
        for name in MEASURES:
            turns = 1 if name == "from the first event" else rounds
            print(f"{events:,} events: {name} ...", file=sys.stderr, flush=True)
            runs = [_apart(name, store) for _ in range(turns)]
            found[name] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        return found


def _apart(name: str, store: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.start_up", "--one", name, "--store", str(store)],
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
        kept, limit = found["from what was kept"], found["SQLite reads the open ones"]
        verdict = "met" if kept["seconds"] < AIM_SECONDS else "SHORT"
        ratio = f"{kept['seconds'] / limit['seconds']:.0f}x of the limit"
        aim = f", aim under {AIM_SECONDS:g} s: {verdict}" if int(events) >= AIM_EVENTS else ""
        rows.append((f"{int(events):,} events: kept start", ratio + aim))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", default="100000,1000000")
    parser.add_argument("--open", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(MEASURES[options.one](options.store)))
        return
    sizes = [int(size) for size in options.events.split(",")]
    result = {str(size): measure(size, options.open, options.rounds) for size in sizes}
    if options.json:
        print(json.dumps(result))
        return
    for what, figure in summary(result):
        print(f"{what:50}{figure}")


if __name__ == "__main__":
    main()
