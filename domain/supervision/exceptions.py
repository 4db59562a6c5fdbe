"""The exceptions book: who owns what is to be looked at, until when, and who may close it.

What is to be looked at is told from the log by a projection and never stored; only what people did
about it is. Owners, due times and escalation follow from it and from the time that is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..errors import InvalidInput
from ..ops.base import OpsRecord
from ..ops.control import ChangeKind
from ..ops.exceptions import (
    POSITIONS_MAX,
    ExceptionAssigned,
    ExceptionClosed,
    ExceptionEscalated,
    ExceptionKind,
)
from ..ports import NANOS
from ..principals import AccessDenied, Principal, PrincipalKind, Role
from ..reasons import Disposition
from .registry import Moment, Supervision, check_text, head_of, need

HOUR_NS: Final = 3_600 * NANOS
ESCALATIONS_MAX: Final = 2
DUE_HOURS_MAX: Final = 24 * 31
CLOSERS: Final = (Role.RISK, Role.COMPLIANCE)
"""The roles of which one assigns and closes exceptions."""


class Urgency(StrEnum):
    """How soon an exception is due."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


DUE_NS: Final[Mapping[Urgency, int]] = {
    Urgency.CRITICAL: HOUR_NS,
    Urgency.WARNING: 24 * HOUR_NS,
    Urgency.INFO: 72 * HOUR_NS,
}
"""From when it was raised to when it is due; each time as long again escalates it once."""

OWNERS: Final[Mapping[ExceptionKind, Role]] = {
    ExceptionKind.ALERT: Role.RISK,
    ExceptionKind.ANOMALY: Role.RISK,
    ExceptionKind.REFUSAL: Role.RISK,
    ExceptionKind.OVERRIDE: Role.COMPLIANCE,
    ExceptionKind.BREAK: Role.RISK,
    ExceptionKind.SURVEILLANCE: Role.COMPLIANCE,
}
"""The role that owns an exception until somebody is named."""
ESCALATED_TO: Final = (Role.COMPLIANCE, Role.ADMIN)
"""Who an overdue exception goes to beside its owner, by how often it is overdue."""


@dataclass(frozen=True, slots=True)
class Raised:
    """One thing to look at, as the records tell it.

    ``id`` is a hash of what it is, the same whenever it is told. ``originators`` are the principals
    whose doing it is, empty where it was the engine's or the market's. ``positions`` are the events
    behind it. ``is_settled`` says that what it is about has agreed again since.
    """

    id: str
    kind: ExceptionKind
    urgency: Urgency
    account: str
    subject: str
    detail: str
    raised_at: int
    originators: tuple[str, ...] = ()
    positions: tuple[int, ...] = ()
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """An exception with its owner, due time and end at a moment.

    ``escalated`` is how often it has been overdue by as long again as it had, up to twice.
    """

    raised: Raised
    owner: str
    due_at: int
    escalated: int
    escalated_to: str | None
    closed: ExceptionClosed | None

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed it."""
        return self.closed is None


class ExceptionBook:
    """What people did about exceptions, over what there is to look at."""

    def __init__(self, raised: Iterable[Raised]) -> None:
        self._raised = {one.id: one for one in raised}
        self._assigned: dict[str, ExceptionAssigned] = {}
        self._closed: dict[str, ExceptionClosed] = {}
        self._escalated: dict[str, list[ExceptionEscalated]] = {}

    def apply(self, record: OpsRecord) -> None:
        """Bring the book forward by one record; one of something else changes nothing."""
        if isinstance(record, ExceptionAssigned):
            self._assigned[record.exception] = record
        elif isinstance(record, ExceptionClosed):
            self._closed.setdefault(record.exception, record)
        elif isinstance(record, ExceptionEscalated):
            self._escalated.setdefault(record.exception, []).append(record)

    def held(self, at: int) -> tuple[Held, ...]:
        """Every exception as of ``at`` (ns UTC), those due first in front."""
        found = [self._held(one, at) for one in self._raised.values() if one.raised_at <= at]
        return tuple(sorted(found, key=lambda held: (held.due_at, held.raised.id)))

    def one(self, id: str, at: int) -> Held:
        """An exception by its id or a unique beginning; raises InvalidInput."""
        found = [one for known, one in self._raised.items() if id and known.startswith(id)]
        if len(found) != 1:
            allowed = "the id of an exception, or a unique beginning of one"
            raise InvalidInput("exception", id or "nothing", allowed)
        return self._held(found[0], at)

    def _held(self, raised: Raised, at: int) -> Held:
        assigned = self._assigned.get(raised.id)
        span = DUE_NS[raised.urgency]
        due = raised.raised_at + span
        owner = f"role:{OWNERS[raised.kind].value}"
        if assigned is not None:
            due, owner = assigned.due_at, assigned.owner
        closed = self._closed.get(raised.id)
        ended = at if closed is None else min(at, closed.record_time)
        late = 0 if ended <= due else min(1 + (ended - due - 1) // span, ESCALATIONS_MAX)
        to = f"role:{ESCALATED_TO[late - 1].value}" if late else None
        return Held(raised, owner, due, late, to, closed)

    def escalations(self, id: str) -> tuple[ExceptionEscalated, ...]:
        """How an exception was escalated, as recorded."""
        return tuple(self._escalated.get(id, ()))

    # -- decisions -----------------------------------------------------------------------------

    def assign(
        self,
        state: Supervision,
        by: Principal,
        id: str,
        owner: str,
        due_at: int,
        reason: str,
        when: Moment,
    ) -> ExceptionAssigned:
        """Give an exception to a person until a time.

        Raises:
            AccessDenied: by somebody without the role, or put off by whom it came from.
            InvalidInput: no such exception, owner or time, or it is closed.
        """
        command = "exceptions assign"
        state.check_current(by, command)
        need(by, CLOSERS, command)
        held = self.one(id, when.at)
        _check_open(held)
        check_text("reason", reason)
        owning = state.principals.get(owner)
        if state.is_set_up and (owning is None or owning.kind is not PrincipalKind.PERSON):
            raise InvalidInput("owner", owner, "a person among the principals")
        if not when.at < due_at <= when.at + DUE_HOURS_MAX * HOUR_NS:
            allowed = f"later than now, within {DUE_HOURS_MAX} hours"
            raise InvalidInput("due", due_at, allowed)
        if due_at > held.due_at:
            self._check_apart(state, by, held.raised, command, "puts it off")
        return ExceptionAssigned(
            **head_of(when, by.name),
            exception=held.raised.id,
            owner=owner,
            due_at=due_at,
            reason=reason,
        )

    def escalate(
        self, state: Supervision, by: Principal, when: Moment
    ) -> tuple[ExceptionEscalated, ...]:
        """Every step by which an open exception is overdue and that is not on record yet.

        Raises:
            AccessDenied: by somebody without the role.
        """
        state.require(by, "exceptions escalate")
        return self.overdue(by.name, when)

    def overdue(self, actor: str, when: Moment) -> tuple[ExceptionEscalated, ...]:
        """As :meth:`escalate`, by whoever looks: it follows from the time alone."""
        return tuple(
            ExceptionEscalated(
                **head_of(when, actor),
                exception=held.raised.id,
                level=level,
                to=f"role:{ESCALATED_TO[level - 1].value}",
                due_at=held.due_at,
            )
            for held in self.held(when.at)
            if held.is_open
            for level in range(1, held.escalated + 1)
            if (held.due_at, level)
            not in {(one.due_at, one.level) for one in self.escalations(held.raised.id)}
        )

    def next_due(self, at: int) -> int | None:
        """When the next open exception is overdue, or by as long again (ns UTC) after ``at``."""
        times = [
            held.due_at + level * DUE_NS[held.raised.urgency]
            for held in (self._held(one, at) for one in self._raised.values())
            if held.is_open
            for level in range(ESCALATIONS_MAX)
        ]
        return min((one + 1 for one in times if one >= at), default=None)

    def close(
        self,
        state: Supervision,
        by: Principal,
        id: str,
        disposition: Disposition,
        text: str,
        when: Moment,
    ) -> tuple[OpsRecord, ...]:
        """Close an exception; one that still differs uses an approved change as well.

        Raises:
            AccessDenied: by somebody without the role, or whose doing it is; or a break is closed
                by hand that no other person has approved.
            InvalidInput: no such exception, or it is closed.
        """
        command = "exceptions close"
        state.check_current(by, command)
        need(by, CLOSERS, command)
        held = self.one(id, when.at)
        raised = held.raised
        _check_open(held)
        check_text("text", text)
        self._check_apart(state, by, raised, command, "closes it")
        records: list[OpsRecord] = []
        by_hand = raised.kind is ExceptionKind.BREAK and not raised.is_settled
        if by_hand and state.is_set_up:
            kind = ChangeKind.CLOSE_BREAK
            change = state.usable(kind, raised.account, raised.id, when.at)
            if change is None:
                why = f"it still differs: changes propose break --scope {raised.id}"
                raise AccessDenied(by.name, command, f"{why}, approved by another person")
            records.append(state.apply_change(by, change.id, command, when))
        records.append(
            ExceptionClosed(
                **head_of(when, by.name),
                exception=raised.id,
                kind=raised.kind,
                disposition=disposition,
                text=text,
                person=by.person,
                originators=raised.originators,
                positions=raised.positions[:POSITIONS_MAX],
                closed_by_hand=by_hand,
            )
        )
        return tuple(records)

    def _check_apart(
        self, state: Supervision, by: Principal, raised: Raised, command: str, does: str
    ) -> None:
        """Refuse whoever the exception came from, under any name; a single owner is alone."""
        if not state.is_set_up:
            return
        for name in raised.originators:
            if state.person_of(name) == by.identity:
                raise AccessDenied(by.name, command, f"it is {name}'s own doing; another {does}")


def _check_open(held: Held) -> None:
    if held.closed is not None:
        raise InvalidInput("exception", held.raised.id[:12], "one that is not closed yet")


def held_fields(held: Held) -> dict[str, object]:
    """An exception and whose it is, as plain values; times are ns UTC."""
    raised = held.raised
    return {
        "exception": raised.id,
        "kind": raised.kind.value,
        "urgency": raised.urgency.value,
        "account": raised.account,
        "subject": raised.subject,
        "detail": raised.detail,
        "raised_at": raised.raised_at,
        "originators": list(raised.originators),
        "positions": list(raised.positions),
        "owner": held.owner,
        "due_at": held.due_at,
        "escalated": held.escalated,
    }
