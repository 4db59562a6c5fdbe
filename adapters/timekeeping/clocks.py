"""Time for the engine: a virtual clock, the machine's own, and waiting on the event loop.

All times are integer nanoseconds UTC and never go back. The virtual clock is moved by whoever
simulates; the system clock runs on the machine's monotonic counter, anchored to wall time once, so
that a step of the wall clock cannot move a deadline.
"""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Generator
from typing import Final, Protocol

from ...domain.errors import InvariantBroken
from ...domain.ports import NANOS, Clock

SLEEP_SECONDS_MAX: Final = 60
"""Longest single sleep: bounds how late a wait ends after the machine was suspended."""
SETTLE_TURNS_MAX: Final = 64
"""Turns of the loop other tasks get when a sleep returned before its time (a patched sleep)."""


class VirtualClock:
    """A clock that stands still until it is set; never goes back."""

    def __init__(self, start_ns: int) -> None:
        """Start at ``start_ns`` (ns UTC)."""
        self._now = start_ns

    @property
    def source(self) -> str:
        """Where the time comes from, as recorded with the engine's start."""
        return "virtual"

    @property
    def offset_ns(self) -> int | None:
        """Always 0: a virtual clock is its own reference."""
        return 0

    def now(self) -> int:
        """The time now, ns UTC."""
        return self._now

    def set(self, now_ns: int) -> None:
        """Move to ``now_ns``; an earlier time is ignored, because time never goes back."""
        if now_ns > self._now:
            self._now = now_ns


class SystemClock:
    """Wall time made monotone: anchored once, then counted by the machine's monotonic clock.

    Where the machine has ``CLOCK_BOOTTIME`` it is used, because it goes on while the machine is
    suspended; deadlines are absolute (ruling 18).
    """

    def __init__(self) -> None:
        """Anchor to the wall clock now."""
        self._counter_id: int | None = getattr(time, "CLOCK_BOOTTIME", None)
        # The wall is read between two readings of the counter; half their distance is the error.
        before = self._counter()
        wall = time.time_ns()
        self._anchor = wall - (before + self._counter()) // 2

    @property
    def source(self) -> str:
        """Where the time comes from, as recorded with the engine's start."""
        counter = "monotonic" if self._counter_id is None else "boottime"
        return f"system: wall clock anchored once, counted by {counter}"

    @property
    def offset_ns(self) -> int | None:
        """How far the wall clock has moved against this one since the anchor, in ns.

        0 just after the start; a slew or step of the wall clock shows here and nowhere else.
        """
        return time.time_ns() - self.now()

    def now(self) -> int:
        """The time now, ns UTC."""
        return self._anchor + self._counter()

    def _counter(self) -> int:
        if self._counter_id is None:
            return time.monotonic_ns()
        return time.clock_gettime_ns(self._counter_id)


class FlooredClock:
    """A clock that is never below the last moment that was waited for (ruling 29)."""

    def __init__(self, clock: Clock) -> None:
        """Wrap ``clock``; without a floor it reads the same."""
        self._clock = clock
        self._floor = clock.now()

    @property
    def beneath(self) -> Clock:
        """The wrapped clock."""
        return self._clock

    @property
    def source(self) -> str:
        """The source of the wrapped clock."""
        return str(getattr(self._clock, "source", type(self._clock).__name__))

    @property
    def offset_ns(self) -> int | None:
        """The offset of the wrapped clock, None when it cannot say."""
        offset = getattr(self._clock, "offset_ns", None)
        return offset if isinstance(offset, int) else None

    def now(self) -> int:
        """The later of the wrapped clock and the floor, ns UTC."""
        return max(self._clock.now(), self._floor)

    @property
    def rate(self) -> float:
        """Seconds of this clock for one second of waiting; 1 unless the wrapped clock says so."""
        rate = getattr(self._clock, "rate", 1.0)
        return rate if isinstance(rate, float) and rate > 0 else 1.0

    def raise_to(self, now_ns: int) -> None:
        """Never again read below ``now_ns``."""
        self._floor = max(self._floor, now_ns)


class Arrivals(Protocol):
    """How a broker says that reports have come: an ``asyncio.Event`` set by it."""

    def is_set(self) -> bool:
        """Whether reports wait to be drained."""
        ...

    def clear(self) -> None:
        """Forget; called when the wait that they ended returns."""
        ...

    async def wait(self) -> object:
        """Return when set."""
        ...


class LiveRuntime:
    """Waits on the event loop, through ``asyncio.sleep`` looked up at each call (ruling 29).

    After a wait that was not cut short, time is ``max(clock.now(), until)``, whatever the sleep
    did; a patched sleep therefore finishes a two-hour schedule at once.
    """

    def __init__(self, clock: Clock, broker_event: Arrivals | None = None) -> None:
        """Run on ``clock``; ``broker_event`` is the broker's ``arrived``, None when it polls."""
        self._clock = FlooredClock(clock)
        self._arrived = broker_event

    @property
    def clock(self) -> FlooredClock:
        """The clock all times come from: the given one, never below the last waited-for time."""
        return self._clock

    async def wait(self, until: int | None) -> None:
        """Return at ``until`` or as soon as the broker has reports; None waits for reports only.

        Gives other tasks at least one turn of the loop, also when ``until`` has passed.

        Raises:
            InvariantBroken: there is nothing to wait for.
        """
        await _turn()
        if until is None:
            await self._wait_for_reports()
            return
        while not self._take_arrival():
            now = self._clock.now()
            if now >= until:
                return
            rate = self._clock.rate
            step = min(until - now, int(SLEEP_SECONDS_MAX * NANOS * rate))
            if not await self._slept(step / NANOS / rate):
                continue
            if self._clock.now() < now + step and await self._settled_by_arrival():
                return
            self._clock.raise_to(now + step)

    async def _wait_for_reports(self) -> None:
        if self._arrived is None:
            raise InvariantBroken("nothing to wait for: no time and no broker event")
        await self._arrived.wait()
        self._arrived.clear()

    def _take_arrival(self) -> bool:
        if self._arrived is None or not self._arrived.is_set():
            return False
        # Cleared before the caller drains: a report that comes in between sets it again.
        self._arrived.clear()
        return True

    async def _slept(self, seconds: float) -> bool:
        """Sleep; False when the broker's reports cut it short."""
        if self._arrived is None:
            await asyncio.sleep(seconds)
            return True
        sleeping = asyncio.ensure_future(asyncio.sleep(seconds))
        arriving = asyncio.ensure_future(self._arrived.wait())
        try:
            await asyncio.wait((sleeping, arriving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            cut_short = [task for task in (sleeping, arriving) if task.cancel()]
            await asyncio.gather(*cut_short, return_exceptions=True)
        if sleeping.cancelled():
            return False
        sleeping.result()
        return True

    async def _settled_by_arrival(self) -> bool:
        """Let answers that need no time come in before time jumps; whether reports came."""
        for _ in range(SETTLE_TURNS_MAX):
            if self._take_arrival():
                return True
            await _turn()
        return False


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Give the loop one turn; not ``asyncio.sleep(0)``, which a patched sleep never yields."""
    yield
