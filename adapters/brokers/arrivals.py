"""A flag that threads set and event loops wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading


class Arrivals:
    """Like ``asyncio.Event``, on any event loop, one after the other, and set from any thread.

    A broker outlives a loop where a program calls ``asyncio.run`` more than once.
    """

    def __init__(self) -> None:
        """Begin unset."""
        self._set = False
        self._waiters: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()

    def is_set(self) -> bool:
        """Whether it was set since it was last cleared."""
        return self._set

    def set(self) -> None:
        """Set it and wake who waits."""
        with self._lock:
            self._set = True
            waiters = list(self._waiters)
        for waiter in waiters:
            with contextlib.suppress(RuntimeError):  # its loop has ended meanwhile
                waiter.get_loop().call_soon_threadsafe(_wake, waiter)

    def clear(self) -> None:
        """Unset it."""
        self._set = False

    async def wait(self) -> bool:
        """Return when it is set; always True."""
        waiter = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._set:
                return True
            self._waiters.append(waiter)
        try:
            await waiter
        finally:
            with self._lock:
                self._waiters.remove(waiter)
        return True


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
