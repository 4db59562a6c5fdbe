"""Durable instruction lifecycles per second, beside the library we build on and raw SQLite.

    python -m bench.lifecycles [--seconds 2] [--rounds 3] [--sync-ms 2] [--json] [--profile]

One run measures all contenders in turn, round after round, and compares medians: absolute figures
move between machines and runs, ratios inside one run far less. See ``bench/README.md``.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.lifecycle_contenders import (
    EVENTS_PER_BATCH,
    EVENTS_PER_LIFECYCLE,
    PLAIN_THREADS,
    Lifecycle,
    Ours,
    OursWhole,
    Plain,
    Raw,
    lifecycles,
    stored_rows,
)


class Contender(NamedTuple):
    """A name and a run: (folder, work, sync seconds) gives the seconds it took."""

    name: str
    run: Callable[[Path, Sequence[Lifecycle], float], float]


def timed(action: Callable[[], object]) -> float:
    """Seconds that ``action`` takes."""
    # What was made before is nobody's cost: keep the collector from walking it.
    gc.collect()
    gc.freeze()
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def plain(threads: int, *, per_event: bool) -> Callable[..., float]:
    def run(folder: Path, work: Sequence[Lifecycle], sync_seconds: float) -> float:
        with closing(Plain(folder, sync_seconds)) as one:
            return timed(lambda: one.run(work, threads=threads, per_event=per_event))

    return run


def raw(events_per_commit: int) -> Callable[..., float]:
    def run(folder: Path, work: Sequence[Lifecycle], sync_seconds: float) -> float:
        rows = stored_rows(work)
        with closing(Raw(folder, sync_seconds)) as one:
            return timed(lambda: one.run(rows, events_per_commit=events_per_commit))

    return run


def ours(in_flight: int, kind: type[Ours] = Ours) -> Callable[..., float]:
    def run(folder: Path, work: Sequence[Lifecycle], sync_seconds: float) -> float:
        with closing(kind(folder, sync_seconds, threaded=in_flight > 1)) as one:
            return timed(lambda: one.run(work, in_flight=in_flight))

    return run


CONTENDERS: Final = (
    Contender("plain, save per event, 1 caller", plain(1, per_event=True)),
    Contender("plain, save per event, 64 threads", plain(PLAIN_THREADS, per_event=True)),
    Contender("plain, save per lifecycle, 1 caller", plain(1, per_event=False)),
    Contender("raw SQLite, 1 event per commit", raw(1)),
    Contender("raw SQLite, 576 events per commit", raw(EVENTS_PER_BATCH)),
    Contender("fillwright, 1 in flight", ours(1)),
    Contender("fillwright, 64 in flight", ours(64)),
    Contender("fillwright, 512 in flight", ours(512)),
    Contender("fillwright, 64, with its commands", ours(64, OursWhole)),
    Contender("raw SQLite, 64 events per commit", raw(64)),
)

AIMS: Final = (
    # (what, contender, against, at least, only with slow syncs)
    ("lone caller / plain per event", 5, (0,), 2.2, False),
    ("lone caller / raw 1 per commit", 5, (3,), 0.5, False),
    ("64 in flight / plain per event", 6, (0, 1), 8.0, False),
    ("512 in flight / plain per event", 7, (0, 1), 8.0, False),
    ("64 in flight / raw 576 per commit", 6, (4,), 0.35, False),
    ("512 in flight / raw 576 per commit", 7, (4,), 0.35, False),
    ("64 in flight / plain per event", 6, (0, 1), 40.0, True),
    ("512 in flight / plain per event", 7, (0, 1), 40.0, True),
)
"""Ratios that the design asks for; against the better of several plain figures."""

LIMITS: Final = {5: 3, 6: 9, 7: 4}
"""Raw SQLite with as many events in a commit, by contender: what no store on it can beat."""

LIFECYCLES_MAX: Final = 20_000


def measure(seconds: float, rounds: int, sync_seconds: float) -> list[float]:
    """Lifecycles per second of each contender: the median of interleaved rounds."""
    results: list[list[float]] = [[] for _ in CONTENDERS]
    share = seconds / rounds
    for number in range(rounds):
        for index, contender in enumerate(CONTENDERS):
            known = results[index][-1] if results[index] else _rate(contender, 64, sync_seconds)
            count = int(min(max(known * share, 64), LIFECYCLES_MAX))
            results[index].append(_rate(contender, count, sync_seconds))
            _say(f"round {number + 1}/{rounds}: {contender.name}: {results[index][-1]:,.0f}/s")
    return [statistics.median(rates) for rates in results]


def _rate(contender: Contender, count: int, sync_seconds: float) -> float:
    work = lifecycles(count, start=1)
    with tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder:
        return count / contender.run(Path(folder), work, sync_seconds)


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def ratios(rates: Sequence[float], *, slow: bool) -> list[dict[str, Any]]:
    """Each aim with what was measured."""
    found = []
    for what, contender, against, aim, only_slow in AIMS:
        if only_slow == slow:
            against_rate = max(rates[index] for index in against)
            ratio = rates[contender] / against_rate
            limit = rates[LIMITS[contender]] / against_rate
            found.append(
                {
                    "what": what,
                    "ratio": round(ratio, 2),
                    "aim": aim,
                    "met": ratio >= aim,
                    "raw_ratio": round(limit, 2),
                }
            )
    return found


def report_text(title: str, rates: Sequence[float], *, slow: bool) -> str:
    """The figures for a terminal."""
    lines = ["", title, f"{'':40}{'lifecycles/s':>14}{'events/s':>12}"]
    for contender, rate in zip(CONTENDERS, rates, strict=True):
        lines.append(f"{contender.name:40}{rate:>14,.0f}{rate * EVENTS_PER_LIFECYCLE:>12,.0f}")
    lines.append("")
    for row in ratios(rates, slow=slow):
        verdict = "met" if row["met"] else "SHORT"
        lines.append(
            f"{row['what']:40}{row['ratio']:>13.2f}x  aim {row['aim']:g}x  {verdict:5}  "
            f"raw SQLite itself {row['raw_ratio']:.2f}x"
        )
    return "\n".join(lines)


def profile(in_flight: int, count: int = 2_000) -> None:
    """Print where the time of our contender goes (the calling thread; the other is beside)."""
    work = lifecycles(count, start=1)
    with tempfile.TemporaryDirectory(prefix="fillwright-bench-") as folder:
        profiler = cProfile.Profile()
        with closing(Ours(Path(folder), 0, threaded=in_flight > 1)) as one, profiler:
            one.run(work, in_flight=in_flight)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


def main() -> None:
    """Measure, print, and say which aims are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3.0, help="per contender, all rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sync-ms", type=float, default=2.0, help="added to each commit; 0: skip")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", type=int, metavar="IN_FLIGHT", help="profile ours instead")
    options = parser.parse_args()
    if options.profile:
        profile(options.profile)
        return
    fast = measure(options.seconds, options.rounds, 0)
    slow = (
        measure(options.seconds, options.rounds, options.sync_ms / 1e3) if options.sync_ms else []
    )
    _say("")
    if options.json:
        names = [contender.name for contender in CONTENDERS]
        result = {
            "events_per_lifecycle": EVENTS_PER_LIFECYCLE,
            "lifecycles_per_second": dict(zip(names, fast, strict=True)),
            "ratios": ratios(fast, slow=False),
            "sync_ms": options.sync_ms,
            "lifecycles_per_second_slow_sync": dict(zip(names, slow, strict=True)) if slow else {},
            "ratios_slow_sync": ratios(slow, slow=True) if slow else [],
        }
        print(json.dumps(result, indent=1))
        return
    print(report_text("This disk, synchronous=FULL", fast, slow=False))
    if slow:
        title = f"The same with {options.sync_ms:g} ms added to every commit"
        print(report_text(title, slow, slow=True))


if __name__ == "__main__":
    main()
