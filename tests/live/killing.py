"""A real engine process over ``alpaca-py`` against a real paper server, killed at random.

What must hold afterwards is read from the server's own journal and lists, never from the engine's
word alone.
"""

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
from decimal import Decimal
from pathlib import Path
from typing import Any

from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.schema import EVENTS_TABLE
from fillwright.projections.blotter import Blotter
from fillwright.projections.daily_limits import DailyLimits
from fillwright.projections.runner import follow
from tests.paper.servers import KEY, SECRET, PaperServer, running

SPEED = 40
START_HELD = {"KO": 450, "AAPL": 150}
DECISIONS: list[dict[str, Any]] = [
    {"symbol": "KO", "action": "BUY", "target_weight": 4.5, "strategy": "twap", "window": "12m"},
    {
        "symbol": "AAPL",
        "action": "TRIM",
        "target_weight": 1,
        "strategy": "iceberg",
        "window": "10m",
    },
    {
        "symbol": "AAPL",
        "action": "ADD",
        "target_weight": 4,
        "strategy": "opportunistic",
        "window": "10m",
    },
]
COMMON = {"confidence": 8, "max_slippage": 200, "urgency": "MEDIUM"}
FAULTS: dict[str, dict[str, Any]] = {
    "latency": {"path": "/v2/", "milliseconds": 150, "probability": 0.3},
    "latency_after": {"path": "/v2/orders", "milliseconds": 300, "probability": 0.3},
    "rate_limit": {"path": "/v2/", "probability": 0.15},
    "error_before": {"path": "/v2/", "probability": 0.2},
    "error_after": {"method": "POST", "path": "/v2/orders", "probability": 0.3},
    "drop_before": {"path": "/v2/", "probability": 0.2},
    "drop_after": {"method": "POST", "path": "/v2/orders", "probability": 0.3},
    "reject": {"symbol": "KO", "probability": 0.1},
    "partial": {"fraction": 0.5, "seconds": 20, "probability": 0.3},
    "drop_update": {"probability": 0.3},
    "duplicate_update": {"probability": 0.3},
    "reorder_update": {"probability": 0.3},
    "disconnect": {"stream": "trading", "probability": 0.05},
    "halt": {"symbol": "KO", "seconds": 60},
}
"""Every fault of the server that orders can meet, at rates under which a run still gets on."""
RUN_SECONDS_MAX = 400.0
PATIENCE_SECONDS_MAX = 2.5


@dataclass
class Trial:
    """One run with its kills and what was found."""

    seed: int
    faults: tuple[str, ...] = ()
    kills: int = 0
    problems: list[str] = field(default_factory=list)
    kills_at_work: int = 0
    orders: int = 0
    fills: int = 0


def trial(
    folder: Path, seed: int, *, kills: int, faults: tuple[str, ...] = (), speed: int = SPEED
) -> Trial:
    """Trade three instructions, killing the engine ``kills`` times, and look for what is wrong."""
    made = Trial(seed, faults)
    chance = random.Random(seed)
    decisions, account = folder / "decisions.json", folder / "account.json"
    decisions.write_text(
        json.dumps(
            [COMMON | row | {"decision_id": f"d{seed}-{i}"} for i, row in enumerate(DECISIONS)]
        )
    )
    account.write_text(json.dumps({"cash": 945_000, "positions": START_HELD}))
    with running(
        seed=seed, speed=speed, start="10:00", account=account, journal=folder / "paper.db"
    ) as server:
        for name in faults:
            rule = {"fault": name, **FAULTS[name]}
            if name == "halt":
                rule["start"] = "10:06"
            server.fault(**rule)
        _run_and_kill(made, server, folder, chance, kills)
        server.call("DELETE", "/fillwright/faults")
        check(made, server, folder)
    return made


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
            if made.kills % 4:
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
        "FILLWRIGHT_BROKER__REQUEST_TIMEOUT_SECONDS": "2",
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


# -- what must hold ------------------------------------------------------------------------------


def check(made: Trial, server: PaperServer, folder: Path) -> None:
    """Compare ``log.db`` in the folder with what the server and its journal say."""
    blotter, usage = Blotter(), DailyLimits()
    with Log.open(str(folder / "log.db"), writer=False) as log:
        if not log.verify().ok:
            made.problems.append("the chain does not verify")
        follow([blotter, usage], log.events())
        stored = log.counters()
    theirs = _orders(server)
    _check_orders(made, blotter, theirs, folder)
    _check_fills(made, blotter, server)
    _check_positions(made, blotter, server)
    _check_ends(made, blotter)
    folded = usage.counters()
    if {k: v for k, v in stored.items() if v} != {k: v for k, v in folded.items() if v}:
        made.problems.append(f"counters: stored {stored}, told by the log {folded}")


def _orders(server: PaperServer) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    after = "2024-06-11T00:00:00Z"
    while True:
        page = server.call(
            "GET",
            "/v2/orders",
            params={"status": "all", "limit": 500, "direction": "asc", "after": after},
        ).json()
        rows.update((row["id"], row) for row in page)
        if len(page) < 500:
            return {row["client_order_id"]: row for row in rows.values()}
        after = page[-1]["submitted_at"]


def _check_orders(
    made: Trial, blotter: Blotter, theirs: dict[str, dict[str, Any]], folder: Path
) -> None:
    ours = {o.client_order_id: o for row in blotter.rows() for o in row.orders}
    made.orders = len(theirs)
    for name in theirs.keys() - ours.keys():
        made.problems.append(f"{name} is at the broker and not in the log")
    for name, order in ours.items():
        at_broker = theirs.get(name)
        executed = Decimal(at_broker["filled_qty"]) if at_broker else Decimal(0)
        if order.executed != executed:
            made.problems.append(f"{name}: {order.executed} in the log, {executed} at the broker")
        if order.open:
            made.problems.append(f"{name} is still open in the log")
    db = sqlite3.connect(f"file:{folder / 'paper.db'}?mode=ro", uri=True)
    rows = db.execute("SELECT content FROM command").fetchall()
    db.close()
    sent = Counter(name for (text,) in rows if (name := _client_id(json.loads(text))) is not None)
    made.problems += [f"{name} was accepted {n} times" for name, n in sent.items() if n > 1]


def _client_id(command: Any) -> str | None:
    """The client order id of a submission in the server's journal, None of anything else."""
    if isinstance(command, dict):
        if isinstance(command.get("client_order_id"), str):
            return str(command["client_order_id"])
        for value in command.values():
            found = _client_id(value)
            if found is not None:
                return found
    if isinstance(command, list):
        for value in command:
            found = _client_id(value)
            if found is not None:
                return found
    return None


def _check_fills(made: Trial, blotter: Blotter, server: PaperServer) -> None:
    token, theirs = None, []
    while True:
        parameters = {"direction": "asc", "page_size": 100}
        if token:
            parameters["page_token"] = token
        page = server.call("GET", "/v2/account/activities/FILL", params=parameters).json()
        theirs += page
        if len(page) < 100:
            break
        token = page[-1]["id"]
    made.fills = len(theirs)
    bought = sum((_signed(row) for row in theirs), Decimal(0))
    ours = sum(
        (
            (1 if row.side and row.side.value == "buy" else -1) * fill.quantity
            for row in blotter.rows()
            for fill in row.fills
        ),
        Decimal(0),
    )
    if bought != ours:
        made.problems.append(f"fills add up to {ours} in the log, {bought} at the broker")


def _signed(row: dict[str, Any]) -> Decimal:
    return (1 if row["side"] == "buy" else -1) * Decimal(row["qty"])


def _check_positions(made: Trial, blotter: Blotter, server: PaperServer) -> None:
    held = {
        row["symbol"]: Decimal(row["qty"]) for row in server.call("GET", "/v2/positions").json()
    }
    expected = Counter({symbol: Decimal(n) for symbol, n in START_HELD.items()})
    for row in blotter.rows():
        if row.side is not None:
            expected[row.symbol] += row.side.sign * row.executed
    for symbol in expected.keys() | held.keys():
        if expected.get(symbol, 0) != held.get(symbol, Decimal(0)):
            made.problems.append(
                f"{symbol}: {expected.get(symbol)} expected, {held.get(symbol)} held"
            )


def _check_ends(made: Trial, blotter: Blotter) -> None:
    grace = 90 * 1_000_000_000 * SPEED // 10
    for row in blotter.rows():
        if not row.is_done:
            made.problems.append(f"{row.decision_id} has not ended")
        if row.executed > row.requested:
            made.problems.append(f"{row.decision_id}: {row.executed} of {row.requested}")
        late = [o for o in row.orders if row.window_ends_at and o.placed_at > row.window_ends_at]
        for order in late:
            if order.placed_at - (row.window_ends_at or 0) > grace:
                made.problems.append(f"{order.client_order_id} was placed after the deadline")
