"""Fills of orders that have ended: what the broker counts as executed and was not reported here."""

from __future__ import annotations

from typing import Final

from ...domain.errors import BrokerUnavailable
from ...domain.instruction import Instruction
from ...domain.ports import NANOS, ExecutionReport
from .desk import Desk

TRIES_MAX: Final = 7
"""Asked at once and then after 1, 2, 4 … seconds; what a minute does not bring, positions tell.

A try that the broker did not answer does not count: what lost the fill may last.
"""
UNANSWERED_NS: Final = 5 * NANOS


class UnseenFills:
    """Asks for the fills that an ended order lacks; nobody else asks about what has ended.

    A fill may be lost on the way and the order's end come through, which says how much executed.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._due: dict[str, tuple[int, int]] = {}
        self._has_looked_back = False

    def note(self, instruction: Instruction, client_order_id: str) -> None:
        """See whether an order has ended short of fills, or short of none any more."""
        order = instruction.orders[client_order_id]
        if client_order_id not in instruction.live and order.missing_qty > 0:
            self._due.setdefault(client_order_id, (self._desk.now, 0))
        else:
            self._due.pop(client_order_id, None)

    def next_at(self) -> int | None:
        """When is asked next (ns UTC), None while nothing is missing."""
        self._look_back()
        return min((at for at, _ in self._due.values()), default=None)

    async def ask(self) -> list[ExecutionReport]:
        """What the broker says of the orders that it is time to ask about."""
        self._look_back()
        now = self._desk.now
        due = [name for name, (at, _) in self._due.items() if at <= now]
        if not due:
            return []
        tries = {name: self._due[name][1] for name in due}
        self._due |= {name: (now + UNANSWERED_NS, made) for name, made in tries.items()}
        try:
            reports = list(await self._desk.broker.reports_since(due))
        except BrokerUnavailable:
            return []
        for name, made in tries.items():
            if made + 1 < TRIES_MAX:
                self._due[name] = (now + (NANOS << made), made + 1)
            else:
                self._due.pop(name, None)
        return reports

    def _look_back(self) -> None:
        """Know what was missing in the last session before the start."""
        opened = self._desk.account.session
        if self._has_looked_back or opened is None:
            return
        self._has_looked_back = True
        for instruction in self._desk.instructions.held():
            is_of_it = instruction.session_date == opened.session_date
            if is_of_it and instruction.exposure > instruction.executed:
                for client_order_id in instruction.orders:
                    self.note(instruction, client_order_id)
