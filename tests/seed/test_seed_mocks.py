"""The seed's barest mocks, at whatever hour the tests run: nothing hangs and nothing is made up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock, patch

import pytest

from fillwright import TradeExecutionAgent

PLACED = {"success": True, "order_id": "test_order_123"}


def execute(provider: object, store: Path, **decision: Any) -> dict[str, Any]:
    """Execute the seed's decision on the machine's own clock, with the seed's patched sleep."""

    async def story() -> dict[str, Any]:
        async with TradeExecutionAgent(None, provider, store=f"sqlite:///{store}") as agent:
            with patch("asyncio.sleep", new_callable=AsyncMock):
                return await agent.execute_single_trade(
                    {
                        "symbol": "AAPL",
                        "action": "BUY",
                        "target_weight": 3.0,
                        "confidence": 8,
                        "reasoning": "Strong momentum",
                        "strategy": "market",
                        **decision,
                    }
                )

    return asyncio.run(story())


def mock(kind: type[Mock], **coroutines: Any) -> Mock:
    provider = kind()
    provider.place_order = AsyncMock(return_value=PLACED)
    for name, value in coroutines.items():
        setattr(provider, name, AsyncMock(return_value=value))
    return provider


@pytest.mark.parametrize("kind", [Mock, MagicMock, AsyncMock])
def test_a_mock_that_cannot_say_what_became_of_its_order_gives_an_error_that_names_it(
    kind: type[Mock], tmp_path: Path
) -> None:
    provider = mock(kind)
    answer = execute(provider, tmp_path / "log.db")
    assert answer["status"] == "error"
    assert provider.place_order.await_count == 1
    result = answer["execution_result"]
    assert result.executed_quantity == 0
    assert len(result.open_orders) == 1
    assert result.open_orders[0] in answer["message"]


@pytest.mark.parametrize("strategy", ["market", "limit", "twap"])
def test_a_mock_whose_orders_fill_gives_success(strategy: str, tmp_path: Path) -> None:
    filled = {"status": "filled", "filled_avg_price": 100.0}
    provider = mock(Mock, get_order=filled)
    answer = execute(provider, tmp_path / "log.db", strategy=strategy)
    assert answer["status"] == "success"
    result = answer["execution_result"]
    # 3 % of the neutral 100,000 at the neutral 100, which is what a provider without figures has.
    assert result.requested_quantity == result.executed_quantity == 30
    sent = [call.kwargs["qty"] for call in provider.place_order.await_args_list]
    assert sum(sent) == 30


def test_a_mock_that_refuses_gives_its_reason(tmp_path: Path) -> None:
    provider = mock(Mock)
    provider.place_order.return_value = {"success": False, "error": "insufficient funds"}
    answer = execute(provider, tmp_path / "log.db")
    assert answer["status"] == "rejected"
    assert "insufficient funds" in answer["message"]


def test_a_provider_whose_account_fails_is_not_traded_on(tmp_path: Path) -> None:
    provider = mock(Mock)
    provider.get_account_info = AsyncMock(side_effect=ConnectionError("down"))
    answer = execute(provider, tmp_path / "log.db")
    assert answer["status"] in ("rejected", "error")
    assert "down" in answer["message"]
    assert provider.place_order.await_count == 0
