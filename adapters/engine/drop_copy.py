"""When our record is compared with the broker's: by the clock, after losses, before the close."""

from __future__ import annotations

from ...domain.errors import BrokerUnavailable
from ...domain.ports import NANOS
from .desk import Desk
from .recovery import LossyStream, Recovery

RETRY_NS = 5 * NANOS


class DropCopy:
    """Starts a reconciliation when one is due; one that cannot be made is tried again soon."""

    def __init__(self, desk: Desk, recovery: Recovery) -> None:
        self._desk, self._recovery = desk, recovery
        self._last: int | None = None
        self._owed: str | None = None
        self._not_before = 0
        self._closing = ""

    async def attend(self) -> bool:
        """Reconcile if it is due; whether it was done."""
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

    def _due(self, now: int) -> str | None:
        desk = self._desk
        if isinstance(desk.broker, LossyStream) and desk.broker.take_gap():
            self._owed = "reconnect"
        if self._owed is not None:
            return self._owed
        if not desk.active or not desk.rules.reconcile_seconds:
            return None
        if self._last is None:
            self._last = now  # the start has just been reconciled
        if now - self._last >= desk.rules.reconcile_seconds * NANOS:
            return "timer"
        opened = desk.account.session
        before = desk.rules.reconcile_before_close_seconds * NANOS
        if opened is None or not before or self._closing == opened.session_date:
            return None
        if opened.close - before <= now < opened.close:
            self._closing = opened.session_date
            return "close"
        return None
