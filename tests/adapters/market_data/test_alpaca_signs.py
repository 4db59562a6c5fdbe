"""What shows that a symbol trades, to a client that is told nothing of halts in force."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from fillwright.adapters.market_data.alpaca_signs import SIGN_SECONDS, TradingSigns
from fillwright.domain.market import Quote
from fillwright.domain.ports import NANOS

D = Decimal
NOW = 1_718_200_000 * NANOS
OLD = NOW - (SIGN_SECONDS + 1) * NANOS


def quote(bid: str = "10.00", at: int = NOW) -> Quote:
    return Quote(bid=D(bid), ask=D("10.02"), bid_size=D(100), ask_size=D(100), at=at)


def test_nothing_is_known_until_a_print_that_is_not_old() -> None:
    signs = TradingSigns(lambda: NOW, is_consolidated=True)
    assert not signs.trades("ABC")
    signs.take_print("ABC", OLD, NOW)
    assert not signs.trades("ABC")
    signs.take_print("ABC", NOW - SIGN_SECONDS * NANOS, NOW)
    assert signs.trades("ABC")
    assert not signs.trades("XYZ"), "of another symbol it says nothing"


@pytest.mark.parametrize(
    ("is_consolidated", "quoted", "trades"),
    [
        (False, quote(), True),
        (False, quote(at=OLD), False),
        (False, quote(bid="10.02"), False),
        (False, None, False),
        (True, quote(), False),
    ],
    ids=["one venue", "old", "locked", "one side", "consolidated"],
)
def test_a_quote_is_a_sign_where_a_halted_venue_would_quote_nothing(
    is_consolidated: bool, quoted: Quote | None, trades: bool
) -> None:
    signs = TradingSigns(lambda: NOW, is_consolidated=is_consolidated)
    signs.take_quote("ABC", quoted, NOW)
    assert signs.trades("ABC") is trades


def test_after_a_gap_in_what_is_told_a_sign_of_long_before_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    signs = TradingSigns(lambda: NOW, is_consolidated=True)
    signs.subscribed("ABC")
    signs.take_print("ABC")
    moment += SIGN_SECONDS
    signs.subscribed("ABC")
    assert signs.trades("ABC"), "shortly before the new subscription"
    moment += 1
    signs.subscribed("ABC")
    assert not signs.trades("ABC")
    signs.take_print("ABC")
    assert signs.trades("ABC")


def test_what_is_heard_is_a_sign_however_late_its_feed_is() -> None:
    signs = TradingSigns(lambda: NOW, is_consolidated=False)
    signs.take_quote("ABC", quote(at=OLD))
    assert signs.trades("ABC")
