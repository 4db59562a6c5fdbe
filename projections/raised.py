"""What is to be looked at, told from the log: anomalies, refusals, breaks, overrides, alerts.

Each has an id that is a hash of what it is, so that the same log tells the same exceptions however
often it is read, and what people did about them finds them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from ..domain import events as e
from ..domain.corporate import CorporateAction
from ..domain.ids import account_stream_id
from ..domain.ops.exceptions import ExceptionKind
from ..domain.reasons import Anomalous
from ..domain.statement import LineBreak
from ..domain.supervision.exceptions import Raised, Urgency
from .instruction_events import ACCOUNT_EVENTS, INSTRUCTION_EVENTS
from .raised_by_records import hash_of
from .runner import Handler, History, Projection
from .surveillance_terms import Finding
from .waiting_actions import WaitingActions, effect_at

CONFIGURATION: Final = "configuration"
PERSON: Final = "person:"
CHANGE: Final = "change/"
"""Begins what caused an event that an approved change made."""
ORIGINS_MAX: Final = 20_000
_NOTES: Final = frozenset({Anomalous.CURRENT_WEIGHT_DISAGREES, Anomalous.DATA_QUALITY})
_CRITICAL: Final = frozenset(
    {Anomalous.OVERFILL, Anomalous.POSITION_BREAK, Anomalous.USAGE_OVER_CAP}
)


class _Origin(NamedTuple):
    """Where an instruction comes from; ``by`` names who submitted it, where that is recorded."""

    account: str
    symbol: str
    by: tuple[str, ...]


_NOWHERE: Final = _Origin("", "", ())


class RaisedExceptions(Projection):
    """Everything in a log that somebody has to look at.

    With a ``history`` to ask, no more than ``ORIGINS_MAX`` instructions are remembered.
    """

    name: ClassVar[str] = "exceptions"
    version: ClassVar[int] = 2

    def __init__(self, history: History | None = None) -> None:
        super().__init__()
        self._history = history
        self._raised: dict[str, Raised] = {}
        self._names: dict[UUID, str] = {}
        self._origins: dict[UUID, _Origin] = {}
        self._days: dict[tuple[str, str, str], set[str]] = {}
        self._breaks: dict[UUID, dict[e.Break, str]] = {}
        self._positions: dict[tuple[str, str], str] = {}
        self._statements: dict[tuple[str, str], dict[LineBreak, str]] = {}
        self._waiting = WaitingActions()

    def raised(self) -> tuple[Raised, ...]:
        """All of them, in the order of the log."""
        return tuple(self._raised.values())

    def state(self) -> object:
        """All of them."""
        return {"raised": self.raised()}

    def raised_by(self, findings: Iterable[Finding]) -> Iterator[Raised]:
        """One exception for each finding of surveillance, with the events behind it.

        It is the doing of whoever submitted something in that symbol on that day. It is the same
        exception while the day goes on: what is seen later is added to it.
        """
        for one in findings:
            places = sorted({place for seen in one.occurrences for place in seen.positions})
            detail = f"{one.pattern.value} {one.count} times, {one.observed:f} {one.unit}"
            day = (one.account, one.symbol, one.session_date)
            yield Raised(
                hash_of("surveillance", one.pattern.value, *day),
                ExceptionKind.SURVEILLANCE,
                Urgency.WARNING,
                one.account,
                f"{one.symbol} {one.session_date}",
                detail,
                min(seen.at for seen in one.occurrences),
                tuple(sorted(self._days.get(day, ()))),
                tuple(places),
            )

    # -- from the log --------------------------------------------------------------------------

    def _add(
        self,
        event: e.DomainEvent,
        kind: ExceptionKind,
        urgency: Urgency,
        account: str,
        subject: str,
        detail: str,
        key: tuple[str, ...] = (),
        originators: tuple[str, ...] = (),
    ) -> str:
        place = self.position + 1
        id = hash_of(kind.value, str(place), *key)
        at, by, places = event.record_time, originators, (place,)
        self._raised[id] = Raised(id, kind, urgency, account, subject, detail, at, by, places)
        return id

    def _account_name(self, event: e.DomainEvent) -> str:
        return self._names.get(event.originator_id, str(event.originator_id))

    def _instruction(self, event: e.DomainEvent) -> _Origin:
        """Where the instruction of an event comes from."""
        id = event.originator_id
        found = self._origins.get(id)
        if found is None and self._history is not None and event.originator_version > 1:
            first = next(iter(self._history(id, 2)), None)
            if first is not None and isinstance(first.event, e.DecisionReceived):
                found = self._remember(first.event)
        return found or _NOWHERE

    def _remember(self, event: e.DecisionReceived) -> _Origin:
        if self._history is not None and len(self._origins) >= ORIGINS_MAX:
            for id in list(islice(self._origins, ORIGINS_MAX // 2)):
                del self._origins[id]
        symbol = event.decision.symbol if event.decision is not None else ""
        by = (event.submitted_by.principal,) if event.submitted_by is not None else ()
        found = self._origins[event.originator_id] = _Origin(event.account, symbol, by)
        return found

    def _session_opened(self, event: e.SessionOpened) -> None:
        self._names[event.originator_id] = event.account
        for position in event.positions:
            self._uses(event, event.account, position.symbol)

    def _received(self, event: e.DecisionReceived) -> None:
        self._names[account_stream_id(event.account)] = event.account
        account, symbol, by = self._remember(event)
        if by:
            self._days.setdefault((account, symbol, event.session_date), set()).update(by)
        self._uses(event, account, symbol)

    def _rejected(self, event: e.InstructionRejected) -> None:
        account, symbol, _ = self._instruction(event)
        reasons = ", ".join(refusal.reason.value for refusal in event.refusals)
        subject = f"{symbol} {event.originator_id}".strip()
        self._refused(event, account, subject, reasons)

    def _order_rejected(self, event: e.OrderRejected) -> None:
        account = self._instruction(event).account
        detail = f"the broker refused it: {event.report.text}"[:500]
        self._refused(event, account, event.report.client_order_id, detail)

    def _refused(self, event: e.DomainEvent, account: str, subject: str, detail: str) -> None:
        """What was refused is the doing of whoever submitted it."""
        by = self._instruction(event).by
        self._add(event, ExceptionKind.REFUSAL, Urgency.INFO, account, subject, detail, (), by)

    def _anomaly(self, event: e.InstructionAnomaly | e.AccountAnomaly) -> None:
        if isinstance(event, e.AccountAnomaly):
            account = self._account_name(event)
            subject = event.symbol or account
        else:
            account = self._instruction(event).account
            subject = event.client_order_id or str(event.originator_id)
        urgency = Urgency.WARNING
        if event.kind in _NOTES:
            urgency = Urgency.INFO
        elif event.kind in _CRITICAL:
            urgency = Urgency.CRITICAL
        detail = f"{event.kind.value}: {event.detail}"[:500]
        self._add(event, ExceptionKind.ANOMALY, urgency, account, subject, detail)

    def _indeterminate(self, event: e.OrderIndeterminate) -> None:
        account = self._instruction(event).account
        subject = event.report.client_order_id
        detail = "its outcome at the broker is unknown"
        self._add(event, ExceptionKind.ALERT, Urgency.CRITICAL, account, subject, detail)

    def _escalated(self, event: e.InstructionEscalated) -> None:
        account, symbol, _ = self._instruction(event)
        subject = f"{symbol} {event.originator_id}"
        detail = "it waited at its price bound for a person's decision"
        self._add(event, ExceptionKind.ALERT, Urgency.CRITICAL, account, subject, detail)

    def _restated(self, event: e.FillBusted | e.FillCorrected) -> None:
        account = self._instruction(event).account
        kind = "busted" if isinstance(event, e.FillBusted) else "corrected"
        subject = event.report.client_order_id
        detail = f"the venue {kind} a fill"
        self._add(event, ExceptionKind.ALERT, Urgency.WARNING, account, subject, detail)

    def _killed(self, event: e.KillSwitchEngaged) -> None:
        detail = f"trading was blocked for {event.scope}: {event.reason}"[:500]
        name, by = self._account_name(event), _persons(event.actor)
        self._add(event, ExceptionKind.ALERT, Urgency.CRITICAL, name, event.scope, detail, (), by)

    def _revived(self, event: e.KillSwitchReleased) -> None:
        if event.causation_id.startswith(CHANGE):
            return
        detail = f"the block of {event.scope} was lifted: {event.reason}"[:500]
        name, by = self._account_name(event), _persons(event.actor)
        self._add(event, ExceptionKind.OVERRIDE, Urgency.WARNING, name, event.scope, detail, (), by)

    def _limits(self, event: e.LimitChanged) -> None:
        if event.reason == CONFIGURATION or event.causation_id.startswith(CHANGE):
            return  # that a change was used is an exception already
        detail = f"limits were changed: {event.reason}"[:500]
        name, by = self._account_name(event), _persons(event.actor)
        self._add(event, ExceptionKind.OVERRIDE, Urgency.WARNING, name, "limits", detail, (), by)

    def _ended(self, event: e.InstructionEndRequested) -> None:
        by = _persons(event.actor)
        if not by:
            return
        account, symbol, _ = self._instruction(event)
        subject = f"{symbol} {event.originator_id}"
        detail = f"its end was asked for: {event.reason.value}"
        self._add(event, ExceptionKind.OVERRIDE, Urgency.INFO, account, subject, detail, (), by)

    def _compared(self, event: e.Reconciled | e.SessionClosed) -> None:
        known = self._breaks.setdefault(event.originator_id, {})
        for found in known.keys() - set(event.breaks):
            id = known.pop(found)
            self._raised[id] = replace(self._raised[id], is_settled=True)
        for found in event.breaks:
            if found in known:
                continue
            name = self._account_name(event)
            subject = found.client_order_id or found.symbol or name
            detail = f"{found.kind}: ours {found.ours}, the broker's {found.theirs}"[:500]
            key = (found.model_dump_json(),)
            kind, urgency = ExceptionKind.BREAK, Urgency.CRITICAL
            known[found] = self._add(event, kind, urgency, name, subject, detail, key)

    def _settle(self, id: str) -> None:
        """What it is about is over; of none where the id is empty."""
        if id:
            self._raised[id] = replace(self._raised[id], is_settled=True)

    def _unexplained(self, event: e.PositionUnexplained) -> None:
        told = f"ours {event.expected}, the broker's {event.reported}"
        detail = f"a position that nothing explains since {event.since}: {told}"[:500]
        kind, urgency, key = ExceptionKind.BREAK, Urgency.CRITICAL, (event.symbol,)
        before = self._positions.pop((event.account, event.symbol), None)
        if before is not None:
            self._settle(before)  # it goes on in the new one
        id = self._add(event, kind, urgency, event.account, event.symbol, detail, key)
        self._positions[event.account, event.symbol] = id

    def _explained(self, event: e.PositionExplained) -> None:
        id = self._positions.pop((event.account, event.symbol), None)
        if id is not None:
            self._settle(id)
        if event.by is e.ExplainedBy.PERSON:
            detail = f"the broker's position was taken for right: {event.reason}"
            self._override(event, event.account, event.symbol, detail)

    def _uses(self, event: e.DomainEvent, account: str, symbol: str) -> None:
        for action in self._waiting.use(account, symbol):
            self._waits(event, account, action)

    def _action(self, event: e.CorporateActionRecorded) -> None:
        before, waits = self._waiting.announce(event.account, event.action)
        self._settle(before)  # it was announced anew
        if waits:
            self._waits(event, event.account, event.action)

    def _waits(self, event: e.DomainEvent, account: str, action: CorporateAction) -> None:
        detail = f"a corporate action that a person has to settle: {action.told()}"[:500]
        kind, urgency, key = ExceptionKind.ALERT, Urgency.WARNING, (action.action_id,)
        id = self._add(event, kind, urgency, account, action.symbol, detail, key)
        at = max(event.record_time, effect_at(action))
        self._raised[id] = replace(self._raised[id], raised_at=at)
        self._waiting.raised(account, action, id)

    def _action_settled(self, event: e.CorporateActionSettled) -> None:
        self._settle(self._waiting.settle(event.account, event.action_id))
        detail = f"a corporate action was taken as settled: {event.reason}"
        self._override(event, event.account, event.symbol, detail)

    def _statement(self, event: e.StatementReconciled) -> None:
        known = self._statements.setdefault((event.account, event.session_date), {})
        for found in known.keys() - set(event.breaks):
            self._settle(known.pop(found))
        for found in event.breaks:
            if found not in known:
                told = f"ours {found.ours}, the statement's {found.theirs}"
                detail = f"{found.kind} of {event.session_date}: {told}"[:500]
                kind, urgency, key = ExceptionKind.BREAK, Urgency.CRITICAL, (str(found),)
                subject = found.subject or event.session_date
                id = self._add(event, kind, urgency, event.account, subject, detail, key)
                known[found] = id

    def _signed_off(self, event: e.SessionSignedOff) -> None:
        detail = f"signed off with {event.breaks_total} breaks: {event.reason}"
        self._override(event, event.account, event.session_date, detail)

    def _override(self, event: e.DomainEvent, account: str, subject: str, detail: str) -> None:
        if event.causation_id.startswith(CHANGE):
            return  # that a change was used is an exception already
        kind, by = ExceptionKind.OVERRIDE, _persons(event.actor)
        self._add(event, kind, Urgency.WARNING, account, subject, detail[:500], (), by)

    HANDLERS: ClassVar[Mapping[type[e.DomainEvent], Handler]] = {
        e.SessionOpened: _session_opened,
        e.DecisionReceived: _received,
        e.InstructionRejected: _rejected,
        e.OrderRejected: _order_rejected,
        e.InstructionAnomaly: _anomaly,
        e.AccountAnomaly: _anomaly,
        e.OrderIndeterminate: _indeterminate,
        e.InstructionEscalated: _escalated,
        e.FillBusted: _restated,
        e.FillCorrected: _restated,
        e.KillSwitchEngaged: _killed,
        e.KillSwitchReleased: _revived,
        e.LimitChanged: _limits,
        e.InstructionEndRequested: _ended,
        e.Reconciled: _compared,
        e.SessionClosed: _compared,
        e.PositionUnexplained: _unexplained,
        e.PositionExplained: _explained,
        e.CorporateActionRecorded: _action,
        e.CorporateActionSettled: _action_settled,
        e.StatementReconciled: _statement,
        e.SessionSignedOff: _signed_off,
    }
    IGNORED: ClassVar[frozenset[type[e.DomainEvent]]] = (
        frozenset(ACCOUNT_EVENTS) | frozenset(INSTRUCTION_EVENTS)
    ) - HANDLERS.keys()


def _persons(actor: str) -> tuple[str, ...]:
    return (actor.removeprefix(PERSON),) if actor.startswith(PERSON) else ()
