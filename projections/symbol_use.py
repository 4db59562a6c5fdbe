"""What one account has open in one symbol, and what it executed that a record may not show yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from ..domain.limits import SymbolUsage
from ..domain.money import ZERO


class Timed(NamedTuple):
    """A signed amount that happened at a time (ns UTC)."""

    at: int
    amount: Decimal


_new: Final = tuple.__new__
"""Makes a record in half the time that its class takes; every fill asks for two."""


class Unshown:
    """Amounts that a broker's record may not show yet, by the time they happened."""

    __slots__ = ("_items", "total")

    def __init__(self, items: Iterable[Timed] = ()) -> None:
        self._items = list(items)
        self.total = sum((item.amount for item in self._items), ZERO)

    @property
    def items(self) -> list[Timed]:
        """The amounts, oldest first; put in order when asked for, which few do and fills do not."""
        self._items.sort()
        return self._items

    def add(self, at: int, amount: Decimal) -> None:
        """Note an amount; times may come out of order."""
        self._items.append(_new(Timed, (at, amount)))
        self.total += amount

    def clear(self) -> None:
        """A broker's record shows everything from here back."""
        self._items.clear()
        self.total = ZERO


@dataclass(slots=True)
class OwnShares:
    """Own executions of one symbol in one session, in shares."""

    bought: Decimal = ZERO
    sold: Decimal = ZERO
    busted_bought: Decimal = ZERO
    busted_sold: Decimal = ZERO


@dataclass(slots=True)
class KeptSymbol:
    """What a :class:`SymbolState` goes on from."""

    buy_leaves: Decimal
    sell_leaves: Decimal
    unsettled: int
    base: Decimal
    price: Decimal | None
    unshown: list[Timed]


@dataclass(slots=True)
class SymbolState:
    """What is open in one symbol across sessions, and what is known of its position.

    ``price`` is the last price a quantity was computed from, ``unsettled`` counts orders of unknown
    outcome, ``base`` is the broker's last recorded position.
    """

    buy_leaves: Decimal = ZERO
    sell_leaves: Decimal = ZERO
    unsettled: int = 0
    base: Decimal = ZERO
    price: Decimal | None = None
    unshown: Unshown = field(default_factory=Unshown)
    cached: SymbolUsage | None = None

    @property
    def position(self) -> Decimal:
        """The broker's last recorded position and own executions since, signed."""
        return self.base + self.unshown.total

    def state(self) -> object:
        """What is compared between live and rebuilt."""
        return {
            "buy_leaves": self.buy_leaves,
            "sell_leaves": self.sell_leaves,
            "unsettled": self.unsettled,
            "base": self.base,
            "price": self.price,
            "unshown": self.unshown.items,
        }

    def kept(self) -> KeptSymbol:
        """What to go on from."""
        return KeptSymbol(
            self.buy_leaves,
            self.sell_leaves,
            self.unsettled,
            self.base,
            self.price,
            self.unshown.items,
        )

    @classmethod
    def from_kept(cls, kept: KeptSymbol) -> SymbolState:
        """The state that goes on from what was kept."""
        return cls(
            kept.buy_leaves,
            kept.sell_leaves,
            kept.unsettled,
            kept.base,
            kept.price,
            Unshown(kept.unshown),
        )

    def usage(self, own: OwnShares) -> SymbolUsage:
        """This symbol's part of :class:`Usage`, against the last recorded position."""
        return SymbolUsage(
            buy_leaves=self.buy_leaves,
            sell_leaves=self.sell_leaves,
            unreflected=self.unshown.total,
            bought=own.bought,
            sold=own.sold,
            busted_bought=own.busted_bought,
            busted_sold=own.busted_sold,
            unsettled=self.unsettled > 0,
        )
