"""A fill that is missing from a healthy stream is found, and no statement claims too much."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.alpaca_api.reading import nanos
from fillwright.adapters.alpaca_provider import AlpacaProvider
from fillwright.adapters.application import Application
from fillwright.adapters.brokers.alpaca import AlpacaBroker
from fillwright.adapters.settings import Settings
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from tests.ops.engines import command
from tests.paper.servers import KEY, SECRET, PaperServer, running

SPEED = 10
TAKEN_IN = AlpacaBroker._on_frame
SLOW_SECONDS = 300
D = Decimal


def logged(store: Path) -> list[e.DomainEvent]:
    with Log.open(str(store), writer=False) as log:
        return [one.event for one in log.events()]


def trading(
    server: PaperServer, store: Path, reconcile_seconds: int, play: Callable[[Any], Awaitable[None]]
) -> None:
    """Play something on an application of its own, as a process that starts and ends."""
    broker = {
        "key_id": KEY,
        "secret_key": SECRET,
        "trading_url": server.urls["trading_url"],
        "requests_per_minute": 100_000,
        "reconcile_seconds": reconcile_seconds,
    }
    settings = Settings.read({"broker": broker})

    async def run() -> None:
        provider = AlpacaProvider.of_settings(settings)
        async with Application.open(provider, settings, store=str(store)) as app:
            await app.prepare()
            await play(app)

    asyncio.run(run())


async def until(store: Path, holds: Callable[[list[e.DomainEvent]], bool]) -> None:
    async with asyncio.timeout(120):
        while not holds(logged(store)):
            await asyncio.sleep(0.1)


def statements_are_true(server: PaperServer, events: list[e.DomainEvent]) -> list[int]:
    """Every statement on the record, held against what the server executed and when."""
    rows = server.call("GET", "/v2/account/activities/FILL", params={"page_size": 100}).json()
    happened = [
        (nanos(row["transaction_time"]) or 0, row["order_id"], row["cum_qty"]) for row in rows
    ]
    known: set[tuple[str, str]] = set()
    found: list[int] = []
    for event in events:
        if isinstance(event, e.OrderFilled):
            cum = event.report.cum_qty
            known.add((event.report.venue_order_id or "", f"{cum.normalize():f}" if cum else ""))
        if isinstance(event, e.Reconciled) and event.fills_known_until is not None:
            before = [one for at, *one in happened if at < event.fills_known_until]
            assert {tuple(one) for one in before} <= known
            assert event.fills_known_until < event.record_time
            found.append(event.fills_known_until)
    assert found == sorted(found)
    return found


def forgetting(broker: AlpacaBroker, message: Any) -> None:
    """Take in no partial fill, and an end that says nothing of what had executed before it."""
    told = message.get("data", {})
    if told.get("event") == "partial_fill":
        return
    if told.get("event") == "canceled":
        told["order"]["filled_qty"] = "0"
    TAKEN_IN(broker, message)


@pytest.mark.timeout(SLOW_SECONDS)
def test_a_fill_of_an_ended_order_that_no_update_told_of_is_found_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "log.db"
    decision = {"decision_id": "d-1", "symbol": "KO", "action": "BUY", "target_weight": 2}
    decision |= {"confidence": 8, "strategy": "market", "max_slippage": None}

    async def lose_a_fill(app: Application) -> None:
        admitted = await app.admit(decision)
        assert admitted.result is not None
        await until(store, lambda events: any(isinstance(x, e.OrderAcknowledged) for x in events))
        async with asyncio.timeout(120):
            while not server.call("GET", "/v2/account/activities/FILL").json():
                await asyncio.sleep(0.05)
        ended = await app.cancel(admitted.result.instruction_id)
        assert ended.result is not None
        assert ended.result.executed_quantity == 0, "no update told of what had executed"

    async def rest(app: Application) -> None:
        await until(store, lambda events: any(isinstance(x, e.OrderFilled) for x in events))
        seen = len([x for x in logged(store) if isinstance(x, e.Reconciled)])
        await until(
            store, lambda ev: len([x for x in ev if isinstance(x, e.Reconciled)]) >= seen + 2
        )
        assert app.engine.desk.active == {}

    with running(speed=SPEED, start="10:00") as server:
        server.fault(fault="partial", symbol="KO", fraction=0.5, seconds=7200)
        monkeypatch.setattr(AlpacaBroker, "_on_frame", forgetting)
        trading(server, store, 0, lose_a_fill)
        monkeypatch.undo()
        (row,) = server.call("GET", "/v2/account/activities/FILL").json()

        # Somebody who asks is told of it, and up to when the log has everything.
        asked = command(server, "reconcile", "--store", str(store), "--json")
        assert asked.returncode == 4, asked.stderr
        told = json.loads(asked.stdout)
        (found,) = [one for one in told["breaks"] if one["kind"] == "fill"]
        assert (found["symbol"], found["ours"]) == ("KO", "not in the log")
        assert told["fills_known_until"] <= nanos(row["transaction_time"])
        assert told["fills_source"] == "activity_events"

        # A process that has nothing to work finds it by the clock.
        trading(server, store, 10, rest)
        (filled,) = [x for x in logged(store) if isinstance(x, e.OrderFilled)]
        assert (filled.report.last_qty, filled.report.last_price) == (
            D(row["qty"]),
            D(row["price"]),
        )
        assert not filled.report.derived
        compared = [x for x in logged(store) if isinstance(x, e.Reconciled)]
        assert {x.trigger for x in compared[-2:]} == {"timer"}
        assert statements_are_true(server, logged(store))[-1] > filled.record_time

        again = command(server, "reconcile", "--store", str(store))
        assert again.returncode == 0, again.stdout
        assert "all fills up to 2024-06-12T14:" in again.stdout
        assert "are on record, by the broker's activity events" in again.stdout
        verified = command(server, "verify", "--store", str(store), "--counters")
        assert verified.returncode == 0, verified.stderr


@pytest.mark.timeout(SLOW_SECONDS)
def test_where_the_list_hangs_comparing_goes_on_and_a_statement_is_made_when_it_comes(
    tmp_path: Path,
) -> None:
    store = tmp_path / "log.db"

    async def compare(app: Application) -> None:
        bought = {"decision_id": "d-2", "symbol": "AAPL", "action": "BUY", "target_weight": 1}
        await app.execute({**bought, "strategy": "market", "max_slippage": None, "confidence": 8})
        await until(store, lambda events: any(map(silent, events)))
        server.call("DELETE", "/fillwright/faults")
        await until(store, lambda events: any(map(said, events)))

    def silent(event: e.DomainEvent) -> bool:
        return isinstance(event, e.Reconciled) and event.fills_note == "not read in time"

    def said(event: e.DomainEvent) -> bool:
        return isinstance(event, e.Reconciled) and event.fills_known_until is not None

    with running(speed=SPEED, start="10:00") as server:
        server.fault(fault="latency", path="/v2beta1/events/activities", milliseconds=1_000)
        trading(server, store, 10, compare)
        assert statements_are_true(server, logged(store))
