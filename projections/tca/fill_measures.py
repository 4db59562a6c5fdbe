"""Everything about one execution: its quotes, its parts of the shortfall, its spreads."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from . import formulas as f
from .market import UNKNOWN_AT, Floats, Int64s, Needles, times_of
from .preparing import Prepared, joined_fills
from .results import FILL_RESULTS
from .schema import HORIZONS_NS
from .tables import MONEY, conformed, real

_OF_PARENT = (
    "instruction_id",
    "symbol",
    "side",
    "account",
    "session_date",
    "decision_price",
    "arrival_price",
    "release_price",
    "arrival_at",
    "end_at",
    "open",
    "close",
    "feed",
    "_quotes_until",
    "_window_end",
)


QUOTED: Final = ("bid", "ask", "mid", "bid_at_receipt", "ask_at_receipt", "mid_at_receipt")
"""What the quote says of a fill, and does not of one in an auction."""


def measure_fills(ready: Prepared, fills: pl.DataFrame) -> pl.DataFrame:
    """Fills, some or all of ``ready``'s, with all their measures, in their order."""
    frame = joined_fills(ready, fills, _OF_PARENT)
    frame = frame.with_columns(received_at=pl.coalesce("received_at", "placed_at", "arrival_at"))
    at = times_of(frame, "at")
    needles = Needles(frame["symbol"], at)
    frame = _with_quotes(frame, ready, needles, at)
    frame = _with_auction(frame)
    frame = _with_parts(frame)
    frame = _with_spreads(frame)
    frame = frame.with_columns(_later_mids(frame, ready, needles, at))
    frame = _with_horizons(frame)
    return frame


def fill_table(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of the result."""
    return conformed(frame, FILL_RESULTS)


def _with_quotes(
    frame: pl.DataFrame, ready: Prepared, needles: Needles, at: Int64s
) -> pl.DataFrame:
    """The quote at receipt and at execution: as given with the fill, else from the quotes."""
    made = {}
    for suffix, times in (("_at_receipt", times_of(frame, "received_at")), ("", at)):
        rows = ready.quotes.rows_at(needles, times)
        bid, ask, _ = ready.quotes.exact(rows)
        age = (
            np.where(rows >= 0, times - ready.quotes.at[np.maximum(rows, 0)], -1)
            if len(ready.quotes.at)
            else np.full(len(times), -1)
        )
        given = frame[f"bid{suffix}"].is_not_null() & frame[f"ask{suffix}"].is_not_null()
        made[f"bid{suffix}"] = frame[f"bid{suffix}"].zip_with(given, bid)
        made[f"ask{suffix}"] = frame[f"ask{suffix}"].zip_with(given, ask)
        ages = pl.Series(age)
        made[f"quote_age{suffix}_ns"] = ages.set((ages < 0) | given, None)
    frame = frame.with_columns(**made)
    mid = f.mid_of(pl.col("bid"), pl.col("ask"))
    return frame.with_columns(
        mid=pl.coalesce("mid", mid),
        mid_at_receipt=pl.coalesce(
            f.mid_of(pl.col("bid_at_receipt"), pl.col("ask_at_receipt")), "mid_at_receipt"
        ),
    )


def _with_auction(frame: pl.DataFrame) -> pl.DataFrame:
    """Which auction a fill is of, and that auction's price: its official one, else the fill's own.

    An auction has no spread, and the quote beside it says nothing of it: all of its price since
    release is timing, and what differs from the official price is impact.
    """
    of_order = pl.col("time_in_force").str.to_lowercase()
    auction = (
        pl.when(pl.col("auction").is_not_null())
        .then(pl.col("auction").str.to_lowercase())
        .when(of_order == "opg")
        .then(pl.lit("open"))
        .when(of_order == "cls")
        .then(pl.lit("close"))
    )
    frame = frame.with_columns(auction=auction)
    in_auction = pl.col("auction").is_not_null()
    frame = frame.with_columns(_traded_at_quote=~in_auction)
    if frame["auction"].null_count() == frame.height:
        return frame.with_columns(_at_auction=pl.lit(None, MONEY))
    official = pl.when(pl.col("auction") == "open").then("open").otherwise("close")
    return frame.with_columns(
        pl.when(~in_auction).then(name).alias(name) for name in QUOTED
    ).with_columns(_at_auction=pl.when(in_auction).then(pl.coalesce(official, "price")))


def _with_parts(frame: pl.DataFrame) -> pl.DataFrame:
    """Parts of the shortfall: differences of levels that neighbours share, so they add up."""
    side, quantity = pl.col("side"), pl.col("quantity")
    near = pl.when(side > 0).then("bid").otherwise("ask")
    far = pl.when(side > 0).then("ask").otherwise("bid")
    added = pl.col("liquidity").str.to_lowercase() == "added"
    touch = pl.coalesce("touch", pl.when(added.fill_null(False)).then(near).otherwise(far))
    # Without a price that can stand, no level of it is money: its spread is none of a known price.
    counted = pl.when(pl.col("price").is_not_null()).then(quantity)
    frame = frame.with_columns(
        fees=pl.col("fee"),
        touch=touch,
        notional=counted * pl.col("price"),
        at_decision=counted * pl.col("decision_price"),
        at_arrival=counted * pl.col("arrival_price"),
        at_release=counted * pl.col("release_price"),
        at_mid=counted * pl.coalesce("_at_auction", "mid"),
        at_trend=counted * pl.col("trend"),
    ).with_columns(at_touch=counted * pl.coalesce("_at_auction", "touch"))

    def step(to: str, since: str) -> pl.Expr:
        return side * (pl.col(to) - pl.col(since))

    return frame.with_columns(
        delay_cost=step("at_release", "at_decision"),
        desk_delay_cost=step("at_arrival", "at_decision"),
        trading_cost=step("notional", "at_release"),
        spread_cost=step("at_touch", "at_mid"),
        impact_cost=step("notional", "at_touch"),
        timing_cost=step("at_mid", "at_release"),
        trend_cost=step("at_trend", "at_release"),
        timing_risk_cost=step("at_mid", "at_trend"),
    )


def _with_spreads(frame: pl.DataFrame) -> pl.DataFrame:
    side = pl.col("side")
    # Differences are taken exactly and only then made floats: 10.07 - 9.98 is 0.09.
    receipt, mid = pl.col("mid_at_receipt"), pl.col("mid")
    frame = frame.with_columns(
        quoted_spread=real(pl.col("ask_at_receipt") - pl.col("bid_at_receipt")),
        effective_spread=real(f.effective_spread(side, pl.col("price"), receipt)),
        effective_spread_at_trade=real(f.effective_spread(side, pl.col("price"), mid)),
        spread_at_trade=real(pl.col("ask") - pl.col("bid")),
    )
    bid, ask, price = pl.col("bid"), pl.col("ask"), pl.col("price")
    near = pl.when(side > 0).then(bid).otherwise(ask)
    far = pl.when(side > 0).then(ask).otherwise(bid)
    better = f.price_improvement(side, price, pl.col("bid_at_receipt"), pl.col("ask_at_receipt"))
    spread = pl.col("spread_at_trade")
    return frame.with_columns(
        quoted_spread_bps=f.spread_bps(pl.col("quoted_spread"), real("mid_at_receipt")),
        effective_spread_bps=f.spread_bps(pl.col("effective_spread"), real("mid_at_receipt")),
        e_over_q=pl.when(pl.col("quoted_spread") > 0).then(
            pl.col("effective_spread") / pl.col("quoted_spread")
        ),
        spread_capture=pl.when(spread > 0).then(-pl.col("effective_spread_at_trade") / spread),
        price_improvement=pl.col("quantity")
        * pl.when(better > 0).then(better).when(better <= 0).then(pl.lit(0).cast(MONEY)),
        place=pl.when((price > bid) & (price < ask))
        .then(pl.lit("inside"))
        .when((price == bid) | (price == ask))
        .then(pl.lit("at"))
        .when((price < bid) | (price > ask))
        .then(pl.lit("outside")),
        touched=pl.when(price == near)
        .then(pl.lit("near"))
        .when(price == far)
        .then(pl.lit("far"))
        .when(price == mid)
        .then(pl.lit("mid"))
        .when(bid.is_not_null() & price.is_not_null())
        .then(pl.lit("other")),
        time_to_fill_ms=(pl.col("at") - pl.col("received_at")) / 1e6,
        fee_per_100_shares=real("fee") / real("quantity") * 10_000,
    )


def _later_mids(
    frame: pl.DataFrame, ready: Prepared, needles: Needles, at: Int64s
) -> list[pl.Series]:
    """The mid after each horizon, null where no quote came after it in the session."""
    until = times_of(frame, "_quotes_until")
    made = []
    for name, length in HORIZONS_NS.items():
        mids = later_mids(ready, needles, at, length, until)
        made.append(pl.Series(f"_mid_{name}", mids).fill_nan(None))
    return made


def later_mids(ready: Prepared, needles: Needles, at: Int64s, length: int, until: Int64s) -> Floats:
    """Mids at ``at + length``, NaN where ``at`` is unknown or the quotes end before that."""
    known = at != UNKNOWN_AT
    times = np.where(known, at + length * known, UNKNOWN_AT)
    return ready.quotes.mids_at(ready.quotes.rows_at(needles, times, no_later_than=until))


def _with_horizons(frame: pl.DataFrame) -> pl.DataFrame:
    side = real("side")
    price, mid = real("price"), real("mid")
    made = {}
    for name in HORIZONS_NS:
        later = pl.col(f"_mid_{name}")
        realised = f.realised_spread(side, price, later)
        realised = pl.when(pl.col("_traded_at_quote")).then(realised)
        made[f"realised_spread_{name}"] = realised
        made[f"realised_spread_{name}_bps"] = f.spread_bps(realised, mid)
        made[f"price_impact_{name}"] = f.price_impact(side, mid, later)
        made[f"markout_{name}_bps"] = f.markout_bps(side, price, later)
    close = real("close")
    return frame.with_columns(**made, markout_close_bps=f.markout_bps(side, price, close)).drop(
        f"_mid_{name}" for name in HORIZONS_NS
    )
