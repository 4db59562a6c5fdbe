"""Cash, positions and fills of the one account, booked from executions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from .orders import PaperOrder, Status
from .wire import activity_prefix, local_stamp, micro_stamp, number, uuid_of

ZERO: Final = Decimal(0)
Pricer = Callable[[str, int], Decimal]
"""Market value of one share of a symbol at a time."""


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution as the account's activities show it."""

    ordinal: int
    activity_id: str
    execution_id: str
    at: int
    order: PaperOrder
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    position_qty: Decimal
    status: Status

    @property
    def kind(self) -> str:
        """The type of the activity."""
        return "FILL"

    @property
    def cash(self) -> Decimal:
        """What it does to cash."""
        return (-1 if self.order.is_buy else 1) * self.qty * self.price

    def shown(self) -> dict[str, Any]:
        """The row of ``/v2/account/activities/FILL``."""
        return {
            "id": self.activity_id,
            "activity_type": "FILL",
            "transaction_time": micro_stamp(self.at),
            "type": "fill" if self.status is Status.FILLED else "partial_fill",
            "price": number(self.price),
            "qty": number(self.qty),
            "side": str(self.order.side),
            "symbol": self.order.symbol,
            "leaves_qty": number(self.leaves_qty),
            "order_id": self.order.id,
            "cum_qty": number(self.cum_qty),
            "order_status": str(self.status),
        }


@dataclass(frozen=True, slots=True)
class CashMove:
    """Cash that came into the account, or left it below 0, as the account's activities show it."""

    activity_id: str
    at: int
    amount: Decimal

    @property
    def kind(self) -> str:
        """The type of the activity."""
        return "CSD" if self.amount > 0 else "CSW"

    def shown(self) -> dict[str, Any]:
        """The row of ``/v2/account/activities``."""
        return {
            "id": self.activity_id,
            "activity_type": self.kind,
            "date": local_stamp(self.at)[:10],
            "created_at": micro_stamp(self.at),
            "net_amount": number(self.amount),
            "currency": "USD",
            "description": "",
            "status": "executed",
        }


@dataclass(slots=True)
class Holding:
    """A position: shares, negative short, and their average entry price."""

    qty: Decimal
    entry: Decimal

    def trade(self, signed: Decimal, price: Decimal) -> None:
        """Add an execution; what reduces the position leaves its entry price alone."""
        after = self.qty + signed
        if self.qty * signed >= 0:
            self.entry = (self.entry * abs(self.qty) + price * abs(signed)) / abs(after)
        elif after * self.qty < 0:
            self.entry = price
        self.qty = after


class Ledger:
    """The account's books."""

    def __init__(
        self, cash: Decimal, positions: Mapping[str, Decimal], entry: Callable[[str], Decimal]
    ) -> None:
        """Start with ``cash`` and ``positions`` entered at the prices ``entry`` gives."""
        self.cash = cash
        self.start_cash = cash
        self.fills: list[Fill] = []
        self.moves: list[CashMove] = []
        self.start = {name: qty for name, qty in positions.items() if qty}
        self._holdings = {name: Holding(qty, entry(name)) for name, qty in self.start.items()}
        self.last_equity = cash + sum((each.qty * each.entry for each in self._all()), ZERO)

    @property
    def holdings(self) -> dict[str, Holding]:
        """Open positions by symbol."""
        return {name: each for name, each in sorted(self._holdings.items()) if each.qty}

    def held(self, symbol: str) -> Decimal:
        """Shares held, negative short."""
        holding = self._holdings.get(symbol)
        return ZERO if holding is None else holding.qty

    def move(self, amount: Decimal, at: int) -> CashMove:
        """Book cash that comes, or goes below 0."""
        self.cash += amount
        id = f"{activity_prefix(at)}::{uuid_of('cash', at, len(self.moves))}"
        self.moves.append(CashMove(id, at, amount))
        return self.moves[-1]

    def book(self, order: PaperOrder, qty: Decimal, price: Decimal, at: int) -> Fill:
        """Book one execution of an order that has taken it in already."""
        signed = qty if order.is_buy else -qty
        self.cash -= signed * price
        self._holdings.setdefault(order.symbol, Holding(ZERO, ZERO)).trade(signed, price)
        fill = Fill(
            ordinal=len(self.fills) + 1,
            activity_id=f"{activity_prefix(at)}::{uuid_of('activity', order.id, order.executions)}",
            execution_id=uuid_of("execution", order.id, order.executions),
            at=at,
            order=order,
            qty=qty,
            price=price,
            cum_qty=order.filled,
            leaves_qty=order.leaves,
            position_qty=self.held(order.symbol),
            status=order.status,
        )
        self.fills.append(fill)
        return fill

    def long_value(self, at: int, price: Pricer) -> Decimal:
        """What long positions are worth."""
        return sum((h.qty * price(n, at) for n, h in self.holdings.items() if h.qty > 0), ZERO)

    def short_value(self, at: int, price: Pricer) -> Decimal:
        """What short positions are worth: negative, or zero."""
        return sum((h.qty * price(n, at) for n, h in self.holdings.items() if h.qty < 0), ZERO)

    def equity_at(self, at: int, price: Pricer) -> Decimal:
        """Cash and positions as they were at an earlier time, at that time's prices."""
        held, cash = dict(self.start), self.start_cash
        for fill in self.fills:
            if fill.at > at:
                continue
            cash += fill.cash
            signed = fill.qty if fill.order.is_buy else -fill.qty
            held[fill.order.symbol] = held.get(fill.order.symbol, ZERO) + signed
        return cash + sum((qty * price(name, at) for name, qty in held.items() if qty), ZERO)

    def _all(self) -> list[Holding]:
        return list(self._holdings.values())
