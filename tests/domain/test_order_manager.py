"""The order manager: plans in, results from the log out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from fillwright import ExecutionPlan, ExecutionStrategy, OrderManager, TradeInstruction
from fillwright.domain.result import ResultStatus
from tests.adapters.application_cases import steady_provider


def instruction(**changes: Any) -> TradeInstruction:
    fields: dict[str, Any] = {"symbol": "AAA", "action": "BUY", "target_weight": 3.0}
    return TradeInstruction(**{**fields, **changes})


def plan(
    strategy: ExecutionStrategy = ExecutionStrategy.MARKET,
    size: Any = 40,
    of: TradeInstruction | None = None,
    **terms: Any,
) -> ExecutionPlan:
    return ExecutionPlan(of or instruction(), strategy, size, **terms)


def managed(story: Callable[[OrderManager], Awaitable[Any]], **positions: int) -> Any:
    """Play a story with an order manager on the steady day."""

    async def play() -> Any:
        provider = steady_provider(**positions)
        async with OrderManager(provider, {"store": "memory:"}) as manager:
            return await story(manager)

    return asyncio.run(play())


def executed(one: ExecutionPlan, **positions: int) -> Any:
    """What comes of a plan."""
    return managed(lambda m: m.execute_trade_instruction(one.instruction, one), **positions)


def test_a_plan_keeps_its_own_size() -> None:
    result = executed(plan(size=40))
    assert result.status is ResultStatus.FILLED
    assert result.requested_quantity == result.executed_quantity == 40


def test_without_a_plan_the_target_decides() -> None:
    result = managed(lambda m: m.execute_trade_instruction(instruction()))
    assert result.requested_quantity == 299


@pytest.mark.parametrize("size", [0, Decimal(0), 0.0])
def test_a_plan_of_no_size_changes_nothing(size: Any) -> None:
    result = executed(plan(size=size))
    assert result.status is ResultStatus.NO_CHANGE
    assert result.reason == "zero_size_plan"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"symbol": "no such!"}, "symbol"),
        ({"action": "HOLD"}, "action"),
        ({"confidence": 0}, "confidence"),
        ({"target_weight": float("nan")}, "target_weight"),
        ({"max_slippage": 0}, "max_slippage"),
        ({"execution_window": timedelta(seconds=-5)}, "execution_window"),
    ],
)
def test_an_invalid_instruction_is_rejected_on_the_record(changes: Any, field: str) -> None:
    async def story(manager: OrderManager) -> Any:
        one = instruction(**changes)
        return await manager.execute_trade_instruction(one, plan(of=one)), manager.execution_history

    result, history = managed(story)
    assert result.status is ResultStatus.REJECTED
    assert [refusal.field for refusal in result.refusals] == [field]
    assert history == [result]


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"stop_price": 95}, "stop_price"),
        ({"size": "many"}, "order_size"),
        ({"limit_price": -3}, "limit_price"),
        ({"strategy": ExecutionStrategy.ICEBERG, "chunk_size": "few"}, "display_fraction"),
    ],
)
def test_a_plan_that_cannot_be_honoured_is_rejected_and_not_bent(terms: Any, field: str) -> None:
    result = executed(plan(**terms))
    assert result.status is ResultStatus.REJECTED
    assert field in {refusal.field for refusal in result.refusals}


@pytest.mark.parametrize(
    ("method", "strategy"),
    [
        ("_execute_market_order", ExecutionStrategy.MARKET),
        ("_execute_limit_order", ExecutionStrategy.LIMIT),
        ("_execute_twap_order", ExecutionStrategy.TWAP),
        ("_execute_vwap_order", ExecutionStrategy.VWAP),
        ("_execute_iceberg_order", ExecutionStrategy.ICEBERG),
        ("_execute_opportunistic_order", ExecutionStrategy.OPPORTUNISTIC),
    ],
)
def test_each_method_works_by_its_own_strategy(method: str, strategy: ExecutionStrategy) -> None:
    async def story(manager: OrderManager) -> Any:
        await getattr(manager, method)(instruction(), plan(ExecutionStrategy.MARKET))
        (one,) = manager.application.engine.desk.instructions.values()
        return one.plan

    assert managed(story).strategy is strategy


def test_an_iceberg_shows_the_plans_chunk_and_a_twap_has_its_slices() -> None:
    async def story(manager: OrderManager) -> Any:
        for one in (
            plan(ExecutionStrategy.ICEBERG, 400, chunk_size=100),
            plan(ExecutionStrategy.TWAP, 40, execution_schedule=[{}] * 4),
        ):
            await manager.execute_trade_instruction(one.instruction, one)
        return [i.plan for i in manager.application.engine.desk.instructions.values()]

    iceberg, twap = managed(story)
    assert iceberg.parameters.display_fraction == Decimal("0.25")
    assert twap.parameters.slices == 4


def test_after_its_time_limit_the_rest_is_cancelled() -> None:
    async def story(manager: OrderManager) -> Any:
        one = plan(ExecutionStrategy.LIMIT, limit_price=99.5)
        return await manager.execute_trade_instruction(
            one.instruction, one, timeout=timedelta(minutes=1)
        )

    result = managed(story)
    assert result.status is ResultStatus.CANCELLED
    assert result.open_orders == ()


def test_equal_instructions_with_different_plans_are_different_orders() -> None:
    async def story(manager: OrderManager) -> Any:
        results = []
        for size in (10, 20, 20):
            one = plan(size=size)
            results.append(await manager.execute_trade_instruction(one.instruction, one))
        return results, manager.execution_history

    results, history = managed(story)
    assert [result.executed_quantity for result in results] == [10, 20, 20]
    assert results[1].instruction_id == results[2].instruction_id
    assert len(history) == 2


@pytest.mark.parametrize(
    ("changes", "positions", "status", "side", "quantity"),
    [
        ({}, {}, "READY", "buy", 299),
        ({}, {"AAA": 200}, "READY", "buy", 105),
        ({"action": "SELL", "target_weight": 1.0}, {"AAA": 200}, "READY", "sell", 98),
        ({"action": "CLOSE", "target_weight": None}, {"AAA": 200}, "READY", "sell", 200),
        ({}, {"AAA": 400}, "NO_CHANGE", None, 0),
        ({"action": "SELL"}, {}, "NO_CHANGE", None, 0),
        ({"target_weight": 40}, {}, "REJECTED", None, 0),
        ({"action": "HOLD"}, {}, "REJECTED", None, 0),
    ],
)
def test_parameters_are_what_admission_would_compute(
    changes: Any, positions: Any, status: str, side: str | None, quantity: int
) -> None:
    async def story(manager: OrderManager) -> Any:
        found = await manager._calculate_order_parameters(instruction(**changes))
        return found, manager.execution_history

    found, history = managed(story, **positions)
    assert (found["status"], found["side"], found["quantity"]) == (status, side, quantity)
    assert bool(found["reason"]) == (status != "READY")
    assert history == []


def test_history_and_metrics_are_read_from_the_log() -> None:
    async def story(manager: OrderManager) -> Any:
        for size in (10, 0):
            one = plan(size=size)
            await manager.execute_trade_instruction(one.instruction, one)
        return manager.execution_history, manager.performance_metrics()

    history, metrics = managed(story)
    assert [result.status for result in history] == [ResultStatus.FILLED, ResultStatus.NO_CHANGE]
    overall = metrics["overall"]
    assert (overall["instructions"], overall["no_change"], overall["success_rate"]) == (1, 1, "1")
