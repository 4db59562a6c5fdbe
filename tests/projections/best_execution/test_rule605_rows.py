"""Rows of Rule 605 from orders and executions worked out by hand."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.errors import InvalidInput
from fillwright.domain.instruments import round_lot_on
from fillwright.domain.ports import NANOS
from fillwright.projections.best_execution import rule605_terms as terms
from fillwright.projections.best_execution.rule605 import classified, statistics
from fillwright.projections.best_execution.rule605_files import detailed_text, summary_csv
from fillwright.projections.best_execution.rule605_rows import detailed_rows, summary_rows
from fillwright.projections.tca.tables import MONEY

D = Decimal
MS = 1_000_000
WHO: dict[str, Any] = {"participant": "S", "entity": "SAMPLE", "month": "202608"}


def orders(*rows: dict[str, Any]) -> pl.DataFrame:
    """Orders to buy 100 ABC at the market, with 10.00 by 10.10 at receipt, but for what is said."""
    base: dict[str, Any] = {
        "symbol": "ABC",
        "side": 1,
        "quantity": D(100),
        "order_type": "market",
        "time_in_force": "day",
        "limit_price": None,
        "received_at": 0,
        "bid": D("10"),
        "ask": D("10.1"),
        "bid_size": D(500),
        "ask_size": D(500),
        "sp500": False,
    }
    money = dict.fromkeys(("quantity", "limit_price", "bid", "ask", "bid_size", "ask_size"), MONEY)
    return pl.DataFrame(
        [{"order_id": f"o{n}", **base, **row} for n, row in enumerate(rows)],
        schema_overrides=money,
    )


def fills(*rows: tuple[str, str, str, int, str | None]) -> pl.DataFrame:
    """Executions: order, shares, price, ms after receipt, mid a minute later."""
    return pl.DataFrame(
        [
            {
                "order_id": order,
                "quantity": D(shares),
                "price": D(price),
                "at": ms * MS,
                "mid_1min": None if mid is None else D(mid),
            }
            for order, shares, price, ms, mid in rows
        ],
        schema_overrides=dict.fromkeys(("quantity", "price", "mid_1min"), MONEY),
    )


@pytest.mark.parametrize(
    ("side", "limit", "tif", "expected"),
    [
        (1, None, "day", "MXXNN"),
        (1, "10.1", "day", "LYNNN"),
        (1, "10.1", "ioc", "LYNYN"),
        (1, "10.05", "day", "LNYNN"),
        (1, "10.07", "ioc", "LNYYN"),
        (1, "10.04", "day", "LNNNN"),
        (1, "9.5", "ioc", "LNNYN"),
        (-1, "10", "day", "LYNNN"),
        (-1, "10.05", "day", "LNYNN"),
        (-1, "10.06", "day", "LNNNN"),
    ],
)
def test_an_order_is_classified_by_its_limit_against_the_quote_at_receipt(
    side: int, limit: str | None, tif: str, expected: str
) -> None:
    row = {
        "side": side,
        "order_type": "limit" if limit else "market",
        "limit_price": D(limit) if limit else None,
        "time_in_force": tif,
    }
    found = classified(orders(row))
    assert found["covered_type"].to_list() == [expected]
    assert found["size_code"].to_list() == ["1000"]


def test_an_order_without_a_quote_at_receipt_is_not_covered() -> None:
    found = classified(orders({"bid": None}))
    assert found["covered_type"].to_list() == [None]
    assert summary_rows(orders({"bid": None}), fills(("o0", "100", "10.1", 1, None)), **WHO) == []


@given(st.decimals("0.01", "1000000", places=2))
def test_columns_and_scalars_agree_on_the_bucket(value: Decimal) -> None:
    found = classified(orders({"quantity": D(1), "bid": value, "ask": value}))
    assert found["size_code"].to_list() == [terms.size_bucket(value)]


def test_the_summary_has_a_row_for_each_size_and_one_for_all_below_200_000() -> None:
    covered = orders({}, {"quantity": D(1_000)}, {"quantity": D(30_000)})
    done = fills(
        ("o0", "100", "10.10", 10, "10.05"),
        ("o1", "1000", "10.08", 20, "10.09"),
        ("o2", "10000", "10.11", 40, None),
    )
    rows = {row["OrderSize"]: row for row in summary_rows(covered, done, **WHO)}
    assert list(rows) == ["1000", "10000", "199999", "200000"]
    both = rows["199999"]
    assert both["AvgOrderQty"] == D(550)
    assert both["PctExctdAtQuotOrBetter"] == 1
    assert both["PctExctdPI"] == D(1_000) / D(1_100)
    # 1,000 shares were 0.02 better than the offer of 10.10.
    assert both["WghtdAvgPctPI"] == D(20) / (D("10.05") * 1_100)
    assert both["AvgEFQPct"] == (D("0.1") * 100 + D("0.06") * 1_000) / (D("0.1") * 1_100)
    assert both["WghtdAvgExctnTime"] == D(21_000) / D(1_100)
    assert rows["1000"]["AvgRealSprdPct1min"] == pytest.approx(D("0.1") / D("10.05"))
    large = rows["200000"]
    assert (large["PctExctdAtQuotOrBetter"], large["AvgRealSprdPct1min"]) == (0, None)
    assert (
        summary_csv([large]).splitlines()[1].startswith("S,SAMPLE,202608,N,200000,M,30000,301500,")
    )


def test_limits_that_rest_or_are_ioc_are_not_in_the_summary_but_in_the_detail() -> None:
    limit = {"order_type": "limit", "limit_price": D("10")}
    ioc = {"order_type": "limit", "limit_price": D("10.1"), "time_in_force": "ioc"}
    covered = orders(limit, ioc, {"quantity": D(700)})
    done = fills(
        ("o0", "40", "10.00", 400_000, None),
        ("o1", "100", "10.10", 2, None),
        ("o2", "700", "10.10", 2, None),
    )
    assert [row["OrderType"] for row in summary_rows(covered, done, **WHO)] == ["M", "M"]
    rows = {row["OrderType"]: row for row in detailed_rows(covered, done, **WHO)}
    assert set(rows) == {"LNNNN", "LYNYN", "MXXNN"}
    rest = rows["LNNNN"]
    assert (rest["CvrdOrderQty"], rest["CvrdOrderExctdQty"], rest["CvrdOrderCnclQty"]) == (
        100,
        40,
        60,
    )
    assert (rest["CvrdOrderQtyOthr"], rest["FilledOrderCnt"]) == (40, 1)
    assert rest["FilledOrderWghtdAvgTime"] == 400_000
    # 500 shares were shown at the offer: the other 200 at it are size improvement.
    assert rows["MXXNN"]["ExctdOrderSizeBnchmrkQty"] == 500
    assert rows["MXXNN"]["ExctdSIOutsizedQty"] == 200
    assert rows["MXXNN"]["CvrdOrderExctdAwayQty"] is None
    assert detailed_text(list(rows.values())).count("\n") == 4


def test_a_missing_quote_or_later_mid_is_null_and_never_zero() -> None:
    frame = fills(("o0", "100", "10.1", 1, None)).with_columns(side=1, elapsed_ns=pl.col("at"))
    (found,) = statistics(frame)
    assert found["shares"] == 100
    assert found["quoted_shares"] == 0
    for name in ("avg_mid", "avg_quoted", "avg_effective", "eq", "avg_realised_1min", "pct_pi"):
        assert found[name] is None
    assert found["avg_time_ms"] == 1


def test_a_quoted_spread_of_nothing_gives_no_ratio() -> None:
    frame = fills(("o0", "100", "10.1", 1, None)).with_columns(
        side=1, elapsed_ns=pl.col("at"), bid=D("10.1"), ask=D("10.1")
    )
    (found,) = statistics(frame)
    assert (found["avg_quoted"], found["eq"]) == (0, None)


def test_values_outside_every_bucket_are_refused() -> None:
    with pytest.raises(InvalidInput, match="notional_usd"):
        terms.size_bucket(D(0))
    with pytest.raises(InvalidInput, match="elapsed_ns"):
        terms.time_bucket(-1)


def ns(day: str) -> int:
    """When the session of a day opens, in ns UTC."""
    return int(datetime.fromisoformat(f"{day}T14:30:00+00:00").timestamp()) * NANOS


@pytest.mark.parametrize(
    ("day", "price", "shares", "lot"),
    [
        ("2025-10-31", 300, "99", "ODD"),
        ("2025-10-31", 300, "100", "ROUND"),
        ("2025-11-03", 250, "99", "ODD"),
        ("2025-11-03", 251, "40", "ROUND"),
        ("2025-11-03", 251, "39", "ODD"),
        ("2026-02-02", 1_001, "10", "ROUND"),
        ("2026-02-02", 1_001, "9", "ODD"),
        ("2026-02-02", 10_001, "1", "ROUND"),
        ("2026-02-02", 10_001, "0.5", "FRAC"),
    ],
)
def test_an_odd_lot_is_below_the_round_lot_of_its_day_and_price(
    day: str, price: int, shares: str, lot: str
) -> None:
    at, quantity, mid = ns(day), D(shares), D(price)
    some = orders({"received_at": at, "quantity": quantity, "bid": mid, "ask": mid})
    (row,) = detailed_rows(some, fills(("o0", shares, str(price), 5, None)), **WHO)
    assert row["LotSizeFlag"] == lot
    assert round_lot_on(mid, day) <= quantity or lot != "ROUND"
