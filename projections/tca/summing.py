"""Fills summed up by order, instruction, phase or anything else.

Money adds up exactly, and is null where a part of it is. Means are weighted by shares over the
fills that have the figure, added in the order of the rows, so that the same fills give the same
bits. A ratio is one of averages, never an average of ratios.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from .market import Floats
from .schema import HORIZONS_NS
from .tables import reals

MONEY_COLUMNS: Final = (
    "notional",
    "delay_cost",
    "trading_cost",
    "spread_cost",
    "impact_cost",
    "timing_cost",
    "trend_cost",
    "timing_risk_cost",
    "fees",
    "price_improvement",
    "at_decision",
    "at_arrival",
    "at_release",
)
"""Summed exactly, null where one of the fills has none."""

MEANS: Final = (
    "quoted_spread",
    "quoted_spread_bps",
    "effective_spread",
    "effective_spread_bps",
    "effective_spread_at_trade",
    "time_to_fill_ms",
    *(
        name
        for h in HORIZONS_NS
        for name in (
            f"realised_spread_{h}",
            f"realised_spread_{h}_bps",
            f"price_impact_{h}",
            f"markout_{h}_bps",
        )
    ),
    "markout_close_bps",
)
"""Weighted by shares."""


class Groups:
    """Rows that lie together by the value of a column."""

    def __init__(self, keys: pl.Series) -> None:
        values = keys.rle_id().to_numpy() if len(keys) else np.zeros(0, dtype=np.int64)
        self.starts = np.flatnonzero(np.diff(values, prepend=-1))
        self.keys = keys.gather(self.starts) if len(keys) else keys

    def sum(self, values: Floats) -> Floats:
        """The sum of each group, in the order of its rows."""
        if not len(self.starts):
            return np.zeros(0)
        return np.add.reduceat(values, self.starts)


def sum_up(fills: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row for each value of ``key``, by which the fills must be sorted."""
    groups = Groups(fills[key])
    exact = fills.group_by(key, maintain_order=True).agg(
        pl.col("quantity").sum().alias("executed"),
        pl.len().cast(pl.Int64).alias("fills"),
        pl.col("at").min().alias("first_fill_at"),
        pl.col("at").max().alias("last_fill_at"),
        (pl.col("mid").is_null() & pl.col("_traded_at_quote"))
        .sum()
        .cast(pl.Int64)
        .alias("fills_without_quote"),
        pl.col("quantity")
        .filter(pl.col("liquidity").str.to_lowercase() == "added")
        .sum()
        .alias("added_shares"),
        *(
            pl.when(pl.col(name).null_count() == 0).then(pl.col(name).sum()).alias(name)
            for name in MONEY_COLUMNS
        ),
    )
    return exact.with_columns(means(fills, groups))


def means(fills: pl.DataFrame, groups: Groups) -> list[pl.Series]:
    """Every mean and ratio of each group, null where no fill has the figure."""
    shares = _floats(fills["quantity"])
    found = [_mean(name, _floats(fills[name]), shares, groups) for name in MEANS]
    quoted, effective = _floats(fills["quoted_spread"]), _floats(fills["effective_spread"])
    found.append(_ratio("e_over_q", effective, quoted, shares, groups))
    spread, at_trade = (
        _floats(fills["spread_at_trade"]),
        _floats(fills["effective_spread_at_trade"]),
    )
    found.append(_ratio("spread_capture", -at_trade, spread, shares, groups))
    flag = fills["liquidity"].str.to_lowercase()
    added = (flag == "added").fill_null(False).to_numpy()
    waits = np.where(added, _floats(fills["time_to_fill_ms"]), np.nan)
    found.append(_mean("queue_ms", waits, shares, groups))
    flags = np.where(flag.is_not_null().to_numpy(), added.astype(np.float64), np.nan)
    whole = groups.sum(np.isnan(flags).astype(np.float64)) == 0
    share = _mean("added_share", flags, shares, groups)
    found.append(share.set(pl.Series(~whole, dtype=pl.Boolean), None))
    return found


def _floats(values: pl.Series) -> Floats:
    found: Floats = reals(values)
    return found


def _mean(name: str, values: Floats, shares: Floats, groups: Groups) -> pl.Series:
    known = ~np.isnan(values)
    weighted = groups.sum(np.where(known, values * shares, 0.0))
    weight = groups.sum(np.where(known, shares, 0.0))
    return _quotient(name, weighted, weight)


def _ratio(name: str, top: Floats, bottom: Floats, shares: Floats, groups: Groups) -> pl.Series:
    known = ~(np.isnan(top) | np.isnan(bottom))
    return _quotient(
        name,
        groups.sum(np.where(known, top * shares, 0.0)),
        groups.sum(np.where(known, bottom * shares, 0.0)),
    )


def _quotient(name: str, top: Floats, bottom: Floats) -> pl.Series:
    good = bottom > 0
    values: Any = np.where(good, top / np.where(good, bottom, 1.0), np.nan)
    return pl.Series(name, values).fill_nan(None)
