"""When our record is compared with the broker's: by the clock, after losses, before the close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ...domain.errors import BrokerUnavailable
from ...domain.ports import NANOS
from .desk import Desk
from .losses import LossWatch
from .recovery import LossyStream, Recovery

RETRY_NS: Final = 5 * NANOS


class DropCopy:
    """Starts a reconciliation when one is due; one that cannot be made is tried again soon."""

    def __init__(self, desk: Desk, recovery: Recovery) -> None:
        self._desk, self._recovery = desk, recovery
        self._losses = LossWatch(desk)
        self._last: int | None = None
        self._owed: str | None = None
        self._not_before = 0
        self._closing = ""

    async def attend(self) -> bool:
        """Look at the day's loss, and reconcile if it is due; whether that was done."""
        await self._losses.attend()
        desk, now = self._desk, self._desk.now
        trigger = self._due(now)
        if trigger is None or now < self._not_before:
            return False
        try:
            await self._recovery.reconcile(trigger)
        except BrokerUnavailable:
            self._owed, self._not_before = trigger, now + RETRY_NS
            return False
        self._owed, self._last = None, desk.now
        for instruction in desk.active.values():
            if not instruction.is_done and instruction.released:
                desk.wake(instruction, desk.now)
        return True

    def stop(self) -> None:
        """Wait for no list of fills any more."""
        self._recovery.fills.stop()

    def next_at(self) -> int | None:
        """When the clock has it compared next (ns UTC), also if nothing else is to be done then.

        None where nothing is at stake, and in a simulation: there it happens at the next look.
        """
        desk = self._desk
        if desk.rules.mode == "simulated" or not self._is_watched(desk.now):
            return None
        times = [self._since(desk.now) + desk.rules.reconcile_seconds * NANOS]
        opened = desk.account.session
        if opened is not None and self._closing != opened.session_date:
            before = desk.rules.reconcile_before_close_seconds * NANOS
            times += [opened.close - before] if before and desk.now < opened.close else []
        return max(min(times), self._not_before)

    @property
    def is_due(self) -> bool:
        """Whether the clock has it compared now."""
        at = self.next_at()
        return at is not None and at <= self._desk.now

    def _is_watched(self, now: int) -> bool:
        """Whether orders may trade, or positions are held in the session that is under way."""
        desk, opened = self._desk, self._desk.account.session
        if not desk.rules.reconcile_seconds:
            return False
        if desk.active or desk.rules.mode == "simulated" or opened is None:
            return bool(desk.active)
        is_closed = opened.session_date in desk.account.closed_sessions
        return opened.open <= now < opened.close and not is_closed

    def _since(self, now: int) -> int:
        if self._last is None:
            self._last = now  # the start has just been reconciled
        return self._last

    def _due(self, now: int) -> str | None:
        desk = self._desk
        if isinstance(desk.broker, LossyStream) and desk.broker.take_gap():
            self._owed = "reconnect"
        if self._recovery.fills.is_late:
            self._owed = self._owed or "fills"
        if self._owed is not None:
            return self._owed
        if not self._is_watched(now):
            return None
        if now - self._since(now) >= desk.rules.reconcile_seconds * NANOS:
            return "timer"
        opened = desk.account.session
        before = desk.rules.reconcile_before_close_seconds * NANOS
        if opened is None or not before or self._closing == opened.session_date:
            return None
        if opened.close - before <= now < opened.close:
            self._closing = opened.session_date
            return "close"
        return None


class IdleTimer:
    """Has an engine that rests work once when a comparison is due; keeps no event loop alive."""

    def __init__(self, desk: Desk, drop_copy: DropCopy, work: Callable[[], object]) -> None:
        self._desk, self._drop_copy, self._work = desk, drop_copy, work
        self._timer: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        """Wait for the next comparison; called when nothing else is to be done."""
        self.disarm()
        at = self._drop_copy.next_at()
        if at is not None:
            rate = float(getattr(self._desk.runtime.clock, "rate", 1.0))
            seconds = max(at - self._desk.now, 0) / NANOS / rate
            self._timer = asyncio.get_running_loop().call_later(seconds, self._work)

    def stop(self) -> None:
        """Wait no more, for the clock or for a list."""
        self.disarm()
        self._drop_copy.stop()

    def disarm(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
