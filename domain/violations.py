"""What a step of a strategy may ask for and not get: the words of the guard's cuts."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

STEP_ORDERS_MAX: Final = 16
"""Child orders that one step may place."""


class Violation(StrEnum):
    """What a step asked for and did not get."""

    UNKNOWN_CANCEL = "unknown_cancel"
    """A cancel of an order that is not open, or already being cancelled, or asked for twice."""
    PLACES_WITH_FINISH = "places_with_finish"
    """New orders in a step that ends the instruction."""
    BEFORE_START = "before_start"
    """New orders before the plan's start."""
    AFTER_CLOSE = "after_close"
    """New orders when the session is over."""
    CLOSING_BUFFER = "closing_buffer"
    """A new slice in the closing buffer."""
    NOT_OPEN = "not_open"
    """New orders while the symbol is halted, closed or of unknown status."""
    TOO_MANY_ORDERS = "too_many_orders"
    """More new orders in one step than ``STEP_ORDERS_MAX``."""
    BAD_QUANTITY = "bad_quantity"
    """A quantity that is not a positive number."""
    QUANTITY_OFF_LOT = "quantity_off_lot"
    """A quantity that is no multiple of the lot, nor all of an odd remainder."""
    OVER_FREE = "over_free"
    """More shares than are neither executed nor exposed (ruling 5)."""
    TIME_IN_FORCE = "time_in_force"
    """A time in force that is not day or immediate-or-cancel, or does not go with the order."""
    AUCTION_OVER = "auction_over"
    """An order for an auction after its cut-off, or for more than the plan has for it."""
    LIMIT_MISSING = "limit_missing"
    """A limit order without a limit."""
    MARKET_WITH_BOUND = "market_with_bound"
    """A market order under a price bound or the plan's limit price (ruling 1)."""
    PAST_BOUND = "past_bound"
    """A limit past the price bound or the plan's limit price (ruling 1)."""
    OFF_TICK = "off_tick"
    """A limit between two ticks."""
    BAD_PRICE = "bad_price"
    """A limit that is not a positive number."""
    DISPLAY = "display"
    """A displayed quantity that is not positive or exceeds the order."""
    AWAITS_LONG = "awaits_long"
    """The short part of a sell through zero, before its long part is all executed."""
    PRICE_TEST = "price_test"
    """A short sale at or below the best bid while Rule 201 is in force, or may be."""
    OUTSIDE_BAND = "outside_band"
    """A limit that trades past the LULD band: it is repriced to the band."""
    HELD_BY_BAND = "held_by_band"
    """A limit on the far side of the LULD band: it waits until the band has moved."""
    SELF_CROSS = "self_cross"
    """An order that could execute against an own order of the other side (ruling 14)."""
    MESSAGE_BUDGET = "message_budget"
    """More messages than the account's budget leaves (ruling 17)."""

    @property
    def is_overreach(self) -> bool:
        """Whether the strategy should have known better; budget and surroundings it cannot see."""
        return self not in _SURROUNDINGS


_SURROUNDINGS: Final = frozenset(
    {
        Violation.CLOSING_BUFFER,
        Violation.SELF_CROSS,
        Violation.MESSAGE_BUDGET,
        Violation.OUTSIDE_BAND,
        Violation.HELD_BY_BAND,
        Violation.AWAITS_LONG,
        Violation.PRICE_TEST,
    }
)
