"""The plots of a report's page, drawn from its tables and the captured market data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from html import escape
from math import isnan, nan, sqrt
from typing import Any, Final
from uuid import UUID

import polars as pl

from ...domain.decision import ExecutionStrategy
from ...domain.money import plain
from ...domain.strategies.pov import RATE_DEFAULT
from ...projections.best_execution.document import Report, Table
from ...projections.best_execution.execution import COST_PARTS
from ...projections.planned_schedule import PlanInForce, schedule
from ..drawing import COLOURS, HEIGHT, Frame, bars, histogram, swatches, waterfall
from .source import Source

ORDERS_DRAWN: Final = 6
"""Instructions whose fills are drawn: those of the largest value."""
GROUPS_MAX: Final = 12
"""Groups that a plot of bars has room for."""
POINTS_MAX: Final = 400
"""Quotes drawn of one instruction; more are thinned out evenly."""
NS_PER_MINUTE: Final = 60_000_000_000
GREY: Final = "#8a949e"
SCHEDULE: Final = COLOURS[2]
SCHEDULE_POINTS: Final = 300
"""Moments at which a schedule is drawn: enough to see its steps."""
BY: Final = ("by_strategy", "by_hour", "by_symbol")


def figures(source: Source, report: Report) -> Iterator[str]:
    """Every plot of a report, each with its caption; a plot without data is left out."""
    names = {table.name: table for table in report.tables}
    if report.kind == "execution":
        yield from _cost(names)
        yield from _comparisons(names)
        yield from _participation(names)
        yield from _orders(source, names["instructions"])
    elif report.kind == "best-execution":
        yield from _spreads(names)
    if report.kind in ("execution", "limits"):
        yield from _limits(names["limits"])


def _figure(name: str, caption: str, drawing: str) -> str:
    return (
        f"<figure data-plot='{name}'><figcaption>{escape(caption)}</figcaption>{drawing}</figure>"
    )


def _column(table: Table, name: str) -> list[float | None]:
    place = table.place(name)
    return [None if row[place] is None else float(str(row[place])) for row in table.rows]


def _cost(names: dict[str, Table]) -> Iterator[str]:
    totals, parents = names["totals"], names["instructions"]
    parts = [(title, _column(totals, f"{name}_bps")[0]) for name, title in COST_PARTS]
    known = [(title, value) for title, value in parts if value]
    if known:
        title = "Cost waterfall, bps of the paper value"
        yield _figure("waterfall", title, waterfall(title, known, "shortfall"))
    values = [value for value in _column(parents, "shortfall_bps") if value is not None]
    if values:
        title = f"Shortfall of {len(values)} instructions"
        yield _figure("distribution", title, histogram(title, values, "bps"))


def _comparisons(names: dict[str, Table]) -> Iterator[str]:
    for name in BY:
        table, left = _largest(names[name])
        series = {
            "shortfall": _drawn(table, "shortfall_bps"),
            "vs arrival": _drawn(table, "slippage_arrival_bps"),
            "vs VWAP": _drawn(table, "slippage_vwap_bps"),
        }
        yield from _bars(name, f"Cost {table.title.lower()}, bps{left}", table, series)


def _participation(names: dict[str, Table]) -> Iterator[str]:
    table = names["by_hour"]
    title = "Participation by hour of arrival, % of market volume"
    series = {"participation": [share * 100 for share in _drawn(table, "participation")]}
    yield from _bars("participation", title, table, series)


def _spreads(names: dict[str, Table]) -> Iterator[str]:
    for name in ("by_venue", "by_order_type", "by_hour"):
        table, left = _largest(names[name])
        series = {
            title: _drawn(table, column)
            for title, column in (
                ("quoted", "quoted_spread_bps"),
                ("effective", "effective_spread_bps"),
                ("realised 1 min", "realised_1min_bps"),
            )
        }
        yield from _bars(name, f"Spreads {table.title.lower()}, bps{left}", table, series)


def _drawn(table: Table, name: str) -> list[float]:
    """A column's figures for a plot: NaN, which is not drawn, where one is not known."""
    return [nan if value is None else value for value in _column(table, name)]


def _largest(table: Table) -> tuple[Table, str]:
    """As many groups as there is room for, those of the largest value, and what was left out."""
    if len(table.rows) <= GROUPS_MAX:
        return table, ""
    place = table.place("notional")
    ranked = sorted(table.rows, key=lambda row: -float(str(row[place] or 0)))[:GROUPS_MAX]
    kept = tuple(row for row in table.rows if row in ranked)
    return replace(table, rows=kept), f", the {GROUPS_MAX} of the largest value"


def _bars(name: str, title: str, table: Table, series: dict[str, list[float]]) -> Iterator[str]:
    """A plot by the groups of a table; none where nothing is known."""
    if all(isnan(value) for values in series.values() for value in values):
        return
    groups = [", ".join(map(str, row[: table.keys])) for row in table.rows]
    none = {each: [0.0] * len(values) for each, values in series.items()}
    yield _figure(name.replace("_", "-"), title, bars(title, groups, series, none))


def _limits(table: Table) -> Iterator[str]:
    """What was used of each limit in the last session that has limits."""
    last = max((str(row[1]) for row in table.rows), default="")
    table = replace(table, rows=tuple(row for row in table.rows if row[1] == last))
    accounts = {row[0] for row in table.rows}
    used = [share * 100 for share in _drawn(table, "fraction")]
    groups = [str(row[2]) if len(accounts) == 1 else f"{row[0]}: {row[2]}" for row in table.rows]
    if all(isnan(value) for value in used):
        return
    title = f"Limits used in the session of {last}, %"
    none = {"used": [0.0] * len(used[:GROUPS_MAX])}
    drawing = bars(title, groups[:GROUPS_MAX], {"used": used[:GROUPS_MAX]}, none)
    yield _figure("limits", title, drawing)


# -- fills over price ----------------------------------------------------------------------------


def _orders(source: Source, table: Table) -> Iterator[str]:
    place = table.place("notional")
    largest = sorted(
        (row for row in table.rows if row[place]),
        key=lambda row: (-float(str(row[place])), str(row[0])),
    )
    for row in largest[:ORDERS_DRAWN]:
        yield from _order(source, str(row[0]))


def _order(source: Source, id: str) -> Iterator[str]:
    tables = source.logged.tables
    parent = tables.instructions.filter(pl.col("instruction_id") == id).row(0, named=True)
    fills = tables.fills.filter(pl.col("instruction_id") == id).sort("at", "fill_id")
    start = parent["release_at"] or parent["arrival_at"]
    ends = [at for at in (parent["planned_end_at"], parent["end_at"]) if at is not None]
    if start is None or not ends or not fills.height:
        return
    span = max(max(ends) - start, 1)
    side = "Buy" if parent["side"] > 0 else "Sell"
    what = f"{side} {plain(parent['quantity'])} {parent['symbol']}, {parent['strategy']}"
    counted = "1 fill" if len(fills) == 1 else f"{len(fills)} fills"
    title = f"{what}: {counted} over bid and ask"
    above = _price(tables.quotes, parent, fills, start, span)
    planned = _planned(source, parent, start, span)
    below = _schedule(parent, fills, planned, start, span)
    for frame in (above, below):
        frame.text(frame.x(0), frame.height - 10, "release", "start")
        frame.text(frame.x(1), frame.height - 10, f"+{span / NS_PER_MINUTE:.0f} min", "end")
    against = "and its schedule" if planned else "which has no schedule in time"
    drawing = above.svg(title) + below.svg(f"{title}: share executed, {against}")
    drawing += swatches(
        ("bid and ask", GREY, "line"),
        ("fills that added liquidity", COLOURS[0], "ring"),
        ("other fills", COLOURS[1], "dot"),
        ("share executed", COLOURS[1], "line"),
        *([("share that the plan had due", SCHEDULE, "dashed")] if planned else []),
        ("planned end", GREY, "dashed"),
    )
    caption = f"{title}. Above: price in the market and of each fill, its area by shares; below: "
    caption += f"share of the quantity executed, {against}."
    yield _figure("fills", caption, f"<div id='plot-{id}'>{drawing}</div>")


def _price(
    quotes: pl.DataFrame | None, parent: dict[str, Any], fills: pl.DataFrame, start: int, span: int
) -> Frame:
    path: list[tuple[float, float, float]] = []
    if quotes is not None:
        inside = quotes.filter(
            (pl.col("symbol") == parent["symbol"])
            & pl.col("at").is_between(start, start + span)
            & (pl.col("bid") > 0)
            & (pl.col("ask") >= pl.col("bid"))
        )
        inside = inside.gather_every(max(1, inside.height // POINTS_MAX))
        path = [
            ((at - start) / span, float(bid), float(ask))
            for at, bid, ask in inside.select("at", "bid", "ask").iter_rows()
        ]
    prices = [price for _, bid, ask in path for price in (bid, ask)]
    prices += [float(price) for price in fills["price"].drop_nulls()]
    frame = Frame(min(prices, default=0.0), max(prices, default=1.0))
    frame.path([(x, bid) for x, bid, _ in path], GREY, "thin")
    frame.path([(x, ask) for x, _, ask in path], GREY, "thin")
    largest = float(fills["quantity"].max() or 1)  # type: ignore[arg-type]
    for at, quantity, price, liquidity in fills.select(
        "at", "quantity", "price", "liquidity"
    ).iter_rows():
        if price is None:
            continue
        added = liquidity == "added"
        radius = 2 + 4 * sqrt(float(quantity) / largest)
        x = min(max((at - start) / span, 0.0), 1.0)
        frame.dot(x, float(price), COLOURS[0] if added else COLOURS[1], radius, hollow=added)
    return frame


def _planned(
    source: Source, parent: dict[str, Any], start: int, span: int
) -> list[tuple[float, float]]:
    """(share of the span, share of the quantity) as its plans had it; empty without a schedule."""
    plans = source.book.plans(UUID(parent["instruction_id"]))
    times = [start + span * n // SCHEDULE_POINTS for n in range(SCHEDULE_POINTS + 1)]
    opens, closes = _session_of(source, parent)
    whole = float(parent["quantity"])
    due = schedule(plans, times, opens, closes) or _by_volume(source, plans, parent, times)
    return [((at - start) / span, float(shares) / whole) for at, shares in due]


def _session_of(source: Source, parent: dict[str, Any]) -> tuple[int, int]:
    sessions = source.logged.tables.sessions
    if sessions is None:
        return 0, 0
    of = (pl.col("symbol") == parent["symbol"]) & (pl.col("session_date") == parent["session_date"])
    for opens, closes in sessions.filter(of).select("open_at", "close_at").iter_rows():
        return opens or 0, closes or 0
    return 0, 0


def _by_volume(
    source: Source, plans: Sequence[PlanInForce], parent: dict[str, Any], times: Sequence[int]
) -> list[tuple[int, Decimal]]:
    """What a participation plan had due: its rate of the regular prints that were captured."""
    plan, prints = plans[0].plan if plans else None, source.logged.tables.prints
    if plan is None or plan.strategy is not ExecutionStrategy.POV or prints is None:
        return []
    inside = prints.filter(
        (pl.col("symbol") == parent["symbol"])
        & pl.col("regular").fill_null(True)
        & pl.col("at").is_between(times[0], times[-1], closed="right")
    ).sort("at")
    volume = inside["size"].cum_sum()
    rate = plan.participation_cap or RATE_DEFAULT
    rows = inside["at"].search_sorted(pl.Series(times, dtype=pl.Int64), side="right")
    return [
        (at, min(rate * volume[row - 1] if row else Decimal(0), plan.quantity))
        for at, row in zip(times, rows.to_list(), strict=True)
    ]


def _schedule(
    parent: dict[str, Any],
    fills: pl.DataFrame,
    planned: Sequence[tuple[float, float]],
    start: int,
    span: int,
) -> Frame:
    frame = Frame(0, 1, height=HEIGHT * 2 // 3)
    ends = parent["planned_end_at"]
    if ends is not None:
        frame.upright(min(max((ends - start) / span, 0.0), 1.0), GREY)
    if planned:
        frame.path(planned, SCHEDULE, "dashed")
    done, steps = 0.0, [(0.0, 0.0)]
    for at, quantity in fills.select("at", "quantity").iter_rows():
        x = min(max((at - start) / span, 0.0), 1.0)
        steps.append((x, done))
        done += float(quantity) / float(parent["quantity"])
        steps.append((x, done))
    frame.path([*steps, (1.0, done)], COLOURS[1])
    return frame
