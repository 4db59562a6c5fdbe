"""What reports are told from: the results of cost analysis with the keys that reports group by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from ..tca.analysis import Analysis
from ..tca.results import SPLIT
from ..tca.schema import HORIZONS_NS
from ..tca.tables import MONEY, Tables
from .document import ALL, Key, Members, Value
from .measures import EXACT, Measure
from .rule605 import size_code_of

NOT_GIVEN: Final = "not given"
"""The group of rows whose key is not known."""
TIME_ZONE: Final = "America/New_York"
"""Where hours and months of a report are those of the exchange."""


FILL_COLUMNS: Final = (
    "fill_id",
    "order_id",
    "instruction_id",
    "symbol",
    "side",
    "currency",
    "account",
    "strategy",
    "session_date",
    "at",
    "quantity",
    "price",
    "notional",
    "fees",
    "liquidity",
    "venue",
    "order_type",
    "bid",
    "ask",
    "place",
    "time_to_fill_ms",
    "quoted_spread",
    "quoted_spread_bps",
    "effective_spread",
    "effective_spread_bps",
    "price_improvement",
    *(f"realised_spread_{name}" for name in HORIZONS_NS),
    *(f"realised_spread_{name}_bps" for name in HORIZONS_NS),
    *(f"markout_{name}_bps" for name in HORIZONS_NS),
)
"""What reports need of every fill; a month has a million."""
ORDER_COLUMNS: Final = (
    "order_id",
    "instruction_id",
    "symbol",
    "side",
    "currency",
    "account",
    "strategy",
    "session_date",
    "quantity",
    "order_type",
    "time_in_force",
    "limit_price",
    "stop_price",
    "venue",
    "placed_at",
    "received_at",
    "ended_at",
    "open_ms",
    "executed",
    "notional",
    "average_price",
    "time_to_fill_ms",
    "queue_ms",
    "added_shares",
    "slippage_limit_bps",
    "e_over_q",
)
"""What reports need of every child order."""
KEPT: Final = {"orders": ORDER_COLUMNS, "fills": FILL_COLUMNS}
"""What cost analysis is to keep when reports are all that is made of it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Tables that went into cost analysis, and its results with grouping keys.

    Made by :func:`facts_of`; ``keys`` are those columns.
    """

    tables: Tables
    instructions: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    phases: pl.DataFrame
    problems: pl.DataFrame
    sessions: tuple[str, ...] = field(default=())


def facts_of(
    tables: Tables, analysis: Analysis, *, route: str = NOT_GIVEN, time_zone: str = TIME_ZONE
) -> Facts:
    """The facts, with ``hour`` (of arrival, receipt or execution), ``month`` and ``size``.

    ``size`` is the bucket of the order's value in USD (that of Rule 605): of an instruction at its
    decision price, of a child order at its average price or else its limit.

    Args:
        tables: what went into the analysis.
        analysis: its results.
        route: where orders went whose own venue is not known, such as the broker.
        time_zone: the exchange's, for hours.
    """
    instructions = analysis.instructions.with_columns(
        **_keys("arrival_at", time_zone),
        size=size_code_of(pl.col("paper_value")).fill_null(NOT_GIVEN),
        month=_month(),
        side_name=_side(),
        **_split(),
    )
    orders = analysis.orders.select(ORDER_COLUMNS).with_columns(
        **_keys("received_at", time_zone),
        size=size_code_of(
            pl.col("quantity") * pl.coalesce("average_price", "limit_price")
        ).fill_null(NOT_GIVEN),
        month=_month(),
        side_name=_side(),
        venue=pl.col("venue").fill_null(route),
    )
    fills = (
        analysis.fills.select(FILL_COLUMNS)
        .join(
            orders.select("order_id", "size", route="venue"),
            on="order_id",
            how="left",
            maintain_order="left",
        )
        .with_columns(
            **_keys("at", time_zone),
            month=_month(),
            side_name=_side(),
            venue=pl.coalesce("venue", "route"),
            size=pl.col("size").fill_null(NOT_GIVEN),
            **_products(),
        )
    )
    named = ("venue", "order_type", "strategy", "account", "liquidity", "symbol", "session_date")
    frames = [
        frame.with_columns(
            pl.col(name).fill_null(NOT_GIVEN) for name in named if name in frame.columns
        )
        for frame in (instructions, orders, fills)
    ]
    days = instructions["session_date"].drop_nulls().unique().sort().to_list()
    return Facts(
        tables, frames[0], frames[1], frames[2], analysis.phases, analysis.problems, tuple(days)
    )


def _keys(at: str, time_zone: str) -> dict[str, pl.Expr]:
    local = pl.from_epoch(pl.col(at), time_unit="ns").dt.replace_time_zone("UTC")
    hour = local.dt.convert_time_zone(time_zone).dt.strftime("%H:00")
    return {"hour": hour.fill_null(NOT_GIVEN)}


def _month() -> pl.Expr:
    return pl.col("session_date").str.slice(0, 7).str.replace("-", "").fill_null(NOT_GIVEN)


def _side() -> pl.Expr:
    return pl.when(pl.col("side") > 0).then(pl.lit("buy")).otherwise(pl.lit("sell"))


def _split() -> dict[str, pl.Expr]:
    """Parts of the shortfall as they are added up over instructions that have one.

    A part that is not known adds nothing: it is in ``unsplit_cost``.
    """
    known = pl.col("shortfall").is_not_null()
    return {
        f"split_{name}": pl.when(known).then(pl.col(name).fill_null(pl.lit(0).cast(MONEY)))
        for name in (*SPLIT, "unsplit_cost")
    }


def _products() -> dict[str, pl.Expr]:
    """What is summed over fills: prices times shares, and shares by where they executed."""
    q = pl.col("quantity").cast(EXACT)
    effective, quoted = pl.col("effective_spread"), pl.col("quoted_spread")
    found = {
        "effective_x": effective.cast(EXACT) * q,
        "quoted_x": pl.when(effective.is_not_null()).then(quoted.cast(EXACT) * q),
        "improved": _shares_if(pl.col("price_improvement") > 0, pl.col("price_improvement")),
        "added": _shares_if(pl.col("liquidity") == "added", pl.col("liquidity")),
    }
    for place in ("inside", "at", "outside"):
        found[f"{place}_shares"] = _shares_if(pl.col("place") == place, pl.col("place"))
    return found


def _shares_if(is_so: pl.Expr, known: pl.Expr) -> pl.Expr:
    """Shares where something is so: none where it is not, null where it is not known."""
    nothing = pl.when(known.is_not_null()).then(pl.lit(0).cast(EXACT))
    return pl.when(is_so).then(pl.col("quantity").cast(EXACT)).otherwise(nothing)


class FrameMembers(Members):
    """Rows of a frame by group, with the instructions they are of."""

    def __init__(self, frame: pl.DataFrame, by: Sequence[str], measures: Sequence[Measure]) -> None:
        self._frame = frame
        self._by = tuple(by)
        self._measures = {measure.name: measure for measure in measures}

    def rows(self, key: Key) -> pl.DataFrame:
        """The rows of a group."""
        if key == (ALL,) and not self._by:
            return self._frame
        matches = [
            pl.col(name).cast(pl.String) == value
            for name, value in zip(self._by, key, strict=False)
        ]
        return self._frame.filter(pl.all_horizontal(matches))

    def instructions(self, key: Key) -> tuple[str, ...]:
        """Ids of the instructions of a group."""
        ids = self.rows(key)["instruction_id"].unique(maintain_order=True)
        return tuple(ids.drop_nulls().to_list())

    def contributions(self, key: Key, column: str) -> list[dict[str, Any]]:
        """The rows behind a figure: their names, and what of them goes in."""
        measure = self._measures.get(column)
        rows = self.rows(key)
        names = [n for n in ("fill_id", "order_id", "instruction_id") if n in rows.columns]
        wanted = [*names, *(n for n in (measure.over, measure.under) if n)] if measure else names
        return rows.select(list(dict.fromkeys(wanted))).to_dicts()

    def computed(self, key: Key, column: str) -> Value:
        """The figure once more, row by row in plain decimals."""
        return self._measures[column].of_rows(self.rows(key).to_dicts())

    def has(self, column: str) -> bool:
        """Whether a column is a figure over rows, not a part of the key."""
        return column in self._measures


class RowMembers(Members):
    """Rows that are each of one instruction, named by a column of the row's key."""

    def __init__(self, ids: Mapping[Key, tuple[str, ...]]) -> None:
        self._ids = ids

    def instructions(self, key: Key) -> tuple[str, ...]:
        """The instructions of a row."""
        return self._ids.get(key, ())
