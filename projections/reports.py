"""The execution report of a period: totals, quality, alerts, limits used, refusals, and the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from ..domain.errors import InvalidInput
from ..domain.limits import Usage, turnover_cap_usd
from ..domain.reasons import Refusal
from ..domain.states import InstructionState
from .alerts import DEFAULT_THRESHOLDS, Alert, AlertThresholds, current_alerts
from .averages import exact_sum
from .blotter import Blotter
from .daily_limits import DailyLimits
from .execution_quality import NO_FACTS, EndFacts, summarise
from .instruction_book import Followed, InstructionBook
from .outcomes import ExecutionSummary
from .over_caps import OverCap
from .reconciliation import Reconciliation, ToldSession, told_sessions
from .runner import RecordedEvent, follow

PERIOD_DAYS_MAX: Final = 3_660
SIMULATED_NOTE: Final = "simulated: the book does not respond to our orders"
"""What tables from replayed books say (ruling 31)."""


@dataclass(frozen=True, slots=True)
class LogRange:
    """The part of the log that a report was made from: positions from 1, and the head's hash."""

    first_position: int
    last_position: int
    head_hash: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of instructions by where they stand, and what they executed.

    ``notional`` and ``fees`` are in account currency, ``indeterminate`` counts child orders of
    unknown outcome.
    """

    decisions: int
    filled: int
    cancelled: int
    rejected: int
    no_change: int
    active: int
    orders: int
    fills: int
    indeterminate: int
    notional: Decimal
    fees: Decimal


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit with what is used of it; ``allowed`` is its cap in ``unit``."""

    limit: str
    used: Decimal
    allowed: Decimal
    unit: str

    @property
    def fraction(self) -> Decimal | None:
        """Used over allowed, None where nothing is allowed."""
        return self.used / self.allowed if self.allowed else None


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one account used in one session, with the version and author of the limits in force."""

    account: str
    session_date: str
    equity: Decimal
    limit_version: int
    limit_author: str
    uses: tuple[LimitUse, ...]
    over_cap: tuple[OverCap, ...]
    kills: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RefusedDecision:
    """A decision that was refused, by us or by the broker, with every reason."""

    instruction_id: UUID
    decision_id: str
    symbol: str
    action: str
    at: int
    by_broker: bool
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class PerformanceReport:
    """What ``generate_execution_report`` gives.

    ``sessions`` are the exchange sessions covered, ``standing`` says of each account's whether it
    is preliminary or final, ``as_of`` is the time (ns UTC) that alerts were judged at. ``note``
    labels figures from replayed books. ``commentary`` is a language model's text, never part of
    what is compared.
    """

    period_days: int
    sessions: tuple[str, ...]
    as_of: int
    code_version: str
    log: LogRange
    totals: Totals
    quality: ExecutionSummary
    alerts: tuple[Alert, ...]
    limits: tuple[SessionLimits, ...]
    refused: tuple[RefusedDecision, ...]
    refusals_by_reason: Mapping[str, int]
    ended_by_reason: Mapping[str, int]
    note: str = ""
    commentary: str | None = None
    standing: tuple[ToldSession, ...] = ()


def execution_report(
    book: InstructionBook,
    limits: DailyLimits,
    reconciliation: Reconciliation,
    *,
    now: int,
    code_version: str,
    period_days: int = 1,
    head_hash: bytes = b"",
    facts: Mapping[UUID, EndFacts] = NO_FACTS,
    thresholds: AlertThresholds = DEFAULT_THRESHOLDS,
    note: str = "",
) -> PerformanceReport:
    """The report of the last ``period_days`` exchange sessions in the log.

    The three projections must stand at the same position; the report is bound to it and to
    ``head_hash``, the chain's hash there (by default as the projections were told).

    Raises:
        InvalidInput: for a period outside 1 to ``PERIOD_DAYS_MAX``, or projections at different
            positions.
    """
    if not 1 <= period_days <= PERIOD_DAYS_MAX:
        raise InvalidInput("period_days", period_days, f"1 to {PERIOD_DAYS_MAX}")
    positions = {book.position, limits.position, reconciliation.position}
    if len(positions) > 1:
        raise InvalidInput("projections", sorted(positions), "all at the same position of the log")
    entries = book.instructions().values()
    dates = {entry.session_date for entry in entries}
    dates.update(date for account in limits.accounts() for date in limits.sessions(account))
    sessions = tuple(sorted(dates))[-period_days:]
    covered = [entry for entry in entries if entry.session_date in sessions]
    quality = summarise(covered, facts)
    refused = tuple(refused_decision(entry) for entry in covered if entry.instruction.refusals)
    return PerformanceReport(
        period_days=period_days,
        sessions=sessions,
        as_of=now,
        code_version=code_version,
        log=LogRange(
            first_position=min(1, book.position),
            last_position=book.position,
            head_hash=(head_hash or book.head_hash).hex(),
        ),
        totals=totals_of(covered),
        quality=quality,
        alerts=current_alerts(
            book, limits, reconciliation, now, judged=quality.overall.judged, thresholds=thresholds
        ),
        limits=tuple(
            session_limits(limits, account, date)
            for account in limits.accounts()
            for date in sessions
            if date in limits.sessions(account)
        ),
        refused=refused,
        refusals_by_reason=_count(str(r.reason) for one in refused for r in one.refusals),
        ended_by_reason=_count(
            str(entry.instruction.end_reason)
            for entry in covered
            if entry.instruction.end_reason is not None
        ),
        note=note,
        standing=told_sessions(reconciliation, lambda date: date in sessions),
    )


def report_from_log(
    records: Iterable[RecordedEvent], *, now: int, code_version: str, period_days: int = 1
) -> PerformanceReport:
    """The report of a log, from nothing.

    Raises:
        ProjectionStopped: when the log holds what this code cannot follow.
    """
    book, limits, reconciliation = Blotter(), DailyLimits(), Reconciliation()
    follow([book, limits, reconciliation], records)
    return execution_report(
        book,
        limits,
        reconciliation,
        now=now,
        code_version=code_version,
        period_days=period_days,
    )


def session_limits(limits: DailyLimits, account: str, date: str | None = None) -> SessionLimits:
    """What an account used of its limits in a session, by default its latest."""
    usage = limits.usage(account, date)
    in_force = limits.limits_in_force(account)
    return SessionLimits(
        account=account,
        session_date=usage.session_date,
        equity=usage.session_equity_usd,
        limit_version=limits.limits(account).version,
        limit_author=in_force.author if in_force else "",
        uses=_uses(limits, account, usage),
        over_cap=limits.over_cap(account, usage.session_date),
        kills=tuple(sorted(usage.killed)),
    )


def _uses(limits: DailyLimits, account: str, usage: Usage) -> tuple[LimitUse, ...]:
    caps = limits.limits(account)
    return (
        LimitUse("trades", Decimal(usage.trades), Decimal(caps.trades_max_per_day), "trades"),
        LimitUse("turnover", usage.turnover_usd, turnover_cap_usd(caps, usage), "usd"),
        LimitUse(
            "reducing trades",
            Decimal(usage.reducing_trades),
            Decimal(caps.reducing_trades_extra),
            "trades",
        ),
        LimitUse(
            "reducing turnover",
            usage.reducing_turnover_usd,
            turnover_cap_usd(caps, usage, exempt=True),
            "usd",
        ),
    )


def totals_of(entries: list[Followed]) -> Totals:
    """Counts and sums of some instructions."""
    states = Counter(entry.instruction.state for entry in entries)
    orders = [order for entry in entries for order in entry.instruction.orders.values()]
    return Totals(
        decisions=len(entries),
        filled=states[InstructionState.FILLED],
        cancelled=states[InstructionState.CANCELLED],
        rejected=states[InstructionState.REJECTED],
        no_change=states[InstructionState.NO_CHANGE],
        active=sum(not entry.instruction.is_done for entry in entries),
        orders=len(orders),
        fills=sum(bool(fill.quantity) for order in orders for fill in order.executions.values()),
        indeterminate=sum(order.is_indeterminate for order in orders),
        notional=exact_sum(entry.instruction.notional for entry in entries),
        fees=exact_sum(entry.instruction.fees for entry in entries),
    )


def refused_decision(entry: Followed) -> RefusedDecision:
    """A refused instruction with every reason."""
    it = entry.instruction
    return RefusedDecision(
        instruction_id=it.id,
        decision_id=it.decision_id,
        symbol=entry.symbol,
        action=str(it.decision.action) if it.decision else "",
        at=entry.ended_at or it.received_at,
        by_broker=it.released,
        refusals=it.refusals,
    )


def _count(names: Iterable[str]) -> Mapping[str, int]:
    return dict(sorted(Counter(names).items()))
