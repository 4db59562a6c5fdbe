"""From a decision to an order that the broker has, beside the bare client's same POST.

    python -m bench.alpaca [--decisions N] [--working N] [--json]

A paper server on loopback in a process of its own, the unmodified ``alpaca-py`` client before it.
The first part measures one decision after the other: from handing it over to the answer that the
broker took its first order, with the decision, the plan and the intent durable before it is sent;
beside it the bare client sends the same order, in turns. The second part has many instructions
work at once in one process and tells its share of a core and its memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from fillwright.adapters.alpaca_api.access import AlpacaAccess
from fillwright.adapters.alpaca_provider import AlpacaProvider
from fillwright.adapters.application import Application
from fillwright.domain import events as e

KEY, SECRET = "bench-key", "bench-secret"
SYMBOLS = ("KO", "AAPL")
WORKING_STRATEGIES = ("twap", "vwap", "opportunistic")
WORKING_SECONDS = 30.0


def server() -> tuple[subprocess.Popen[str], str]:
    """A paper server on a free port; gives its trading address."""
    command = [sys.executable, "-W", "ignore", "-m", "fillwright.adapters.entrypoints.cli", "paper"]
    options = ["--port", "0", "--key", KEY, "--secret", SECRET, "--generated", "--rate-limit", "0"]
    process = subprocess.Popen(
        [*command, *options, "--session", "2024-06-12"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["trading_url"]


def opened(url: str, folder: Path) -> tuple[AlpacaProvider, Application]:
    """The application over the server, with limits that do not end the benchmark."""
    access = AlpacaAccess(
        SecretStr(KEY), SecretStr(SECRET), trading_url=url, requests_per_minute=1_000_000
    )
    provider = AlpacaProvider(access)
    settings = {
        "limits": {
            "trades_max_per_day": 100_000,
            "turnover_pct_max": 100_000,
            "position_pct_max": 100,
            "decisions_per_minute_max": 100_000,
        },
        "execution": {"messages_per_minute": 100_000},
    }
    return provider, Application.open(provider, settings, store=str(folder / "log.db"))


async def latencies(application: Application, provider: AlpacaProvider, count: int) -> Any:
    """Seconds from decision to acceptance, and of the bare client's POST, in turns."""
    accepted: dict[str, float] = {}

    def watch(event: e.DomainEvent) -> None:
        if isinstance(event, e.OrderAcknowledged):
            accepted.setdefault(str(event.originator_id), time.perf_counter())

    told = application.engine.desk.on_event

    def both(event: e.DomainEvent) -> None:
        watch(event)
        if told is not None:
            told(event)

    application.engine.desk.on_event = both
    ours, bare = [], []
    loop = asyncio.get_running_loop()
    for number in range(count):
        decision = {
            "decision_id": f"bench-{number}",
            "symbol": SYMBOLS[number % 2],
            "action": "BUY" if number % 4 < 2 else "CLOSE",
            "target_weight": 0.5 if number % 4 < 2 else None,
            "strategy": "market",
            "max_slippage": 300,
            "confidence": 5,
        }
        start = time.perf_counter()
        outcome = await application.execute({k: v for k, v in decision.items() if v is not None})
        id = outcome.result.instruction_id if outcome.result else ""
        if id in accepted:
            ours.append(accepted[id] - start)
        body = {
            "symbol": SYMBOLS[number % 2],
            "qty": "1",
            "side": "buy",
            "type": "limit",
            "limit_price": "1.00",
            "time_in_force": "ioc",
            "client_order_id": str(uuid.uuid4()),
        }
        start = time.perf_counter()
        await loop.run_in_executor(None, provider.rest.post, "/orders", body)
        bare.append(time.perf_counter() - start)
    return ours, bare


def points(seconds: list[float]) -> dict[str, float]:
    """Milliseconds: median and 99th percentile."""
    ordered = sorted(seconds)
    return {
        "count": len(ordered),
        "p50_ms": round(statistics.median(ordered) * 1e3, 2),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1e3, 2),
    }


async def many(application: Application, count: int) -> dict[str, float]:
    """CPU share and memory while ``count`` instructions work at once."""
    await application.prepare()
    decisions = [
        {
            "decision_id": f"many-{number}",
            "symbol": SYMBOLS[number % 2],
            "action": "BUY",
            "target_weight": round(0.2 + 0.1 * (number // 2 + 1), 4),
            "strategy": WORKING_STRATEGIES[number // 2 % len(WORKING_STRATEGIES)],
            "window": "40m",
            "slices": 24,
            "max_slippage": 300,
            "confidence": 5,
        }
        for number in range(count)
    ]
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    admitted = [await application.admit(decision) for decision in decisions]
    admission = time.perf_counter() - start
    active = len(application.engine.desk.active)
    cpu, first = time.process_time(), application.engine.desk.log.head().position
    await asyncio.sleep(WORKING_SECONDS)
    share = (time.process_time() - cpu) / WORKING_SECONDS
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "asked": len(admitted),
        "working": active,
        "admissions_per_second": round(count / admission, 1),
        "still_working": len(application.engine.desk.active),
        "events_per_second": round(
            (application.engine.desk.log.head().position - first) / WORKING_SECONDS, 1
        ),
        "orders_open": sum(len(i.live) for i in application.engine.desk.active.values()),
        "cpu_share_of_a_core": round(share, 3),
        "resident_mb": round(after.ru_maxrss / 1024, 1),
        "resident_mb_before": round(before.ru_maxrss / 1024, 1),
    }


def measure(count: int, working: int) -> dict[str, Any]:
    """Both parts, each with a server and a store of its own."""
    found: dict[str, Any] = {}
    for part in ("latency", "many"):
        process, url = server()
        with tempfile.TemporaryDirectory() as folder:
            provider, application = opened(url, Path(folder))
            try:
                if part == "latency":
                    ours, bare = asyncio.run(latencies(application, provider, count))
                    found["decision_to_accepted"] = points(ours)
                    found["bare_client_post"] = points(bare)
                else:
                    found["many"] = asyncio.run(many(application, working))
            finally:
                application.close()
                process.terminate()
                process.wait(20)
    ratio = found["decision_to_accepted"]["p50_ms"] / found["bare_client_post"]["p50_ms"]
    found["ratio_p50"] = round(ratio, 2)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--decisions", type=int, default=200)
    parser.add_argument("--working", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.pop("FILLWRIGHT_STORE", None)
    found = measure(options.decisions, options.working)
    if options.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(f"{name:24} {figures}")


if __name__ == "__main__":
    main()
