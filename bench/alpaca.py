"""From a decision to an order that the broker has, beside the bare client's same POST.

    python -m bench.alpaca [--decisions N] [--working N] [--json]

Paper servers on loopback in processes of their own, the unmodified ``alpaca-py`` client before
them.
The first part measures one decision after the other: from handing it over to the answer that the
broker took its first order, with the decision, the plan and the intent durable before it is sent;
beside it the bare client sends the same order to the other server, in turns. The first decision in
each symbol also reads 30 days of its minutes and is told apart. ``stages`` says where the time of
the others went. The second part has many instructions work at once in one process and tells its
share of a core and its memory.
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
from fillwright.adapters.alpaca_api.rest import AlpacaRest
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


def access_to(url: str) -> AlpacaAccess:
    """Access that no budget of requests holds up."""
    return AlpacaAccess(
        SecretStr(KEY), SecretStr(SECRET), trading_url=url, requests_per_minute=1_000_000
    )


def opened(url: str, folder: Path) -> tuple[AlpacaProvider, Application]:
    """The application over the server, with limits that do not end the benchmark."""
    access = access_to(url)
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


class Stages:
    """When one decision passed each station, in seconds since it was handed over."""

    def __init__(self, application: Application, rest: AlpacaRest) -> None:
        self.passed: dict[str, float] = {}
        self.of: dict[str, list[float]] = {}
        desk = application.engine.desk
        told, figures, posted = desk.on_event, desk.broker.positions, rest.post
        sent = desk.broker.send

        def event(one: e.DomainEvent) -> None:
            if told is not None:
                told(one)
            self._pass({e.InstructionPlanned: "planned", e.OrderIntended: "decided"}.get(type(one)))
            if isinstance(one, e.OrderAcknowledged):
                self._pass("accepted")

        async def positions() -> Any:
            found = await figures()
            self._pass("account and positions asked")
            return found

        async def send(commands: Any) -> None:
            self._pass("intent durable")
            await sent(commands)

        def post(*said: Any) -> Any:
            answer = posted(*said)
            self._pass("broker answered")
            return answer

        desk.on_event = event
        desk.broker.positions, desk.broker.send = positions, send  # type: ignore[method-assign]
        rest.post = post  # type: ignore[method-assign]

    def begin(self) -> None:
        """A decision is handed over now."""
        self.passed, self._began = {}, time.perf_counter()

    def end(self, *, counts: bool) -> float | None:
        """Seconds to acceptance, None when there was none; ``counts`` in the sums by stage."""
        taken = self.passed.get("accepted")
        if taken is not None and counts:
            before = 0.0
            for name, at in sorted(self.passed.items(), key=lambda item: item[1]):
                self.of.setdefault(name, []).append(at - before)
                before = at
        return taken

    def _pass(self, name: str | None) -> None:
        if name is not None and hasattr(self, "_began"):
            self.passed.setdefault(name, time.perf_counter() - self._began)


async def latencies(
    application: Application, provider: AlpacaProvider, bare_client: AlpacaRest, count: int
) -> dict[str, Any]:
    """Seconds from decision to acceptance, and of the bare client's POST, in turns."""
    ours: list[float] = []
    first: list[float] = []
    bare: list[float] = []
    stages = Stages(application, provider.rest)
    loop = asyncio.get_running_loop()
    for number in range(count + len(SYMBOLS)):
        is_first = number < len(SYMBOLS)
        decision = {
            "decision_id": f"bench-{number}",
            "symbol": SYMBOLS[number % 2],
            "action": "BUY" if number % 4 < 2 else "CLOSE",
            "target_weight": 0.5 if number % 4 < 2 else None,
            "strategy": "market",
            "max_slippage": 300,
            "confidence": 5,
        }
        stages.begin()
        await application.execute({k: v for k, v in decision.items() if v is not None})
        taken = stages.end(counts=not is_first)
        if taken is not None:
            (first if is_first else ours).append(taken)
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
        await loop.run_in_executor(None, bare_client.post, "/orders", body)
        bare.append(time.perf_counter() - start)
    return {
        "decision_to_accepted": points(ours),
        "first_in_its_symbol_ms": [round(each * 1e3, 1) for each in first],
        "bare_client_post": points(bare),
        "stages": {name: points(each) for name, each in stages.of.items()},
    }


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
        servers = [server() for _ in ("ours", "the bare client's")]
        (_, url), (_, other) = servers
        with tempfile.TemporaryDirectory() as folder:
            provider, application = opened(url, Path(folder))
            try:
                if part == "latency":
                    bare = AlpacaRest(access_to(other))
                    found |= asyncio.run(latencies(application, provider, bare, count))
                else:
                    found["many"] = asyncio.run(many(application, working))
            finally:
                application.close()
                for process, _ in servers:
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
        told = figures.items() if name == "stages" else ((name, figures),)
        for label, each in told:
            print(f"{label:28} {each}")


if __name__ == "__main__":
    main()
