"""The message budget of one account: what the broker lets us send in a minute (ruling 17)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from ...domain.guard import CANCELS_KEPT
from ...domain.instruction import Instruction
from ...domain.ports import NANOS
from ...domain.violations import STEP_ORDERS_MAX

WINDOW_NS: Final = 60 * NANOS


class MessageBudget:
    """Counts messages over a sliding minute of engine time."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._sent: deque[int] = deque()
        self._owed: tuple[int, frozenset[UUID]] = (-1, frozenset())

    def left(self, now: int) -> int:
        """Messages that may still be sent in the minute up to ``now``."""
        while self._sent and self._sent[0] <= now - WINDOW_NS:
            self._sent.popleft()
        return max(self.per_minute - len(self._sent), 0)

    def owed(self, active: Mapping[UUID, Instruction], to: UUID, now: int) -> int:
        """How many others than ``to`` have to cross at a deadline within the minute that counts.

        What can wait leaves a message to each of them. Looked at once a second, and only when so
        little is left that it could matter.
        """
        if not self.is_scarce(len(active), now):
            return 0
        second = now // NANOS
        if self._owed[0] != second:
            owing = (id for id, one in active.items() if crosses(one, now + WINDOW_NS))
            self._owed = second, frozenset(owing)
        return len(self._owed[1] - {to})

    def is_scarce(self, count: int, now: int) -> bool:
        """Whether so little is left that one message for each of ``count`` plans could matter."""
        return self.left(now) <= CANCELS_KEPT + STEP_ORDERS_MAX + count

    def spend(self, now: int) -> None:
        """Count one message; what must go out goes out, even past the budget."""
        self._sent.append(now)


def crosses(instruction: Instruction, until: int) -> bool:
    """Whether it completes, its deadline is by then (ns UTC), and shares are left."""
    plan = instruction.plan
    waits = instruction.release_at is not None and not instruction.released
    if plan is None or instruction.is_done or waits:
        return False
    return plan.completes and plan.end_at <= until and instruction.spent < plan.quantity
