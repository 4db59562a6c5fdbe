"""What a person should look at now: a pure function of projections and the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Final

from ..domain.money import ZERO, plain
from ..domain.ports import NANOS
from ..domain.reasons import Anomalous
from .averages import Judged
from .daily_limits import DailyLimits
from .execution_quality import summarise
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
    LIMIT_NEARLY_USED = "limit_nearly_used"
    REJECT_BURST = "reject_burst"
    STALE_DATA = "stale_data"
    UPDATES_DOWN = "updates_down"
    PROJECTION_STOPPED = "projection_stopped"


@dataclass(frozen=True, slots=True)
class AlertThresholds:
    """From where on an alert is raised; the defaults are the seed's.

    An order is stale once open longer than ``stale_order_seconds``, slippage is an average in bps
    against arrival, ``success_rate_min`` a fraction. A limit is nearly used from
    ``limit_used_fraction_min`` on, ``rejects_max`` refused orders and decisions within
    ``reject_window_seconds`` are a burst, data is stale once older than ``stale_data_seconds``, and
    trade updates are down once not heard for ``updates_down_seconds`` of real time.
    """

    stale_order_seconds: int = 7_200
    slippage_bps_max: Decimal = Decimal(20)
    success_rate_min: Decimal = Decimal("0.9")
    limit_used_fraction_min: Decimal = Decimal("0.9")
    rejects_max: int = 5
    reject_window_seconds: int = 300
    stale_data_seconds: int = 60
    updates_down_seconds: int = 30


DEFAULT_THRESHOLDS: Final = AlertThresholds()


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to look at.

    ``observed`` and ``threshold`` are numbers in ``unit``, or None where there is no such number;
    ``since`` is when it began (ns UTC), None for an average. ``about`` says what of the subject it
    is where the kind does not, such as which limit.
    """

    kind: AlertKind
    severity: Severity
    subject: str
    observed: Decimal | None
    threshold: Decimal | None
    unit: str
    since: int | None
    detail: str
    about: str = ""

    @property
    def key(self) -> str:
        """The same for as long as it is the same thing that somebody should look at: 64 digits."""
        return sha256("\0".join((self.kind, self.subject, self.about)).encode()).hexdigest()

    @property
    def message(self) -> str:
        """One line for a person."""
        return message_of(self.subject, self.detail, self.observed, self.threshold, self.unit)


def message_of(
    subject: str, detail: str, observed: Decimal | None, threshold: Decimal | None, unit: str
) -> str:
    """What an alert says, in one line."""
    if observed is None or threshold is None:
        return f"{subject}: {detail}"
    return f"{subject}: {detail}: {plain(observed)} against {plain(threshold)} {unit}"


def stopped_alert(problem: str) -> Alert:
    """What is told from the log cannot follow it any more; ``problem`` says where and why."""
    detail = f"what is told from the log stands still: {problem}"
    return Alert(
        AlertKind.PROJECTION_STOPPED, Severity.CRITICAL, "log", None, None, "", None, detail
    )


_ORDER: Final = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


def current_alerts(
    book: InstructionBook,
    limits: DailyLimits,
    reconciliation: Reconciliation,
    now: int,
    *,
    judged: Judged | None = None,
    thresholds: AlertThresholds = DEFAULT_THRESHOLDS,
) -> tuple[Alert, ...]:
    """Everything to look at, the most urgent first, then the oldest.

    ``judged`` is what averages are judged by, by default the summary of the whole ``book``.
    """
    entries = book.instructions().values()
    judged = judged if judged is not None else summarise(entries).overall.judged
    found = [
        *_instructions(entries, now, thresholds, reconciliation),
        *_averages(judged, thresholds),
        *_over_caps(limits),
        *_nearly_used(limits, thresholds),
        *_rejects(book, now, thresholds),
        *_disagreements(reconciliation),
    ]
    return tuple(
        sorted(found, key=lambda a: (_ORDER.index(a.severity), a.since or 0, a.kind, a.subject))
    )


def _instructions(
    entries: Iterable[Followed],
    now: int,
    thresholds: AlertThresholds,
    reconciliation: Reconciliation,
) -> Iterator[Alert]:
    for entry in entries:
        it = entry.instruction
        yield from _orders(entry, now, thresholds)
        settled = (str(it.id), *it.orders)
        if (
            it.plan is not None
            and it.overfilled
            and not reconciliation.is_settled(Anomalous.OVERFILL, settled)
        ):
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


def _averages(overall: Judged, thresholds: AlertThresholds) -> Iterator[Alert]:
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
                over.limit,
            )


def _nearly_used(limits: DailyLimits, thresholds: AlertThresholds) -> Iterator[Alert]:
    for account in limits.accounts():
        for use in limits.uses(account):
            fraction = use.used / use.allowed if use.allowed else ZERO
            if not thresholds.limit_used_fraction_min <= fraction <= 1:
                continue  # over it is an alert of its own
            yield Alert(
                AlertKind.LIMIT_NEARLY_USED,
                Severity.WARNING,
                use.subject,
                use.used,
                use.allowed,
                use.unit,
                None,
                f"{use.limit} is nearly used",
                use.limit,
            )


def _rejects(book: InstructionBook, now: int, thresholds: AlertThresholds) -> Iterator[Alert]:
    """A burst of refusals, by the broker or by ourselves, within the window that ends now."""
    since = now - thresholds.reject_window_seconds * NANOS
    for account, times in book.rejects().items():
        within = [at for at in times if since < at <= now]
        if len(within) >= thresholds.rejects_max:
            yield Alert(
                AlertKind.REJECT_BURST,
                Severity.CRITICAL,
                account,
                Decimal(len(within)),
                Decimal(thresholds.rejects_max),
                "orders and decisions",
                within[0],
                f"refused within {thresholds.reject_window_seconds} seconds",
            )


def _disagreements(reconciliation: Reconciliation) -> Iterator[Alert]:
    for account, difference, since in reconciliation.breaks():
        subject = difference.client_order_id or difference.symbol or account
        detail = f"{difference.kind}: ours {difference.ours}, the broker's {difference.theirs}"
        yield Alert(
            AlertKind.BREAK,
            Severity.CRITICAL,
            subject,
            None,
            None,
            "",
            since,
            detail,
            difference.kind,
        )
    for account, scope, reason, since in reconciliation.kills():
        detail = f"trading is blocked for {scope}: {reason}"
        yield Alert(
            AlertKind.KILL_SWITCH, Severity.CRITICAL, account, None, None, "", since, detail, scope
        )
    for anomaly in reconciliation.anomalies():
        if anomaly.kind is Anomalous.OVERFILL:
            continue  # shown with its quantities above
        severity = Severity.INFO if anomaly.kind in NOTES else Severity.WARNING
        detail = f"{anomaly.kind}: {anomaly.detail}"
        yield Alert(
            AlertKind.ANOMALY,
            severity,
            anomaly.subject,
            None,
            None,
            "",
            anomaly.at,
            detail,
            anomaly.kind.value,
        )


def _first_noted(entry: Followed, kind: Anomalous) -> int | None:
    return next((note.at for note in entry.anomalies if note.kind is kind), None)
