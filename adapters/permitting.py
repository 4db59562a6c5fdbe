"""Which permits an engine works under: approved strategies live, and a clock that is right."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..domain.ports import Clock
from .alpaca_api.clock import MeasuredClock
from .clock_guard import ClockGuard
from .clock_reading import BrokerReading, ClockReading, best, kernel_reading
from .clocks import SystemClock
from .live_strategies import LiveStrategies
from .storage.log import Log

if TYPE_CHECKING:
    from .engine.permits import Permit
    from .settings import Settings


class Clocks:
    """The surest of what the kernel and a broker say of the machine's clock."""

    def __init__(self, clock: Clock) -> None:
        self._broker: BrokerReading | None = None
        if isinstance(clock, MeasuredClock) and clock.offset_ns is not None:
            now = time.monotonic_ns()
            self._broker = BrokerReading(clock.offset_ns, clock.uncertainty_ns, now)

    def __call__(self) -> ClockReading:
        """The reading now."""
        found = [reading for reading in (kernel_reading(),) if reading is not None]
        if self._broker is not None:
            found.append(self._broker.reading(time.monotonic_ns()))
        return best(found)


def permits_of(settings: Settings, log: Log, clock: Clock) -> tuple[Permit, ...]:
    """The permits of an engine that trades by wall time; none where the market's time is its own.

    A log in memory that trades play money is nobody's record and is not watched.
    """
    permits: list[Permit] = []
    if settings.is_live:
        permits.append(LiveStrategies(log, settings.execution.parameters, SystemClock().now))
    is_wall = isinstance(clock, MeasuredClock | SystemClock)
    if is_wall and (settings.is_live or not log.in_memory):
        permits.append(
            ClockGuard(
                log,
                settings.clock,
                Clocks(clock),
                unknown_blocks=settings.is_live,
                now=clock.now,
            )
        )
    return tuple(permits)
