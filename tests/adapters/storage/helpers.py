"""What the tests of the store share: a small aggregate over real events."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from fillwright.adapters.storage.log import Log
from fillwright.domain.events import DomainEvent, InstructionSuspended


class Sample:
    """An aggregate of the least kind: an id, a version and pending events."""

    def __init__(self, number: int, version: int = 0) -> None:
        self.id = UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)
        self.version = version
        self._pending: list[DomainEvent] = []

    def happen(self, times: int = 1, cause: str = "halt") -> "Sample":
        for _ in range(times):
            self.version += 1
            self._pending.append(
                InstructionSuspended(
                    originator_id=self.id,
                    originator_version=self.version,
                    record_time=1_700_000_000_000_000_000 + self.version,
                    actor="test",
                    correlation_id="c",
                    causation_id="d",
                    cause=cause,
                )
            )
        return self

    def collect_events(self) -> Sequence[DomainEvent]:
        taken, self._pending = self._pending, []
        return taken


Store = TypeVar("Store", Path, str)


def filled(path: Store, events: int = 10) -> Store:
    """A store of ``events`` events of two aggregates, closed."""
    with Log.open(path) as log:
        one, two = Sample(1), Sample(2)
        for number in range(events):
            log.append((one, two)[number % 2].happen(cause=f"halt {number}"))
    return path
