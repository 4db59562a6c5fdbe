"""Rule 605's two files as text, and the check of the summary against a CSV on the Web schema."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from ...domain.money import plain
from .rule605_terms import DETAILED_COLUMNS, SUMMARY_COLUMNS

SIX_PLACES: Final = Decimal("0.000001")


class Problem(NamedTuple):
    """What is wrong in a file: ``row`` from 1 for the first record (0: the header), ``column`` from
    1 (0: the whole record)."""

    row: int
    column: int
    what: str


def rounded(value: Decimal) -> Decimal:
    """A figure to six places, half up at the seventh, as the specification asks."""
    return value.quantize(SIX_PLACES, rounding=ROUND_HALF_UP)


def summary_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The summary file: commas, a header, CRLF, figures to six places, empty where unknown."""
    return _text(rows, SUMMARY_COLUMNS, ",", "\r\n")


def detailed_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The detailed file of 55 fields: pipes, a header, six places, empty where unknown."""
    return _text(rows, DETAILED_COLUMNS, "|", "\n")


def _text(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], delimiter: str, end: str
) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in columns])
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return plain(rounded(value)) if isinstance(value, Decimal) else str(value)


def problems(text: str, schema: Mapping[str, Any]) -> list[Problem]:
    """What a CSV file breaks of a CSV on the Web table schema: columns, formats, bounds, keys.

    Formats must match the whole value. An empty value is allowed where its column's format or list
    of nulls allows it.
    """
    table = schema["tables"][0]["tableSchema"]
    columns: list[Mapping[str, Any]] = table["columns"]
    dialect = schema.get("dialect", {})
    lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=dialect.get("delimiter", ",")))
    names = [column["name"] for column in columns]
    if not lines or lines[0] != names:
        return [Problem(0, 0, f"the header is not {','.join(names)}")]
    found: list[Problem] = []
    seen: dict[tuple[str, ...], int] = {}
    keys = [names.index(name) for name in table.get("primaryKey", ())]
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(names):
            found.append(Problem(number, 0, f"{len(line)} fields instead of {len(names)}"))
            continue
        for place, (column, value) in enumerate(zip(columns, line, strict=True), 1):
            what = _wrong(column, value)
            if what:
                found.append(Problem(number, place, f"{column['name']}: {what}"))
        key = tuple(line[place] for place in keys)
        if keys and seen.setdefault(key, number) != number:
            found.append(Problem(number, 0, f"has the key of record {seen[key]}"))
    return found


def _wrong(column: Mapping[str, Any], value: str) -> str | None:
    kind = column.get("datatype", {})
    if value in _nulls(column):
        return None
    pattern = kind.get("format")
    if pattern is not None and re.fullmatch(f"(?:{pattern})", value) is None:
        return f"{value!r} is not of the form {pattern}"
    if value == "" and pattern is None and column.get("required"):
        return "is empty"
    if kind.get("base") not in ("int", "integer", "float", "double", "decimal") or value == "":
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return f"{value!r} is not a number"
    return _out_of_bounds(number, kind)


def _nulls(column: Mapping[str, Any]) -> Sequence[str]:
    nulls = column.get("null", ())
    return (nulls,) if isinstance(nulls, str) else nulls


def _out_of_bounds(number: Decimal, kind: Mapping[str, Any]) -> str | None:
    if "minimum" in kind and number < Decimal(str(kind["minimum"])):
        return f"{number} is below {kind['minimum']}"
    if "maximum" in kind and number > Decimal(str(kind["maximum"])):
        return f"{number} is above {kind['maximum']}"
    if "exclusiveMaximum" in kind and number >= Decimal(str(kind["exclusiveMaximum"])):
        return f"{number} is not below {kind['exclusiveMaximum']}"
    return None
