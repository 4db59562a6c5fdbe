"""The execution and the best-execution report: what trading cost, looked at in every way."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import polars as pl

from ...domain.money import BPS
from ..tca.schema import HORIZONS_NS
from .document import Column, Key, Table, Value
from .facts import Facts, FrameMembers, RowMembers
from .measures import GRID, How, Measure, Sums

ROWS_MAX: Final = 5_000
"""Rows of single instructions in a report; what is beyond is said, and is in the groups."""
OUTLIERS_MAX: Final = 20

COST_PARTS: Final = (
    ("delay_cost", "delay"),
    ("spread_cost", "spread"),
    ("impact_cost", "impact"),
    ("timing_apart_cost", "timing"),
    ("halt_cost", "halts"),
    ("opportunity_apart_cost", "opportunity"),
    ("fees", "fees"),
    ("unsplit_cost", "not told apart"),
)
"""Wagner's parts of the shortfall, those of halts told apart; with what the data do not tell apart
they add up to it, in every row."""

INSTRUCTION_MEASURES: Final = (
    Measure("instructions", "instructions", "count", How.ROWS),
    Measure("ordered", "ordered", "shares", How.SUM, "quantity"),
    Measure("executed", "executed", "shares", How.SUM, "executed"),
    Measure("completion", "completion", "ratio", How.RATIO, "executed", "quantity"),
    Measure("notional", "notional", "usd", How.SUM, "notional"),
    Measure("shortfall", "shortfall", "usd", How.SUM, "shortfall"),
    Measure("shortfall_known", "with shortfall", "count", How.KNOWN, "shortfall"),
    Measure("shortfall_bps", "shortfall", "bps", How.RATIO, "shortfall", "paper_value", BPS),
    *(
        Measure(f"{name}_bps", title, "bps", How.RATIO, f"split_{name}", "paper_value", BPS)
        for name, title in COST_PARTS
    ),
    *(Measure(f"{name}_usd", title, "usd", How.SUM, f"split_{name}") for name, title in COST_PARTS),
    Measure(
        "slippage_arrival_bps", "vs arrival", "bps", How.MEAN, "slippage_arrival_bps", "notional"
    ),
    Measure("slippage_vwap_bps", "vs VWAP", "bps", How.MEAN, "slippage_vwap_bps", "notional"),
    Measure("slippage_twap_bps", "vs TWAP", "bps", How.MEAN, "slippage_twap_bps", "notional"),
    Measure("slippage_close_bps", "vs close", "bps", How.MEAN, "slippage_close_bps", "notional"),
    Measure("arrival_known", "with arrival", "count", How.KNOWN, "slippage_arrival_bps"),
    Measure("participation", "participation", "ratio", How.RATIO, "executed", "market_volume"),
    Measure("participation_known", "with volume", "count", How.KNOWN, "market_volume"),
    Measure("time_to_fill_ms", "time to fill", "ms", How.MEAN, "time_to_fill_ms", "executed"),
    Measure("fees", "all fees", "usd", How.SUM, "fees"),
    Measure("fees_above_expected", "fees above estimate", "usd", How.SUM, "fees_above_expected"),
    Measure("expected_fees_known", "with estimated fees", "count", How.KNOWN, "expected_fees"),
    Measure("added_value_bps", "added value", "bps", How.MEAN, "added_value_bps", "notional"),
)

FILL_MEASURES: Final = (
    Measure("fills", "fills", "count", How.ROWS),
    Measure("shares", "shares", "shares", How.SUM, "quantity"),
    Measure("notional", "notional", "usd", How.SUM, "notional"),
    Measure("fees", "fees", "usd", How.SUM, "fees"),
    Measure("fee_per_share", "fee", "usd/share", How.RATIO, "fees", "quantity"),
    Measure("quoted_spread_bps", "quoted", "bps", How.MEAN, "quoted_spread_bps", "quantity"),
    Measure(
        "effective_spread_bps", "effective", "bps", How.MEAN, "effective_spread_bps", "quantity"
    ),
    Measure("effective_known", "with a quote", "count", How.KNOWN, "effective_spread_bps"),
    Measure("e_over_q", "E/Q", "ratio", How.RATIO, "effective_x", "quoted_x"),
    Measure("price_improvement", "price improvement", "usd", How.SUM, "price_improvement"),
    Measure("improved_share", "improved", "ratio", How.RATIO, "improved", "quantity"),
    Measure("inside_share", "inside the quote", "ratio", How.RATIO, "inside_shares", "quantity"),
    Measure("at_share", "at the quote", "ratio", How.RATIO, "at_shares", "quantity"),
    Measure("outside_share", "outside the quote", "ratio", How.RATIO, "outside_shares", "quantity"),
    *(
        Measure(
            f"realised_{name}_bps",
            f"realised {name}",
            "bps",
            How.MEAN,
            f"realised_spread_{name}_bps",
            "quantity",
        )
        for name in HORIZONS_NS
    ),
    *(
        Measure(
            f"markout_{name}_bps",
            f"mark-out {name}",
            "bps",
            How.MEAN,
            f"markout_{name}_bps",
            "notional",
        )
        for name in HORIZONS_NS
    ),
    Measure("time_to_fill_ms", "time to fill", "ms", How.MEAN, "time_to_fill_ms", "quantity"),
    Measure("added_share", "added liquidity", "ratio", How.RATIO, "added", "quantity"),
)

ORDER_MEASURES: Final = (
    Measure("orders", "orders", "count", How.ROWS),
    Measure("ordered", "routed", "shares", How.SUM, "quantity"),
    Measure("executed", "executed", "shares", How.SUM, "executed"),
    Measure("fill_rate", "fill rate", "ratio", How.RATIO, "executed", "quantity"),
    Measure("time_to_fill_ms", "time to fill", "ms", How.MEAN, "time_to_fill_ms", "executed"),
    Measure("queue_ms", "queue", "ms", How.MEAN, "queue_ms", "added_shares"),
    Measure("open_ms", "open", "ms", How.MEAN, "open_ms", "quantity"),
    Measure("slippage_limit_bps", "vs limit", "bps", How.MEAN, "slippage_limit_bps", "notional"),
    Measure("e_over_q_known", "with E/Q", "count", How.KNOWN, "e_over_q"),
)

KEY_TITLES: Final = {
    "strategy": "strategy",
    "symbol": "symbol",
    "account": "account",
    "session_date": "session",
    "size": "order value from",
    "hour": "hour",
    "venue": "venue",
    "order_type": "order type",
    "liquidity": "liquidity",
    "side_name": "side",
    "month": "month",
    "currency": "currency",
}


INSTRUCTION_KEYS: Final = (
    "strategy",
    "symbol",
    "account",
    "session_date",
    "size",
    "hour",
    "side_name",
)
FILL_KEYS: Final = ("symbol", "order_type", "venue", "month", "liquidity", "hour", "size")
ORDER_KEYS: Final = ("symbol", "order_type", "venue", "month")


def instruction_sums(facts: Facts) -> Sums:
    """What tables over instructions are added up from."""
    return Sums(facts.instructions, INSTRUCTION_KEYS, INSTRUCTION_MEASURES)


def fill_sums(facts: Facts) -> Sums:
    """What tables over fills are added up from."""
    return Sums(facts.fills, FILL_KEYS, FILL_MEASURES)


def order_sums(facts: Facts) -> Sums:
    """What tables over child orders are added up from."""
    return Sums(facts.orders, ORDER_KEYS, ORDER_MEASURES)


def group_table(name: str, title: str, sums: Sums, by: Sequence[str], note: str = "") -> Table:
    """A table of figures by group; in several currencies, money is never added across them."""
    if "currency" in sums.keys:
        by = [*by, "currency"]
    columns = [Column(key, KEY_TITLES[key], "text", "group") for key in by]
    return Table(
        name,
        title,
        (*columns, *(measure.column for measure in sums.measures)),
        tuple(sums.by(by)),
        keys=len(by),
        note=note,
        members=FrameMembers(sums.frame, by, sums.measures),
    )


def execution_tables(facts: Facts) -> list[Table]:
    """Totals, every way of grouping, phases, single instructions and the dearest of them."""
    parents, fills = instruction_sums(facts), fill_sums(facts)
    found = [group_table("totals", "Totals", parents, ())]
    for key in INSTRUCTION_KEYS:
        found.append(group_table(f"by_{_short(key)}", f"By {KEY_TITLES[key]}", parents, [key]))
    for key in ("venue", "order_type", "liquidity", "hour"):
        found.append(group_table(f"fills_by_{key}", f"Fills by {KEY_TITLES[key]}", fills, [key]))
    orders = order_sums(facts)
    found.append(group_table("orders_by_type", "Orders by type", orders, ["order_type"]))
    found += [phases_table(facts), instructions_table(facts), outliers_table(facts)]
    return found


def best_execution_tables(facts: Facts) -> list[Table]:
    """Results per symbol, order type, venue and month, by venue and size, and fill rates."""
    fills = fill_sums(facts)
    finest = ("symbol", "order_type", "venue", "month")
    return [
        group_table("totals", "All fills", fills, ()),
        group_table("by_symbol", "By symbol, order type, venue and month", fills, finest),
        group_table("by_venue", "By venue", fills, ["venue"]),
        group_table("by_venue_size", "By venue and order size", fills, ["venue", "size"]),
        group_table("by_order_type", "By order type", fills, ["order_type"]),
        group_table("by_hour", "By hour", fills, ["hour"]),
        group_table("fill_rates", "Likelihood and speed of execution", order_sums(facts), finest),
        group_table("by_strategy", "Cost by strategy", instruction_sums(facts), ["strategy"]),
    ]


def _short(key: str) -> str:
    return {"session_date": "session", "side_name": "side"}.get(key, key)


_SHOWN: Final = (
    ("symbol", "symbol", "text"),
    ("side_name", "side", "text"),
    ("account", "account", "text"),
    ("strategy", "strategy", "text"),
    ("session_date", "session", "text"),
    ("state", "state", "text"),
    ("quantity", "ordered", "shares"),
    ("executed", "executed", "shares"),
    ("average_price", "average price", "usd/share"),
    ("arrival_price", "arrival", "usd/share"),
    ("notional", "notional", "usd"),
    ("shortfall", "shortfall", "usd"),
    ("shortfall_bps", "shortfall", "bps"),
    *((f"{name}_bps", title, "bps") for name, title in COST_PARTS),
    ("slippage_arrival_bps", "vs arrival", "bps"),
    ("slippage_vwap_bps", "vs VWAP", "bps"),
    ("slippage_twap_bps", "vs TWAP", "bps"),
    ("participation", "participation", "ratio"),
    ("fill_rate", "fill rate", "ratio"),
    ("time_to_fill_ms", "time to fill", "ms"),
    ("fees", "fees", "usd"),
    ("expected_fees", "expected fees", "usd"),
    ("fills", "fills", "count"),
    ("fills_without_quote", "fills without quote", "count"),
    ("feed", "feed", "text"),
)


def instructions_table(facts: Facts) -> Table:
    """One row for each instruction, in order of their first event."""
    frame = facts.instructions.sort("first_position", "instruction_id", nulls_last=True)
    note = ""
    if frame.height > ROWS_MAX:
        note = f"the first {ROWS_MAX} of {frame.height}; the groups have all"
    return _listed("instructions", "Instructions", frame.head(ROWS_MAX), note)


def outliers_table(facts: Facts) -> Table:
    """The instructions whose shortfall in bps is furthest from nothing, dearest first."""
    frame = facts.instructions.filter(pl.col("shortfall_bps").is_not_null())
    frame = frame.with_columns(_far=pl.col("shortfall_bps").abs())
    frame = frame.sort("_far", "instruction_id", descending=[True, False]).head(OUTLIERS_MAX)
    return _listed("outliers", "Furthest from the arrival price", frame, "")


def _listed(name: str, title: str, frame: pl.DataFrame, note: str) -> Table:
    columns = (
        Column("instruction_id", "instruction", "text", "id of the parent order"),
        *(Column(key, title, unit, "of cost analysis") for key, title, unit in _SHOWN),
    )
    picked = frame.select("instruction_id", *(key for key, _, _ in _SHOWN))
    rows = tuple(tuple(_value(value) for value in row) for row in picked.iter_rows())
    ids: dict[Key, Key] = {(str(row[0]),): (str(row[0]),) for row in rows}
    return Table(name, title, columns, rows, keys=1, note=note, members=RowMembers(ids))


def phases_table(facts: Facts) -> Table:
    """Cost by phase of instructions whose strategy was switched."""
    switched = facts.phases.filter(pl.col("phase").max().over("instruction_id") > 0)
    shown = (
        ("phase", "phase", "text"),
        ("strategy", "strategy", "text"),
        ("rule", "why", "text"),
        ("executed", "executed", "shares"),
        ("average_price", "average price", "usd/share"),
        ("trading_cost", "trading cost", "usd"),
        ("trading_cost_bps", "trading cost", "bps"),
        ("slippage_start_bps", "vs its start", "bps"),
    )
    frame = switched.sort("instruction_id", "phase").head(ROWS_MAX)
    picked = frame.select("instruction_id", *(key for key, _, _ in shown))
    rows = tuple(
        (str(row[0]), str(row[1]), *(_value(value) for value in row[2:]))
        for row in picked.iter_rows()
    )
    columns = (
        Column("instruction_id", "instruction", "text", "id of the parent order"),
        *(Column(key, title, unit, "of cost analysis") for key, title, unit in shown),
    )
    ids: dict[Key, Key] = {(str(row[0]), str(row[1])): (str(row[0]),) for row in rows}
    title = "Cost by phase of a switched strategy"
    return Table("phases", title, columns, rows, keys=2, members=RowMembers(ids))


def _value(value: Any) -> Value:
    """A cell; floats are rounded as every figure of a report is."""
    if isinstance(value, float):
        return Decimal(value).quantize(GRID) if value == value else None
    found: Value = value
    return found
