"""The listing venue's cut-off counts where it is earlier than the broker's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fillwright.adapters.engine.desk import Desk
from fillwright.adapters.engine.market_rules import listing_of
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain.auctions import VENUE_CUTOFFS, Auction
from fillwright.domain.instruments import Instrument
from fillwright.domain.planning.auctions import times_of
from fillwright.domain.planning.facts import PlanningRules
from fillwright.domain.ports import NANOS
from tests.domain.planning_cases import some_facts

BEFORE, AFTER = "2018-06-01", "2024-06-12"


@pytest.mark.parametrize(
    ("listing", "date", "seconds"),
    [
        ("NYSE", BEFORE, 900),
        ("NASDAQ", BEFORE, 600),
        (None, BEFORE, 600),
        ("NYSE", AFTER, 600),
        ("NASDAQ", AFTER, 600),
    ],
)
def test_the_earlier_cut_off_of_broker_and_listing_venue_counts(
    listing: str | None, date: str, seconds: int
) -> None:
    session = ExchangeCalendar().session_on(date)
    assert session is not None
    facts = some_facts(listing=listing, rules=PlanningRules(auction_margin_seconds=5))
    times = times_of(Auction.CLOSE, session, facts)
    by = session.close - (seconds + 5) * NANOS
    assert (times.market_by, times.limit_by, times.cancel_by) == (by, by, by)


def test_nasdaq_takes_limit_orders_longer_than_market_orders_and_nyse_does_not() -> None:
    latest = {
        venue: max((c for c in rows if c.auction is Auction.CLOSE), key=lambda c: c.since)
        for venue, rows in VENUE_CUTOFFS.items()
    }
    nyse, nasdaq = latest["NYSE"], latest["NASDAQ"]
    assert (nyse.market_seconds, nyse.limit_seconds, nyse.cancel_seconds) == (600, 600, 600)
    assert (nasdaq.market_seconds, nasdaq.limit_seconds, nasdaq.cancel_seconds) == (300, 120, 600)


class Market:
    """Describes one instrument."""

    def __init__(self, exchange: str | None) -> None:
        self._exchange = exchange

    def instrument(self, symbol: str) -> Instrument | None:
        return Instrument(broker="alpaca", asset_id="1", symbol=symbol, exchange=self._exchange)


@pytest.mark.parametrize(
    ("exchange", "listing"),
    [("NASDAQ", "NASDAQ"), ("NYSE", "NYSE"), ("ARCA", None), (None, None)],
)
def test_the_listing_is_the_instruments_exchange(exchange: str | None, listing: str | None) -> None:
    desk: Any = SimpleNamespace(market=Market(exchange))
    assert listing_of(cast(Desk, desk), "KO") == listing
    assert listing_of(cast(Desk, SimpleNamespace(market=object())), "KO") is None
