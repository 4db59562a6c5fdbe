"""Which permits an engine works under: approved strategies live, and a clock that is right."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..domain.ports import NANOS, Clock
from .alpaca_api.clock import MeasuredClock
from .alpaca_api.rest import ApiRefusal, ApiSilence
from .permits.clock_guard import ClockGuard
from .permits.control_tail import ControlTail
from .permits.live_strategies import LiveStrategies
from .permits.run_permission import RunPermission
from .storage.log import Log
from .supervision.escalating import EscalationService
from .supervision.supervising import caller_here
from .timekeeping.clock_reading import BrokerReading, ClockReading, best, kernel_reading
from .timekeeping.clocks import FlooredClock, SystemClock

if TYPE_CHECKING:
    from .engine.permits import Permit
    from .settings import Settings


ASK_AGAIN_SECONDS: Final = 300
"""After how long a broker's clock is asked for again; it is 15 ms less sure by then."""


class Clocks:
    """The surest of what the kernel and a broker say of the machine's clock.

    A broker is asked again every few minutes, because what it said gets less sure with time; in a
    thread, because trading waits for no answer. While it gives none its last word grows unsure.
    """

    def __init__(self, clock: Clock, monotonic: Callable[[], int] = time.monotonic_ns) -> None:
        self.broker: BrokerReading | None = None
        self._monotonic = monotonic
        self._asking: threading.Thread | None = None
        clock = _beneath(clock)
        self._clock = clock if isinstance(clock, MeasuredClock) else None
        if self._clock is not None and self._clock.offset_ns is not None:
            told = self._clock.offset_ns, self._clock.uncertainty_ns
            self.broker = BrokerReading(*told, monotonic())

    def __call__(self) -> ClockReading:
        """The reading now."""
        found = [reading for reading in (kernel_reading(),) if reading is not None]
        if self.broker is not None:
            now = self._monotonic()
            if now - self.broker.measured_at >= ASK_AGAIN_SECONDS * NANOS:
                self._ask_again()
            found.append(self.broker.reading(now))
        return best(found)

    def _ask_again(self) -> None:
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask, name="fillwright-clock", daemon=True)
            self._asking.start()

    def _ask(self) -> None:
        if self._clock is not None:
            with contextlib.suppress(ApiRefusal, ApiSilence):
                self.broker = BrokerReading(*self._clock.measure(), self._monotonic())


def permits_of(
    settings: Settings, log: Log, clock: Clock
) -> tuple[tuple[Permit, ...], Callable[[], None]]:
    """The permits of an engine that trades by wall time, and what lets go of what they read.

    There are none where the market's time is its own. A log in memory that trades play money is
    nobody's record and is not watched.

    Raises:
        StoreError: the second stream cannot be read.
    """
    permits: list[Permit] = []
    is_wall = _is_wall(clock)
    if not settings.is_live and (log.in_memory or not is_wall):
        return (), _nothing
    tail, wall, live = ControlTail(log), SystemClock().now, settings.is_live
    if live:
        permits.append(LiveStrategies(tail, settings.execution.parameters, wall))
    if not log.in_memory:
        permits.append(RunPermission(tail, settings.account, caller_here(), wall, is_live=live))
    if is_wall:
        permits.append(
            ClockGuard(
                log,
                settings.clock,
                Clocks(clock),
                unknown_blocks=settings.is_live,
                now=clock.now,
            )
        )
    return tuple(permits), tail.close


def escalating(log: Log, clock: Clock) -> Callable[[], None]:
    """Have overdue exceptions put on record while an engine works; gives what ends that.

    Only by wall time, in which people have so many hours, and of a log that others can read.
    """
    if log.in_memory or not _is_wall(clock):
        return _nothing
    return EscalationService(log.url, clock.now).close


def _beneath(clock: Clock) -> Clock:
    """The clock that a runtime's goes by."""
    return clock.beneath if isinstance(clock, FlooredClock) else clock


def _is_wall(clock: Clock) -> bool:
    """Whether it goes by the time on the wall, and not by a market's own."""
    return isinstance(_beneath(clock), MeasuredClock | SystemClock)


def _nothing() -> None:
    """There is nothing to let go of."""
