"""Reports and rows as renderables, narrow enough for a terminal of 100 columns; prints nothing.

Cells are plain text: nothing that a decision or a broker wrote is read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..domain.money import ZERO
from ..domain.ports import NANOS
from ..domain.reasons import Reason, Refusal
from ..domain.result import ResultStatus
from .alerts import Alert, Severity
from .audit_trail import EXCHANGE_ZONE
from .blotter import BlotterRow
from .outcomes import ExecutionSummary, QualitySummary
from .reconciliation import ToldSession, standing_note
from .reports import LimitUse, RefusedDecision, SessionLimits

GAUGE_WIDTH: Final = 24
ID_LENGTH: Final = 8
MISSING: Final = "–"
ROWS_SHOWN: Final = 200
"""The longest table shown; a line below says how many rows it leaves out."""
DECISION_ID_SHOWN: Final = 28
REFUSALS_SHOWN: Final = 3
REFUSED_SHOWN: Final = 100
MINUTES: Final = len("09:35")
COST_HIGH_BPS: Final = Decimal(20)
_STATUS_STYLE: Final = {
    ResultStatus.FILLED: "green",
    ResultStatus.NO_CHANGE: "dim",
    ResultStatus.CANCELLED: "yellow",
    ResultStatus.REJECTED: "red",
    ResultStatus.INDETERMINATE: "bold red",
}
_SEVERITY_STYLE: Final = {
    Severity.CRITICAL: "bold red",
    Severity.WARNING: "yellow",
    Severity.INFO: "dim",
}


def number(value: Decimal | None, places: int = 2) -> str:
    """A figure with thousands separators, at most ``places`` decimals; a dash when unknown."""
    return MISSING if value is None else f"{value:,.{places}f}"


def shares(value: Decimal) -> str:
    """Shares: whole ones without decimals."""
    return f"{value:,.0f}" if value == value.to_integral_value() else f"{value:,f}"


def percent(value: Decimal | None) -> str:
    """A fraction as a percentage with one decimal; a dash when unknown."""
    return MISSING if value is None else f"{value * 100:.1f} %"


def clock(at: int | None, zone: tzinfo | None = None) -> str:
    """The time of day (ns UTC) at the exchange, to the second; a dash when there is none."""
    if at is None:
        return MISSING
    moment = datetime.fromtimestamp(at // NANOS, UTC)
    return f"{moment.astimezone(zone or ZoneInfo(EXCHANGE_ZONE)):%H:%M:%S}"


def moment(at: int) -> str:
    """The date and time of day (ns UTC) at the exchange, to the second."""
    when = datetime.fromtimestamp(at // NANOS, UTC).astimezone(ZoneInfo(EXCHANGE_ZONE))
    return f"{when:%Y-%m-%d %H:%M:%S}"


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
            _cell(row.action),
            _cell(row.symbol),
            _cell(row.strategy),
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
        # That a symbol nobody knows has no price either follows from it; the record has all.
        unknown = [each for each in one.refusals if each.reason is Reason.UNKNOWN_SYMBOL]
        why = unknown or one.refusals
        parts += [refusal(each) for each in why[:REFUSALS_SHOWN]]
        more = [str(refusal.reason) for refusal in why[REFUSALS_SHOWN:]]
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


def _short(text: str) -> str:
    return text if len(text) <= DECISION_ID_SHOWN else f"{text[: DECISION_ID_SHOWN - 1]}…"


def rest(count: int, shown: int) -> list[RenderableType]:
    """A line that says how much is left out, if anything is."""
    left = count - shown
    return [Text(f"and {left} more: see --json", style="dim")] if left > 0 else []


def limits_gauge(limits: SessionLimits) -> RenderableType:
    """A bar for each limit of one session: used, allowed, and what is over."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for use in limits.uses:
        table.add_row(_cell(use.limit), _bar(use), _used(use), percent(use.fraction))
    lines: list[RenderableType] = [table]
    lines += [
        Text(f"over: {over.limit} of {over.subject}", style="bold red") for over in limits.over_cap
    ]
    lines += [Text(f"blocked: {scope}", style="bold red") for scope in limits.kills]
    version = f"limits version {limits.limit_version}"
    if limits.limit_author:
        version += f" by {limits.limit_author}"
    lines.append(Text(f"equity {number(limits.equity)}, {version}", style="dim"))
    title = Text(f"Limits of {limits.account} on {limits.session_date}")
    return Panel(Group(*lines), title=title, expand=False)


def alerts_table(alerts: Sequence[Alert], *, zone: tzinfo | None = None) -> RenderableType:
    """What a person should look at, the most urgent first."""
    if not alerts:
        return Text("No alerts", style="green")
    table = _table("severity", "since", "kind")
    table.add_column("what", overflow="fold")
    for alert in alerts[:ROWS_SHOWN]:
        table.add_row(
            Text(alert.severity, style=_SEVERITY_STYLE[alert.severity]),
            clock(alert.since, zone),
            _cell(alert.kind),
            _cell(alert.message),
        )
    return Group(heading(f"Alerts, {len(alerts)}"), table, *rest(len(alerts), ROWS_SHOWN))


def standing_line(sessions: Sequence[ToldSession]) -> list[RenderableType]:
    """Whether what is told of the sessions is preliminary or final; nothing without a session."""
    return [Text(standing_note(sessions), style="dim")] if sessions else []


def _cell(value: object) -> Text:
    return Text(MISSING if value is None or value == "" else str(value))


def _bar(use: LimitUse) -> Text:
    fraction = use.fraction if use.fraction is not None else ZERO
    filled = int(min(fraction, Decimal(1)) * GAUGE_WIDTH)
    style = "bold red" if fraction > 1 else "yellow" if fraction > Decimal("0.8") else "green"
    bar = Text("█" * filled, style=style)
    return bar.append("░" * (GAUGE_WIDTH - filled), style="dim")


def _used(use: LimitUse) -> str:
    if use.unit == "usd":
        return f"{number(use.used)} of {number(use.allowed)} {use.unit}"
    return f"{shares(use.used)} of {shares(use.allowed)} {use.unit}"
