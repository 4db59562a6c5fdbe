"""What halts cost an instruction, told apart, and what of a shortfall is left unsplit."""

from __future__ import annotations

import polars as pl

from .preparing import KEY, Prepared
from .results import SPLIT
from .tables import MONEY

ZERO = pl.lit(0).cast(MONEY)


def with_halts(frame: pl.DataFrame, ready: Prepared) -> pl.DataFrame:
    """Instructions with the cost of their halts, and with parts that add up to the shortfall.

    A halt moved the price of what executed after it and of what never did. Its cost is part of
    timing and of opportunity; ``timing_apart_cost`` and ``opportunity_apart_cost`` are these
    without it. Without a halt the cost is nothing; null where a mid is not known.
    """
    if ready.halts.height:
        frame = frame.join(_costs(frame, ready), on=KEY, how="left", maintain_order="left")
        unhalted = pl.col("_halts").is_null()
        frame = frame.with_columns(
            pl.when(unhalted).then(ZERO).otherwise(name).alias(name)
            for name in ("_halted_timing", "_halted_opportunity")
        )
        unknown = frame.filter(pl.col("_halted_timing").is_null())
        ready.problems.add_all("halt_without_mid", "halts", unknown["instruction_id"])
    else:
        frame = frame.with_columns(_halted_timing=ZERO, _halted_opportunity=ZERO)
    frame = frame.with_columns(
        halt_cost=pl.col("_halted_timing") + pl.col("_halted_opportunity"),
        timing_apart_cost=pl.col("timing_cost") - pl.col("_halted_timing"),
        opportunity_apart_cost=pl.col("opportunity_cost") - pl.col("_halted_opportunity"),
    )
    known = [pl.col(name).fill_null(ZERO) for name in SPLIT]
    # One after the other: a horizontal sum of decimals goes through floats in older versions.
    total = known[0]
    for part in known[1:]:
        total = total + part
    return frame.with_columns(unsplit_cost=pl.col("shortfall") - total)


def _costs(frame: pl.DataFrame, ready: Prepared) -> pl.DataFrame:
    """By instruction: its halts, and what they cost of the executed and of the unfilled part."""
    parents = frame.select(KEY, "side", "_unfilled", "end_price")
    # A halt that was not over when the instruction ended cost what the price did until then.
    after = pl.when(pl.col("until").is_null()).then(pl.coalesce("mid_after", "end_price"))
    halts = (
        ready.halts.with_row_index("_h")
        .join(parents, on=KEY, how="left", maintain_order="left")
        .with_columns(
            _moved=pl.col("side") * (after.otherwise(pl.col("mid_after")) - pl.col("mid_before"))
        )
    )
    fills = ready.fills.select(KEY, "at", "quantity")
    later = (
        halts.select("_h", KEY, "until")
        .join(fills, on=KEY, how="inner")
        .filter(pl.col("at") >= pl.col("until"))
        .group_by("_h")
        .agg(_later=pl.col("quantity").sum())
    )
    halts = halts.join(later, on="_h", how="left", maintain_order="left").with_columns(
        _timing=pl.col("_moved") * pl.col("_later").fill_null(ZERO),
        _opportunity=pl.col("_moved") * pl.col("_unfilled"),
    )

    def whole(name: str) -> pl.Expr:
        return pl.when(pl.col(name).null_count() == 0).then(pl.col(name).sum())

    return halts.group_by(KEY, maintain_order=True).agg(
        pl.len().alias("_halts"),
        whole("_timing").alias("_halted_timing"),
        whole("_opportunity").alias("_halted_opportunity"),
    )
