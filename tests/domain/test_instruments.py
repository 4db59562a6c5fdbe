"""Instruments: identity by asset id, dated symbols, round lots and ticks by price and date."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fillwright.domain import events as e
from fillwright.domain.account import TradingAccount
from fillwright.domain.instruments import (
    Instrument,
    InstrumentBook,
    not_of_asset,
    round_lot_on,
    tick_on,
)
from fillwright.domain.reasons import Anomalous
from tests.domain.test_order_terms import request_of

D = Decimal


def asset(symbol: str, asset_id: str, **changes: object) -> Instrument:
    return Instrument.model_validate(
        {"broker": "alpaca", "asset_id": asset_id, "symbol": symbol, **changes}
    )


@pytest.mark.parametrize(
    ("price", "date", "lot"),
    [
        ("251", "2025-11-02", 100),
        ("250", "2025-11-03", 100),
        ("250.01", "2025-11-03", 40),
        ("1000", "2026-03-02", 40),
        ("1000.01", "2026-03-02", 10),
        ("10000.01", "2026-03-02", 1),
    ],
)
def test_a_round_lot_follows_price_and_date(price: str, date: str, lot: int) -> None:
    assert round_lot_on(D(price), date) == lot


@pytest.mark.parametrize(("price", "tick"), [("0.9999", "0.0001"), ("1", "0.01"), ("400", "0.01")])
def test_a_tick_follows_the_price(price: str, tick: str) -> None:
    assert tick_on(D(price), "2026-03-02") == D(tick)


def test_a_symbol_that_names_another_asset_is_not_the_same_instrument() -> None:
    book = InstrumentBook()
    book.take(asset("ABC", "a-1"), "2026-01-02")
    book.take(asset("ABC", "a-1", tradable=False), "2026-01-05")
    book.take(asset("ABC", "a-2"), "2026-02-02")
    book.take(asset("XYZ", "a-1"), "2026-02-02")
    assert book.asset_on("ABC", "2026-01-31") == "a-1"
    assert book.asset_on("ABC", "2026-02-02") == "a-2"
    assert book.asset_on("ABC", "2025-12-31") is None
    assert book.symbols_of("a-1") == [("2026-01-02", "ABC"), ("2026-02-02", "XYZ")]
    assert book.current("ABC") == asset("ABC", "a-2")


def test_the_account_records_an_instrument_once_and_notes_another_asset() -> None:
    account = TradingAccount.named("main")
    stamp = e.Stamp(5, "test", "c", "d")
    for each in (asset("ABC", "a-1"), asset("ABC", "a-1"), asset("ABC", "a-2")):
        account.record_instrument(stamp, "main", "2026-02-02", each)
    kinds = [type(event) for event in account.collect_events()]
    assert kinds == [e.InstrumentRecorded, e.InstrumentRecorded, e.AccountAnomaly]
    assert Anomalous.DATA_QUALITY.value


@pytest.mark.parametrize(
    ("flags", "quantity", "field"),
    [
        ({}, "10", None),
        ({"tradable": False}, "10", "symbol"),
        ({"fractionable": False}, "1.5", "quantity"),
        ({"fractionable": False}, "1", None),
        ({"fractionable": True}, "1.5", None),
    ],
)
def test_what_the_asset_does_not_allow_is_named(
    flags: dict[str, bool], quantity: str, field: str | None
) -> None:
    found = not_of_asset(request_of(quantity=D(quantity)), asset("ABC", "a-1", **flags))
    assert (found.field if found else None) == field
