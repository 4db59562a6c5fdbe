"""The application: what comes of decisions, from admission to restart."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock, patch

import pytest

from fillwright.adapters.application import Application
from fillwright.adapters.timekeeping.clocks import VirtualClock
from fillwright.domain.errors import InvalidInput
from fillwright.domain.ports import NANOS
from fillwright.domain.result import OuterStatus, ResultStatus
from tests.adapters.application_cases import buy, mock_provider, steady_provider

MEMORY = "memory:"


def run(story: Any, *, provider: Any = None, store: str = MEMORY, **options: Any) -> Any:
    """Play a story with an application of its own."""

    async def play() -> Any:
        source = provider if provider is not None else steady_provider()
        async with Application.open(
            source, options.pop("config", None), store=store, **options
        ) as app:
            return await story(app)

    return asyncio.run(play())


@pytest.fixture
def patched_sleep() -> Iterator[AsyncMock]:
    with patch("asyncio.sleep", new_callable=AsyncMock) as sleep:
        yield sleep


# -- every status ----------------------------------------------------------------------------------


def test_a_filled_decision_is_a_success() -> None:
    outcome = run(lambda app: app.execute(buy()))
    assert (outcome.status, outcome.partial) == (OuterStatus.SUCCESS, False)
    assert outcome.result.status is ResultStatus.FILLED
    assert outcome.result.executed_quantity == outcome.result.requested_quantity == 299
    assert outcome.result.market_impact is not None


def test_a_decision_that_asks_for_what_is_there_is_a_success_without_change() -> None:
    outcome = run(lambda app: app.execute(buy()), provider=steady_provider(AAA=400))
    assert outcome.status is OuterStatus.SUCCESS
    assert outcome.result.status is ResultStatus.NO_CHANGE
    assert outcome.message.startswith("NO_CHANGE")


def test_a_decision_cancelled_after_a_fill_is_a_partial_success(patched_sleep: AsyncMock) -> None:
    part = {"status": "partially_filled", "filled_qty": 8, "filled_avg_price": 149.0}
    nothing = {"status": "canceled", "filled_qty": 0}
    answers = [part, {**part, "status": "canceled"}]
    get_order = AsyncMock(side_effect=itertools.chain(answers, itertools.repeat(nothing)))
    provider = mock_provider(get_order=get_order, cancel_order={"success": True})
    decision = buy("AAPL", strategy="limit", limit_price=149.0)
    outcome = run(lambda app: app.execute(decision), provider=provider)
    assert (outcome.status, outcome.partial) == (OuterStatus.SUCCESS, True)
    assert outcome.result.status is ResultStatus.CANCELLED
    assert outcome.result.executed_quantity == 8
    assert outcome.result.reason


def test_a_decision_that_never_traded_is_rejected() -> None:
    decision = buy(strategy="limit", limit_price=99.5, window="2m")
    outcome = run(lambda app: app.execute(decision))
    assert outcome.status is OuterStatus.REJECTED
    assert outcome.result.status is ResultStatus.CANCELLED
    assert outcome.result.open_orders == ()


def test_a_refused_decision_is_rejected_with_what_would_pass() -> None:
    outcome = run(lambda app: app.execute(buy(weight=40)))
    assert outcome.status is OuterStatus.REJECTED
    assert [refusal.field for refusal in outcome.result.refusals] == ["target_weight", "turnover"]
    assert all(refusal.would_pass for refusal in outcome.result.refusals)


@pytest.mark.usefixtures("patched_sleep")
def test_an_order_of_unknown_outcome_is_an_error_that_names_it() -> None:
    provider = mock_provider(place_order=AsyncMock(side_effect=TimeoutError()))
    outcome = run(lambda app: app.execute(buy("AAPL")), provider=provider)
    assert outcome.status is OuterStatus.ERROR
    assert outcome.result.status is ResultStatus.INDETERMINATE
    (order,) = outcome.result.open_orders
    assert order in outcome.message
    assert provider.place_order.await_count == 1


def test_a_decision_in_the_first_minutes_is_deferred_and_released_by_itself() -> None:
    provider = steady_provider()
    early = type(provider)(
        provider.market, provider.days, provider.session, provider.session.open, provider.venue
    )

    async def story(app: Application) -> tuple[Any, Any]:
        first = await app.execute(buy())
        return first, await app.wait(first.result.instruction_id)

    first, then = run(story, provider=early)
    assert first.status is OuterStatus.DEFERRED
    assert first.release_at == provider.session.open + 300 * NANOS
    assert then.status is OuterStatus.SUCCESS


@pytest.mark.usefixtures("patched_sleep")
@pytest.mark.parametrize("name", ["get_account_info", "get_positions"])
def test_a_broker_that_cannot_be_asked_refuses_on_the_record(name: str) -> None:
    provider = mock_provider(**{name: AsyncMock(side_effect=ConnectionError("down"))})

    async def story(app: Application) -> tuple[Any, Any]:
        return await app.execute(buy("AAPL", decision_id="d")), app.results()

    outcome, results = run(story, provider=provider)
    assert outcome.status is OuterStatus.REJECTED
    assert outcome.result.reason == "broker_unavailable"
    assert len(results) == 1
    assert provider.place_order.await_count == 0


def test_a_store_that_fails_is_an_error_and_nothing_is_sent(tmp_path: Path) -> None:
    async def story(app: Application) -> Any:
        with patch.object(app.engine.desk.log, "append_jobs", side_effect=OSError("disk full")):
            failed = await app.execute(buy(decision_id="d"))
        return failed, await app.execute(buy(decision_id="d"))

    failed, again = run(story, store=str(tmp_path / "log.db"))
    assert failed.status is OuterStatus.ERROR
    assert "disk full" in failed.message
    assert again.status is OuterStatus.SUCCESS
    assert again.result.executed_quantity == 299


# -- the same decision again -----------------------------------------------------------------------


def test_the_same_id_and_content_gives_the_first_outcome() -> None:
    async def story(app: Application) -> list[Any]:
        return [await app.execute(buy(decision_id="d", reasoning=r)) for r in ("a", "b")]

    first, again = run(story)
    assert not first.repeated
    assert again.repeated
    assert again.result == first.result


def test_the_same_id_with_other_content_is_refused_and_tells_nothing_of_the_first() -> None:
    async def story(app: Application) -> list[Any]:
        return [await app.execute(buy(weight=w, decision_id="d")) for w in (3.0, 2.0)]

    _, other = run(story)
    assert other.status is OuterStatus.REJECTED
    assert other.result.reason == "decision_id_reused"
    assert other.result.fills == ()


def test_a_retry_while_the_first_is_working_waits_for_the_same_end() -> None:
    async def story(app: Application) -> list[Any]:
        decision = buy(strategy="twap", window="10m", decision_id="d")
        return list(await asyncio.gather(*(app.execute(decision) for _ in range(3))))

    outcomes = run(story)
    assert {o.status for o in outcomes} == {OuterStatus.SUCCESS}
    assert len({o.result.instruction_id for o in outcomes}) == 1
    assert [o.repeated for o in outcomes] == [False, True, True]


# -- batches ---------------------------------------------------------------------------------------


def test_a_batch_is_admitted_by_confidence_and_told_in_the_order_given() -> None:
    decisions = [buy(weight=3, confidence=2), buy("BBB", weight=3, confidence=9)]

    async def story(app: Application) -> tuple[Any, Any]:
        outcomes = await app.execute_batch(decisions)
        return outcomes, app.results()

    outcomes, recorded = run(story, config={"max_daily_trades": 1})
    assert [o.status for o in outcomes] == [OuterStatus.REJECTED, OuterStatus.SUCCESS]
    assert [r.symbol for r in recorded] == ["BBB", "AAA"]
    assert outcomes[0].result.reason == "daily_trades"


def test_opposite_decisions_trade_only_their_difference_under_their_own_ids() -> None:
    sell = {"symbol": "AAA", "action": "SELL", "order_size": 100, "strategy": "market"}
    decisions = [
        buy(weight=3, order_size=250, decision_id="up"),
        {**sell, "decision_id": "down"},
    ]

    async def story(app: Application) -> Any:
        outcomes = await app.execute_batch(decisions)
        again = await app.execute(decisions[1])
        orders = app.engine.desk.broker.exchange.orders()  # type: ignore[attr-defined]
        return outcomes, again, orders

    (up, down), again, orders = run(story, provider=steady_provider(AAA=100))
    assert up.result.requested_quantity == up.result.executed_quantity == 150
    assert down.result.status is ResultStatus.NO_CHANGE
    assert down.result.reason == "netted"
    assert again.repeated
    assert {order.side for order in orders} == {"buy"}


def test_with_short_cash_what_reduces_risk_goes_first() -> None:
    decisions = [
        buy("BBB", weight=4, confidence=10),
        {"symbol": "AAA", "action": "CLOSE", "confidence": 1, "strategy": "market"},
    ]

    async def story(app: Application) -> Any:
        await app.execute_batch(decisions)
        return [result.symbol for result in app.results()]

    poor = steady_provider(AAA=9_000)
    venue = type(poor.venue)(cash=Decimal(1_000), positions=poor.venue.positions)
    provider = type(poor)(poor.market, poor.days, poor.session, poor.start_at, venue)
    assert run(story, provider=provider) == ["AAA", "BBB"]


def test_an_unreadable_member_of_a_batch_does_not_stop_the_others() -> None:
    outcomes = run(lambda app: app.execute_batch([{"symbol": 7}, buy(), buy("ZZZ")]))
    assert [o.status.value for o in outcomes] == ["rejected", "success", "rejected"]


def test_an_empty_batch_gives_nothing() -> None:
    assert run(lambda app: app.execute_batch([])) == []


# -- limits ----------------------------------------------------------------------------------------


def test_of_two_hundred_decisions_at_once_exactly_as_many_are_admitted_as_the_cap_allows() -> None:
    async def story(app: Application) -> Any:
        decisions = [{**buy("AAA"), "order_size": 1, "decision_id": f"d-{n}"} for n in range(200)]
        outcomes = await asyncio.gather(*(app.execute(decision) for decision in decisions))
        return outcomes, app.usage(), app.trades_today()

    outcomes, usage, trades = run(story)
    admitted = [o for o in outcomes if o.status is OuterStatus.SUCCESS]
    refused = [o for o in outcomes if o.status is OuterStatus.REJECTED]
    assert (len(admitted), len(refused)) == (50, 150)
    assert {o.result.reason for o in refused} == {"daily_trades"}
    assert len(trades) == 50
    assert usage["uses"][0]["used"] == usage["uses"][0]["allowed"] == 50


def test_a_log_with_a_full_day_leaves_no_room_after_a_restart(tmp_path: Path) -> None:
    store, config = str(tmp_path / "log.db"), {"max_daily_trades": 2}

    async def fill(app: Application) -> Any:
        return [await app.execute(buy(s, decision_id=s)) for s in ("AAA", "BBB")]

    async def one_more(app: Application) -> Any:
        return await app.execute(buy(weight=4, decision_id="more")), app.trades_today()

    assert all(o.status is OuterStatus.SUCCESS for o in run(fill, store=store, config=config))
    outcome, trades = run(one_more, store=store, config=config)
    assert outcome.result.reason == "daily_trades"
    assert len(trades) == 2


# -- ends ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("patched_sleep")
def test_cancelling_the_awaiting_task_leaves_the_instruction_working() -> None:
    released = asyncio.Event()

    async def get_order(order_id: str) -> dict[str, Any]:
        if not released.is_set():
            return {"status": "new", "filled_qty": 0}
        return {"status": "filled", "filled_qty": 20, "filled_avg_price": 150.0}

    async def story(app: Application) -> Any:
        task = asyncio.ensure_future(app.execute(buy("AAPL", window="20m", decision_id="d")))
        while not (app.results() and app.results()[0].open_orders):
            await asyncio.wait((task,), timeout=0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (left,) = app.results()
        released.set()
        return left, await app.wait(left.instruction_id)

    provider = mock_provider(get_order=Mock(side_effect=get_order))
    left, end = run(story, provider=provider)
    assert left.status is ResultStatus.WORKING
    assert end.result.status is ResultStatus.FILLED


def test_a_time_limit_cancels_what_is_left() -> None:
    async def story(app: Application) -> Any:
        admitted = await app.admit(buy(strategy="limit", limit_price=99.5, window="1h"))
        before = app.now
        return before, await app.wait(admitted.result.instruction_id, Decimal(60)), app.now

    before, outcome, after = run(story)
    assert outcome.status is OuterStatus.REJECTED
    assert outcome.result.open_orders == ()
    assert 60 <= (after - before) / NANOS < 70


def test_a_person_cancels_an_instruction_and_a_deferred_one() -> None:
    async def story(app: Application) -> Any:
        working = await app.admit(buy(strategy="twap", decision_id="w"))
        return await app.cancel(working.result.instruction_id, actor="person:ann")

    outcome = run(story)
    assert outcome.result.status is ResultStatus.CANCELLED
    assert outcome.result.reason == "user"
    with pytest.raises(InvalidInput, match="instruction"):
        run(lambda app: app.cancel("nothing"))


def test_the_kill_switch_stops_what_works_and_refuses_what_comes(tmp_path: Path) -> None:
    store = str(tmp_path / "log.db")

    async def story(app: Application) -> Any:
        working = await app.admit(buy(strategy="twap", decision_id="w"))
        await app.kill("too fast")
        stopped = await app.wait(working.result.instruction_id)
        refused = await app.execute(buy("BBB"))
        await app.release("looked at", person="ann")
        return stopped, refused, await app.execute(buy("BBB", weight=2))

    stopped, refused, after = run(story, store=store)
    assert stopped.result.reason == "kill_switch"
    assert refused.result.reason == "killed"
    assert after.status is OuterStatus.SUCCESS


def test_a_kill_with_nothing_open_is_on_the_record_at_once(tmp_path: Path) -> None:
    store = str(tmp_path / "log.db")
    run(lambda app: app.kill("closed for today"), store=store)
    outcome = run(lambda app: app.execute(buy()), store=store)
    assert outcome.result.reason == "killed"
    with pytest.raises(InvalidInput, match="scope"):
        run(lambda app: app.kill("x", scope="everything"))


# -- status and reports ----------------------------------------------------------------------------


def test_status_and_report_are_told_from_the_log(tmp_path: Path) -> None:
    async def story(app: Application) -> Any:
        admitted = await app.admit(buy(strategy="twap", window="10m"))
        during = await app.monitor()
        await app.wait(admitted.result.instruction_id)
        await app.execute(buy(weight=50))
        return during, await app.monitor(), app.report(), await app.report_fields()

    during, after, report, fields = run(story, store=str(tmp_path / "log.db"))
    assert (during["active_count"], after["active_count"]) == (1, 0)
    assert after["done_count"] == 2
    assert (report.totals.filled, report.totals.rejected) == (1, 1)
    assert report.log.head_hash == fields["log"]["head_hash"] != ""
    assert report.note.startswith("simulated")
    with pytest.raises(InvalidInput, match="period_days"):
        run(lambda app: app.report_fields(0))


def test_a_preview_records_nothing() -> None:
    async def story(app: Application) -> Any:
        await app.preview(buy())
        return app.results(), app.engine.desk.log.head().position

    assert run(story) == ([], 0)


# -- restarts and event loops ----------------------------------------------------------------------


def test_a_restart_with_the_store_finds_the_instruction_and_finishes_it(tmp_path: Path) -> None:
    store = str(tmp_path / "log.db")
    decision = buy(strategy="twap", window="30m", decision_id="d")

    async def begin(app: Application) -> Any:
        return (await app.admit(decision)).result

    begun = run(begin, store=store)
    assert begun.status is ResultStatus.WORKING
    outcome = run(lambda app: app.execute(decision), store=store)
    assert outcome.repeated
    assert outcome.result.instruction_id == begun.instruction_id
    assert outcome.result.executed_quantity == 299


@pytest.mark.usefixtures("patched_sleep")
def test_a_restart_follows_an_order_that_lies_at_the_provider(tmp_path: Path) -> None:
    store = str(tmp_path / "log.db")
    decision = buy("AAPL", window="20m", decision_id="d")
    waiting = {"status": "partially_filled", "filled_qty": 5, "filled_avg_price": 150.0}

    async def begin(app: Application) -> Any:
        task = asyncio.ensure_future(app.execute(decision))
        while not (app.results() and app.results()[0].executed_quantity):
            await asyncio.wait((task,), timeout=0.001)
        task.cancel()
        return app.results()[0]

    begun = run(begin, provider=mock_provider(get_order=waiting), store=store)
    assert begun.executed_quantity == 5
    done = {"status": "filled", "filled_qty": 20, "filled_avg_price": 150.0}
    provider = mock_provider(get_order=done)
    outcome = run(lambda app: app.execute(decision), provider=provider, store=store)
    assert outcome.result.executed_quantity == 20
    assert sum(fill.quantity for fill in outcome.result.fills) == 20
    assert provider.place_order.await_count == 0


def test_one_application_serves_one_event_loop_after_the_other() -> None:
    app = Application.open(steady_provider(), store=MEMORY)
    decision = buy(strategy="twap", window="30m", decision_id="d")

    async def begin() -> Any:
        return await app.admit(decision)

    begun = asyncio.run(begin())
    assert begun.result.status is ResultStatus.WORKING

    async def go_on() -> Any:
        return await app.execute(decision)

    assert asyncio.run(go_on()).result.executed_quantity == 299
    asyncio.run(app.aclose())


def test_an_event_loop_closed_without_ceremony_costs_nothing() -> None:
    app = Application.open(steady_provider(), store=MEMORY)
    decision = buy(strategy="twap", window="30m", decision_id="d")
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(app.admit(decision))
    loop.close()  # the loop's tasks are neither finished nor cancelled

    async def go_on() -> Any:
        async with app:
            return await app.execute(decision)

    assert asyncio.run(go_on()).result.executed_quantity == 299


def test_a_closed_application_says_so() -> None:
    app = Application.open(steady_provider(), store=MEMORY)
    asyncio.run(app.aclose())
    asyncio.run(app.aclose())
    with pytest.raises(InvalidInput, match="closed"):
        asyncio.run(app.execute(buy()))


# -- sessions of a provider ------------------------------------------------------------------------

HOURS = {
    "saturday": datetime(2024, 6, 15, 16, 0, tzinfo=UTC),
    "holiday": datetime(2024, 7, 4, 15, 0, tzinfo=UTC),
    "night": datetime(2024, 6, 12, 4, 30, tzinfo=UTC),
    "first minute": datetime(2024, 6, 12, 13, 30, 20, tzinfo=UTC),
    "midday": datetime(2024, 6, 12, 16, 0, tzinfo=UTC),
    "last seconds": datetime(2024, 6, 12, 19, 59, 50, tzinfo=UTC),
}


@pytest.mark.usefixtures("patched_sleep")
@pytest.mark.parametrize("hour", HOURS.values(), ids=list(HOURS))
@pytest.mark.parametrize("strategy", ["market", "twap", "vwap"])
def test_on_paper_a_provider_without_a_clock_trades_at_any_hour(
    hour: datetime, strategy: str
) -> None:
    clock = VirtualClock(int(hour.timestamp()) * NANOS)
    decision = buy("AAPL", weight=1.0, strategy=strategy)
    outcome = run(lambda app: app.execute(decision), provider=mock_provider(), clock=clock)
    assert outcome.result.status is ResultStatus.FILLED
    assert outcome.result.executed_quantity == 6


@pytest.mark.usefixtures("patched_sleep")
@pytest.mark.parametrize(("is_open", "status"), [(True, "success"), (False, "rejected")])
def test_a_provider_with_a_clock_is_believed(is_open: bool, status: str) -> None:
    hour = HOURS["midday"] if is_open else HOURS["saturday"]
    answer = {
        "is_open": is_open,
        "next_open": "2024-06-17T09:30:00-04:00",
        "next_close": "2024-06-12T13:00:00-04:00" if is_open else "2024-06-17T16:00:00-04:00",
    }
    clock = VirtualClock(int(hour.timestamp()) * NANOS)

    async def story(app: Application) -> Any:
        outcome = await app.execute(buy("AAPL", weight=1.0, strategy="twap"))
        instruction = next(iter(app.engine.desk.instructions.values()))
        return outcome, instruction.plan

    outcome, plan = run(story, provider=mock_provider(get_clock=answer), clock=clock)
    assert outcome.status.value == status
    if is_open:  # cut at the provider's earlier close
        assert plan.end_at == int(datetime(2024, 6, 12, 17, 0, tzinfo=UTC).timestamp()) * NANOS
    else:
        assert outcome.result.reason == "market_closed"
