"""A log followed as a reader, and what a person watching it sees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...domain.errors import StoreError
from ...projections import rendering
from ...projections.alerts import (
    DEFAULT_THRESHOLDS,
    Alert,
    AlertThresholds,
    stopped_alert,
)
from ...projections.blotter import BlotterRow, OrderRow
from ...projections.canonical import to_json
from ...projections.reconciliation import told_sessions
from ...projections.rendering import alerts_table, clock, limits_gauge, number, shares
from ...projections.reports import session_limits
from ...projections.runner import ProjectionStopped, follow
from ..storage.latch import LatchFile
from ..storage.log import Log
from ..timekeeping.clocks import SystemClock
from .views import Views, read_views

LIVE_WITHIN_NS: Final = 24 * 3_600 * 1_000_000_000
"""A log whose last event is older than that is looked at as of its end."""
ORDERS_SHOWN: Final = 30
DONE_SHOWN: Final = 8


def present(last_at: int) -> int:
    """The wall's time for a log whose last event is of today, else the log's own end; ns UTC."""
    wall = SystemClock().now()
    return wall if 0 <= wall - last_at < LIVE_WITHIN_NS else last_at


class Followed:
    """The views of a store, brought forward whenever asked; close it at the end."""

    def __init__(self, store: str, thresholds: AlertThresholds = DEFAULT_THRESHOLDS) -> None:
        """Read what is there.

        Raises:
            StoreError: there is no such store, or it cannot be read.
            ProjectionStopped: the log holds what this code cannot follow.
        """
        self._log = Log.open(store, writer=False)
        self._file = LatchFile(store)
        self.stopped = ""
        try:
            self.views: Views = read_views(self._log, store, thresholds=thresholds)
        except BaseException:
            self._log.close()
            raise

    def advance(self) -> bool:
        """Take in what was appended since; whether there was anything. A failure is kept."""
        views = self.views
        before = views.position
        try:
            for recorded in self._log.events(after=before):
                follow([views.blotter, views.limits, views.reconciliation], [recorded])
                views.last_at = recorded.event.record_time
        except (ProjectionStopped, StoreError) as error:
            self.stopped = str(error)
        return views.position != before

    @property
    def now(self) -> int:
        """The wall's time while the log is of today's market, else the log's own end."""
        return present(self.views.last_at)

    def blocked(self) -> tuple[str, ...]:
        """The scopes that the kill switch blocks, in the log or in the file alone."""
        found = {
            f"{account} {scope}: {reason}"
            for account, scope, reason, _ in self.views.reconciliation.kills()
        }
        for account in self.views.limits.accounts() or ("",):
            for one in self._file.read(account):
                found.add(f"{one.account or account} {one.scope}: {one.reason}")
        return tuple(sorted(found))

    def alerts(self) -> tuple[Alert, ...]:
        """What a person should look at now."""
        own = (stopped_alert(self.stopped),) if self.stopped else ()
        return own + self.views.alerts(self.now)

    def close(self) -> None:
        """Let go of the store."""
        self._log.close()


def snapshot(followed: Followed) -> dict[str, object]:
    """Everything the screen shows, for a program."""
    views = followed.views
    active = views.blotter.active()
    return {
        "position": views.position,
        "head_hash": views.head_hash,
        "as_of": followed.now,
        "stopped": followed.stopped,
        "blocked": list(followed.blocked()),
        "active": to_json(active),
        "orders": [
            {"instruction_id": str(row.instruction_id), "symbol": row.symbol, **_plain(order)}
            for row, order in _open_orders(active)
        ],
        "done": len(views.blotter.done()),
        "limits": to_json([session_limits(views.limits, one) for one in views.limits.accounts()]),
        "sessions": to_json(told_sessions(views.reconciliation, lambda date: True)),
        "alerts": to_json(followed.alerts()),
    }


def standing(followed: Followed, *, paused: bool = False) -> Text:
    """Where the log is and whether trading is blocked, in one line."""
    views = followed.views
    blocked = followed.blocked()
    text = Text()
    if paused:
        text.append(" PAUSED ", style="bold black on yellow")
        text.append("  ")
    if followed.stopped:
        text.append(f" STOPPED: {followed.stopped} ", style="bold white on red")
        text.append("  ")
    if blocked:
        text.append(f" KILL SWITCH {'; '.join(blocked)} ", style="bold white on red")
    else:
        text.append(" trading is not blocked ", style="black on green")
    text.append(f"  {clock(followed.now)}  position {views.position}  ", style="dim")
    text.append(f"{views.head_hash[:12]}", style="dim")
    return text


def instructions(followed: Followed) -> RenderableType:
    """What is worked, and the last that ended."""
    active, done = followed.views.blotter.active(), followed.views.blotter.done()
    parts: list[RenderableType] = []
    if active:
        parts.append(rendering.blotter(active, title=f"Working, {len(active)}"))
    else:
        parts.append(Text("Nothing is being worked.", style="dim"))
    if done:
        parts.append(rendering.blotter(done[-DONE_SHOWN:], title=f"Done, {len(done)}: the last"))
    return Group(*parts)


def child_orders(followed: Followed) -> RenderableType:
    """Own orders that may still trade."""
    rows = list(_open_orders(followed.views.blotter.active()))
    if not rows:
        return Text("No own order is open.", style="dim")
    table = Table(title=f"Open orders, {len(rows)}", title_justify="left", box=None, expand=False)
    for name in ("placed", "symbol", "side", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("shares", "executed", "limit"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("rule")
    for row, order in rows[:ORDERS_SHOWN]:
        table.add_row(
            clock(order.placed_at),
            row.symbol,
            order.side.value,
            Text(order.state, style="bold red" if order.indeterminate else ""),
            shares(order.quantity),
            shares(order.executed),
            number(order.limit_price, 4),
            order.rule,
        )
    return table


def limits_and_alerts(followed: Followed) -> RenderableType:
    """What is used of each limit, and what to look at."""
    limits = followed.views.limits
    gauges = [limits_gauge(session_limits(limits, account)) for account in limits.accounts()]
    return Group(*gauges, alerts_table(followed.alerts()))


def _open_orders(rows: Iterable[BlotterRow]) -> Iterable[tuple[BlotterRow, OrderRow]]:
    return ((row, order) for row in rows for order in row.orders if order.open)


def _plain(order: OrderRow) -> dict[str, object]:
    found = to_json(order)
    return dict(found) if isinstance(found, dict) else {}
