"""One budget of requests for everything that asks the broker, shared by importance (ruling 17)."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final

WINDOW_SECONDS: Final = 60.0
BLOCK_SECONDS_MAX: Final = 60.0
"""A reset that lies further ahead than this is taken for a clock that is wrong."""
TURN_SECONDS: Final = 0.25
MOMENT_SECONDS: Final = 0.5


class Lane(IntEnum):
    """What a request is for; a lower one never waits for a higher one's share."""

    CANCEL = 0
    ORDER = 1
    QUERY = 2


_KEPT: Final = {Lane.CANCEL: 0.0, Lane.ORDER: 0.1, Lane.QUERY: 0.3}
"""The share of the budget that requests of a lane leave to those that matter more."""


class Limiter:
    """Lets through at most the budget in any 60 seconds; used from several threads.

    The server's ``X-RateLimit-*`` headers correct it: a limit it names replaces ours, and when it
    says that nothing remains everybody waits for its reset.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit = per_minute
        self._monotonic, self._wall, self._sleep = monotonic, wall, sleep
        self._made: deque[float] = deque()
        self._closed_until = 0.0
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """Requests a minute, as last heard of."""
        return self._limit

    def take(self, lane: Lane) -> None:
        """Return when a request of this lane may be made; it is counted as made."""
        while (seconds := self._try(lane)) > 0:
            self._sleep(min(seconds, TURN_SECONDS))

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take in what a response's headers say; unreadable ones say nothing."""
        limit = _whole(headers.get("X-RateLimit-Limit"))
        remaining = _whole(headers.get("X-RateLimit-Remaining"))
        reset = _whole(headers.get("X-RateLimit-Reset"))
        with self._lock:
            if limit is not None and limit > 0:
                self._limit = limit
            if remaining == 0 and reset is not None:
                self._close(reset - self._wall())

    def refused(self, headers: Mapping[str, str]) -> None:
        """A 429 came: wait for the reset it names, or a moment where it names none.

        Where the headers say that something remains it is another budget that was refused.
        """
        reset = _whole(headers.get("X-RateLimit-Reset"))
        remaining = _whole(headers.get("X-RateLimit-Remaining"))
        spent = remaining is None or remaining <= 0
        with self._lock:
            wait = reset - self._wall() if reset is not None and spent else MOMENT_SECONDS
            self._close(max(wait, MOMENT_SECONDS))

    def _close(self, seconds: float) -> None:
        if 0 < seconds <= BLOCK_SECONDS_MAX:
            self._closed_until = max(self._closed_until, self._monotonic() + seconds)

    def _try(self, lane: Lane) -> float:
        """Seconds until another try; 0 when the request may be made now."""
        with self._lock:
            now = self._monotonic()
            while self._made and self._made[0] <= now - WINDOW_SECONDS:
                self._made.popleft()
            if now < self._closed_until:
                return self._closed_until - now
            allowed = self._limit - int(self._limit * _KEPT[lane])
            if len(self._made) >= max(allowed, 1):
                return self._made[0] + WINDOW_SECONDS - now
            self._made.append(now)
            return 0.0


def _whole(text: str | None) -> int | None:
    try:
        return int(float(text)) if text is not None else None
    except ValueError:
        return None
