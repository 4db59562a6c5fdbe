"""A real engine process over ``alpaca-py`` against a real paper server, killed at random."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fillwright.adapters.storage.schema import EVENTS_TABLE
from tests.live.agreement import Found, compared
from tests.paper.servers import KEY, SECRET, PaperServer, running

SPEED = 40
START = "14:30"
"""Late enough for the close to come soon: till then an order of unknown outcome is waited for."""
START_HELD = {"KO": 450, "AAPL": 150}
DECISIONS: list[dict[str, Any]] = [
    {"symbol": "KO", "action": "BUY", "target_weight": 4.5, "strategy": "twap"},
    {"symbol": "AAPL", "action": "TRIM", "target_weight": 1, "strategy": "iceberg"},
    {"symbol": "AAPL", "action": "ADD", "target_weight": 4, "strategy": "opportunistic"},
]
WINDOWS = ("12m", "10m", "10m")
LONG_WINDOWS = ("30m", "26m", "24m")
"""For more kills in one run, as long as that there is work at each of them."""
COMMON = {"confidence": 8, "max_slippage": 200, "urgency": "MEDIUM"}
SUBMISSION = {"method": "POST", "path": "/v2/orders"}
FAULTS: dict[str, dict[str, Any]] = {
    "latency": {"path": "/v2/", "milliseconds": 150, "probability": 0.3},
    "latency_after": {"path": "/v2/orders", "milliseconds": 2_500, "probability": 0.15},
    "rate_limit": {"path": "/v2/", "probability": 0.15},
    "error_before": {"path": "/v2/", "probability": 0.2},
    "error_after": SUBMISSION | {"probability": 0.4},
    "drop_before": {"path": "/v2/", "probability": 0.2},
    "drop_after": SUBMISSION | {"probability": 0.4},
    "reject": {"probability": 0.25},
    "partial": {"fraction": 0.5, "seconds": 20, "probability": 0.5},
    "drop_update": {"probability": 0.3},
    "duplicate_update": {"probability": 0.3},
    "reorder_update": {"probability": 0.3},
    "disconnect": {"stream": "trading", "probability": 0.15},
    "halt": {"symbol": "*", "seconds": 90},
}
"""Every fault of the server that orders can meet, at rates under which a run still gets on.

An answer that is late by ``latency_after`` comes after the client's patience.
"""
HALTED_AT = tuple(f"{14 + minute // 60}:{minute % 60:02}" for minute in range(34, 90, 4))
"""Often, since one that has begun before a process listens is not heard of by it."""
SURE: dict[str, Any] = {"probability": 1, "count": 1}
"""The first occasion is met for sure, whatever chance says of the others."""
MISSED = " never struck"
"""Ends the problem of a trial that shows nothing of a fault."""
RUN_SECONDS_MAX = 600.0
PATIENCE_SECONDS_MAX = 2.5
REQUEST_SECONDS_MAX = 2


@dataclass
class Trial:
    """One run with its kills and what was found.

    ``derived`` counts fills that no channel named and that the order's totals told of; ``given_up``
    instructions whose deadline passed while nobody worked them; ``struck`` how often each fault
    was met, a halt by the instructions that the engine suspended for it. One that was not met at
    all is a problem, as the trial then shows nothing of it.
    """

    seed: int
    faults: tuple[str, ...] = ()
    kills: int = 0
    problems: list[str] = field(default_factory=list)
    kills_at_work: int = 0
    orders: int = 0
    fills: int = 0
    derived: int = 0
    given_up: int = 0
    struck: dict[str, int] = field(default_factory=dict)


def trial(
    folder: Path,
    seed: int,
    *,
    kills: int,
    faults: tuple[str, ...] = (),
    windows: tuple[str, ...] = WINDOWS,
) -> Trial:
    """Trade three instructions, killing the engine ``kills`` times, and look for what is wrong."""
    made = Trial(seed, faults)
    if "halt" in faults:
        windows = LONG_WINDOWS
    chance = random.Random(seed)
    decisions, account = folder / "decisions.json", folder / "account.json"
    rows = [
        COMMON | row | {"decision_id": f"d{seed}-{i}", "window": window}
        for i, (row, window) in enumerate(zip(DECISIONS, windows, strict=True))
    ]
    decisions.write_text(json.dumps(rows))
    account.write_text(json.dumps({"cash": 945_000, "positions": START_HELD}))
    with running(
        seed=seed, speed=SPEED, start=START, account=account, journal=folder / "paper.db"
    ) as server:
        for name in faults:
            rule = {"fault": name, **FAULTS[name]}
            if name == "halt":
                for start in HALTED_AT:
                    server.fault(**rule, start=start)
            else:
                server.fault(**rule | SURE)
                server.fault(**rule)
        _run_and_kill(made, server, folder, chance, kills)
        struck: Counter[str] = Counter()
        for rule in server.call("GET", "/fillwright/faults").json():
            struck[rule["fault"]] += rule["strikes"]
        server.call("DELETE", "/fillwright/faults")
        _told(made, compared(server, folder, START_HELD, SPEED * REQUEST_SECONDS_MAX))
        made.struck |= struck
    made.problems += [f"{name}{MISSED}" for name in faults if not made.struck.get(name)]
    return made


def _told(made: Trial, found: Found) -> None:
    made.problems += found.problems
    if "halt" in made.faults:
        made.struck["halt"] = found.suspended
    made.orders, made.fills, made.derived = found.orders, found.fills, found.derived
    made.given_up = found.given_up


def _run_and_kill(
    made: Trial, server: PaperServer, folder: Path, chance: random.Random, kills: int
) -> None:
    ends = time.monotonic() + RUN_SECONDS_MAX
    while True:
        process = _engine(server, folder)
        before = _recorded(folder)
        if made.kills < kills:
            patience = chance.uniform(0.0, PATIENCE_SECONDS_MAX)
            # One kill in four may fall while the process is starting, the others on work.
            if made.kills % 4 != 3:
                _wait_for_work(process, folder, before, ends)
        else:
            patience = RUN_SECONDS_MAX
        try:
            code = process.wait(min(patience, max(ends - time.monotonic(), 0.1)))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            made.kills += 1
            made.kills_at_work += _recorded(folder) > before
            if time.monotonic() >= ends:
                made.problems.append("the run did not end in time")
                return
            continue
        if code != 0:
            said = (folder / "engine.err").read_text(errors="replace")[-600:]
            made.problems.append(f"the engine ended with {code}: {said}")
        return


def _wait_for_work(
    process: subprocess.Popen[bytes], folder: Path, before: int, ends: float
) -> None:
    """Return when the process has recorded something, or has ended."""
    while process.poll() is None and time.monotonic() < ends and _recorded(folder) <= before:
        time.sleep(0.02)


def _recorded(folder: Path) -> int:
    """How many events are in the log now."""
    path = folder / "log.db"
    if not path.exists():
        return 0
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        found = db.execute(f"SELECT max(position) FROM {EVENTS_TABLE}").fetchone()
    except sqlite3.Error:
        return 0
    finally:
        db.close()
    return int(found[0] or 0)


def _engine(server: PaperServer, folder: Path) -> subprocess.Popen[bytes]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FILLWRIGHT_", "APCA_"))}
    environment = kept | {
        "APCA_API_KEY_ID": KEY,
        "APCA_API_SECRET_KEY": SECRET,
        "APCA_API_BASE_URL": server.urls["trading_url"],
        "FILLWRIGHT_BROKER__REQUESTS_PER_MINUTE": "100000",
        "FILLWRIGHT_BROKER__REQUEST_TIMEOUT_SECONDS": str(REQUEST_SECONDS_MAX),
        "FILLWRIGHT_BROKER__RECONCILE_SECONDS": "120",
        "FILLWRIGHT_EXECUTION__REJECTS_MAX": "50",
    }
    command = [sys.executable, "-W", "ignore", "-m", "fillwright.adapters.entrypoints.cli", "run"]
    options = ["--broker", "alpaca", "--store", str(folder / "log.db"), "--debug", "--json"]
    with (folder / "engine.err").open("wb") as errors, (folder / "engine.out").open("wb") as out:
        return subprocess.Popen(
            [*command, str(folder / "decisions.json"), *options],
            env=environment,
            stdout=out,
            stderr=errors,
        )
