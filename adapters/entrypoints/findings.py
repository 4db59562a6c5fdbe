"""Findings of surveillance as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ...projections.rendering import clock, number
from ...projections.surveillance_terms import Finding

POSITIONS_SHOWN: Final = 6


def findings_view(found: Sequence[Finding]) -> RenderableType:
    """One line per finding, with the events of its first occurrence."""
    if not found:
        return Text("nothing to ask about")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("session", "account", "symbol", "pattern"):
        table.add_column(name, no_wrap=True)
    for name in ("seen", "allowed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("unit")
    table.add_column("first", no_wrap=True)
    table.add_column("its events")
    for one in found:
        first = one.occurrences[0]
        shown = ", ".join(str(place) for place in first.positions[:POSITIONS_SHOWN])
        more = len(first.positions) - POSITIONS_SHOWN
        table.add_row(
            one.session_date,
            one.account,
            one.symbol,
            one.pattern.value,
            number(one.observed),
            number(one.threshold),
            one.unit,
            clock(first.at),
            f"{shown} and {more} more" if more > 0 else shown,
        )
    return table
