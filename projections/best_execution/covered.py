"""Child orders as Rule 605 looks at them: the quote at receipt, and when they became executable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from ..tca.schema import HORIZONS_NS
from ..tca.tables import MONEY
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
        "month",
        "ended_at",
        received_at=pl.coalesce("received_at", "placed_at"),
        sp500=pl.col("symbol").is_in(list(reporter.sp500)),
    )
    quotes = facts.tables.market("quotes", ("symbol", "at", *QUOTE_COLUMNS))
    if not quotes.height:
        none = [pl.lit(None, MONEY).alias(name) for name in QUOTE_COLUMNS]
        return orders.with_columns(*none, executable_at=pl.lit(None, pl.Int64))
    timed = orders.filter(pl.col("received_at").is_not_null())
    # One symbol after the other: a month of quotes is large, and is looked up in order of time.
    parts = [
        _with_quotes(of_symbol, _book(quotes, str(symbol)))
        for (symbol,), of_symbol in timed.sort("received_at").group_by(
            "symbol", maintain_order=True
        )
    ]
    if not parts:
        return _with_quotes(timed, quotes.clear())
    return pl.concat(parts).sort("received_at", maintain_order=True)


def _book(quotes: pl.DataFrame, symbol: str) -> pl.DataFrame:
    return quotes.filter(pl.col("symbol") == symbol).sort("at", maintain_order=True)


def _with_quotes(orders: pl.DataFrame, book: pl.DataFrame) -> pl.DataFrame:
    """Orders of one symbol with the good quote at receipt."""
    found = orders.join_asof(
        book.select("at", *QUOTE_COLUMNS), left_on="received_at", right_on="at"
    )
    good = (pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid"))
    found = found.drop("at", strict=False).with_columns(
        pl.when(good).then(pl.col(name)).alias(name) for name in QUOTE_COLUMNS
    )
    return found.with_columns(executable_at=executable_at(found, book))


def executable_at(orders: pl.DataFrame, book: pl.DataFrame) -> pl.Series:
    """When limits of one symbol that stood outside the quote at receipt were first inside it.

    That is the first quote during the order's life whose near side the limit reaches; null for
    other orders, and where there was none. ``book`` is in order of time.
    """
    near = pl.when(pl.col("side") > 0).then("bid").otherwise("ask")
    outside = pl.col("side").cast(MONEY) * (pl.col("limit_price") - near) < 0
    chosen = orders.with_row_index("n").filter(outside)
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
    """Executions with the mid at each horizon, taken back from the realised spread."""
    side = pl.col("side").cast(MONEY)
    return facts.fills.select(
        "order_id",
        "at",
        "quantity",
        "price",
        **{
            f"mid_{name}": pl.col("price")
            - side * (pl.col(f"realised_spread_{name}") / 2).round(9).cast(MONEY)
            for name in HORIZONS_NS
        },
    )
