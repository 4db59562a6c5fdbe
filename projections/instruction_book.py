"""Every instruction of a log, folded by the domain's own code, with what only a report needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from operator import attrgetter
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from ..domain import events as e
from ..domain.errors import FillwrightError, invariant
from ..domain.instruction import Instruction
from ..domain.money import ZERO
from ..domain.orders import NOTHING_EXECUTED, Executions
from ..domain.plan import PlanTerms
from ..domain.reasons import Anomalous, Check
from .instruction_events import (
    ACCOUNT_EVENTS,
    END_EVENTS,
    FOLLOWED_EVENTS,
    REPORT_EVENTS,
)
from .runner import Handler, History, Projection
from .sealed import Sealed

REJECTS_MAX: Final = 10_000
"""How many of the last refusals of an account are remembered."""


class NotInStep(FillwrightError):
    """A shared instruction was not brought forward by the event that its book is told of."""


class AnomalyNote(NamedTuple):
    """An anomaly as recorded, with the position of its event and when (ns UTC)."""

    position: int
    kind: Anomalous
    detail: str
    client_order_id: str | None
    at: int


class TermsInForce(NamedTuple):
    """What bound an instruction from ``since`` on; None where no bound was asked for."""

    since: int
    bound_price: Decimal | None
    end_at: int


class MarketSeen(NamedTuple):
    """The market as last recorded with a step: mid and session volume, None where unknown."""

    at: int
    mid: Decimal | None
    volume: Decimal | None


class Followed:
    """One instruction with the facts about it that its lifecycle does not need.

    ``books`` holds the executions per child order that ``filled_total`` adds up, ``rules`` the rule
    that placed each order, ``terms`` each change of bound or window, ``seen`` the market at the
    last recorded step. Times are ns UTC, positions those of the first and last event.
    """

    __slots__ = (
        "anomalies",
        "books",
        "checks",
        "data_note",
        "ended_at",
        "filled_total",
        "first_position",
        "instruction",
        "last_position",
        "planned_at",
        "rules",
        "seen",
        "terms",
    )

    def __init__(self, instruction: Instruction, position: int) -> None:
        self.instruction = instruction
        self.first_position = position
        self.last_position = position
        self.data_note = ""
        self.planned_at: int | None = None
        self.ended_at: int | None = None
        self.checks: tuple[Check, ...] = ()
        self.anomalies: list[AnomalyNote] = []
        self.terms: list[TermsInForce] = []
        self.rules: dict[str, str] = {}
        self.seen: MarketSeen | None = None
        self.books: dict[str, Executions] = {}
        self.filled_total = ZERO

    def facts(self) -> object:
        """All that any view tells of it, apart from what is a copy of one event's field."""
        it = self.instruction
        return (
            _known_of(it),
            None if it.plan is None else _plan_of(it.plan),
            _facts_of(self),
            [order.facts() for order in it.orders.values()],
        )

    @property
    def session_date(self) -> str:
        """The session it was admitted in, or received in while it is not admitted."""
        reservation = self.instruction.reservation
        return reservation.session_date if reservation else self.instruction.session_date

    @property
    def strategy(self) -> str | None:
        """The strategy of the plan in force, of the decision without a plan, or None."""
        plan, decision = self.instruction.plan, self.instruction.decision
        strategy = plan.strategy if plan else decision.strategy if decision else None
        return None if strategy is None else strategy.value

    @property
    def symbol(self) -> str:
        """The instrument, empty where the decision could not be read."""
        plan, decision = self.instruction.plan, self.instruction.decision
        return plan.symbol if plan else decision.symbol if decision else ""

    def terms_at(self, market_time: int) -> TermsInForce | None:
        """The terms in force at a time; the first ones before that."""
        for terms in reversed(self.terms):
            if terms.since <= market_time:
                return terms
        return self.terms[0] if self.terms else None


_COPIED: Final = frozenset({"decision", "arrival", "plan", "orders", "requests", "folded", "live"})
"""What of an instruction is not among its facts as it is: copies, and what is told otherwise."""

_known_of = attrgetter(*(one.name for one in fields(Instruction) if one.name not in _COPIED))

_plan_of = attrgetter(
    "symbol",
    "side",
    "quantity",
    "strategy",
    "style",
    "urgency",
    "start_at",
    "end_at",
    "bound_price",
)
"""What views tell of the plan in force; the rest of it is a copy of its event's field."""

_facts_of = attrgetter(*sorted(set(Followed.__slots__) - {"books", "instruction", "checks"}))

Shared = Callable[[UUID], Instruction]
"""Gives an instruction that somebody else folds, already brought forward by the event at hand."""


class InstructionBook(Projection):
    """All instructions of a log; subclasses say what they tell of them.

    With ``shared`` it folds no instruction of its own: whoever gives them has applied each event
    before the book sees it, so that several projections fold a log once. With ``history`` it need
    not hold every instruction: one that was let go of is told again from its own stream when
    something more happens to it, and ``sealed`` keeps the sums of those that are not held.
    """

    def __init__(
        self,
        shared: Shared | None = None,
        history: History | None = None,
        sealed: Sealed | None = None,
    ) -> None:
        super().__init__()
        self.sealed = sealed
        self._history = history
        self._book: dict[UUID, Followed] = {}
        self._shared = shared
        self._rejects: dict[str, deque[int]] = {}

    def instructions(self) -> Mapping[UUID, Followed]:
        """Every instruction by id, in the order of receipt; for reading only."""
        return self._book

    def rejects(self) -> Mapping[str, Sequence[int]]:
        """When orders (by the broker) and decisions (by us) were last refused, by account; ns UTC.

        The oldest first, at most :data:`REJECTS_MAX`.
        """
        return self._rejects

    def refused(self, account: str, at: int) -> None:
        """Remember that something of an account was refused, ns UTC."""
        self._rejects.setdefault(account, deque(maxlen=REJECTS_MAX)).append(at)

    def _apply(self, event: e.DomainEvent) -> Followed:
        entry = self._book.get(event.originator_id) or self._recalled(
            event.originator_id, event.originator_version
        )
        if self._shared is None:
            entry.instruction.apply(event)
        elif entry.instruction.version != event.originator_version:
            raise NotInStep(f"{event.originator_id} is not at version {event.originator_version}")
        entry.last_position = self.position + 1
        return entry

    def _recalled(self, id: UUID, before: int) -> Followed:
        """One that was let go of as it was before a version, told by the same code alone."""
        if self._history is None:
            raise KeyError(id)
        alone = self._alone()
        for recorded in self._history(id, before):
            alone.position = recorded.position - 1
            alone.HANDLERS[type(recorded.event)](alone, recorded.event)
        entry = alone._book[id]
        self.came_back(entry)
        if self._shared is not None:
            entry.instruction = self._shared(id)
        self.put([entry])
        return entry

    def _alone(self) -> InstructionBook:
        """An empty book of the same kind."""
        return type(self)()

    def put(self, entries: Iterable[Followed]) -> None:
        """Hold these too, as another book folded them, in the order of receipt."""
        told = sorted((*self._book.values(), *entries), key=lambda entry: entry.first_position)
        self._book = {entry.instruction.id: entry for entry in told}

    def forget(self, id: UUID) -> None:
        """Let go of an instruction; needs a ``history`` to tell it again from."""
        entry = self._book.pop(id, None)
        if entry is not None:
            self.let_go_of(entry)

    def let_go_of(self, entry: Followed) -> None:
        """Remember of an instruction what is remembered of those that are not held."""
        if self.sealed is not None:
            self.sealed.add(entry.instruction.id, entry.facts())

    def came_back(self, entry: Followed) -> None:
        """Take that out again: ``entry`` is as it was let go of."""
        if self.sealed is not None:
            self.sealed.take(entry.instruction.id, entry.facts())

    def _received(self, event: e.DecisionReceived) -> None:
        if self._shared is None:
            instruction = Instruction(event.originator_id)
            instruction.apply(event)
        else:
            instruction = self._shared(event.originator_id)
        entry = Followed(instruction, self.position + 1)
        entry.data_note = event.data_note
        self._book[event.originator_id] = entry

    def _planned(self, event: e.InstructionPlanned) -> None:
        entry = self._apply(event)
        entry.planned_at = event.record_time
        entry.checks = event.checks
        _new_terms(entry, event.plan, event.record_time)

    def _replanned(self, event: e.InstructionReplanned | e.StrategySwitched) -> None:
        _new_terms(self._apply(event), event.plan, event.record_time)

    def _intended(self, event: e.OrderIntended) -> None:
        entry = self._apply(event)
        entry.rules[event.client_order_id] = event.provenance.rule
        entry.seen = _market_seen(event.provenance)

    def _cancel_requested(self, event: e.OrderCancelRequested) -> None:
        entry = self._apply(event)
        if event.provenance is not None:
            entry.seen = _market_seen(event.provenance)

    def _reported(self, event: e.OrderReported) -> None:
        entry = self._apply(event)
        key = event.report.client_order_id
        instruction, books = entry.instruction, entry.books
        order = instruction.orders.get(key)
        if order is None:
            return
        book, known = order.book, books.get(key, NOTHING_EXECUTED)
        if book is not known:
            total = ZERO
            for fill in book.by_id.values():
                total += fill.quantity
            entry.filled_total += total - known.quantity
            books[key] = book
            summed = total == book.quantity
            invariant(summed, "executed quantity of an order is the sum of its fills")
        invariant(
            entry.filled_total == instruction.executed,
            "executed quantity of an instruction is the sum of all fills",
        )

    def _order_rejected(self, event: e.OrderRejected) -> None:
        self._reported(event)
        self.refused(self._book[event.originator_id].instruction.account, event.record_time)

    def _noted(self, event: e.InstructionAnomaly) -> None:
        entry = self._apply(event)
        entry.anomalies.append(
            AnomalyNote(
                self.position + 1,
                event.kind,
                event.detail,
                event.client_order_id,
                event.record_time,
            )
        )

    def _ended(self, event: e.DomainEvent) -> Followed:
        entry = self._apply(event)
        entry.ended_at = event.record_time
        return entry

    def _rejected(self, event: e.InstructionRejected) -> None:
        instruction = self._ended(event).instruction
        if not instruction.orders:
            self.refused(instruction.account, event.record_time)

    HANDLERS: ClassVar[Mapping[type[e.DomainEvent], Handler]] = {
        **dict.fromkeys(FOLLOWED_EVENTS, _apply),
        **dict.fromkeys(REPORT_EVENTS, _reported),
        **dict.fromkeys(END_EVENTS, _ended),
        e.InstructionRejected: _rejected,
        e.OrderRejected: _order_rejected,
        e.DecisionReceived: _received,
        e.InstructionPlanned: _planned,
        e.InstructionReplanned: _replanned,
        e.StrategySwitched: _replanned,
        e.OrderIntended: _intended,
        e.OrderCancelRequested: _cancel_requested,
        e.InstructionAnomaly: _noted,
    }
    IGNORED: ClassVar[frozenset[type[e.DomainEvent]]] = frozenset(ACCOUNT_EVENTS)


def _new_terms(entry: Followed, plan: PlanTerms, at: int) -> None:
    terms = TermsInForce(at, plan.bound_price, plan.end_at)
    if not entry.terms or entry.terms[-1][1:] != terms[1:]:
        entry.terms.append(terms)


def _market_seen(provenance: e.Provenance) -> MarketSeen:
    market = provenance.market
    quote = market.usable_quote
    return MarketSeen(market.now, quote.mid if quote else None, market.volume)
