"""What no log could know, as seen from the engine's own loop: old quotes, a socket that is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

from ...domain.ports import NANOS
from ...projections.alerts import Alert, AlertKind, AlertThresholds, Severity
from ..engine import Desk
from .data_age import stale_data


@runtime_checkable
class ListensToUpdates(Protocol):
    """A broker that knows since when it has not heard what becomes of orders."""

    @property
    def deaf_seconds(self) -> float | None:
        """Real seconds without the stream of updates; None while it listens, or never began to."""
        ...


def updates_down(desk: Desk, updates_down_seconds: int) -> tuple[Alert, ...]:
    """An alert while the broker's stream of updates is down for longer than so many seconds.

    Sending waits for it and what is worked is suspended long before; this asks a person to look.
    """
    broker = desk.broker
    seconds = broker.deaf_seconds if isinstance(broker, ListensToUpdates) else None
    if seconds is None or seconds <= updates_down_seconds:
        return ()
    rate = float(getattr(desk.runtime.clock, "rate", 1.0))
    return (
        Alert(
            AlertKind.UPDATES_DOWN,
            Severity.CRITICAL,
            broker.capabilities.name,
            Decimal(int(seconds)),
            Decimal(updates_down_seconds),
            "seconds",
            desk.now - int(seconds * rate * NANOS),
            "trade updates are not heard, so nothing is sent",
        ),
    )


def conditions(desk: Desk, thresholds: AlertThresholds) -> tuple[Alert, ...]:
    """All of them now; called where the engine runs."""
    return (
        *updates_down(desk, thresholds.updates_down_seconds),
        *stale_data(desk, thresholds.stale_data_seconds),
    )


class Conditions:
    """The conditions as last seen from the engine's own loop, for a thread that asks."""

    def __init__(self, look: Callable[[], tuple[Alert, ...]], look_seconds: float) -> None:
        self._look, self._every = look, look_seconds
        self._seen: tuple[Alert, ...] = ()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look; called in the loop that the engine runs in."""
        try:
            self._seen = self._look()
        finally:
            self._timer = asyncio.get_running_loop().call_later(self._every, self.start)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def __call__(self) -> Sequence[Alert]:
        """What was seen last."""
        return self._seen
