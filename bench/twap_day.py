"""A simulated day: many TWAP parents over one symbol's quotes, with the durable log on.

    python -m bench.twap_day [--parents 100,1000] [--stagger-seconds 1] [--rounds 3] [--json]

Each run has a process of its own, so that time and peak memory are its own, and the contenders take
turns. NautilusTrader does the same job beside us, without a durable log: in the interpreter that
``--peer-python`` or FILLWRIGHT_PEER_PYTHON names, else in one that uv makes, if it can.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.twap_market import (
    LATENCY_NS,
    SHARES,
    SLICES,
    START_NS,
    TICKS_PER_DOLLAR,
    WINDOW_SECONDS,
    Quotes,
    random_walk,
)
from fillwright.adapters.engine import Arrival, EngineRules
from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.simulation import EXACT, Simulation, VenueTerms, simulate
from fillwright.adapters.storage.schema import CREATE_STATEMENTS, EVENTS_TABLE
from fillwright.domain.limits import Limits
from fillwright.domain.switching import SwitchingRules

ROOT: Final = Path(__file__).resolve().parents[1]
PEER_MODULE: Final = "bench.peers.nautilus_twap_day"
PEER_REQUIREMENT: Final = "nautilus_trader==1.221.0"
PEER_PUBLISHED: Final = "17-19 s and 367 MB, as measured earlier for 1,000 parents"
PEER_INSTALL_SECONDS_MAX: Final = 180
"""Without a network uv gives up sooner; with a slow one we do."""
RUN_SECONDS_MAX: Final = 600
REPORTS_BEFORE_COMMIT: Final = 64
"""In the simulated day a lost report is given again, so they may share the next order's commit."""

LIMITS: Final = Limits(
    daily_loss_pct_max=Decimal(100),
    trades_max_per_day=1_000_000,
    turnover_pct_max=Decimal(100_000),
    position_pct_max=Decimal(1_000),
    order_value_usd_max=Decimal("1e12"),
    adv_fraction_max=Decimal(10),
    decisions_per_minute_max=1_000_000,
    quote_age_seconds_max=Decimal(3_600),
)


def day_of(quotes: Quotes) -> SymbolDay:
    """The shared quotes as a symbol-day without prints."""
    none_f, none_i = np.empty(0, np.float64), np.empty(0, np.int64)
    return SymbolDay(
        symbol="TWAP",
        date="20240108",
        tick=Decimal("0.01"),
        lot=Decimal(1),
        levels=1,
        ext_level_size=Decimal(1_000_000),
        queue_share=Decimal("0.5"),
        q_ts=quotes.times,
        bid_px=(quotes.bid_ticks / TICKS_PER_DOLLAR)[:, None],
        bid_sz=quotes.bid_sizes.astype(np.float64)[:, None],
        ask_px=(quotes.ask_ticks / TICKS_PER_DOLLAR)[:, None],
        ask_sz=quotes.ask_sizes.astype(np.float64)[:, None],
        t_ts=none_i,
        t_px=none_f,
        t_sz=none_f,
        aggressor=none_i.astype(np.int8),
        lit=none_i.astype(bool),
        regular=none_i.astype(bool),
        venue=None,
    )


def rules(reports_before_commit: int) -> EngineRules:
    """No throttle and no change of strategy, as the peer has none."""
    return EngineRules(
        planning=EXACT,
        messages_per_minute=1_000_000,
        switching=SwitchingRules(switches_max=0),
        reports_before_commit_max=reports_before_commit,
        seed=0,
    )


async def work(simulation: Simulation, parents: int, stagger_ns: int) -> tuple[float, float]:
    """Work all parents; gives the seconds it took, and of those the processor's."""
    # What was made before is nobody's cost: keep the collector from walking it.
    gc.collect()
    gc.freeze()
    began, cpu_began = time.perf_counter(), time.process_time()
    for number in range(parents):
        fields = {
            "decision_id": f"parent-{number}",
            "symbol": "TWAP",
            "action": "BUY",
            "target_weight": 1000,
            "order_size": SHARES,
            "strategy": "twap",
            "style": "naive",
            "slices": SLICES,
            "window": f"{WINDOW_SECONDS // 3600}h",
            "max_slippage": None,
            "must_complete": True,
        }
        simulation.engine.schedule(Arrival(fields), START_NS + number * stagger_ns)
    await simulation.engine.run()
    return time.perf_counter() - began, time.process_time() - cpu_began


def run_one(
    parents: int, quotes: int, stagger_ns: int = 0, reports: int = REPORTS_BEFORE_COMMIT
) -> dict[str, Any]:
    """One size in this process."""
    market = random_walk(quotes)
    commits: Counter[str] = Counter()
    venue = VenueTerms(
        cash=Decimal("1e10"), fees=Fees(), latency_ns=LATENCY_NS, check_buying_power=False
    )
    with tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder:
        store = Path(folder) / "day.db"
        with simulate(
            [day_of(market)],
            store=str(store),
            venue=venue,
            rules=rules(reports),
            limits=LIMITS,
            on_boundary=lambda label: commits.update((label,)),
        ) as simulation:
            before = _peak_mb()
            seconds, cpu_seconds = asyncio.run(work(simulation, parents, stagger_ns))
            peak = _peak_mb()
            instructions = simulation.engine.desk.instructions.values()
            executed = int(sum(instruction.executed for instruction in instructions))
            events = simulation.log.head().position
        raw = raw_seconds(store, commits["store:after"], commits["journal:after"])
    return {
        "parents": parents,
        "quotes": quotes,
        "market": market.fingerprint(),
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "events": events,
        "events_per_second": round(events / seconds),
        "log_commits": commits["store:after"],
        "journal_commits": commits["journal:after"],
        "raw_seconds": round(raw, 3),
        "before_mb": before,
        "peak_mb": peak,
        "complete": executed == parents * SHARES,
    }


def raw_seconds(store: Path, commits: int, journal_commits: int) -> float:
    """How long the same bytes take in the same number of commits and nothing else.

    Rows, columns, indexes and counters' table as ours, and beside it the exchange's journal, which
    a real broker would keep. Read back before the clock starts.
    """
    events = _read(store, f"SELECT * FROM {EVENTS_TABLE} ORDER BY position")
    requests = _read(Path(f"{store}.exchange"), "SELECT number, at, content FROM request")
    log = _raw_file(Path(f"{store}.raw"), CREATE_STATEMENTS)
    schema = "CREATE TABLE request (number INTEGER PRIMARY KEY, at INTEGER, content TEXT)"
    journal = _raw_file(Path(f"{store}.raw.exchange"), (schema,))
    began = time.perf_counter()
    _write(log, f"INSERT INTO {EVENTS_TABLE} VALUES (?,?,?,?,?,?,?)", events, commits)
    _write(journal, "INSERT INTO request VALUES (?,?,?)", requests, journal_commits)
    taken = time.perf_counter() - began
    log.close()
    journal.close()
    return taken


def _read(path: Path, statement: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def _raw_file(path: Path, statements: Sequence[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", *statements):
        connection.execute(statement)
    return connection


def _write(
    connection: sqlite3.Connection, insert: str, rows: Sequence[tuple[Any, ...]], commits: int
) -> None:
    for number in range(commits):
        first, last = (len(rows) * n // commits for n in (number, number + 1))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, rows[first:last])
        connection.execute("COMMIT")


def _peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


# -- the peer ----------------------------------------------------------------------------------


def peer_command(python: str | None) -> list[str] | None:
    """How to start the peer's interpreter, None when there is none and none can be made."""
    if python:
        return [python]
    uv = shutil.which("uv")
    if uv is None:
        return None
    command = [uv, "run", "--quiet", "--no-project", "--with", PEER_REQUIREMENT, "python"]
    try:
        done = subprocess.run(
            [*command, "-c", "import nautilus_trader"],
            cwd=ROOT,
            capture_output=True,
            timeout=PEER_INSTALL_SECONDS_MAX,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return command if done.returncode == 0 else None


def run_peer(command: Sequence[str], arguments: Sequence[str]) -> dict[str, Any] | None:
    """One size in the peer's interpreter; None when it fails."""
    try:
        return _child([*command, "-m", PEER_MODULE, *arguments])
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        print(f"the peer did not run: {error}", file=sys.stderr)
        return None


def _child(command: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=RUN_SECONDS_MAX
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


# -- all sizes ---------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Every size, contenders in turn; of each the run with the median time."""
    python = options.peer_python or os.environ.get("FILLWRIGHT_PEER_PYTHON")
    peer = None if options.no_peer else peer_command(python)
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    for size in options.parents.split(","):
        shared = ["--parents", size, "--quotes", str(options.quotes)]
        shared += ["--stagger-seconds", str(options.stagger_seconds)]
        own = ["--reports-before-commit", str(options.reports_before_commit)]
        mine, other = [], []
        for _ in range(options.rounds):
            mine.append(_child([sys.executable, "-m", "bench.twap_day", "--one", *own, *shared]))
            found = run_peer(peer, shared) if peer else None
            other += [found] if found else []
        ours.append(_median(mine))
        theirs += [_median(other)] if other else []
    result: dict[str, Any] = {"fillwright": ours, "growth": _growth(ours), "peer": theirs}
    if theirs:
        result["peer_growth"] = _growth(theirs)
        result["same_market"] = {row["market"] for row in (*ours, *theirs)} == {ours[0]["market"]}
        result["peer_seconds_to_ours"] = round(theirs[-1]["seconds"] / ours[-1]["seconds"], 2)
        result["peer_mb_to_ours"] = round(theirs[-1]["peak_mb"] / ours[-1]["peak_mb"], 2)
    return result


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    middle = statistics.median_low(run["seconds"] for run in runs)
    return next(run for run in runs if run["seconds"] == middle)


def _growth(rows: Sequence[dict[str, Any]]) -> float:
    """Time per parent of the largest size against the smallest; 1 is linear."""
    first, last = rows[0], rows[-1]
    return round(last["seconds"] / last["parents"] / (first["seconds"] / first["parents"]), 2)


def summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The result in rows of what and how much."""
    rows = []
    for row in result["fillwright"]:
        raw = row["raw_seconds"]
        rows.append(
            (
                f"fillwright, {row['parents']:,} parents",
                f"{_figures(row)} ({row['before_mb']} before the first decision), "
                f"{row['events']:,} events in {row['log_commits']:,} commits{_verdict(row)}",
            )
        )
        rows.append(
            ("  raw SQLite, same bytes and commits", f"{raw:.2f} s: {raw / row['seconds']:.0%}")
        )
    if len(result["fillwright"]) > 1:
        figure = f"{result['growth']:.2f} (1 is linear)"
        rows.append(("  time per parent, largest to smallest", figure))
    if not result["peer"]:
        return [*rows, (f"{PEER_REQUIREMENT}", f"not run ({PEER_PUBLISHED})")]
    for row in result["peer"]:
        figure = f"{_figures(row)}, no durable log{_verdict(row)}"
        rows.append((f"{row['peer']}, {row['parents']:,} parents", figure))
    if len(result["peer"]) > 1:
        figure = f"{result['peer_growth']:.2f}"
        rows.append(("  time per parent, largest to smallest", figure))
    rows.append(("  its time to ours", f"{result['peer_seconds_to_ours']:.2f}x"))
    rows.append(("  its memory to ours", f"{result['peer_mb_to_ours']:.2f}x"))
    if not result["same_market"]:
        rows.append(("  note", "the peer's numpy made other quotes from the same seed"))
    return rows


def _figures(row: dict[str, Any]) -> str:
    return f"{row['seconds']:.2f} s ({row['cpu_seconds']:.2f} of processor), {row['peak_mb']} MB"


def _verdict(row: dict[str, Any]) -> str:
    return "" if row["complete"] else ", NOT COMPLETE"


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("--parents", default="100,1000")
    made.add_argument("--quotes", type=int, default=200_000)
    made.add_argument("--stagger-seconds", type=float, default=0.0, help="between two arrivals")
    made.add_argument("--reports-before-commit", type=int, default=REPORTS_BEFORE_COMMIT)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--peer-python", help=f"an interpreter with {PEER_REQUIREMENT}")
    made.add_argument("--no-peer", action="store_true")
    made.add_argument("--json", action="store_true")
    made.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return made


def main(arguments: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """Run every size and print the table; gives its rows."""
    options = parser().parse_args(arguments)
    if options.one:
        stagger_ns = round(options.stagger_seconds * 10**9)
        size, reports = int(options.parents), options.reports_before_commit
        print(json.dumps(run_one(size, options.quotes, stagger_ns, reports)))
        return []
    result = measure(options)
    rows = summary(result)
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print("\n".join(f"{what:42}{figure}" for what, figure in rows))
    return rows


if __name__ == "__main__":
    main()
