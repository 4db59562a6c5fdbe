"""Replay, mirror and queries beside their peers and limits, over logs of rising size.

    python -m bench.replay [--events 100000,1000000] [--rounds 3] [--json]

Each measurement has a process of its own, which loads only what it measures, so that its memory is
its own, and all of one size take turns. Ratios inside one run count; see ``bench/README.md``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.memory import Started, high_water_kb
from fillwright.adapters.storage.log import Log

if TYPE_CHECKING:
    from fillwright.adapters.integrity.verifying import Verification
    from fillwright.adapters.replay.replaying import Replay

ROOT: Final = Path(__file__).resolve().parents[1]
RUN_SECONDS_MAX: Final = 36_000
PLAIN_EVENTS: Final = 18_000
MIRROR: Final = "mirror"
WHOSE: Final = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
"""This process, and those that it ended."""
SCAN: Final = (
    "sum(executed), sum(notional), sum(fees), max(position), count(DISTINCT instruction_id)"
)


def library_reads(store: Path) -> int:
    """The library's own log, its own events, read and decoded by its own means."""
    from bench.lifecycle_contenders import EVENTS_PER_LIFECYCLE, Plain, lifecycles

    del store
    with (
        tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder,
        closing(Plain(Path(folder), 0)) as plain,
    ):
        plain.run(lifecycles(PLAIN_EVENTS // EVENTS_PER_LIFECYCLE, 1), threads=1, per_event=False)
        return _timed(lambda: _read_by_library(plain.app))


def _read_by_library(app: Any) -> int:
    start, count = 1, 0
    while page := app.recorder.select_notifications(start, 1_000):
        for notification in page:
            app.mapper.to_domain_event(notification)
        count += len(page)
        start = page[-1].id + 1
    return count


def read_and_decode(store: Path) -> int:
    """Every event as its class."""
    with Log.open(store, writer=False) as log:
        return _timed(lambda: sum(1 for _ in log.events()))


def hash_bytes(store: Path) -> int:
    """sha256 of the same bytes, one by one, read as they lie."""
    with Log.open(store, writer=False) as log:
        states = [raw.state for raw in log.raw_events(upto=100_000)]
    return _timed(lambda: sum(len(hashlib.sha256(state).digest()) // 32 for state in states))


def verify_all(store: Path) -> int:
    """Chain, tree and places of all events, as `verify` does it."""
    from fillwright.adapters.integrity.verifying import verify_log

    with Log.open(store, writer=False) as log:
        return _timed(lambda: _verified(verify_log(log, jobs=os.cpu_count() or 1)))


def _verified(found: Verification) -> int:
    if not found.ok:
        raise SystemExit(f"the log does not verify: {found.what}")
    return found.size


def rebuild_all(store: Path) -> int:
    """All projections from nothing, with the chain checked, as `replay` does it."""
    from fillwright.adapters.replay.rebuilding import rebuild

    with Log.open(store, writer=False) as log:
        head = log.head().position
        return _timed(lambda: rebuild(log, head, seal=True).limits.position)


def rebuild_in_one(store: Path) -> int:
    """The same in one process."""
    from fillwright.adapters.replay.rebuilding import rebuild

    with Log.open(store, writer=False) as log:
        head = log.head().position
        rebuild(log, min(head, 1_000), seal=True)
        return _timed(lambda: rebuild(log, head, seal=True, parts=1).limits.position)


def replay_all(store: Path) -> int:
    """All that `fillwright replay` does."""
    from fillwright.adapters.replay.replaying import replay

    with Log.open(store, writer=False) as log:
        return _timed(lambda: _agreed(replay(log)))


def _agreed(found: Replay) -> int:
    # Counters and decisions are left out: a log made by insertion keeps none of the former, and the
    # plans of its copied sessions keep the seeds of the first, which come from other ids.
    if any(one.differences for one in found.projections):
        raise SystemExit(f"the log does not replay: {next(found.differences())}")
    return found.position


def decide_all(store: Path) -> int:
    """Every recorded decision decided again."""
    from fillwright.adapters.replay.replaying import replay_decisions

    with Log.open(store, writer=False) as log:
        return _timed(lambda: replay_decisions(log).position)


def write_mirror(store: Path) -> int:
    """The mirror written from nothing."""
    from fillwright.adapters.mirror.writing import update

    with Log.open(store, writer=False) as log:
        return _timed(lambda: update(log, store.with_name(MIRROR), rebuild=True).position)


def check_mirror(store: Path) -> int:
    """Files and chain of the mirror, without the log."""
    from fillwright.adapters.mirror.checking import check

    return _timed(lambda: check(store.with_name(MIRROR), None).events)


def pack_for_audit(store: Path) -> int:
    """Everything an auditor asks for, of the whole log, as `audit-pack` writes it."""
    from fillwright.adapters.handover.audit_pack import make_pack
    from fillwright.adapters.integrity.checkpoints import Checkpoint
    from fillwright.adapters.integrity.notes import SignerKey
    from fillwright.adapters.integrity.verifying import verify_log
    from fillwright.adapters.storage.ops_log import OpsLog

    key = SignerKey("fillwright/bench", bytes(range(32)))
    with (
        tempfile.TemporaryDirectory(prefix="fillwright-bench-", dir=store.parent) as folder,
        Log.open(store, writer=False) as log,
        OpsLog.open(store, writer=False) as ops,
    ):
        found = verify_log(log)
        records = ops.head()
        made = Checkpoint(key.name, found.size, found.root, found.head, 0, records).signed(key)
        out = Path(folder) / "pack"
        return _timed(lambda: int(make_pack(log, ops, 1, found.size, out, made, key)["to"]))


def figures_from_mirror(store: Path) -> int:
    """The report's figures and the limits' counters from columns."""
    from fillwright.adapters.mirror.figures import figures
    from fillwright.adapters.mirror.query import open_tables

    with open_tables(store.with_name(MIRROR), None) as tables:
        return _timed(lambda: figures(tables).position)


def ask_mirror(store: Path) -> int:
    """A question to a view, opening included."""
    from fillwright.adapters.mirror.query import open_tables

    def ask() -> int:
        with open_tables(store.with_name(MIRROR), None) as tables:
            sql = "SELECT symbol, strategy, count(*), sum(notional) FROM instructions GROUP BY ALL"
            list(tables.ask(sql).rows())
            return tables.position

    return _timed(ask)


def scan_by_duckdb(store: Path) -> int:
    """DuckDB alone over the columns that the figures need most."""
    import duckdb

    from fillwright.adapters.mirror.segments import read_manifest

    folder = store.with_name(MIRROR)
    files = [str(path) for path in read_manifest(folder).paths(folder)]
    connection = duckdb.connect(":memory:")
    sql = f"SELECT count(*), {SCAN} FROM read_parquet({files})"
    return _timed(lambda: int(connection.execute(sql).fetchall()[0][0]))


MEASURES: Final[dict[str, Callable[[Path], int]]] = {
    "library reads its log": library_reads,
    "read and decode": read_and_decode,
    "sha256 of the same bytes": hash_bytes,
    "verify": verify_all,
    "rebuild all, chain checked": rebuild_all,
    "the same in one process": rebuild_in_one,
    "replay, everything": replay_all,
    "decide all again": decide_all,
    "audit pack of all of it": pack_for_audit,
    "write the mirror": write_mirror,
    "check the mirror's chain": check_mirror,
    "figures from the mirror": figures_from_mirror,
    "one question to the mirror": ask_mirror,
    "plain DuckDB scan": scan_by_duckdb,
}

WRITE_MIRROR: Final = "write the mirror"
OF_MIRROR: Final = frozenset(
    {
        "check the mirror's chain",
        "figures from the mirror",
        "one question to the mirror",
        "plain DuckDB scan",
    }
)
"""What reads the mirror, which has to be written first."""

AIMS: Final = (
    # (what, its measure, against, at least)
    ("events a second, all projections from SQLite", "rebuild all, chain checked", None, 100_000),
    ("events a second, figures from the mirror", "figures from the mirror", None, 1_000_000),
    ("rebuild / library's reading", "rebuild all, chain checked", "library reads its log", 1.0),
    ("figures / plain scan", "figures from the mirror", "plain DuckDB scan", 0.1),
)

LINEAR: Final = (
    "rebuild all, chain checked",
    "verify",
    "audit pack of all of it",
    "write the mirror",
    "decide all again",
)
"""What may cost no more for an event of a long log than for one of a short log."""

_took: list[tuple[float, float]] = []
"""Seconds, and the processor's, of each timed action."""


def _timed(action: Callable[[], int]) -> int:
    began, cpu_began = time.perf_counter(), _processor()
    count = action()
    _took.append((time.perf_counter() - began, _processor() - cpu_began))
    return count


def _processor() -> float:
    """Seconds of processors that this process and those it has ended took."""
    taken = [resource.getrusage(whose) for whose in WHOSE]
    return sum(one.ru_utime + one.ru_stime for one in taken)


def run_one(name: str, store: Path) -> dict[str, Any]:
    """One measurement in this process."""
    started = Started()
    started.start()
    count = MEASURES[name](store)
    of_started, own = started.stop(), high_water_kb("self")
    seconds, cpu_seconds = _took[-1]
    return {
        "events": count,
        "per_second": count / seconds,
        "per_cpu_second": count / max(cpu_seconds, 1e-6),
        "peak_mb": round(max(own, of_started) / 1024),
        "own_mb": round(own / 1024),
        "started_mb": round(of_started / 1024),
    }


def measure(sizes: Sequence[int], rounds: int, names: Sequence[str]) -> list[dict[str, Any]]:
    """Every size, measurements in turn, medians of rounds."""
    from bench.log_of_any_size import make

    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder:
            store = Path(folder) / "log.db"
            count = make(store, size)
            runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
            for _ in range(rounds):
                for name in names:
                    _say(f"{count:,} events: {name}")
                    runs[name].append(_child(name, store))
        found.append(
            {
                "events": count,
                "per_second": _medians(runs, "per_second"),
                "per_cpu_second": _medians(runs, "per_cpu_second"),
                "peak_mb": {name: max(run["peak_mb"] for run in of) for name, of in runs.items()},
            }
        )
    return found


def _medians(runs: dict[str, list[dict[str, Any]]], what: str) -> dict[str, int]:
    return {
        name: round(statistics.median_low([run[what] for run in of])) for name, of in runs.items()
    }


def _child(name: str, store: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.replay", "--one", name, "--store", str(store)]
    done = subprocess.run(
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=RUN_SECONDS_MAX
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def ratios(sizes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each aim at the largest size, and how time and memory grow from the smallest to it."""
    rates = sizes[-1]["per_second"]
    rows: list[dict[str, Any]] = []
    for what, name, against, aim in AIMS:
        if name in rates and (against is None or against in rates):
            value = rates[name] if against is None else rates[name] / rates[against]
            met = value >= aim
            rows.append({"what": what, "value": round(value, 2), "aim": aim, "met": met})
    if len(sizes) > 1:
        first, last = sizes[0], sizes[-1]
        for name in LINEAR:
            if name in rates:
                growth = first["per_cpu_second"][name] / last["per_cpu_second"][name]
                what = (
                    f"processor per event, {last['events']:,} against {first['events']:,}: {name}"
                )
                rows.append(
                    {"what": what, "value": round(growth, 2), "aim": 1.3, "met": growth <= 1.3}
                )
    return rows


def summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows for the table of all benchmarks."""
    rows = []
    for size in result["sizes"]:
        for name, rate in size["per_second"].items():
            cpu, peak = size["per_cpu_second"][name], size["peak_mb"][name]
            figure = f"{rate:,.0f} events/s ({cpu:,.0f} a processor's), peak {peak} MB"
            rows.append((f"{size['events']:,}: {name}", figure))
    for row in result["ratios"]:
        verdict = "met" if row["met"] else "SHORT"
        rows.append((row["what"], f"{row['value']:,g}, aim {row['aim']:,g}, {verdict}"))
    return rows


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", default="100000,1000000", help="sizes, rising")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=list(MEASURES))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=list(MEASURES), help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(options.one, options.store)))
        return
    sizes = [int(size) for size in options.events.split(",")]
    wanted = set(options.only or MEASURES)
    if wanted & OF_MIRROR:
        wanted.add(WRITE_MIRROR)
    found = measure(sizes, options.rounds, [name for name in MEASURES if name in wanted])
    result = {"sizes": found, "ratios": ratios(found)}
    _say("")
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for what, figure in summary(result):
        print(f"{what:70}{figure}")


if __name__ == "__main__":
    main()
