"""Opening and closing auctions: what a plan may place in one, and until when the venue takes it.

Cut-offs are dated: an order for an auction must be entered, and can be cancelled, only until then.
They are counted in seconds before the session's scheduled open or close, so that they move with an
early close. ``VENUE_CUTOFFS`` are the listing markets' own; a broker's are earlier or the same, and
the earlier one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from .market import Record
from .money import Price, Quantity
from .ports import NANOS, Session, TimeInForce

OPENING_CONDITIONS: Final = ("Q", "O")
"""Sale conditions (CTA, UTP) of the opening auction: the market center's official open, and its
opening print."""
CLOSING_CONDITIONS: Final = ("M", "6")
"""Those of the closing auction likewise."""


class Auction(StrEnum):
    """Which auction of the session."""

    OPEN = "open"
    CLOSE = "close"

    @property
    def time_in_force(self) -> TimeInForce:
        """The time in force of its orders."""
        return TimeInForce.OPG if self is Auction.OPEN else TimeInForce.CLS


class BeforeOpen(StrEnum):
    """What becomes of a decision that comes before the open."""

    WAIT = "wait"
    """It is planned when the market opens."""
    AUCTION = "auction"
    """It goes into the opening auction while that takes orders, else it is refused."""
    REFUSE = "refuse"
    """It is refused."""


class LateDecision(StrEnum):
    """What becomes of a decision inside the minutes before the close."""

    DEFER = "defer"
    """It waits for the next session, which this session's end cancels; only URGENT goes on."""
    AUCTION = "auction"
    """A limit order for the closing auction while that takes orders, else a limit order that can
    trade at once if urgency is HIGH or more, else it is refused."""


class AuctionTerms(Record):
    """The part of a plan that is placed in an auction.

    ``limit_price`` None is a market order for the auction, which no price bound allows.
    ``enter_by`` and ``cancel_by`` are the last moments at which it may be sent and cancelled,
    ``at`` is when the auction is scheduled; ns UTC.
    """

    auction: Auction
    quantity: Quantity
    limit_price: Price | None
    enter_by: int
    cancel_by: int
    at: int


class Cutoff(NamedTuple):
    """From ``since`` (YYYY-MM-DD) on, seconds before the auction until which orders are taken.

    ``limit_seconds`` is for limit orders, ``market_seconds`` for those without a price and
    ``cancel_seconds`` for cancels.
    """

    since: str
    auction: Auction
    market_seconds: int
    limit_seconds: int
    cancel_seconds: int
    source: str


VENUE_CUTOFFS: Final[dict[str, tuple[Cutoff, ...]]] = {
    "NYSE": (
        Cutoff("1900-01-01", Auction.OPEN, 0, 0, 0, "NYSE's page on its auctions: until it opens"),
        Cutoff("1900-01-01", Auction.CLOSE, 900, 900, 900, "SR-NYSE-2018-58: 15:45 before it"),
        Cutoff(
            "2019-06-03",
            Auction.CLOSE,
            600,
            600,
            600,
            "SR-NYSE-2018-58, approved 2019-01-31: 15:50; the day it began is remembered",
        ),
    ),
    "NASDAQ": (
        Cutoff("1900-01-01", Auction.OPEN, 120, 120, 120, "Nasdaq's guide to its crosses: 09:28"),
        Cutoff("1900-01-01", Auction.CLOSE, 600, 600, 600, "SR-NASDAQ-2018-068: 15:50 before it"),
        Cutoff(
            "2018-10-29",
            Auction.CLOSE,
            300,
            120,
            600,
            "SR-NASDAQ-2018-068, approved 2018-10-19: MOC 15:55, LOC 15:58, cancels 15:50; the day "
            "it began is remembered",
        ),
    ),
}
LISTINGS: Final[dict[str, str]] = {
    "NYSE": "NYSE",
    "XNYS": "NYSE",
    "N": "NYSE",
    "NASDAQ": "NASDAQ",
    "XNAS": "NASDAQ",
    "Q": "NASDAQ",
}
"""Which table holds for a listing market, by the names that brokers and data have for it."""
BROKER_CUTOFFS: Final[tuple[Cutoff, ...]] = (
    Cutoff("1900-01-01", Auction.OPEN, 120, 120, 120, "Alpaca: OPG from 19:00 to 09:28"),
    Cutoff("1900-01-01", Auction.CLOSE, 600, 600, 600, "Alpaca: CLS until 15:50"),
)
"""Alpaca's; the simulated exchange takes auction orders until the same moments."""
OPENING_ENTRY_FROM_SECONDS: Final = 52_200
"""So long before the open, at 19:00 of the evening before, orders for the opening are taken."""


class AuctionTimes(NamedTuple):
    """Until when an auction takes orders and cancels, and when it is; ns UTC."""

    enter_from: int
    market_by: int
    limit_by: int
    cancel_by: int
    at: int

    def enter_by(self, limit_price: Decimal | None) -> int:
        """The last moment for an order with this limit, None for one without a price."""
        return self.market_by if limit_price is None else self.limit_by


def cutoff_on(cutoffs: Sequence[Cutoff], auction: Auction, date: str) -> Cutoff | None:
    """The cut-off in force on a date (YYYY-MM-DD), None where the table has none."""
    found = [each for each in cutoffs if each.auction is auction and each.since <= date]
    return max(found, key=lambda each: each.since) if found else None


def auction_times(
    auction: Auction, session: Session, *, venue: str | None = None, margin_seconds: int = 0
) -> AuctionTimes:
    """When an auction of a session takes orders.

    The earlier of the broker's and the listing venue's cut-off counts; ``venue`` None knows only
    the broker's. ``margin_seconds`` is kept for the way there.
    """
    at = session.open if auction is Auction.OPEN else session.close
    tables = [BROKER_CUTOFFS, VENUE_CUTOFFS.get(venue or "", ())]
    found = [one for table in tables if (one := cutoff_on(table, auction, session.date))]
    market = max(one.market_seconds for one in found) + margin_seconds
    limit = max(one.limit_seconds for one in found) + margin_seconds
    cancel = max(one.cancel_seconds for one in found) + margin_seconds
    first = session.open
    if auction is Auction.OPEN:
        first = session.open - OPENING_ENTRY_FROM_SECONDS * NANOS
    return AuctionTimes(first, at - market * NANOS, at - limit * NANOS, at - cancel * NANOS, at)
