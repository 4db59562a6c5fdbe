"""The customer report of Rule 606(b)(3) from orders and fills worked out by hand."""

from decimal import Decimal
from typing import Any

import polars as pl

from fillwright.projections.best_execution.rule606 import COLUMNS, UNKNOWN_VENUE, venue_rows
from fillwright.projections.tca.tables import MONEY

D = Decimal
MS = 1_000_000
Row = dict[str, Any]


def orders(*rows: Row) -> pl.DataFrame:
    base: Row = {
        "account": "client",
        "month": "202608",
        "directed": False,
        "venue": "XNYS",
        "quantity": D(1_000),
        "time_in_force": "day",
        "further_routable": None,
        "received_at": 0,
        "ended_at": 10 * MS,
    }
    return pl.DataFrame(
        [{"order_id": f"o{n}", **base, **row} for n, row in enumerate(rows)],
        schema_overrides={"quantity": MONEY, "further_routable": pl.Boolean, "venue": pl.String},
    )


def fills(*rows: Row) -> pl.DataFrame:
    base: Row = {
        "order_id": "o0",
        "side": 1,
        "at": 4 * MS,
        "quantity": D(100),
        "price": D("10.05"),
        "fee": D("0.3"),
        "liquidity": "removed",
        "bid": D("10"),
        "ask": D("10.1"),
    }
    money = dict.fromkeys(("quantity", "price", "fee", "bid", "ask"), MONEY)
    return pl.DataFrame([{**base, **row} for row in rows], schema_overrides=money)


def test_shares_are_told_by_side_of_the_spread_and_by_liquidity() -> None:
    (row,) = venue_rows(
        orders({}, {"time_in_force": "ioc", "quantity": D(500)}),
        fills(
            {"price": D("10.05")},
            {"price": D("10.00"), "liquidity": "added", "fee": D("-0.2")},
            {"price": D("10.10"), "order_id": "o1", "quantity": D(200)},
        ),
    )
    assert (row["routed_shares"], row["routed_ioc_shares"]) == (1_500, 500)
    assert (row["executed_shares"], row["average_order_size"]) == (400, 750)
    assert row["fill_rate"] == D(400) / D(1_500)
    assert (row["mid_shares"], row["near_shares"], row["far_shares"]) == (100, 100, 200)
    assert row["mid_share"] + row["near_share"] + row["far_share"] == 1
    assert (row["added_shares"], row["removed_shares"]) == (100, 300)
    assert row["fee_cents_per_100"] == D("10.0000")
    assert row["added_fee_cents_per_100"] == D("-20.0000")
    # 100 shares after 4 ms, and 800 cancelled after 10 ms, of the order that added liquidity.
    assert row["added_open_ms"] == D(100 * 4 + 800 * 10) / 900


def test_directed_orders_accounts_months_and_venues_are_apart() -> None:
    rows = venue_rows(
        orders({}, {"directed": True}, {"venue": "XNAS"}, {"account": "b"}, {"month": "202609"}),
        fills({}),
    )
    assert len(rows) == 5
    assert sum(row["executed_shares"] for row in rows) == 100


def test_what_the_broker_does_not_tell_is_null_and_counted() -> None:
    (row,) = venue_rows(
        orders({"venue": None}), fills({"liquidity": None, "fee": None, "bid": None})
    )
    assert row["venue"] == UNKNOWN_VENUE
    unknown = ("routed_further_shares", "fee_cents_per_100", "mid_shares", "added_shares")
    assert [row[name] for name in unknown] == [None] * 4
    counts = ("further_unknown", "fee_unknown", "quote_unknown", "liquidity_unknown")
    assert [row[name] for name in counts] == [1_000, 100, 100, 100]
    assert {column[0] for column in COLUMNS} <= set(row)


def test_an_order_that_never_executed_is_routed_all_the_same() -> None:
    (row,) = venue_rows(orders({"further_routable": False}), fills({"order_id": "another"}))
    assert (row["routed_further_shares"], row["executed_shares"], row["fill_rate"]) == (0, 0, 0)
    assert row["average_fill_size"] is None
