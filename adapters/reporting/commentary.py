"""Commentary on a report by a language model, held to the report's own numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from ...projections.best_execution.document import Report, text

PROMPT_CHARACTERS_MAX: Final = 20_000
COMMENTARY_CHARACTERS_MAX: Final = 10_000
ROWS_SHOWN: Final = 30
NUMBER: Final = re.compile(r"(?<![\w.])[-+−]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[-+−]?\d+(?:\.\d+)?")
INSTRUCTIONS: Final = (
    "Write a short, sober commentary on this execution report for a trading desk. Use only numbers "
    "that are in it, as they are or rounded. Do not give advice on what to trade."
)


def prompt_for_report(report: Report) -> str:
    """What a language model is asked: the report's figures by group, no decision's own text."""
    parts = [INSTRUCTIONS, "", f"{report.title}, sessions {', '.join(report.sessions)}"]
    for table in report.tables:
        # Rows of single decisions carry ids and words; groups are what there is to comment on.
        if table.name in ("instructions", "refused", "phases", "outliers"):
            continue
        parts.append(f"\n{table.title}")
        parts.append(" | ".join(f"{c.title} ({c.unit})" for c in table.columns))
        for row in table.rows[:ROWS_SHOWN]:
            parts.append(" | ".join(text(value) or "-" for value in row))
    return "\n".join(parts)[:PROMPT_CHARACTERS_MAX]


def unsupported_number(words: str, known: Iterable[object]) -> str | None:
    """The first number in a text that is none of the report's, None when all are.

    A number is the report's when it, rounded to the places that the text gives, is one of the
    known ones; a share may be told in percent, a sign may be put in words, and parts of ids, dates
    and times that the report has count as its own.
    """
    values, names = _values(known)
    for match in NUMBER.finditer(words):
        told = match.group().replace(",", "").replace("−", "-")
        if not _is_known(abs(Decimal(told)), values, names):
            return match.group()
    return None


def report_numbers(report: Report) -> list[object]:
    """Everything in a report that a text may name."""
    found: list[object] = [report.title, report.label, *report.sessions, *report.notes]
    found += [report.from_session or "", report.to_session or "", report.code_version]
    found += [report.log.first_position, report.log.last_position]
    for table in report.tables:
        found += [table.title, len(table.rows)]
        for column in table.columns:
            found += [column.title, column.name]
        for row in table.rows:
            found += row
    return found


def leaves(value: Any) -> Iterable[object]:
    """Every plain value and key in nested mappings and lists."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from leaves(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def _values(known: Iterable[object]) -> tuple[list[Decimal], set[Decimal]]:
    """Figures, which may be rounded, and the numbers inside words, which stand as they are."""
    figures: set[Decimal] = set()
    inside: set[Decimal] = set()
    for each in known:
        if isinstance(each, bool) or each is None:
            continue
        if isinstance(each, Decimal | int):
            figures.add(abs(Decimal(each)))
            continue
        words = str(each)
        found = [
            Decimal(m.group().replace(",", "").replace("−", "-")) for m in NUMBER.finditer(words)
        ]
        if len(found) == 1 and NUMBER.fullmatch(words):
            figures.add(abs(found[0]))
        inside.update(abs(n) for n in found)
    return sorted(figures), inside


def _is_known(told: Decimal, values: list[Decimal], names: set[Decimal]) -> bool:
    if told in names:
        return True
    exponent = told.as_tuple().exponent
    grid = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
    return any(
        value == told
        or value.quantize(grid, ROUND_HALF_UP) == told
        or (value * 100).quantize(grid, ROUND_HALF_UP) == told
        for value in values
        if value < Decimal(10) ** 20
    )
