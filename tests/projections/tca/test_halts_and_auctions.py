"""What halts cost is a part of its own, and an auction's executions are kept out of spreads."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.projections.tca.results import SPLIT
from tests.projections.tca.test_data_quality import DAY, SECOND, D, fill, instruction, one, told
from tests.projections.tca.test_parts_add_up import analysed, executions

Row = dict[str, Any]
TICKS = st.integers(1, 10_000_000).map(lambda n: Decimal(n) / 10_000)


def halt(**more: Any) -> Row:
    made = {
        "instruction_id": "i",
        "since": DAY + 20 * SECOND,
        "until": DAY + 50 * SECOND,
        "mid_before": D("10.02"),
        "mid_after": D("10.06"),
    }
    return made | more


def quoted(name: str, seconds: int, bid: str, **more: Any) -> Row:
    ask = D(bid) + D("0.02")
    at = DAY + seconds * SECOND
    return fill(name, at=at, bid=D(bid), ask=ask, price=ask, quantity=D(40), **more)


def test_a_halt_moved_what_executed_after_it_and_what_never_did() -> None:
    fills = [quoted("before", 10, "10.01"), quoted("after", 60, "10.05")]
    row = one(told([instruction()], fills, halts=[halt()])[0])
    # 40 shares after the halt and 20 that did not execute, at 4 cents.
    assert row["halt_cost"] == D("2.40")
    assert row["timing_cost"] == D("0.80") + D("2.40")
    assert row["timing_apart_cost"] == D("0.80") + D("0.80")
    assert row["opportunity_cost"] == D("2.00")
    assert row["opportunity_apart_cost"] == D("1.20")
    assert row["unsplit_cost"] == 0
    assert sum(row[part] for part in SPLIT) == row["shortfall"]


def test_without_a_halt_nothing_is_its_cost() -> None:
    row = one(told([instruction()], [quoted("f", 10, "10.01")])[0])
    assert row["halt_cost"] == 0
    assert row["timing_apart_cost"] == row["timing_cost"]


def test_a_halt_that_outlasted_the_instruction_cost_what_the_price_did_until_its_end() -> None:
    given_halt = halt(until=None, mid_after=None)
    row = one(told([instruction()], [quoted("f", 10, "10.01")], halts=[given_halt])[0])
    assert row["halt_cost"] == 60 * (D("10.10") - D("10.02"))


def test_a_halt_without_a_mid_is_named_and_its_cost_is_not_told_apart() -> None:
    found, problems = told(
        [instruction()], [quoted("f", 10, "10.01")], halts=[halt(mid_after=None)]
    )
    row = one(found)
    assert row["halt_cost"] is None
    assert problems["halt_without_mid"] == ["i"]
    assert row["unsplit_cost"] == row["timing_cost"] + row["opportunity_cost"]


@settings(max_examples=40)
@given(executions(), st.lists(st.tuples(TICKS, TICKS, st.integers(1, 9)), max_size=3))
def test_with_any_halts_the_parts_and_what_is_not_told_apart_are_the_shortfall(
    rows: dict[str, list[Row]], moves: list[tuple[Decimal, Decimal, int]]
) -> None:
    rows["halts"] = [
        halt(instruction_id="i0", since=SECOND, until=n * SECOND, mid_before=a, mid_after=b)
        for a, b, n in moves
    ]
    for row in analysed(rows).instructions.iter_rows(named=True):
        if row["shortfall"] is None:
            assert row["unsplit_cost"] is None
            continue
        parts = [row[name] or Decimal(0) for name in (*SPLIT, "unsplit_cost")]
        assert sum(parts) == row["shortfall"]
        if None not in [row[name] for name in SPLIT]:
            assert row["unsplit_cost"] == 0


@pytest.mark.parametrize(("tif", "auction"), [("opg", "open"), ("cls", "close")])
def test_an_execution_in_an_auction_is_held_against_its_price_and_has_no_spread(
    tif: str, auction: str
) -> None:
    orders = [
        {
            "order_id": "o",
            "instruction_id": "i",
            "quantity": D(40),
            "time_in_force": tif,
            "placed_at": DAY,
            "received_at": DAY,
        }
    ]
    quotes = [
        {"symbol": "BAC", "at": DAY + n * SECOND, "bid": D("9.99"), "ask": D("10.01")}
        for n in range(400)
    ]
    session = {
        "symbol": "BAC",
        "session_date": "2013-10-08",
        "close_at": DAY + 400 * SECOND,
        "open": D("10.04"),
        "close": D("10.04"),
    }
    price = {"price": D("10.05"), "quantity": D(40), "order_id": "o"}
    found, problems = told(
        [instruction()],
        [fill("a", **price), fill("b", price=D("10.01"), quantity=D(60), at=DAY + 11 * SECOND)],
        orders=orders,
        quotes=quotes,
        sessions=[session],
    )
    in_auction, other = found.fills.sort("fill_id").iter_rows(named=True)
    assert in_auction["auction"] == auction
    assert in_auction["spread_cost"] == 0
    assert in_auction["impact_cost"] == 40 * D("0.01")
    assert in_auction["timing_cost"] == 40 * D("0.04")
    for name in ("quoted_spread", "effective_spread", "e_over_q", "realised_spread_1s", "place"):
        assert in_auction[name] is None, name
    assert in_auction["price_improvement"] is None
    assert other["effective_spread"] == pytest.approx(0.02)
    assert one(found)["effective_spread"] == pytest.approx(0.02)
    assert one(found)["unsplit_cost"] == 0
    assert "missing_quotes" not in problems
