"""What an auditor asks for first, told from the two streams alone and the same whenever it is told.

Orders with their authority and times, limits and permissions with their history, overrides, kills,
exceptions with their disposition, reconciliations, strategies, and the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ..domain import events as e
from ..domain import ops
from ..domain.supervision import Supervision
from ..domain.supervision.exceptions import ExceptionBook, Held, held_fields
from .canonical import to_json
from .instruction_events import ACCOUNT_EVENTS
from .raised import PERSON, RaisedExceptions
from .raised_by_records import raised_by_records
from .runner import History, Recorded, RecordedEvent, follow
from .surveillance import Surveillance

Row = dict[str, Any]
_LEFT_OUT: Final = frozenset(
    {"originator_id", "originator_version", "correlation_id", "raw", "provenance", "sealed_text"}
)
"""Fields that the events themselves hold and a table has no room for."""
_HISTORY: Final = (
    ("limits", (e.LimitChanged,)),
    ("rules", (e.RulesInForce,)),
    ("starts", (e.EngineStarted,)),
)
"""What a table has from the beginning of the log on."""
_WITHIN: Final = (
    ("kills", (e.KillSwitchEngaged, e.KillSwitchReleased)),
    (
        "compared",
        (
            e.Reconciled,
            e.SessionOpened,
            e.SessionClosed,
            e.StatementReconciled,
            e.FeesTruedUp,
            e.SessionSignedOff,
            e.PositionUnexplained,
            e.PositionExplained,
            e.CorporateActionRecorded,
            e.CorporateActionSettled,
        ),
    ),
)
"""What a table has of the period."""


class Period(NamedTuple):
    """Positions of the log, both included."""

    first: int
    last: int

    def holds(self, position: int) -> bool:
        """Whether a position of the log is in it."""
        return self.first <= position <= self.last


class PackTables:
    """Every document of a pack but its orders, filled as the log is read; both once only.

    Orders, kills, overrides, exceptions and comparisons are of the period; limits, permissions,
    strategies and the clock have their whole history up to its end. Instructions of the period are
    told one by one with :func:`order_row`, so that the log need not fit in memory.
    """

    def __init__(self, period: Period, history: History | None = None) -> None:
        """``history`` gives events again, so that the days that are over need not be held."""
        self._period = period
        self._kept: dict[str, list[Row]] = {
            name: [] for name in ("limits", "rules", "kills", "asked", "compared", "starts")
        }
        self._planned: dict[str, int] = {}
        self._first_at: int | None = None
        self._latest = 0
        self._raised, self._watched = RaisedExceptions(history), Surveillance(history=history)

    def take(self, events: Iterable[RecordedEvent]) -> None:
        """The log from its beginning to the end of the period."""

        def each() -> Iterable[Recorded]:
            for one in events:
                self._take(one)
                yield Recorded(one.position, one.event, one.hash)

        follow([self._raised, self._watched], each())

    def count(self, order: Row) -> None:
        """Take note of an instruction of the period, as :func:`order_row` tells it."""
        for event in order["history"]:
            if event["event"] == e.InstructionPlanned.TOPIC:
                name = event["plan"]["strategy"]
                self._planned[name] = self._planned.get(name, 0) + 1

    def documents(self, records: Iterable[tuple[int, ops.OpsRecord]]) -> dict[str, object]:
        """Every document by name, with what the second stream says (records with positions).

        They are gone through several times, so ``records`` is no iterator.

        Exceptions are told as of the last of all times on record.
        """
        kept = self._kept
        return {
            "limits": kept["limits"],
            "rules": kept["rules"],
            "retention": _of(records, (ops.RetentionInForce,)),
            "permissions": _permissions(records),
            "overrides": [*kept["asked"], *_overrides(records, self._period)],
            "kills": kept["kills"],
            "exceptions": self._exceptions(records),
            "reconciliations": kept["compared"],
            "strategies": {
                "approved": _of(records, (ops.StrategyApproved,)),
                "planned": self._planned,
            },
            "clock": {"starts": kept["starts"], "measured": _of(records, (ops.ClockMeasured,))},
            "checks": _of(records, (ops.VerificationDone, ops.Anchored)),
            "reports": _of(records, (ops.ReportIssued, ops.ReviewRecorded)),
        }

    def _take(self, recorded: RecordedEvent) -> None:
        event, place = recorded.event, recorded.position
        is_within = self._period.holds(place)
        self._latest = max(self._latest, event.record_time)
        if is_within and self._first_at is None:
            self._first_at = event.record_time
        name = next((name for name, kinds in _HISTORY if isinstance(event, kinds)), None)
        if name is None and is_within:
            name = next((name for name, kinds in _WITHIN if isinstance(event, kinds)), None)
        if name is not None:
            self._kept[name].append(_row(event, place))
        elif is_within and isinstance(event, e.InstructionEndRequested) and _is_person(event):
            row = {"instruction": str(event.originator_id), **_row(event, place)}
            self._kept["asked"].append(row)

    def _exceptions(self, records: Iterable[tuple[int, ops.OpsRecord]]) -> list[Row]:
        book = ExceptionBook(
            [
                *self._raised.raised(),
                *self._raised.raised_by(self._watched.findings()),
                *raised_by_records(records),
            ]
        )
        for _, record in records:
            book.apply(record)
        at = max([self._latest, *(record.record_time for _, record in records)])
        return [
            {**_held(one), "escalations": to_json(book.escalations(one.raised.id))}
            for one in book.held(at)
            if self._is_within(one)
        ]

    def _is_within(self, held: Held) -> bool:
        raised = held.raised
        if raised.positions:
            return any(self._period.holds(place) for place in raised.positions)
        return self._first_at is None or raised.raised_at >= self._first_at


# -- from the log ----------------------------------------------------------------------------------


def is_of_instruction(event: e.DomainEvent) -> bool:
    """Whether an event belongs to an instruction, and with it into ``orders``."""
    return type(event) not in ACCOUNT_EVENTS


def order_row(events: Iterable[RecordedEvent]) -> Row | None:
    """One instruction with its orders and every message about them; None without a decision.

    Args:
        events: all its events up to the end of the period, in order.
    """
    row: Row | None = None
    for recorded in events:
        event = recorded.event
        if isinstance(event, e.DecisionReceived):
            row = _received(event)
        elif row is not None:
            _add_to(row, event, recorded.position)
    return row


def _received(event: e.DecisionReceived) -> Row:
    return {
        "instruction": str(event.originator_id),
        "decision_id": event.decision_id,
        "account": event.account,
        "session_date": event.session_date,
        "authority": event.actor,
        "submitted_by": to_json(event.submitted_by),
        "received_at": event.receive_time or event.record_time,
        "decision": to_json(event.decision),
        "arrival": to_json(event.arrival),
        "history": [],
        "orders": {},
    }


def _add_to(row: Row, event: e.DomainEvent, place: int) -> None:
    if isinstance(event, e.OrderIntended):
        row["orders"][event.client_order_id] = {**_row(event, place), "messages": []}
    elif isinstance(event, e.OrderReported | e.OrderCancelRequested):
        report = event.report if isinstance(event, e.OrderReported) else None
        name = report.client_order_id if report else getattr(event, "client_order_id", "")
        order = row["orders"].get(name)
        told = order["messages"] if order is not None else row["history"]
        told.append(_row(event, place))
    elif not isinstance(event, e.DecisionAssessed):
        row["history"].append(_row(event, place))


def _row(event: e.DomainEvent, place: int) -> Row:
    fields = type(event).model_fields
    kept = {name: _thin(to_json(getattr(event, name))) for name in fields if name not in _LEFT_OUT}
    return {"position": place, "event": event.TOPIC, **kept}


def _thin(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _thin(one) for name, one in value.items() if name not in _LEFT_OUT}
    return value


def _is_person(event: e.DomainEvent) -> bool:
    return event.actor.startswith(PERSON)


# -- from the second stream ------------------------------------------------------------------------


def _of(
    records: Iterable[tuple[int, ops.OpsRecord]], kinds: tuple[type[ops.OpsRecord], ...]
) -> list[Row]:
    return [_record(place, one) for place, one in records if isinstance(one, kinds)]


def _record(place: int, record: ops.OpsRecord) -> Row:
    fields = to_json(record)
    assert isinstance(fields, dict)
    return {"record": place, "kind": record.TOPIC, **fields}


def _permissions(records: Iterable[tuple[int, ops.OpsRecord]]) -> Row:
    """Who might do what from when on, every change with who was behind it, what was denied."""
    state, changes = Supervision(), []
    for _, record in records:
        state.apply(record)
    for change in state.changes.values():
        changes.append(
            {
                "change": change.id,
                "proposed": to_json(change.proposed),
                "approved": to_json(change.approved),
                "rejected": to_json(change.rejected),
                "applied_at": change.applied_at,
            }
        )
    return {
        "principals": _of(records, (ops.PrincipalsInForce,)),
        "changes": changes,
        "granted": _of(records, (ops.AccessGranted,)),
        "refused": _of(records, (ops.AccessRefused,)),
    }


def _overrides(records: Iterable[tuple[int, ops.OpsRecord]], period: Period) -> list[Row]:
    """Loosened controls that were used in the period."""
    loosened = {
        record.change
        for _, record in records
        if isinstance(record, ops.ChangeProposed) and not record.is_tightening
    }
    return [
        _record(place, record)
        for place, record in records
        if isinstance(record, ops.ChangeApplied)
        and record.change in loosened
        and period.first - 1 <= record.log_position <= period.last
    ]


def _held(held: Held) -> Row:
    return {
        **held_fields(held),
        "is_settled": held.raised.is_settled,
        "disposition": to_json(held.closed),
    }
