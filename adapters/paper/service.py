"""The running server: the world, its pump, and who listens to its streams."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from .data_feed import DataFeed
from .update_hub import UpdateHub
from .world import World

PUMP_SECONDS: Final = 0.005
MARK_EVERY_SECONDS: Final = 0.5


class Service:
    """Lets market time pass and tells the streams what happens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hub = UpdateHub(world.faults)
        self.feed = DataFeed(world)
        self.failure: Exception | None = None
        world.listeners.append(self.hub.tell)

    async def pump(self) -> None:
        """Run until cancelled, or until the journal cannot be written any more.

        Raises:
            Exception: what has gone wrong with the journal.
        """
        marked = time.monotonic()
        while True:
            await asyncio.sleep(PUMP_SECONDS)
            if self.failure is not None:
                raise self.failure
            now = self.world.now
            self.world.desk.working.advance(now)
            self.feed.push(now)
            self.hub.release_late()
            if time.monotonic() - marked >= MARK_EVERY_SECONDS:
                marked = time.monotonic()
                self.world.mark()

    def disconnect(self, stream: str) -> None:
        """Close the sockets of a stream, ``trading`` or ``data``."""
        if stream != "data":
            self.hub.disconnect()
        if stream != "trading":
            self.feed.disconnect()
