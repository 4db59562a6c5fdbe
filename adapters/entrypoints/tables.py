"""The tables of a run, narrow enough for a terminal of 100 columns.

Figures and words are those of ``projections.rendering``; here they are only laid out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...domain.reasons import Refusal
from ...domain.result import ResultStatus
from ...projections.blotter import BlotterRow
from ...projections.execution_quality import ExecutionSummary, QualitySummary
from ...projections.rendering import ID_LENGTH, MISSING, clock, number, percent, shares
from ...projections.reports import RefusedDecision

DECISION_ID_SHOWN: Final = 28
REFUSALS_SHOWN: Final = 3
REFUSED_SHOWN: Final = 100
ROWS_SHOWN: Final = 200
MINUTES: Final = len("09:35")
COST_HIGH_BPS: Final = Decimal(20)
_STATUS_STYLE: Final = {
    ResultStatus.FILLED: "green",
    ResultStatus.NO_CHANGE: "dim",
    ResultStatus.CANCELLED: "yellow",
    ResultStatus.REJECTED: "red",
    ResultStatus.INDETERMINATE: "bold red",
}


def heading(text: str) -> RenderableType:
    """A section's title."""
    return Padding(Text(text, style="bold"), (1, 0, 0, 0))


def blotter(rows: Sequence[BlotterRow], title: str = "") -> RenderableType:
    """One line per instruction: what was asked, what executed at which cost, why it ended."""
    table = _table("time", "id", "action", "symbol", "strategy")
    for name in ("executed", "of", "average", "bps", "fees"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("outcome", overflow="fold")
    for row in rows[:ROWS_SHOWN]:
        table.add_row(
            clock(row.received_at)[:MINUTES],
            str(row.instruction_id)[:ID_LENGTH],
            _text(row.action),
            _text(row.symbol),
            _text(row.strategy),
            shares(row.executed) if row.requested else MISSING,
            shares(row.requested) if row.requested else MISSING,
            number(row.average_price, 4),
            cost(row.slippage_bps),
            number(row.fees) if row.executed else MISSING,
            outcome(row),
        )
    named = title or f"Blotter, {len(rows)} decisions"
    return Group(heading(named), table, *rest(len(rows), ROWS_SHOWN))


def refusals(
    refused: Sequence[RefusedDecision],
    symbols: Iterable[str] = (),
    rows: Mapping[UUID, int] | None = None,
) -> RenderableType:
    """Each refused decision with what was seen, what is allowed, and what would pass.

    ``rows`` say in which row of a file a decision stands, ``symbols`` what there is to trade.
    """
    parts: list[RenderableType] = [heading(f"Refused, {len(refused)} decisions")]
    for one in refused[:REFUSED_SHOWN]:
        asked = f"{one.action} {one.symbol}".strip() or "no valid decision"
        line = Text(f"{clock(one.at)} {str(one.instruction_id)[:ID_LENGTH]} ", style="dim")
        line.append(asked, style="red")
        if rows and one.instruction_id in rows:
            line.append(f"  row {rows[one.instruction_id]}")
        line.append(f"  {_short(one.decision_id)}", style="dim")
        if one.by_broker:
            line.append("  by the broker", style="red")
        parts.append(line)
        parts += [refusal(each) for each in one.refusals[:REFUSALS_SHOWN]]
        more = [str(refusal.reason) for refusal in one.refusals[REFUSALS_SHOWN:]]
        if more:
            parts.append(Padding(Text(f"and {', '.join(more)}", style="dim"), (0, 0, 0, 2)))
    parts += rest(len(refused), REFUSED_SHOWN)
    known = ", ".join(symbols)
    if known and any(r.reason == "unknown_symbol" for one in refused for r in one.refusals):
        parts.append(Text(f"symbols of this market: {known}", style="dim"))
    return Group(*parts)


def quality(summary: ExecutionSummary, note: str = "") -> RenderableType:
    """Slippage by strategy with completion and the full shortfall beside it (ruling 4)."""
    table = _table("strategy")
    names = ("orders", "completion", "mean", "median", "shortfall", "delay", "success", "fees")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for group in summary.by_strategy:
        table.add_row(*_quality(group))
    table.add_section()
    table.add_row(*_quality(summary.overall))
    title = "Slippage against arrival, in basis points (positive is a cost)"
    parts: list[RenderableType] = [heading(title), table]
    if note:
        parts.append(Text(note, style="dim"))
    return Group(*parts)


def cost(bps: Decimal | None) -> Text:
    """Basis points; green when nothing was lost, red when much was."""
    style = "" if bps is None else "red" if bps > COST_HIGH_BPS else "green" if bps <= 0 else ""
    return Text(number(bps), style=style)


def _quality(group: QualitySummary) -> tuple[RenderableType, ...]:
    return (
        Text(group.group),
        str(group.instructions),
        percent(group.completion),
        cost(group.slippage_bps_mean),
        number(group.slippage_bps_median),
        number(group.shortfall_bps_mean),
        number(group.delay_bps_mean),
        percent(group.success_rate),
        number(group.fees),
    )


def refusal(one: Refusal) -> RenderableType:
    """One refused check: what was seen, what is allowed, and what would pass."""
    text = Text(f"{one.reason} ", style="yellow")
    text.append(f"{one.field}: {one.observed}; allowed: {one.allowed}", style="default")
    if one.would_pass:
        text.append("; would pass: ", style="default")
        text.append(one.would_pass, style="green")
    return Padding(text, (0, 0, 0, 2))


def outcome(row: BlotterRow) -> Text:
    """Where it stands and why; why it was refused is told in full below the table."""
    words = row.status.lower().replace("_", " ")
    if row.partial:
        words += " (part)"
    if row.reason and not row.refusals:
        words += f": {row.reason}"
    if row.status is ResultStatus.REJECTED and not row.orders:
        words = "refused"
    return Text(words, style=_STATUS_STYLE.get(row.status, "cyan"))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _text(value: object) -> Text:
    return Text(MISSING if value in (None, "") else str(value))


def _short(text: str) -> str:
    return text if len(text) <= DECISION_ID_SHOWN else f"{text[: DECISION_ID_SHOWN - 1]}…"


def rest(count: int, shown: int) -> list[RenderableType]:
    """A line that says how much is left out, if anything is."""
    left = count - shown
    return [Text(f"and {left} more: see --json", style="dim")] if left > 0 else []
