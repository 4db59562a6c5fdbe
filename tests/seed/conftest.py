"""What the seed's tests share: its mocks, its fixtures, and the hours it is run at."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import AsyncMock, Mock, patch
from uuid import UUID

import pytest

from fillwright import (
    ExecutionPlan,
    ExecutionResult,
    ExecutionStrategy,
    ExecutionTimingEngine,
    ExecutionUrgency,
    TradeExecutionAgent,
    TradeInstruction,
)
from fillwright.adapters.storage.log import Log
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.adapters.timekeeping.clocks import VirtualClock
from fillwright.domain.events import DomainEvent
from fillwright.domain.ports import NANOS

T = TypeVar("T")

BID, ASK = 149.99, 150.01
MID = Decimal(150)
EQUITY = 100_000.0
EXECUTION = {
    "defer_when_closed": True,
    "parameters": {"interval_ns": 30 * NANOS},  # how often a strategy looks; 1 s takes longer
}
HOURS = {
    "in-session": datetime(2013, 10, 8, 14, 30, tzinfo=UTC),  # a Tuesday, 10:30 in New York
    "saturday": datetime(2013, 10, 12, 16, 0, tzinfo=UTC),
    "holiday": datetime(2013, 11, 28, 16, 0, tzinfo=UTC),  # Thanksgiving
}


def ns(moment: datetime) -> int:
    """A moment as ns UTC."""
    return int(moment.timestamp()) * NANOS


@pytest.fixture(params=list(HOURS))
def hour(request: pytest.FixtureRequest) -> datetime:
    """The moment that the clock shows when a test begins."""
    return HOURS[request.param]


@pytest.fixture
def market_open(hour: datetime) -> bool:
    """Whether the exchange is open at that moment."""
    return ExchangeCalendar().session_at(ns(hour)) is not None


@pytest.fixture(autouse=True)
def sleep() -> Iterator[AsyncMock]:
    """Patch ``asyncio.sleep``, as the seed does."""
    with patch("asyncio.sleep", new_callable=AsyncMock) as patched:
        yield patched


@dataclass
class Venue:
    """What the mock provider's orders do: placed keywords, and the fill of each by its order id.

    ``fill_fraction`` of an order fills at its first look, at ``price``.
    """

    fill_fraction: Decimal = Decimal(1)
    price: float = ASK
    placed: list[dict[str, Any]] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(123))

    async def place(self, **keywords: Any) -> dict[str, Any]:
        order_id = f"test_order_{next(self.numbers)}"
        self.placed.append({**keywords, "order_id": order_id})
        return {"success": True, "order_id": order_id}

    async def look(self, order_id: str) -> dict[str, Any]:
        order = next(each for each in self.placed if each["order_id"] == order_id)
        filled = int(order["qty"] * self.fill_fraction)
        status = "partially_filled" if filled else "new"
        if filled == order["qty"]:
            status = "filled"
        elif order_id in self.cancelled or order["time_in_force"] == "ioc":
            status = "canceled"
        price = order["limit_price"] if order["limit_price"] is not None else self.price
        average = min(price, self.price) if order["side"] == "buy" else max(price, self.price)
        return {
            "status": status,
            "filled_qty": filled,
            "filled_avg_price": average if filled else None,
            "commission": 0.0,
        }

    async def cancel(self, order_id: str) -> dict[str, Any]:
        self.cancelled.add(order_id)
        return {"success": True}

    @property
    def shares(self) -> int:
        """All shares that were sent."""
        return sum(order["qty"] for order in self.placed)


@pytest.fixture
def venue() -> Venue:
    """What happens to orders; fills everything at once unless a test says otherwise."""
    return Venue()


@pytest.fixture
def mock_alpaca_provider(venue: Venue) -> Mock:
    """The seed's mock provider with all of its coroutines."""
    provider = Mock()
    provider.place_order = AsyncMock(side_effect=venue.place)
    provider.get_order = AsyncMock(side_effect=venue.look)
    provider.cancel_order = AsyncMock(side_effect=venue.cancel)
    provider.get_orders = AsyncMock(return_value=[])
    provider.get_latest_quote = AsyncMock(
        return_value={"bid": BID, "ask": ASK, "bid_size": 5_000, "ask_size": 5_000}
    )
    provider.get_market_data = AsyncMock(
        return_value={
            "AAPL": {
                "current_price": 150.0,
                "volatility": 0.02,
                "trend_strength": 0.1,
                "volume_profile": "normal",
            }
        }
    )
    provider.get_account_info = AsyncMock(
        return_value={"account_value": EQUITY, "buying_power": EQUITY, "cash": EQUITY}
    )
    provider.get_positions = AsyncMock(return_value={})
    return provider


@pytest.fixture
def sample_trade_instruction() -> TradeInstruction:
    """The seed's instruction."""
    return TradeInstruction(
        symbol="AAPL",
        action="BUY",
        target_weight=3.0,
        current_weight=0.0,
        confidence=8,
        time_horizon="medium",
        reasoning="Strong technical setup",
        risk_factors=["market_volatility"],
        urgency=ExecutionUrgency.MEDIUM,
        max_slippage=10.0,
        execution_window=timedelta(hours=2),
    )


@pytest.fixture
def sample_decision() -> dict[str, Any]:
    """The seed's decision."""
    return {
        "symbol": "AAPL",
        "action": "BUY",
        "target_weight": 3.0,
        "confidence": 8,
        "reasoning": "Strong momentum",
    }


@dataclass
class Desk:
    """An agent over the mock provider with its log; ``run`` plays a story and closes everything.

    Decisions that arrive while the market is closed wait for the next open, which the patched sleep
    makes come at once.
    """

    provider: Mock
    store: Path
    hour: datetime
    config: dict[str, Any] = field(default_factory=dict)
    llm: object = None

    def run(self, story: Callable[[TradeExecutionAgent], Coroutine[Any, Any, T]]) -> T:
        """Play a story with a fresh agent on this desk's log."""

        async def play() -> T:
            agent = self.agent()
            try:
                return await story(agent)
            finally:
                await agent.aclose()

        return asyncio.run(play())

    def agent(self) -> TradeExecutionAgent:
        """A fresh agent."""
        return TradeExecutionAgent(
            self.llm,
            self.provider,
            {**self.config, "execution": {**EXECUTION, **self.config.get("execution", {})}},
            store=f"sqlite:///{self.store}",
            clock=VirtualClock(ns(self.hour)),
            calendar=ExchangeCalendar(),
        )

    def events(self) -> list[DomainEvent]:
        """The log so far."""
        with Log.open(self.store, writer=False, exclusive=False) as log:
            return [recorded.event for recorded in log.events()]

    def topics(self) -> list[str]:
        """What happened, by the events' names."""
        return [event.TOPIC for event in self.events()]


@pytest.fixture
def desk(mock_alpaca_provider: Mock, tmp_path: Path, hour: datetime) -> Desk:
    """An agent's surroundings at one of the hours."""
    return Desk(mock_alpaca_provider, tmp_path / "log.db", hour)


@pytest.fixture
def timing_engine(mock_alpaca_provider: Mock, hour: datetime) -> ExecutionTimingEngine:
    """The timing engine over the mock provider."""
    return ExecutionTimingEngine(
        mock_alpaca_provider, clock=VirtualClock(ns(hour)), calendar=ExchangeCalendar()
    )


async def executed(
    agent: TradeExecutionAgent, instruction: TradeInstruction, plan: ExecutionPlan
) -> ExecutionResult:
    """Execute an instruction, waiting for the next session where the market is closed."""
    return await ended(
        agent, await agent.order_manager.execute_trade_instruction(instruction, plan)
    )


async def ended(agent: TradeExecutionAgent, result: ExecutionResult) -> ExecutionResult:
    """The end of an instruction that may have been deferred to the next session.

    A caller is told of the deferral at once; the engine goes on by itself, which is waited for.
    """
    if result.status.value != "PLANNED":
        return result
    engine = agent.application.engine
    await engine.finished(engine.desk.instructions[UUID(result.instruction_id)])
    outcome = agent.application.outcome(result.instruction_id)
    assert outcome is not None
    assert outcome.result is not None
    return outcome.result


def plan_of(
    instruction: TradeInstruction,
    strategy: ExecutionStrategy,
    order_size: int | Decimal | None = 30,
    **terms: Any,
) -> ExecutionPlan:
    """A plan of the seed."""
    return ExecutionPlan(instruction=instruction, strategy=strategy, order_size=order_size, **terms)
