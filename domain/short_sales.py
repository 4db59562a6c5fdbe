"""Short sales: marking, the split of a sell through zero, and the price test of Rule 201.

A sell is marked long for what is held and short beyond (Regulation SHO, rule 200); short exempt is
only ever what a decision says. A sell through zero is two orders, one after the other: the short
part goes out once the long part is all executed, because until then the broker still sees shares to
sell. While Rule 201 is in force in a symbol, from a fall of 10 % below the last close until the end
of the next session, a short sale must be priced above the national best bid.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from .market import Quote
from .money import ONE, ZERO, round_to_tick
from .ports import SellMark, Side

PRICE_TEST_FALL: Final = Decimal("0.1")
"""How far below the last close a price starts the test, as a fraction."""


def triggers_price_test(low: Decimal, previous_close: Decimal) -> bool:
    """Whether a session's low against the close before puts Rule 201 in force."""
    return low <= previous_close * (ONE - PRICE_TEST_FALL)


class SessionPrices(NamedTuple):
    """One session of a stock by its regular prints, in account currency.

    ``close_before`` is the close of the session before, as a price of this one; None where it is
    not known. ``low`` is the lowest price so far, None where nothing has printed.
    """

    close_before: Decimal | None
    low: Decimal | None

    @property
    def has_fallen(self) -> bool:
        """Whether its prices put the test in force."""
        if self.close_before is None or self.low is None:
            return False
        return triggers_price_test(self.low, self.close_before)


def price_test_by_prices(today: SessionPrices, before: SessionPrices) -> bool | None:
    """Whether Rule 201 is in force by what printed today and in the session before.

    None where nothing has fallen that is known of, and a close is not known.
    """
    if today.has_fallen or before.has_fallen:
        return True
    return None if today.close_before is None or before.close_before is None else False


class Marked(NamedTuple):
    """How much of a sell may go out now under which mark; nothing where it has to wait."""

    quantity: Decimal
    mark: SellMark | None


def mark_of(
    side: Side,
    wanted: Decimal,
    *,
    long_quantity: Decimal | None,
    short_mark: SellMark | None,
    long_exposure: Decimal,
    executed: Decimal,
) -> Marked:
    """The mark of an order for ``wanted`` shares, cut to the part that has one mark.

    ``long_quantity`` is what of the whole sell is held, None where all of it is; ``long_exposure``
    is what own orders marked long have executed or may, ``executed`` what all orders have.
    """
    if side is Side.BUY:
        return Marked(wanted, None)
    if long_quantity is None:
        return Marked(wanted, SellMark.LONG)
    left = max(long_quantity - long_exposure, ZERO)
    if left > 0:
        return Marked(min(wanted, left), SellMark.LONG)
    if executed < long_quantity:
        return Marked(ZERO, None)
    return Marked(wanted, short_mark or SellMark.SHORT)


def above_bid(limit: Decimal | None, quote: Quote | None, tick: Decimal) -> Decimal | None:
    """The limit that Rule 201 allows a short sale: above the best bid; None without a bid."""
    if quote is None:
        return None
    least = round_to_tick(quote.bid, tick, up=False) + tick
    return least if limit is None else max(limit, least)
