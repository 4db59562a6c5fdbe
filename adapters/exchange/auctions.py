"""Opening and closing auctions of the simulated exchange, at the recording's official prices.

The official price is that of the largest print that is not regular around the auction's time,
which is how a consolidated tape marks a cross; its size is then all that the auction traded, and
the most that ours can. Without such a print it is the first regular print of the session, or the
last, and the size is not known.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from ...domain.auctions import Auction, AuctionTimes, auction_times
from ...domain.ports import NANOS, OrderRequest, OrderType, Session, TimeInForce
from .book import Fill
from .desk import VenueOrder
from .scaled import ScaledDay, to_units
from .tape import SymbolDay
from .terms import Terms

AUCTION_OF: Final[Mapping[TimeInForce, Auction]] = {each.time_in_force: each for each in Auction}
OPENING_WITHIN_NS: Final = 300 * NANOS
"""How long after the open its cross may be printed."""
CLOSING_WITHIN_NS: Final = 600 * NANOS
CLOSING_BEFORE_NS: Final = 1 * NANOS


class Official(NamedTuple):
    """An auction's price, and the shares it traded where the recording has them."""

    price: Decimal
    size: Decimal | None


def official(day: SymbolDay, auction: Auction, session: Session) -> Official | None:
    """The official opening or closing price of a recorded session; None without any print."""
    if auction is Auction.OPEN:
        start, end = session.open, session.open + OPENING_WITHIN_NS
    else:
        start, end = session.close - CLOSING_BEFORE_NS, session.close + CLOSING_WITHIN_NS
    inside = (day.t_ts >= start) & (day.t_ts <= end)
    crosses = np.flatnonzero(inside & ~day.regular & day.lit)
    if len(crosses):
        row = int(crosses[int(np.argmax(day.t_sz[crosses]))])
        size = Decimal(repr(float(day.t_sz[row]))) // day.lot * day.lot
        return Official(_on_tick(day, row), size)
    regular = (day.t_ts >= session.open) & (day.t_ts <= session.close) & day.regular
    rows = np.flatnonzero(regular)
    if not len(rows):
        return None
    return Official(_on_tick(day, int(rows[0 if auction is Auction.OPEN else -1])), None)


def _on_tick(day: SymbolDay, row: int) -> Decimal:
    price = Decimal(repr(float(day.t_px[row])))
    return (price / day.tick).to_integral_value() * day.tick


class Auctioneer:
    """Holds orders for the auctions of one session until those take place."""

    def __init__(self, terms: Terms, markets: Mapping[str, ScaledDay]) -> None:
        self._markets = markets
        self._open, self._close = terms.open_at, terms.close_at
        self._waiting: list[tuple[int, int, VenueOrder]] = []
        self._traded: dict[tuple[str, Auction], Decimal] = {}

    @property
    def next_at(self) -> int | None:
        """When the next auction takes place that an order waits for."""
        while self._waiting and not self._waiting[0][2].is_open:
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def refusal(self, request: OrderRequest, at: int) -> str | None:
        """Why an auction takes no such order at ``at``, None when it does."""
        auction, times = AUCTION_OF[request.time_in_force], self._times(request)
        if times is None:
            return "there are no auctions without a session"
        if at > times.enter_by(request.limit_price):
            return f"too late for the auction: the {auction} takes no more orders"
        return "too early for the auction" if at < times.enter_from else None

    def is_locked(self, request: OrderRequest, at: int) -> bool:
        """Whether an order in an auction can be cancelled no more."""
        times = self._times(request) if request.time_in_force in AUCTION_OF else None
        return times is not None and times.cancel_by < at < times.at

    def enter(self, order: VenueOrder) -> None:
        """Have an order wait for its auction."""
        times = self._times(order.request)
        if times is not None:
            heapq.heappush(self._waiting, (times.at, order.number, order))

    def next_fill(self) -> tuple[VenueOrder, Fill | None]:
        """The next order's auction: what it gets there, None when nothing."""
        at, _, order = heapq.heappop(self._waiting)
        request = order.request
        market, auction = self._markets[request.symbol], AUCTION_OF[request.time_in_force]
        session = self._session(market)
        found = official(market.day, auction, session) if session else None
        if found is None or market.is_halted(at):
            return order, None
        limit = request.limit_price
        past = limit is not None and (found.price - limit) * order.sign > 0
        if past and request.order_type is OrderType.LIMIT:
            return order, None
        size = order.leaves
        if found.size is not None:
            key = (request.symbol, auction)
            size = min(size, found.size - self._traded.get(key, Decimal(0)))
            self._traded[key] = self._traded.get(key, Decimal(0)) + max(size, Decimal(0))
        if size <= 0:
            return order, None
        return order, Fill(at, to_units(size), to_units(found.price))

    def _times(self, request: OrderRequest) -> AuctionTimes | None:
        session = self._session(self._markets[request.symbol])
        return auction_times(AUCTION_OF[request.time_in_force], session) if session else None

    def _session(self, market: ScaledDay) -> Session | None:
        if self._open is None or self._close is None:
            return None
        day = market.day.date
        return Session(f"{day[:4]}-{day[4:6]}-{day[6:]}", self._open, self._close)
