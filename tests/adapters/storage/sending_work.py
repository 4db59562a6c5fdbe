"""What the tests of appends that are under way share: tasks that commit without pause."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from fillwright.adapters.storage import halving
from fillwright.adapters.storage.log import Log
from fillwright.domain.errors import StoreError
from tests.adapters.storage.helpers import Sample

TASKS = 2 * halving.HALF_MIN
WARM = 6
"""Commits of each task after which both halves are under way."""


@dataclass
class Work:
    """Tasks that commit to streams of their own, and what they were told."""

    log: Log
    rounds: int = 30
    events: int = 1
    told: dict[tuple[UUID, int], int] = field(default_factory=dict)
    refused: list[BaseException] = field(default_factory=list)

    async def one(self, number: int) -> None:
        sample = Sample(number)
        for _ in range(self.rounds):
            await self.commit(sample)

    async def commit(self, sample: Sample, cause: str = "halt") -> None:
        first = sample.version + 1
        try:
            done = await self.log.commit(sample.happen(self.events, cause))
        except StoreError as error:
            sample.version = first - 1
            self.refused.append(error)
            return
        for offset in range(self.events):
            self.told[sample.id, first + offset] = done.first_position + offset

    async def all(self, *others: Awaitable[None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(1, TASKS + 1):
                tasks.create_task(self.one(number))
            for other in others:
                tasks.create_task(_awaited(other))

    def check(self, url: str) -> None:
        """What was told is what is there, in one chain."""
        with Log.open(url, writer=False) as log:
            assert log.verify().ok
            assert stored(log) == self.told


def stored(log: Log) -> dict[tuple[UUID, int], int]:
    """Where each version of each stream is."""
    return {
        (UUID(row.originator_id), row.originator_version): row.position for row in log.raw_events()
    }


async def _awaited(other: Awaitable[None]) -> None:
    await other


def under_way(log: Log) -> int:
    sender = log.application.log_recorder.sender
    assert sender is not None
    return int(sender.under_way)


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0)
