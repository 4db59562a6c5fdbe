"""Those who wait for the engine: decisions on their way in, time limits, and ends awaited."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from ...domain.instruction import Instruction
from ...domain.reasons import EndReason
from .admission import Admitted
from .incoming import Arrival


class Coming(NamedTuple):
    """A decision that is scheduled, and the future that its admission is told by."""

    arrival: Arrival
    future: asyncio.Future[Admitted]


class Deadline(NamedTuple):
    """When an instruction is to end if it has not by then (ns UTC), why and by whose wish.

    Without a reason it is only looked at again.
    """

    at: int
    number: int
    id: UUID
    reason: EndReason | None
    actor: str


class Callers:
    """What callers in one event loop wait for; a caller that is gone leaves nothing behind."""

    def __init__(self) -> None:
        self._coming: list[tuple[int, int, Coming]] = []
        self._deadlines: list[Deadline] = []
        self._waiters: dict[UUID, list[asyncio.Future[Instruction]]] = {}
        self._count = 0

    def next_number(self) -> int:
        """A number that was not given before."""
        self._count += 1
        return self._count

    def arrive(self, at: int, arrival: Arrival) -> asyncio.Future[Admitted]:
        """Have a decision come in at ``at`` (ns UTC)."""
        future: asyncio.Future[Admitted] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._coming, (at, self.next_number(), Coming(arrival, future)))
        return future

    @property
    def has_arrivals(self) -> bool:
        """Whether decisions are scheduled."""
        return bool(self._coming)

    def arrived(self, now: int) -> list[Coming]:
        """Take the decisions that have come by ``now``, in order."""
        taken = []
        while self._coming and self._coming[0][0] <= now:
            arrival, future = heapq.heappop(self._coming)[2]
            taken.append(Coming(replace(arrival, taken_at=now), future))
        return taken

    def withdraw(self) -> int:
        """Let go of decisions that have not come yet; gives how many. Their callers are told."""
        coming, self._coming = self._coming, []
        for _, _, one in coming:
            one.future.cancel()
        return len(coming)

    def end_at(self, at: int, id: UUID, reason: EndReason | None, actor: str) -> None:
        """Note a time limit."""
        heapq.heappush(self._deadlines, Deadline(at, self.next_number(), id, reason, actor))

    def over(self, now: int) -> list[Deadline]:
        """Take the time limits that are over at ``now``."""
        taken = []
        while self._deadlines and self._deadlines[0].at <= now:
            taken.append(heapq.heappop(self._deadlines))
        return taken

    def next_at(self) -> int | None:
        """When the next decision comes or the next time limit is over, None when there is none."""
        times = [entry[0] for entry in self._coming[:1]] + [d.at for d in self._deadlines[:1]]
        return min(times, default=None)

    def wait_for(self, id: UUID, patience_until: int | None) -> asyncio.Future[Instruction]:
        """A future that :meth:`resolve` sets; at ``patience_until`` (ns UTC) it is looked again."""
        if patience_until is not None:
            self.end_at(patience_until, id, None, "")
        future: asyncio.Future[Instruction] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(id, []).append(future)
        return future

    def any_over(self, ended: Callable[[UUID], Instruction | None]) -> bool:
        """Whether :meth:`resolve` would tell anyone."""
        return any(ended(id) is not None for id in self._waiters)

    def resolve(self, ended: Callable[[UUID], Instruction | None]) -> None:
        """Tell those who wait for an instruction that ``ended`` gives."""
        for id in list(self._waiters):
            instruction = ended(id)
            if instruction is not None:
                for future in self._waiters.pop(id):
                    if not future.done():
                        future.set_result(instruction)

    def fail(self, error: BaseException) -> None:
        """Tell everyone that the loop ended; the log holds what was done."""
        tell((coming.future for _, _, coming in self._coming), error)
        tell((future for futures in self._waiters.values() for future in futures), error)
        self.forget()

    def forget(self) -> None:
        """Let go of everyone, as when their event loop has ended; time limits stay."""
        self._coming.clear()
        self._waiters.clear()


async def all_of(futures: Sequence[asyncio.Future[Admitted]]) -> list[Admitted]:
    """What all of them give; an error is that of the first."""
    for future in futures:
        future.add_done_callback(_seen)
    return [await future for future in futures]


def _seen(future: asyncio.Future[Admitted]) -> None:
    """Take note of an error, so that it does not count as never retrieved."""
    if not future.cancelled():
        future.exception()


def tell(futures: Iterable[asyncio.Future[Any]], error: BaseException) -> None:
    """Give an error to whoever waits; a cancellation cancels."""
    for future in futures:
        if future.done():
            continue
        if isinstance(error, Exception):
            future.set_exception(error)
        else:
            future.cancel()
