"""What another strategy or parameter would have cost, for a terminal."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...projections.rendering import MISSING, number, shares
from ..evaluation.what_if import WhatIf

COLUMNS: Final = ("recorded", "as planned", "changed", "difference", "cost")
LEFT_OUT_SHOWN: Final = 10


def what_if_view(found: WhatIf) -> RenderableType:
    """Each instruction three times, the sums, and what was left out."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("decision", "symbol", "side"):
        table.add_column(name, no_wrap=True)
    table.add_column("ordered", justify="right", no_wrap=True)
    table.add_column("strategy", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.compared:
        ways = row.strategy
        if row.changed_strategy != row.strategy:
            ways = f"{row.strategy} → {row.changed_strategy}"
        table.add_row(
            row.decision_id,
            row.symbol,
            row.side,
            shares(row.ordered),
            ways,
            *map(_bps, (one.shortfall_bps for one in (row.recorded, row.planned, row.changed))),
            _bps(row.difference_bps),
            MISSING if row.difference_cost is None else number(row.difference_cost),
        )
    means = (one.shortfall_bps_mean for one in (found.recorded, found.planned, found.changed))
    total = (*map(_bps, means), _bps(found.difference_bps), number(found.difference_cost))
    table.add_row("all", "", "", "", "", *total, style="bold")
    parts: list[RenderableType] = [
        Text(f"What if: {found.changes}", style="bold"),
        Text("shortfall over the ordered quantity in bps, positive is a cost", style="dim"),
        table,
        _completion(found),
    ]
    for one in found.left_out[:LEFT_OUT_SHOWN]:
        parts.append(Text(f"left out {one.decision_id}: {one.why}", style="dim"))
    more = len(found.left_out) - LEFT_OUT_SHOWN
    if more > 0:
        parts.append(Text(f"and {more} more are left out", style="dim"))
    parts.append(Text(f"{found.note}; head {found.position} {found.head_hash}", style="dim"))
    return Group(*parts)


def _completion(found: WhatIf) -> Text:
    """No average is shown without what was completed (ruling 4)."""
    pairs = (("as planned", found.planned), ("changed", found.changed))
    said = (
        f"{name} {one.successes} of {one.instructions} complete within window and bound"
        for name, one in pairs
    )
    return Text("; ".join(said), style="dim")


def _bps(value: Decimal | None) -> str:
    return MISSING if value is None else f"{value:.2f}"
