"""The fee ledger: what every charge came to by account, day and rate, exact and as charged.

Computed from executions and the dated table (:mod:`....domain.fees`), and held against what the
broker reported. Amounts are exact DECIMALs; ``charged`` is rounded up to the cent over what the
rounding rule says: each execution, each order, or the account's day.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from ...domain.fees import MILLION, SELLS_ONLY, Charge, FeeRate, FeeSchedule, Rounding
from .schema import Column, Kind
from .tables import MONEY, TYPES

FEE_LEDGER: Final = (
    Column("account", Kind.TEXT, "account"),
    Column("session_date", Kind.TEXT, "trade date, YYYY-MM-DD"),
    Column("currency", Kind.TEXT, "currency of the executions"),
    Column("charge", Kind.TEXT, "commission, sec, taf or cat"),
    Column("since", Kind.TEXT, "from when the rate is in force"),
    Column("rate", Kind.DECIMAL, "USD per million of proceeds (sec) or per share; null: not known"),
    Column("executions", Kind.INTEGER, "executions it is on: sells only for sec and taf"),
    Column("shares", Kind.DECIMAL, "their shares"),
    Column("notional", Kind.DECIMAL, "their proceeds"),
    Column("exact", Kind.DECIMAL, "rate times basis, capped per execution; null: rate not known"),
    Column("charged", Kind.DECIMAL, "the same rounded up to the cent by the rounding rule"),
    Column("source", Kind.TEXT, "where the rate was read"),
)
"""The columns of the ledger."""


def fee_ledger(
    fills: pl.DataFrame, schedule: FeeSchedule, rounding: Rounding = Rounding.DAY
) -> pl.DataFrame:
    """The ledger of a result table of fills.

    Raises:
        InvalidInput: an execution is older than the table of rates.
    """
    parts = [
        _of_charge(fills, charge, schedule, rounding)
        for charge in Charge
        if fills.height and fills["session_date"].null_count() < fills.height
    ]
    names = [column.name for column in FEE_LEDGER]
    if not parts:
        return pl.DataFrame(schema={c.name: TYPES[c.kind] for c in FEE_LEDGER})
    whole = pl.concat(parts).select(names)
    return whole.sort("account", "session_date", "currency", "charge")


def _of_charge(
    fills: pl.DataFrame, charge: Charge, schedule: FeeSchedule, rounding: Rounding
) -> pl.DataFrame:
    dates = fills["session_date"].drop_nulls().unique().sort().to_list()
    rates = pl.DataFrame(list(_rows(schedule, charge, dates)), schema=_RATES, orient="row")
    rows = fills.drop_nulls("session_date").select(
        "account", "session_date", "currency", "order_id", "fill_id", "side", "quantity", "notional"
    )
    if charge in SELLS_ONLY:
        rows = rows.filter(pl.col("side") < 0)
    basis = pl.col("notional") if charge is Charge.SEC else pl.col("quantity")
    exact = basis * pl.col("rate")
    if charge is Charge.SEC:
        exact = exact / int(MILLION)
    capped = pl.when(pl.col("most").is_null() | (exact <= pl.col("most"))).then(exact)
    rows = rows.join(rates, on="session_date", how="left", maintain_order="left").with_columns(
        exact=capped.otherwise("most")
    )
    day = ["account", "session_date", "currency"]
    within = {Rounding.EXECUTION: [*day, "order_id", "fill_id"], Rounding.ORDER: [*day, "order_id"]}
    steps = rows.group_by(within.get(rounding, day), maintain_order=True).agg(
        pl.col("since", "rate", "source").first(),
        pl.len().cast(pl.Int64).alias("executions"),
        pl.col("quantity").sum().alias("shares"),
        _whole("notional"),
        _whole("exact"),
    )
    cents = (pl.col("exact") * 100).cast(MONEY)
    up = cents.to_physical().floordiv(_CENT) + (cents.to_physical() % _CENT > 0).cast(pl.Int128)
    steps = steps.with_columns(charged=up.cast(pl.Int64).cast(MONEY) / 100)
    return steps.group_by(day, maintain_order=True).agg(
        pl.col("since", "rate", "source").first(),
        pl.col("executions", "shares").sum(),
        *(_whole(name) for name in ("notional", "exact", "charged")),
        pl.lit(charge.value).alias("charge"),
    )


_CENT: Final = 10**9
_RATES: Final = {
    "session_date": pl.String(),
    "since": pl.String(),
    "rate": MONEY,
    "most": MONEY,
    "source": pl.String(),
}


def _rows(schedule: FeeSchedule, charge: Charge, dates: list[str]) -> Iterator[tuple[object, ...]]:
    for date in dates:
        found: FeeRate = schedule.on(charge, date)
        yield date, found.since, found.rate, found.max_per_execution, found.source


def _whole(name: str) -> pl.Expr:
    """A sum that is null where a part of it is."""
    return pl.when(pl.col(name).null_count() == 0).then(pl.col(name).sum()).alias(name)
