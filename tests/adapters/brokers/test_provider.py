"""The provider broker: what mocks, slow, failing and odd providers come to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock, patch

import pytest

from fillwright.adapters.brokers.provider import NeutralDefaults, ProviderBroker, ProviderTimings
from fillwright.adapters.brokers.provider_account import read_account
from fillwright.adapters.brokers.provider_runtime import ProviderRuntime
from fillwright.adapters.timekeeping.clocks import VirtualClock
from fillwright.domain.errors import BrokerUnavailable
from fillwright.domain.ports import (
    NANOS,
    AccountKind,
    CancelOrder,
    ExecutionReport,
    OrderRequest,
    OrderType,
    ReportKind,
    Side,
    SubmitOrder,
    TimeInForce,
)

START = 1_700_000_000 * NANOS
DAY = 86_400 * NANOS
QUICK = ProviderTimings(request_timeout_seconds=0.05)


def request(**changes: Any) -> OrderRequest:
    values: dict[str, Any] = {
        "client_order_id": "fw-1-0",
        "symbol": "AAPL",
        "side": Side.BUY,
        "quantity": Decimal(100),
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "limit_price": Decimal("150.15"),
    }
    return OrderRequest(**{**values, **changes})


def seed_provider(**coroutines: Any) -> Mock:
    """The seed's mock: place_order answers, everything else is a plain mock."""
    provider = Mock()
    provider.place_order = AsyncMock(return_value={"success": True, "order_id": "test_order_123"})
    for name, value in coroutines.items():
        coroutine = value if isinstance(value, Mock) else AsyncMock(return_value=value)
        setattr(provider, name, coroutine)
    return provider


def run(
    provider: object,
    work: Callable[[ProviderBroker, ProviderRuntime], Awaitable[Any]],
    **options: Any,
) -> Any:
    """Run work on a broker over the provider, with the seed's patched sleep."""

    async def main() -> Any:
        clock = VirtualClock(START)
        options.setdefault("timings", QUICK)
        broker = ProviderBroker(provider, clock, **options)
        runtime = ProviderRuntime(clock, broker)
        try:
            with patch("asyncio.sleep", new_callable=AsyncMock):
                return await work(broker, runtime)
        finally:
            await broker.aclose()

    return asyncio.run(main())


async def reports_until(
    broker: ProviderBroker, runtime: ProviderRuntime, until: int = START + DAY
) -> list[ExecutionReport]:
    """All reports up to a time."""
    reports = broker.drain()
    while runtime.clock.now() < until:
        await runtime.wait(until)
        reports += broker.drain()
    return reports


async def placed(
    broker: ProviderBroker, runtime: ProviderRuntime, **changes: Any
) -> list[ExecutionReport]:
    await broker.send([SubmitOrder(request(**changes))])
    return await reports_until(broker, runtime)


def kinds(reports: list[ExecutionReport]) -> list[ReportKind]:
    return [report.kind for report in reports]


def test_the_seeds_order_keywords_reach_the_provider() -> None:
    provider = seed_provider()
    run(provider, placed)
    provider.place_order.assert_awaited_once_with(
        symbol="AAPL",
        qty=100,
        side="buy",
        order_type="limit",
        limit_price=150.15,
        time_in_force="day",
        client_order_id="fw-1-0",
    )
    assert isinstance(provider.place_order.await_args.kwargs["qty"], int)


def test_a_provider_that_only_places_orders_leaves_the_outcome_unknown() -> None:
    provider = seed_provider()
    reports = run(provider, placed)
    assert kinds(reports) == [ReportKind.UNKNOWN_OUTCOME]
    assert reports[0].venue_order_id == "test_order_123"
    assert provider.get_order.call_count == 3  # then it is clear that nothing will ever be said


def test_a_filled_order_becomes_one_trade() -> None:
    answer = {"status": "filled", "filled_qty": 100, "filled_avg_price": 150.1, "commission": 1.5}
    reports = run(seed_provider(get_order=answer), placed)
    assert kinds(reports) == [ReportKind.ACCEPTED, ReportKind.TRADE]
    trade = reports[1]
    assert (trade.last_qty, trade.last_price, trade.fee) == (100, Decimal("150.1"), Decimal("1.5"))
    assert (trade.cum_qty, trade.leaves_qty, trade.derived) == (100, 0, True)
    assert trade.execution_id == "test_order_123:0:100"
    assert trade.raw["filled_avg_price"] == "150.1"


def test_totals_become_deltas_with_their_own_price() -> None:
    get_order = AsyncMock(
        side_effect=[
            {"status": "new", "filled_qty": 0, "filled_avg_price": None},
            {"status": "partially_filled", "filled_qty": "40", "filled_avg_price": "150.00"},
            {"status": "partially_filled", "filled_qty": "40", "filled_avg_price": "150.00"},
            {"status": "filled", "filled_qty": "100", "filled_avg_price": "150.06"},
        ]
    )
    provider = seed_provider(get_order=get_order)
    reports = run(provider, placed)
    trades = [report for report in reports if report.kind is ReportKind.TRADE]
    assert [(t.last_qty, t.last_price) for t in trades] == [(40, 150), (60, Decimal("150.1"))]
    assert ReportKind.NEW in kinds(reports)
    assert get_order.await_count == 4  # a filled order is not polled again


def test_filled_without_quantity_means_the_orders_quantity() -> None:
    reports = run(seed_provider(get_order={"status": "filled", "filled_avg_price": 150.0}), placed)
    assert reports[-1].last_qty == 100
    assert reports[-1].derived


def test_filled_without_price_takes_the_limit_as_the_worst_case_and_says_so() -> None:
    reports = run(seed_provider(get_order={"status": "filled", "filled_avg_price": Mock()}), placed)
    assert reports[-1].kind is ReportKind.TRADE
    assert reports[-1].last_price == Decimal("150.15")
    assert "worst" in (reports[-1].text or "")


def test_filled_without_price_or_limit_stays_unknown() -> None:
    provider = seed_provider(get_order={"status": "filled"})
    changes = {"order_type": OrderType.MARKET, "limit_price": None}
    reports = run(provider, lambda b, r: placed(b, r, **changes))
    assert kinds(reports) == [ReportKind.UNKNOWN_OUTCOME]
    assert "price" in (reports[-1].text or "")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"success": False, "error": "insufficient buying power"}, ReportKind.REJECTED),
        ({"success": False, "error": "bad", "status_code": 422}, ReportKind.REJECTED),
        ({"success": False}, ReportKind.REJECTED),
        ({"success": False, "error": "Request timed out"}, ReportKind.UNKNOWN_OUTCOME),
        ({"success": False, "error": "HTTP 503"}, ReportKind.UNKNOWN_OUTCOME),
        ({"success": False, "error": "x", "status_code": 500}, ReportKind.UNKNOWN_OUTCOME),
        ({"success": False, "error": "client_order_id must be unique"}, ReportKind.UNKNOWN_OUTCOME),
        ({"success": True}, ReportKind.UNKNOWN_OUTCOME),
        ({}, ReportKind.UNKNOWN_OUTCOME),
        (None, ReportKind.UNKNOWN_OUTCOME),
        (MagicMock(), ReportKind.UNKNOWN_OUTCOME),
        ({"id": "abc"}, ReportKind.ACCEPTED),
        ({"success": True, "order_id": 77}, ReportKind.ACCEPTED),
    ],
)
def test_an_answer_to_a_submission_means(answer: object, kind: ReportKind) -> None:
    working = {"status": "new", "filled_qty": 0}
    provider = seed_provider(place_order=AsyncMock(return_value=answer), get_order=working)
    assert run(provider, placed)[0].kind is kind


@pytest.mark.parametrize("error", [TimeoutError(), RuntimeError("boom"), asyncio.CancelledError()])
def test_an_exception_is_never_a_rejection(error: BaseException) -> None:
    provider = seed_provider(place_order=AsyncMock(side_effect=error))
    assert kinds(run(provider, placed)) == [ReportKind.UNKNOWN_OUTCOME]


def test_a_provider_that_hangs_times_out_as_unknown() -> None:
    async def hang(**_: object) -> None:
        await asyncio.get_running_loop().create_future()

    provider = seed_provider()
    provider.place_order = hang
    reports = run(provider, placed)
    assert kinds(reports) == [ReportKind.UNKNOWN_OUTCOME]
    assert "0.05 s" in (reports[0].text or "")


def test_a_bounded_order_is_not_sent_to_a_provider_that_takes_no_limit() -> None:
    class Simple:
        async def place_order(self, symbol: str, qty: int, side: str, order_type: str) -> None:
            raise AssertionError("must not be called")

    reports = run(Simple(), placed)
    assert kinds(reports) == [ReportKind.REJECTED]
    assert "limit_price" in (reports[0].text or "")


def test_a_provider_without_place_order_refuses() -> None:
    assert kinds(run(object(), placed)) == [ReportKind.REJECTED]


def test_an_unknown_status_is_kept_as_it_is() -> None:
    answers = [{"status": "Being Weighed", "filled_qty": 0}, {"status": "canceled"}]
    reports = run(seed_provider(get_order=AsyncMock(side_effect=answers)), placed)
    assert kinds(reports)[1:] == [ReportKind.STATUS, ReportKind.CANCELED]
    assert reports[1].order_status == "being_weighed"
    assert reports[1].raw["status"] == "Being Weighed"


def test_a_quantity_that_falls_is_no_trade_and_ends_as_unknown() -> None:
    answers = [
        {"status": "partially_filled", "filled_qty": 40, "filled_avg_price": 150},
        *[{"status": "partially_filled", "filled_qty": 10, "filled_avg_price": 150}] * 5,
        {"status": "filled", "filled_qty": 100, "filled_avg_price": 150},
    ]
    reports = run(seed_provider(get_order=AsyncMock(side_effect=answers)), placed)
    assert kinds(reports) == [
        ReportKind.ACCEPTED,
        ReportKind.TRADE,
        ReportKind.UNKNOWN_OUTCOME,
        ReportKind.TRADE,
    ]
    assert "fell from 40 to 10" in (reports[2].text or "")
    assert sum(r.last_qty or 0 for r in reports) == 100


def test_a_cancel_is_proven_only_by_the_orders_status() -> None:
    statuses = ["new", "pending_cancel", "canceled"]
    get_order = AsyncMock(side_effect=[{"status": s, "filled_qty": 0} for s in statuses])
    provider = seed_provider(get_order=get_order, cancel_order={"success": True})

    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> list[ExecutionReport]:
        await broker.send([SubmitOrder(request()), CancelOrder("fw-1-0", None)])
        return await reports_until(broker, runtime)

    reports = run(provider, work)
    assert kinds(reports) == [
        ReportKind.ACCEPTED,
        ReportKind.NEW,
        ReportKind.PENDING_CANCEL,
        ReportKind.CANCELED,
    ]
    provider.cancel_order.assert_awaited_once_with("test_order_123")


def test_a_cancel_without_an_answer_is_asked_again() -> None:
    get_order = AsyncMock(return_value={"status": "new", "filled_qty": 0})
    cancel_order = AsyncMock(side_effect=ConnectionError("down"))
    provider = seed_provider(get_order=get_order, cancel_order=cancel_order)

    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> list[ExecutionReport]:
        await broker.send([SubmitOrder(request()), CancelOrder("fw-1-0", None)])
        return await reports_until(broker, runtime, START + 600 * NANOS)

    reports = run(provider, work)
    assert cancel_order.await_count == 5
    assert kinds(reports).count(ReportKind.CANCEL_REJECTED) == 1


def test_polls_thin_out_to_the_interval() -> None:
    times: list[int] = []

    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> None:
        async def get_order(order_id: str) -> dict[str, Any]:
            times.append((runtime.clock.now() - START) // NANOS)
            return {"status": "new", "filled_qty": 0}

        provider.get_order = get_order
        await broker.send([SubmitOrder(request())])
        await reports_until(broker, runtime, START + 120 * NANOS)

    provider = seed_provider()
    run(provider, work)
    assert times == [0, 1, 3, 7, 15, 31, 61, 91]


def test_the_same_id_sent_twice_at_once_is_one_order() -> None:
    provider = seed_provider(get_order={"status": "new", "filled_qty": 0})

    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> list[ExecutionReport]:
        await broker.send([SubmitOrder(request()), SubmitOrder(request())])
        await reports_until(broker, runtime, START + 10 * NANOS)
        await broker.send([SubmitOrder(request())])
        return await reports_until(broker, runtime, START + 20 * NANOS)

    assert kinds(run(provider, work)) == [ReportKind.ACCEPTED]
    assert provider.place_order.await_count == 1


def test_a_repeat_that_is_refused_says_nothing_of_the_first() -> None:
    answers = [TimeoutError(), {"success": False, "error": "insufficient buying power"}]
    provider = seed_provider(place_order=AsyncMock(side_effect=answers))

    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> list[ExecutionReport]:
        await broker.send([SubmitOrder(request())])
        first = await reports_until(broker, runtime, START + NANOS)
        await broker.send([SubmitOrder(request())])
        return first + await reports_until(broker, runtime)

    assert kinds(run(provider, work)) == [ReportKind.UNKNOWN_OUTCOME] * 2


def test_a_repeat_of_an_earlier_process_that_is_refused_says_nothing_of_the_first_either() -> None:
    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> list[ExecutionReport]:
        await broker.send([SubmitOrder(request(), again=True)])
        return await reports_until(broker, runtime)

    provider = seed_provider(place_order={"success": False, "error": "insufficient buying power"})
    assert kinds(run(provider, work)) == [ReportKind.UNKNOWN_OUTCOME]


def test_credentials_in_an_error_are_not_reported() -> None:
    error = RuntimeError(
        "401 for url, api_key=PKABC123 secret_key: hunter2 Authorization: Bearer t0k"
    )
    provider = seed_provider(place_order=AsyncMock(side_effect=error))
    text = run(provider, placed)[0].text
    assert text is not None
    for secret in ("PKABC123", "hunter2", "t0k"):
        assert secret not in text


def test_an_interrupted_wait_returns_and_reports_survive_the_loop() -> None:
    provider = seed_provider(get_order={"status": "new", "filled_qty": 0})
    clock = VirtualClock(START)
    broker = ProviderBroker(provider, clock, timings=QUICK)
    runtime = ProviderRuntime(clock, broker)

    async def first() -> None:
        waiting = asyncio.ensure_future(runtime.wait(None))
        await asyncio.sleep(0.01)
        runtime.interrupt()
        await waiting
        await broker.send([SubmitOrder(request())])  # the loop ends before the answer

    async def second() -> list[ExecutionReport]:
        await runtime.wait(START + NANOS)
        return broker.drain()

    asyncio.run(first())
    told = kinds(asyncio.run(second()))
    assert told[0] in (ReportKind.UNKNOWN_OUTCOME, ReportKind.ACCEPTED)


# -- account, positions, lists ---------------------------------------------------------------------


def test_a_mock_account_is_the_neutral_default_and_marked_as_such() -> None:
    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> None:
        account = await broker.account()
        assert (account.equity, account.cash, account.buying_power) == (100_000,) * 3
        assert await broker.positions() == {}
        assert await broker.open_orders() == []
        assert broker.neutral == {"account", "positions", "open_orders"}

    for provider in (seed_provider(), Mock(), MagicMock(), AsyncMock(), object()):
        run(provider, work, neutral=NeutralDefaults())


def test_nothing_is_assumed_when_trading_live() -> None:
    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> None:
        for question in (broker.account, broker.positions, broker.open_orders):
            with pytest.raises(BrokerUnavailable):
                await question()

    run(seed_provider(), work)


def test_a_provider_that_fails_or_has_answered_before_has_no_default() -> None:
    info = AsyncMock(
        side_effect=[{"account_value": 5_000, "cash": 4_000, "buying_power": 8_000}, Mock()]
    )
    provider = seed_provider(get_account_info=info)
    provider.get_positions = AsyncMock(side_effect=ConnectionError("down"))

    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> None:
        account = await broker.account()
        assert (account.equity, account.cash, account.buying_power) == (5_000, 4_000, 8_000)
        with pytest.raises(BrokerUnavailable, match="get_account_info"):
            await broker.account()
        with pytest.raises(BrokerUnavailable, match="ConnectionError: down"):
            await broker.positions()

    run(provider, work, neutral=NeutralDefaults())


def test_figures_that_are_not_given_are_inferred_and_named() -> None:
    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> None:
        account = await broker.account()
        assert (account.cash, account.buying_power) == (100_000, 100_000)
        assert broker.neutral == {"account.cash", "account.buying_power"}

    provider = seed_provider(get_account_info={"account_value": 100_000})
    run(provider, work, neutral=NeutralDefaults())


def test_positions_come_as_mapping_or_list() -> None:
    async def quantities(broker: ProviderBroker, runtime: ProviderRuntime) -> dict[str, Decimal]:
        return {s: p.quantity for s, p in (await broker.positions()).items()}

    mapping = {"AAPL": {"quantity": 10, "market_value": 1500}, "IBM": {"quantity": 0}}
    assert run(seed_provider(get_positions=mapping), quantities) == {"AAPL": 10}
    listed = [{"symbol": "AAPL", "qty": "2.5"}, {"symbol": "IBM", "qty": "7", "side": "short"}]
    found = run(seed_provider(get_positions=listed), quantities)
    assert found == {"AAPL": Decimal("2.5"), "IBM": -7}


def test_a_position_that_cannot_be_read_is_not_taken_for_none() -> None:
    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> None:
        with pytest.raises(BrokerUnavailable, match="AAPL"):
            await broker.positions()

    provider = seed_provider(get_positions={"AAPL": {"quantity": Mock()}})
    run(provider, work, neutral=NeutralDefaults())


def test_look_up_is_declared_only_where_it_truly_is() -> None:
    clock = VirtualClock(START)
    with_look_up = seed_provider(get_order_by_client_id=None)
    assert ProviderBroker(with_look_up, clock).capabilities.lookup_by_client_id
    assert not ProviderBroker(seed_provider(), clock).capabilities.lookup_by_client_id


def test_without_look_up_nothing_is_concluded() -> None:
    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> None:
        with pytest.raises(BrokerUnavailable):
            await broker.find_order("fw-1-0")

    run(seed_provider(), work)


def test_an_adopted_order_reports_only_what_the_log_has_not() -> None:
    answer = {"status": "filled", "filled_qty": 100, "filled_avg_price": 150.06}

    async def work(broker: ProviderBroker, runtime: ProviderRuntime) -> list[ExecutionReport]:
        broker.adopt(request(), "test_order_123", Decimal(40), Decimal(6000))
        return await reports_until(broker, runtime)

    reports = run(seed_provider(get_order=answer), work)
    assert [(r.last_qty, r.last_price) for r in reports] == [(60, Decimal("150.1"))]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({}, AccountKind.MARGIN),
        ({"multiplier": "1"}, AccountKind.CASH),
        ({"multiplier": 4}, AccountKind.MARGIN),
        ({"account_type": "CASH"}, AccountKind.CASH),
        ({"account_type": "margin"}, AccountKind.MARGIN),
        ({"account_type": "ira"}, AccountKind.UNKNOWN),
    ],
)
def test_the_kind_of_a_providers_account_is_what_it_says(
    said: dict[str, Any], kind: AccountKind
) -> None:
    read = read_account({"account_value": 5_000, **said}, 0)
    assert read is not None
    assert read[0].kind is kind
