"""The message budget of one account: what the broker lets us send in a minute (ruling 17)."""

from __future__ import annotations

from collections import deque
from typing import Final

from ...domain.ports import NANOS

WINDOW_NS: Final = 60 * NANOS


class MessageBudget:
    """Counts messages over a sliding minute of engine time."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._sent: deque[int] = deque()

    def left(self, now: int) -> int:
        """Messages that may still be sent in the minute up to ``now``."""
        while self._sent and self._sent[0] <= now - WINDOW_NS:
            self._sent.popleft()
        return max(self.per_minute - len(self._sent), 0)

    def spend(self, now: int) -> None:
        """Count one message; what must go out goes out, even past the budget."""
        self._sent.append(now)
