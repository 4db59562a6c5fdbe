"""The same numbers by plain pandas: floats, merge_asof for quotes, running sums for VWAP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

DAY_NS = 86_400_000_000_000
HORIZONS_NS = {
    "50ms": 50_000_000,
    "1s": 1_000_000_000,
    "15s": 15_000_000_000,
    "1min": 60_000_000_000,
    "5min": 300_000_000_000,
}
MONEY = (
    "quantity",
    "price",
    "fee",
    "bid",
    "ask",
    "size",
    "open",
    "close",
    "prev_close",
    "adv",
    "decision_price",
    "arrival_price",
    "release_price",
    "end_price",
    "expected_cost_bps",
    "beta",
)


def read(folder: Path, name: str) -> Any:
    """A table with its decimals as floats."""
    frame = pd.read_parquet(folder / f"{name}.parquet")
    for column in frame.columns:
        if column in MONEY:
            frame[column] = frame[column].astype("float64")
    return frame


def quotes_at(left: Any, quotes: Any, column: str) -> Any:
    """The quote valid at a column of times, in the order of ``left``."""
    asked = left[["symbol", column]].reset_index().sort_values(column)
    joined = pd.merge_asof(asked, quotes, left_on=column, right_on="at", by="symbol")
    return joined.set_index("index").sort_index()


def analyse(folder: Path) -> tuple[dict[str, float], int]:
    """Totals that are compared, and how many measures there are."""
    instructions, orders = read(folder, "instructions"), read(folder, "orders")
    fills, quotes, prints = (read(folder, name) for name in ("fills", "quotes", "prints"))
    sessions = read(folder, "sessions")
    quotes = quotes.sort_values("at")
    quotes["mid"] = (quotes["bid"] + quotes["ask"]) / 2
    fills = fills.merge(orders[["order_id", "instruction_id", "received_at"]], on="order_id")
    keys = ["instruction_id", "symbol", "side", "session_date", "decision_price", "release_price"]
    fills = fills.merge(instructions[keys], on="instruction_id")
    fills = fills.merge(
        sessions[["symbol", "session_date", "close", "close_at"]], on=["symbol", "session_date"]
    )
    columns = measure_fills(fills, quotes)
    done = measure_instructions(instructions, fills, prints)
    shares = fills["quantity"]

    def weighted(name: str) -> float:
        known = fills[name].notna()
        return float((fills[name] * shares)[known].sum() / shares[known].sum())

    figures = {
        "shortfall": float(done["shortfall"].sum()),
        "opportunity": float(done["opportunity"].sum()),
        "vwap_bps": float(done["vwap_bps"].mean()),
        "participation": float(done["participation"].mean()),
        "effective": weighted("effective"),
        "realised_1s": weighted("realised_1s"),
    }
    return figures, columns + done.shape[1]


def measure_fills(fills: Any, quotes: Any) -> int:
    """Spreads, parts and mark-outs of each fill, written into it; how many columns."""
    before = fills.shape[1]
    side, price, shares = fills["side"], fills["price"], fills["quantity"]
    receipt = quotes_at(fills, quotes, "received_at")
    now = quotes_at(fills.rename(columns={"at": "done_at"}), quotes, "done_at")
    mid = now["mid"]
    near = now["bid"].where(side > 0, now["ask"])
    far = now["ask"].where(side > 0, now["bid"])
    touch = near.where(fills["liquidity"] == "added", far)
    fills["effective"] = 2 * side * (price - receipt["mid"])
    fills["effective_bps"] = fills["effective"] / receipt["mid"] * 10_000
    fills["quoted"] = receipt["ask"] - receipt["bid"]
    fills["improvement"] = (side * (far - price)).clip(lower=0) * shares
    fills["spread_cost"] = side * shares * (touch - mid)
    fills["impact_cost"] = side * shares * (price - touch)
    fills["timing_cost"] = side * shares * (mid - fills["release_price"])
    last = quotes.groupby(["symbol", quotes["at"] // DAY_NS])["at"].max().rename("until")
    keys = fills[["symbol"]].assign(at=fills["at"] // DAY_NS)
    until = keys.merge(last.reset_index(), how="left")["until"].to_numpy()
    for name, length in HORIZONS_NS.items():
        asked = fills[["symbol"]].assign(then=fills["at"] + length)
        later = quotes_at(asked, quotes, "then")["mid"].where(asked["then"] <= until)
        fills[f"realised_{name}"] = 2 * side * (price - later)
        fills[f"realised_bps_{name}"] = fills[f"realised_{name}"] / mid * 10_000
        fills[f"impact_{name}"] = 2 * side * (later - mid)
        fills[f"markout_{name}"] = side * (later - price) / price * 10_000
    fills["markout_close"] = side * (fills["close"] - price) / price * 10_000
    return int(fills.shape[1] - before)


def measure_instructions(instructions: Any, fills: Any, prints: Any) -> Any:
    """Shortfall, parts, VWAP and participation of each instruction."""
    fills["notional"] = fills["quantity"] * fills["price"]
    sums = fills.groupby("instruction_id")[
        ["quantity", "notional", "fee", "spread_cost", "impact_cost", "timing_cost"]
    ].sum()
    frame = instructions.set_index("instruction_id").join(
        sums.rename(columns={"quantity": "executed"})
    )
    for name in sums.columns:
        column = "executed" if name == "quantity" else name
        frame[column] = frame[column].fillna(0)
    side = frame["side"]
    left = (frame["quantity"] - frame["executed"]).clip(lower=0)
    frame["opportunity"] = side * left * (frame["end_price"] - frame["release_price"])
    whole = frame["executed"] * frame["decision_price"]
    frame["shortfall"] = (
        side * (frame["notional"] - whole)
        + side * left * (frame["end_price"] - frame["decision_price"])
        + frame["fee"]
    )
    prints = prints[prints["regular"]].sort_values(["symbol", "at"])
    prints["paid"] = (prints["price"] * prints["size"]).groupby(prints["symbol"]).cumsum()
    prints["volume"] = prints.groupby("symbol")["size"].cumsum()
    running = prints[["symbol", "at", "paid", "volume"]].sort_values("at")
    flat = frame.reset_index()
    start = quotes_at(flat, running, "arrival_at")[["paid", "volume"]].fillna(0)
    end = quotes_at(flat, running, "planned_end_at")[["paid", "volume"]].fillna(0)
    traded = (end - start).set_index(frame.index)
    frame["vwap"] = traded["paid"] / traded["volume"]
    average = frame["notional"] / frame["executed"]
    frame["vwap_bps"] = side * (average - frame["vwap"]) / frame["vwap"] * 10_000
    frame["arrival_bps"] = side * (average / frame["arrival_price"] - 1) * 10_000
    frame["participation"] = frame["executed"] / traded["volume"]
    return frame
