"""What is to be looked at, told from the log: anomalies, refusals, breaks, overrides, alerts.

Each has an id that is a hash of what it is, so that the same log tells the same exceptions however
often it is read, and what people did about them finds them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, Final
from uuid import UUID

from ..domain import events as e
from ..domain import ops
from ..domain.corporate import CorporateAction
from ..domain.ids import account_stream_id
from ..domain.ops.exceptions import ExceptionKind
from ..domain.reasons import Anomalous
from ..domain.statement import LineBreak
from ..domain.supervision.exceptions import Raised, Urgency
from .instruction_events import ACCOUNT_EVENTS, INSTRUCTION_EVENTS
from .runner import Handler, Projection
from .surveillance_terms import Finding
from .waiting_actions import WaitingActions, effect_at

CONFIGURATION: Final = "configuration"
PERSON: Final = "person:"
CHANGE: Final = "change/"
"""Begins what caused an event that an approved change made."""
_NOTES: Final = frozenset({Anomalous.CURRENT_WEIGHT_DISAGREES, Anomalous.DATA_QUALITY})
_CRITICAL: Final = frozenset(
    {Anomalous.OVERFILL, Anomalous.POSITION_BREAK, Anomalous.USAGE_OVER_CAP}
)


_TOLD_FROM_LOG: Final = frozenset(
    {"overfill", "indeterminate_order", "escalated", "kill_switch", "break", "anomaly"}
)
"""Alerts of the watch about what the log tells by itself, which is an exception already."""


class RaisedExceptions(Projection):
    """Everything in a log that somebody has to look at."""

    name: ClassVar[str] = "exceptions"
    version: ClassVar[int] = 2

    def __init__(self) -> None:
        super().__init__()
        self._raised: dict[str, Raised] = {}
        self._names: dict[UUID, str] = {}
        self._home: dict[UUID, tuple[str, str]] = {}
        self._submitters: dict[UUID, tuple[str, ...]] = {}
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
                _hash("surveillance", one.pattern.value, *day),
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
        id = _hash(kind.value, str(place), *key)
        at, by, places = event.record_time, originators, (place,)
        self._raised[id] = Raised(id, kind, urgency, account, subject, detail, at, by, places)
        return id

    def _account_name(self, event: e.DomainEvent) -> str:
        return self._names.get(event.originator_id, str(event.originator_id))

    def _instruction(self, event: e.DomainEvent) -> tuple[str, str]:
        """Account and symbol of an instruction's event."""
        return self._home.get(event.originator_id, ("", ""))

    def _session_opened(self, event: e.SessionOpened) -> None:
        self._names[event.originator_id] = event.account
        for position in event.positions:
            self._uses(event, event.account, position.symbol)

    def _received(self, event: e.DecisionReceived) -> None:
        self._names[account_stream_id(event.account)] = event.account
        symbol = event.decision.symbol if event.decision is not None else ""
        self._home[event.originator_id] = (event.account, symbol)
        if event.submitted_by is not None:
            name = event.submitted_by.principal
            self._submitters[event.originator_id] = (name,)
            self._days.setdefault((event.account, symbol, event.session_date), set()).add(name)
        self._uses(event, event.account, symbol)

    def _rejected(self, event: e.InstructionRejected) -> None:
        account, symbol = self._instruction(event)
        reasons = ", ".join(refusal.reason.value for refusal in event.refusals)
        subject = f"{symbol} {event.originator_id}".strip()
        self._refused(event, account, subject, reasons)

    def _order_rejected(self, event: e.OrderRejected) -> None:
        account, _ = self._instruction(event)
        detail = f"the broker refused it: {event.report.text}"[:500]
        self._refused(event, account, event.report.client_order_id, detail)

    def _refused(self, event: e.DomainEvent, account: str, subject: str, detail: str) -> None:
        """What was refused is the doing of whoever submitted it."""
        by = self._submitters.get(event.originator_id, ())
        self._add(event, ExceptionKind.REFUSAL, Urgency.INFO, account, subject, detail, (), by)

    def _anomaly(self, event: e.InstructionAnomaly | e.AccountAnomaly) -> None:
        if isinstance(event, e.AccountAnomaly):
            account = self._account_name(event)
            subject = event.symbol or account
        else:
            account, _ = self._instruction(event)
            subject = event.client_order_id or str(event.originator_id)
        urgency = Urgency.WARNING
        if event.kind in _NOTES:
            urgency = Urgency.INFO
        elif event.kind in _CRITICAL:
            urgency = Urgency.CRITICAL
        detail = f"{event.kind.value}: {event.detail}"[:500]
        self._add(event, ExceptionKind.ANOMALY, urgency, account, subject, detail)

    def _indeterminate(self, event: e.OrderIndeterminate) -> None:
        account, _ = self._instruction(event)
        subject = event.report.client_order_id
        detail = "its outcome at the broker is unknown"
        self._add(event, ExceptionKind.ALERT, Urgency.CRITICAL, account, subject, detail)

    def _escalated(self, event: e.InstructionEscalated) -> None:
        account, symbol = self._instruction(event)
        subject = f"{symbol} {event.originator_id}"
        detail = "it waited at its price bound for a person's decision"
        self._add(event, ExceptionKind.ALERT, Urgency.CRITICAL, account, subject, detail)

    def _restated(self, event: e.FillBusted | e.FillCorrected) -> None:
        account, _ = self._instruction(event)
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
        account, symbol = self._instruction(event)
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


# -- from elsewhere --------------------------------------------------------------------------------


def raised_by_records(records: Iterable[tuple[int, ops.OpsRecord]]) -> Iterator[Raised]:
    """Exceptions of the second stream, given with positions: what was refused, overridden, wrong.

    Their ``positions`` are empty, because those of the log are meant there.
    """
    proposed: dict[str, tuple[ops.ChangeProposed, set[str]]] = {}
    for position, record in records:
        place = f"record {position}"
        if isinstance(record, ops.ChangeProposed):
            proposed[record.change] = (record, {record.actor})
        elif isinstance(record, ops.ChangeApproved) and record.change in proposed:
            proposed[record.change][1].add(record.actor)
        elif isinstance(record, ops.ChangeApplied) and record.change in proposed:
            what, by = proposed[record.change]
            if not what.is_tightening:
                detail = f"{what.kind.value} {what.scope}: {what.reason} ({record.command})"[:500]
                kind, by_all = ExceptionKind.OVERRIDE, {*by, record.actor}
                yield _of(record, place, kind, Urgency.WARNING, what.account, detail, by_all)
        elif isinstance(record, ops.AccessRefused):
            detail = f"{record.command}: {record.why}"[:500]
            kind = ExceptionKind.REFUSAL
            yield _of(record, place, kind, Urgency.WARNING, "", detail, {record.actor})
        elif isinstance(record, ops.AlertRaised) and record.kind not in _TOLD_FROM_LOG:
            detail = f"{record.kind} {record.subject}: {record.detail}"[:500]
            urgency = Urgency(record.severity)
            yield _of(record, place, ExceptionKind.ALERT, urgency, "", detail, set())
        elif isinstance(record, ops.ClockMeasured) and record.health is not ops.ClockHealth.GOOD:
            yield _of(record, place, ExceptionKind.ALERT, *_clock(record), set())
        elif isinstance(record, ops.VerificationDone) and record.outcome == "failed":
            detail = f"verification failed at {record.first_bad_position}: {record.what}"[:500]
            yield _of(record, place, ExceptionKind.ALERT, Urgency.CRITICAL, "", detail, set())


def _clock(record: ops.ClockMeasured) -> tuple[Urgency, str, str]:
    """Urgency, account and words of a clock that is off."""
    if record.offset_ns is None or record.uncertainty_ns is None:
        seen = f"the clock's offset is unknown ({record.source})"
    else:
        worst = (abs(record.offset_ns) + record.uncertainty_ns) // 1_000_000
        seen = f"the clock may be off by {worst} ms by {record.source}"
    blocked = record.health is ops.ClockHealth.BLOCKED
    bound = record.offset_ms_max if blocked else record.alert_ms
    detail = f"{seen}; bound {bound} ms{', no new orders' if blocked else ''}"
    return (Urgency.CRITICAL if blocked else Urgency.WARNING), "", detail


def _of(
    record: ops.OpsRecord,
    place: str,
    kind: ExceptionKind,
    urgency: Urgency,
    account: str,
    detail: str,
    by: set[str],
) -> Raised:
    id = _hash("ops", kind.value, place, record.stored_topic())
    at, names = record.record_time, tuple(sorted(by))
    return Raised(id, kind, urgency, account, place, detail, at, names)


def _persons(actor: str) -> tuple[str, ...]:
    return (actor.removeprefix(PERSON),) if actor.startswith(PERSON) else ()


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
