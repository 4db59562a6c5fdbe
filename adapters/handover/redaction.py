"""Redaction: the key of a decision's personal text is destroyed, and that it was is an event.

The event comes first and is durable; only then is the key destroyed. A process that dies between
them leaves a key that the next call destroys. The chain covers ciphertext: the log verifies still.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from ...domain import events as e
from ...domain.corporate import all_names
from ...domain.errors import InvalidInput
from ...domain.ids import account_stream_id, redaction_id
from ...domain.ports import NANOS
from ...domain.retention import RetentionRules
from ..storage.keystore import Keystore
from ..storage.log import Log
from ..storage.records import Conflict, Recorded
from ..supervision.supervising import retention_of

KEYS_SUFFIX: Final = ".keys"
"""What the keystore is called, after the store's file."""
SIMULATED_BROKER: Final = "simulated"
STARTED_WITHIN: Final = 100
PERSON: Final = "person:"


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was redacted; ``anew`` is False when the event was on the record already."""

    subject: str
    instruction_id: UUID
    decision_id: str
    position: int
    anew: bool


class _Note:
    """One event in a stream of its own, so that it conflicts with no engine's aggregate."""

    def __init__(self, event: e.SubjectRedacted) -> None:
        self._pending: list[e.DomainEvent] = [event]

    def collect_events(self) -> list[e.DomainEvent]:
        """The event, once."""
        taken, self._pending = self._pending, []
        return taken


def keystore_of(log: Log) -> Keystore | None:
    """The keystore that a log's personal text was sealed with, None where there is none.

    Of a simulated log the keys follow from its seed; what was destroyed is kept in the file.
    """
    file = _keys_of(log)
    started = _started(log)
    if started is not None and started.broker == SIMULATED_BROKER and started.seed is not None:
        return Keystore.open(file, seed=started.seed)
    return Keystore.open(file) if file.exists() else None


def _keys_of(log: Log) -> Path:
    """Where the keystore of a log lies, whichever database the log is in."""
    return log.files.with_name(log.files.name + KEYS_SUFFIX)


def is_simulated(log: Log) -> bool:
    """Whether the log is of a simulated broker, by its first start."""
    started = _started(log)
    return started is not None and started.broker == SIMULATED_BROKER


def _started(log: Log) -> e.EngineStarted | None:
    for recorded in log.events(upto=STARTED_WITHIN):
        if isinstance(recorded.event, e.EngineStarted):
            return recorded.event
    return None


def redact(
    log: Log,
    instruction: UUID,
    *,
    configured: RetentionRules,
    reason: str,
    person: str,
    now: int,
    is_active: bool,
) -> Redaction:
    """Destroy the key of an instruction's personal text, and record who asked for it and why.

    Args:
        log: open for writing, shared (``exclusive=False``) beside an engine.
        configured: may only keep more than what is on the store's record.
        now: wall time in ns UTC, what retention is measured by.
        is_active: whether the instruction is still being worked.

    Raises:
        InvalidInput: it is within retention, under a legal hold, still active, or has no keystore.
        StoreError: log or keystore cannot be written.
    """
    received = _received(log, instruction)
    event = received.event
    assert isinstance(event, e.DecisionReceived)
    rules = retention_of(log, configured)
    hold = rules.held_by(event.account, event.decision_id, _names_of(log, event))
    if hold is not None:
        raise InvalidInput(
            "instruction", event.decision_id, f"what is under no legal hold; {hold} holds it"
        )
    until = rules.kept_until(event.record_time)
    if now < until:
        at = datetime.fromtimestamp(until // NANOS, UTC)
        raise InvalidInput(
            "instruction",
            event.decision_id,
            f"what is out of retention; this is kept for {rules.days} days, until {at:%Y-%m-%d}",
        )
    if is_active:
        raise InvalidInput("instruction", event.decision_id, "an instruction that has ended")
    keystore = keystore_of(log)
    if keystore is None:
        raise InvalidInput("keystore", str(_keys_of(log)), "the keystore of this log")
    position, anew = _record(log, event, rules, reason, person, now)
    keystore.destroy(event.subject)
    return Redaction(event.subject, instruction, event.decision_id, position, anew)


def _names_of(log: Log, event: e.DecisionReceived) -> frozenset[str]:
    """All that its symbol is or was called, by the corporate actions on record."""
    if event.decision is None:
        return frozenset()
    recorded = log.stream(account_stream_id(event.account))
    actions = {
        one.action.action_id: one.action
        for one in recorded
        if isinstance(one, e.CorporateActionRecorded)
    }
    return all_names(event.decision.symbol, actions.values())


def _received(log: Log, instruction: UUID) -> Recorded:
    for raw in log.raw_stream(instruction)[:1]:
        event = log.decode(raw)
        if isinstance(event, e.DecisionReceived):
            return Recorded(raw.position, event, raw.hash)
    raise InvalidInput("instruction", instruction, "an instruction of the log")


def _record(
    log: Log, event: e.DecisionReceived, rules: RetentionRules, reason: str, person: str, now: int
) -> tuple[int, bool]:
    """Append the event, unless it is there: its position, and whether it is new."""
    id = redaction_id(event.subject)
    there = log.raw_stream(id)
    if there:
        return there[0].position, False
    note = e.SubjectRedacted(
        originator_id=id,
        originator_version=1,
        record_time=_time(log, now),
        actor=f"{PERSON}{person}",
        correlation_id=event.correlation_id,
        causation_id=f"redaction:{event.decision_id}",
        subject=event.subject,
        instruction_id=event.originator_id,
        reason=reason,
        retention_days=rules.days,
    )
    try:
        return log.append(_Note(note)).last_position, True
    except Conflict:  # another process was faster
        return log.raw_stream(id)[0].position, False


def _time(log: Log, now: int) -> int:
    """The time to record: now, or in a simulated log, whose clock is not the wall's, its last."""
    if not is_simulated(log):
        return now
    head = log.head().position
    return max((one.event.record_time for one in log.events(head - 1, head)), default=now)
