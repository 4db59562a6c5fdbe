"""Whether a log and a paper server tell the same of a run.

What must hold is read from the server's own journal and lists, never from the engine's word alone.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from fillwright.adapters.storage.log import Log
from fillwright.domain.events import InstructionSuspended
from fillwright.domain.ports import NANOS
from fillwright.domain.result import Fill
from fillwright.projections.blotter import Blotter, BlotterRow
from fillwright.projections.daily_limits import DailyLimits
from fillwright.projections.runner import follow
from tests.live.deadlines import Deadlines
from tests.paper.servers import PaperServer

AVERAGE_ERROR = Decimal("0.0001")
"""What a price that was derived from averages may be off, per share."""


@dataclass
class Found:
    """What a comparison found."""

    problems: list[str] = field(default_factory=list)
    orders: int = 0
    fills: int = 0
    derived: int = 0
    given_up: int = 0
    suspended: int = 0


class Executed(NamedTuple):
    """One execution as the server has it, under both ids that its channels give it."""

    client_order_id: str
    execution_id: str
    activity_id: str
    quantity: Decimal
    price: Decimal


def compared(
    server: PaperServer, folder: Path, held_before: Mapping[str, int], sending_seconds: float
) -> Found:
    """Compare ``log.db`` in the folder with what the server and its journal ``paper.db`` say.

    ``sending_seconds`` is the market time that one request may take to get to the server.
    """
    found = Found()
    blotter, usage, deadlines = Blotter(), DailyLimits(), Deadlines()
    with Log.open(str(folder / "log.db"), writer=False) as log:
        if not log.verify().ok:
            found.problems.append("the chain does not verify")
        for recorded in log.events():
            deadlines.apply(recorded)
            found.suspended += isinstance(recorded.event, InstructionSuspended)
        follow([blotter, usage], log.events())
        stored = log.counters()
    rows = blotter.rows()
    theirs = listed_orders(server)
    _check_orders(found, rows, theirs, folder)
    executed = executions(server)
    _check_fills(found, rows, executed)
    owners = {o.client_order_id: row.instruction_id for row in rows for o in row.orders}
    traded_by: dict[object, list[Executed]] = {}
    for one in executed:
        traded_by.setdefault(owners.get(one.client_order_id), []).append(one)
    _check_positions(found, rows, server, held_before)
    for row in rows:
        if not row.is_done:
            found.problems.append(f"{row.decision_id} has not ended")
        traded = sum((x.quantity for x in traded_by.get(row.instruction_id, ())), Decimal(0))
        if row.executed != traded:
            found.problems.append(f"{row.decision_id}: {row.executed}, at the broker {traded}")
        if row.executed > row.requested:
            found.problems.append(f"{row.decision_id}: {row.executed} of {row.requested}")
    found.problems += deadlines.problems(theirs, round(sending_seconds * NANOS))
    found.given_up = deadlines.given_up
    folded = usage.counters()
    if {k: v for k, v in stored.items() if v} != {k: v for k, v in folded.items() if v}:
        found.problems.append(f"counters: stored {stored}, told by the log {folded}")
    return found


def listed_orders(server: PaperServer) -> dict[str, dict[str, Any]]:
    """All orders of the server by client order id."""
    rows: dict[str, dict[str, Any]] = {}
    after = "2024-06-11T00:00:00Z"
    while True:
        asked = {"status": "all", "limit": 500, "direction": "asc", "after": after}
        page = server.call("GET", "/v2/orders", params=asked).json()
        rows.update((row["id"], row) for row in page)
        if len(page) < 500:
            return {row["client_order_id"]: row for row in rows.values()}
        after = page[-1]["submitted_at"]


def executions(server: PaperServer) -> list[Executed]:
    """All executions of the server: the activities, joined with the events that have their ids."""
    token, pages = None, []
    while True:
        asked: dict[str, Any] = {"direction": "asc", "page_size": 100}
        if token:
            asked["page_token"] = token
        page = server.call("GET", "/v2/account/activities/FILL", params=asked).json()
        pages += page
        if len(page) < 100:
            break
        token = page[-1]["id"]
    told = {(row["details"]["order_id"], row["details"]["cum_qty"]): row for row in _events(server)}
    assert len(told) == len(pages), "events and activities of the server tell of the same fills"
    made = []
    for row in pages:
        event = told[row["order_id"], row["cum_qty"]]
        made.append(
            Executed(
                event["details"]["client_order_id"],
                event["ref_id"],
                row["id"].rpartition("::")[2],
                Decimal(row["qty"]),
                Decimal(row["price"]),
            )
        )
    return made


def _events(server: PaperServer) -> Iterator[dict[str, Any]]:
    now = server.call("GET", "/v2/clock").json()["timestamp"]
    asked = {"since": "2024-06-11T00:00:00Z", "until": now}
    answer = server.call("GET", "/v2beta1/events/activities", params=asked)
    assert answer.status_code == 200, answer.text
    for line in answer.text.splitlines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def _check_orders(
    found: Found, rows: tuple[BlotterRow, ...], theirs: dict[str, dict[str, Any]], folder: Path
) -> None:
    ours = {o.client_order_id: o for row in rows for o in row.orders}
    found.orders = len(theirs)
    for name in theirs.keys() - ours.keys():
        found.problems.append(f"{name} is at the broker and not in the log")
    for name, order in ours.items():
        at_broker = theirs.get(name)
        executed = Decimal(at_broker["filled_qty"]) if at_broker else Decimal(0)
        if order.executed != executed:
            found.problems.append(f"{name}: {order.executed} in the log, {executed} at the broker")
        if order.open:
            found.problems.append(f"{name} is still open in the log")
    db = sqlite3.connect(f"file:{folder / 'paper.db'}?mode=ro", uri=True)
    commands = db.execute("SELECT content FROM command").fetchall()
    db.close()
    sent = Counter(
        name for (text,) in commands if (name := _client_id(json.loads(text))) is not None
    )
    if sent.keys() != theirs.keys():
        found.problems.append("the server's journal and its list have different orders")
    found.problems += [f"{name} was accepted {n} times" for name, n in sent.items() if n > 1]


def _client_id(command: Any) -> str | None:
    """The client order id of a submission in the server's journal, None of anything else."""
    if isinstance(command, dict):
        if isinstance(command.get("client_order_id"), str):
            return str(command["client_order_id"])
        command = list(command.values())
    if isinstance(command, list):
        return next((name for value in command if (name := _client_id(value)) is not None), None)
    return None


def _check_fills(found: Found, rows: tuple[BlotterRow, ...], theirs: list[Executed]) -> None:
    """Every execution of the server is in the log once, under one of its ids, and no other is."""
    found.fills = len(theirs)
    named = {id: one for one in theirs for id in (one.execution_id, one.activity_id)}
    missing = {one.execution_id: one for one in theirs}
    derived: dict[str, list[Fill]] = {}
    for fill in (fill for row in rows for fill in row.fills):
        if fill.derived:
            derived.setdefault(fill.client_order_id, []).append(fill)
            continue
        one = named.get(fill.execution_id)
        if one is None:
            found.problems.append(f"execution {fill.execution_id} is not the broker's")
        elif missing.pop(one.execution_id, None) is None:
            found.problems.append(f"execution {one.execution_id} is counted twice")
        elif (fill.client_order_id, fill.quantity, fill.price) != (
            one.client_order_id,
            one.quantity,
            one.price,
        ):
            found.problems.append(f"execution {one.execution_id}: {fill}, at the broker {one}")
    found.derived = sum(len(fills) for fills in derived.values())
    for name, fills in derived.items():
        unnamed = [one for one in missing.values() if one.client_order_id == name]
        quantity = sum((one.quantity for one in unnamed), Decimal(0))
        notional = sum((one.quantity * one.price for one in unnamed), Decimal(0))
        counted = sum((fill.quantity for fill in fills), Decimal(0))
        spent = sum((fill.quantity * (fill.price or 0) for fill in fills), Decimal(0))
        if counted != quantity or abs(spent - notional) > AVERAGE_ERROR * quantity:
            found.problems.append(
                f"{name}: {counted} for {spent} derived, {quantity} for {notional} at the broker"
            )
        for one in unnamed:
            del missing[one.execution_id]
    found.problems += [f"execution {one} is not in the log" for one in missing.values()]


def _check_positions(
    found: Found,
    rows: tuple[BlotterRow, ...],
    server: PaperServer,
    held_before: Mapping[str, int],
) -> None:
    listed = server.call("GET", "/v2/positions").json()
    held = {row["symbol"]: Decimal(row["qty"]) for row in listed}
    expected = Counter({symbol: Decimal(n) for symbol, n in held_before.items()})
    for row in rows:
        if row.side is not None:
            expected[row.symbol] += row.side.sign * row.executed
    for symbol in expected.keys() | held.keys():
        if expected.get(symbol, 0) != held.get(symbol, Decimal(0)):
            found.problems.append(
                f"{symbol}: {expected.get(symbol)} expected, {held.get(symbol)} held"
            )
