"""Alerts as occurrences: each is raised once, goes on while it is seen, and is cleared once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..domain.ops import AlertCleared, AlertNotified, AlertRaised, OpsRecord
from .alerts import Alert

RAISED = "raised"
CLEARED = "cleared"


@dataclass(slots=True)
class Occurrence:
    """An alert on record: where it was raised in the second stream, and what came of it.

    ``notices`` has what each channel was told, by (change, channel).
    """

    position: int
    raised: AlertRaised
    cleared: AlertCleared | None = None
    notices: dict[tuple[str, str], AlertNotified] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        """Whether it goes on."""
        return self.cleared is None


class Changes(NamedTuple):
    """What is to be put on record now."""

    raised: tuple[Alert, ...]
    cleared: tuple[Occurrence, ...]


class AlertBook:
    """Every occurrence of the second stream, and what a look at the present changes.

    An alert that is not seen goes on for ``clear_after_ns`` more, so that a figure that hovers
    about its threshold raises one alert and not hundreds.
    """

    def __init__(self, clear_after_ns: int = 0) -> None:
        self.position = 0
        self._clear_after_ns = clear_after_ns
        self._all: dict[int, Occurrence] = {}
        self._active: dict[str, Occurrence] = {}
        self._unseen_since: dict[str, int] = {}

    def apply(self, position: int, record: OpsRecord) -> None:
        """Take in a record of the second stream, in order."""
        self.position = position
        if isinstance(record, AlertRaised):
            found = self._all[position] = Occurrence(position, record)
            self._active[record.alert] = found
        elif isinstance(record, AlertCleared):
            known = self._all.get(record.raised_at)
            if known is not None:
                known.cleared = record
                if self._active.get(record.alert) is known:
                    del self._active[record.alert]
                    self._unseen_since.pop(record.alert, None)
        elif isinstance(record, AlertNotified):
            known = self._all.get(record.raised_at)
            if known is not None:
                known.notices[record.change, record.channel] = record

    def active(self) -> Mapping[str, Occurrence]:
        """What goes on, by the alert's key."""
        return self._active

    def occurrences(self) -> tuple[Occurrence, ...]:
        """All of them, the oldest first."""
        return tuple(self._all.values())

    def changes(self, alerts: Iterable[Alert], now_ns: int) -> Changes:
        """What has begun and what is over, given what is seen now; ``now_ns`` is wall time.

        It remembers since when an alert is not seen; nothing else changes until the records of what
        is answered are applied.
        """
        seen = {alert.key: alert for alert in alerts}
        cleared = []
        for key, occurrence in self._active.items():
            if key in seen:
                self._unseen_since.pop(key, None)
                continue
            since = self._unseen_since.setdefault(key, now_ns)
            if now_ns - since >= self._clear_after_ns:
                cleared.append(occurrence)
        raised = tuple(alert for key, alert in seen.items() if key not in self._active)
        return Changes(raised, tuple(cleared))

    def untold(self, channels: Iterable[str], before_ns: int) -> tuple[tuple[Occurrence, str], ...]:
        """Active occurrences raised before a time (wall, ns) that a channel was never told of."""
        names = tuple(channels)
        return tuple(
            (occurrence, name)
            for occurrence in self._active.values()
            if occurrence.raised.record_time <= before_ns
            for name in names
            if (RAISED, name) not in occurrence.notices
        )
