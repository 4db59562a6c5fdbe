"""What every broker must do, and for each capability it lacks, the safe path instead.

The reports are judged by the domain's own fold: what counts is what the engine would believe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from unittest.mock import AsyncMock, patch

import pytest

from fillwright.domain.errors import BrokerUnavailable
from fillwright.domain.orders import ChildOrder, fold, intend, mark_sent, request_cancel
from fillwright.domain.orders.states import OrderState
from fillwright.domain.ports import (
    NANOS,
    CancelOrder,
    ExecutionReport,
    OrderRequest,
    ReportKind,
    SubmitOrder,
)
from tests.contract.paper_world import PaperWorld
from tests.contract.worlds import LookupProviderWorld, Loss, ProviderWorld, SimulatedWorld, World

WORLDS: dict[str, type[World]] = {
    "simulated": SimulatedWorld,
    "provider": ProviderWorld,
    "provider-with-look-up": LookupProviderWorld,
    "paper-over-alpaca-py": PaperWorld,
}
WHILE = 60 * NANOS


class Client:
    """The engine's side of an order: sends commands and folds what comes back."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.orders: dict[str, ChildOrder] = {}
        self.anomalies: list[str] = []
        self.reports: list[ExecutionReport] = []

    async def submit(self, request: OrderRequest) -> None:
        """Send an order, for the first time or again."""
        known = self.orders.get(request.client_order_id)
        self.orders[request.client_order_id] = mark_sent(known or intend(request))
        await self.world.broker.send([SubmitOrder(request)])

    async def cancel(self, name: str) -> None:
        """Ask for an order's cancel."""
        order = self.orders[name]
        self.orders[name] = request_cancel(order)
        await self.world.broker.send([CancelOrder(name, order.venue_order_id)])

    def take(self, reports: list[ExecutionReport]) -> None:
        """Fold reports."""
        self.reports += reports
        for report in reports:
            order, anomalies = fold(self.orders[report.client_order_id], report)
            self.orders[report.client_order_id] = order
            self.anomalies += [str(anomaly) for anomaly in anomalies]

    async def wait(self, duration: int = WHILE) -> None:
        """Let time pass and take what comes."""
        until = self.world.runtime.clock.now() + duration
        while self.world.runtime.clock.now() < until:
            await self.world.runtime.wait(until)
            self.take(self.world.broker.drain())

    def kinds(self, name: str) -> list[ReportKind]:
        """What was reported of an order, in order."""
        return [report.kind for report in self.reports if report.client_order_id == name]

    def agrees(self, name: str) -> bool:
        """Whether we believe as much executed as the venue executed, and found nothing odd."""
        return (
            self.orders[name].cum_qty == self.world.executed_at_venue(name) and not self.anomalies
        )


Story = Callable[[Client], Awaitable[None]]
Tell = Callable[[Story], None]


@pytest.fixture(params=list(WORLDS))
def world_class(request: pytest.FixtureRequest) -> type[World]:
    return WORLDS[request.param]


@pytest.fixture(autouse=True)
def _no_sleeping(world_class: type[World]) -> Iterator[None]:
    if world_class is PaperWorld:  # a real server, which sleeps between its turns
        yield
        return
    with patch("asyncio.sleep", new_callable=AsyncMock):
        yield


@pytest.fixture
def tell(world_class: type[World]) -> Tell:
    """Run a story with a client of a fresh world."""

    def run(story: Story) -> None:
        _told(world_class(), story)

    return run


def tell_with_loss(world_class: type[World], loss: Loss, story: Story) -> None:
    _told(world_class(loss), story)  # type: ignore[call-arg]


def _told(world: World, story: Story) -> None:
    try:
        asyncio.run(story(Client(world)))  # type: ignore[arg-type]
    finally:
        world.close()


# -- orders ----------------------------------------------------------------------------------------


def test_an_order_is_acknowledged_and_filled(tell: Tell) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.fills_at_once("a"))
        await client.wait()
        order = client.orders["a"]
        assert order.state is OrderState.FILLED
        assert order.venue_order_id
        assert order.avg_price == Decimal("10.01")
        assert order.is_dead
        assert client.agrees("a")
        kinds = client.kinds("a")
        assert kinds.index(ReportKind.TRADE) > 0  # acknowledged first

    tell(story)


def test_fills_in_parts_add_up(tell: Tell) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.fills_in_parts("a"))
        await client.wait()
        order = client.orders["a"]
        assert order.state is OrderState.FILLED
        assert sum(r.last_qty or 0 for r in client.reports) == 500
        assert order.notional == 200 * Decimal("10.01") + 300 * Decimal("10.02")
        ids = [r.execution_id for r in client.reports if r.kind is ReportKind.TRADE]
        assert len(ids) == len(set(ids)) > 1
        assert client.agrees("a")

    tell(story)


def test_a_part_fills_and_the_rest_is_cancelled(tell: Tell) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.fills_partly("a"))
        await client.wait()
        assert client.orders["a"].state is OrderState.PARTIALLY_FILLED
        assert client.orders["a"].exposure == 100
        await client.cancel("a")
        await client.wait()
        order = client.orders["a"]
        assert (order.state, order.cum_qty, order.leaves_qty) == (OrderState.CANCELED, 40, 0)
        assert client.agrees("a")

    tell(story)


def test_a_resting_order_is_cancelled_only_when_the_venue_says_so(tell: Tell) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.rests("a"))
        await client.wait()
        assert client.orders["a"].exposure == 100
        await client.cancel("a")
        assert not client.orders["a"].is_dead
        await client.wait()
        assert client.orders["a"].state is OrderState.CANCELED
        assert client.orders["a"].exposure == 0
        assert client.agrees("a")

    tell(story)


def test_a_cancel_sent_with_its_order_reaches_it(tell: Tell) -> None:
    async def story(client: Client) -> None:
        request = client.world.rests("a")
        client.orders["a"] = request_cancel(mark_sent(intend(request)))
        await client.world.broker.send([SubmitOrder(request), CancelOrder("a", None)])
        await client.wait()
        assert client.orders["a"].is_dead
        assert client.agrees("a")

    tell(story)


def test_a_cancel_of_a_filled_order_changes_nothing(tell: Tell) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.fills_at_once("a"))
        await client.wait()
        await client.cancel("a")
        await client.wait()
        assert client.orders["a"].state is OrderState.FILLED
        assert client.orders["a"].cum_qty == 100
        assert client.agrees("a")

    tell(story)


def test_a_refusal_is_a_rejection_with_a_reason(tell: Tell) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.refused("a"))
        await client.wait()
        assert client.orders["a"].state is OrderState.REJECTED
        assert client.orders["a"].exposure == 0
        rejection = client.reports[-1]
        assert rejection.kind is ReportKind.REJECTED
        assert rejection.text
        assert client.agrees("a")

    tell(story)


def test_one_refusal_does_not_touch_the_other_orders(tell: Tell) -> None:
    async def story(client: Client) -> None:
        requests = [client.world.refused("a"), client.world.fills_at_once("b")]
        for request in requests:
            client.orders[request.client_order_id] = mark_sent(intend(request))
        await client.world.broker.send([SubmitOrder(request) for request in requests])
        await client.wait()
        assert client.orders["a"].state is OrderState.REJECTED
        assert client.orders["b"].state is OrderState.FILLED

    tell(story)


# -- nothing twice ---------------------------------------------------------------------------------


def test_one_client_id_is_one_order_however_often_it_is_sent(tell: Tell) -> None:
    async def story(client: Client) -> None:
        request = client.world.fills_at_once("a")
        await client.submit(request)
        await client.submit(request)
        await client.wait()
        await client.submit(request)
        await client.wait()
        assert client.world.orders_at_venue("a") == 1
        assert client.orders["a"].cum_qty == 100
        assert client.agrees("a")

    tell(story)


def test_reports_are_drained_once(tell: Tell) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.fills_at_once("a"))
        await client.wait()
        assert client.world.broker.drain() == []

    tell(story)


def test_reports_given_again_change_nothing(tell: Tell) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.fills_in_parts("a"))
        await client.wait()
        before = client.orders["a"]
        again = await client.world.broker.reports_since(["a"])
        assert again
        client.take(list(again))
        assert client.orders["a"] == before
        assert client.agrees("a")

    tell(story)


def test_after_a_restart_reports_tell_everything_or_nothing(tell: Tell) -> None:
    async def story(client: Client) -> None:
        world = client.world
        await client.submit(world.fills_partly("a"))
        await client.wait()
        before = client.orders["a"]
        world.restart()
        again = list(await world.broker.reports_since(["a"]))
        if world.broker.capabilities.lookup_by_client_id:
            afresh = Client(world)
            afresh.orders["a"] = mark_sent(intend(world.fills_partly("a")))
            afresh.take(again)
            assert afresh.orders["a"].cum_qty == before.cum_qty
            assert afresh.agrees("a")
        else:
            assert again == []  # which proves nothing: the order keeps its shares
        client.take(again)
        assert client.orders["a"].cum_qty == before.cum_qty
        assert client.orders["a"].exposure == before.exposure

    tell(story)


# -- unknown outcomes ------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["before", "after"])
def test_a_lost_answer_is_an_unknown_outcome_that_keeps_its_shares(
    world_class: type[World], loss: Loss
) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.rests("a"))
        await client.wait(NANOS)
        assert ReportKind.UNKNOWN_OUTCOME in client.kinds("a")
        assert ReportKind.REJECTED not in client.kinds("a")
        order = client.orders["a"]
        assert order.exposure == 100
        assert not order.is_dead

    tell_with_loss(world_class, loss, story)


def test_an_order_that_arrived_without_an_answer_is_found_or_stays_unknown(
    world_class: type[World],
) -> None:
    async def story(client: Client) -> None:
        world = client.world
        await client.submit(world.fills_at_once("a"))
        await client.wait(NANOS)
        await world.heal()
        if world.broker.capabilities.lookup_by_client_id:
            found = await world.broker.find_order("a")
            assert found is not None
            assert found.client_order_id == "a"
            client.take(list(await world.broker.reports_since(["a"])))
            await client.wait()
            assert client.orders["a"].state is OrderState.FILLED
            assert client.agrees("a")
        else:
            with pytest.raises(BrokerUnavailable):
                await world.broker.find_order("a")
            await client.wait()
            assert client.orders["a"].is_indeterminate
            assert client.orders["a"].exposure == 100
        assert world.orders_at_venue("a") == 1

    tell_with_loss(world_class, "after", story)


def test_an_order_that_never_arrived_may_be_sent_again_under_its_id(
    world_class: type[World],
) -> None:
    async def story(client: Client) -> None:
        world = client.world
        request = world.fills_at_once("a")
        await client.submit(request)
        await client.wait(NANOS)
        await world.heal()
        if world.broker.capabilities.lookup_by_client_id:
            assert await world.broker.find_order("a") is None
            await client.submit(request)
            await client.wait()
            assert client.orders["a"].state is OrderState.FILLED
            assert world.orders_at_venue("a") == 1
        else:
            with pytest.raises(BrokerUnavailable):
                await world.broker.find_order("a")  # never None: that would free its shares
            assert world.orders_at_venue("a") == 0

    tell_with_loss(world_class, "before", story)


def test_sending_again_what_had_arrived_never_makes_a_second_order(
    world_class: type[World],
) -> None:
    async def story(client: Client) -> None:
        world = client.world
        request = world.fills_at_once("a")
        await client.submit(request)
        await client.wait(NANOS)
        await world.heal()
        await client.submit(request)
        await client.wait()
        assert world.orders_at_venue("a") == 1
        order = client.orders["a"]
        assert order.state is not OrderState.REJECTED
        assert order.exposure == 100
        if world.broker.capabilities.lookup_by_client_id:
            assert order.state is OrderState.FILLED

    tell_with_loss(world_class, "after", story)


# -- questions -------------------------------------------------------------------------------------


def test_an_id_that_was_never_sent_is_not_found_or_cannot_be_asked(tell: Tell) -> None:
    async def story(client: Client) -> None:
        broker = client.world.broker
        if broker.capabilities.lookup_by_client_id:
            assert await broker.find_order("never") is None
        else:
            with pytest.raises(BrokerUnavailable):
                await broker.find_order("never")
        assert list(await broker.reports_since(["never"])) == []

    tell(story)


def test_open_orders_are_those_that_can_still_trade(tell: Tell) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.fills_at_once("a"))
        await client.submit(client.world.fills_partly("b"))
        await client.submit(client.world.rests("c"))
        await client.submit(client.world.refused("d"))
        await client.wait()
        listed = {o.client_order_id: o for o in await client.world.broker.open_orders()}
        assert sorted(listed) == ["b", "c"]
        assert (listed["b"].quantity, listed["b"].filled_qty) == (100, 40)
        assert all(order.is_open and order.venue_order_id for order in listed.values())

    tell(story)


def test_a_known_order_is_found_with_what_it_has_traded(tell: Tell) -> None:
    async def story(client: Client) -> None:
        await client.submit(client.world.fills_partly("a"))
        await client.wait()
        found = await client.world.broker.find_order("a")
        assert found is not None
        assert (found.symbol, found.quantity, found.filled_qty) == ("ABC", 100, 40)
        assert found.is_open

    tell(story)


def test_account_and_positions_are_told(tell: Tell) -> None:
    async def story(client: Client) -> None:
        account = await client.world.broker.account()
        assert account.equity > 0
        assert account.at == client.world.runtime.clock.now()
        for symbol, position in (await client.world.broker.positions()).items():
            assert position.symbol == symbol
            assert position.quantity

    tell(story)


def test_every_report_can_be_stored(tell: Tell) -> None:
    async def story(client: Client) -> None:
        for request in (client.world.fills_in_parts("a"), client.world.refused("b")):
            await client.submit(request)
        await client.wait()
        assert client.reports
        for report in client.reports:
            assert all(isinstance(name, str) for name in report.raw)
            values = report.raw.values()
            assert all(value is None or isinstance(value, str | int | bool) for value in values)
            assert report.receive_time <= client.world.runtime.clock.now()

    tell(story)
