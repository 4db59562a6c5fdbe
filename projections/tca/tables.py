"""What cost analysis reads: tables of polars, made from rows or files and given their types."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from ...domain.errors import InvalidInput
from .schema import PLACES, TABLES, Column, Kind

MONEY: Final = pl.Decimal(38, PLACES)
"""Prices, quantities and money."""
TYPES: Final[Mapping[Kind, pl.DataType]] = {
    Kind.TEXT: pl.String(),
    Kind.DECIMAL: MONEY,
    Kind.TIME: pl.Int64(),
    Kind.SIDE: pl.Int8(),
    Kind.INTEGER: pl.Int64(),
    Kind.FLOAT: pl.Float64(),
    Kind.YES_NO: pl.Boolean(),
    Kind.POSITIONS: pl.List(pl.Int64()),
}
SIDES: Final[Mapping[str, int]] = {"buy": 1, "b": 1, "1": 1, "sell": -1, "s": -1, "-1": -1}
"""What a side may be called, in any case; ``sell_short`` and the like count as sells."""
MARKET: Final = ("quotes", "prints")
"""Tables that may be large and are read once."""
YES: Final = ("true", "t", "yes", "y", "1")
NO: Final = ("false", "f", "no", "n", "0")


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of :mod:`.schema`, typed; None where there is none.

    ``given`` names by table the columns that were there, for those that stand in for absent ones.
    ``unread`` holds quotes and prints that were given lazily, in the place of those: they are read
    when they are needed, and let go.
    """

    instructions: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    quotes: pl.DataFrame | None = None
    prints: pl.DataFrame | None = None
    sessions: pl.DataFrame | None = None
    phases: pl.DataFrame | None = None
    halts: pl.DataFrame | None = None
    given: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unread: Mapping[str, pl.LazyFrame] = field(default_factory=dict)

    @classmethod
    def of(cls, **tables: pl.DataFrame | pl.LazyFrame | None) -> Tables:
        """Typed tables from frames by name; at least ``orders`` or ``instructions``, and ``fills``.

        Without ``instructions`` every order is its own instruction. Unknown columns are left out.

        Raises:
            InvalidInput: a table or required column is missing, or a value cannot be read.
        """
        lazy = {n: f for n, f in tables.items() if isinstance(f, pl.LazyFrame) and n in MARKET}
        raw = {n: _eager(f) for n, f in tables.items() if f is not None and n not in lazy}
        unknown = set(raw) - set(TABLES)
        if unknown:
            raise InvalidInput("table", min(unknown), ", ".join(TABLES))
        if "fills" not in raw:
            raise InvalidInput("fills", None, "a table of fills")
        if "instructions" not in raw:
            raw |= _orders_alone(raw)
        given = {name: frozenset(frame.columns) for name, frame in raw.items()}
        typed = {name: typed_table(name, frame) for name, frame in raw.items()}
        typed.setdefault("orders", empty("orders"))
        return cls(given=given, unread=lazy, **typed)

    def market(self, name: str, columns: Sequence[str]) -> pl.DataFrame:
        """Some columns of ``quotes`` or ``prints``, read now where they were given lazily."""
        if name in self.unread:
            there = self.unread[name].collect_schema().names()
            read = self.unread[name].select(n for n in columns if n in there).collect()
            return typed_table(name, read).select(columns)
        frame = self.quotes if name == "quotes" else self.prints
        return (empty(name) if frame is None else frame).select(columns)

    def with_table(self, name: str, frame: pl.DataFrame) -> Tables:
        """The same with another table in the place of one."""
        changed: Any = {name: frame}
        return replace(self, **changed)


def _eager(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    return frame.collect() if isinstance(frame, pl.LazyFrame) else frame


def _orders_alone(raw: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Orders without parents: each is its own, and what it says of a parent is its own too."""
    orders = raw.get("orders")
    if orders is None:
        raise InvalidInput("orders", None, "a table of orders, of instructions, or of both")
    if "order_id" not in orders.columns:
        raise InvalidInput("orders", ", ".join(orders.columns), "a column order_id")
    if "instruction_id" in orders.columns:
        what = "a table of instructions when orders have an instruction_id"
        raise InvalidInput("instructions", None, what)
    orders = orders.with_columns(instruction_id=pl.col("order_id"))
    parents = orders
    if "arrival_at" not in orders.columns and "received_at" in orders.columns:
        parents = parents.with_columns(arrival_at=pl.col("received_at"))
    elif "arrival_at" not in orders.columns and "placed_at" in orders.columns:
        parents = parents.with_columns(arrival_at=pl.col("placed_at"))
    if "end_at" not in orders.columns and "ended_at" in orders.columns:
        parents = parents.with_columns(end_at=pl.col("ended_at"))
    return {"orders": orders, "instructions": parents}


def empty(name: str) -> pl.DataFrame:
    """A table without rows."""
    return pl.DataFrame(schema={column.name: TYPES[column.kind] for column in TABLES[name]})


def from_rows(name: str, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """A typed table from rows of Python values."""
    columns = TABLES[name]
    data = {column.name: [row.get(column.name) for row in rows] for column in columns}
    return pl.DataFrame(
        data, schema={column.name: TYPES[column.kind] for column in columns}, strict=False
    )


def read_table(path: str | Path) -> pl.DataFrame:
    """A table from a ``.csv`` or ``.parquet`` file; a CSV's values are read exactly, as text.

    Raises:
        InvalidInput: the file cannot be read, or its name ends in something else.
    """
    source = Path(path)
    try:
        if source.suffix.lower() == ".csv":
            return pl.read_csv(source, infer_schema=False)
        if source.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(source)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidInput("file", source.name, f"a readable table ({error})") from error
    raise InvalidInput("file", source.name, "a name that ends in .csv or .parquet")


def scan_table(path: str | Path) -> pl.DataFrame | pl.LazyFrame:
    """As :func:`read_table`, but a Parquet file is only read when it is needed.

    Raises:
        InvalidInput: the file cannot be read, or its name ends in something else.
    """
    source = Path(path)
    if source.suffix.lower() not in (".parquet", ".pq"):
        return read_table(source)
    try:
        lazy = pl.scan_parquet(source)
        lazy.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InvalidInput("file", source.name, f"a readable table ({error})") from error
    return lazy


class MissingColumn(InvalidInput):
    """A table lacks a column that it needs; says what that holds and what the table has."""

    def __init__(self, table: str, column: Column, found: Sequence[str]) -> None:
        has = ", ".join(found)[:200] or "no column at all"
        wanted = f"{column.kind.value}: {column.about}"
        super().__init__(f"{table}.{column.name}", has, wanted)
        self.args = (
            f"{table}.{column.name}: the table has no such column and needs it ({wanted}); "
            f"it has {has}. Add it, or rename the column that holds it",
        )


def typed_table(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The table with exactly its columns and types, absent ones null.

    Raises:
        InvalidInput: a required column is absent, or a value cannot be read as its kind.
    """
    made = []
    for column in TABLES[name]:
        if column.name in frame.columns:
            made.append(_typed(name, frame, column))
        elif column.required:
            raise MissingColumn(name, column, frame.columns)
        else:
            made.append(
                pl.Series(column.name, [None], TYPES[column.kind]).new_from_index(0, frame.height)
            )
    return pl.DataFrame(made)


def _typed(name: str, frame: pl.DataFrame, column: Column) -> pl.Series:
    given = frame[column.name]
    wanted = TYPES[column.kind]
    if given.dtype == wanted:
        return given
    text = given.dtype == pl.String
    if text:
        given = given.str.strip_chars().replace("", None)
    try:
        made = given.to_frame().select(_cast(column, given.dtype)).to_series()
    except pl.exceptions.PolarsError as error:
        raise InvalidInput(f"{name}.{column.name}", error, f"{column.kind.value} values") from error
    lost = given.is_not_null() & made.is_null()
    if lost.any():
        bad = given.filter(lost)[0]
        raise InvalidInput(f"{name}.{column.name}", bad, f"{column.kind.value} values")
    return made


def _cast(column: Column, dtype: pl.DataType) -> pl.Expr:
    it, kind = pl.col(column.name), column.kind
    if kind is Kind.SIDE:
        words = it.cast(pl.String).str.to_lowercase().str.replace(r"^(sell|buy)[_ -].*$", "$1")
        return words.replace_strict(SIDES, default=None, return_dtype=pl.Int8)
    if kind is Kind.DECIMAL and dtype.is_float():
        return it.fill_nan(None).cast(MONEY)
    if kind is Kind.DECIMAL and dtype == pl.String:
        return it.str.to_decimal(scale=PLACES).cast(MONEY)
    if kind is Kind.TIME and isinstance(dtype, pl.Datetime):
        return it.dt.epoch("ns")
    if kind is Kind.TIME and dtype == pl.String:
        digits = it.cast(pl.Int64, strict=False)
        parsed = it.str.to_datetime(time_unit="ns", time_zone="UTC", strict=False)
        return digits.fill_null(parsed.dt.epoch("ns"))
    if kind is Kind.YES_NO and dtype == pl.String:
        meant = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}
        return it.str.to_lowercase().replace_strict(meant, default=None, return_dtype=pl.Boolean)
    return it.cast(TYPES[kind])


def real(column: str | pl.Expr) -> pl.Expr:
    """A DECIMAL column as floats, each the nearest one; a plain cast is off by some last digits."""
    it = pl.col(column) if isinstance(column, str) else column
    return it.cast(MONEY).to_physical().cast(pl.Float64) / 10**PLACES


def reals(values: pl.Series) -> Any:
    """The same of a series, as an array with NaN for null; floats stay as they are."""
    if values.dtype.is_float():
        return values.fill_null(math.nan).to_numpy()
    return values.to_frame("x").select(real("x").fill_null(math.nan)).to_series().to_numpy()


def conformed(frame: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """Exactly these columns in their order and types, absent ones null, floats on 9 places."""
    return frame.select(_conformed(c, c.name in frame.columns) for c in columns)


def _conformed(column: Column, present: bool) -> pl.Expr:
    it = (pl.col(column.name) if present else pl.lit(None)).cast(TYPES[column.kind])
    return (tidy(it) if column.kind is Kind.FLOAT else it).alias(column.name)


def tidy(it: pl.Expr) -> pl.Expr:
    """Floats on nine places, without NaN and negative zero."""
    rounded = it.fill_nan(None).round(PLACES)
    return pl.when(rounded == 0).then(0.0).otherwise(rounded)


def concat(frames: Iterable[pl.DataFrame]) -> pl.DataFrame | None:
    """Frames one after the other, None without any."""
    several = list(frames)
    return pl.concat(several) if several else None
