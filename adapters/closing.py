"""What a ``with`` block closes at its end, and what is closed when it is forgotten."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from threading import Thread
from types import TracebackType
from typing import Final, Self

FORGOTTEN_SECONDS: Final = 10.0
"""So long who forgot something waits at most until it is closed."""


class Closing(ABC):
    """Closed at the end of a ``with`` block, however the block ends."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClosing(ABC):
    """Closed at the end of an ``async with`` block, however the block ends."""

    __slots__ = ()

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of what is held; a second call does nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def close_all(closers: Sequence[Callable[[], None]]) -> None:
    """Call them in order."""
    for close in closers:
        close()


def close_beside(closers: Sequence[Callable[[], None]]) -> None:
    """Call them in order on a thread of their own, and wait for it, but not for ever.

    For what was forgotten: the collector comes at any step of any thread, also of one that has a
    lock which is needed to close, or that has to end for it.
    """
    thread = Thread(target=close_all, args=(closers,), name="fillwright-closing", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending and starts none any more
        close_all(closers)
    else:
        thread.join(FORGOTTEN_SECONDS)
