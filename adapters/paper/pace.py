"""Market time from wall time: ``start + elapsed × speed``, never back, and forward on request."""

from __future__ import annotations

import time
from typing import Final

SPEED_MAX: Final = 10_000.0
SPEED_MIN: Final = 0.001


class PacedClock:
    """The server's market clock.

    Args:
        start: the market time now, ns UTC.
        speed: market seconds per wall second.
    """

    def __init__(self, start: int, speed: float) -> None:
        self.speed = speed
        self._start = start
        self._anchor = time.monotonic_ns()
        self._last = start

    def now(self) -> int:
        """The market time now, ns UTC; strictly rising, so that no two requests share a time."""
        elapsed = time.monotonic_ns() - self._anchor
        self._last = max(self._start + int(elapsed * self.speed), self._last + 1)
        return self._last

    def jump(self, to: int) -> None:
        """Go on from ``to``; an earlier time than now is ignored."""
        if to > self.now():
            self._start, self._anchor = to, time.monotonic_ns()
