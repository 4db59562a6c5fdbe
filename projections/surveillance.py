"""Own trading as a supervisor looks at it: patterns per symbol and day, with the events behind.

What is asked about follows the usual catalogue of market-abuse surveillance (wash trades, layering
and spoofing, order-to-trade ratios, message rates; MAR article 12 and FINRA 5210, 6140). A finding
is a question to a person, never a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import ClassVar, Final
from uuid import UUID

from ..domain import events as e
from ..domain.ports import TimeInForce
from ..domain.reasons import Reason
from .instruction_events import ACCOUNT_EVENTS, INSTRUCTION_EVENTS
from .runner import Handler, Projection
from .surveillance_terms import (
    DEFAULT_SURVEILLANCE,
    Finding,
    Occurrence,
    Pattern,
    SurveillanceThresholds,
)
from .symbol_day import SymbolDay, WatchedOrder

_RESTING: Final = frozenset({TimeInForce.DAY})
_COUNTED: Final = (
    Pattern.SELF_CROSS_ATTEMPT,
    Pattern.OPPOSITE_FILLS,
    Pattern.FLEETING_REST,
    Pattern.LAYERING,
)
"""Patterns of which one occurrence is enough."""

Key = tuple[str, str, str]
"""Account, symbol, session date."""


class Surveillance(Projection):
    """Every symbol-day of a log under its thresholds."""

    name: ClassVar[str] = "surveillance"
    version: ClassVar[int] = 1

    def __init__(self, thresholds: SurveillanceThresholds = DEFAULT_SURVEILLANCE) -> None:
        super().__init__()
        self._thresholds = thresholds
        self._days: dict[Key, SymbolDay] = {}
        self._home: dict[UUID, Key] = {}

    def findings(self, session_date: str | None = None) -> tuple[Finding, ...]:
        """What is to be asked about, by day, account and symbol; ``session_date`` picks one."""
        days = sorted(self._days.items(), key=lambda item: (item[0][2], *item[0]))
        return tuple(
            finding
            for key, day in days
            if session_date is None or key[2] == session_date
            for finding in self._of(key, day)
        )

    def saw(self, session_date: str) -> bool:
        """Whether an order of that session was watched; YYYY-MM-DD."""
        return any(key[2] == session_date for key in self._days)

    def state(self) -> object:
        """Every finding, and the counts of each symbol-day."""
        counts = {
            "/".join(key): {
                "cancelled": day.orders_cancelled,
                "executed": day.orders_executed,
                "messages_peak": day.messages_peak,
            }
            for key, day in self._days.items()
        }
        return {"findings": self.findings(), "days": counts}

    def _of(self, key: Key, day: SymbolDay) -> Iterator[Finding]:
        for pattern in _COUNTED:
            seen = day.seen.get(pattern)
            if seen:
                count = day.counts[pattern]
                yield _finding(pattern, key, (Decimal(count), Decimal(0), "times"), count, seen)
        limits = self._thresholds
        ratio = day.cancel_to_fill()
        if ratio is not None and ratio[0] > limits.cancel_to_fill_max:
            figures = (ratio[0], limits.cancel_to_fill_max, "orders cancelled for one executed")
            yield _finding(Pattern.CANCEL_TO_FILL, key, figures, day.orders_cancelled, ratio[1])
        busiest = day.busiest_second()
        if busiest is not None and day.messages_peak > limits.messages_per_second_max:
            peak, allowed = Decimal(day.messages_peak), Decimal(limits.messages_per_second_max)
            figures = (peak, allowed, "messages a second")
            yield _finding(Pattern.MESSAGE_RATE, key, figures, 1, [busiest])

    def _day(self, event: e.DomainEvent) -> SymbolDay | None:
        key = self._home.get(event.originator_id)
        if key is None:
            return None
        return self._days.setdefault(key, SymbolDay(self._thresholds))

    def _received(self, event: e.DecisionReceived) -> None:
        if event.decision is not None:
            key = (event.account, event.decision.symbol, event.session_date)
            self._home[event.originator_id] = key

    def _planned(self, event: e.InstructionPlanned) -> None:
        account, symbol, _ = self._home[event.originator_id]
        self._home[event.originator_id] = (account, symbol, event.reservation.session_date)

    def _replanned(self, event: e.InstructionReplanned) -> None:
        if event.reservation is not None:
            account, symbol, _ = self._home[event.originator_id]
            self._home[event.originator_id] = (account, symbol, event.reservation.session_date)

    def _rejected(self, event: e.InstructionRejected) -> None:
        if any(refusal.reason is Reason.SELF_CROSS for refusal in event.refusals):
            day = self._day(event)
            if day is not None:
                day.refused_self_cross(event.record_time, self.position + 1)

    def _intended(self, event: e.OrderIntended) -> None:
        day = self._day(event)
        if day is not None:
            order = WatchedOrder(
                event.client_order_id,
                event.side,
                event.limit_price,
                event.time_in_force in _RESTING and event.limit_price is not None,
                self.position + 1,
            )
            day.placed(order, event.record_time)

    def _cancel_requested(self, event: e.OrderCancelRequested) -> None:
        day = self._day(event)
        if day is not None:
            day.message(event.record_time, self.position + 1)

    def _filled(self, event: e.OrderFilled) -> None:
        day = self._day(event)
        if day is not None and event.report.last_qty:
            report = event.report
            day.filled(report.client_order_id, report.market_time, self.position + 1)

    def _canceled(self, event: e.OrderCanceled) -> None:
        self._end(event, cancelled=True)

    def _expired(self, event: e.OrderExpired | e.OrderRejected) -> None:
        self._end(event, cancelled=False)

    def _end(self, event: e.OrderReported, *, cancelled: bool) -> None:
        day = self._day(event)
        if day is not None:
            report = event.report
            place = self.position + 1
            day.ended(report.client_order_id, report.market_time, place, cancelled=cancelled)

    HANDLERS: ClassVar[Mapping[type[e.DomainEvent], Handler]] = {
        e.DecisionReceived: _received,
        e.InstructionPlanned: _planned,
        e.InstructionReplanned: _replanned,
        e.InstructionRejected: _rejected,
        e.OrderIntended: _intended,
        e.OrderCancelRequested: _cancel_requested,
        e.OrderFilled: _filled,
        e.OrderCanceled: _canceled,
        e.OrderExpired: _expired,
        e.OrderRejected: _expired,
    }
    IGNORED: ClassVar[frozenset[type[e.DomainEvent]]] = (
        frozenset(ACCOUNT_EVENTS) | frozenset(INSTRUCTION_EVENTS)
    ) - HANDLERS.keys()


def _finding(
    pattern: Pattern,
    key: Key,
    figures: tuple[Decimal, Decimal, str],
    count: int,
    occurrences: list[Occurrence],
) -> Finding:
    account, symbol, date = key
    observed, threshold, unit = figures
    return Finding(
        pattern, account, symbol, date, observed, threshold, unit, count, tuple(occurrences)
    )
