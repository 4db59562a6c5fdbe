"""A provider as users of the seed have one: its own book, dictionaries of floats, polling only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass
class BookOrder:
    """One order in the provider's book; ``fills`` are (quantity, price) still to come."""

    order_id: str
    client_order_id: str
    symbol: str
    qty: float
    side: str
    limit_price: float | None
    fills: list[tuple[float, float]]
    filled: float = 0.0
    notional: float = 0.0
    status: str = "new"
    polls: int = 0

    def answer(self) -> dict[str, Any]:
        return {
            "id": self.order_id,
            "client_order_id": self.client_order_id,
            "symbol": self.symbol,
            "qty": self.qty,
            "side": self.side,
            "limit_price": self.limit_price,
            "status": self.status,
            "filled_qty": self.filled,
            "filled_avg_price": round(self.notional / self.filled, 4) if self.filled else None,
            "commission": 0.01 * self.filled,
            "created_at": "2013-10-08T14:00:00Z",
        }


class BookProvider:
    """Fills an order by one part of ``fills`` at each look.

    ``fills`` and ``refusals`` are by client order id. ``lose`` drops answers to submissions, before
    or after they arrived.
    """

    def __init__(self) -> None:
        self.orders: dict[str, BookOrder] = {}
        self.fills: dict[str, list[tuple[float, float]]] = {}
        self.refusals: dict[str, str] = {}
        self.lose: str | None = None
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.silent = False

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
        self.calls.append(("place_order", {"qty": qty, "client_order_id": client_order_id}))
        await asyncio.sleep(0)
        if self.lose == "before":
            raise ConnectionError("connection refused")
        if client_order_id in self.refusals:
            return {"success": False, "error": self.refusals[client_order_id]}
        if any(order.client_order_id == client_order_id for order in self.orders.values()):
            return {"success": False, "error": "client_order_id must be unique"}
        order_id = f"book-{len(self.orders) + 1}"
        name = client_order_id or ""
        fills = list(self.fills.get(name, []))
        self.orders[order_id] = BookOrder(order_id, name, symbol, qty, side, limit_price, fills)
        if self.lose == "after":
            raise TimeoutError
        return {"success": True, "order_id": order_id}

    async def get_order(self, order_id: str) -> dict[str, Any]:
        self.calls.append(("get_order", {"order_id": order_id}))
        await asyncio.sleep(0)
        if self.silent:
            raise TimeoutError
        order = self.orders[order_id]
        order.polls += 1
        if order.fills and order.status in ("new", "partially_filled"):
            quantity, price = order.fills.pop(0)
            order.filled += quantity
            order.notional += quantity * price
            order.status = "filled" if order.filled >= order.qty else "partially_filled"
        return order.answer()

    async def get_orders(self, status: str = "open") -> list[dict[str, Any]]:
        open_ones = ("new", "partially_filled")
        return [o.answer() for o in self.orders.values() if o.status in open_ones]

    async def cancel_order(self, order_id: str) -> dict[str, Any]:
        order = self.orders[order_id]
        if order.status not in ("new", "partially_filled"):
            return {"success": False, "error": f"order is already {order.status}"}
        order.status = "canceled"
        return {"success": True}

    async def get_account_info(self) -> dict[str, Any]:
        return {"account_value": 250_000.0, "buying_power": 100_000.5, "cash": 120_000.0}

    async def get_positions(self) -> dict[str, dict[str, float]]:
        return {"BAC": {"quantity": 300, "market_value": 4_170.0}}


class LookupBookProvider(BookProvider):
    """The same with a look-up by our id."""

    async def get_order_by_client_id(self, client_order_id: str) -> dict[str, Any] | None:
        self.calls.append(("get_order_by_client_id", {"client_order_id": client_order_id}))
        if self.silent:
            raise TimeoutError
        found = (o for o in self.orders.values() if o.client_order_id == client_order_id)
        order = next(found, None)
        return None if order is None else order.answer()
