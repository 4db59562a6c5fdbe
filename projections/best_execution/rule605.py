"""Statistics of SEC Rule 605 over columns of orders and of their executions.

Averages are share-weighted and a ratio is one of averages: sums are taken exactly, in decimals, and
divided once. Spreads use the quote at *receipt* of the order (or when it became executable), not
at the trade. Where a quote is missing the execution counts in shares and time and in nothing that
needs the quote; how many shares that were is given beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import polars as pl

from ...domain.money import ZERO
from ..tca.tables import MONEY
from .rule605_terms import HORIZONS, SIZE_BOUNDS_USD, SIZE_CODES, TIME_BOUNDS_NS, CoveredType

FINE: Final = pl.Decimal(38, 15)
"""What quotients are rounded to before they are summed, so that no order of summing matters."""
NS_PER_MS: Final = 1_000_000
Statistics = dict[str, Decimal | None]

EXECUTION_COLUMNS: Final[Mapping[str, pl.DataType]] = {
    "side": pl.Int8(),
    "quantity": MONEY,
    "price": MONEY,
    "bid": MONEY,
    "ask": MONEY,
    "elapsed_ns": pl.Int64(),
    **{f"mid_{name}": MONEY for name in HORIZONS},
}
"""What an execution is measured by: side (+1 buy, -1 sell), shares, price, the quote at receipt, ns
from receipt to execution, and the mid at each horizon after it. An absent column is null."""


def executions(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with every column of :data:`EXECUTION_COLUMNS`, typed; other columns stay."""
    made = [
        pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind).alias(name)
        for name, kind in EXECUTION_COLUMNS.items()
    ]
    return frame.with_columns(made)


def measured(frame: pl.DataFrame) -> pl.DataFrame:
    """Executions with what is summed of each, as columns that begin with an underscore."""
    q, price, side = pl.col("quantity"), pl.col("price"), pl.col("side")
    elapsed = pl.col("elapsed_ns")
    # A quote that is not two-sided, or crossed, measures nothing.
    quoted = pl.col("bid").is_not_null() & pl.col("ask").is_not_null()
    quoted &= (pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid"))
    frame = executions(frame).with_columns(
        _mid=pl.when(quoted).then(pl.col("bid") / 2 + pl.col("ask") / 2),
        _touch=pl.when(quoted).then(pl.when(side > 0).then(pl.col("ask")).otherwise(pl.col("bid"))),
    )
    mid, touch = pl.col("_mid"), pl.col("_touch")
    better = side.cast(MONEY) * (touch - price)
    effective = side.cast(MONEY) * (price - mid) * 2
    ms = elapsed.cast(FINE) / NS_PER_MS
    columns = {
        "_shares": q,
        "_quoted_shares": pl.when(quoted).then(q),
        "_mid_x": mid * q,
        "_spread_x": pl.when(quoted).then((pl.col("ask") - pl.col("bid")) * q),
        "_effective_x": effective * q,
        "_effective_pct_x": _quotient(effective, mid, q),
        "_ms_x": ms * q.cast(FINE),
        "_timed_shares": pl.when(elapsed.is_not_null()).then(q),
        "_pi": pl.when(better > 0).then(q),
        "_pi_amount": pl.when(better > 0).then(better * q),
        "_pi_ms_x": pl.when(better > 0).then(ms * q.cast(FINE)),
        "_at": pl.when(better == 0).then(q),
        "_at_ms_x": pl.when(better == 0).then(ms * q.cast(FINE)),
        "_outside": pl.when(better < 0).then(q),
        "_outside_amount": pl.when(better < 0).then(-better * q),
        "_outside_ms_x": pl.when(better < 0).then(ms * q.cast(FINE)),
    }
    for number, low in enumerate(TIME_BOUNDS_NS):
        inside = elapsed >= low
        if number + 1 < len(TIME_BOUNDS_NS):
            inside &= elapsed < TIME_BOUNDS_NS[number + 1]
        columns[f"_time_{number}"] = pl.when(inside).then(q)
    for name in HORIZONS:
        realised = side.cast(MONEY) * (price - pl.col(f"mid_{name}")) * 2
        columns[f"_realised_{name}_x"] = realised * q
        columns[f"_realised_{name}_shares"] = pl.when(realised.is_not_null()).then(q)
        columns[f"_realised_{name}_pct_x"] = _quotient(realised, mid, q)
        known = realised.is_not_null() & mid.is_not_null()
        columns[f"_realised_{name}_pct_shares"] = pl.when(known).then(q)
    return frame.with_columns(**columns)


def statistics(frame: pl.DataFrame, by: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Statistics of executions by group, ordered by it; see :func:`statistics_of` for the names."""
    sums = measured(frame)
    names = [name for name in sums.columns if name.startswith("_") and name not in GIVEN]
    summed = [pl.col(name).sum() for name in names]
    grouped = sums.group_by(by).agg(summed).sort(by) if by else sums.select(summed)
    return [
        {**{name: row[name] for name in by}, **statistics_of(row)}
        for row in grouped.iter_rows(named=True)
    ]


GIVEN: Final = frozenset({"_mid", "_touch"})
"""Columns of :func:`measured` that are prices, not amounts."""


def statistics_of(sums: Mapping[str, Any]) -> Statistics:
    """Averages from the sums of :func:`measured`'s columns.

    ``shares``; ``quoted_shares`` of those had a quote; ``avg_mid``, ``avg_quoted``,
    ``avg_effective``, ``avg_effective_pct``, ``eq`` = average effective / average quoted;
    ``avg_realised_<h>`` and ``_pct``; ``pi_shares``, ``at_quote_shares``, ``outside_shares`` with
    amounts per share and ms; ``pct_at_quote_or_better``, ``pct_pi``, ``weighted_pct_pi`` =
    (improved - outside amounts) / sum(mid x shares); ``avg_time_ms``; ``time_<n>`` shares.
    """
    s = {name: Decimal(value or 0) for name, value in sums.items() if name.startswith("_")}
    quoted = s["_quoted_shares"]
    found: Statistics = {
        "shares": s["_shares"],
        "quoted_shares": quoted,
        "pi_shares": s["_pi"],
        "at_quote_shares": s["_at"],
        "outside_shares": s["_outside"],
        "avg_mid": ratio(s["_mid_x"], quoted),
        "avg_quoted": ratio(s["_spread_x"], quoted),
        "avg_effective": ratio(s["_effective_x"], quoted),
        "avg_effective_pct": ratio(s["_effective_pct_x"], quoted),
        "eq": ratio(s["_effective_x"], s["_spread_x"]) if quoted else None,
        "avg_quoted_pct": ratio(s["_spread_x"], s["_mid_x"]),
        "pct_at_quote_or_better": ratio(s["_pi"] + s["_at"], quoted),
        "pct_pi": ratio(s["_pi"], quoted),
        "weighted_pct_pi": ratio(s["_pi_amount"] - s["_outside_amount"], s["_mid_x"]),
        "pi_amount_per_share": ratio(s["_pi_amount"], s["_pi"]),
        "outside_amount_per_share": ratio(s["_outside_amount"], s["_outside"]),
        "pi_time_ms": ratio(s["_pi_ms_x"], s["_pi"]),
        "at_quote_time_ms": ratio(s["_at_ms_x"], s["_at"]),
        "outside_time_ms": ratio(s["_outside_ms_x"], s["_outside"]),
        "avg_time_ms": ratio(s["_ms_x"], s["_timed_shares"]),
    }
    for number in range(len(TIME_BOUNDS_NS)):
        found[f"time_{number}"] = s[f"_time_{number}"]
    for name in HORIZONS:
        of = f"_realised_{name}"
        found[f"avg_realised_{name}"] = ratio(s[f"{of}_x"], s[f"{of}_shares"])
        found[f"avg_realised_{name}_pct"] = ratio(s[f"{of}_pct_x"], s[f"{of}_pct_shares"])
    return found


def ratio(over: Decimal, under: Decimal) -> Decimal | None:
    """A quotient, None where there is nothing to divide by."""
    return over / under if under else None


def share_weighted(rows: Sequence[tuple[Decimal, Decimal]]) -> Decimal | None:
    """The average of (shares, value) pairs, weighted by shares; None without shares."""
    return ratio(sum((n * v for n, v in rows), ZERO), sum((n for n, _ in rows), ZERO))


def classified(orders: pl.DataFrame) -> pl.DataFrame:
    """Orders with ``covered_type``, ``order_value`` and ``size_code``.

    Needs ``side``, ``quantity``, ``order_type`` (market or limit), ``time_in_force``,
    ``limit_price``, and ``bid`` and ``ask`` at receipt. A limit is marketable when it reaches the
    far touch, midpoint-or-better when it reaches the mid. The value of an order is its quantity
    times the mid at receipt. An order with a ``stop_price`` is a stop, its limit marketable when it
    reaches the stop. Null where the quote is missing, for orders of an auction (``opg``, ``cls``)
    and for stops that were never triggered (``executable_at``), as these are not covered.
    """
    lacking = {"stop_price": MONEY, "executable_at": pl.Int64()}
    orders = orders.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in lacking.items() if name not in orders
    )
    is_stop = pl.col("stop_price").is_not_null()
    side = pl.col("side").cast(MONEY)
    mid = pl.col("bid") / 2 + pl.col("ask") / 2
    far = pl.when(pl.col("side") > 0).then(pl.col("ask")).otherwise(pl.col("bid"))
    tif = pl.col("time_in_force").fill_null("").str.to_lowercase()
    ioc = tif == "ioc"
    reaches_far = side * (pl.col("limit_price") - far) >= 0
    reaches_mid = side * (pl.col("limit_price") - mid) >= 0

    def either(now: CoveredType, rest: CoveredType) -> pl.Expr:
        return pl.when(ioc).then(pl.lit(now.value)).otherwise(pl.lit(rest.value))

    kind = (
        pl.when(mid.is_null() | tif.is_in(["opg", "cls"]))
        .then(None)
        .when(is_stop & pl.col("executable_at").is_null())
        .then(None)
        .when(is_stop & pl.col("limit_price").is_null())
        .then(pl.lit(CoveredType.STOP_MARKET.value))
        .when(is_stop & (side * (pl.col("limit_price") - pl.col("stop_price")) >= 0))
        .then(pl.lit(CoveredType.STOP_MARKETABLE_LIMIT.value))
        .when(is_stop)
        .then(pl.lit(CoveredType.STOP_NON_MARKETABLE.value))
        .when(pl.col("order_type") == "market")
        .then(pl.lit(CoveredType.MARKET.value))
        .when(pl.col("limit_price").is_null())
        .then(None)
        .when(reaches_far)
        .then(either(CoveredType.MARKETABLE_IOC, CoveredType.MARKETABLE_LIMIT))
        .when(reaches_mid)
        .then(either(CoveredType.MIDPOINT_IOC, CoveredType.MIDPOINT))
        .otherwise(either(CoveredType.NON_MARKETABLE_IOC, CoveredType.NON_MARKETABLE))
    )
    return orders.with_columns(
        covered_type=kind, order_value=pl.col("quantity") * mid
    ).with_columns(size_code=size_code_of(pl.col("order_value")))


def size_code_of(value: pl.Expr) -> pl.Expr:
    """The code of the bucket of an order's value (USD), null where it is unknown or nothing."""
    found: Any = pl.when(value <= 0).then(None)
    for bound, code in zip(SIZE_BOUNDS_USD[1:], SIZE_CODES[:-1], strict=True):
        found = found.when(value < bound).then(pl.lit(code))
    last: pl.Expr = found.otherwise(pl.lit(SIZE_CODES[-1]))
    return pl.when(value.is_not_null()).then(last)


def _quotient(over: pl.Expr, under: pl.Expr, times: pl.Expr) -> pl.Expr:
    """``over / under`` times shares, rounded to :data:`FINE` before it is summed."""
    return (over.cast(FINE) / under.cast(FINE)) * times.cast(FINE)
