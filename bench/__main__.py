"""Run every benchmark, one after the other, and print one table at the end.

python -m bench [--quick] [--peer-python PATH]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import (
    checks,
    cost_analysis,
    decisions,
    failover,
    postgres,
    replay,
    start_up,
    twap_day,
    verify_speed,
)

ROOT = Path(__file__).resolve().parents[1]
RUN_SECONDS_MAX = 3_600
Rows = list[tuple[str, str]]


def run(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What a benchmark prints as JSON, from a process of its own; its progress stays visible."""
    print(f"running bench.{module} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{module}", "--json", *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=RUN_SECONDS_MAX,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def lifecycle_rows(result: dict[str, Any]) -> Rows:
    """Rates, and ratios with their aims."""
    rows = [(name, f"{rate:,.0f} /s") for name, rate in result["lifecycles_per_second"].items()]
    slow = f", {result['sync_ms']:g} ms more a sync"
    for suffix, name in (("", "ratios"), (slow, "ratios_slow_sync")):
        for row in result[name]:
            verdict = "met" if row["met"] else "SHORT"
            figure = f"{row['ratio']:.2f}x, aim {row['aim']:g}x, {verdict}"
            rows.append((row["what"] + suffix, figure))
    return rows


def main() -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one round of each: rough figures")
    parser.add_argument("--peer-python", help=f"an interpreter with {twap_day.PEER_REQUIREMENT}")
    requirement = cost_analysis.PEER_REQUIREMENT
    parser.add_argument("--cost-peer-python", help=f"an interpreter with {requirement}")
    options = parser.parse_args()
    peer = ["--peer-python", options.peer_python] if options.peer_python else []
    rounds = ["--rounds", "1"] if options.quick else []
    brief = [*rounds, "--seconds", "1"] if options.quick else []
    together = [*rounds, *peer]
    apart = [*together, "--stagger-seconds", "1", "--parents", "1000"]
    sizes = ["--events", "100000"] if options.quick else ["--events", "100000,1000000"]
    other = options.cost_peer_python
    costs = [*rounds, *(["--peer-python", other] if other else [])]
    tables = [
        ("Durable lifecycles", lifecycle_rows(run("lifecycles", brief))),
        ("Appending on PostgreSQL", postgres.summary(run("postgres", brief))),
        ("An owner that is gone", failover.summary(run("failover", rounds))),
        ("TWAP day, all at once", twap_day.summary(run("twap_day", together))),
        ("TWAP day, a second apart", twap_day.summary(run("twap_day", apart))),
        ("Checks of one decision", checks.summary(run("checks", rounds))),
        ("One decision", decisions.summary(run("decisions", rounds))),
        ("Replay, mirror, queries", replay.summary(run("replay", [*rounds, *sizes]))),
        ("Start-up", start_up.summary(run("start_up", [*rounds, *sizes]))),
        ("Verification", verify_speed.summary(run("verify_speed", rounds))),
        ("Cost of a month", cost_analysis.summary(run("cost_analysis", costs))),
    ]
    width = max(len(what) for _, rows in tables for what, _ in rows) + 2
    for title, rows in tables:
        print(f"\n{title}")
        for what, figure in rows:
            print(f"  {what:{width}}{figure}")


if __name__ == "__main__":
    main()
