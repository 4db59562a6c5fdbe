"""Everything about one instruction: shortfall, benchmarks, participation, adjustments."""

from __future__ import annotations

import polars as pl

from . import formulas as f
from .fill_measures import later_mids
from .halting import with_halts
from .market import Needles, times_of
from .placing import spans_of
from .preparing import KEY, Prepared
from .results import BENCHMARKS, BPS_PARTS, INSTRUCTION_RESULTS
from .schema import HORIZONS_NS, PARTICIPATION_FLAG, PWP_RATES
from .summing import MONEY_COLUMNS
from .tables import MONEY, conformed, real, reals

ZERO = pl.lit(0).cast(MONEY)


def measure_instructions(
    ready: Prepared, sums: pl.DataFrame, own: pl.DataFrame, *, own_in_prints: bool
) -> pl.DataFrame:
    """The instructions with all their measures.

    ``sums`` are of their fills, ``own`` is what :func:`own_in_windows` gives of them.
    """
    sums = sums.drop("first_fill_at", "last_fill_at")
    frame = (
        ready.instructions.rename({"fees": "_own_fees"})
        .join(sums, on=KEY, how="left", maintain_order="left")
        .join(own, on=KEY, how="left", maintain_order="left")
    )
    nothing = pl.col("fills").is_null()
    frame = frame.with_columns(
        *(pl.when(nothing).then(ZERO).otherwise(name).alias(name) for name in MONEY_COLUMNS),
        pl.col("executed").fill_null(ZERO),
        pl.col("fills").fill_null(0),
        pl.col("fills_without_quote").fill_null(0),
        pl.col("added_shares").fill_null(ZERO),
    ).with_columns(
        fees=pl.col("fees") + pl.col("_own_fees").fill_null(ZERO),
        _unfilled=pl.max_horizontal(pl.col("quantity") - pl.col("executed"), ZERO),
    )
    frame = with_halts(_with_shortfall(frame), ready)
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
    start, planned = spans_of(frame, "arrival_at", "_window_end")
    # A window is open at its start; the prints of the first fill's own time belong to it.
    first, last = times_of(frame, "first_fill_at") - 1, times_of(frame, "last_fill_at")
    spans = {
        "planned": (start, planned),
        "life": (start, times_of(frame, "end_at")),
        "worked": (first, last),
    }
    traded = {
        name: _traded(
            ready.prints.between(needles, *span), frame, name, own_in_prints=own_in_prints
        )
        for name, span in spans.items()
    }
    window, volume = traded["planned"], real("market_volume")
    made: dict[str, pl.Series] = {
        "vwap": window["vwap"],
        "vwap_without_own": window["vwap_without_own"],
        "twap_prints": window["mean"],
        "twap_prints_without_own": window["mean_without_own"],
        "twap": pl.Series(ready.quotes.mean_mid(needles, start, planned)).fill_nan(None),
    }
    frame = (
        frame.with_columns(**made)
        .with_columns(pl.when(pl.col("_covered")).then(name).alias(name) for name in made)
        .with_columns(
            vwap_executed=traded["worked"]["vwap"],
            market_volume=traded["life"]["volume"],
            vwap_influenced=window["own_share"] > PARTICIPATION_FLAG,
        )
        .with_columns(participation=pl.when(volume > 0).then(real("executed") / volume))
    )
    ordered, until = reals(frame["quantity"]), times_of(frame, "_day_end")
    return frame.with_columns(
        pl.Series(
            f"pwp_{rate}",
            ready.prints.participation_price(needles, start, ordered / rate * 100, until),
        ).fill_nan(None)
        for rate in PWP_RATES
    )


def own_in_windows(fills: pl.DataFrame) -> pl.DataFrame:
    """What fills themselves traded in their instruction's windows, which are open at the start.

    Notional and prices are null where a price is not known.
    """
    after = pl.col("at") > pl.col("arrival_at")
    inside = {
        "planned": after & (pl.col("at") <= pl.col("_window_end")),
        "life": after & (pl.col("at") <= pl.col("end_at")),
        "worked": pl.lit(True),
    }

    def whole(name: str, rows: pl.Expr) -> pl.Expr:
        chosen = pl.col(name).filter(rows)
        return pl.when(chosen.null_count() == 0).then(chosen.sum())

    return fills.group_by(KEY, maintain_order=True).agg(
        each
        for window, rows in inside.items()
        for each in (
            pl.col("quantity").filter(rows).sum().alias(f"_{window}_volume"),
            whole("notional", rows).alias(f"_{window}_notional"),
            whole("price", rows).alias(f"_{window}_prices"),
            rows.fill_null(False).sum().cast(pl.Int64).alias(f"_{window}_trades")
            if window != "worked"
            else pl.len().cast(pl.Int64).alias("_worked_trades"),
        )
    )


def _traded(
    market: pl.DataFrame, frame: pl.DataFrame, window: str, *, own_in_prints: bool
) -> pl.DataFrame:
    """What traded in a window, with own executions in it and without."""
    sums = ("volume", "notional", "prices", "trades")
    nothing = pl.col("fills") == 0
    own = {n: pl.when(nothing).then(0).otherwise(pl.col(f"_{window}_{n}")) for n in sums}
    others = [pl.col(n) - own[n] if own_in_prints else pl.col(n) for n in sums]
    all_of = [pl.col(n) if own_in_prints else pl.col(n) + own[n] for n in sums]
    own_columns = ["fills", *(f"_{window}_{n}" for n in sums)]
    known = frame.select(own_columns)
    both = pl.concat([known, market.select(sums)], how="horizontal")
    return both.select(
        volume=all_of[0],
        own_share=_quotient(own["volume"], all_of[0]),
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
    # For what executed; a division by nothing is an error where it is not null.
    expected = pl.col("expected_fees") * pl.col("executed")
    ordered = pl.when(pl.col("quantity") != 0).then("quantity")
    return frame.with_columns(
        added_value_bps=f.added_value_bps(estimate, pl.col("slippage_arrival_bps")),
        fees_above_expected=pl.col("fees") - (expected / ordered).cast(MONEY),
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
