"""The tests that the seed lists, by its names, on what really happens.

Every test runs in session, on a Saturday and on a holiday: a decision that comes while the market
is closed waits for the next open, and the patched sleep lets that come at once.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import AsyncMock, Mock, patch

import pytest

from fillwright import (
    ExecutionPlan,
    ExecutionResult,
    ExecutionStrategy,
    ExecutionTimingEngine,
    ExecutionUrgency,
    OrderManager,
    TradeExecutionAgent,
    TradeInstruction,
)
from fillwright.domain import order_manager as managers
from fillwright.domain.errors import InvalidInput
from fillwright.domain.timing.engine import FiredRule, TimingRule
from tests.seed.conftest import ASK, MID, Desk, Venue, ended, executed, ns, plan_of

OPEN = datetime(2013, 10, 8, 13, 30, tzinfo=UTC)
FAVORABLE = {
    "timing_score": 8.0,
    "assessment": "favorable",
    "recommended_strategy": ExecutionStrategy.MARKET,
    "risks": [],
    "expected_slippage": 2.0,
}


def rules_of(timing: dict[str, Any]) -> set[str]:
    return {rule["name"] for rule in timing["rules"]}


class TestExecutionTimingEngine:
    """Market conditions, time of day and liquidity."""

    def test_assess_market_timing_normal_conditions(
        self, timing_engine: ExecutionTimingEngine, market_open: bool
    ) -> None:
        timing = asyncio.run(timing_engine.assess_market_timing("AAPL", "BUY"))
        assert timing["conditions"]["volatility"] == "normal"
        assert timing["liquidity"]["level"] in ("normal", "high")
        assert timing["recommended_strategy"] is ExecutionStrategy.TWAP
        assert timing["expected_slippage"] < 10
        if market_open:
            assert timing["timing_score"] >= 8
            assert timing["assessment"] == "favorable"
            assert timing["risks"] == []
        else:
            assert "market_closed" in rules_of(timing)
            assert timing["intraday"]["period"] == "closed"

    def test_assess_market_timing_volatile_conditions(
        self, timing_engine: ExecutionTimingEngine, mock_alpaca_provider: Mock, market_open: bool
    ) -> None:
        calm = asyncio.run(timing_engine.assess_market_timing("AAPL", "BUY"))
        mock_alpaca_provider.get_market_data.return_value = {
            "AAPL": {"current_price": 150.0, "volatility": 0.09, "trend_strength": -0.1}
        }
        timing = asyncio.run(timing_engine.assess_market_timing("AAPL", "BUY"))
        assert timing["conditions"]["volatility"] == "extreme"  # 9 % a day is 46 bps a minute
        assert "extreme_volatility" in rules_of(timing)
        assert timing["recommended_strategy"] is ExecutionStrategy.TWAP
        assert timing["timing_score"] < calm["timing_score"]
        assert "extreme volatility" in timing["risks"]

    def test_assess_market_timing_poor_liquidity(
        self, timing_engine: ExecutionTimingEngine, mock_alpaca_provider: Mock
    ) -> None:
        mock_alpaca_provider.get_latest_quote.return_value = {
            "bid": 148.0,
            "ask": 152.0,
            "bid_size": 10,
            "ask_size": 10,
        }
        timing = asyncio.run(timing_engine.assess_market_timing("AAPL", "BUY"))
        assert timing["liquidity"]["level"] == "low"
        assert timing["liquidity"]["spread_bps"] == pytest.approx(266.67, abs=0.01)
        assert {"very_wide_spread", "thin_touch"} <= rules_of(timing)
        assert timing["recommended_strategy"] is ExecutionStrategy.LIMIT
        assert timing["expected_slippage"] > 100

    def test_assess_market_timing_error_handling(
        self, timing_engine: ExecutionTimingEngine, mock_alpaca_provider: Mock
    ) -> None:
        mock_alpaca_provider.get_market_data.side_effect = Exception("API error")
        mock_alpaca_provider.get_latest_quote.side_effect = Exception("API error")
        timing = asyncio.run(timing_engine.assess_market_timing("AAPL", "BUY"))
        assert timing["timing_score"] <= 5
        assert timing["conditions"]["volatility"] == "unknown"
        assert timing["recommended_strategy"] is ExecutionStrategy.TWAP
        assert sum("API error" in risk for risk in timing["risks"]) == 2

    @pytest.mark.parametrize(
        ("minutes", "period", "avoid"),
        [
            (-1, "closed", True),
            (0, "opening", True),
            (4, "opening", True),
            (5, "regular", False),
            (150, "lunch", False),
            (379, "regular", False),
            (380, "closing", True),
            (390, "closed", True),
        ],
    )
    def test_intraday_timing_patterns(
        self, timing_engine: ExecutionTimingEngine, minutes: int, period: str, avoid: bool
    ) -> None:
        at = ns(OPEN + timedelta(minutes=minutes))
        found = timing_engine._analyze_intraday_patterns("AAPL", at)
        assert (found["period"], found["avoid"]) == (period, avoid)

    @pytest.mark.parametrize(
        ("rules", "urgency", "strategy"),
        [
            ([], ExecutionUrgency.MEDIUM, ExecutionStrategy.TWAP),
            ([TimingRule.URGENT], ExecutionUrgency.URGENT, ExecutionStrategy.MARKET),
            ([TimingRule.WIDE_SPREAD], ExecutionUrgency.MEDIUM, ExecutionStrategy.LIMIT),
            ([TimingRule.LARGE_FOR_DAY], ExecutionUrgency.LOW, ExecutionStrategy.VWAP),
            ([TimingRule.LARGE_FOR_TOUCH], ExecutionUrgency.LOW, ExecutionStrategy.TWAP),
            ([TimingRule.TREND_WITH], ExecutionUrgency.LOW, ExecutionStrategy.OPPORTUNISTIC),
        ],
    )
    def test_recommend_execution_strategy(
        self,
        timing_engine: ExecutionTimingEngine,
        rules: list[TimingRule],
        urgency: ExecutionUrgency,
        strategy: ExecutionStrategy,
    ) -> None:
        fired = [FiredRule(name=rule) for rule in rules]
        found, decided_by = timing_engine._recommend_execution_strategy(fired, urgency)
        assert found is strategy
        assert decided_by is (rules[0] if rules else None)


class TestOrderManager:
    """The lifecycle of orders, by strategy."""

    def execute(
        self, desk: Desk, instruction: TradeInstruction, plan: ExecutionPlan
    ) -> ExecutionResult:
        async def story(agent: TradeExecutionAgent) -> ExecutionResult:
            return await executed(agent, instruction, plan)

        return desk.run(story)

    def check_filled(self, desk: Desk, venue: Venue, result: ExecutionResult, size: int) -> None:
        """What every filled order has in common."""
        assert result.status.value == "FILLED"
        assert result.requested_quantity == size
        assert result.executed_quantity == size
        assert sum(fill.quantity for fill in result.fills) == size
        assert venue.shares == size
        assert result.open_orders == ()
        assert all(order["symbol"] == "AAPL" and order["side"] == "buy" for order in venue.placed)
        ids = [order["client_order_id"] for order in venue.placed]
        assert len(ids) == len(set(ids))
        topics = desk.topics()
        assert topics.count("OrderIntended") == len(venue.placed)
        assert topics.count("InstructionFilled") == 1
        first_intent = topics.index("OrderIntended")
        assert topics.index("InstructionPlanned") < first_intent < topics.index("OrderFilled")

    def test_execute_market_order(
        self,
        desk: Desk,
        venue: Venue,
        sample_trade_instruction: TradeInstruction,
        market_open: bool,
    ) -> None:
        plan = plan_of(sample_trade_instruction, ExecutionStrategy.MARKET)
        result = self.execute(desk, sample_trade_instruction, plan)
        self.check_filled(desk, venue, result, 30)
        assert result.average_price == Decimal(str(ASK))
        if market_open:
            assert result.arrival_mid == MID
            assert result.slippage_bps == pytest.approx(Decimal("0.6667"), abs=Decimal("0.001"))
        else:  # there is no valid quote at receipt, and a later one is no arrival
            assert result.arrival_mid is None
            assert result.slippage_bps is None
        # Sent with the bound of 10 bps past the arrival mid, so that nothing fills beyond it.
        assert venue.placed[0]["limit_price"] == 150.15

    def test_execute_limit_order(
        self,
        desk: Desk,
        venue: Venue,
        sample_trade_instruction: TradeInstruction,
        market_open: bool,
    ) -> None:
        plan = plan_of(sample_trade_instruction, ExecutionStrategy.LIMIT, limit_price=149.5)
        result = self.execute(desk, sample_trade_instruction, plan)
        self.check_filled(desk, venue, result, 30)
        assert {order["order_type"] for order in venue.placed} == {"limit"}
        assert max(order["limit_price"] for order in venue.placed) == 149.5
        assert result.average_price == Decimal("149.5")
        if market_open:
            assert result.slippage_bps is not None
            assert result.slippage_bps < 0

    def test_execute_twap_order(
        self,
        desk: Desk,
        venue: Venue,
        sample_trade_instruction: TradeInstruction,
        sleep: AsyncMock,
    ) -> None:
        desk.config = {"execution": {"style": "naive"}}
        plan = plan_of(sample_trade_instruction, ExecutionStrategy.TWAP)
        result = self.execute(desk, sample_trade_instruction, plan)
        self.check_filled(desk, venue, result, 30)
        assert [order["qty"] for order in venue.placed] == [4, 4, 3, 4, 4, 3, 4, 4]
        times = [event.record_time for event in desk.events() if event.TOPIC == "OrderIntended"]
        gaps = {later - earlier for earlier, later in itertools.pairwise(times)}
        assert gaps == {15 * 60 * 10**9}  # 8 slices over 2 hours
        assert sleep.await_count > 0

    def test_execute_vwap_order(
        self, desk: Desk, venue: Venue, sample_trade_instruction: TradeInstruction
    ) -> None:
        plan = plan_of(sample_trade_instruction, ExecutionStrategy.VWAP)
        result = self.execute(desk, sample_trade_instruction, plan)
        self.check_filled(desk, venue, result, 30)
        assert len(venue.placed) > 1

    def test_execute_iceberg_order(
        self, desk: Desk, venue: Venue, sample_trade_instruction: TradeInstruction
    ) -> None:
        plan = plan_of(sample_trade_instruction, ExecutionStrategy.ICEBERG, chunk_size=6)
        result = self.execute(desk, sample_trade_instruction, plan)
        self.check_filled(desk, venue, result, 30)
        assert max(order["qty"] for order in venue.placed) <= 30

    def test_execute_opportunistic_order(
        self,
        desk: Desk,
        venue: Venue,
        sample_trade_instruction: TradeInstruction,
    ) -> None:
        plan = plan_of(sample_trade_instruction, ExecutionStrategy.OPPORTUNISTIC)
        result = self.execute(desk, sample_trade_instruction, plan)
        self.check_filled(desk, venue, result, 30)

    def test_monitor_order_timeout(
        self, desk: Desk, venue: Venue, sample_trade_instruction: TradeInstruction
    ) -> None:
        venue.fill_fraction = Decimal(0)

        async def story(agent: TradeExecutionAgent) -> ExecutionResult:
            plan = plan_of(sample_trade_instruction, ExecutionStrategy.LIMIT, limit_price=140)
            return await executed(agent, sample_trade_instruction, plan)

        result = desk.run(story)
        assert result.status.value == "CANCELLED"
        assert result.executed_quantity == 0
        assert result.open_orders == ()
        assert venue.cancelled == {order["order_id"] for order in venue.placed}
        topics = desk.topics()
        assert topics.index("OrderCancelRequested") < topics.index("OrderCanceled")
        assert topics.index("OrderCanceled") < topics.index("InstructionCancelled")

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"symbol": ""}, "invalid_decision"),
            ({"action": "HOLD"}, "invalid_decision"),
            ({"confidence": 11}, "invalid_decision"),
            ({"target_weight": -1.0}, "invalid_decision"),
            ({"target_weight": float("nan")}, "invalid_decision"),
            ({"max_slippage": -5.0}, "invalid_decision"),
        ],
    )
    def test_order_validation(
        self,
        desk: Desk,
        venue: Venue,
        sample_trade_instruction: TradeInstruction,
        changes: dict[str, Any],
        reason: str,
    ) -> None:
        instruction = replace(sample_trade_instruction, **changes)
        result = self.execute(desk, instruction, plan_of(instruction, ExecutionStrategy.MARKET))
        assert result.status.value == "REJECTED"
        assert result.reason == reason
        (field,) = changes
        assert [refusal.field for refusal in result.refusals] == [field]
        assert venue.placed == []
        assert "InstructionRejected" in desk.topics()

    def test_calculate_order_parameters(
        self,
        desk: Desk,
        mock_alpaca_provider: Mock,
        sample_trade_instruction: TradeInstruction,
        market_open: bool,
    ) -> None:
        async def story(agent: TradeExecutionAgent) -> list[dict[str, Any]]:
            manager: OrderManager = agent.order_manager
            buy = await manager._calculate_order_parameters(sample_trade_instruction)
            mock_alpaca_provider.get_positions.return_value = {
                "AAPL": {"quantity": 50, "market_value": 7500}
            }
            sell = replace(sample_trade_instruction, action="SELL", target_weight=3.0)
            return [buy, await manager._calculate_order_parameters(sell)]

        buy, sell = desk.run(story)
        assert buy["status"] == ("READY" if market_open else "DEFERRED")
        if market_open:
            assert (buy["side"], buy["quantity"]) == ("buy", 20)  # 3 % of 100,000 at 150
            assert (sell["side"], sell["quantity"]) == ("sell", 30)
        assert "InstructionPlanned" not in (desk.topics() if desk.store.exists() else [])

    def test_execution_performance_tracking(
        self, desk: Desk, sample_trade_instruction: TradeInstruction, market_open: bool
    ) -> None:
        async def story(agent: TradeExecutionAgent) -> tuple[list[ExecutionResult], Any]:
            for size in (10, 20):
                plan = plan_of(sample_trade_instruction, ExecutionStrategy.MARKET, size)
                await executed(agent, sample_trade_instruction, plan)
            return agent.order_manager.execution_history, agent.order_manager.performance_metrics()

        history, metrics = desk.run(story)
        assert [result.executed_quantity for result in history] == [10, 20]
        # Received while the market was closed, the first has no arrival to be judged against.
        first = "excellent" if market_open else "unknown"
        assert [result.execution_quality.value for result in history] == [first, "excellent"]
        overall = metrics["overall"]
        assert (overall["ordered"], overall["executed"], overall["success_rate"]) == (
            "30",
            "30",
            "1",
        )
        assert overall["slippage_bps_mean"] == "0.6667"
        assert overall["slippage_count"] == (2 if market_open else 1)
        assert [row["group"] for row in metrics["by_strategy"]] == ["market"]

    @pytest.mark.parametrize("size", [0, Decimal(0)])
    def test_zero_quantity_order(
        self,
        desk: Desk,
        venue: Venue,
        sample_trade_instruction: TradeInstruction,
        size: Decimal | int,
    ) -> None:
        plan = plan_of(sample_trade_instruction, ExecutionStrategy.MARKET, size)
        result = self.execute(desk, sample_trade_instruction, plan)
        assert result.status.value == "NO_CHANGE"
        assert (result.requested_quantity, result.executed_quantity) == (0, 0)
        assert venue.placed == []
        assert "NothingToDo" in desk.topics()


class TestTradeExecutionAgent:
    """Decisions in, executions and reports out."""

    def test_agent_initialization(self, desk: Desk) -> None:
        async def story(agent: TradeExecutionAgent) -> None:
            assert agent.max_daily_trades == 50
            assert agent.max_position_size == 5
            assert agent.max_daily_turnover == 25
            assert agent.daily_trades == []
            assert isinstance(agent.timing_engine, ExecutionTimingEngine)
            assert isinstance(agent.order_manager, managers.OrderManager)

        desk.run(story)

    def test_execute_single_trade_success(
        self, desk: Desk, venue: Venue, sample_decision: dict[str, Any], market_open: bool
    ) -> None:
        async def story(agent: TradeExecutionAgent) -> tuple[dict[str, Any], ExecutionResult]:
            answer = await agent.execute_single_trade(sample_decision)
            return answer, await ended(agent, answer["execution_result"])

        answer, result = desk.run(story)
        assert answer["status"] == ("success" if market_open else "deferred")
        assert result.status.value == "FILLED"
        assert result.executed_quantity == 20
        assert venue.shares == 20
        assert "Strong momentum" not in str(desk.events())

    def test_execute_single_trade_daily_limit(
        self, desk: Desk, venue: Venue, sample_decision: dict[str, Any]
    ) -> None:
        desk.config = {"max_daily_trades": 1}

        async def first(agent: TradeExecutionAgent) -> ExecutionResult:
            answer = await agent.execute_single_trade(sample_decision)
            return await ended(agent, answer["execution_result"])

        async def second(agent: TradeExecutionAgent) -> ExecutionResult:
            answer = await agent.execute_single_trade({**sample_decision, "target_weight": 4.0})
            return await ended(agent, answer["execution_result"])

        async def both(agent: TradeExecutionAgent) -> tuple[ExecutionResult, ExecutionResult]:
            return await first(agent), await second(agent)

        done, refused = desk.run(both)
        assert done.status.value == "FILLED"
        assert refused.status.value == "REJECTED"
        assert "daily_trades" in (refused.reason or "")
        assert venue.shares == 20
        # The log is what counts: a new agent on the same log is bound by it too.
        again = desk.run(second)
        assert again.status.value == "REJECTED"
        assert venue.shares == 20

    def test_execute_portfolio_decisions(
        self, desk: Desk, venue: Venue, mock_alpaca_provider: Mock, market_open: bool
    ) -> None:
        figures = mock_alpaca_provider.get_market_data.return_value["AAPL"]
        symbols = ("AAPL", "MSFT", "IBM")
        mock_alpaca_provider.get_market_data.return_value = dict.fromkeys(symbols, figures)
        decisions = [
            {"symbol": "AAPL", "action": "BUY", "target_weight": 3.0, "confidence": 5},
            {"symbol": "MSFT", "action": "BUY", "target_weight": 2.0, "confidence": 9},
            {"symbol": "IBM", "action": "SELL", "target_weight": 0.0, "confidence": 7},
            {"symbol": "AAPL", "action": "FLY", "target_weight": 3.0},
        ]

        async def story(agent: TradeExecutionAgent) -> dict[str, Any]:
            answer = await agent.execute_portfolio_decisions(decisions)
            for told in answer["results"]:
                await ended(agent, told["execution_result"])
            return answer

        answer = desk.run(story)
        assert answer["total"] == 4
        assert answer["counts"]["rejected"] == 1
        assert answer["rejected"][0]["execution_result"].action in ("", "FLY")
        assert answer["counts"]["success" if market_open else "deferred"] >= 2
        by_symbol: dict[str, int] = {}
        for order in venue.placed:
            by_symbol[order["symbol"]] = by_symbol.get(order["symbol"], 0) + order["qty"]
        assert by_symbol == {"AAPL": 20, "MSFT": 13}

    def test_monitor_active_executions(
        self, desk: Desk, venue: Venue, sample_decision: dict[str, Any]
    ) -> None:
        async def story(agent: TradeExecutionAgent) -> tuple[dict[str, Any], dict[str, Any]]:
            before = await agent.monitor_active_executions()
            answer = await agent.execute_single_trade(sample_decision)
            await ended(agent, answer["execution_result"])
            return before, await agent.monitor_active_executions()

        before, after = desk.run(story)
        assert before["active"] == after["active"] == []
        assert "limits" in after
        assert "alerts" in after

    def test_generate_execution_report(self, desk: Desk, sample_decision: dict[str, Any]) -> None:
        llm = Mock(spec=["complete"])
        llm.complete = AsyncMock(return_value="A calm day.")
        desk.llm = llm

        async def story(agent: TradeExecutionAgent) -> dict[str, Any]:
            answer = await agent.execute_single_trade(sample_decision)
            await ended(agent, answer["execution_result"])
            return await agent.generate_execution_report(period_days=1)

        report = desk.run(story)
        assert report["commentary"]["text"] == "A calm day."
        assert "alerts" in report
        assert "AAPL" in str(report)

    def test_create_execution_plan(
        self, desk: Desk, sample_trade_instruction: TradeInstruction, market_open: bool
    ) -> None:
        async def story(agent: TradeExecutionAgent) -> ExecutionPlan:
            timing = {**FAVORABLE, "recommended_strategy": ExecutionStrategy.ICEBERG}
            return await agent._create_execution_plan(sample_trade_instruction, timing)

        plan = desk.run(story)
        assert plan.instruction is sample_trade_instruction
        assert plan.strategy is ExecutionStrategy.ICEBERG
        assert plan.market_timing["timing_score"] == 8.0
        if market_open:
            assert plan.order_size == 20
            assert plan.target_price == MID
            assert plan.risk_assessment["status"] == "READY"
        else:
            assert plan.risk_assessment["status"] == "DEFERRED"

    def test_convert_decision_to_instruction(
        self, desk: Desk, sample_decision: dict[str, Any]
    ) -> None:
        async def story(agent: TradeExecutionAgent) -> TradeInstruction:
            return agent._convert_decision_to_instruction(
                {**sample_decision, "urgency": "high", "max_slippage": 5}
            )

        instruction = desk.run(story)
        assert (instruction.symbol, instruction.action) == ("AAPL", "BUY")
        assert instruction.target_weight == 3
        assert instruction.confidence == 8
        assert instruction.reasoning == "Strong momentum"
        assert instruction.urgency is ExecutionUrgency.HIGH
        assert instruction.max_slippage == 5

    def test_check_daily_limits(
        self, desk: Desk, sample_decision: dict[str, Any], market_open: bool
    ) -> None:
        desk.config = {"max_daily_trades": 1}

        async def story(agent: TradeExecutionAgent) -> list[dict[str, Any]]:
            before = agent._check_daily_limits()
            answer = await agent.execute_single_trade(sample_decision)
            await ended(agent, answer["execution_result"])
            return [before, agent._check_daily_limits()]

        before, after = desk.run(story)
        assert before["allowed"]
        assert before["reasons"] == []
        assert not after["allowed"]
        assert any("trades" in reason for reason in after["reasons"])

    def test_track_daily_execution(self, desk: Desk, sample_decision: dict[str, Any]) -> None:
        async def story(agent: TradeExecutionAgent) -> tuple[dict[str, Any], int]:
            answer = await agent.execute_single_trade(sample_decision)
            result = await ended(agent, answer["execution_result"])
            return agent._track_daily_execution(result), len(agent.daily_trades)

        tracked, trades = desk.run(story)
        assert tracked["counted"]
        assert trades == tracked["trades_today"] == 1
        assert tracked["notional"] == pytest.approx(Decimal(20) * MID, rel=Decimal("0.001"))

    def test_check_execution_alerts(
        self, desk: Desk, mock_alpaca_provider: Mock, sample_decision: dict[str, Any]
    ) -> None:
        async def story(agent: TradeExecutionAgent) -> tuple[list[Any], list[Any]]:
            quiet = agent._check_execution_alerts()
            mock_alpaca_provider.place_order.side_effect = ConnectionError("gone")
            answer = await agent.execute_single_trade({**sample_decision, "strategy": "market"})
            await ended(agent, answer["execution_result"])
            return quiet, agent._check_execution_alerts()

        quiet, loud = desk.run(story)
        assert quiet == []
        assert loud  # an order of unknown outcome needs a person

    def test_process_method_routing(self, desk: Desk, sample_decision: dict[str, Any]) -> None:
        async def story(agent: TradeExecutionAgent) -> list[dict[str, Any]]:
            tasks: list[dict[str, Any]] = [
                {"task_type": "execute_trade", "decision": sample_decision},
                {"task_type": "execute_portfolio", "decisions": []},
                {"task_type": "monitor_executions"},
                {"task_type": "generate_report", "period_days": 1},
                {"task_type": "make_coffee"},
                {"task_type": "execute_trade"},
            ]
            return [await agent.process(task) for task in tasks]

        trade, portfolio, monitor, report, unknown, incomplete = desk.run(story)
        assert trade["execution_result"].symbol == "AAPL"
        assert portfolio["total"] == 0
        assert "active" in monitor
        assert "alerts" in report
        assert unknown["status"] == incomplete["status"] == "error"
        assert "make_coffee" in unknown["message"]
        assert "decision" in incomplete["message"]


class TestIntegration:
    """From decision to log."""

    def test_complete_execution_flow(
        self, desk: Desk, venue: Venue, sample_decision: dict[str, Any], market_open: bool
    ) -> None:
        async def story(agent: TradeExecutionAgent) -> ExecutionResult:
            with patch.object(
                agent.timing_engine, "assess_market_timing", new_callable=AsyncMock
            ) as mock_timing:
                mock_timing.return_value = FAVORABLE
                answer = await agent.execute_single_trade(sample_decision)
                mock_timing.assert_awaited_once()
            return await ended(agent, answer["execution_result"])

        result = desk.run(story)
        assert result.status.value == "FILLED"
        assert venue.shares == 20
        topics = desk.topics()
        flow = [
            "DecisionReceived",
            "DecisionAssessed",
            "InstructionPlanned",
            "InstructionReleased",
            "OrderIntended",
            "OrderAcknowledged",
            "OrderFilled",
            "InstructionFilled",
        ]
        assert sorted(flow, key=topics.index) == flow
        if market_open:  # a deferred decision is judged again at its release
            assert len(venue.placed) == 1
            assert topics[-len(flow) :] == flow

    def test_failed_execution_recovery(
        self, desk: Desk, venue: Venue, mock_alpaca_provider: Mock, sample_decision: dict[str, Any]
    ) -> None:
        refusal = {"success": False, "error": "insufficient buying power"}

        async def story(agent: TradeExecutionAgent) -> list[ExecutionResult]:
            results = []
            for side_effect, weight in ((None, 3.0), (venue.place, 2.0)):
                mock_alpaca_provider.place_order.side_effect = side_effect
                mock_alpaca_provider.place_order.return_value = refusal
                decision = {**sample_decision, "target_weight": weight, "strategy": "market"}
                answer = await agent.execute_single_trade(decision)
                results.append(await ended(agent, answer["execution_result"]))
            return results

        failed, recovered = desk.run(story)
        assert failed.status.value == "REJECTED"
        assert failed.reason == "broker_rejected"
        assert "insufficient buying power" in str(failed.refusals)
        assert recovered.status.value == "FILLED"
        assert recovered.executed_quantity == 13

    @pytest.mark.parametrize("strategy", list(ExecutionStrategy))
    def test_multi_strategy_execution(
        self,
        desk: Desk,
        venue: Venue,
        sample_trade_instruction: TradeInstruction,
        strategy: ExecutionStrategy,
    ) -> None:
        async def story(agent: TradeExecutionAgent) -> ExecutionResult:
            plan = plan_of(sample_trade_instruction, strategy)
            return await executed(agent, sample_trade_instruction, plan)

        result = desk.run(story)
        if strategy is ExecutionStrategy.POV:
            # The provider of the seed counts no volume that could be followed.
            assert result.status.value == "REJECTED"
            assert "session's volume" in str(result.refusals)
            return
        assert result.status.value == "FILLED"
        assert result.executed_quantity == venue.shares == 30


class TestEdgeCases:
    """What goes wrong."""

    def test_zero_quantity_order(
        self, desk: Desk, venue: Venue, mock_alpaca_provider: Mock, sample_decision: dict[str, Any]
    ) -> None:
        mock_alpaca_provider.get_positions.return_value = {
            "AAPL": {"quantity": 20, "market_value": 3000}
        }

        async def story(agent: TradeExecutionAgent) -> ExecutionResult:
            answer = await agent.execute_single_trade(sample_decision)
            return await ended(agent, answer["execution_result"])

        result = desk.run(story)
        assert result.status.value == "NO_CHANGE"
        assert result.reason == "already_at_target"
        assert venue.placed == []

    def test_api_timeout_handling(
        self, desk: Desk, mock_alpaca_provider: Mock, sample_decision: dict[str, Any]
    ) -> None:
        mock_alpaca_provider.place_order.side_effect = TimeoutError()

        async def story(agent: TradeExecutionAgent) -> ExecutionResult:
            answer = await agent.execute_single_trade({**sample_decision, "strategy": "market"})
            return await ended(agent, answer["execution_result"])

        result = desk.run(story)
        assert result.status.value == "INDETERMINATE"  # never taken for a rejection
        assert len(result.open_orders) == 1
        assert mock_alpaca_provider.place_order.await_count == 1  # and never sent blindly again
        assert "OrderIndeterminate" in desk.topics()

    def test_partial_fill_handling(
        self, desk: Desk, venue: Venue, sample_trade_instruction: TradeInstruction
    ) -> None:
        venue.fill_fraction = Decimal("0.4")

        async def story(agent: TradeExecutionAgent) -> ExecutionResult:
            plan = plan_of(sample_trade_instruction, ExecutionStrategy.LIMIT, limit_price=149.9)
            return await executed(agent, sample_trade_instruction, plan)

        result = desk.run(story)
        assert result.status.value == "CANCELLED"
        assert result.partial
        assert 0 < result.executed_quantity < 30
        assert result.executed_quantity == sum(fill.quantity for fill in result.fills)
        assert result.open_orders == ()

    @pytest.mark.parametrize("symbol", ["", "123!", "TOO_LONG_A_SYMBOL_BY_FAR", None])
    def test_invalid_symbol_handling(
        self, desk: Desk, venue: Venue, sample_decision: dict[str, Any], symbol: str | None
    ) -> None:
        decision = {**sample_decision, "symbol": symbol}

        async def story(agent: TradeExecutionAgent) -> dict[str, Any]:
            with pytest.raises(InvalidInput, match="symbol"):
                agent._convert_decision_to_instruction(decision)
            return await agent.execute_single_trade(decision)

        answer = desk.run(story)
        assert answer["status"] == "rejected"
        assert "symbol" in answer["message"]
        assert venue.placed == []
        assert "InstructionRejected" in desk.topics()

    def test_extreme_market_conditions(
        self, desk: Desk, venue: Venue, mock_alpaca_provider: Mock, sample_decision: dict[str, Any]
    ) -> None:
        mock_alpaca_provider.get_latest_quote.return_value = {
            "bid": 100.0,
            "ask": 200.0,
            "bid_size": 1,
            "ask_size": 1,
        }

        async def story(agent: TradeExecutionAgent) -> ExecutionResult:
            answer = await agent.execute_single_trade(sample_decision)
            return await ended(agent, answer["execution_result"])

        result = desk.run(story)
        assert result.status.value == "REJECTED"
        assert "spread_exceeds_bound" in (result.reason or "")
        assert venue.placed == []
