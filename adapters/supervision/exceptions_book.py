"""The exceptions book of a store: what there is to look at, and what people did about it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ...domain.account import TradingAccount
from ...domain.ops.base import OpsRecord
from ...domain.ops.exceptions import ExceptionKind
from ...domain.principals import Principal
from ...domain.reasons import Disposition
from ...domain.supervision import Moment, Supervision
from ...domain.supervision.exceptions import HOUR_NS, ExceptionBook, Held, Raised
from ...projections.raised import RaisedExceptions
from ...projections.raised_by_records import raised_by_records
from ...projections.reconciliation import SETTLED_BY_A_PERSON, Reconciliation
from ...projections.runner import follow
from ...projections.surveillance import Surveillance
from ..account_record import AccountRecord
from ..storage.lean_reading import decoder_for
from ..storage.log import Log
from ..storage.ops_log import OpsLog
from ..storage.records import Recorded
from .supervising import Supervisor


class BookView:
    """The exceptions book of a log and its second stream, brought forward instead of told anew."""

    def __init__(self) -> None:
        self._told, self._watched = RaisedExceptions(), Surveillance()
        self._records: list[tuple[int, OpsRecord]] = []

    @property
    def log_position(self) -> int:
        """Up to where the log is told."""
        return self._told.position

    @property
    def log_hash(self) -> bytes:
        """The chain's hash there, empty before the first event."""
        return self._told.head_hash

    @property
    def seen(self) -> int:
        """Up to where the second stream is told."""
        return self._records[-1][0] if self._records else 0

    def follow(self, log: Log, ops: OpsLog, upto: int | None = None) -> bool:
        """Take in what was appended, of the log up to ``upto``; whether there was anything.

        Raises:
            StoreError, ProjectionStopped: it cannot be followed.
        """
        before = self.log_position, self.seen
        last = log.head().position if upto is None else upto
        if last > self.log_position:
            views = (self._told, self._watched)
            decode, raws = decoder_for(log, views), log.raw_events(self.log_position, last)
            follow(views, (Recorded(raw.position, decode(raw), raw.hash) for raw in raws))
        self._records += [(one.position, one.record) for one in ops.records(after=self.seen)]
        return before != (self.log_position, self.seen)

    def raised(self) -> list[Raised]:
        """Everything to look at, by when it was raised."""
        found = [
            *self._told.raised(),
            *self._told.raised_by(self._watched.findings()),
            *raised_by_records(self._records),
        ]
        return sorted(found, key=lambda one: (one.raised_at, one.id))

    def book(self) -> ExceptionBook:
        """The book as of now."""
        made = ExceptionBook(self.raised())
        for _, record in self._records:
            made.apply(record)
        return made

    def control(self) -> Supervision:
        """The state of control as of now."""
        return Supervision.of(record for _, record in self._records)


def raised_in(log: Log, ops: OpsLog, upto: int | None = None) -> list[Raised]:
    """Everything to look at in a log and its second stream, by when it was raised."""
    view = BookView()
    view.follow(log, ops, upto)
    return view.raised()


def book_of(log: Log, ops: OpsLog) -> ExceptionBook:
    """The book as of now."""
    view = BookView()
    view.follow(log, ops)
    return view.book()


class Exceptions:
    """The book of one store in the name of a supervisor's caller."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def held(self, at: int | None = None) -> tuple[Held, ...]:
        """Every exception as of ``at`` (ns UTC), by default now."""
        return self._book().held(self._supervisor.now if at is None else at)

    def assign(self, id: str, owner: str, due_hours: float, reason: str) -> Held:
        """Give an exception to a person; raises AccessDenied and InvalidInput."""

        def make(state: Supervision, me: Principal, when: Moment) -> Sequence[OpsRecord]:
            due = when.at + int(due_hours * HOUR_NS)
            return (self._book().assign(state, me, id, owner, due, reason, when),)

        self._supervisor.decide(make)
        return self._book().one(id, self._supervisor.now)

    def escalate(self) -> tuple[OpsRecord, ...]:
        """Put on record what is overdue and was not said yet; raises AccessDenied."""
        return self._supervisor.decide(lambda s, me, when: self._book().escalate(s, me, when))

    def close(self, id: str, disposition: Disposition, text: str) -> Held:
        """Close an exception; raises AccessDenied and InvalidInput."""

        def make(state: Supervision, me: Principal, when: Moment) -> Sequence[OpsRecord]:
            return self._book().close(state, me, id, disposition, text, when)

        held = self._book().one(id, self._supervisor.now)
        if held.is_open or not self._settle(held):
            self._supervisor.decide(make)
        held = self._book().one(id, self._supervisor.now)
        self._settle(held)
        return held

    def _settle(self, held: Held) -> bool:
        """Have the log say that an anomaly is settled whose exception is closed; whether it did.

        An exception that was closed by a process that ended before is settled by closing it again.
        """
        closed, places = held.closed, held.raised.positions
        if closed is None or held.raised.kind is not ExceptionKind.ANOMALY:
            return False
        store, told = self._supervisor.store, Reconciliation()
        with Log.open(store, writer=False) as log:
            follow([told], log.events(upto=log.head().position))
        waiting = [
            one
            for one in told.anomalies()
            if one.position in places and one.kind in SETTLED_BY_A_PERSON
        ]
        for one in waiting:
            record = AccountRecord(store, one.account)
            stamp = record.stamp(f"person:{closed.actor}", f"exception/{held.raised.id[:24]}")
            fields: dict[str, Any] = {
                "account": one.account,
                "place": one.position,
                "kind": one.kind,
                "subject": one.subject,
                "disposition": closed.disposition,
                "reason": closed.text,
            }
            record.append(partial(TradingAccount.settle, stamp=stamp, **fields))
        return bool(waiting)

    def _book(self) -> ExceptionBook:
        store = self._supervisor.store
        with Log.open(store, writer=False) as log, OpsLog.open(store, writer=False) as ops:
            return book_of(log, ops)
