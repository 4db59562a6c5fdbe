"""What a regular and rigorous review under FINRA Rule 5310 compares, and the reviews on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import polars as pl

from .document import Column, Table
from .execution import fill_sums, group_table, order_sums
from .facts import Facts

FACTORS: Final[Mapping[str, str]] = {
    "price improvement": "price_improvement, improved_share of the comparison",
    "price disimprovement": "outside_share of the comparison",
    "likelihood of execution": "fill_rate of likelihood and speed",
    "speed of execution": "time_to_fill_ms of both",
    "size of execution": "size improvement of Rule 605's statistics",
    "transaction costs": "fees, fee_per_share of the comparison",
    "customer needs and expectations": "the reviewer's own words",
    "internalisation and payment for order flow": "the reviewer's own words",
}
"""What a regular and rigorous review compares (Rule 5310, Supplementary Material .09(b)), and where
the figures are."""


class Review(NamedTuple):
    """A review on the record; ``at`` is its position in the second stream."""

    at: int
    reviewer: str
    from_session: str
    to_session: str
    symbol: str
    order_type: str
    decision: str
    factors: str
    report: str


def finra5310_tables(facts: Facts, reviews: Sequence[Review]) -> list[Table]:
    """The comparison by security, type of order, venue and month; factors; reviews on record."""
    by = ["symbol", "order_type", "venue", "month"]
    factors = Table(
        "factors",
        "Factors of a regular and rigorous review",
        (
            Column("factor", "factor", "text", "Supplementary Material .09(b)"),
            Column("where", "where its figures are", "text", "columns of this report"),
        ),
        tuple(FACTORS.items()),
    )
    columns = tuple(
        Column(name, name.replace("_", " "), "text", "of the record") for name in Review._fields
    )
    due = _due(facts, reviews)
    return [
        group_table(
            "comparison", "Comparison by security, type, venue and month", fill_sums(facts), by
        ),
        group_table("likelihood", "Likelihood and speed", order_sums(facts), by),
        factors,
        Table(
            "reviews", "Reviews on the record", columns, tuple((str(r.at), *r[1:]) for r in reviews)
        ),
        due,
    ]


def _due(facts: Facts, reviews: Sequence[Review]) -> Table:
    """Securities and types of order of each quarter, and whether a review covers them."""
    traded = facts.orders.select(
        quarter=pl.col("session_date").str.slice(0, 4)
        + "Q"
        + ((pl.col("session_date").str.slice(5, 2).cast(pl.Int32) + 2) // 3).cast(pl.String),
        symbol="symbol",
        order_type="order_type",
        first="session_date",
    )
    grouped = traded.group_by("quarter", "symbol", "order_type").agg(
        first=pl.col("first").min(), last=pl.col("first").max()
    )
    rows = []
    for quarter, symbol, kind, first, last in grouped.sort(
        "quarter", "symbol", "order_type"
    ).iter_rows():
        by = [
            review
            for review in reviews
            if review.symbol in ("", symbol)
            and review.order_type in ("", kind)
            and review.from_session <= str(first)
            and str(last) <= review.to_session
        ]
        rows.append((quarter, symbol, kind, str(by[-1].at) if by else None))
    return Table(
        "due",
        "Quarterly, security by security and by type of order",
        (
            Column("quarter", "quarter", "text", "calendar quarter"),
            Column("symbol", "symbol", "text", "security"),
            Column("order_type", "order type", "text", "type"),
            Column("review", "reviewed in record", "text", "position of the last review, if any"),
        ),
        tuple(rows),
        keys=3,
        note="An empty review is one that is still to be done: `fillwright review`.",
    )
