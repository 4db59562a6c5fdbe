"""Events on their way into the log, apart from the aggregates that they are of."""

from __future__ import annotations

from dataclasses import dataclass

from ...domain import events as e


@dataclass(slots=True)
class Recordings:
    """Events on their way into the log, in the order they were recorded."""

    events: list[e.DomainEvent]

    def collect_events(self) -> list[e.DomainEvent]:
        """Take the events; a second call gives none."""
        events, self.events = self.events, []
        return events
