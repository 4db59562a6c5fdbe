"""Tables made ready: bad rows named and left out, restatements applied, rows joined by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from .market import PrintBook, QuoteBook
from .problems import Problems
from .restating import effective_fills
from .schema import TABLES
from .tables import TYPES, Tables, empty

KEY: Final = "_i"
"""Number of the instruction, in the order of the table."""
ORDER: Final = "_o"
"""Number of the order, null for a fill without one."""


@dataclass(slots=True)
class Prepared:
    """What analysis works on; ``fills`` are sorted by instruction, order, time and name."""

    instructions: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    phases: pl.DataFrame
    halts: pl.DataFrame
    quotes: QuoteBook
    prints: PrintBook
    problems: Problems


def prepare(tables: Tables) -> Prepared:
    """Check, restate and join; nothing of the market is looked up yet."""
    problems = Problems()
    instructions = _instructions(tables.instructions, problems)
    phases = _phases(tables, instructions)
    halts = _halts(tables, instructions)
    orders = _orders(tables.orders, instructions, phases, problems)
    fills = _fills(tables, instructions, orders, problems)
    currencies = fills.group_by(KEY).agg(pl.col("currency").drop_nulls().first().alias("_of_fills"))
    instructions = (
        instructions.join(currencies, on=KEY, how="left", maintain_order="left")
        .with_columns(currency=pl.coalesce("currency", "_of_fills"))
        .drop("_of_fills")
    )
    quotes, prints = _books(tables, problems)
    return Prepared(instructions, orders, fills, phases, halts, quotes, prints, problems)


def _books(tables: Tables, problems: Problems) -> tuple[QuoteBook, PrintBook]:
    quotes = QuoteBook(_market(tables, "quotes").drop_nulls(["symbol", "at"]))
    if quotes.crossed:
        detail = f"{quotes.crossed} of {len(quotes.at)} quotes are crossed or have no price"
        problems.add("crossed_quotes", "quotes", None, detail)
    prints = _market(tables, "prints").drop_nulls(["symbol", "at", "price", "size"])
    return quotes, PrintBook(prints)


def _market(tables: Tables, name: str) -> pl.DataFrame:
    """A table of the market without its sizes shown, read only now where it was not read yet."""
    wanted = [c.name for c in TABLES[name] if not c.name.endswith("_size")]
    return tables.market(name, wanted)


def _instructions(given: pl.DataFrame, problems: Problems) -> pl.DataFrame:
    frame = _unique(given, ["instruction_id"], "instruction_id", "instructions", problems)
    bad = ~pl.col("side").is_in([1, -1]).fill_null(False)
    frame = _without(frame, bad, "bad_side", "instruction_id", "instructions", problems)
    none = ~(pl.col("quantity") > 0).fill_null(False)
    frame = _without(frame, none, "zero_quantity", "instruction_id", "instructions", problems)
    return frame.with_row_index(KEY)


def _phases(tables: Tables, instructions: pl.DataFrame) -> pl.DataFrame:
    given = tables.phases if tables.phases is not None else empty("phases")
    keys = instructions.select("instruction_id", KEY)
    return given.join(keys, on="instruction_id", how="inner").sort(KEY, "since", "phase")


def _halts(tables: Tables, instructions: pl.DataFrame) -> pl.DataFrame:
    given = tables.halts if tables.halts is not None else empty("halts")
    keys = instructions.select("instruction_id", KEY)
    return given.join(keys, on="instruction_id", how="inner").sort(KEY, "since")


def _orders(
    given: pl.DataFrame, instructions: pl.DataFrame, phases: pl.DataFrame, problems: Problems
) -> pl.DataFrame:
    frame = _unique(given, ["order_id"], "order_id", "orders", problems)
    none = ~(pl.col("quantity") > 0).fill_null(False)
    frame = _without(frame, none, "zero_quantity", "order_id", "orders", problems)
    of_parent = (
        "instruction_id",
        KEY,
        "symbol",
        "side",
        "currency",
        "account",
        "session_date",
        "strategy",
    )
    own = ("symbol", "side")
    frame = frame.drop(own).join(
        instructions.select(of_parent), on="instruction_id", how="left", maintain_order="left"
    )
    lost = pl.col(KEY).is_null()
    frame = _without(frame, lost, "order_without_instruction", "order_id", "orders", problems)
    frame = frame.with_columns(received_at=pl.coalesce("received_at", "placed_at"))
    frame = in_phase(frame, phases, pl.coalesce("placed_at", "received_at"))
    return frame.sort(KEY, "placed_at", "order_id").with_row_index(ORDER)


def in_phase(frame: pl.DataFrame, phases: pl.DataFrame, at: pl.Expr) -> pl.DataFrame:
    """With the phase that was in force at a time, and its strategy."""
    if not phases.height:
        return frame.with_columns(phase=pl.lit(None, dtype=pl.Int64))
    known = phases.select(KEY, "phase", pl.col("strategy").alias("_phase_strategy"), _at="since")
    numbered = frame.with_columns(_at=at).with_row_index("_row")
    found = (
        numbered.drop_nulls("_at")
        .sort("_at")
        .join_asof(known.sort("_at"), on="_at", by=KEY, strategy="backward", check_sortedness=False)
        .select("_row", "phase", "_phase_strategy")
    )
    return (
        numbered.join(found, on="_row", how="left", maintain_order="left")
        .with_columns(strategy=pl.coalesce("_phase_strategy", "strategy"))
        .drop("_row", "_at", "_phase_strategy")
    )


_QUOTED: Final = (
    "bid",
    "ask",
    "mid",
    "touch",
    "auction",
    "trend",
    "bid_at_receipt",
    "ask_at_receipt",
    "mid_at_receipt",
    "positions",
)
"""What a fill may carry and mostly does not."""


def _fills(
    tables: Tables, instructions: pl.DataFrame, orders: pl.DataFrame, problems: Problems
) -> pl.DataFrame:
    """Fills with the numbers of their instruction and order, and nothing else of these."""
    frame, found = effective_fills(tables.fills)
    problems.extend(found)
    idle = [name for name in _QUOTED if frame[name].null_count() == frame.height]
    frame = frame.drop("kind", "ref_fill_id", "derived", *idle)
    none = ~(pl.col("quantity") > 0).fill_null(False) | pl.col("at").is_null()
    frame = _without(frame, none, "zero_quantity", "fill_id", "fills", problems)
    of_order = orders.select("order_id", ORDER, pl.col(KEY).alias("_of_order"))
    frame = frame.join(of_order, on="order_id", how="left", maintain_order="left")
    keys = instructions.select("instruction_id", pl.col(KEY).alias("_named"))
    frame = frame.join(keys, on="instruction_id", how="left", maintain_order="left")
    frame = frame.with_columns(pl.coalesce("_of_order", "_named").alias(KEY)).drop(
        "instruction_id", "_of_order", "_named"
    )
    frame = _without(
        frame, pl.col(KEY).is_null(), "fill_without_order", "fill_id", "fills", problems
    )
    if orders.height:
        astray = frame.filter(pl.col(ORDER).is_null() & pl.col("order_id").is_not_null())
        what = "its order is not there; it counts for its instruction"
        problems.add_all("fill_without_order", "fills", astray["fill_id"], [what] * astray.height)
    frame = _unique(frame, [KEY, "order_id", "fill_id"], "fill_id", "fills", problems)
    frame = _money_or_nothing(frame, instructions, tables, problems)
    return frame.sort(KEY, ORDER, "at", "fill_id", maintain_order=True)


_OF_ORDER: Final = (
    "order_type",
    "time_in_force",
    "received_at",
    "placed_at",
    "phase",
    "strategy",
)


def joined_fills(ready: Prepared, fills: pl.DataFrame, of_parent: tuple[str, ...]) -> pl.DataFrame:
    """Some fills with what they need of their order and instruction, in their order."""
    lacking = [pl.lit(None, dtype=t).alias(n) for n, t in _OPTIONAL.items() if n not in fills]
    frame = (
        fills.with_columns(lacking)
        .join(ready.orders.select(ORDER, *_OF_ORDER), on=ORDER, how="left", maintain_order="left")
        .join(
            ready.instructions.select(KEY, pl.col("strategy").alias("_parents"), *of_parent),
            on=KEY,
            how="left",
            maintain_order="left",
        )
        .with_columns(strategy=pl.coalesce("strategy", "_parents"))
        .drop("_parents")
    )
    alone = frame.filter(pl.col(ORDER).is_null())
    if alone.height and ready.phases.height:
        # Without an order the time of execution says in which phase it was.
        alone = in_phase(alone.drop("phase"), ready.phases, pl.col("at")).select(frame.columns)
        frame = pl.concat([frame.filter(pl.col(ORDER).is_not_null()), alone])
        frame = frame.sort(KEY, ORDER, "at", "fill_id", maintain_order=True)
    return frame


_OPTIONAL: Final = {c.name: TYPES[c.kind] for c in TABLES["fills"] if c.name in _QUOTED}


def _money_or_nothing(
    frame: pl.DataFrame, instructions: pl.DataFrame, tables: Tables, problems: Problems
) -> pl.DataFrame:
    """Prices and fees that cannot stand are null, so that no money is made of them."""
    priced = (pl.col("price") > 0).fill_null(False)
    unpriced = frame.filter(~priced)
    problems.add_all("fill_without_price", "fills", unpriced["fill_id"])
    frame = frame.with_columns(price=pl.when(priced).then("price"))
    if "fee" not in tables.given.get("fills", frozenset()):
        frame = frame.with_columns(fee=pl.lit(0).cast(frame.schema["fee"]))
    named = instructions["currency"].null_count() < instructions.height
    if not named and frame["currency"].null_count() == frame.height:
        return frame
    parents = instructions.select(KEY, pl.col("currency").alias("_parents"))
    frame = frame.join(parents, on=KEY, how="left", maintain_order="left")
    own = pl.coalesce("_parents", pl.col("currency").drop_nulls().first().over(KEY))
    other = frame.filter((pl.col("currency") != own).fill_null(False))
    for row in other.iter_rows(named=True):
        problems.add("currency_mix", "fills", row["fill_id"], f"in {row['currency']}")
    frame = frame.with_columns(currency=pl.coalesce("currency", "_parents")).drop("_parents")
    if other.height:
        mixed = pl.col(KEY).is_in(other[KEY].unique().to_list())
        frame = frame.with_columns(
            pl.when(~mixed).then(name).alias(name) for name in ("price", "fee")
        )
    return frame


def _unique(
    frame: pl.DataFrame, keys: list[str], id: str, table: str, problems: Problems
) -> pl.DataFrame:
    if frame[id].n_unique() == frame.height:
        return frame
    again = ~frame.select(pl.struct(keys).is_first_distinct()).to_series()
    if again.any():
        problems.add_all("duplicate_id", table, frame.filter(again)[id])
        return frame.filter(~again)
    return frame


def _without(
    frame: pl.DataFrame, bad: pl.Expr, problem: str, id: str, table: str, problems: Problems
) -> pl.DataFrame:
    flags = frame.select(bad.alias("bad")).to_series()
    if flags.any():
        problems.add_all(problem, table, frame.filter(flags)[id])
        return frame.filter(~flags)
    return frame
