"""Whether every fill that the broker lists is on our record, and up to when that can be said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from ...domain.account import TradingAccount
from ...domain.errors import BrokerUnavailable
from ...domain.fills_told import (
    NOT_SAID,
    FillsBook,
    FillsKnown,
    FillsTold,
    FillTold,
    TellsFills,
    unvouched_since,
)
from ...domain.orders import Executions
from ...domain.ports import ExecutionReport
from .desk import Desk

WAIT_SECONDS_MAX: Final = 0.5
"""A comparison waits so long for the list; one that takes longer counts at the next."""
NAMED_MAX: Final = 3
_logger = structlog.get_logger(__name__)


class FillsWatch:
    """Reads the broker's list beside a comparison, and has what is missing reported.

    The list is only held against our record: a fill that is missing is read as a report of its
    order, and counted like any other.
    """

    def __init__(self, desk: Desk, take: Callable[[ExecutionReport], object]) -> None:
        self._desk, self._take = desk, take
        self._book: tuple[TradingAccount, FillsBook] | None = None
        self._reading: asyncio.Task[FillsTold] | None = None

    def begin(self) -> None:
        """Have the list read while the comparison asks for everything else."""
        broker, task = self._desk.broker, self._reading
        if not isinstance(broker, TellsFills):
            return
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            return  # a reading that took too long
        told_until = self._begun().told_until
        since = self._start() if told_until is None else told_until
        self._reading = asyncio.get_running_loop().create_task(broker.fills_told(since))

    @property
    def is_late(self) -> bool:
        """Whether a list has come that its comparison did not wait for."""
        return self._reading is not None and self._reading.done()

    def stop(self) -> None:
        """Wait for no reading any more."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _begun(self) -> FillsBook:
        """What was told so far; anew from the last statement when the record was read again.

        What was taken in and not durable may be lost with it.
        """
        account = self._desk.account
        if self._book is None or self._book[0] is not account:
            self._book = account, FillsBook(account.fills_known_until)
        return self._book[1]

    def _start(self) -> int:
        """From when on nothing vouches for our record."""
        desk, opened = self._desk, self._desk.account.session
        placed = (one.placed_at[name] for one in desk.active.values() for name in one.live)
        return unvouched_since(None if opened is None else opened.open, placed, desk.now)

    async def known(self) -> FillsKnown:
        """What can be said now, after what is missing has been asked for."""
        if self._reading is None:
            return NOT_SAID
        told = await self._read()
        book = self._begun()
        if told is not None:
            book.take(told)
        missing = book.compare(self._executions)
        if missing:
            await self._ask({fill.client_order_id for fill in missing})
            missing = book.compare(self._executions)
        for report in book.restated(self._executions):
            self._take(report)
        book.restated(self._executions)  # what was taken in just now is on our record
        self._desk.gather()  # the fills stand before the statement that is made of them
        note = "not read in time" if told is None else told.note
        return FillsKnown(book.until, "" if told is None else told.source, note or _named(missing))

    async def _read(self) -> FillsTold | None:
        """What the reading gave; None when it takes too long, and it goes on."""
        task = self._reading
        if task is None:
            return None
        await asyncio.wait({task}, timeout=WAIT_SECONDS_MAX)
        if not task.done():
            return None
        self._reading = None
        try:
            return task.result()
        except Exception as error:  # nothing about the list may stop a comparison
            _logger.exception("the broker's list of fills")
            return FillsTold((), None, "", f"not read: {error!r}"[:300])

    async def _ask(self, names: set[str]) -> None:
        try:
            for report in await self._desk.broker.reports_since(sorted(names - {""})):
                self._take(report)
        except BrokerUnavailable:
            return  # said as missing, and asked for at the next comparison

    def _executions(self, client_order_id: str) -> Executions | None:
        found = self._desk.owner_of(client_order_id)
        return None if found is None else found.orders[client_order_id].book


def _named(missing: tuple[FillTold, ...]) -> str:
    """Which fills are told of and not on our record."""
    if not missing:
        return ""
    names = ", ".join(fill.client_order_id or fill.venue_order_id for fill in missing[:NAMED_MAX])
    return f"{len(missing)} fills are not on our record, the first of {names}"
