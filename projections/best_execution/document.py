"""A report as a document: tables of figures, each with its meaning, unit and where it came from.

The same inputs give the same bytes: :func:`report_bytes` is what reports are compared and named by.
Wall time, file names and commentary are no part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ...domain.errors import InvalidInput
from ...domain.money import plain
from ..canonical import canonical_bytes, to_json

ALL: Final = "all"
"""The row key of a table without groups."""
KEY_SEPARATOR: Final = ","
Value = Decimal | int | str | bool | None
Key = tuple[str, ...]


class Column(NamedTuple):
    """A column of a report: ``unit`` is text, count, shares, usd, bps, ratio, ms, usd/share, ns."""

    name: str
    title: str
    unit: str
    about: str


class Members:
    """Which instructions a row of a table was made from."""

    def instructions(self, key: Key) -> tuple[str, ...]:
        """Ids of instructions, in order of their first event; empty where it is of none."""
        return ()


NO_MEMBERS: Final = Members()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind, each with a key of its first ``keys`` columns (none: one row, ``all``).

    ``members`` gives by row key the instructions that a row was made from, where it was made from
    instructions; it is how a figure is drilled down and no part of the bytes.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    keys: int = 1
    note: str = ""
    members: Members = field(default_factory=lambda: NO_MEMBERS, compare=False, repr=False)

    def key_of(self, row: tuple[Value, ...]) -> Key:
        """The text form of a row's key."""
        return tuple(text(value) for value in row[: self.keys]) if self.keys else (ALL,)

    def row(self, key: Key) -> tuple[Value, ...]:
        """The row with a key.

        Raises:
            InvalidInput: there is none.
        """
        for row in self.rows:
            if self.key_of(row) == key:
                return row
        some = "; ".join(KEY_SEPARATOR.join(self.key_of(row)) for row in self.rows[:8])
        raise InvalidInput(
            "row", KEY_SEPARATOR.join(key), f"a row of {self.name}: {some or 'none'}"
        )

    def place(self, column: str) -> int:
        """Where a column stands.

        Raises:
            InvalidInput: there is none of that name.
        """
        names = [each.name for each in self.columns]
        if column not in names:
            raise InvalidInput("column", column, f"a column of {self.name}: {', '.join(names)}")
        return names.index(column)


def in_currency(table: Table, currency: str) -> Table:
    """A table whose amounts are named as US dollars, with the currency that they are in."""
    units = {"usd": currency, "usd/share": f"{currency}/share"}
    columns = tuple(each._replace(unit=units.get(each.unit, each.unit)) for each in table.columns)
    return replace(table, columns=columns)


class Bound(NamedTuple):
    """What a report stands on: positions of the log, the chain's hash there, and market data."""

    first_position: int
    last_position: int
    head_hash: str
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One report of a kind over a period of exchange sessions.

    ``label`` says in what capacity it was made. ``problems`` name what is missing or wrong in the
    data, ``notes`` what the reader has to know of the figures.
    """

    kind: str
    title: str
    label: str
    from_session: str | None
    to_session: str | None
    sessions: tuple[str, ...]
    parameters: Mapping[str, Any]
    code_version: str
    log: Bound
    tables: tuple[Table, ...]
    problems: tuple[tuple[str, str, str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def table(self, name: str) -> Table:
        """A table by name.

        Raises:
            InvalidInput: there is none.
        """
        for table in self.tables:
            if table.name == name:
                return table
        raise InvalidInput("table", name, ", ".join(table.name for table in self.tables))


def fields_of(report: Report) -> dict[str, Any]:
    """The report as plain values, Decimals as text."""
    return {
        "kind": report.kind,
        "title": report.title,
        "label": report.label,
        "from": report.from_session,
        "to": report.to_session,
        "sessions": list(report.sessions),
        "parameters": to_json(report.parameters),
        "code_version": report.code_version,
        "log": to_json(report.log),
        "tables": [
            {
                "name": table.name,
                "title": table.title,
                "note": table.note,
                "keys": table.keys,
                "columns": [column._asdict() for column in table.columns],
                "rows": [to_json(row) for row in table.rows],
            }
            for table in report.tables
        ],
        "data_quality": [
            dict(zip(("problem", "table", "id", "detail"), row, strict=True))
            for row in report.problems
        ],
        "notes": list(report.notes),
    }


def report_bytes(report: Report) -> bytes:
    """Canonical JSON of the report: what the same inputs always give."""
    return canonical_bytes(fields_of(report))


def report_id(report: Report) -> str:
    """The SHA-256 of the report's bytes: what it is called."""
    return hashlib.sha256(report_bytes(report)).hexdigest()


def text(value: Value) -> str:
    """A value as text, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(value) if isinstance(value, Decimal) else str(value)


def parse_cell(cell: str) -> tuple[str, Key, str]:
    """``TABLE:KEY:COLUMN`` in its parts; a key of several parts is separated by commas.

    Raises:
        InvalidInput: it has another form.
    """
    table, first, rest = cell.partition(":")
    key, last, column = rest.rpartition(":")
    if not first or not last or not table or not column:
        raise InvalidInput("cell", cell, "TABLE:ROW:COLUMN, such as by_strategy:twap:shortfall_bps")
    return table, tuple(key.split(KEY_SEPARATOR)), column
