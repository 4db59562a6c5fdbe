"""Events as lines: the stored bytes for programs, a sentence for people."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from ...projections.audit_words import told
from ...projections.rendering import clock
from ..storage.log import Log
from ..storage.records import Recorded


def json_lines(store: str, after: int = 0, stream: UUID | None = None) -> Iterator[bytes]:
    """One JSON object per event with ``fields``, ``hash``, ``position`` and ``topic``.

    ``fields`` are the stored bytes themselves, which the hash covers: nothing is decoded, so that
    also events of a newer version can be exported and checked.
    """
    with Log.open(store, writer=False) as log:
        for raw in log.raw_events(after, log.head().position):
            if stream is None or raw.originator_id == stream.hex:
                yield raw.as_line()


def event_text(store: str, after: int = 0, stream: UUID | None = None) -> Iterator[str]:
    """One line per event: position, time at the exchange, whose, and what happened."""
    with Log.open(store, writer=False) as log:
        for recorded in log.events(after, log.head().position):
            if stream is None or recorded.event.originator_id == stream:
                yield _line(recorded)


def _line(recorded: Recorded) -> str:
    event = recorded.event
    said = told(event)
    what = said.what if said else event.stored_topic()
    why = f"  ({said.why})" if said and said.why else ""
    whose = str(event.originator_id)[:8]
    return f"{recorded.position:>7} {clock(event.record_time)} {whose} {what}{why}"
