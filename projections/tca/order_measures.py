"""Everything about one child order, and about each phase of a switched instruction."""

from __future__ import annotations

import polars as pl

from . import formulas as f
from .instruction_measures import ZERO
from .market import Needles, times_of
from .preparing import KEY, ORDER, Prepared
from .results import ORDER_RESULTS, PHASE_RESULTS
from .summing import MONEY_COLUMNS
from .tables import conformed, real


def measure_orders(ready: Prepared, orders: pl.DataFrame, sums: pl.DataFrame) -> pl.DataFrame:
    """The result's table of some orders, whose fills' sums are given.

    One without a fill has costs of zero and no averages.
    """
    frame = orders.join(sums, on=ORDER, how="left", maintain_order="left")
    nothing = pl.col("fills").is_null()
    frame = frame.with_columns(
        *(pl.when(nothing).then(ZERO).otherwise(name).alias(name) for name in MONEY_COLUMNS),
        pl.col("executed").fill_null(ZERO),
        pl.col("fills").fill_null(0),
        pl.col("added_shares").fill_null(ZERO),
    )
    received = times_of(frame, "received_at")
    needles = Needles(frame["symbol"], received)
    mids = ready.quotes.mids_at(ready.quotes.rows_at(needles, received))
    executed = real("executed")
    average = real("notional") / executed
    side = real("side")
    limit = real("limit_price")
    frame = frame.with_columns(_mid=pl.Series(mids).fill_nan(None)).with_columns(
        average_price=pl.when(executed > 0).then(pl.col("notional") / pl.col("executed")),
        fill_rate=executed / real("quantity"),
        open_ms=(pl.col("ended_at") - pl.col("received_at")) / 1e6,
        slippage_limit_bps=pl.when((executed > 0) & (limit > 0)).then(
            f.slippage_bps(side, average, limit)
        ),
        slippage_receipt_bps=pl.when(executed > 0).then(
            f.slippage_bps(side, average, pl.col("_mid"))
        ),
    )
    return conformed(frame, ORDER_RESULTS)


def measure_phases(ready: Prepared, sums: pl.DataFrame, instructions: pl.DataFrame) -> pl.DataFrame:
    """The result's table of phases; the trading costs of an instruction's phases add up to its.

    A fill belongs to the phase that its order was placed in, whenever it executed.
    """
    if not ready.phases.height:
        return conformed(ready.phases.clear(), PHASE_RESULTS)
    parents = instructions.select(
        KEY, "symbol", "side", "currency", "paper_value", "end_at", "_quotes_until"
    )
    frame = (
        ready.phases.join(sums, on=[KEY, "phase"], how="left", maintain_order="left")
        .join(parents, on=KEY, how="left", maintain_order="left")
        .with_columns(
            until=pl.coalesce(pl.col("since").shift(-1).over(KEY), "end_at"),
            executed=pl.col("executed").fill_null(ZERO),
        )
    )
    nothing = pl.col("fills").is_null()
    frame = frame.with_columns(
        pl.when(nothing).then(ZERO).otherwise(name).alias(name) for name in MONEY_COLUMNS
    )
    since = times_of(frame, "since")
    needles = Needles(frame["symbol"], since)
    _, _, start = ready.quotes.exact(ready.quotes.rows_at(needles, since))
    executed = real("executed")
    average = real("notional") / executed
    side = real("side")
    frame = frame.with_columns(start_price=start).with_columns(
        average_price=pl.when(executed > 0).then(pl.col("notional") / pl.col("executed")),
        trading_cost_bps=real("trading_cost") / real("paper_value") * f.BPS,
        slippage_start_bps=pl.when(executed > 0).then(
            f.slippage_bps(side, average, real("start_price"))
        ),
    )
    return conformed(frame, PHASE_RESULTS)
