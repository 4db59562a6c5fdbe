"""Exceptions of the second stream: what was refused, overridden or wrong there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from ..domain import ops
from ..domain.ops.exceptions import ExceptionKind
from ..domain.supervision.exceptions import Raised, Urgency

_TOLD_FROM_LOG: Final = frozenset(
    {"overfill", "indeterminate_order", "escalated", "kill_switch", "break", "anomaly"}
)
"""Alerts of the watch about what the log tells by itself, which is an exception already."""


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
    id = hash_of("ops", kind.value, place, record.stored_topic())
    at, names = record.record_time, tuple(sorted(by))
    return Raised(id, kind, urgency, account, place, detail, at, names)


def hash_of(*parts: str) -> str:
    """The id of an exception: a hash of what it is."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
