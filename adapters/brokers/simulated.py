"""The simulated exchange as a broker, and the runtime that lets virtual time pass for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from ...domain.ports import (
    Account,
    BrokerCapabilities,
    BrokerCommand,
    BrokerOrder,
    Clock,
    ExecutionReport,
    Position,
)
from ..exchange.exchange import Exchange
from ..timekeeping.clocks import VirtualClock

CAPABILITIES: Final = BrokerCapabilities(name="simulated")


class SimulatedBroker:
    """A :class:`~fillwright.domain.ports.Broker` over a simulated exchange.

    Every call happens at the clock's time. Sending journals the whole batch in one commit, where
    the exchange has a journal, and returns; outcomes come by :meth:`drain`.
    """

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self.exchange = exchange
        self._clock = clock

    @property
    def capabilities(self) -> BrokerCapabilities:
        """Look-up by client id, closed orders and a stream of reports; no replace."""
        return CAPABILITIES

    @property
    def clock(self) -> Clock:
        """The clock that every call happens at."""
        return self._clock

    async def send(self, commands: Sequence[BrokerCommand]) -> None:
        """Hand commands over, in order and durably; orders arrive after the latency."""
        self.exchange.handle(commands, self._clock.now())

    def drain(self) -> list[ExecutionReport]:
        """Take the reports that have arrived by now."""
        return self.exchange.drain(self._clock.now())

    async def account(self) -> Account:
        """The account now, positions valued at mid."""
        return self.exchange.account(self._clock.now())

    async def positions(self) -> Mapping[str, Position]:
        """All open positions now, valued at mid."""
        return self.exchange.positions(self._clock.now())

    async def find_order(self, client_order_id: str) -> BrokerOrder | None:
        """The order under our id as it stands now, None when it was never taken over."""
        self.exchange.advance(self._clock.now())
        return self.exchange.find_order(client_order_id)

    async def open_orders(self) -> Sequence[BrokerOrder]:
        """All orders that can still trade, those on their way included."""
        self.exchange.advance(self._clock.now())
        return [order for order in self.exchange.orders() if order.is_open]

    async def reports_since(self, client_order_ids: Sequence[str]) -> Sequence[ExecutionReport]:
        """Every report on these orders from their beginning, lost ones included."""
        return self.exchange.reports_since(client_order_ids, self._clock.now())


class DayOver(Exception):
    """Nothing is left to happen before the end of the day that a runtime was given."""


class SimulatedRuntime:
    """Virtual time that runs to the next report or the time asked for, whichever is first.

    ``ends_at`` (ns UTC) is where a day ends that others follow: what waits longer waits for them.
    """

    def __init__(self, clock: VirtualClock, exchange: Exchange, ends_at: int | None = None) -> None:
        self._clock = clock
        self._exchange = exchange
        self._ends_at = ends_at

    @property
    def clock(self) -> Clock:
        """The virtual clock."""
        return self._clock

    async def wait(self, until: int | None) -> None:
        """Move the clock to ``until`` or to the next report, and give other tasks a turn.

        With None and no report to come the clock stays where it is: nothing will ever happen.

        Raises:
            DayOver: the day's end is reached first; the clock stands there.
        """
        ends = self._ends_at
        if ends is not None and until is not None and until > ends:
            next_at = self._exchange.next_report_at(ends)
            if next_at is None:
                self._clock.set(ends)
                raise DayOver
            until = ends
        while (at := self._exchange.next_report_at(until)) is not None:
            self._clock.set(at)
            self._exchange.advance(self._clock.now())
            # With late or missing reports something may happen without a report arriving.
            if self._exchange.has_reports:
                break
        else:
            if until is not None:
                self._clock.set(until)
        # Looked up at call time: a patched sleep must find its way in (ruling 29).
        await asyncio.sleep(0)
