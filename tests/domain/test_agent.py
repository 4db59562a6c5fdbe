"""The agent: decisions in, executions, status and reports out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from fillwright import ExecutionStrategy, ExecutionUrgency, TradeExecutionAgent
from fillwright.domain.agent import TASKS, BaseAgent
from fillwright.domain.errors import InvalidInput
from fillwright.domain.result import ExecutionResult
from tests.adapters.application_cases import buy, steady_provider


def agented(
    story: Callable[[TradeExecutionAgent], Awaitable[Any]],
    *,
    llm: object = None,
    store: str = "memory:",
    config: Any = None,
    **positions: int,
) -> Any:
    """Play a story with an agent on the steady day."""

    async def play() -> Any:
        provider = steady_provider(**positions)
        async with TradeExecutionAgent(llm, provider, config, store=store) as agent:
            return await story(agent)

    return asyncio.run(play())


# -- limits ----------------------------------------------------------------------------------------


def test_the_limits_are_those_of_the_seed_unless_configured() -> None:
    async def story(agent: TradeExecutionAgent) -> Any:
        return agent.max_daily_trades, agent.max_position_size, agent.max_daily_turnover

    assert agented(story) == (50, 5, 25)
    config = {"max_daily_trades": 3, "max_position_size": 2, "max_daily_turnover": 10}
    assert agented(story, config=config) == (3, 2, 10)


def test_the_days_trades_are_what_executed_today() -> None:
    async def story(agent: TradeExecutionAgent) -> Any:
        before = agent.daily_trades
        told = await agent.execute_single_trade(buy())
        await agent.execute_single_trade(buy(weight=40))
        return before, told["execution_result"], agent.daily_trades

    before, result, after = agented(story)
    assert before == []
    assert [trade.instruction_id for trade in after] == [result.instruction_id]
    assert isinstance(after[0], ExecutionResult)


def test_a_filled_day_is_seen_by_the_next_agent_on_the_same_log(tmp_path: Path) -> None:
    store, config = str(tmp_path / "log.db"), {"max_daily_trades": 1}

    async def fill(agent: TradeExecutionAgent) -> Any:
        before = agent._check_daily_limits()
        await agent.execute_single_trade(buy())
        return before

    async def look(agent: TradeExecutionAgent) -> Any:
        told = await agent.execute_single_trade(buy("BBB"))
        return len(agent.daily_trades), agent._check_daily_limits(), told

    assert agented(fill, store=store, config=config)["allowed"]
    trades, limits, told = agented(look, store=store, config=config)
    assert trades == 1
    assert not limits["allowed"]
    assert limits["reasons"] == ["trades: 1 of 1 trades used"]
    assert told["status"] == "rejected"
    assert told["execution_result"].reason == "daily_trades"


def test_tracking_tells_how_an_execution_counts_and_keeps_nothing() -> None:
    async def story(agent: TradeExecutionAgent) -> Any:
        told = await agent.execute_single_trade(buy())
        refused = await agent.execute_single_trade(buy(weight=40))
        return [agent._track_daily_execution(t["execution_result"]) for t in (told, refused)]

    traded, refused = agented(story)
    assert traded["counted"]
    assert traded["notional"] == pytest.approx(Decimal(299) * 100, rel=Decimal("0.001"))
    assert not refused["counted"]
    assert traded["trades_today"] == refused["trades_today"] == 1


# -- decisions and plans ---------------------------------------------------------------------------


def test_a_decision_becomes_the_seeds_instruction() -> None:
    async def story(agent: TradeExecutionAgent) -> Any:
        decision = {"symbol": "aaa", "action": "buy", "target_weight": "3", "urgency": "HIGH"}
        return agent._convert_decision_to_instruction({**decision, "reasoning": "why"})

    found = agented(story)
    assert (found.symbol, found.action, found.target_weight) == ("AAA", "BUY", 3)
    assert (found.urgency, found.reasoning) == (ExecutionUrgency.HIGH, "why")


@pytest.mark.parametrize("field", ["symbol", "action", "confidence"])
def test_a_bad_decision_is_named_when_converted_and_recorded_when_executed(field: str) -> None:
    decision = {**buy(), field: "?"}

    async def story(agent: TradeExecutionAgent) -> Any:
        with pytest.raises(InvalidInput, match=field):
            agent._convert_decision_to_instruction(decision)
        return await agent.execute_single_trade(decision), agent.application.results()

    told, recorded = agented(story)
    assert told["status"] == "rejected"
    assert [refusal.field for refusal in recorded[0].refusals] == [field]


def test_a_plan_takes_the_recommended_strategy_unless_the_decision_names_one() -> None:
    timing = {"recommended_strategy": "iceberg", "risks": ["thin"], "expected_slippage": 3.0}

    async def story(agent: TradeExecutionAgent) -> Any:
        bare = {**buy(), "strategy": None}
        one = agent._convert_decision_to_instruction(bare)
        return [
            await agent._create_execution_plan(one, timing),
            await agent._create_execution_plan(one, timing, decision=buy(strategy="vwap")),
            await agent._create_execution_plan(one, {}, decision=buy(weight=40)),
        ]

    recommended, named, refused = agented(story)
    assert recommended.strategy is ExecutionStrategy.ICEBERG
    assert recommended.order_size == 299
    assert recommended.target_price == Decimal("100.005")
    assert recommended.risk_assessment["risks"] == ["thin"]
    assert named.strategy is ExecutionStrategy.VWAP
    assert refused.order_size == 0
    assert refused.risk_assessment["status"] == "REJECTED"


def test_a_portfolio_is_counted_and_told_in_the_order_given() -> None:
    decisions = [
        buy(),
        {"symbol": "BBB", "action": "CLOSE", "confidence": 9},
        buy("BBB", weight=90),
        {"symbol": 3},
    ]
    answer = agented(lambda agent: agent.execute_portfolio_decisions(decisions))
    assert answer["total"] == 4
    assert [told["status"] for told in answer["results"]] == [
        "success",
        "success",
        "rejected",
        "rejected",
    ]
    assert answer["counts"]["success"] == 2
    assert answer["counts"]["no_change"] == 1
    assert answer["rejected"] == answer["results"][2:]


# -- watching --------------------------------------------------------------------------------------


def test_a_report_has_the_days_figures_and_no_commentary_without_a_model() -> None:
    async def story(agent: TradeExecutionAgent) -> Any:
        await agent.execute_single_trade(buy())
        return await agent.generate_execution_report(period_days=1), agent._check_execution_alerts()

    report, alerts = agented(story)
    assert report["totals"]["filled"] == 1
    assert report["quality"]["overall"]["completion"] == "1"
    assert report["commentary"] is None
    assert alerts == report["alerts"] == []


def test_a_model_writes_the_commentary_and_is_told_no_personal_text() -> None:
    llm = Mock(spec=["complete", "model"])
    llm.model = "small-1"
    llm.complete = AsyncMock(return_value=" Calm. ")

    async def story(agent: TradeExecutionAgent) -> Any:
        await agent.execute_single_trade(buy(reasoning="a private thought"))
        return await agent.generate_execution_report()

    commentary = agented(story, llm=llm)["commentary"]
    assert (commentary["text"], commentary["model"]) == ("Calm.", "small-1")
    assert "private" not in commentary["prompt"]
    assert commentary["prompt"] == llm.complete.await_args.args[0]


@pytest.mark.parametrize(
    "llm",
    [
        object(),
        Mock(),
        Mock(complete=AsyncMock(side_effect=RuntimeError("quota"))),
        Mock(complete=AsyncMock(return_value=None)),
        Mock(complete=Mock(side_effect=ValueError)),
    ],
)
def test_a_model_that_fails_changes_nothing(llm: object) -> None:
    async def story(agent: TradeExecutionAgent) -> Any:
        told = await agent.execute_single_trade(buy())
        return told, await agent.generate_execution_report()

    told, report = agented(story, llm=llm)
    assert told["status"] == "success"
    assert report["totals"]["filled"] == 1
    assert report["commentary"] is None


# -- tasks -----------------------------------------------------------------------------------------


def test_every_task_type_is_routed() -> None:
    fields = {"decision": buy(), "decisions": [buy("BBB")], "period_days": 1}

    async def story(agent: TradeExecutionAgent) -> Any:
        assert isinstance(agent, BaseAgent)
        return {kind: await agent.process({"task_type": kind, **fields}) for kind in TASKS}

    answers = agented(story)
    keys = {
        "execute_single_trade": "execution_result",
        "execute_portfolio_decisions": "counts",
        "monitor_active_executions": "active",
        "generate_execution_report": "totals",
    }
    for kind, answer in answers.items():
        assert keys[TASKS[kind]] in answer


@pytest.mark.parametrize(
    ("task", "named"),
    [
        ({}, "task_type"),
        ({"task_type": "make_coffee"}, "make_coffee"),
        ({"task_type": "execute_trade"}, "decision"),
        ({"task_type": "execute_portfolio", "decisions": "BUY"}, "decisions"),
        ({"task_type": "generate_report", "period_days": -1}, "period_days"),
        ({"task_type": "generate_report", "period_days": "week"}, "period_days"),
    ],
)
def test_a_task_that_cannot_be_done_is_answered_with_what_is_allowed(task: Any, named: str) -> None:
    answer = agented(lambda agent: agent.process(task))
    assert answer["status"] == "error"
    assert named in answer["message"]
    assert "allowed" in answer["message"]
