"""Bad data is named in the report, and a figure is null because of it, never wrong."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from fillwright.projections.best_execution.document import Table
from fillwright.projections.best_execution.execution import best_execution_tables, execution_tables
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
    for column in ("quoted_spread_bps", "effective_spread_bps", "e_over_q", "at_share"):
        assert row[table.place(column)] is None, column
    assert row[table.place("effective_known")] == 0
    coverage = {table.name: table for table in rule605_tables(facts, Reporter())}["coverage"]
    assert coverage.rows == (("not covered", 2, D(200), "no"),)


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
