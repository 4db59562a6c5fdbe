"""The account the simulated exchange keeps for its one client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from ...domain.money import ZERO
from ...domain.ports import Account, AccountKind, Position


class SimulatedAccount:
    """Cash, positions and what open orders hold; in account currency and shares."""

    def __init__(self, cash: Decimal, positions: Mapping[str, Decimal]) -> None:
        self.cash = cash
        self._positions = {name: quantity for name, quantity in positions.items() if quantity}
        self._last_price: dict[str, Decimal] = {}
        self._open_sells: dict[str, Decimal] = {}
        self.open_buy_notional = ZERO

    @property
    def positions(self) -> dict[str, Decimal]:
        """Shares by symbol, negative short; closed positions are absent."""
        return dict(self._positions)

    @property
    def buying_power(self) -> Decimal:
        """Cash net of what open buy orders may still spend."""
        return self.cash - self.open_buy_notional

    def sellable(self, symbol: str) -> Decimal:
        """Shares held that no open sell order offers already."""
        return self._positions.get(symbol, ZERO) - self._open_sells.get(symbol, ZERO)

    def seen_positions(self, mid: Callable[[str], Decimal | None]) -> dict[str, Position]:
        """Open positions as the broker port shows them, valued at mid."""
        return {
            name: Position(name, quantity, self.market_value(name, mid(name)))
            for name, quantity in self.positions.items()
        }

    def seen(self, mid: Callable[[str], Decimal | None], at: int, kind: AccountKind) -> Account:
        """The account's figures at ``at``, positions valued at mid."""
        value = sum((self.market_value(name, mid(name)) for name in self.positions), ZERO)
        return Account(self.cash + value, self.cash, self.buying_power, at, kind=kind)

    def hold(self, symbol: str, *, is_buy: bool, quantity: Decimal, price: Decimal) -> None:
        """Set aside (or, with a negative quantity, free) what an open order needs."""
        if is_buy:
            self.open_buy_notional += quantity * price
        else:
            self._open_sells[symbol] = self._open_sells.get(symbol, ZERO) + quantity

    def execute(
        self, symbol: str, *, is_buy: bool, quantity: Decimal, price: Decimal, fee: Decimal
    ) -> None:
        """Book one execution."""
        signed = quantity if is_buy else -quantity
        self.cash -= signed * price + fee
        position = self._positions.get(symbol, ZERO) + signed
        if position:
            self._positions[symbol] = position
        else:
            self._positions.pop(symbol, None)
        self._last_price[symbol] = price

    def market_value(self, symbol: str, mid: Decimal | None) -> Decimal:
        """The position at ``mid``; without one at our last execution price, or else 0."""
        price = mid if mid is not None else self._last_price.get(symbol, ZERO)
        return self._positions.get(symbol, ZERO) * price
