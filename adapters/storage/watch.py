"""A connection's socket in an event loop, which watches a descriptor of its own."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import NamedTuple, Protocol


class HasSocket(Protocol):
    """What has a socket, and raises where it has none any more."""

    def fileno(self) -> int:
        """Its number."""
        ...


class _Watched(NamedTuple):
    loop: asyncio.AbstractEventLoop
    connection: HasSocket
    number: int


class Watch:
    """Calls ``readable`` on the loop's thread when the socket can be read, until it gives False.

    A socket's number is used again after it is closed, and the client library closes a lost one by
    itself, on any thread. A loop that still had the number would watch another's, or nothing. So
    the loop watches a duplicate, which it alone closes.

    One loop at a time does so, because none can be told from another thread to stop: it keeps the
    :meth:`claim` until it is closed.
    """

    def __init__(self, readable: Callable[[], bool]) -> None:
        self._readable = readable
        self._claimed_by: asyncio.AbstractEventLoop | None = None
        self._watched: _Watched | None = None
        self._lock = Lock()

    def claim(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether this loop may watch from here on: no other one that is not closed does."""
        with self._lock:
            holder = self._claimed_by
            if holder is not None and holder is not loop and not holder.is_closed():
                return False
            self._claimed_by = loop
        return True

    def start(self, loop: asyncio.AbstractEventLoop, connection: HasSocket) -> bool:
        """Watch, on the thread of the loop that has the claim; whether the loop can."""
        with self._lock:
            watched = self._watched
            if watched is not None and watched[:2] == (loop, connection):
                return True
            self._stop()
            try:
                number = os.dup(connection.fileno())
            except Exception:
                return False  # it was closed meanwhile
            try:
                loop.add_reader(number, self._fire)
            except (NotImplementedError, OSError):
                os.close(number)
                return False
            self._watched = _Watched(loop, connection, number)
        return True

    def stop(self) -> None:
        """Watch no longer, on the loop's thread."""
        with self._lock:
            self._stop()

    def closed(self, connection: HasSocket) -> None:
        """Have its other end, and the loop, see that it was closed."""
        with self._lock:
            watched = self._watched
            if watched is None or watched.connection is not connection:
                return
            with suppress(OSError), socket.socket(fileno=os.dup(watched.number)) as other:
                other.shutdown(socket.SHUT_RDWR)
            if watched.loop.is_closed() or watched.loop is asyncio._get_running_loop():
                self._stop()

    def _stop(self) -> None:
        watched, self._watched = self._watched, None
        if watched is not None:
            if not watched.loop.is_closed():
                watched.loop.remove_reader(watched.number)
            os.close(watched.number)

    def _fire(self) -> None:
        more = False
        try:
            more = self._readable()
        finally:
            if not more:
                self.stop()
