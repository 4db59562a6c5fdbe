"""The seed's three classes, joined to what they are given."""

from __future__ import annotations

import asyncio
import runpy
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock, patch

import pytest

from fillwright import (
    ExecutionPlan,
    ExecutionStrategy,
    ExecutionTimingEngine,
    OrderManager,
    Settings,
    TradeExecutionAgent,
    TradeInstruction,
)
from fillwright.adapters.brokers.simulated import SimulatedBroker
from fillwright.adapters.exchange.exchange import Exchange
from fillwright.adapters.exchange.terms import Terms
from fillwright.adapters.provider_sessions import ASSUMED
from fillwright.adapters.simulation import simulate
from fillwright.adapters.timekeeping.clocks import VirtualClock
from fillwright.adapters.wiring import simulated_provider
from fillwright.domain.errors import InvalidInput
from fillwright.domain.ports import NANOS
from tests.adapters.application_cases import (
    DATE,
    MARKET,
    OPEN,
    buy,
    mock_provider,
    steady_provider,
)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MEMORY: Any = {"store": "memory:"}


def single(provider: object, decision: dict[str, Any], config: Any = None, **more: Any) -> Any:
    """Execute one decision with an agent of its own."""

    async def play() -> Any:
        async with TradeExecutionAgent(
            None, provider, {**MEMORY, **(config or {})}, **more
        ) as agent:
            return await agent.execute_single_trade(decision)

    return asyncio.run(play())


# -- what may be given -----------------------------------------------------------------------------


def test_a_simulated_provider_trades_in_virtual_time() -> None:
    told = single(steady_provider(), buy(strategy="twap"))
    assert told["status"] == "success"
    assert told["execution_result"].executed_quantity == 299
    assert told["summary"]["fill_rate_pct"] == 100


def test_a_simulation_that_is_open_is_taken_as_it_is() -> None:
    with simulate(MARKET.days_of("AAA"), store=None, start_at=OPEN + 3600 * NANOS) as simulation:
        told = single(simulation, buy())
        assert told["status"] == "success"
        assert simulation.log.head().position > 0


def test_a_store_for_a_simulation_that_has_one_is_refused() -> None:
    with (
        simulate(MARKET.days_of("AAA"), store=None) as simulation,
        pytest.raises(InvalidInput, match="store"),
    ):
        TradeExecutionAgent(None, simulation, store="memory:")


@pytest.mark.parametrize("keyword", [False, True])
def test_a_simulated_broker_brings_its_exchange_and_time(keyword: bool) -> None:
    session = steady_provider().session
    terms = Terms(cash=Decimal(1_000_000), open_at=session.open, close_at=session.close)
    clock = VirtualClock(session.open + 3600 * NANOS)
    exchange = Exchange(MARKET.days_of("AAA"), terms)
    broker = SimulatedBroker(exchange, clock)
    told = single(None, buy(), broker=broker) if keyword else single(broker, buy())
    assert told["status"] == "success"
    assert exchange.positions(clock.now())["AAA"].quantity == 299


def test_nothing_to_trade_on_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="alpaca_provider"):
        TradeExecutionAgent(None, None)


def test_a_key_that_is_no_setting_is_named() -> None:
    for make in (
        lambda: TradeExecutionAgent(None, steady_provider(), {"max_daily_trade": 3}),
        lambda: OrderManager(steady_provider(), {"limitz": {}}),
        lambda: ExecutionTimingEngine(steady_provider(), {"tempo": 1}),
    ):
        with pytest.raises(InvalidInput, match=r"max_daily_trade|limitz|tempo"):
            make()


def test_settings_and_mappings_configure_alike() -> None:
    for config in ({"max_daily_trades": 7}, Settings.read({"max_daily_trades": 7})):
        agent = TradeExecutionAgent(None, steady_provider(), config, store="memory:")
        assert agent.max_daily_trades == 7
        agent.application.close()


def test_without_a_store_the_log_is_in_memory_with_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for provider in (steady_provider(), mock_provider()):
        OrderManager(provider).application.close()
        assert "in memory" in "".join(capsys.readouterr())


def test_constructing_asks_nothing_and_needs_no_event_loop() -> None:
    provider = mock_provider()
    agent = TradeExecutionAgent(Mock(), provider, MEMORY)
    assert agent.daily_trades == []
    assert all(not each.called for each in (provider.get_account_info, provider.place_order))
    agent.application.close()


# -- the manager and the timing engine on their own ------------------------------------------------


def instruction(**changes: Any) -> TradeInstruction:
    fields: dict[str, Any] = {
        "symbol": "AAA",
        "action": "BUY",
        "target_weight": 3.0,
        "execution_window": timedelta(hours=2),
    }
    return TradeInstruction(**{**fields, **changes})


@pytest.mark.parametrize("strategy", list(ExecutionStrategy))
def test_an_order_manager_works_every_strategy_of_a_plan(strategy: ExecutionStrategy) -> None:
    async def play() -> Any:
        async with OrderManager(steady_provider(), MEMORY) as manager:
            plan = ExecutionPlan(instruction(), strategy, order_size=40)
            result = await manager.execute_trade_instruction(instruction(), plan)
            assert manager.execution_history == [result]
            assert manager.performance_metrics()["overall"]["instructions"] == 1
            return result

    result = asyncio.run(play())
    assert result.requested_quantity == 40
    assert result.executed_quantity == 40 or strategy is ExecutionStrategy.LIMIT


def test_the_timing_engine_judges_a_simulated_market() -> None:
    provider = steady_provider()
    engine = ExecutionTimingEngine(provider)
    timing = asyncio.run(engine.assess_market_timing("AAA", "BUY"))
    assert timing["intraday"]["period"] == "regular"
    assert timing["liquidity"]["spread_bps"] == pytest.approx(1.0, abs=0.01)


def test_the_timing_engine_of_an_agent_moves_with_its_time() -> None:
    async def play() -> Any:
        async with TradeExecutionAgent(None, steady_provider(), MEMORY) as agent:
            await agent.execute_single_trade(buy(strategy="twap", window="3h"))
            return await agent.timing_engine.assess_market_timing("AAA", "BUY")

    assert asyncio.run(play())["intraday"]["period"] == "lunch"


def test_a_patched_timing_engine_decides_the_strategy() -> None:
    async def play() -> Any:
        async with TradeExecutionAgent(None, steady_provider(), MEMORY) as agent:
            with patch.object(
                agent.timing_engine, "assess_market_timing", new_callable=AsyncMock
            ) as timing:
                timing.return_value = {"recommended_strategy": ExecutionStrategy.ICEBERG}
                decision = {**buy(decision_id="d"), "strategy": None}
                told = await agent.execute_single_trade(decision)
                again = await agent.execute_single_trade(decision)
            (one,) = agent.application.engine.desk.instructions.values()
            return told, again, one.plan

    told, again, plan = asyncio.run(play())
    assert plan.strategy is ExecutionStrategy.ICEBERG
    # The recommendation is no part of the decision: what is said twice is still one decision.
    assert again["execution_result"].instruction_id == told["execution_result"].instruction_id


# -- sessions --------------------------------------------------------------------------------------


def test_an_assumed_session_is_noted_with_every_action() -> None:
    saturday = int(datetime(2024, 6, 15, 16, 0, tzinfo=UTC).timestamp()) * NANOS

    async def play() -> list[str]:
        provider = mock_provider()
        async with OrderManager(provider, MEMORY, clock=VirtualClock(saturday)) as manager:
            with patch("asyncio.sleep", new_callable=AsyncMock):
                plan = ExecutionPlan(instruction(symbol="AAPL"), ExecutionStrategy.MARKET, 10)
                await manager.execute_trade_instruction(plan.instruction, plan)
            log = manager.application.engine.desk.log
            intents = (r.event for r in log.events() if r.event.TOPIC == "OrderIntended")
            return [intent.provenance.market.source for intent in intents]  # type: ignore[attr-defined]

    sources = asyncio.run(play())
    assert sources
    assert all(source.startswith(ASSUMED) for source in sources)


def test_a_two_hour_twap_ends_at_once_under_a_patched_sleep() -> None:
    provider = mock_provider()

    async def play() -> Any:
        async with OrderManager(provider, MEMORY) as manager:
            with patch("asyncio.sleep", new_callable=AsyncMock):
                one = instruction(symbol="AAPL")
                plan = ExecutionPlan(one, ExecutionStrategy.TWAP, order_size=24)
                return await manager.execute_trade_instruction(one, plan)

    result = asyncio.run(asyncio.wait_for(play(), 60))
    assert result.executed_quantity == 24
    assert provider.place_order.await_count >= 8


# -- simulated providers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"symbols": ["QQQQ"]}, "symbols"),
        ({"date": "20240615"}, "date"),
        ({"start_minutes": 600, "market": MARKET, "date": DATE}, "start_minutes"),
        ({"symbols": ["CCC"], "market": MARKET, "date": DATE}, "symbols"),
    ],
)
def test_a_simulated_provider_says_what_it_cannot_be(arguments: Any, field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        simulated_provider(**arguments)


def test_the_same_day_twice_gives_the_same_log() -> None:
    def head() -> str:
        async def play() -> str:
            async with TradeExecutionAgent(None, steady_provider(AAA=100), MEMORY) as agent:
                await agent.execute_portfolio_decisions(
                    [buy(strategy="twap"), {"symbol": "AAA", "action": "CLOSE"}, buy("BBB")]
                )
                return agent.application.engine.desk.log.head().hash.hex()

        return asyncio.run(play())

    assert head() == head()


# -- examples --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["seed_usage.py", "custom_provider.py"])
def test_an_example_runs_as_written_without_a_warning(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "success" in done.stdout


def test_an_example_can_be_run_again_on_its_store(tmp_path: Path) -> None:
    main = runpy.run_path(str(EXAMPLES / "seed_usage.py"))["main"]
    store = str(tmp_path / "log.db")
    asyncio.run(main(store))
    asyncio.run(main(store))
