"""The simulated exchange behind the broker port, and its virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from fillwright.adapters.brokers.simulated import SimulatedBroker, SimulatedRuntime
from fillwright.adapters.exchange.exchange import Exchange
from fillwright.adapters.exchange.journal import Journal
from fillwright.adapters.exchange.terms import Faults, Terms
from fillwright.adapters.timekeeping.clocks import VirtualClock
from fillwright.domain.ports import (
    Broker,
    CancelOrder,
    OrderRequest,
    OrderType,
    ReportKind,
    Runtime,
    Side,
    SubmitOrder,
    TimeInForce,
)
from tests.contract.worlds import quiet_day

S = 1_000_000_000
LATENCY = 50_000_000


class Desk:
    """A broker, its runtime and its exchange."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.clock = VirtualClock(0)
        self.journal = Journal()
        self.exchange = Exchange(
            [quiet_day(3 * S)], Terms(faults=faults or Faults()), journal=self.journal
        )
        self.broker: Broker = SimulatedBroker(self.exchange, self.clock)
        self.runtime: Runtime = SimulatedRuntime(self.clock, self.exchange)


def bid(name: str, price: str | None = "9.99") -> SubmitOrder:
    """A buy of 100."""
    limit = None if price is None else Decimal(price)
    kind = OrderType.MARKET if limit is None else OrderType.LIMIT
    tif = TimeInForce.IOC if limit is None else TimeInForce.DAY
    return SubmitOrder(OrderRequest(name, "ABC", Side.BUY, Decimal(100), kind, tif, limit))


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a story on a loop of its own."""
    asyncio.run(story())


def test_outcomes_come_by_drain_at_their_time() -> None:
    async def story() -> None:
        desk = Desk()
        await desk.broker.send([bid("a"), bid("b", None)])
        assert desk.broker.drain() == []
        await desk.runtime.wait(None)
        assert desk.clock.now() == LATENCY
        kinds = [(report.client_order_id, report.kind.value) for report in desk.broker.drain()]
        assert kinds == [("a", "new"), ("b", "new"), ("b", "trade")]
        await desk.runtime.wait(10 * S)
        (fill,) = desk.broker.drain()
        assert (desk.clock.now(), fill.market_time, fill.last_qty) == (3 * S, 3 * S, Decimal(40))
        await desk.runtime.wait(10 * S)
        assert desk.clock.now() == 10 * S

    run(story)


def test_waiting_returns_at_once_while_reports_are_there() -> None:
    async def story() -> None:
        desk = Desk()
        await desk.broker.send([bid("a")])
        await desk.runtime.wait(S)
        await desk.runtime.wait(S)
        assert desk.clock.now() == LATENCY
        assert len(desk.broker.drain()) == 1

    run(story)


def test_waiting_for_nothing_returns_and_leaves_the_time() -> None:
    async def story() -> None:
        desk = Desk()
        await desk.runtime.wait(None)
        await desk.runtime.wait(5 * S)
        await desk.runtime.wait(4 * S)
        assert desk.clock.now() == 5 * S

    run(story)


def test_waiting_does_not_stop_where_a_report_is_lost_or_late() -> None:
    async def story() -> None:
        lost = Desk(Faults(missing_probability=1))
        await lost.broker.send([bid("a", None)])
        await lost.runtime.wait(9 * S)
        assert lost.clock.now() == 9 * S
        assert len(await lost.broker.reports_since(["a"])) == 2
        late = Desk(Faults(late_probability=1, late_ns=S))
        await late.broker.send([bid("a", None)])
        await late.runtime.wait(9 * S)
        assert late.clock.now() == LATENCY + S

    run(story)


def test_a_patched_sleep_is_used() -> None:
    async def story() -> None:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        desk = Desk()
        with patch("asyncio.sleep", sleep):
            await desk.runtime.wait(S)
        assert slept == [0]
        assert desk.clock.now() == S

    run(story)


def test_the_broker_answers_as_of_now() -> None:
    async def story() -> None:
        desk = Desk()
        await desk.broker.send([bid("a"), bid("b")])
        await desk.runtime.wait(S)
        desk.clock.set(4 * S)
        found = await desk.broker.find_order("a")
        assert found is not None
        assert (found.filled_qty, found.status) == (Decimal(40), "partially_filled")
        assert [each.client_order_id for each in await desk.broker.open_orders()] == ["a", "b"]
        await desk.broker.send([CancelOrder("a", found.venue_order_id)])
        assert [each.client_order_id for each in await desk.broker.open_orders()] == ["b"]
        assert (await desk.broker.positions())["ABC"].quantity == 80
        account = await desk.broker.account()
        assert account.cash == Decimal(1_000_000) - 80 * Decimal("9.99")
        assert await desk.broker.find_order("c") is None
        assert desk.broker.capabilities.lookup_by_client_id

    run(story)


def test_a_batch_is_journaled_before_send_returns() -> None:
    async def story() -> None:
        desk = Desk()
        await desk.broker.send([bid("a"), bid("b"), bid("a")])
        assert desk.journal.order_count() == 2
        assert desk.journal.duplicates() == {"a": 2}
        await desk.broker.send([])
        (rejected,) = desk.broker.drain()
        assert rejected.kind is ReportKind.REJECTED

    run(story)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_story_gives_the_same_reports(seed: int) -> None:
    async def story() -> None:
        faults = Faults(seed, 0.3, 0.3, 0.3, S, 0.3)
        told = []
        for _ in range(2):
            desk = Desk(faults)
            reports = []
            for number in range(20):
                await desk.broker.send([bid(f"o{number}")])
                await desk.runtime.wait(number * S)
                reports += desk.broker.drain()
            told.append(reports)
        assert told[0] == told[1]
        assert told[0]

    run(story)
