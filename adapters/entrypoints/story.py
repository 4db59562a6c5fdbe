"""One instruction from decision to end: facts, checks, orders with the rule behind each, fills."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...domain import events as e
from ...domain.errors import StoreError
from ...domain.ids import CLIENT_ORDER_ID_PREFIX
from ...domain.reasons import Check
from ...projections import rendering
from ...projections.audit_trail import SEALED, AuditEntry, audit_trail
from ...projections.blotter import BlotterRow
from ...projections.rendering import MISSING, clock, number, percent, shares
from ..as_of import parse_as_of
from ..handover.redaction import keystore_of
from ..storage.keystore import Keystore
from ..storage.log import Log
from ..storage.records import Recorded
from .summary import log_line
from .views import Views, read_views

ORDERS_SHOWN: Final = 40
FILLS_SHOWN: Final = 40
FIRST_SHOWN: Final = 40
LAST_SHOWN: Final = 12
DECIDING: Final = frozenset(
    kind.TOPIC
    for kind in (
        e.OrderIntended,
        e.OrderCancelRequested,
        e.StrategySwitched,
        e.InstructionReplanned,
        e.InstructionCancelled,
    )
)


@dataclass(frozen=True, slots=True)
class Story:
    """One instruction's row, every event of it, and the views of the whole log."""

    row: BlotterRow
    trail: tuple[AuditEntry, ...]
    views: Views


def tell(store: str, id: str, as_of: str | None = None) -> Story:
    """Read everything about one instruction, as it is or as it was.

    Raises:
        InvalidInput: no instruction, or more than one, is meant.
    """
    with Log.open(store, writer=False) as log:
        views = read_views(log, store, None if as_of is None else parse_as_of(as_of))
        row = views.one(id)
        own = [
            Recorded(recorded.position, recorded.event, recorded.hash)
            for recorded in log.events(row.first_position - 1, row.last_position)
            if recorded.event.originator_id == row.instruction_id
        ]
        keystore = keystore_of(log)
    unseal = None if keystore is None else _unsealer(keystore)
    return Story(row, audit_trail(own, unseal=unseal), views)


def _unsealer(keystore: Keystore) -> Callable[[str, str, str], str | None]:
    """How personal text is read; None as text is what was redacted (ruling 23)."""

    def unseal(subject: str, sealed: str, context: str) -> str | None:
        try:
            return keystore.unseal(subject, sealed, context)
        except StoreError:
            return SEALED  # another log's keystore, or one that was lost

    return unseal


def story_json(story: Story) -> dict[str, object]:
    """The row and its trail."""
    return {"instruction": story.row, "trail": story.trail}


def story_view(story: Story) -> RenderableType:
    """The story for a terminal."""
    row = story.row
    parts: list[RenderableType] = [_facts(story)]
    if row.checks:
        parts.append(_checks(row.checks))
    if row.refusals:
        parts += [rendering.heading("Refused because"), *map(rendering.refusal, row.refusals)]
    if row.orders:
        parts.append(_orders(row))
    if row.fills:
        parts.append(_fills(row))
    for note in row.anomalies:
        parts.append(Text(f"anomaly {note.kind}: {note.detail}", style="yellow"))
    parts += [_trail(row, story.trail), Text(), log_line(story.views)]
    return Group(*parts)


def _facts(story: Story) -> RenderableType:
    row = story.row
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    done = f"{shares(row.executed)} of {shares(row.requested)} shares ({percent(row.completion)})"
    times = " → ".join(
        f"{name} {clock(at)}"
        for name, at in (
            ("received", row.received_at),
            ("released", row.released_at),
            ("first fill", row.first_fill_at),
            ("last fill", row.last_fill_at),
            ("ended", row.ended_at),
        )
        if at is not None
    )
    facts: tuple[tuple[str, str], ...] = (
        ("instruction", str(row.instruction_id)),
        ("decision", row.decision_id),
        ("account", f"{row.account}, session {row.session_date}"),
        ("outcome", rendering.outcome(row).plain),
        ("strategy", f"{row.strategy or MISSING} {row.style or ''}"),
        ("urgency", row.urgency.value if row.urgency else MISSING),
        ("confidence", str(row.confidence or MISSING)),
        ("executed", done if row.requested else MISSING),
        ("average", f"{number(row.average_price, 4)} against arrival {_price(row.arrival_mid)}"),
        ("slippage", f"{number(row.slippage_bps)} bps, bound price {_price(row.bound_price)}"),
        ("fees", number(row.fees)),
        ("times", times),
    )
    for name, value in (*facts, *_estimated(story.trail)):
        table.add_row(Text(name, style="dim"), Text(value))
    if row.completing_price is not None:
        table.add_row(Text("to complete", style="dim"), Text(_price(row.completing_price)))
    text = next((entry.text for entry in story.trail if entry.text), None)
    if text and _said(text):
        table.add_row(Text("said", style="dim"), Text(_said(text)))
    title = f"{row.action} {row.symbol}".strip() or "no valid decision"
    return Group(Text(title, style="bold"), table)


def _estimated(trail: tuple[AuditEntry, ...]) -> list[tuple[str, str]]:
    """What the plan was expected to cost before its first order, where that is on record."""
    told = dict(pair for entry in trail for pair in entry.observed)
    cost, risk = told.get("estimated cost bps"), told.get("estimated risk bps")
    if cost is None:
        return []
    strayed = f", give or take {number(Decimal(risk))}" if risk is not None else ""
    fees = told.get("expected fees")
    charged = f", fees {number(Decimal(fees))}" if fees is not None else ""
    return [("estimated", f"{number(Decimal(cost))} bps against arrival{strayed}{charged}")]


def _price(value: Decimal | None) -> str:
    return MISSING if value is None else f"{value:f}"


def _checks(checks: tuple[Check, ...]) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name in ("check", "", "observed", "bound", "unit"):
        table.add_column(name, justify="right" if name in ("observed", "bound") else "left")
    table.add_column("note", overflow="fold")
    for check in checks:
        table.add_row(
            check.name,
            Text("✓", style="green") if check.passed else Text("✗", style="bold red"),
            _amount(check.value),
            _amount(check.bound),
            check.unit,
            Text(check.note, style="dim"),
        )
    version = max(check.limit_version for check in checks)
    return Group(rendering.heading(f"Checks, by limits version {version}"), table)


def _amount(value: Decimal | None) -> str:
    if value is None:
        return ""
    text = f"{value:,.4f}"
    return text.rstrip("0").rstrip(".")


def _orders(row: BlotterRow) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name in ("#", "placed", "type"):
        table.add_column(name, no_wrap=True)
    for name in ("shares", "limit", "executed", "average"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("state", "rule"):
        table.add_column(name, no_wrap=True)
    for ordinal, order in enumerate(row.orders[:ORDERS_SHOWN]):
        table.add_row(
            str(ordinal),
            clock(order.placed_at),
            f"{order.order_type} {order.time_in_force}",
            shares(order.quantity),
            _price(order.limit_price),
            shares(order.executed),
            number(order.average_price, 4),
            Text(order.state, style="bold red" if order.indeterminate else ""),
            order.rule,
        )
    rest = rendering.rest(len(row.orders), ORDERS_SHOWN)
    return Group(rendering.heading(f"Child orders, {len(row.orders)}"), table, *rest)


def _fills(row: BlotterRow) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name in ("time", "order"):
        table.add_column(name, no_wrap=True)
    for name in ("shares", "price"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("status", "execution"):
        table.add_column(name, overflow="fold")
    for fill in row.fills[:FILLS_SHOWN]:
        table.add_row(
            clock(fill.market_time),
            str(fill.client_order_id).rpartition("-")[2],
            shares(fill.quantity),
            number(fill.price, 4),
            str(fill.status),
            Text(_shorter(str(fill.execution_id), row), style="dim"),
        )
    rest = rendering.rest(len(row.fills), FILLS_SHOWN)
    return Group(rendering.heading(f"Fills, {len(row.fills)}"), table, *rest)


def _trail(row: BlotterRow, trail: tuple[AuditEntry, ...]) -> RenderableType:
    """The first and the last events; what was seen is shown where something was decided."""
    parts: list[RenderableType] = [rendering.heading(f"Events, {len(trail)}")]
    left_out = len(trail) - FIRST_SHOWN - LAST_SHOWN
    for place, entry in enumerate(trail):
        if left_out > 0 and FIRST_SHOWN <= place < FIRST_SHOWN + left_out:
            if place == FIRST_SHOWN:
                parts.append(Text(f"       … {left_out} more: see --json", style="dim"))
            continue
        line = Text(f"{entry.position:>6} {clock(entry.record_time)} ", style="dim")
        line.append(_shorter(entry.what, row), style="default")
        if entry.why:
            line.append(f"  {_shorter(entry.why, row)}", style="cyan")
        parts.append(line)
        if entry.topic.partition(".")[0] in DECIDING:
            seen = ", ".join(f"{name} {value}" for name, value in entry.observed)
            parts.append(Padding(Text(seen, style="dim"), (0, 0, 0, 16)))
    return Group(*parts)


def _shorter(text: str, row: BlotterRow) -> str:
    """Client order ids by their number: all of them begin with the instruction's id."""
    return text.replace(f"{CLIENT_ORDER_ID_PREFIX}-{row.instruction_id.hex}-", "#")


def _said(text: str) -> str:
    """The personal text of a decision; of one that could not be read its raw form."""
    try:
        fields = json.loads(text)
    except ValueError:
        return text
    if not isinstance(fields, dict) or set(fields) != {"reasoning", "risk_factors"}:
        return text
    parts = [str(fields["reasoning"]), *map(str, fields["risk_factors"])]
    return "; ".join(part for part in parts if part)
