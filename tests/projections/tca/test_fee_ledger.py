"""The fee ledger agrees with the charges of each execution, added up and rounded as it says."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any

import polars as pl
import pytest

from fillwright.domain.fees import Charge, FeeSchedule, Rounding
from fillwright.projections.tca.fee_ledger import fee_ledger
from fillwright.projections.tca.tables import MONEY

CENT = Decimal("0.01")
TABLE = FeeSchedule()
FILLS = [
    ("a", "o1", "2024-10-01", -1, "1000", "50.25"),
    ("b", "o1", "2024-10-01", -1, "333", "50.30"),
    ("c", "o2", "2024-10-01", 1, "700", "50.10"),
    ("d", "o3", "2024-10-01", -1, "60000", "1.00"),
    ("e", "o4", "2025-08-01", -1, "10", "20.00"),
]


def frame() -> pl.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            "fill_id": fill,
            "order_id": order,
            "account": "main",
            "session_date": date,
            "currency": "USD",
            "side": side,
            "quantity": Decimal(quantity),
            "price": Decimal(price),
            "notional": Decimal(quantity) * Decimal(price),
        }
        for fill, order, date, side, quantity, price in FILLS
    ]
    return pl.DataFrame(rows).with_columns(pl.col("quantity", "price", "notional").cast(MONEY))


def worked(charge: Charge, date: str, rounding: Rounding) -> tuple[Decimal, Decimal]:
    """Exact and charged, execution by execution, by the domain's own arithmetic."""
    groups: dict[str, Decimal] = {}
    for fill, order, day, side, quantity, price in FILLS:
        if day != date or (charge in (Charge.SEC, Charge.TAF) and side > 0):
            continue
        terms = {"date": day, "is_sell": side < 0}
        found = TABLE.charges(quantity=Decimal(quantity), price=Decimal(price), **terms)
        amount = getattr(found, charge.value)
        key = {Rounding.EXECUTION: fill, Rounding.ORDER: order}.get(rounding, "day")
        groups[key] = groups.get(key, Decimal(0)) + amount
    charged = sum((g.quantize(CENT, rounding=ROUND_CEILING) for g in groups.values()), Decimal(0))
    return sum(groups.values(), Decimal(0)), charged


@pytest.mark.parametrize("rounding", list(Rounding))
def test_every_row_is_what_its_executions_come_to(rounding: Rounding) -> None:
    ledger = fee_ledger(frame(), TABLE, rounding)
    assert ledger.height == 8
    for row in ledger.iter_rows(named=True):
        charge = Charge(row["charge"])
        exact, charged = worked(charge, row["session_date"], rounding)
        assert row["exact"] == exact, row
        assert row["charged"] == charged, row
        assert row["rate"] == TABLE.on(charge, row["session_date"]).rate


def test_an_unknown_rate_leaves_the_amount_unknown_and_the_basis_known() -> None:
    fills = frame().with_columns(session_date=pl.lit("2025-03-03"))
    rows = {row["charge"]: row for row in fee_ledger(fills, TABLE).iter_rows(named=True)}
    assert rows["cat"]["exact"] is rows["cat"]["charged"] is None
    assert rows["cat"]["shares"] == Decimal(62_043)
    assert rows["sec"]["charged"] is not None


def test_no_fills_make_an_empty_ledger() -> None:
    assert fee_ledger(frame().clear(), TABLE).height == 0
