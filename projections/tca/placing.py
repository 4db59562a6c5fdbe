"""Instructions placed in their session and market: times, official figures, prices, windows."""

from __future__ import annotations

import numpy as np
import polars as pl

from .market import DAY_NS, SILENCE_NS_MAX, UNKNOWN_AT, Int64s, Needles, times_of
from .preparing import KEY, Prepared
from .problems import Problems
from .tables import MONEY, Tables, empty


def place(tables: Tables, ready: Prepared) -> None:
    """Give ``ready``'s instructions their times, session, prices and windows."""
    frame = _with_times(tables, ready)
    frame = _with_session(tables, frame, ready.problems)
    needles = Needles(frame["symbol"], times_of(frame, "arrival_at"))
    frame = _with_coverage(frame, ready, needles)
    frame = _with_prices(tables, frame, ready, needles)
    ready.instructions = frame


def _with_times(tables: Tables, ready: Prepared) -> pl.DataFrame:
    given = tables.given.get("instructions", frozenset())
    placed = ready.orders.group_by(KEY).agg(
        pl.col("placed_at").min().alias("_placed"), pl.len().cast(pl.Int64).alias("orders")
    )
    filled = ready.fills.group_by(KEY).agg(
        pl.col("at").min().alias("first_fill_at"), pl.col("at").max().alias("last_fill_at")
    )
    frame = ready.instructions.join(placed, on=KEY, how="left", maintain_order="left").join(
        filled, on=KEY, how="left", maintain_order="left"
    )
    made = {"orders": pl.col("orders").fill_null(0)}
    if "arrival_at" not in given:
        made["arrival_at"] = pl.coalesce("decision_at", "_placed", "first_fill_at")
    if "end_at" not in given:
        made["end_at"] = pl.col("last_fill_at")
    if "release_at" not in given:
        made["release_at"] = made.get("arrival_at", pl.col("arrival_at"))
    return (
        frame.with_columns(**made)
        .with_columns(
            planned_end_at=pl.coalesce("planned_end_at", "end_at"),
            session_date=pl.coalesce(
                "session_date", pl.from_epoch("arrival_at", time_unit="ns").dt.strftime("%Y-%m-%d")
            ),
        )
        .drop("_placed")
    )


def _with_session(tables: Tables, frame: pl.DataFrame, problems: Problems) -> pl.DataFrame:
    given = tables.sessions if tables.sessions is not None else empty("sessions")
    sessions = given.unique(["symbol", "session_date"], keep="last", maintain_order=True)
    joined = frame.join(
        sessions.with_columns(_known=pl.lit(True)),
        on=["symbol", "session_date"],
        how="left",
        suffix="_session",
        maintain_order="left",
    ).with_columns(adv=pl.coalesce("adv", "adv_session"))
    if not sessions.height:
        if joined.height:
            problems.add("session_unknown", "sessions", None, "no table of sessions")
    else:
        known = pl.col("_known").fill_null(False)
        _tell(joined.filter(~known), "session_unknown", problems)
        for what in ("open", "close"):
            lacking = joined.filter(known & pl.col(what).is_null())
            pairs = lacking.select("symbol", "session_date").unique(maintain_order=True)
            for symbol, date in pairs.iter_rows():
                problems.add(f"session_without_{what}", "sessions", f"{symbol} {date}")
    return joined.drop("_known", "adv_session")


def _with_coverage(frame: pl.DataFrame, ready: Prepared, needles: Needles) -> pl.DataFrame:
    """How far the session's data go, and the window that benchmarks are of."""
    arrival, close = times_of(frame, "arrival_at"), times_of(frame, "close_at")
    day_end = np.where(arrival != UNKNOWN_AT, (arrival // DAY_NS + 1) * DAY_NS, UNKNOWN_AT)
    ends = np.where(close != UNKNOWN_AT, close, day_end)
    quotes_until = ready.quotes.last_until(needles, ends)
    prints_until = ready.prints.last_until(needles, ends)
    until = np.maximum(quotes_until, prints_until)
    planned = times_of(frame, "planned_end_at")
    window_end = np.where(close != UNKNOWN_AT, np.minimum(planned, close), planned)
    covered = (
        (window_end != UNKNOWN_AT) & (until >= arrival) & (window_end <= until + SILENCE_NS_MAX)
    )
    frame = frame.with_columns(
        _window_end=pl.Series(window_end),
        _quotes_until=pl.Series(quotes_until),
        _covered=pl.Series(covered),
        _data=pl.Series(until != UNKNOWN_AT),
        _day_end=pl.Series(ends),
    )
    for name, book in (("no_quotes", ready.quotes), ("no_prints", ready.prints)):
        for symbol in sorted(set(frame["symbol"].unique()) - set(book.slices)):
            ready.problems.add(name, name.removeprefix("no_"), symbol)
    short = frame.filter(pl.col("_data") & ~pl.col("_covered") & pl.col("_window_end").gt(0))
    _tell(short, "window_not_covered", ready.problems)
    return frame


def _with_prices(
    tables: Tables, frame: pl.DataFrame, ready: Prepared, needles: Needles
) -> pl.DataFrame:
    given = tables.given.get("instructions", frozenset())

    def mid_at(name: str) -> pl.Series:
        at = times_of(frame, name)
        bid, ask, mid = ready.quotes.exact(ready.quotes.rows_at(needles, at))
        return mid.set((bid == ask).fill_null(False), None).alias(name)

    made: dict[str, pl.Series | pl.Expr] = {}
    if "arrival_price" not in given:
        made["arrival_price"] = mid_at("arrival_at")
    arrival = made.get("arrival_price", pl.col("arrival_price"))
    if "decision_price" not in given:
        known = frame["decision_at"].null_count() < frame.height
        made["decision_price"] = mid_at("decision_at") if known else arrival
    if "release_price" not in given:
        known = "release_at" in given and frame["release_at"].null_count() < frame.height
        made["release_price"] = mid_at("release_at") if known else arrival
    made["end_price"] = frame["end_price"].zip_with(
        frame["end_price"].is_not_null(), mid_at("end_at").cast(MONEY)
    )
    frame = frame.with_columns(**made)
    problems = ready.problems
    for price in ("decision", "arrival", "release"):
        lacking = (pl.col(f"{price}_price") > 0).fill_null(False)
        _tell(frame.filter(~lacking), f"no_{price}_price", problems)
        frame = frame.with_columns(
            pl.when(pl.col(f"{price}_price") > 0).then(f"{price}_price").alias(f"{price}_price")
        )
    return frame


def _tell(frame: pl.DataFrame, problem: str, problems: Problems) -> None:
    problems.add_all(problem, "instructions", frame["instruction_id"])


def spans_of(frame: pl.DataFrame, start: str, end: str) -> tuple[Int64s, Int64s]:
    """Two columns of times as arrays."""
    return times_of(frame, start), times_of(frame, end)
