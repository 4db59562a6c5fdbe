"""A flag that can be awaited on any event loop, one after the other."""

from __future__ import annotations

import asyncio


class LoopArrivals:
    """Like ``asyncio.Event``, which belongs for ever to the loop that first waited on it.

    A broker outlives a loop where a program calls ``asyncio.run`` more than once.
    """

    def __init__(self) -> None:
        """Begin unset."""
        self._set = False
        self._waiters: list[asyncio.Future[None]] = []

    def is_set(self) -> bool:
        """Whether it was set since it was last cleared."""
        return self._set

    def set(self) -> None:
        """Set it and wake who waits."""
        self._set = True
        for waiter in self._waiters:
            if not waiter.done() and not waiter.get_loop().is_closed():
                waiter.set_result(None)

    def clear(self) -> None:
        """Unset it."""
        self._set = False

    async def wait(self) -> bool:
        """Return when it is set; always True."""
        if not self._set:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)
        return True
