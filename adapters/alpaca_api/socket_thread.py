"""One of the client's sockets in a thread of its own, ended at any moment of its life."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Protocol, TypeVar

PINGS: Final = {"ping_interval": 5, "ping_timeout": 10, "max_queue": 4096, "close_timeout": 1}
"""A server that is gone is noticed within 15 s; one that answers pings and sends nothing is found
by comparing with what REST says."""
STOP_SECONDS_MAX: Final = 8.0
CLOSE_SECONDS_MAX: Final = 2.0
CANCEL_AGAIN_SECONDS: Final = 0.25


class Stream(Protocol):
    """What ``TradingStream`` and ``StockDataStream`` have in common."""

    async def _run_forever(self) -> None: ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


S = TypeVar("S", bound=Any)
"""A :class:`Stream`; the client's classes are not typed."""


class SocketThread(Generic[S]):
    """Runs a stream until it is stopped, once.

    The stream is made in the thread, because it belongs to the loop there. All methods may be
    called from any thread, and ``stop`` also before the thread has begun or in the middle of its
    connecting; after it nothing starts any more.
    """

    def __init__(self, name: str, make: Callable[[], S], logger: str) -> None:
        """``name`` is the thread's; ``logger`` the client's, silenced (see :func:`quiet`)."""
        quiet(logger)
        self._name, self._make = name, make
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stream: S | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin; a second call does nothing."""
        with self._lock:
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def call(self, act: Callable[[S], Awaitable[None]]) -> bool:
        """Have ``act`` done with the stream in its thread; False while there is none."""
        with self._lock:
            loop, stream = self._loop, self._stream
            if loop is None or stream is None or self._stopped:
                return False
            with contextlib.suppress(RuntimeError):  # its loop has just ended
                asyncio.run_coroutine_threadsafe(_quietly(act, stream), loop)
                return True
            return False

    def stop(self) -> None:
        """End the thread and wait for it, a few seconds at most."""
        with self._lock:
            self._stopped = True
            thread = self._thread
        if thread is None:
            return
        ends = time.monotonic() + STOP_SECONDS_MAX
        while thread.is_alive() and time.monotonic() < ends:
            # A wait that ends at the same moment swallows a cancellation, so it is sent again.
            self._cancel()
            thread.join(CANCEL_AGAIN_SECONDS)

    @property
    def is_running(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def _cancel(self) -> None:
        with self._lock:
            loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        stream = self._make()
        with self._lock:
            if self._stopped:
                return
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            self._stream = stream
        try:
            await stream._run_forever()
        finally:
            with self._lock:
                self._loop = self._stream = None
            with contextlib.suppress(Exception):
                await asyncio.wait_for(stream.close(), CLOSE_SECONDS_MAX)


async def _quietly(act: Callable[[S], Awaitable[None]], stream: S) -> None:
    """What fails here fails with the connection, which the stream itself looks after."""
    with contextlib.suppress(Exception):
        await act(stream)


def quiet(name: str) -> None:
    """Silence a logger of the client's: it shows tracebacks for what is handled here."""
    logger = logging.getLogger(name)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
