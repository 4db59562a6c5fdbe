"""Waiting while a provider's orders are polled."""

from __future__ import annotations

from typing import Final

from ...domain.ports import NANOS, Clock
from ..timekeeping.clocks import FlooredClock, LiveRuntime
from .provider_desk import ProviderDesk

SETTLE_SECONDS_MAX: Final = 60.0


class ProviderRuntime:
    """A :class:`~fillwright.domain.ports.Runtime` that polls a provider while it waits.

    Time is what :class:`~fillwright.adapters.timekeeping.clocks.LiveRuntime` says. Calls that are
    under way are waited for in real time before the clock may jump, so that a patched
    ``asyncio.sleep`` (ruling 29) finishes a schedule at once without losing an answer. Nothing is
    polled while nobody waits.
    """

    def __init__(self, clock: Clock, broker: ProviderDesk) -> None:
        """Run on ``clock``; the broker takes its times from this runtime's clock from now on."""
        self._broker = broker
        self._live = LiveRuntime(clock, broker.arrived)
        broker.use_clock(self._live.clock)

    @property
    def clock(self) -> FlooredClock:
        """The clock all times come from, never below the last waited-for time."""
        return self._live.clock

    def interrupt(self) -> None:
        """End the wait that is on now, or else the next one, without a report."""
        self._broker.arrived.set()

    async def wait(self, until: int | None) -> None:
        """Return at ``until`` or as soon as the broker has reports; None waits for reports only."""
        broker = self._broker
        while not broker.arrived.is_set():
            broker.pump(self.clock.now())
            target = _earliest(until, broker.next_poll_at())
            if broker.is_asking():
                await broker.settle(_seconds(self.clock.now(), target))
            else:
                await self._live.wait(target)
                if target is None or self.clock.now() < target:
                    return  # cut short by a report or an interruption
            if until is not None and self.clock.now() >= until:
                return
        broker.arrived.clear()
        await self._live.wait(self.clock.now())  # a turn of the loop for everybody else


def _earliest(first: int | None, second: int | None) -> int | None:
    times = [time for time in (first, second) if time is not None]
    return min(times, default=None)


def _seconds(now: int, target: int | None) -> float:
    if target is None:
        return SETTLE_SECONDS_MAX
    return min(max((target - now) / NANOS, 0.0), SETTLE_SECONDS_MAX)
