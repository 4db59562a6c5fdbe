"""What an auditor asks for first, told from the two streams alone and the same whenever it is told.

Orders with their authority and times, limits and permissions with their history, overrides, kills,
exceptions with their disposition, reconciliations, strategies, and the clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from ..domain import events as e
from ..domain import ops
from ..domain.supervision import Supervision
from ..domain.supervision.exceptions import ExceptionBook, Held
from .canonical import to_json
from .instruction_events import ACCOUNT_EVENTS
from .raised import PERSON, RaisedExceptions, held_fields, raised_by_findings, raised_by_records
from .runner import Recorded, RecordedEvent, follow
from .surveillance import Surveillance

Row = dict[str, Any]
_LEFT_OUT: Final = frozenset(
    {"originator_id", "originator_version", "correlation_id", "raw", "provenance", "sealed_text"}
)
"""Fields that the events themselves hold and a table has no room for."""
_KILLS: Final = (e.KillSwitchEngaged, e.KillSwitchReleased)
_COMPARISONS: Final = (e.Reconciled, e.SessionOpened, e.SessionClosed)


class Period(NamedTuple):
    """Positions of the log, both included; ``at`` (ns UTC) is what exceptions are told as of."""

    first: int
    last: int
    at: int

    def holds(self, position: int) -> bool:
        """Whether a position of the log is in it."""
        return self.first <= position <= self.last


def pack_documents(
    events: Iterable[RecordedEvent],
    records: Sequence[tuple[int, ops.OpsRecord]],
    period: Period,
) -> dict[str, object]:
    """Every document of a pack by name.

    Args:
        events: the log from its beginning to the end of the period.
        records: the second stream, with positions.
        period: orders, kills, overrides, exceptions and comparisons are of it; limits, permissions,
            strategies and the clock have their whole history up to its end.
    """
    told = _Told(period)
    raised, watched = RaisedExceptions(), Surveillance()

    def each() -> Iterable[Recorded]:
        for one in events:
            told.take(one)
            yield Recorded(one.position, one.event, one.hash)

    follow([raised, watched], each())
    book = ExceptionBook(
        [
            *raised.raised(),
            *raised_by_findings(watched.findings()),
            *raised_by_records(records),
        ]
    )
    for _, record in records:
        book.apply(record)
    exceptions = [_held(one) for one in book.held(period.at) if _is_within(one, told, period)]
    return {
        "orders": list(told.orders.values()),
        "limits": told.limits,
        "rules": told.rules,
        "permissions": _permissions(records),
        "overrides": _overrides(told, records, period),
        "kills": told.kills,
        "exceptions": exceptions,
        "reconciliations": told.comparisons,
        "strategies": _strategies(told, records),
        "clock": {
            "starts": told.starts,
            "measured": _of(records, (ops.ClockMeasured,)),
        },
        "checks": _of(records, (ops.VerificationDone, ops.Anchored)),
        "reports": _of(records, (ops.ReportIssued, ops.ReviewRecorded)),
    }


# -- from the log ----------------------------------------------------------------------------------


class _Told:
    """Tables that are filled as the log is read."""

    def __init__(self, period: Period) -> None:
        self._period = period
        self.orders: dict[UUID, Row] = {}
        self.limits: list[Row] = []
        self.rules: list[Row] = []
        self.kills: list[Row] = []
        self.asked: list[Row] = []
        self.comparisons: list[Row] = []
        self.starts: list[Row] = []
        self.first_at: int | None = None
        self._earlier: dict[UUID, Row] = {}

    def take(self, recorded: RecordedEvent) -> None:
        """One event, in order."""
        event, place = recorded.event, recorded.position
        is_within = self._period.holds(place)
        if is_within and self.first_at is None:
            self.first_at = event.record_time
        if type(event) not in ACCOUNT_EVENTS:
            self._instruction(event, place, is_within=is_within)
        elif isinstance(event, e.LimitChanged):
            self.limits.append(_row(event, place))
        elif isinstance(event, e.RulesInForce):
            self.rules.append(_row(event, place))
        elif isinstance(event, e.EngineStarted):
            self.starts.append(_row(event, place))
        elif is_within and isinstance(event, _KILLS):
            self.kills.append(_row(event, place))
        elif is_within and isinstance(event, _COMPARISONS):
            self.comparisons.append(_row(event, place))

    def _instruction(self, event: e.DomainEvent, place: int, *, is_within: bool) -> None:
        id = event.originator_id
        if isinstance(event, e.DecisionReceived):
            self._earlier[id] = {
                "instruction": str(id),
                "decision_id": event.decision_id,
                "account": event.account,
                "session_date": event.session_date,
                "authority": event.actor,
                "received_at": event.receive_time or event.record_time,
                "decision": to_json(event.decision),
                "arrival": to_json(event.arrival),
                "history": [],
                "orders": {},
            }
        row = self.orders.get(id) or self._earlier.get(id)
        if row is None:
            return
        if is_within:
            self.orders.setdefault(id, row)
        if is_within and isinstance(event, e.InstructionEndRequested) and _is_person(event):
            self.asked.append({"instruction": str(id), **_row(event, place)})
        self._history(row, event, place)

    def _history(self, row: Row, event: e.DomainEvent, place: int) -> None:
        if isinstance(event, e.OrderIntended):
            row["orders"][event.client_order_id] = {**_row(event, place), "messages": []}
        elif isinstance(event, e.OrderReported | e.OrderCancelRequested):
            report = event.report if isinstance(event, e.OrderReported) else None
            name = report.client_order_id if report else getattr(event, "client_order_id", "")
            order = row["orders"].get(name)
            told = order["messages"] if order is not None else row["history"]
            told.append(_row(event, place))
        elif not isinstance(event, e.DecisionReceived | e.DecisionAssessed):
            row["history"].append(_row(event, place))


def _row(event: e.DomainEvent, place: int) -> Row:
    fields = to_json(event)
    assert isinstance(fields, dict)
    kept = {name: _thin(value) for name, value in fields.items() if name not in _LEFT_OUT}
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


def _permissions(records: Sequence[tuple[int, ops.OpsRecord]]) -> Row:
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


def _overrides(
    told: _Told, records: Sequence[tuple[int, ops.OpsRecord]], period: Period
) -> list[Row]:
    """Loosened controls that were used, and ends that persons asked for, in the period."""
    loosened = {
        record.change
        for _, record in records
        if isinstance(record, ops.ChangeProposed) and not record.is_tightening
    }
    used = [
        _record(place, record)
        for place, record in records
        if isinstance(record, ops.ChangeApplied)
        and record.change in loosened
        and period.first - 1 <= record.log_position <= period.last
    ]
    return [*told.asked, *used]


def _strategies(told: _Told, records: Sequence[tuple[int, ops.OpsRecord]]) -> Row:
    """What is approved to trade live, and what was used in the period."""
    used: dict[str, int] = {}
    for row in told.orders.values():
        for event in row["history"]:
            if event["event"] == e.InstructionPlanned.TOPIC:
                name = event["plan"]["strategy"]
                used[name] = used.get(name, 0) + 1
    return {"approved": _of(records, (ops.StrategyApproved,)), "planned": used}


def _is_within(held: Held, told: _Told, period: Period) -> bool:
    raised = held.raised
    if raised.positions:
        return any(period.holds(place) for place in raised.positions)
    return told.first_at is None or raised.raised_at >= told.first_at


def _held(held: Held) -> Row:
    return {
        **held_fields(held),
        "is_settled": held.raised.is_settled,
        "disposition": to_json(held.closed),
    }
