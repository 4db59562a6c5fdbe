"""Everything about one instruction: shortfall, benchmarks, participation, adjustments."""

from __future__ import annotations

import numpy as np
import polars as pl

from . import formulas as f
from .fill_measures import later_mids
from .market import Int64s, Needles, PrintBook, times_of
from .placing import spans_of
from .preparing import KEY, Prepared
from .results import BENCHMARKS, BPS_PARTS, INSTRUCTION_RESULTS
from .schema import HORIZONS_NS, PARTICIPATION_FLAG, PWP_RATES
from .summing import MEANS, MONEY_COLUMNS
from .tables import MONEY, conformed, real, reals

ZERO = pl.lit(0).cast(MONEY)
_RATIOS = ("e_over_q", "spread_capture", "queue_ms", "added_share")


def measure_instructions(
    ready: Prepared, sums: pl.DataFrame, *, own_in_prints: bool
) -> pl.DataFrame:
    """The instructions with all their measures; ``sums`` are of their fills."""
    sums = sums.drop("first_fill_at", "last_fill_at")
    frame = ready.instructions.rename({"fees": "_own_fees"}).join(
        sums, on=KEY, how="left", maintain_order="left"
    )
    nothing = pl.col("fills").is_null()
    frame = frame.with_columns(
        *(pl.when(nothing).then(ZERO).otherwise(name).alias(name) for name in MONEY_COLUMNS),
        pl.col("executed").fill_null(ZERO),
        pl.col("fills").fill_null(0),
        pl.col("fills_without_quote").fill_null(0),
    ).with_columns(
        fees=pl.col("fees") + pl.col("_own_fees").fill_null(ZERO),
        _unfilled=pl.max_horizontal(pl.col("quantity") - pl.col("executed"), ZERO),
    )
    frame = _with_shortfall(frame)
    frame = _with_averages(frame)
    needles = Needles(frame["symbol"], times_of(frame, "arrival_at"))
    frame = _with_benchmarks(frame, ready, needles, own_in_prints=own_in_prints)
    frame = _with_slippages(frame)
    frame = _with_index(frame, ready)
    frame = _with_reversion(frame, ready, needles)
    _tell(frame, ready)
    return frame


def instruction_table(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of the result."""
    return conformed(frame, INSTRUCTION_RESULTS)


def _with_shortfall(frame: pl.DataFrame) -> pl.DataFrame:
    """Perold's shortfall and both splits; parts are differences of levels, so they add up."""
    side, unfilled, ordered = pl.col("side"), pl.col("_unfilled"), pl.col("quantity")
    frame = frame.with_columns(
        paper_value=ordered * pl.col("decision_price"),
        u_decision=unfilled * pl.col("decision_price"),
        u_arrival=unfilled * pl.col("arrival_price"),
        u_release=unfilled * pl.col("release_price"),
        # Nothing left needs no price.
        u_end=pl.when(unfilled == 0).then(ZERO).otherwise(unfilled * pl.col("end_price")),
    )
    whole = {
        level: pl.col(f"at_{level}") + pl.col(f"u_{level}")
        for level in ("decision", "arrival", "release")
    }
    return frame.with_columns(
        delay_cost_cfa=pl.col("delay_cost"),
        delay_cost=side * (whole["release"] - whole["decision"]),
        desk_delay_cost=side * (whole["arrival"] - whole["decision"]),
        engine_delay_cost=side * (whole["release"] - whole["arrival"]),
        opportunity_cost=side * (pl.col("u_end") - pl.col("u_release")),
        opportunity_cost_cfa=side * (pl.col("u_end") - pl.col("u_decision")),
        shortfall=side * (pl.col("notional") + pl.col("u_end") - whole["decision"])
        + pl.col("fees"),
    )


def _with_averages(frame: pl.DataFrame) -> pl.DataFrame:
    paper = real("paper_value")
    executed = pl.col("executed")
    return frame.with_columns(
        *((real(name) / paper * f.BPS).alias(f"{name}_bps") for name in BPS_PARTS),
        average_price=pl.when(executed > 0).then(pl.col("notional") / executed),
        _average=pl.when(executed > 0).then(real("notional") / real("executed")),
        fill_rate=real("executed") / real("quantity"),
        of_adv=pl.when(pl.col("adv") > 0).then(real("quantity") / real("adv")),
    )


def _with_benchmarks(
    frame: pl.DataFrame, ready: Prepared, needles: Needles, *, own_in_prints: bool
) -> pl.DataFrame:
    fills = ready.fills.select(
        KEY, "at", "quantity", "price", notional=pl.col("quantity") * pl.col("price")
    )
    start, planned = spans_of(frame, "arrival_at", "_window_end")
    prints = ready.prints
    window = _traded(prints, needles, start, planned, frame, fills, own_in_prints=own_in_prints)
    covered = pl.col("_covered")
    made: dict[str, pl.Series | pl.Expr] = {
        "vwap": window["vwap"],
        "vwap_without_own": window["vwap_without_own"],
        "twap_prints": window["mean"],
        "twap_prints_without_own": window["mean_without_own"],
    }
    made["twap"] = pl.Series(ready.quotes.mean_mid(needles, start, planned)).fill_nan(None)
    frame = frame.with_columns(**made, _own_share=window["own_share"]).with_columns(
        pl.when(covered).then(name).alias(name) for name in made
    )
    first, last = spans_of(frame, "first_fill_at", "last_fill_at")
    # A window is open at its start; the prints of the first fill's own time belong to it.
    worked = _traded(prints, needles, first - 1, last, frame, fills, own_in_prints=own_in_prints)
    life = _traded(
        prints,
        needles,
        start,
        times_of(frame, "end_at"),
        frame,
        fills,
        own_in_prints=own_in_prints,
    )
    volume = real("market_volume")
    frame = frame.with_columns(
        worked["vwap"].alias("vwap_executed"), life["volume"].alias("market_volume")
    ).with_columns(participation=pl.when(volume > 0).then(real("executed") / volume))
    until = np.minimum(times_of(frame, "_day_end"), np.iinfo(np.int64).max)
    ordered = reals(frame["quantity"])
    return frame.with_columns(
        pl.Series(
            f"pwp_{rate}", prints.participation_price(needles, start, ordered / rate * 100, until)
        ).fill_nan(None)
        for rate in PWP_RATES
    ).with_columns(vwap_influenced=pl.col("_own_share") > PARTICIPATION_FLAG)


def _traded(
    prints: PrintBook,
    needles: Needles,
    start: Int64s,
    end: Int64s,
    frame: pl.DataFrame,
    fills: pl.DataFrame,
    *,
    own_in_prints: bool,
) -> pl.DataFrame:
    """What traded after ``start`` up to ``end``, with own executions in it and without."""
    market = prints.between(needles, start, end)
    row = fills[KEY].to_numpy().astype(np.int64)
    at = fills["at"].to_numpy()
    inside = pl.Series((at > start[row]) & (at <= end[row]))
    own = (
        fills.filter(inside)
        .group_by(KEY)
        .agg(
            own_volume=pl.col("quantity").sum(),
            own_notional=pl.when(pl.col("notional").null_count() == 0).then(
                pl.col("notional").sum()
            ),
            own_prices=pl.col("price").sum(),
            own_trades=pl.len().cast(pl.Int64),
        )
    )
    both = (
        pl.concat([frame.select(KEY), market], how="horizontal")
        .join(own, on=KEY, how="left", maintain_order="left")
        .with_columns(pl.col("^own_.*$").fill_null(0))
    )
    sums = ("volume", "notional", "prices", "trades")
    others = [pl.col(n) - pl.col(f"own_{n}") if own_in_prints else pl.col(n) for n in sums]
    all_of = [pl.col(n) if own_in_prints else pl.col(n) + pl.col(f"own_{n}") for n in sums]
    return both.select(
        volume=all_of[0],
        own_share=_quotient(pl.col("own_volume"), all_of[0]),
        vwap=_quotient(all_of[1], all_of[0]),
        vwap_without_own=_quotient(others[1], others[0]),
        mean=_quotient(all_of[2], all_of[3]),
        mean_without_own=_quotient(others[2], others[3]),
    )


def _quotient(top: pl.Expr, bottom: pl.Expr) -> pl.Expr:
    return pl.when(bottom > 0).then(real(top) / real(bottom))


def _with_slippages(frame: pl.DataFrame) -> pl.DataFrame:
    side, average = real("side"), pl.col("_average")
    prices = {name: f"{name}_price" for name in ("decision", "arrival", "release", "limit")}
    made = {}
    for name in BENCHMARKS:
        benchmark = real(prices.get(name, name))
        made[f"slippage_{name}_bps"] = pl.when(benchmark > 0).then(
            f.slippage_bps(side, average, benchmark)
        )
    frame = frame.with_columns(**made)
    estimate = real("expected_cost_bps")
    return frame.with_columns(
        added_value_bps=f.added_value_bps(estimate, pl.col("slippage_arrival_bps")),
    )


def _with_index(frame: pl.DataFrame, ready: Prepared) -> pl.DataFrame:
    """The index over the life of the instruction: VWAP, or mean mid, over its arrival."""
    needles = Needles(frame["index_symbol"].fill_null(""), times_of(frame, "arrival_at"))
    start, end = spans_of(frame, "arrival_at", "end_at")
    at_arrival = ready.quotes.mids_at(ready.quotes.rows_at(needles, start))
    traded = ready.prints.between(needles, start, end)
    vwap = traded.select(_quotient(pl.col("notional"), pl.col("volume"))).to_series()
    mean = pl.Series(ready.quotes.mean_mid(needles, start, end)).fill_nan(None)
    side = real("side")
    base = pl.Series(at_arrival).fill_nan(None)
    frame = frame.with_columns(_index=vwap.fill_null(mean), _index_base=base).with_columns(
        index_cost_bps=f.slippage_bps(side, pl.col("_index"), pl.col("_index_base"))
    )
    return frame.with_columns(
        market_adjusted_bps=f.market_adjusted_bps(
            pl.col("slippage_arrival_bps"),
            real("beta"),
            pl.col("index_cost_bps"),
        )
    )


def _with_reversion(frame: pl.DataFrame, ready: Prepared, needles: Needles) -> pl.DataFrame:
    last, until = spans_of(frame, "last_fill_at", "_quotes_until")
    now = later_mids(ready, needles, last, 0, until)
    side = frame["side"].to_numpy()
    made = []
    for name, length in HORIZONS_NS.items():
        then = later_mids(ready, needles, last, length, until)
        made.append(
            pl.Series(f"reversion_{name}_bps", f.markout_bps(side, now, then)).fill_nan(None)
        )
    return frame.with_columns(made)


def _tell(frame: pl.DataFrame, ready: Prepared) -> None:
    problems = ready.problems

    def about(rows: pl.Expr, problem: str) -> pl.DataFrame:
        found = frame.filter(rows.fill_null(False))
        if problem:
            problems.add_all(problem, "instructions", found["instruction_id"])
        return found

    about((pl.col("_unfilled") > 0) & pl.col("end_price").is_null(), "no_end_price")
    about(pl.col("executed") > pl.col("quantity"), "overfill")
    about(
        (pl.col("first_fill_at") < pl.col("arrival_at"))
        | (pl.col("last_fill_at") > pl.col("end_at")),
        "fill_outside_order",
    )
    unknown = ready.fills.filter(pl.col("fee").is_null() & pl.col("price").is_not_null())
    keys = unknown[KEY].unique().to_list()
    about(pl.col(KEY).is_in(keys), "unknown_fee")
    if len(ready.quotes.at):
        for row in about(pl.col("fills_without_quote") > 0, "").iter_rows(named=True):
            detail = f"{row['fills_without_quote']} of {row['fills']} fills"
            problems.add("missing_quotes", "instructions", row["instruction_id"], detail)


MEASURED = (*MEANS, *_RATIOS)
"""Means and ratios that orders and instructions share."""
