"""Whether those who wait for commits are to share one, or to take turns in two halves.

With all in one commit, process and server work in turns: N jobs take the process N·c, then the
server F + N·s, of which F is what each commit costs (statement and sync). In halves, each sent
while the other is worked on, they work beside each other, and the server pays F twice: it is
quicker where F < N·c. What can be seen from here are how long the process is busy before it sends,
N·c for all and N·c/2 for halves, and how long it then waits, F + N·s and F + N·s/2 - N·c/2. The
server takes about half as long for an event as the process does, so that with s = c/2 the condition
is in either form that the wait is less than 1.5 times as long as the busy time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Final

HALVES: Final = 2
HALF_MIN: Final = 16
"""Fewer jobs are not parted: each commit costs about as much as so many events."""
WAIT_MAX: Final = 1.5
"""Of the busy time; see above."""
WEIGHT: Final = 0.1
"""Of the newest time in what is known so far."""
PAUSE_SECONDS: Final = 0.1
"""Who has sent nothing for longer has rested: a whole commit is a fifth of it. Taken for work, one
rest had dozens of commits behind it parted, on a slow disk too."""


class Halving:
    """How many jobs are handed over together; used by one thread at a time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._busy, self._wait = 0.0, inf
        self._sent_at: float | None = None
        self._answered_at: float | None = None

    def sent(self) -> None:
        """Jobs have just been sent."""
        now = self._clock()
        if self._answered_at is not None:
            busy = now - self._answered_at
            if busy < PAUSE_SECONDS:
                self._busy += WEIGHT * (busy - self._busy)
            self._answered_at = None
        self._sent_at = now

    def answered(self) -> None:
        """An answer is there, and those who wait for it are about to be told."""
        now = self._clock()
        if self._sent_at is not None:
            wait = now - self._sent_at
            self._wait = wait if self._wait == inf else self._wait + WEIGHT * (wait - self._wait)
            self._sent_at = None
        self._answered_at = now

    def share(self, outstanding: int) -> int | None:
        """How many of ``outstanding`` jobs are to go together; None for as many as there are."""
        half = -(-outstanding // HALVES)
        return half if half >= HALF_MIN and self._wait < WAIT_MAX * self._busy else None
