"""A simulated day: many TWAP parents over one symbol's quotes, with the durable log on.

    python -m bench.twap_day [--parents 100,1000] [--quotes 200000] [--json]

Each size runs in a process of its own, so that time and peak memory are its own. The peer's figure
for the same job without a durable log is printed beside it, as published, unless it can be run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from fillwright.adapters.engine import Arrival, EngineRules
from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.simulation import VenueTerms, simulate
from fillwright.domain.limits import Limits
from fillwright.domain.switching import SwitchingRules

DATE = "20240108"
OPEN_NS = 1_704_724_200_000_000_000
CLOSE_NS = OPEN_NS + 23_400 * 10**9
PEER = "NautilusTrader 1.221, published for this job without a durable log: 17-19 s, 367 MB"
SLICES = 8
SHARES = 800


def day_of(quotes: int) -> SymbolDay:
    """A random walk of ``quotes`` one-tick-spread quotes over one session."""
    random = np.random.Generator(np.random.PCG64(1))
    times = np.sort(random.integers(OPEN_NS, CLOSE_NS, quotes)).astype(np.int64)
    times[0] = OPEN_NS
    mid = 10_000 + np.cumsum(random.integers(-1, 2, quotes))
    bid, ask = (mid / 100.0)[:, None], ((mid + 1) / 100.0)[:, None]
    size = random.integers(1_000, 50_000, (quotes, 1)).astype(np.float64)
    none_f, none_i = np.empty(0, np.float64), np.empty(0, np.int64)
    return SymbolDay(
        symbol="TWAP",
        date=DATE,
        tick=Decimal("0.01"),
        lot=Decimal(1),
        levels=1,
        ext_level_size=Decimal(1_000_000),
        queue_share=Decimal("0.5"),
        q_ts=times,
        bid_px=bid,
        bid_sz=size,
        ask_px=ask,
        ask_sz=size[::-1].copy(),
        t_ts=none_i,
        t_px=none_f,
        t_sz=none_f,
        aggressor=none_i.astype(np.int8),
        lit=none_i.astype(bool),
        regular=none_i.astype(bool),
        venue=None,
    )


LIMITS = Limits(
    trades_max_per_day=1_000_000,
    turnover_pct_max=Decimal(100_000),
    position_pct_max=Decimal(1_000),
    order_value_usd_max=Decimal("1e12"),
    adv_fraction_max=Decimal(10),
    decisions_per_minute_max=1_000_000,
    quote_age_seconds_max=Decimal(3_600),
)
RULES = EngineRules(messages_per_minute=1_000_000, switching=SwitchingRules(switches_max=0))


async def trade(
    day: SymbolDay, parents: int, store: str, stagger_ns: int
) -> tuple[float, int, int]:
    """Work all parents; gives seconds, events recorded, and shares executed."""
    venue = VenueTerms(cash=Decimal("1e10"), fees=Fees(), check_buying_power=False)
    with simulate([day], store=store, venue=venue, rules=RULES, limits=LIMITS) as simulation:
        began = time.perf_counter()
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
                "window": "2h",
                "max_slippage": None,
                "must_complete": True,
            }
            simulation.engine.schedule(
                Arrival(fields), OPEN_NS + 1800 * 10**9 + number * stagger_ns
            )
        await simulation.engine.run()
        taken = time.perf_counter() - began
        instructions = simulation.engine.desk.instructions.values()
        executed = int(sum(instruction.executed for instruction in instructions))
        return taken, simulation.log.head().position, executed


def run_one(parents: int, quotes: int, stagger_ns: int = 0) -> dict[str, Any]:
    """One size in this process."""
    day = day_of(quotes)
    with tempfile.TemporaryDirectory() as folder:
        seconds, events, executed = asyncio.run(
            trade(day, parents, str(Path(folder) / "day.db"), stagger_ns)
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "parents": parents,
        "quotes": quotes,
        "seconds": round(seconds, 3),
        "events": events,
        "events_per_second": round(events / seconds),
        "peak_mb": round(peak),
        "complete": executed == parents * SHARES,
    }


def main() -> None:
    """Run every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parents", default="100,1000")
    parser.add_argument("--quotes", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(options.one, options.quotes)))
        return
    rows = []
    for size in options.parents.split(","):
        command = [sys.executable, "-m", "bench.twap_day", "--one", size]
        done = subprocess.run(
            [*command, "--quotes", str(options.quotes)], check=True, capture_output=True, text=True
        )
        rows.append(json.loads(done.stdout))
    first, last = rows[0], rows[-1]
    growth = (last["seconds"] / first["seconds"]) / (last["parents"] / first["parents"])
    if options.json:
        print(json.dumps({"rows": rows, "growth": round(growth, 2), "peer": PEER}))
        return
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    print(f"time per parent, largest against smallest: {growth:.2f} (1 is linear)")
    print(PEER)


if __name__ == "__main__":
    main()
