"""Rows of Rule 605's summary and detailed files, from covered orders and their executions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import polars as pl

from ...domain.instruments import ROUND_LOTS
from ...domain.ports import NANOS
from ..tca.tables import MONEY
from .rule605 import GIVEN, Statistics, classified, measured, ratio, statistics_of
from .rule605_terms import (
    COMBINED_SIZE,
    DETAILED_COLUMNS,
    EXECUTABLE_TYPES,
    HORIZONS,
    SIZE_CODES,
    SUMMARY_COLUMNS,
    SUMMARY_SIZES,
    SUMMARY_TYPES,
    TIME_COLUMNS,
)

Row = dict[str, Any]


ORDERS_AT_ONCE: Final = 1 << 13
"""How many orders are measured together with their executions; it bounds the memory."""
QUOTE: Final = ("bid", "ask", "bid_size", "ask_size")
KEYS: Final = ("sp500", "symbol", "lot", "size_code", "covered_type")
Sums = Mapping[tuple[Any, ...], Mapping[str, Decimal]]
_COUNTED: Final = ("_n", "quantity", "order_value")
_CARRIED: Final = ("order_id", "side", *KEYS)


class Covered(NamedTuple):
    """Covered orders of a month and their executions, added up exactly by :data:`KEYS`.

    ``amounts`` are the columns of :func:`.rule605.measured` and of size improvement; ``filled`` is
    how many orders had an execution.
    """

    counted: Sums
    summed: Sums
    filled: Sums
    amounts: tuple[str, ...]


def covered_sums(orders: pl.DataFrame, executions: pl.DataFrame) -> Covered:
    """Covered orders, and their executions measured by the quote at the order's receipt.

    ``orders`` has ``order_id``, ``symbol``, ``side``, ``quantity``, ``order_type``,
    ``time_in_force``, ``limit_price``, ``received_at``, the quote then as ``bid``, ``ask``,
    ``bid_size`` and ``ask_size``, ``sp500`` (yes or no) and, for orders that were not executable at
    receipt, ``executable_at`` and ``executable_bid`` and so on, the quote then. ``executions`` has
    ``order_id``, ``at``, ``quantity``, ``price`` and ``mid_<horizon>``. Orders without a
    quote at receipt are not covered.
    """
    known = (
        classified(orders)
        .filter(pl.col("covered_type").is_not_null())
        .with_columns(lot=_lot(), _n=1)
        .sort("symbol", maintain_order=True)
    )
    since = (
        pl.coalesce("executable_at", "received_at")
        if "executable_at" in known.columns
        else (pl.col("received_at"))
    )
    taken = (*_CARRIED[1:], *QUOTE)
    executions = executions.drop([c for c in taken if c in executions.columns])
    lacking = [f"executable_{name}" for name in QUOTE if f"executable_{name}" not in known.columns]
    known = known.with_columns(pl.lit(None, MONEY).alias(name) for name in lacking)
    # What had to wait is held against the quote of the moment when it could first execute.
    against = {name: pl.coalesce(f"executable_{name}", name) for name in QUOTE}
    counted: dict[tuple[Any, ...], dict[str, Decimal]] = {}
    summed: dict[tuple[Any, ...], dict[str, Decimal]] = {}
    filled: dict[tuple[Any, ...], dict[str, Decimal]] = {}
    amounts: tuple[str, ...] = ()
    for some in [*known.iter_slices(ORDERS_AT_ONCE)] or [known]:
        keys = some.select(*_CARRIED, **against, ordered="quantity", since=since)
        keys = keys.with_columns(far=_far_size()).drop("bid_size", "ask_size")
        fills = executions.join(keys, on="order_id", how="inner", maintain_order="left")
        fills = measured(fills.with_columns(elapsed_ns=pl.col("at") - pl.col("since")))
        fills = fills.with_columns(**_size_improvement())
        amounts = (*_amounts(fills), *SIZE_AMOUNTS)
        _add(counted, _sums(some, KEYS, _COUNTED))
        _add(summed, _sums(fills, KEYS, amounts))
        _add(filled, _sums(fills.unique("order_id").with_columns(_n=1), KEYS, ("_n",)))
    return Covered(counted, summed, filled, amounts)


def _add(
    into: dict[tuple[Any, ...], dict[str, Decimal]], more: Mapping[tuple[Any, ...], Any]
) -> None:
    for key, values in more.items():
        known = into.setdefault(key, dict.fromkeys(values, Decimal(0)))
        for name, value in values.items():
            known[name] += value


def by_keys(sums: Sums, keys: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Decimal]]:
    """The sums by some of :data:`KEYS`."""
    places = [KEYS.index(key) for key in keys]
    found: dict[tuple[Any, ...], dict[str, Decimal]] = {}
    for key, values in sums.items():
        _add(found, {tuple(key[place] for place in places): values})
    return found


def _far_size() -> pl.Expr:
    return pl.when(pl.col("side") > 0).then(pl.col("ask_size")).otherwise(pl.col("bid_size"))


def summary_rows(
    orders: pl.DataFrame,
    executions: pl.DataFrame,
    *,
    participant: str,
    entity: str,
    month: str,
) -> list[Row]:
    """The summary's rows of one month (YYYYMM), at most one for each of its keys.

    Market orders and marketable limits only. Averages are of orders received in the month and of
    executions of those; a key without orders has no row, and what cannot be known is None. What
    ``orders`` and ``executions`` have: :func:`covered_sums`.
    """
    return summary_of(covered_sums(orders, executions), (participant, entity, month))


def summary_of(covered: Covered, who: tuple[str, str, str]) -> list[Row]:
    """The summary's rows of what :func:`covered_sums` gave; ``who`` begins each row."""
    by = ("sp500", "covered_type", "size_code")
    counted, summed = by_keys(covered.counted, by), by_keys(covered.summed, by)
    rows = []
    for listed in (True, False):
        for kind, code in SUMMARY_TYPES.items():
            for size in SUMMARY_SIZES:
                below = SIZE_CODES[:-1] if size == COMBINED_SIZE else (size,)
                keys = [(listed, kind, each) for each in below]
                orders_of = _added(counted, keys)
                if not orders_of:
                    continue
                found = statistics_of(_added(summed, keys) or dict.fromkeys(covered.amounts, 0))
                head = (*who, "Y" if listed else "N", size, code)
                rows.append(
                    dict(zip(SUMMARY_COLUMNS, (*head, *_summary(orders_of, found)), strict=True))
                )
    return rows


def _summary(orders: Mapping[str, Decimal], found: Statistics) -> tuple[Decimal | None, ...]:
    return (
        ratio(orders["quantity"], orders["_n"]),
        ratio(orders["order_value"], orders["_n"]),
        found["avg_mid"],
        found["pct_at_quote_or_better"],
        found["pct_pi"],
        found["weighted_pct_pi"],
        found["avg_effective_pct"],
        found["avg_quoted_pct"],
        found["eq"],
        found["avg_realised_15s_pct"],
        found["avg_realised_1min_pct"],
        found["avg_time_ms"],
    )


def detailed_rows(
    orders: pl.DataFrame,
    executions: pl.DataFrame,
    *,
    participant: str,
    entity: str,
    month: str,
) -> list[Row]:
    """The detailed file's rows of one month, by symbol, lot, size and type of order.

    What only a broker or venue can tell (shares executed away, prices against the best displayed
    odd lots, shares executed on exchanges) is None.
    """
    return detailed_of(covered_sums(orders, executions), (participant, entity, month))


def detailed_of(covered: Covered, who: tuple[str, str, str]) -> list[Row]:
    """The detailed rows of what :func:`covered_sums` gave; ``who`` begins each row."""
    by = ("symbol", "lot", "size_code", "covered_type")
    counted, summed = by_keys(covered.counted, by), by_keys(covered.summed, by)
    filled = by_keys(covered.filled, by)
    rows = []
    for key in sorted(counted):
        symbol, lot, size, kind = key
        sums = summed.get(key) or dict.fromkeys(covered.amounts)
        n = int(filled[key]["_n"]) if key in filled else 0
        row: Row = dict.fromkeys(DETAILED_COLUMNS)
        row |= dict(zip(("DsgntParticipant", "RprtEntityCd", "RptDate"), who, strict=True))
        row |= {"Symbol": symbol, "LotSizeFlag": lot, "OrderSize": size, "OrderType": kind}
        row |= _detailed(counted[key], sums, kind, n)
        rows.append(row)
    return rows


def _detailed(orders: Mapping[str, Decimal], sums: Mapping[str, Any], kind: str, n: int) -> Row:
    found = statistics_of(sums)
    executed = found["shares"]
    assert executed is not None
    row: Row = {
        "CvrdOrderCnt": orders["_n"],
        "CvrdOrderSize": orders["order_value"],
        "CvrdOrderQty": orders["quantity"],
        "CvrdOrderCnclQty": max(orders["quantity"] - executed, Decimal(0)),
        "CvrdOrderExctdQty": executed,
        "ExctdOrderMidPtAvg": found["avg_mid"],
        "ExctdOrderAvgQuotSprd": found["avg_quoted"],
        "AvgEffctvSprd": found["avg_effective"],
        "AvgEffctvSprdPct": found["avg_effective_pct"],
        "AvgEFQPct": found["eq"],
        "ExctdPIOrdersQty": found["pi_shares"],
        "ExctdPIOrdWghtdAvgAmtPerShare": found["pi_amount_per_share"],
        "ExctdPIOrdWghtdAvgTime": found["pi_time_ms"],
        "ExctdOrderAtQuotQty": found["at_quote_shares"],
        "ExctdAtQuotOrdWghtdAvgTime": found["at_quote_time_ms"],
        "ExctdOrderOutQuotQty": found["outside_shares"],
        "ExctdOutQuotOrdWghtdAvgAmt": found["outside_amount_per_share"],
        "ExctdOutQuotOrdWghtdAvgTime": found["outside_time_ms"],
        "ExctdOrderSizeBnchmrkQty": sums["benchmark"],
        "ExctdSIOutsizedQty": sums["outsized"],
    }
    for number, column in enumerate(TIME_COLUMNS):
        row[column] = found[f"time_{number}"]
    for ours, theirs in HORIZONS.items():
        row[f"AvgRealSprd{theirs}"] = found[f"avg_realised_{ours}"]
        row[f"AvgRealSprdPct{theirs}"] = found[f"avg_realised_{ours}_pct"]
    if kind in EXECUTABLE_TYPES:
        row |= {"FilledOrderCnt": Decimal(n), "RegExctdOrderQty": executed}
        row["FilledOrderWghtdAvgTime"] = found["avg_time_ms"]
    return row


def _lot() -> pl.Expr:
    """Round lot or more, odd lot, or fraction of a share, by the round lot of the order's day."""
    q = pl.col("quantity")
    return (
        pl.when(q < 1)
        .then(pl.lit("FRAC"))
        .when(q < _round_lot())
        .then(pl.lit("ODD"))
        .otherwise(pl.lit("ROUND"))
    )


def _round_lot() -> pl.Expr:
    """Shares in a round lot by the dated table, at the mid when the order was received.

    The rule takes the average close of a month before, which orders do not tell: a stock close to a
    tier's edge may be in the next tier on some days.
    """
    mid = pl.col("bid") / 2 + pl.col("ask") / 2
    found = pl.lit(None, MONEY)
    for dated in sorted(ROUND_LOTS, key=lambda row: row.since):
        lot = pl.lit(dated.tiers[-1].value, MONEY)
        for tier in reversed(dated.tiers[:-1]):
            lot = pl.when(mid <= pl.lit(tier.price_max, MONEY)).then(tier.value).otherwise(lot)
        begins = int(datetime.fromisoformat(f"{dated.since}T00:00:00+00:00").timestamp()) * NANOS
        found = pl.when(pl.col("received_at") >= begins).then(lot).otherwise(found)
    return found


def _size_improvement() -> dict[str, pl.Expr]:
    """Shares up to the size displayed at the far touch, and those beyond it at the quote or better.

    An order's executions are taken in their order: the first shares use up the displayed size.
    """
    before = pl.col("quantity").cum_sum().over("order_id", order_by="at") - pl.col("quantity")
    shown = pl.min_horizontal("far", "ordered")
    inside = pl.max_horizontal(
        pl.lit(0).cast(pl.Decimal(38, 9)), pl.min_horizontal(pl.col("quantity"), shown - before)
    )
    good = pl.col("_outside").is_null() & pl.col("_quoted_shares").is_not_null()
    return {
        "benchmark": pl.when(pl.col("far").is_not_null()).then(inside),
        "outsized": pl.when(pl.col("far").is_not_null() & good).then(pl.col("quantity") - inside),
    }


SIZE_AMOUNTS: Final = ("benchmark", "outsized")
"""What :func:`_size_improvement` gives of each execution."""


def _amounts(fills: pl.DataFrame) -> tuple[str, ...]:
    return tuple(name for name in fills.columns if name.startswith("_") and name not in GIVEN)


def _sums(
    frame: pl.DataFrame, by: Sequence[str], names: Sequence[str]
) -> dict[tuple[Any, ...], dict[str, Decimal]]:
    grouped = frame.group_by(by).agg(pl.col(name).sum() for name in names)
    return {
        row[: len(by)]: {
            name: Decimal(value or 0) for name, value in zip(names, row[len(by) :], strict=True)
        }
        for row in grouped.iter_rows()
    }


def _added(
    sums: Mapping[tuple[Any, ...], Mapping[str, Decimal]], keys: Sequence[tuple[Any, ...]]
) -> dict[str, Decimal]:
    """The sums over several keys, empty where none of them is there."""
    found: dict[str, Decimal] = {}
    for key in keys:
        for name, value in sums.get(key, {}).items():
            found[name] = found.get(name, Decimal(0)) + value
    return found
