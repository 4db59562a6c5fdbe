"""What aggregates share: they record events, fold them at once, and hand them out to be stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar
from uuid import UUID

from . import events as e

EventT = TypeVar("EventT", bound=e.DomainEvent)


class Aggregate(ABC):
    """A consistency boundary with a stream of its own; its state is the fold of that stream."""

    id: UUID
    version: int

    def __init__(self) -> None:
        self._pending: list[e.DomainEvent] = []

    @abstractmethod
    def apply(self, event: e.DomainEvent) -> None:
        """Bring the state forward by one event."""

    @property
    def has_news(self) -> bool:
        """Whether something was recorded since the events were last collected."""
        return bool(self._pending)

    def collect_events(self) -> list[e.DomainEvent]:
        """Take the events recorded since the last call."""
        pending, self._pending = self._pending, []
        return pending

    def _record(self, kind: type[EventT], stamp: e.Stamp, /, **fields: Any) -> EventT:
        event = kind(
            originator_id=self.id,
            originator_version=self.version + 1,
            record_time=stamp.record_time,
            actor=stamp.actor,
            correlation_id=stamp.correlation_id,
            causation_id=stamp.causation_id,
            market_time=stamp.market_time,
            receive_time=stamp.receive_time,
            **fields,
        )
        self.apply(event)
        self._pending.append(event)
        return event
