"""What a person should look at now: a pure function of projections and the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from ..domain.money import plain
from ..domain.ports import NANOS
from ..domain.reasons import Anomalous
from .daily_limits import DailyLimits
from .execution_quality import ExecutionSummary, summarise
from .instruction_book import Followed, InstructionBook
from .reconciliation import NOTES, Reconciliation


class Severity(StrEnum):
    """How soon somebody should look."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class AlertKind(StrEnum):
    """What an alert is about."""

    STALE_ORDER = "stale_order"
    AVERAGE_SLIPPAGE = "average_slippage"
    SUCCESS_RATE = "success_rate"
    OVER_CAP = "over_cap"
    OVERFILL = "overfill"
    INDETERMINATE_ORDER = "indeterminate_order"
    ESCALATED = "escalated"
    KILL_SWITCH = "kill_switch"
    BREAK = "break"
    ANOMALY = "anomaly"


@dataclass(frozen=True, slots=True)
class AlertThresholds:
    """From where on an alert is raised; the defaults are the seed's.

    An order is stale once open longer than ``stale_order_seconds``, slippage is an average in bps
    against arrival, ``success_rate_min`` a fraction.
    """

    stale_order_seconds: int = 7_200
    slippage_bps_max: Decimal = Decimal(20)
    success_rate_min: Decimal = Decimal("0.9")


DEFAULT_THRESHOLDS: Final = AlertThresholds()


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to look at.

    ``observed`` and ``threshold`` are numbers in ``unit``, or None where there is no such number;
    ``since`` is when it began (ns UTC), None for an average.
    """

    kind: AlertKind
    severity: Severity
    subject: str
    observed: Decimal | None
    threshold: Decimal | None
    unit: str
    since: int | None
    detail: str

    @property
    def message(self) -> str:
        """One line for a person."""
        if self.observed is None or self.threshold is None:
            return f"{self.subject}: {self.detail}"
        seen, bound = plain(self.observed), plain(self.threshold)
        return f"{self.subject}: {self.detail}: {seen} against {bound} {self.unit}"


_ORDER: Final = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


def current_alerts(
    book: InstructionBook,
    limits: DailyLimits,
    reconciliation: Reconciliation,
    now: int,
    *,
    summary: ExecutionSummary | None = None,
    thresholds: AlertThresholds = DEFAULT_THRESHOLDS,
) -> tuple[Alert, ...]:
    """Everything to look at, the most urgent first, then the oldest.

    ``summary`` is what averages are judged by, by default that of the whole ``book``.
    """
    entries = book.instructions().values()
    judged = summary if summary is not None else summarise(entries)
    found = [
        *_instructions(entries, now, thresholds),
        *_averages(judged, thresholds),
        *_over_caps(limits),
        *_disagreements(reconciliation),
    ]
    return tuple(
        sorted(found, key=lambda a: (_ORDER.index(a.severity), a.since or 0, a.kind, a.subject))
    )


def _instructions(
    entries: Iterable[Followed], now: int, thresholds: AlertThresholds
) -> Iterator[Alert]:
    for entry in entries:
        it = entry.instruction
        yield from _orders(entry, now, thresholds)
        if it.plan is not None and it.overfilled:
            yield Alert(
                AlertKind.OVERFILL,
                Severity.CRITICAL,
                str(it.id),
                it.executed,
                it.plan.quantity,
                "shares",
                _first_noted(entry, Anomalous.OVERFILL),
                f"the venue executed more {entry.symbol} than was ordered",
            )
        if it.escalated and not it.is_done:
            yield Alert(
                AlertKind.ESCALATED,
                Severity.CRITICAL,
                str(it.id),
                None,
                None,
                "",
                it.last_placed_at or it.released_at,
                f"{entry.symbol} waits at its price bound for a person's decision",
            )


def _orders(entry: Followed, now: int, thresholds: AlertThresholds) -> Iterator[Alert]:
    it = entry.instruction
    for order in it.live_orders:
        placed = it.placed_at[order.client_order_id]
        if order.is_indeterminate:
            yield Alert(
                AlertKind.INDETERMINATE_ORDER,
                Severity.CRITICAL,
                order.client_order_id,
                order.exposure - order.cum_qty,
                None,
                "shares",
                placed,
                f"its outcome at the broker is unknown; {plain(order.exposure - order.cum_qty)} "
                f"{entry.symbol} may still trade",
            )
        age = Decimal((now - placed) // NANOS)
        if age > thresholds.stale_order_seconds:
            yield Alert(
                AlertKind.STALE_ORDER,
                Severity.WARNING,
                order.client_order_id,
                age,
                Decimal(thresholds.stale_order_seconds),
                "seconds",
                placed,
                f"open for long ({entry.symbol})",
            )


def _averages(summary: ExecutionSummary, thresholds: AlertThresholds) -> Iterator[Alert]:
    overall = summary.overall
    slippage, rate = overall.slippage_bps_mean, overall.success_rate
    if slippage is not None and slippage > thresholds.slippage_bps_max:
        yield Alert(
            AlertKind.AVERAGE_SLIPPAGE,
            Severity.WARNING,
            overall.group,
            slippage,
            thresholds.slippage_bps_max,
            "bps",
            None,
            f"average slippage of {overall.slippage_count} instructions is high",
        )
    if rate is not None and rate < thresholds.success_rate_min:
        yield Alert(
            AlertKind.SUCCESS_RATE,
            Severity.WARNING,
            overall.group,
            rate,
            thresholds.success_rate_min,
            "as a fraction",
            None,
            f"{overall.successes} of {overall.instructions} instructions succeeded",
        )


def _over_caps(limits: DailyLimits) -> Iterator[Alert]:
    for account in limits.accounts():
        for over in limits.over_cap(account):
            yield Alert(
                AlertKind.OVER_CAP,
                Severity.CRITICAL,
                over.subject,
                over.used,
                over.allowed,
                over.unit,
                None,
                f"{over.limit} is over its limit",
            )


def _disagreements(reconciliation: Reconciliation) -> Iterator[Alert]:
    for account, difference, since in reconciliation.breaks():
        subject = difference.client_order_id or difference.symbol or account
        detail = f"{difference.kind}: ours {difference.ours}, the broker's {difference.theirs}"
        yield Alert(AlertKind.BREAK, Severity.CRITICAL, subject, None, None, "", since, detail)
    for account, scope, reason, since in reconciliation.kills():
        detail = f"trading is blocked for {scope}: {reason}"
        yield Alert(
            AlertKind.KILL_SWITCH, Severity.CRITICAL, account, None, None, "", since, detail
        )
    for anomaly in reconciliation.anomalies():
        if anomaly.kind is Anomalous.OVERFILL:
            continue  # shown with its quantities above
        severity = Severity.INFO if anomaly.kind in NOTES else Severity.WARNING
        detail = f"{anomaly.kind}: {anomaly.detail}"
        yield Alert(
            AlertKind.ANOMALY, severity, anomaly.subject, None, None, "", anomaly.at, detail
        )


def _first_noted(entry: Followed, kind: Anomalous) -> int | None:
    return next((note.at for note in entry.anomalies if note.kind is kind), None)
