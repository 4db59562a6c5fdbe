"""What can be asked of a simulated exchange; asking changes nothing but the time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal

from ...domain.ports import Account, BrokerOrder, Position
from .account import SimulatedAccount
from .book import TakerSide
from .desk import VenueOrder
from .scaled import ScaledDay, from_units
from .terms import Terms


class Queries(ABC):
    """The questions, over what the exchange keeps."""

    terms: Terms
    _markets: dict[str, ScaledDay]
    _takers: dict[tuple[str, int], TakerSide]
    _orders: dict[str, VenueOrder]
    _account: SimulatedAccount

    @abstractmethod
    def advance(self, to: int) -> None:
        """Let everything up to and including ``to`` happen."""

    @property
    def symbols(self) -> list[str]:
        """The symbols that trade here, sorted."""
        return sorted(self._markets)

    def market(self, symbol: str) -> ScaledDay:
        """The market data a symbol is matched against.

        Raises:
            KeyError: the symbol does not trade here.
        """
        return self._markets[symbol]

    def is_halted(self, symbol: str, at: int) -> bool:
        """Whether trading in the symbol is halted at ``at``."""
        return symbol in self._markets and self._markets[symbol].is_halted(at)

    def find_order(self, client_order_id: str) -> BrokerOrder | None:
        """The order under the client's id as of :attr:`now`, None when there is none."""
        order = self._orders.get(client_order_id)
        return order.seen() if order else None

    def orders(self) -> list[BrokerOrder]:
        """All orders ever taken over, in order of sending."""
        return [order.seen() for order in self._orders.values()]

    def account(self, at: int) -> Account:
        """The account at ``at``, positions valued at mid."""
        self.advance(at)
        return self._account.seen(lambda name: self.mid(name, at), at, self.terms.account_kind)

    def positions(self, at: int) -> dict[str, Position]:
        """Open positions at ``at``, valued at mid."""
        self.advance(at)
        return self._account.seen_positions(lambda name: self.mid(name, at))

    def mid(self, symbol: str, at: int) -> Decimal | None:
        """Half way between bid and ask, None unless both sides are quoted."""
        if symbol not in self._markets:
            return None
        # A buyer meets the ask first, a seller the bid (negative: prices carry the side's sign).
        ask = self._takers[symbol, 1].touch(at)
        bid = self._takers[symbol, -1].touch(at)
        return None if ask is None or bid is None else (from_units(ask) + from_units(-bid)) / 2
