"""Orders that the server holds itself: stops, trailing stops, auctions, and what is principal.

The exchange matches whole shares in continuous trading. What it does not know is decided here and
then sent to it (a triggered stop) or executed against the book as it stands (fractions of a share,
amounts of money, fill-or-kill, auctions).
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Final

from ...domain.auctions import Auction
from ...domain.ports import Session
from ..exchange.auctions import official
from .orders import Kind, PaperOrder, Shape, Status, Tif
from .timeline import Timeline
from .triggers import Trail, reach_time, stop_time
from .venue import Venue

if TYPE_CHECKING:
    from .working import Working

SHARE_PART: Final = Decimal("0.000000001")
STOP_COLLAR_LOW: Final = Decimal("1.04")
STOP_COLLAR: Final = Decimal("1.025")
COLLAR_PRICE: Final = Decimal(50)
"""A buy stop becomes a limit order this far above its stop, the wider one below this price."""


class Waiting:
    """Decides when held orders act."""

    def __init__(
        self, working: Working, venue: Venue, session: Session, timeline: Timeline
    ) -> None:
        self._working = working
        self._venue = venue
        self._session = session
        self._timeline = timeline
        self._trails: dict[str, Trail] = {}

    # Stops

    def arm(self, order: PaperOrder, at: int) -> None:
        """Begin to watch for the stop; a leg that its sibling outranks stays held."""
        if order.status is not Status.HELD:
            self._working.announce(order, at)
        order.armed_since = at
        self.watch(order, at)

    def watch(self, order: PaperOrder, since: int) -> None:
        """Look up when the stop is reached from ``since`` on."""
        time = self._trigger_time(order, since)
        if time is not None:
            self._timeline.plan(time, self._trigger, order)

    def follow(self, order: PaperOrder, now: int) -> None:
        """Bring the water mark and stop of a trailing order up to ``now``."""
        trail = self._trails.get(order.id)
        seen = trail.at(now) if trail is not None and order.is_armed else None
        if seen is not None:
            order.hwm, order.stop_price = seen

    def _trigger_time(self, order: PaperOrder, since: int) -> int | None:
        market = self._venue.market(order.symbol)
        if order.kind is Kind.TRAILING_STOP:
            start = order.armed_since if order.armed_since is not None else since
            trail = Trail(market, order.side, order.trail_price, order.trail_percent, start)
            self._trails[order.id] = trail
            return trail.time()
        if order.stop_price is None:
            return None
        return stop_time(market, order.side, order.stop_price, since)

    def _trigger(self, order: PaperOrder, at: int) -> None:
        # A halt added in the meantime has moved the moment, or the order is no longer watched.
        if not order.is_armed or self._venue.halt_end(order.symbol, at) is not None:
            return
        self.follow(order, at)
        order.is_triggered = True
        self._trails.pop(order.id, None)
        self._working.exit_begins(order, at)
        if order.qty is not None and not order.leaves:
            self._working.finish(order, Status.CANCELED, at)
            return
        if order.status is Status.HELD:
            self._working.announce(order, at)
        if not order.is_whole:
            self.execute(order, at)
            return
        limit = order.limit_price if order.kind is Kind.STOP_LIMIT else self._collar(order)
        self._working.send(order, limit, at)

    def _collar(self, order: PaperOrder) -> Decimal | None:
        """The limit a triggered buy stop gets; None for a market order."""
        if order.kind is not Kind.STOP or not order.is_buy or order.stop_price is None:
            return None
        low = order.stop_price < COLLAR_PRICE
        limit = order.stop_price * (STOP_COLLAR_LOW if low else STOP_COLLAR)
        tick = self._venue.day(order.symbol).tick
        return (limit / tick).to_integral_value(ROUND_CEILING) * tick

    # At once, against the book as it stands

    def execute(self, order: PaperOrder, at: int) -> None:
        """Execute an order that is not matched by the exchange, or wait until it can be."""
        reopens = self._venue.halt_end(order.symbol, at)
        if reopens is not None:
            self._timeline.plan(reopens, self.execute, order)
            return
        self._working.announce(order, at)
        if order.tif is Tif.FOK:
            self._fill_or_kill(order, at)
            return
        limit = order.limit_price
        if limit is not None:
            market = self._venue.market(order.symbol)
            reached = reach_time(market, order.side, limit, at)
            if reached is None or reached > at:
                if reached is not None:
                    self._timeline.plan(reached, self.execute, order)
                return
        price = self._venue.touch(order.symbol, order.side.sign, at)
        if price is None:
            self._working.finish(order, Status.REJECTED, at)
            return
        if order.qty is None and order.notional is not None:
            order.qty = (order.notional / price).quantize(SHARE_PART, ROUND_DOWN)
        self._working.fill(order, order.leaves, price, at)

    def _fill_or_kill(self, order: PaperOrder, at: int) -> None:
        sign, wanted = order.side.sign, order.leaves
        fills = self._venue.preview(order.symbol, sign, wanted, order.limit_price, at)
        if sum((size for size, _ in fills), Decimal(0)) < wanted:
            self._working.finish(order, Status.CANCELED, at)
            return
        for size, price in fills:
            self._working.fill(order, size, price, at)

    def auction(self, order: PaperOrder, at: int) -> None:
        """Execute an order in the opening or closing auction, or cancel it."""
        auction = Auction.OPEN if order.tif is Tif.OPG else Auction.CLOSE
        found = official(self._venue.day(order.symbol), auction, self._session)
        halted = self._venue.halt_end(order.symbol, at) is not None
        price = None if found is None or halted else found.price
        limit = order.limit_price
        self._working.announce(order, at)
        if price is None or (limit is not None and (price - limit) * order.side.sign > 0):
            self._working.finish(order, Status.CANCELED, at)
        else:
            self._working.fill(order, order.leaves, price, at)


def exits_of(order: PaperOrder) -> list[PaperOrder]:
    """The orders of which only one may do its work, ``order`` among them."""
    head = order.parent or order
    if head.shape is Shape.OCO:
        return [head, *head.legs]
    return list(head.legs) if order.is_leg else []
