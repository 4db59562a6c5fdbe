"""A text about figures, held to the figures: it may name no number that they do not have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

NUMBER: Final = re.compile(r"(?<![\w.])[-+−]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[-+−]?\d+(?:\.\d+)?")


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


def leaves(value: Any) -> Iterable[object]:
    """Every plain value and key in nested mappings and lists."""
    if isinstance(value, Mapping):
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
