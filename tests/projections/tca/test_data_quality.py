"""Bad data is named, and gives no figure rather than a wrong one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fillwright.domain.errors import InvalidInput
from fillwright.projections.tca.analysis import Analysis, analyse
from fillwright.projections.tca.problems import PROBLEM_NAMES
from fillwright.projections.tca.tables import Tables, from_rows, read_table, typed_table

SECOND = 1_000_000_000
DAY = 1_381_239_000 * SECOND
Row = dict[str, Any]


def D(text: str | int) -> Decimal:
    return Decimal(text)


def instruction(**more: Any) -> Row:
    made = {
        "instruction_id": "i",
        "symbol": "BAC",
        "side": 1,
        "quantity": D(100),
        "arrival_at": DAY,
        "end_at": DAY + 100 * SECOND,
        "decision_price": D("10.00"),
        "arrival_price": D("10.00"),
        "release_price": D("10.00"),
        "end_price": D("10.10"),
    }
    return made | more


def fill(name: str = "f", **more: Any) -> Row:
    made = {
        "fill_id": name,
        "instruction_id": "i",
        "at": DAY + 10 * SECOND,
        "quantity": D(100),
        "price": D("10.02"),
        "fee": D(0),
    }
    return made | more


def told(
    instructions: list[Row], fills: list[Row], **more: list[Row]
) -> tuple[Analysis, dict[str, list[str | None]]]:
    rows = {"instructions": instructions, "fills": fills, **more}
    found = analyse(Tables.of(**{name: from_rows(name, rows[name]) for name in rows}))
    problems: dict[str, list[str | None]] = {}
    for name, _, id, _ in found.problems.iter_rows():
        problems.setdefault(name, []).append(id)
    return found, problems


def one(found: Analysis) -> Row:
    (row,) = found.instructions.iter_rows(named=True)
    return row


def test_a_fill_without_an_order_is_left_out_and_named() -> None:
    found, problems = told([instruction()], [fill(), fill("stray", instruction_id="other")])
    assert one(found)["executed"] == 100
    assert problems["fill_without_order"] == ["stray"]


def test_a_fill_whose_order_is_unknown_counts_for_its_instruction_and_is_named() -> None:
    orders = [{"order_id": "o", "instruction_id": "i", "quantity": D(100)}]
    found, problems = told([instruction()], [fill(order_id="gone")], orders=orders)
    assert one(found)["executed"] == 100
    assert problems["fill_without_order"] == ["f"]


@pytest.mark.parametrize("quantity", [D(0), D(-5), None])
def test_a_fill_of_nothing_is_left_out_and_named(quantity: Decimal | None) -> None:
    found, problems = told([instruction()], [fill(), fill("nil", quantity=quantity)])
    assert one(found)["fills"] == 1
    assert problems["zero_quantity"] == ["nil"]


def test_an_instruction_of_nothing_is_left_out_with_its_fills() -> None:
    found, problems = told([instruction(quantity=D(0))], [fill()])
    assert found.instructions.height == 0
    assert problems["zero_quantity"] == ["i"]
    assert problems["fill_without_order"] == ["f"]


def test_a_fill_in_another_currency_leaves_shares_and_no_money() -> None:
    rows = [fill(currency="USD"), fill("eur", currency="EUR", at=DAY + 11 * SECOND)]
    found, problems = told([instruction(currency="USD", quantity=D(200))], rows)
    row = one(found)
    assert row["executed"] == 200
    assert row["notional"] is row["shortfall"] is row["average_price"] is None
    assert row["slippage_arrival_bps"] is None
    assert problems["currency_mix"] == ["eur"]


@pytest.mark.parametrize("bad", [{"currency": "EUR"}, {"price": D(-1)}, {"price": None}])
def test_no_part_is_made_of_a_fill_whose_price_cannot_stand(bad: Row) -> None:
    quote = {"symbol": "BAC", "at": DAY, "bid": D("10.00"), "ask": D("10.02")}
    fills = [fill(currency="USD"), fill("bad", at=DAY + 11 * SECOND, **{"currency": "USD", **bad})]
    found, problems = told([instruction(currency="USD", quantity=D(200))], fills, quotes=[quote])
    parts = ("notional", "shortfall", "trading_cost", "spread_cost", "impact_cost", "timing_cost")
    assert {name: one(found)[name] for name in parts} == dict.fromkeys(parts)
    assert one(found)["delay_cost"] is None
    assert {"currency_mix", "fill_without_price"} & problems.keys()


def test_a_mix_is_found_where_only_fills_name_a_currency() -> None:
    rows = [fill(currency="USD"), fill("eur", currency="EUR", at=DAY + 11 * SECOND)]
    found, problems = told([instruction(quantity=D(200))], rows)
    assert one(found)["shortfall"] is None
    assert len(problems["currency_mix"]) == 1


def test_a_session_without_a_close_is_named_once_and_holds_nothing_against_it() -> None:
    session = {"symbol": "BAC", "session_date": "2013-10-08", "open": D("9.90")}
    found, problems = told([instruction()], [fill()], sessions=[session])
    row = one(found)
    assert row["slippage_close_bps"] is None
    assert row["slippage_open_bps"] == pytest.approx(121.212121, abs=1e-6)
    assert problems["session_without_close"] == ["BAC 2013-10-08"]


def test_missing_quotes_leave_spread_and_impact_unknown_and_the_total_known() -> None:
    found, problems = told([instruction()], [fill()])
    row = one(found)
    assert row["spread_cost"] is row["impact_cost"] is row["timing_cost"] is None
    assert row["effective_spread"] is row["realised_spread_1s"] is None
    assert row["shortfall"] == row["trading_cost"] == 2
    assert problems["no_quotes"] == problems["no_prints"] == ["BAC"]


def test_fills_before_the_first_quote_are_counted() -> None:
    quotes = [{"symbol": "BAC", "at": DAY + 15 * SECOND, "bid": D("10.00"), "ask": D("10.02")}]
    rows = [fill(quantity=D(50)), fill("late", quantity=D(50), at=DAY + 20 * SECOND)]
    found, _ = told([instruction()], rows, quotes=quotes)
    assert one(found)["fills_without_quote"] == 1
    (detail,) = found.problems.filter(pl.col("problem") == "missing_quotes")["detail"]
    assert detail == "1 of 2 fills"


def test_a_crossed_quote_gives_no_mid_and_the_one_before_does_not_stand_in() -> None:
    quotes = [
        {"symbol": "BAC", "at": DAY, "bid": D("10.00"), "ask": D("10.02")},
        {"symbol": "BAC", "at": DAY + 9 * SECOND, "bid": D("10.03"), "ask": D("10.02")},
    ]
    found, problems = told([instruction()], [fill()], quotes=quotes)
    assert one(found)["spread_cost"] is None
    assert problems["crossed_quotes"] == [None]


def test_a_part_that_did_not_execute_and_has_no_price_leaves_no_shortfall() -> None:
    found, problems = told([instruction(end_price=None)], [fill(quantity=D(60))])
    row = one(found)
    assert row["shortfall"] is row["opportunity_cost"] is None
    assert row["trading_cost"] == D("1.20")
    assert problems["no_end_price"] == ["i"]


def test_nothing_left_needs_no_end_price() -> None:
    found, problems = told([instruction(end_price=None)], [fill()])
    assert one(found)["shortfall"] == 2
    assert "no_end_price" not in problems


def test_an_unknown_arrival_price_stays_unknown_though_quotes_have_one() -> None:
    quotes = [{"symbol": "BAC", "at": DAY, "bid": D("10.00"), "ask": D("10.02")}]
    found, problems = told([instruction(arrival_price=None)], [fill()], quotes=quotes)
    assert one(found)["slippage_arrival_bps"] is None
    assert problems["no_arrival_price"] == ["i"]


def test_an_overfill_is_counted_as_executed_and_named() -> None:
    found, problems = told([instruction(quantity=D(80))], [fill()])
    row = one(found)
    assert row["executed"] == 100
    assert row["shortfall"] == 2
    assert row["opportunity_cost"] == 0
    assert problems["overfill"] == ["i"]


def test_a_name_that_comes_twice_counts_once() -> None:
    found, problems = told([instruction(quantity=D(300))], [fill(), fill()])
    assert one(found)["executed"] == 100
    assert problems["duplicate_id"] == ["f"]


def test_a_fill_without_a_price_leaves_no_money() -> None:
    found, problems = told([instruction()], [fill(price=None)])
    assert one(found)["notional"] is None
    assert problems["fill_without_price"] == ["f"]


def test_an_unknown_fee_leaves_the_shortfall_unknown_and_the_trading_cost_known() -> None:
    found, problems = told([instruction()], [fill(fee=None)])
    row = one(found)
    assert row["fees"] is row["shortfall"] is None
    assert row["trading_cost"] == 2
    assert problems["unknown_fee"] == ["i"]


def test_busts_and_corrections_restate() -> None:
    rows = [
        fill("a", quantity=D(50)),
        fill("b", quantity=D(50)),
        fill("c", kind="trade_bust", ref_fill_id="a"),
        fill("d", kind="trade_correct", ref_fill_id="b", quantity=D(40), price=D("10.05")),
        fill("e", kind="trade_bust", ref_fill_id="nobody"),
    ]
    found, problems = told([instruction()], rows)
    row = one(found)
    assert (row["executed"], row["average_price"]) == (40, D("10.05"))
    assert found.fills["fill_id"].to_list() == ["b"]
    assert problems["unmatched_restatement"] == ["e"]


def test_a_window_that_the_data_do_not_cover_gives_no_vwap() -> None:
    prints = [{"symbol": "BAC", "at": DAY + SECOND, "price": D(10), "size": D(100)}]
    late = DAY + 3_600 * SECOND
    found, problems = told([instruction(planned_end_at=late)], [fill()], prints=prints)
    assert one(found)["vwap"] is None
    assert problems["window_not_covered"] == ["i"]


def test_every_problem_is_of_the_closed_list() -> None:
    found, problems = told([instruction(side=0)], [fill(price=D(-1))])
    assert found.instructions.height == 0
    assert set(problems) <= set(PROBLEM_NAMES)


def test_a_missing_column_and_an_unreadable_value_are_named(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("order_id,symbol,side,quantity\n1,BAC,buy,ten\n", encoding="utf-8")
    fills = pl.DataFrame({"fill_id": ["f"], "order_id": ["1"], "at": [1], "quantity": [1]})
    with pytest.raises(InvalidInput, match=r"orders\.quantity"):
        Tables.of(orders=read_table(path), fills=fills)
    orders = pl.DataFrame({"order_id": ["1"], "symbol": ["A"], "side": ["buy"], "quantity": [1]})
    with pytest.raises(InvalidInput, match=r"fills\.price"):
        Tables.of(orders=orders, fills=fills)
    with pytest.raises(InvalidInput, match=r"orders\.side"):
        Tables.of(orders=orders.with_columns(side=pl.lit("hold")), fills=fills)


def test_fees_are_held_against_those_expected_of_what_executed() -> None:
    parents = [
        instruction(expected_fees=D("1.20"), quantity=D(200)),
        instruction(instruction_id="j"),
        instruction(instruction_id="k", expected_fees=D("0.50")),
    ]
    fills = [
        fill("f", fee=D("0.75")),
        fill("g", instruction_id="j", fee=D("0.10")),
        fill("h", instruction_id="k", fee=None),
    ]
    found, problems = told(parents, fills)
    above = dict(found.instructions.select("instruction_id", "fees_above_expected").rows())
    assert above == {"i": D("0.15"), "j": None, "k": None}, "half of it executed"
    assert problems["unknown_fee"] == ["k"]


def test_a_column_that_is_missing_is_named_with_what_it_holds_and_what_is_there() -> None:
    fills = pl.DataFrame({"fill_id": ["f"], "when": [1], "quantity": [1], "price": [1]})
    with pytest.raises(InvalidInput) as refused:
        typed_table("fills", fills)
    assert str(refused.value) == (
        "fills.at: the table has no such column and needs it (ns UTC: when it executed); "
        "it has fill_id, when, quantity, price. Add it, or rename the column that holds it"
    )
