"""Child orders as Rule 605 looks at them: the quote at receipt, and when they became executable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from ..tca.market import SILENCE_NS_MAX
from ..tca.schema import HORIZONS_NS
from ..tca.tables import MONEY, empty
from .facts import Facts
from .reporter import Reporter

QUOTE_COLUMNS: Final = ("bid", "ask", "bid_size", "ask_size")


def covered_orders(facts: Facts, reporter: Reporter) -> pl.DataFrame:
    """Child orders with the quote at receipt and whether their symbol is in the S&P 500."""
    orders = facts.orders.select(
        "order_id",
        "instruction_id",
        "symbol",
        "side",
        "quantity",
        "order_type",
        "time_in_force",
        "limit_price",
        "stop_price",
        "month",
        "ended_at",
        received_at=pl.coalesce("received_at", "placed_at"),
        sp500=pl.col("symbol").is_in(list(reporter.sp500)),
    )
    quotes = facts.tables.market("quotes", ("symbol", "at", *QUOTE_COLUMNS))
    if not quotes.height:
        none = [pl.lit(None, MONEY).alias(name) for name in QUOTE_COLUMNS]
        return orders.with_columns(*none, executable_at=pl.lit(None, pl.Int64))
    prints = _prints(facts, orders)
    timed = orders.filter(pl.col("received_at").is_not_null())
    # One symbol after the other: a month of quotes is large, and is looked up in order of time.
    parts = [
        _with_quotes(of_symbol, _of(quotes, str(symbol)), _of(prints, str(symbol)))
        for (symbol,), of_symbol in timed.sort("received_at").group_by(
            "symbol", maintain_order=True
        )
    ]
    if not parts:
        return _with_quotes(timed, quotes.clear(), prints.clear())
    return pl.concat(parts).sort("received_at", maintain_order=True)


def _of(market: pl.DataFrame, symbol: str) -> pl.DataFrame:
    return market.filter(pl.col("symbol") == symbol).sort("at", maintain_order=True)


def _prints(facts: Facts, orders: pl.DataFrame) -> pl.DataFrame:
    """Regular prints, which trigger stops; none are read where there is no stop."""
    names = ("symbol", "at", "price", "regular")
    if orders["stop_price"].null_count() == orders.height:
        return empty("prints").select(names)
    return facts.tables.market("prints", names).filter(pl.col("regular").fill_null(True))


def _with_quotes(orders: pl.DataFrame, book: pl.DataFrame, stops: pl.DataFrame) -> pl.DataFrame:
    """Orders of one symbol with the good quote at receipt."""
    found = orders.join_asof(
        book.select("at", *QUOTE_COLUMNS), left_on="received_at", right_on="at"
    )
    good = (pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid"))
    found = found.drop("at", strict=False).with_columns(
        pl.when(good).then(pl.col(name)).alias(name) for name in QUOTE_COLUMNS
    )
    found = found.with_columns(executable_at=executable_at(found, book, stops))
    # What waited is held against the quote of the moment it could first execute.
    later = found.select("order_id", "executable_at").drop_nulls().sort("executable_at")
    then = later.join_asof(
        book.select("at", *QUOTE_COLUMNS), left_on="executable_at", right_on="at"
    ).select("order_id", *(pl.col(name).alias(f"executable_{name}") for name in QUOTE_COLUMNS))
    return found.join(then, on="order_id", how="left", maintain_order="left")


def executable_at(orders: pl.DataFrame, book: pl.DataFrame, prints: pl.DataFrame) -> pl.Series:
    """When orders of one symbol that could not execute at receipt first could.

    For limits outside the quote that is the first quote during the order's life whose near side the
    limit reaches, for stops the first regular print at the stop or beyond; null for other orders,
    and where there was none. ``book`` and ``prints`` are in order of time.
    """
    limits = _limits_inside(orders, book)
    if orders["stop_price"].null_count() == orders.height:
        return limits
    stops = _stops_triggered(orders, prints)
    return limits.to_frame("l").select(pl.coalesce(stops.alias("s"), "l")).to_series()


def _stops_triggered(orders: pl.DataFrame, prints: pl.DataFrame) -> pl.Series:
    found: list[int | None] = [None] * orders.height
    rows = orders.with_row_index("n").filter(pl.col("stop_price").is_not_null())
    for n, side, stop, since, until in rows.select(
        "n", "side", "stop_price", "received_at", "ended_at"
    ).iter_rows():
        beyond = pl.col("price") >= stop if side > 0 else pl.col("price") <= stop
        alive = pl.col("at") > since if until is None else pl.col("at").is_between(since, until)
        found[n] = prints.filter(beyond & alive)["at"].min()  # type: ignore[assignment]
    return pl.Series(found, dtype=pl.Int64)


def _limits_inside(orders: pl.DataFrame, book: pl.DataFrame) -> pl.Series:
    near = pl.when(pl.col("side") > 0).then("bid").otherwise("ask")
    outside = pl.col("side").cast(MONEY) * (pl.col("limit_price") - near) < 0
    chosen = orders.with_row_index("n").filter(outside & pl.col("stop_price").is_null())
    found: list[int | None] = [None] * orders.height
    at = book["at"].to_numpy()
    sides = {1: _units(book["bid"]), -1: _units(book["ask"])}
    firsts = at.searchsorted(chosen["received_at"].to_numpy(), side="right")
    until = chosen["ended_at"].fill_null(np.iinfo(np.int64).max).to_numpy()
    lasts = at.searchsorted(until, side="right")
    rows: Sequence[tuple[int, int]] = chosen.select("n", "side").rows()
    for (n, side), limit, first, last in zip(
        rows, _units(chosen["limit_price"]).tolist(), firsts.tolist(), lasts.tolist(), strict=True
    ):
        prices = sides[side][first:last]
        reached = (prices > 0) & (prices <= limit) if side > 0 else prices >= limit
        place = int(reached.argmax()) if len(reached) else 0
        if len(reached) and reached[place]:
            found[n] = int(at[first + place])
    return pl.Series(found, dtype=pl.Int64)


def _units(prices: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Prices in whole units of their last decimal place, unknown ones as 0."""
    units: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        prices.cast(MONEY).to_physical().cast(pl.Int64).fill_null(0).to_numpy()
    )
    return units


def covered_executions(facts: Facts) -> pl.DataFrame:
    """Executions with the mid at each horizon, taken back from the realised spread.

    Where less than a horizon is left of regular hours, the mid is that of their final quote.
    """
    side = pl.col("side").cast(MONEY)
    fills = facts.fills.join(
        _final_mids(facts), on=["symbol", "session_date"], how="left", maintain_order="left"
    )

    def mid_at(name: str, horizon_ns: int) -> pl.Expr:
        spread = (pl.col(f"realised_spread_{name}") / 2).round(9).cast(MONEY)
        after_hours = (pl.col("at") <= pl.col("close_at")) & (
            pl.col("at") + horizon_ns > pl.col("close_at")
        )
        return pl.when(after_hours).then("final_mid").otherwise(pl.col("price") - side * spread)

    return fills.select(
        "order_id",
        "at",
        "quantity",
        "price",
        **{f"mid_{name}": mid_at(name, horizon) for name, horizon in HORIZONS_NS.items()},
    )


def _final_mids(facts: Facts) -> pl.DataFrame:
    """By symbol and session: the close, and the mid of the last good quote of regular hours.

    None where the quotes end long before the close: what was quoted last is then not known.
    """
    sessions = facts.tables.sessions if facts.tables.sessions is not None else empty("sessions")
    closes = (
        sessions.select("symbol", "session_date", "close_at")
        .drop_nulls("close_at")
        .unique(["symbol", "session_date"], keep="last", maintain_order=True)
        .sort("close_at")
    )
    if not closes.height:
        return closes.with_columns(final_mid=pl.lit(None, MONEY))
    quotes = facts.tables.market("quotes", ("symbol", "at", "bid", "ask"))
    # Most quotes lie long before any close, and need not be sorted.
    near = pl.any_horizontal(
        [
            pl.col("at").is_between(int(close) - SILENCE_NS_MAX, int(close))
            for close in closes["close_at"].unique(maintain_order=True)
        ]
    )
    last = quotes.filter(near & (pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid")))
    last = last.sort("at", maintain_order=True).with_columns(
        final_mid=pl.col("bid") / 2 + pl.col("ask") / 2
    )
    found = closes.join_asof(
        last.select("symbol", "final_mid", quoted_at="at"),
        left_on="close_at",
        right_on="quoted_at",
        by="symbol",
        check_sortedness=False,
    )
    fresh = pl.col("close_at") - pl.col("quoted_at") <= SILENCE_NS_MAX
    return found.select(
        "symbol", "session_date", "close_at", final_mid=pl.when(fresh).then("final_mid")
    )
