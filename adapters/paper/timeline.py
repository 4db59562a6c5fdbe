"""What is to happen to orders at given market times."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from .orders import PaperOrder

Action = Callable[[PaperOrder, int], None]
"""Does something to an order at a time in ns UTC."""


class Timeline:
    """Actions in order of time, and of planning at equal times."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Action, PaperOrder]] = []
        self._planned = 0

    @property
    def next_at(self) -> int | None:
        """When the next action is due, None when none is planned."""
        return self._due[0][0] if self._due else None

    def plan(self, at: int, action: Action, order: PaperOrder) -> None:
        """Do ``action`` to ``order`` at ``at``, if it can still trade then."""
        self._planned += 1
        heapq.heappush(self._due, (at, self._planned, action, order))

    def run_next(self, at: int) -> bool:
        """Run one action that is due by ``at``; False when there is none."""
        if not self._due or self._due[0][0] > at:
            return False
        _, _, action, order = heapq.heappop(self._due)
        if order.is_open:
            action(order, at)
        return True
