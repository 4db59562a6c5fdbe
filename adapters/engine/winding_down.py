"""Stopping on purpose: take nothing new, then leave, cancel or end what is worked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ...domain.errors import BrokerUnavailable
from ...domain.ports import ExecutionReport
from .desk import Desk
from .recovery import Recovery
from .working import Working

LOOK_SECONDS: Final = 0.1
ASK_SECONDS: Final = 1.0
RULE: Final = "shutdown"


class WindingDown:
    """Cancels every own order and waits for the broker to prove it dead; places none."""

    def __init__(
        self,
        desk: Desk,
        working: Working,
        recovery: Recovery,
        reports: Callable[[], Awaitable[Sequence[ExecutionReport]]],
    ) -> None:
        self._desk, self._working, self._recovery = desk, working, recovery
        self._reports = reports

    async def cancel_orders(self) -> None:
        """Return when no own order can trade any more; the loop must not run meanwhile.

        Instructions stay as they are and go on at the next start. A broker that cannot be asked is
        asked again, for as long as the caller waits.

        Raises:
            StoreError: it could not be recorded; what was sent is sent.
        """
        self._recovery.may_send_again = False
        loop = asyncio.get_running_loop()
        asked_at = loop.time() - ASK_SECONDS
        while True:
            for report in await self._reports():
                self._working.take(report)
            if not self._live():
                await self._desk.commit()
                return
            if loop.time() - asked_at >= ASK_SECONDS:
                asked_at = loop.time()
                await self._ask()
            await self._desk.commit()
            await asyncio.sleep(LOOK_SECONDS)

    async def _ask(self) -> None:
        """Cancel what is not asked to be cancelled yet, and ask about what is silent."""
        for instruction in list(self._desk.active.values()):
            if not instruction.live:
                continue
            self._working.cancel_all(instruction, RULE)
            try:
                await self._recovery.attend(instruction)
            except BrokerUnavailable:
                continue  # asked again

    def _live(self) -> bool:
        return any(instruction.live for instruction in self._desk.active.values())
