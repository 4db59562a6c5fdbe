"""Reports and rows as JSON-able values and as renderables for a terminal; prints nothing itself.

Cells are plain text: nothing that a decision or a broker wrote is read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..domain.money import ZERO
from ..domain.ports import NANOS
from ..domain.result import ResultStatus
from .alerts import Alert, Severity
from .audit_trail import EXCHANGE_ZONE, AuditEntry
from .blotter import BlotterRow, OrderRow
from .canonical import Json, to_json
from .execution_quality import ExecutionSummary, QualitySummary
from .reconciliation import ToldSession, standing_note
from .reports import LimitUse, PerformanceReport, RefusedDecision, SessionLimits

GAUGE_WIDTH: Final = 24
ID_LENGTH: Final = 8
MISSING: Final = "–"
ROWS_MAX: Final = 200
"""The longest table shown; a line below says how many rows it leaves out."""

_STATUS_STYLE: Final = {
    ResultStatus.FILLED: "green",
    ResultStatus.NO_CHANGE: "dim",
    ResultStatus.CANCELLED: "yellow",
    ResultStatus.REJECTED: "red",
    ResultStatus.INDETERMINATE: "bold red",
    ResultStatus.WORKING: "cyan",
    ResultStatus.PARTIALLY_FILLED: "cyan",
}
_SEVERITY_STYLE: Final = {
    Severity.CRITICAL: "bold red",
    Severity.WARNING: "yellow",
    Severity.INFO: "dim",
}
_COST_HIGH_BPS: Final = Decimal(20)


def to_dict(value: object) -> Json:
    """Any structure of the projections as JSON-able values; Decimals are plain strings."""
    return to_json(value)


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


def blotter_table(
    rows: Sequence[BlotterRow], *, title: str = "Blotter", zone: tzinfo | None = None
) -> RenderableType:
    """One line per instruction: what was asked, what executed, at what cost, and why it ended."""
    table = _table(
        title,
        ("time", "id", "action", "symbol", "strategy", "status"),
        ("requested", "executed", "average", "slippage bps", "fees"),
        ("reason",),
    )
    for row in rows[:ROWS_MAX]:
        table.add_row(
            clock(row.received_at, zone),
            str(row.instruction_id)[:ID_LENGTH],
            _cell(row.action),
            _cell(row.symbol),
            _cell(row.strategy),
            _status(row.status, partial=row.partial),
            shares(row.requested),
            shares(row.executed),
            number(row.average_price, 4),
            _cost(row.slippage_bps),
            number(row.fees),
            _cell(row.reason),
        )
    return _with_rest(table, len(rows))


def instruction_detail(
    row: BlotterRow, trail: Iterable[AuditEntry] = (), *, zone: tzinfo | None = None
) -> RenderableType:
    """One instruction: its facts, child orders, fills, anomalies and, where given, its story."""
    parts: list[RenderableType] = [_facts(row, zone), _orders(row.orders, zone)]
    if row.fills:
        fills = _table("Fills", ("time", "order", "execution", "status"), ("shares", "price"))
        for fill in row.fills[:ROWS_MAX]:
            fills.add_row(
                clock(fill.market_time, zone),
                _cell(fill.client_order_id),
                _cell(fill.execution_id),
                _cell(fill.status),
                shares(fill.quantity),
                number(fill.price, 4),
            )
        parts.append(_with_rest(fills, len(row.fills)))
    if row.anomalies:
        odd = _table("Anomalies", ("time", "kind", "detail"))
        for note in row.anomalies[:ROWS_MAX]:
            odd.add_row(clock(note.at, zone), _cell(note.kind), _cell(note.detail))
        parts.append(_with_rest(odd, len(row.anomalies)))
    story = list(trail)
    if story:
        parts.append(audit_table(story))
    return Group(*parts)


def audit_table(entries: Sequence[AuditEntry]) -> RenderableType:
    """The story of an instruction, event by event, with the values each was decided from."""
    table = _table("Story", ("#", "time at the exchange", "who", "what", "why", "seen"))
    for entry in entries[:ROWS_MAX]:
        seen = ", ".join(f"{name} {value}" for name, value in entry.observed)
        what = entry.what if entry.text is None else f"{entry.what}\n{entry.text}"
        table.add_row(
            str(entry.position),
            entry.at_exchange,
            _cell(entry.who),
            _cell(what),
            _cell(entry.why),
            Text(seen, style="dim"),
        )
    return _with_rest(table, len(entries))


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


def refusals_table(
    refused: Sequence[RefusedDecision], *, zone: tzinfo | None = None
) -> RenderableType:
    """One line per refused check: what was seen, what is allowed, and what would pass."""
    table = _table(
        "Refused decisions",
        ("time", "decision", "action", "symbol", "reason", "observed", "allowed", "would pass"),
    )
    lines = [(one, refusal) for one in refused for refusal in one.refusals]
    for one, refusal in lines[:ROWS_MAX]:
        by = " (broker)" if one.by_broker else ""
        table.add_row(
            clock(one.at, zone),
            _cell(one.decision_id),
            _cell(one.action),
            _cell(one.symbol),
            Text(f"{refusal.reason}{by}", style="red"),
            _cell(refusal.observed),
            _cell(refusal.allowed),
            _cell(refusal.would_pass),
        )
    return _with_rest(table, len(lines))


def quality_table(summary: ExecutionSummary, *, note: str = "") -> RenderableType:
    """Slippage per strategy, with completion and full shortfall beside it (ruling 4)."""
    table = _table(
        "Slippage against arrival",
        ("strategy",),
        (
            "instructions",
            "completion",
            "mean bps",
            "median bps",
            "shortfall bps",
            "delay bps",
            "success",
            "fees",
        ),
    )
    table.caption = note or None
    for group in summary.by_strategy:
        table.add_row(*_quality(group))
    table.add_section()
    table.add_row(*_quality(summary.overall))
    return table


def alerts_table(alerts: Sequence[Alert], *, zone: tzinfo | None = None) -> RenderableType:
    """What a person should look at, the most urgent first."""
    if not alerts:
        return Text("No alerts", style="green")
    table = _table("Alerts", ("severity", "since", "kind", "what"))
    for alert in alerts[:ROWS_MAX]:
        table.add_row(
            Text(alert.severity, style=_SEVERITY_STYLE[alert.severity]),
            clock(alert.since, zone),
            _cell(alert.kind),
            _cell(alert.message),
        )
    return _with_rest(table, len(alerts))


def standing_line(sessions: Sequence[ToldSession]) -> list[RenderableType]:
    """Whether what is told of the sessions is preliminary or final; nothing without a session."""
    return [Text(standing_note(sessions), style="dim")] if sessions else []


def report_view(report: PerformanceReport, *, zone: tzinfo | None = None) -> RenderableType:
    """A whole report for the terminal, ending with the part of the log that it was made from."""
    totals = report.totals
    counts = (
        f"{totals.decisions} decisions: {totals.filled} filled, {totals.cancelled} cancelled, "
        f"{totals.rejected} refused, {totals.no_change} without change, {totals.active} active; "
        f"{totals.orders} orders, {totals.fills} fills, notional {number(totals.notional)}, "
        f"fees {number(totals.fees)}"
    )
    log = report.log
    source = (
        f"log {log.first_position} to {log.last_position}, head {log.head_hash or MISSING}, "
        f"code {report.code_version}"
    )
    sessions = ", ".join(report.sessions) or "no session"
    parts: list[RenderableType] = [
        Panel(Text(counts), title=Text(f"Execution report: {sessions}")),
        quality_table(report.quality, note=report.note),
        *(limits_gauge(limits) for limits in report.limits),
    ]
    if report.refused:
        parts.append(refusals_table(report.refused, zone=zone))
    parts.append(alerts_table(report.alerts, zone=zone))
    if report.commentary:
        parts.append(Panel(Text(report.commentary), title="Commentary"))
    parts += standing_line(report.standing)
    parts.append(Text(source, style="dim"))
    return Group(*parts)


def _table(
    title: str, left: Iterable[str], right: Iterable[str] = (), after: Iterable[str] = ()
) -> Table:
    table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in left:
        table.add_column(name)
    for name in right:
        table.add_column(name, justify="right")
    for name in after:
        table.add_column(name)
    return table


def _with_rest(table: Table, count: int) -> Table:
    if count > ROWS_MAX:
        table.caption = f"and {count - ROWS_MAX} more"
    return table


def _cell(value: object) -> Text:
    return Text(MISSING if value is None or value == "" else str(value))


def _status(status: ResultStatus, *, partial: bool) -> Text:
    text = f"{status} (part)" if partial else str(status)
    return Text(text, style=_STATUS_STYLE.get(status, ""))


def _cost(bps: Decimal | None) -> Text:
    style = "" if bps is None else "red" if bps > _COST_HIGH_BPS else "green" if bps <= 0 else ""
    return Text(number(bps), style=style)


def _facts(row: BlotterRow, zone: tzinfo | None) -> Panel:
    grid = Table(box=None, show_header=False, pad_edge=False)
    facts: tuple[tuple[str, object], ...] = (
        ("instruction", row.instruction_id),
        ("decision", row.decision_id),
        ("account, session", f"{row.account}, {row.session_date}"),
        ("status", f"{row.status}{' (part)' if row.partial else ''}"),
        ("reason", row.reason),
        ("strategy", row.strategy),
        ("requested, executed", f"{shares(row.requested)}, {shares(row.executed)}"),
        ("average price", number(row.average_price, 4)),
        ("arrival mid", number(row.arrival_mid, 4)),
        ("slippage bps", number(row.slippage_bps)),
        ("bound price", number(row.bound_price, 4)),
        ("completing price", number(row.completing_price, 4)),
        ("fees", number(row.fees)),
        ("received, released", f"{clock(row.received_at, zone)}, {clock(row.released_at, zone)}"),
        ("last fill, ended", f"{clock(row.last_fill_at, zone)}, {clock(row.ended_at, zone)}"),
        ("log", f"{row.first_position} to {row.last_position}"),
    )
    for name, value in facts:
        grid.add_row(Text(name, style="dim"), _cell(value))
    for refusal in row.refusals:
        grid.add_row(Text("refused", style="red"), _cell(refusal.message))
    return Panel(grid, title=Text(f"{row.action} {row.symbol}"), expand=False)


def _orders(orders: Sequence[OrderRow], zone: tzinfo | None) -> RenderableType:
    table = _table(
        "Child orders",
        ("placed", "order", "state", "type"),
        ("shares", "executed", "leaves", "limit", "average"),
        ("rule",),
    )
    for order in orders[:ROWS_MAX]:
        table.add_row(
            clock(order.placed_at, zone),
            _cell(order.client_order_id),
            Text(order.state, style="bold red" if order.indeterminate else ""),
            _cell(f"{order.order_type} {order.time_in_force}"),
            shares(order.quantity),
            shares(order.executed),
            shares(order.leaves),
            number(order.limit_price, 4),
            number(order.average_price, 4),
            _cell(order.rule),
        )
    return _with_rest(table, len(orders))


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


def _quality(group: QualitySummary) -> tuple[RenderableType, ...]:
    return (
        _cell(group.group),
        str(group.instructions),
        percent(group.completion),
        _cost(group.slippage_bps_mean),
        number(group.slippage_bps_median),
        number(group.shortfall_bps_mean),
        number(group.delay_bps_mean),
        percent(group.success_rate),
        number(group.fees),
    )
