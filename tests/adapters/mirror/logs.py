"""Logs for the mirror's tests: any history, in a real store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fillwright.adapters.storage.log import Log
from fillwright.domain.events import DomainEvent
from fillwright.projections.runner import Recorded
from tests.projections.test_rebuilt_equals_live import Teller

Moves = Sequence[tuple[int, int, int]]


class Batch:
    """Events that are appended as they are."""

    def __init__(self, records: Sequence[Recorded]) -> None:
        self._events = [recorded.event for recorded in records]

    def collect_events(self) -> Sequence[DomainEvent]:
        taken, self._events = self._events, []
        return taken


def told(moves: Moves) -> list[Recorded]:
    """A history that the engine and a broker could have made."""
    teller = Teller()
    for move in [(0, 1, 50), *moves]:
        teller.act(*move)
    return teller.story.log


BUSY: Moves = [(number % 21, number * 7 % 41, number * 13 % 121) for number in range(1, 220)]
"""A long history with everything in it."""


def store_of(path: Path, moves: Moves = BUSY) -> Path:
    """A closed store with that history."""
    with Log.open(path) as log:
        log.append(Batch(told(moves)))
    return path
