"""The plots of a report's page, drawn from its tables and the captured market data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import sqrt
from typing import Any, Final

import polars as pl

from ...domain.money import plain
from ...projections.best_execution.document import Report, Table
from ...projections.best_execution.execution import COST_PARTS
from ..drawing import COLOURS, HEIGHT, Frame, bars, histogram, waterfall
from .source import Source

ORDERS_DRAWN: Final = 6
"""Instructions whose fills are drawn: those of the largest value."""
POINTS_MAX: Final = 400
"""Quotes drawn of one instruction; more are thinned out evenly."""
NS_PER_MINUTE: Final = 60_000_000_000
GREY: Final = "#8a949e"
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
        f"<figure data-plot='{name}'>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _column(table: Table, name: str) -> list[float | None]:
    place = table.place(name)
    return [None if row[place] is None else float(str(row[place])) for row in table.rows]


def _cost(names: dict[str, Table]) -> Iterator[str]:
    totals, parents = names["totals"], names["instructions"]
    parts = [(title, _column(totals, f"{name}_bps")[0]) for name, title in COST_PARTS]
    known = [(title, value) for title, value in parts if value is not None]
    if known:
        title = "Cost waterfall, bps of the paper value"
        yield _figure("waterfall", title, waterfall(title, known, "shortfall"))
    values = [value for value in _column(parents, "shortfall_bps") if value is not None]
    if values:
        title = f"Shortfall of {len(values)} instructions"
        yield _figure("distribution", title, histogram(title, values, "bps"))


def _comparisons(names: dict[str, Table]) -> Iterator[str]:
    for name in BY:
        table = names[name]
        groups = [str(row[0]) for row in table.rows]
        series = {
            "shortfall": [value or 0.0 for value in _column(table, "shortfall_bps")],
            "vs arrival": [value or 0.0 for value in _column(table, "slippage_arrival_bps")],
            "vs VWAP": [value or 0.0 for value in _column(table, "slippage_vwap_bps")],
        }
        if groups:
            title = f"Cost {table.title.lower()}, bps"
            yield _figure(name.replace("_", "-"), title, _bars(title, groups, series))


def _participation(names: dict[str, Table]) -> Iterator[str]:
    table = names["by_hour"]
    shares = _column(table, "participation")
    groups = [str(row[0]) for row in table.rows]
    if any(share is not None for share in shares):
        title = "Participation by hour of arrival, % of market volume"
        series = {"participation": [(share or 0.0) * 100 for share in shares]}
        yield _figure("participation", title, _bars(title, groups, series))


def _spreads(names: dict[str, Table]) -> Iterator[str]:
    for name in ("by_venue", "by_order_type", "by_hour"):
        table = names[name]
        groups = [str(row[0]) for row in table.rows]
        series = {
            title: [value or 0.0 for value in _column(table, column)]
            for title, column in (
                ("quoted", "quoted_spread_bps"),
                ("effective", "effective_spread_bps"),
                ("realised 1 min", "realised_1min_bps"),
            )
        }
        if groups:
            title = f"Spreads {table.title.lower()}, bps"
            yield _figure(name.replace("_", "-"), title, _bars(title, groups, series))


def _bars(title: str, groups: Sequence[str], series: dict[str, list[float]]) -> str:
    none = {name: [0.0] * len(values) for name, values in series.items()}
    return bars(title, groups, series, none)


def _limits(table: Table) -> Iterator[str]:
    shares = _column(table, "fraction")
    if not any(share is not None for share in shares):
        return
    groups = [f"{row[1]} {row[2]}" for row in table.rows]
    title = "Limits used, %"
    # The latest sessions are what there is room for.
    used = [(share or 0.0) * 100 for share in shares]
    yield _figure("limits", title, _bars(title, groups[-8:], {"used": used[-8:]}))


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
    title = f"{what}: {len(fills)} fills over bid and ask"
    above = _price(tables.quotes, parent, fills, start, span)
    below = _schedule(parent, fills, start, span)
    for frame in (above, below):
        frame.text(frame.x(0), frame.height - 10, "release", "start")
        frame.text(frame.x(1), frame.height - 10, f"+{span / NS_PER_MINUTE:.0f} min", "end")
    drawing = above.svg(title) + below.svg(f"{title}: share executed, and a straight schedule")
    caption = (
        f"{title}. Grey: bid and ask, and a straight line to the planned end; blue rings: fills "
        "that added liquidity; orange: others, and the share executed."
    )
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


def _schedule(parent: dict[str, Any], fills: pl.DataFrame, start: int, span: int) -> Frame:
    frame = Frame(0, 1, height=HEIGHT * 2 // 3)
    planned = parent["planned_end_at"]
    if planned is not None:
        frame.path([(0, 0), (min((planned - start) / span, 1.0), 1)], GREY, "thin")
    done, steps = 0.0, [(0.0, 0.0)]
    for at, quantity in fills.select("at", "quantity").iter_rows():
        x = min(max((at - start) / span, 0.0), 1.0)
        steps.append((x, done))
        done += float(quantity) / float(parent["quantity"])
        steps.append((x, done))
    frame.path([*steps, (1.0, done)], COLOURS[1])
    return frame
