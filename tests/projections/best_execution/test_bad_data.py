"""Bad data is named in the report, and a figure is null because of it, never wrong."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from fillwright.projections.best_execution.document import Table
from fillwright.projections.best_execution.execution import (
    COST_PARTS,
    best_execution_tables,
    execution_tables,
)
from fillwright.projections.best_execution.facts import Facts, facts_of
from fillwright.projections.best_execution.finra5310 import finra5310_tables
from fillwright.projections.best_execution.regulatory import rule605_tables, rule606_tables
from fillwright.projections.best_execution.reporter import Reporter
from fillwright.projections.tca.analysis import analyse
from fillwright.projections.tca.tables import Tables

D = Decimal
START = 1_718_200_800_000_000_000
SECOND = 1_000_000_000
Rows = dict[str, list[dict[str, Any]]]


def rows() -> Rows:
    """Two buys of 100: one filled at the offer, one half; quotes, prints and a whole session."""
    parents = [
        {
            "instruction_id": f"i{n}",
            "symbol": "ABC",
            "side": 1,
            "quantity": D(100),
            "account": "main",
            "strategy": "twap",
            "session_date": "2024-06-12",
            "decision_at": START,
            "arrival_at": START,
            "release_at": START,
            "end_at": START + 60 * SECOND,
            "decision_price": D("10.05"),
            "arrival_price": D("10.05"),
            "release_price": D("10.05"),
            "end_price": D("10.15"),
            "currency": "USD",
        }
        for n in range(2)
    ]
    orders = [
        {
            "order_id": f"o{n}",
            "instruction_id": f"i{n}",
            "quantity": D(100),
            "order_type": "limit",
            "time_in_force": "day",
            "limit_price": D("10.10"),
            "placed_at": START + SECOND,
            "received_at": START + SECOND,
            "ended_at": START + 60 * SECOND,
        }
        for n in range(2)
    ]
    fills = [
        {
            "fill_id": f"f{n}",
            "order_id": f"o{n}",
            "at": START + 2 * SECOND,
            "quantity": D(quantity),
            "price": D("10.10"),
            "fee": D("0.10"),
            "liquidity": "removed",
            "venue": "XNYS",
            "currency": "USD",
        }
        for n, quantity in enumerate((100, 50))
    ]
    quotes = [
        {"symbol": "ABC", "at": START + n * SECOND, "bid": D("10.00"), "ask": D("10.10")}
        for n in range(-5, 400, 5)
    ]
    prints = [
        {"symbol": "ABC", "at": START + n * SECOND, "price": D("10.06"), "size": D(1_000)}
        for n in range(0, 400, 5)
    ]
    session = {
        "symbol": "ABC",
        "session_date": "2024-06-12",
        "open_at": START - SECOND,
        "close_at": START + 23_400 * SECOND,
        "open": D("10.00"),
        "close": D("10.20"),
    }
    return {
        "instructions": parents,
        "orders": orders,
        "fills": fills,
        "quotes": quotes,
        "prints": prints,
        "sessions": [session],
    }


def told(given: Rows) -> tuple[Facts, dict[str, Table]]:
    """Every table of the execution report; the other kinds are made too, and must not fail."""
    tables = Tables.of(
        **{name: pl.DataFrame(each, infer_schema_length=None) for name, each in given.items()}
    )
    facts = facts_of(tables, analyse(tables))
    for made in (
        best_execution_tables(facts),
        rule605_tables(facts, Reporter()),
        rule606_tables(facts, Reporter()),
        finra5310_tables(facts, ()),
    ):
        assert made
    return facts, {table.name: table for table in execution_tables(facts)}


def total(tables: dict[str, Table], column: str) -> Any:
    table = tables["totals"]
    return table.rows[0][table.place(column)]


def problems(facts: Facts) -> set[str]:
    return set(facts.problems["problem"].to_list())


def test_whole_data_has_no_problem_and_figures_worked_out_by_hand() -> None:
    facts, tables = told(rows())
    assert problems(facts) == set()
    # 150 shares at 0.05 above the mid, 50 that did not execute at 0.10, and fees.
    assert total(tables, "shortfall") == D("7.5") + D(5) + D("0.2")
    assert total(tables, "shortfall_known") == 2
    assert total(tables, "completion") == D("0.75")
    fills = tables["fills_by_venue"]
    row = fills.row(("XNYS",))
    assert row[fills.place("e_over_q")] == 1
    assert row[fills.place("at_share")] == 1
    assert row[fills.place("price_improvement")] == 0


def without_quotes(given: Rows) -> None:
    del given["quotes"]


def fill_without_order(given: Rows) -> None:
    given["fills"][1]["order_id"] = "nobody"


def session_without_close(given: Rows) -> None:
    given["sessions"][0]["close"] = None


def currency_mix(given: Rows) -> None:
    given["fills"][1]["currency"] = "EUR"


def zero_quantity(given: Rows) -> None:
    given["fills"][1]["quantity"] = D(0)


@pytest.mark.parametrize(
    ("spoil", "problem", "column", "known"),
    [
        (fill_without_order, "fill_without_order", "executed", D(100)),
        (zero_quantity, "zero_quantity", "executed", D(100)),
        (currency_mix, "currency_mix", "shortfall_known", 1),
        (session_without_close, "session_without_close", "slippage_close_bps", None),
    ],
)
def test_bad_data_is_named_and_leaves_out_what_it_touches(
    spoil: Any, problem: str, column: str, known: Any
) -> None:
    given = rows()
    spoil(given)
    facts, tables = told(given)
    assert problem in problems(facts)
    assert total(tables, column) == known


def test_without_quotes_spreads_are_unknown_and_nothing_is_taken_for_zero() -> None:
    given = rows()
    without_quotes(given)
    facts, tables = told(given)
    assert {"no_quotes"} <= problems(facts)
    table = tables["fills_by_venue"]
    row = table.row(("XNYS",))
    unknown = ("quoted_spread_bps", "effective_spread_bps", "e_over_q", "at_share")
    for column in (*unknown, "price_improvement", "improved_share"):
        assert row[table.place(column)] is None, column
    assert row[table.place("effective_known")] == 0
    coverage = {table.name: table for table in rule605_tables(facts, Reporter())}["coverage"]
    assert coverage.rows == (("not covered", 2, D(200), "no"),)


def test_a_row_adds_up_where_some_of_its_parts_are_unknown() -> None:
    given = rows()
    # One of the two executed without a quote: its spread, impact and timing cannot be told apart.
    given["fills"][1]["at"] = START + 500 * SECOND
    given["instructions"][1]["end_at"] = START + 500 * SECOND
    given["quotes"] = [quote for quote in given["quotes"] if quote["at"] < START + 9 * SECOND]
    given["quotes"].append({"symbol": "ABC", "at": START + 9 * SECOND, "bid": None, "ask": None})
    facts, tables = told(given)
    assert "missing_quotes" in problems(facts)
    parts = {name: total(tables, f"{name}_usd") for name, _ in COST_PARTS}
    assert sum(parts.values()) == total(tables, "shortfall") == D("12.7")
    assert parts["unsplit_cost"] == D("2.5")
    assert parts["opportunity_apart_cost"] == D(5)
    assert parts["spread_cost"] == D(5)
    shown = tables["instructions"].row(("i1",))
    place = tables["instructions"].place
    assert shown[place("spread_cost_bps")] is None
    # 2.50 of a paper value of 1,005.
    assert shown[place("unsplit_cost_bps")] == D("24.875622")


def test_what_rested_is_averaged_over_the_shares_that_did() -> None:
    given = rows()
    given["instructions"].append(given["instructions"][0] | {"instruction_id": "i2"})
    given["orders"].append(given["orders"][0] | {"order_id": "o2", "instruction_id": "i2"})
    for n, (quantity, seconds) in enumerate(((90, 1), (10, 5))):
        given["fills"].append(
            given["fills"][0]
            | {
                "fill_id": f"f2{n}",
                "order_id": "o2",
                "quantity": D(quantity),
                "at": START + (1 + seconds) * SECOND,
                "liquidity": "added" if seconds == 5 else "removed",
            }
        )
    given["fills"][1]["liquidity"] = "added"
    _, tables = told(given)
    table = tables["orders_by_type"]
    (row,) = table.rows
    # 50 shares rested one second, 10 of another order five; 90 of that one did not rest.
    assert row[table.place("queue_ms")] == D("1666.666667")


def test_two_currencies_are_never_added_up() -> None:
    given = rows()
    given["instructions"][1]["currency"] = "EUR"
    given["fills"][1]["currency"] = "EUR"
    facts, tables = told(given)
    table = tables["totals"]
    assert table.columns[0].name == "currency"
    by = {row[0]: row[table.place("shortfall")] for row in table.rows}
    assert by == {"USD": D("5.1"), "EUR": D("7.6")}
    assert facts.instructions.height == 2


def test_a_limit_outside_the_quote_is_executable_from_when_the_quote_reached_it() -> None:
    given = rows()
    for order in given["orders"]:
        order["limit_price"] = D("9.95")
    for fill in given["fills"]:
        fill["price"], fill["at"] = D("9.95"), START + 50 * SECOND
    for quote in given["quotes"]:
        if quote["at"] >= START + 30 * SECOND:
            quote["bid"], quote["ask"] = D("9.95"), D("10.05")
    facts, _ = told(given)
    (row,) = {table.name: table for table in rule605_tables(facts, Reporter())}["detailed"].rows
    table = {table.name: table for table in rule605_tables(facts, Reporter())}["detailed"]
    assert row[table.place("OrderType")] == "LNNNN"
    assert row[table.place("FilledOrderWghtdAvgTime")] == 20_000
    assert row[table.place("CvrdOrderQtyto30sec")] == 150
    # Held against the quote of that moment, 9.95 to 10.05, not that of receipt.
    assert row[table.place("ExctdOrderMidPtAvg")] == D("10.00")
    assert row[table.place("AvgEffctvSprd")] == D("-0.10")


def detailed(facts: Facts) -> tuple[Table, dict[str, tuple[Any, ...]]]:
    """Rule 605's statistics, by the code of the order's type."""
    table = {each.name: each for each in rule605_tables(facts, Reporter())}["detailed"]
    return table, {str(row[table.place("OrderType")]): row for row in table.rows}


def test_short_of_a_horizon_the_final_quote_of_regular_hours_is_taken() -> None:
    given = rows()
    given["sessions"][0]["close_at"] = START + 40 * SECOND
    for quote in given["quotes"]:
        if quote["at"] > START + 20 * SECOND:
            quote["bid"], quote["ask"] = D("10.20"), D("10.30")
        if quote["at"] > START + 40 * SECOND:
            quote["bid"], quote["ask"] = D("11.00"), D("11.10")
    facts, _ = told(given)
    table, by_type = detailed(facts)
    (row,) = by_type.values()
    # 10.10 against 10.05 after 15 s, and against the last mid before the close after a minute.
    assert row[table.place("AvgRealSprd15sec")] == D("0.10")
    assert row[table.place("AvgRealSprd1min")] == row[table.place("AvgRealSprd5min")] == D("-0.30")


def test_stops_are_covered_from_when_they_were_triggered() -> None:
    given = rows()
    for order, limit in zip(given["orders"], (None, D("10.20")), strict=True):
        order |= {
            "stop_price": D("10.15"),
            "limit_price": limit,
            "order_type": "stop" if limit is None else "stop_limit",
        }
    for each in given["prints"]:
        if each["at"] >= START + 20 * SECOND:
            each["price"] = D("10.16")
    for quote in given["quotes"]:
        if quote["at"] >= START + 15 * SECOND:
            quote["bid"], quote["ask"] = D("10.12"), D("10.18")
    for fill in given["fills"]:
        fill["price"], fill["at"] = D("10.18"), START + 21 * SECOND
    facts, _ = told(given)
    table, by_type = detailed(facts)
    assert set(by_type) == {"MXXNY", "LYNNY"}
    for row in by_type.values():
        assert row[table.place("FilledOrderWghtdAvgTime")] == 1_000
        assert row[table.place("ExctdOrderMidPtAvg")] == D("10.15")
        assert row[table.place("AvgEffctvSprd")] == D("0.06")
    untriggered = rows()
    for order in untriggered["orders"]:
        order["stop_price"] = D("99")
    facts, _ = told(untriggered)
    assert detailed(facts)[1] == {}
