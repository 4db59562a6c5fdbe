"""Own trading as a supervisor looks at it: patterns per symbol and day, with the events behind.

What is asked about follows the usual catalogue of market-abuse surveillance (wash trades, layering
and spoofing, order-to-trade ratios, message rates; MAR article 12 and FINRA 5210, 6140). A finding
is a question to a person, never a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from heapq import merge
from operator import attrgetter
from typing import ClassVar, Final
from uuid import UUID

from ..domain import events as e
from ..domain.ports import TimeInForce
from ..domain.reasons import Reason
from .instruction_events import ACCOUNT_EVENTS, INSTRUCTION_EVENTS
from .runner import VERSION_ABOVE_ALL, Handler, History, Projection
from .surveillance_terms import (
    DEFAULT_SURVEILLANCE,
    Finding,
    Occurrence,
    Pattern,
    SurveillanceThresholds,
)
from .symbol_day import DayFigures, SymbolDay, WatchedOrder

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
_ID_BYTES: Final = 16


class Surveillance(Projection):
    """Every symbol-day of a log under its thresholds.

    With a ``history`` to ask, of days before the latest two sessions only figures are held. When
    something more happens on such a day, it is told once more from the events of its instructions.
    """

    name: ClassVar[str] = "surveillance"
    version: ClassVar[int] = 1

    def __init__(
        self,
        thresholds: SurveillanceThresholds = DEFAULT_SURVEILLANCE,
        history: History | None = None,
    ) -> None:
        super().__init__()
        self._thresholds, self._history = thresholds, history
        self._days: dict[Key, DayFigures] = {}
        self._home: dict[UUID, Key] = {}
        self._members: dict[Key, bytearray] = {}
        self._held: set[Key] = set()
        self._latest = ""

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

    def _of(self, key: Key, day: DayFigures) -> Iterator[Finding]:
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
        key = self._home_of(event)
        if key is None:
            return None
        day = self._days.get(key)
        if not isinstance(day, SymbolDay):
            made = SymbolDay(self._thresholds) if day is None else self._again(key)
            day = self._days[key] = made
        return day

    def _home_of(self, event: e.DomainEvent) -> Key | None:
        id = event.originator_id
        key = self._home.get(id)
        if key is None and self._history is not None and event.originator_version > 1:
            for earlier in self._history(id, event.originator_version):
                key = _moved(key, earlier.event)
            if key is not None:
                self._home[id] = key
                self._held.add(key)
        return key

    def _moves(self, event: e.DomainEvent) -> None:
        """The day that an instruction counts on may be another from here on."""
        id, before = event.originator_id, self._home_of(event)
        key = _moved(before, event)
        if key is None:
            return
        self._home[id] = key
        if self._history is not None and key != before:
            self._members.setdefault(key, bytearray()).extend(id.bytes)
            self._held.add(key)

    def _received(self, event: e.DecisionReceived) -> None:
        self._moves(event)
        if self._history is not None and event.session_date > self._latest:
            self._let_go(self._latest)
            self._latest = event.session_date

    def _let_go(self, before: str) -> None:
        """Hold of the days before this one no more than their figures."""
        for key in [key for key in self._held if key[2] < before]:
            self._held.discard(key)
            day = self._days.get(key)
            if isinstance(day, SymbolDay):
                self._days[key] = day.figures()
            for id in self._of_day(key):
                if self._home.get(id) == key:
                    del self._home[id]

    def _again(self, key: Key) -> SymbolDay:
        """A day as it was let go of."""
        assert self._history is not None
        streams = [self._history(id, VERSION_ABOVE_ALL) for id in self._of_day(key)]
        told = Surveillance(self._thresholds)
        for recorded in merge(*streams, key=attrgetter("position")):
            if recorded.position > self.position:
                break
            told.pass_to(recorded.position - 1)
            told.apply(recorded)
        day = told._days[key]
        assert isinstance(day, SymbolDay)
        return day

    def _of_day(self, key: Key) -> set[UUID]:
        ids = bytes(self._members[key])
        return {UUID(bytes=ids[at : at + _ID_BYTES]) for at in range(0, len(ids), _ID_BYTES)}

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
        e.InstructionPlanned: _moves,
        e.InstructionReplanned: _moves,
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


def _moved(key: Key | None, event: e.DomainEvent) -> Key | None:
    """Where an instruction counts after an event, by where it counted before."""
    if isinstance(event, e.DecisionReceived) and event.decision is not None:
        return event.account, event.decision.symbol, event.session_date
    if isinstance(event, e.InstructionPlanned | e.InstructionReplanned) and key is not None:
        reservation = event.reservation
        return key if reservation is None else (key[0], key[1], reservation.session_date)
    return key


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
