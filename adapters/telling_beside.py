"""Reading a long log in a thread of its own, with rests in which the event loop gets its turn."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from .storage.lean_reading import Noted
from .storage.records import Recorded

EVENTS_BETWEEN_RESTS: Final = 50
"""How many events are read before a rest, about a millisecond's work."""
REST_SECONDS: Final = 0.0005
"""How long a rest is at least; who waits for the interpreter has it from its beginning."""


class NoLongerWanted(Exception):
    """Nobody waits for what is read."""


class Beside:
    """A reading that an event loop awaits and does not do itself.

    ``read`` gets what its events are to be led through. It ends early when nobody waits any more.
    """

    def __init__(self, read: Callable[[Noted], None]) -> None:
        self._read = read
        self._unwanted = threading.Event()

    async def done(self) -> None:
        """Return when all is read; raises what the reading raised."""
        try:
            await asyncio.to_thread(self._read, self._restful)
        except BaseException:
            self._unwanted.set()
            raise

    def _restful(self, records: Iterable[Recorded]) -> Iterator[Recorded]:
        for number, recorded in enumerate(records, start=1):
            yield recorded
            if number % EVENTS_BETWEEN_RESTS == 0:
                if self._unwanted.is_set():
                    raise NoLongerWanted
                time.sleep(REST_SECONDS)
