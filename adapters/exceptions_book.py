"""The exceptions book of a store: what there is to look at, and what people did about it."""

from __future__ import annotations

from collections.abc import Sequence

from ..domain.ops.base import OpsRecord
from ..domain.ops.exceptions import Disposition
from ..domain.principals import Principal
from ..domain.supervision import Moment, Supervision
from ..domain.supervision.exceptions import HOUR_NS, ExceptionBook, Held, Raised
from ..projections.raised import RaisedExceptions, raised_by_findings, raised_by_records
from ..projections.runner import follow
from ..projections.surveillance import Surveillance
from .storage.log import Log
from .storage.ops_log import OpsLog
from .supervising import Supervisor


def raised_in(log: Log, ops: OpsLog, upto: int | None = None) -> list[Raised]:
    """Everything to look at in a log and its second stream, by when it was raised."""
    told, watched = RaisedExceptions(), Surveillance()
    follow([told, watched], log.events(upto=log.head().position if upto is None else upto))
    records = ((one.position, one.record) for one in ops.records())
    found = [
        *told.raised(),
        *raised_by_findings(watched.findings()),
        *raised_by_records(records),
    ]
    return sorted(found, key=lambda one: (one.raised_at, one.id))


def book_of(log: Log, ops: OpsLog) -> ExceptionBook:
    """The book as of now."""
    made = ExceptionBook(raised_in(log, ops))
    for recorded in ops.records(topics=("ExceptionAssigned", "ExceptionClosed")):
        made.apply(recorded.record)
    return made


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

    def close(self, id: str, disposition: Disposition, text: str) -> Held:
        """Close an exception; raises AccessDenied and InvalidInput."""

        def make(state: Supervision, me: Principal, when: Moment) -> Sequence[OpsRecord]:
            return self._book().close(state, me, id, disposition, text, when)

        self._supervisor.decide(make)
        return self._book().one(id, self._supervisor.now)

    def _book(self) -> ExceptionBook:
        store = self._supervisor.store
        with Log.open(store, writer=False) as log, OpsLog.open(store, writer=False) as ops:
            return book_of(log, ops)
