"""The story of one instruction in order: what happened, when, by whom, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from ..domain import events as e
from ..domain.ports import NANOS
from .audit_words import Told, told
from .runner import ProjectionStopped, RecordedEvent, UnknownEvent

Unseal = Callable[[str, str, str], str | None]
"""Gives the text of (subject, sealed text, context), or None when its key was destroyed.

The context is the instruction's id, under which its text was sealed.
"""

SEALED: Final = "[sealed]"
REDACTED: Final = "[redacted]"
EXCHANGE_ZONE: Final = "America/New_York"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One event of the story.

    ``at_utc`` and ``at_exchange`` are the record time in both zones to the nanosecond,
    ``market_time`` and ``receive_time`` ns UTC where the event has them. ``who`` is the actor,
    ``what`` a sentence, ``why`` the rule or reason, ``observed`` what it was decided from.
    ``text`` is the personal text of a decision where it may be shown. ``causation`` names what led
    to it, ``position`` and ``hash`` where the log has it.
    """

    position: int
    hash: str
    topic: str
    at_utc: str
    at_exchange: str
    record_time: int
    market_time: int | None
    receive_time: int | None
    who: str
    what: str
    why: str
    observed: tuple[tuple[str, str], ...]
    text: str | None
    correlation: str
    causation: str


def audit_trail(
    records: Iterable[RecordedEvent],
    *,
    unseal: Unseal | None = None,
    zone: tzinfo | None = None,
) -> tuple[AuditEntry, ...]:
    """The story of the given events, in their order.

    ``records`` are the events of one instruction, or of any selection of the log. Personal text is
    ``[sealed]`` without ``unseal`` and ``[redacted]`` when its key is gone. ``zone`` is the
    exchange's, New York by default.

    Raises:
        ProjectionStopped: at an event that this code does not know how to tell.
    """
    return tuple(_entries(records, unseal, zone or ZoneInfo(EXCHANGE_ZONE)))


def clock_text(at: int, zone: tzinfo) -> str:
    """A time (ns UTC) in a zone, to the nanosecond: ``2013-10-08 09:30:00.000000001 EDT``."""
    moment = datetime.fromtimestamp(at // NANOS, UTC).astimezone(zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at % NANOS:09d} {moment:%Z}"


def _entries(
    records: Iterable[RecordedEvent], unseal: Unseal | None, zone: tzinfo
) -> Iterator[AuditEntry]:
    for recorded in records:
        event = recorded.event
        said = told(event)
        if said is None:
            cause = UnknownEvent(f"{type(event).__name__} is not known here")
            raise ProjectionStopped("audit_trail", recorded.position, cause)
        yield _entry(recorded, said, _personal(event, unseal), zone)


def _entry(recorded: RecordedEvent, said: Told, text: str | None, zone: tzinfo) -> AuditEntry:
    event = recorded.event
    return AuditEntry(
        position=recorded.position,
        hash=recorded.hash.hex(),
        topic=event.stored_topic(),
        at_utc=clock_text(event.record_time, UTC),
        at_exchange=clock_text(event.record_time, zone),
        record_time=event.record_time,
        market_time=event.market_time,
        receive_time=event.receive_time,
        who=event.actor,
        what=said.what,
        why=said.why,
        observed=said.observed,
        text=text,
        correlation=event.correlation_id,
        causation=event.causation_id,
    )


def _personal(event: e.DomainEvent, unseal: Unseal | None) -> str | None:
    if not isinstance(event, e.DecisionReceived) or not event.sealed_text:
        return None
    if unseal is None:
        return SEALED
    text = unseal(event.subject, event.sealed_text, str(event.originator_id))
    return REDACTED if text is None else text
