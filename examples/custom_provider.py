"""Trading through an object of your own: any class with these coroutines is a provider.

    python examples/custom_provider.py

The class below fills whatever reaches its price; put your broker's client in its place. Without a
``get_clock`` the session is assumed open (on paper only), so that this runs at any hour.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from fillwright import TradeExecutionAgent


class MyProvider:
    """A broker of three symbols with fixed prices."""

    prices: dict[str, float] = {"AAPL": 187.4, "KO": 61.3, "IBM": 190.1}  # noqa: RUF012

    def __init__(self) -> None:
        self._orders: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)

    async def get_market_data(self, symbols: list[str], days: int) -> dict[str, dict[str, Any]]:
        return {
            symbol: {
                "current_price": self.prices[symbol],
                "volatility": 0.015,
                "trend_strength": 0.0,
                "volume_profile": "normal",
            }
            for symbol in symbols
            if symbol in self.prices
        }

    async def get_latest_quote(self, symbol: str) -> dict[str, float] | None:
        price = self.prices.get(symbol)
        if price is None:
            return None
        return {"bid": price - 0.01, "ask": price + 0.01, "bid_size": 900, "ask_size": 900}

    async def get_account_info(self) -> dict[str, float]:
        return {"account_value": 250_000.0, "buying_power": 250_000.0, "cash": 250_000.0}

    async def get_positions(self) -> dict[str, dict[str, float]]:
        return {}

    async def place_order(
        self,
        symbol: str,
        qty: float,
        side: str,
        order_type: str = "market",
        limit_price: float | None = None,
        time_in_force: str = "day",
        client_order_id: str | None = None,
    ) -> dict[str, Any]:
        order_id = f"order-{next(self._numbers)}"
        price = self.prices[symbol] + (0.01 if side == "buy" else -0.01)
        self._orders[order_id] = {
            "id": order_id,
            "status": "filled",
            "filled_qty": qty,
            "filled_avg_price": price,
            "commission": 0.0,
        }
        return {"success": True, "order_id": order_id}

    async def get_order(self, order_id: str) -> dict[str, Any]:
        return self._orders[order_id]

    async def get_orders(self, status: str = "open") -> list[dict[str, Any]]:
        return []

    async def cancel_order(self, order_id: str) -> dict[str, Any]:
        return {"success": False, "error": "already filled"}


async def main() -> None:
    """Buy, and see what is refused."""
    async with TradeExecutionAgent(None, MyProvider(), {"store": "memory:"}) as agent:
        for decision in (
            {"symbol": "AAPL", "action": "BUY", "target_weight": 3.0, "strategy": "market"},
            {"symbol": "KO", "action": "BUY", "target_weight": 9.0, "strategy": "market"},
            {"symbol": "XYZ", "action": "BUY", "target_weight": 1.0, "strategy": "market"},
        ):
            told = await agent.execute_single_trade(decision)
            print(f"{decision['symbol']:5}", told["status"], "-", told["message"][:120])


if __name__ == "__main__":
    asyncio.run(main())
