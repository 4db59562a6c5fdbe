"""Whatever was executed, the parts of the shortfall add up to it, to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.projections.tca.analysis import Analysis, analyse
from fillwright.projections.tca.cents import in_cents
from fillwright.projections.tca.tables import Tables, from_rows

SECOND = 1_000_000_000
CENT = Decimal("0.01")
TICKS = st.integers(1, 10_000_000).map(lambda n: Decimal(n) / 10_000)
SIZES = st.one_of(
    st.integers(1, 1_000_000).map(Decimal), st.integers(1, 10**9).map(lambda n: Decimal(n) / 10**6)
)
FEES = st.integers(-10_000, 10_000).map(lambda n: Decimal(n) / 10_000)


@st.composite
def executions(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Instructions with any prices, any of which may lack, and any fills over two orders each."""
    tables: dict[str, list[dict[str, Any]]] = {"instructions": [], "orders": [], "fills": []}
    for n in range(draw(st.integers(1, 4))):
        sizes = draw(st.lists(SIZES, max_size=6))
        maybe = st.none() | TICKS
        tables["instructions"].append(
            {
                "instruction_id": f"i{n}",
                "symbol": draw(st.sampled_from(["AAA", "BBB"])),
                "side": draw(st.sampled_from([1, -1])),
                "quantity": max(sum(sizes, Decimal(0)) + draw(st.just(Decimal(0)) | SIZES), CENT),
                "arrival_at": SECOND,
                "end_at": 100 * SECOND,
                "decision_price": draw(maybe),
                "arrival_price": draw(maybe),
                "release_price": draw(maybe),
                "end_price": draw(maybe),
                "fees": draw(FEES),
            }
        )
        for o in range(2):
            row = {"order_id": f"i{n}o{o}", "instruction_id": f"i{n}", "quantity": Decimal(10**7)}
            tables["orders"].append(row | {"placed_at": SECOND})
        for k, size in enumerate(sizes):
            bid = draw(maybe)
            tables["fills"].append(
                {
                    "fill_id": f"i{n}f{k}",
                    "order_id": f"i{n}o{k % 2}",
                    "at": (2 + k) * SECOND,
                    "quantity": size,
                    "price": draw(TICKS),
                    "fee": draw(FEES),
                    "liquidity": draw(st.sampled_from(["added", "removed", None])),
                    "bid": bid,
                    "ask": None if bid is None else bid + draw(TICKS),
                }
            )
    return tables


def analysed(rows: dict[str, list[dict[str, Any]]]) -> Analysis:
    return analyse(Tables.of(**{name: from_rows(name, found) for name, found in rows.items()}))


def add_up(row: dict[str, Any], total: str, *parts: str) -> None:
    """The parts make the total exactly; a part that is missing is not taken for nothing."""
    values = [row[part] for part in parts]
    if None not in values:
        assert row[total] is not None, (total, row)
        assert sum(values) == row[total], (total, row)


@settings(max_examples=40)
@given(executions())
def test_both_splits_add_up_exactly(rows: dict[str, list[dict[str, Any]]]) -> None:
    for row in analysed(rows).instructions.iter_rows(named=True):
        rest = ("trading_cost", "fees")
        add_up(row, "shortfall", "delay_cost", *rest, "opportunity_cost")
        add_up(row, "shortfall", "delay_cost_cfa", *rest, "opportunity_cost_cfa")
        add_up(row, "delay_cost", "desk_delay_cost", "engine_delay_cost")
        add_up(row, "trading_cost", "spread_cost", "impact_cost", "timing_cost")


@settings(max_examples=40)
@given(executions())
def test_the_shortfall_is_what_it_says_worked_by_hand(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    found = {
        row["instruction_id"]: row for row in analysed(rows).instructions.iter_rows(named=True)
    }
    for made in rows["instructions"]:
        row = found[made["instruction_id"]]
        fills = [f for f in rows["fills"] if f["order_id"].startswith(made["instruction_id"])]
        executed = sum((f["quantity"] for f in fills), Decimal(0))
        left = made["quantity"] - executed
        decision, end = made["decision_price"], made["end_price"]
        assert row["executed"] == executed
        if decision is None or (left and end is None):
            assert row["shortfall"] is None
            continue
        paid = sum((f["quantity"] * f["price"] for f in fills), Decimal(0))
        fees = made["fees"] + sum((f["fee"] for f in fills), Decimal(0))
        missed = left * ((end or decision) - decision)
        exact = made["side"] * (paid - executed * decision + missed) + fees
        # Each product is on the grid of nine places.
        assert abs(row["shortfall"] - exact) <= Decimal("1e-8") * (len(fills) + 3)
        assert abs(row["shortfall"] - exact) < CENT


@settings(max_examples=40)
@given(executions())
def test_orders_and_fills_add_up_to_their_instruction(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    found = analysed(rows)
    names = ["notional", "trading_cost", "spread_cost", "impact_cost", "timing_cost"]
    for level in (found.fills, found.orders):
        for row in found.instructions.iter_rows(named=True):
            mine = level.filter(pl.col("instruction_id") == row["instruction_id"])
            for name in names:
                values = mine[name].to_list()
                if None not in values:
                    assert sum(values, Decimal(0)) == row[name], name
                else:
                    assert row[name] is None


@given(st.lists(st.integers(-(10**12), 10**12).map(lambda n: Decimal(n) / 10**6), max_size=8))
def test_cents_add_up_to_the_rounded_total_and_stay_within_one_of_their_part(
    parts: list[Decimal],
) -> None:
    cents = in_cents(parts)
    assert sum(cents, Decimal(0)) == sum(parts, Decimal(0)).quantize(CENT)
    for cent, part in zip(cents, parts, strict=True):
        assert abs(cent - part) <= CENT
        assert part or not cent
