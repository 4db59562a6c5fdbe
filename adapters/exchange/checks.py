"""What the venue checks when an order arrives; a refusal is a sentence for the client."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from ...domain.ports import OrderRequest, OrderType, SellMark, Side
from .account import SimulatedAccount
from .auctions import AUCTION_OF, Auctioneer
from .book import TakerSide
from .scaled import ScaledDay, from_units, to_units
from .terms import Terms

LEVELS_WALKED_MAX: Final = 100_000
"""An order may be at most this many extension levels in size."""
PRICE_MAX: Final = Decimal(10_000_000)


class Checks:
    """Decides on arrival whether an order may trade."""

    def __init__(
        self,
        terms: Terms,
        markets: Mapping[str, ScaledDay],
        takers: Mapping[tuple[str, int], TakerSide],
        account: SimulatedAccount,
        auctions: Auctioneer,
    ) -> None:
        self._terms = terms
        self._markets = markets
        self._takers = takers
        self._account = account
        self._auctions = auctions

    def reopens_at(self, symbol: str, at: int) -> int | None:
        """When the halt that covers ``at`` ends, None when trading is not halted."""
        market = self._markets.get(symbol)
        halts = market.halts if market else ()
        return next((end for start, end in halts if start <= at < end), None)

    def matched_price(self, request: OrderRequest, at: int) -> int | None:
        """The signed limit an order is matched at: its own, or the edge of the LULD band."""
        sign, limit = request.side.sign, request.limit_price
        price = None if limit is None else sign * to_units(limit)
        band = self._terms.band(request.symbol, at) if self._terms.bands else None
        if band is None:
            return price
        edge = sign * to_units(band.upper if sign > 0 else band.lower)
        return edge if price is None else min(price, edge)

    def refusal(self, request: OrderRequest, at: int) -> str | None:
        """Why the order is refused at ``at``, None when it may trade."""
        market = self._markets.get(request.symbol)
        if market is None:
            return f"unknown symbol {request.symbol}"
        if request.algorithm is not None:
            return "the simulated exchange has no algorithms"
        return (
            self._session(request, at)
            or _shape(request, market)
            or self._liquidity(request, at)
            or self._means(request, at)
        )

    def _session(self, request: OrderRequest, at: int) -> str | None:
        terms = self._terms
        if request.time_in_force in AUCTION_OF:
            refused = self._auctions.refusal(request, at)
            struck = terms.faults.strikes("reject", request.client_order_id)
            return refused or ("rejected by the venue" if struck else None)
        if terms.open_at is not None and at < terms.open_at:
            return "market closed: before the open"
        if terms.close_at is not None and at >= terms.close_at:
            return "market closed: after the close"
        if self.reopens_at(request.symbol, at) is not None:
            return "trading is halted"
        if terms.faults.strikes("reject", request.client_order_id):
            return "rejected by the venue"
        return None

    def _liquidity(self, request: OrderRequest, at: int) -> str | None:
        is_market = request.order_type is OrderType.MARKET
        if request.time_in_force in AUCTION_OF:
            return None
        if is_market and self._takers[request.symbol, request.side.sign].touch(at) is None:
            return "no quote to trade against"
        return None

    def _means(self, request: OrderRequest, at: int) -> str | None:
        terms, account = self._terms, self._account
        if request.side is Side.SELL:
            if not terms.short_selling and request.quantity > account.sellable(request.symbol):
                return f"short selling is off: {account.sellable(request.symbol)} shares to sell"
            return self._marking(request, at) if request.sell_mark is not None else None
        if terms.check_buying_power:
            cost = self._cost(request, at)
            if cost > account.buying_power:
                return f"insufficient buying power: {account.buying_power} for {cost}"
        return None

    def _marking(self, request: OrderRequest, at: int) -> str | None:
        """A marked sell is long for what is held, short beyond, and never both (Regulation SHO)."""
        held, mark = self._account.sellable(request.symbol), request.sell_mark
        if mark is SellMark.LONG:
            short = request.quantity > held
            return f"marked long with {held} shares to sell" if short else None
        if held > 0:
            return f"marked short with {held} shares to sell: a sell through zero is two orders"
        if mark is SellMark.SHORT_EXEMPT or not self._terms.price_test(request.symbol, at):
            return None
        bid = self._takers[request.symbol, -1].touch(at)
        price = request.limit_price
        if bid is None or price is None or price <= from_units(-bid):
            return "Rule 201: a short sale must be priced above the best bid"
        return None

    def _cost(self, request: OrderRequest, at: int) -> Decimal:
        """What a buy may cost: a limit order at its limit, a market order what it will pay."""
        charge = self._terms.fees.charge
        if request.limit_price is not None:
            price = request.limit_price
            fee = charge(is_sell=False, quantity=request.quantity, price=price)
            return request.quantity * price + fee
        taker = self._takers[request.symbol, request.side.sign]
        cost = Decimal(0)
        for fill in taker.preview(to_units(request.quantity), None, at):
            quantity, price = from_units(fill.size), from_units(fill.price)
            cost += quantity * price + charge(is_sell=False, quantity=quantity, price=price)
        return cost


def _shape(request: OrderRequest, market: ScaledDay) -> str | None:
    day = market.day
    quantity, display, price = request.quantity, request.display_quantity, request.limit_price
    for name, value in (("quantity", quantity), ("display quantity", display)):
        if value is None:
            continue
        if not value.is_finite() or value <= 0:
            return f"{name} must be above 0"
        if value % day.lot:
            return f"{name} {value} is not a multiple of the lot {day.lot}"
    if quantity > LEVELS_WALKED_MAX * day.ext_level_size:
        return f"quantity {quantity} is more than this market can ever fill"
    if request.order_type is OrderType.MARKET:
        return "a market order has no limit price" if price is not None else None
    if price is None:
        return "a limit order needs a limit price"
    if not price.is_finite() or not 0 < price <= PRICE_MAX:
        return f"limit price must be above 0 and at most {PRICE_MAX}"
    if price % day.tick:
        return f"limit price {price} is not a multiple of the tick {day.tick}"
    return None
