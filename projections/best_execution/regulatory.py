"""Reports in the form of SEC Rules 605 and 606(b)(3), from the facts of a log.

Only a broker-dealer or market center makes these as a duty; in any other capacity they are
statistics on own flow in the same form, and say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from . import rule606
from .covered import covered_executions, covered_orders
from .document import Column, Key, Members, Table, Value
from .facts import NOT_GIVEN, Facts
from .measures import GRID
from .reporter import Reporter
from .rule605 import classified
from .rule605_rows import covered_sums, detailed_of, summary_of
from .rule605_terms import (
    COMBINED_SIZE,
    DETAILED_COLUMNS,
    SIZE_CODES,
    SUMMARY_COLUMNS,
    SUMMARY_TYPES,
)

# -- Rule 605 ------------------------------------------------------------------------------------


def rule605_tables(facts: Facts, reporter: Reporter) -> list[Table]:
    """The summary, the detailed statistics, and what is not covered, month by month."""
    orders, executions = covered_orders(facts, reporter), covered_executions(facts)
    typed = classified(orders)
    summary: list[dict[str, Any]] = []
    detail: list[dict[str, Any]] = []
    for month in sorted(orders["month"].unique().to_list()):
        of_month = covered_sums(orders.filter(pl.col("month") == month), executions)
        who = (reporter.participant, reporter.entity, month)
        summary += summary_of(of_month, who)
        detail += detailed_of(of_month, who)
    return [
        _rows_table(
            "summary", "Rule 605 summary", SUMMARY_COLUMNS, summary, 6, Covered605(typed, 6)
        ),
        _rows_table(
            "detailed", "Rule 605 statistics", DETAILED_COLUMNS, detail, 7, Covered605(typed, 7)
        ),
        _coverage(typed),
    ]


class Covered605(Members):
    """Which instructions a row of a Rule 605 table is of, by the columns of its key."""

    def __init__(self, orders: pl.DataFrame, keys: int) -> None:
        self._orders = orders.filter(pl.col("covered_type").is_not_null())
        self._is_summary = keys == 6

    def instructions(self, key: Key) -> tuple[str, ...]:
        """Ids of the instructions whose orders are in the row."""
        size = pl.col("size_code")
        if self._is_summary:
            _, _, month, listed, code, kind = key
            types = [long for long, short in SUMMARY_TYPES.items() if short == kind]
            chosen = pl.col("sp500") == (listed == "Y")
        else:
            _, _, month, symbol, _, code, kind = key
            types, chosen = [kind], pl.col("symbol") == symbol
        inside = size.is_in(SIZE_CODES[:-1]) if code == COMBINED_SIZE else size == code
        rows = self._orders.filter(
            chosen & inside & (pl.col("month") == month) & pl.col("covered_type").is_in(types)
        )
        return tuple(rows["instruction_id"].drop_nulls().unique(maintain_order=True).to_list())


def _rows_table(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    keys: int,
    members: Members,
) -> Table:
    return Table(
        name,
        title,
        tuple(
            Column(column, column, "text" if n < keys else "figure", "as Rule 605 defines it")
            for n, column in enumerate(columns)
        ),
        tuple(tuple(_rounded(row[column]) for column in columns) for row in rows),
        keys=keys,
        members=members,
    )


def _coverage(orders: pl.DataFrame) -> Table:
    counted = (
        orders.with_columns(pl.col("covered_type").fill_null("not covered"))
        .group_by("covered_type")
        .agg(orders=pl.len(), shares=pl.col("quantity").sum())
        .sort("covered_type")
    )
    in_summary = [*SUMMARY_TYPES]
    rows = tuple(
        (kind, n, shares, "yes" if kind in in_summary else "no")
        for kind, n, shares in counted.iter_rows()
    )
    columns = (
        Column("covered_type", "type", "text", "code of the order type"),
        Column("orders", "orders", "count", "child orders of the type"),
        Column("shares", "shares", "shares", "their shares"),
        Column("in_summary", "in the summary", "text", "whether the summary has them"),
    )
    note = "Orders without a quote at receipt are not covered: what they were cannot be told."
    return Table("coverage", "Orders by type, and what is not covered", columns, rows, note=note)


# -- Rule 606(b)(3) ------------------------------------------------------------------------------


def rule606_tables(facts: Facts, reporter: Reporter) -> list[Table]:
    """Per customer account: the summary of what was sent, and the columns for each venue."""
    orders = facts.orders.select(
        "order_id",
        "instruction_id",
        "account",
        "month",
        "venue",
        "quantity",
        "time_in_force",
        "ended_at",
        directed=pl.lit(reporter.directed),
        further_routable=pl.lit(None, pl.Boolean),
        received_at=pl.coalesce("received_at", "placed_at"),
    )
    fills = facts.fills.select(
        "order_id",
        "at",
        "quantity",
        "price",
        "side",
        "bid",
        "ask",
        fee=pl.col("fees"),
        liquidity=pl.when(pl.col("liquidity") != NOT_GIVEN).then(pl.col("liquidity")),
    )
    rows = rule606.venue_rows(orders, fills)
    keys = rule606.KEYS
    extra = ("further_unknown", "quote_unknown", "liquidity_unknown", "fee_unknown")
    columns = (
        *(Column(key, key, "text", "group") for key in keys),
        *(
            Column(name, name.replace("_", " "), "figure", f"{ref} {about}")
            for name, ref, about in rule606.COLUMNS
        ),
        *(
            Column(name, name.replace("_", " "), "shares", "shares of which it is not known")
            for name in extra
        ),
    )
    names = [column.name for column in columns]
    by_venue = Table(
        "venues",
        "Orders by venue, Rule 606(b)(3)",
        columns,
        tuple(
            tuple(_rounded(_word(row[name]) if name == "directed" else row[name]) for name in names)
            for row in rows
        ),
        keys=len(keys),
        members=Keyed606(orders),
    )
    return [_sent(facts), by_venue]


class Keyed606(Members):
    """Which instructions a row of the venues' table is of."""

    def __init__(self, orders: pl.DataFrame) -> None:
        self._orders = orders

    def instructions(self, key: Key) -> tuple[str, ...]:
        """Ids of the instructions whose orders are in the row."""
        account, month, _, venue = key
        rows = self._orders.filter(
            (pl.col("account") == account) & (pl.col("month") == month) & (pl.col("venue") == venue)
        )
        return tuple(rows["instruction_id"].drop_nulls().unique(maintain_order=True).to_list())


def _sent(facts: Facts) -> Table:
    """What a customer sent; whether we acted as principal or showed it to others is not ours."""
    counted = (
        facts.instructions.group_by("account", "month")
        .agg(
            instructions=pl.len(),
            shares=pl.col("quantity").sum(),
            notional=pl.col("notional").sum(),
        )
        .sort("account", "month")
    )
    columns = (
        Column("account", "customer", "text", "account"),
        Column("month", "month", "text", "YYYYMM"),
        Column("instructions", "orders sent", "count", "parent orders"),
        Column("sent_shares", "shares sent", "shares", "sentShr: total shares sent"),
        Column("notional", "executed", "usd", "value executed"),
        Column("principal_shares", "as principal", "shares", "executedAsPrincipalShr: not given"),
        Column("ioi_orders", "exposed by IOI", "count", "ioiExposedOrd: not given"),
    )
    rows = tuple((*row, None, None) for row in counted.iter_rows())
    return Table(
        "sent",
        "Orders sent, by customer and month",
        columns,
        rows,
        keys=2,
        note="Fields that the broker does not give are empty.",
    )


def _word(value: Any) -> str:
    return "directed" if value else "non-directed"


def _rounded(value: Any) -> Value:
    """A figure at six places, a missing one as None."""
    if isinstance(value, Decimal):
        return value.quantize(GRID) if value.as_tuple().exponent < -6 else value  # type: ignore[operator]
    found: Value = value
    return found
