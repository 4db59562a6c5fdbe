"""The broker's figures that decisions are planned from: the account and its positions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from ...domain.ports import NANOS, Account, Position
from .desk import Desk

AGE_NS_MAX: Final = NANOS
"""How old figures may be that decisions which are admitted together share."""

Taken = tuple[Account, Mapping[str, Position]]


class Figures:
    """Asks for the account and the positions at once.

    The loop that asks is also the one that records executions: none is recorded while an answer is
    awaited, so every one on the record is in both answers, whichever was given first. What executes
    meanwhile is counted as open until it is recorded. For the same reason decisions that are
    admitted one after the other, without a report taken in between, may share what was asked.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._is_shared = False
        self._taken: tuple[int, Taken] | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Share figures while this is open; no report may be taken in meanwhile."""
        self._is_shared, self._taken = True, None
        try:
            yield
        finally:
            self._is_shared, self._taken = False, None

    async def beside(self, symbol: str, subject: str) -> None:
        """Ask at once for all that a decision waits for, instead of one thing after the other.

        That is the market data of ``symbol``, the figures, which :meth:`now` then has, and the key
        of ``subject``'s text on the disk.

        Raises:
            BrokerUnavailable: the broker cannot be asked for the account or the positions.
            StoreError: the key cannot be kept.
        """
        desk = self._desk
        asked: list[Awaitable[object]] = [desk.market.refresh([symbol])]
        if self._is_shared and self._taken is None:
            asked.append(self.now())
        if desk.keystore.needs_writing(subject):
            asked.append(asyncio.to_thread(desk.keystore.prepare, subject))
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer

    async def now(self) -> Taken:
        """Account and positions by symbol.

        Raises:
            BrokerUnavailable: the broker cannot be asked for one of them.
        """
        asked_at = self._desk.now
        if self._taken is not None and asked_at - self._taken[0] <= AGE_NS_MAX:
            return self._taken[1]
        account, positions = await asyncio.gather(
            self._desk.broker_account(), self._desk.broker.positions()
        )
        if self._is_shared:
            self._taken = (asked_at, (account, positions))
        return account, positions
