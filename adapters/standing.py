"""What a log says of one account, read from outside the engine, and the broker asked beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from ..domain import events as e
from ..domain.account import TradingAccount
from ..domain.fills_told import (
    NOT_SAID,
    FillsBook,
    FillsKnown,
    FillsTold,
    TellsFills,
    unvouched_since,
)
from ..domain.ids import instruction_of
from ..domain.instruction import Instruction
from ..domain.orders import Executions
from ..domain.ports import Broker, BrokerOrder
from ..projections.instruction_events import ACCOUNT_EVENTS
from .engine.comparing import (
    fill_breaks,
    foreign_orders,
    order_breaks,
    position_breaks,
    restated_breaks,
)
from .engine.known import moved_by
from .storage.log import Log

LOOKS: Final = 4
LOOK_SECONDS: Final = 0.5
NOTHING_TOLD: Final = FillsTold((), None, "")


class Standing:
    """The account and its instructions as the log has them, brought forward when asked."""

    def __init__(self, account: str) -> None:
        self.account = TradingAccount.named(account)
        self.instructions: dict[UUID, Instruction] = {}
        self.name = account
        self.broker = ""
        self.position = 0
        self.now = 0

    def follow(self, log: Log) -> None:
        """Take in what was appended since."""
        for recorded in log.events(after=self.position):
            self.position = recorded.position
            self.take(recorded.event)

    def take(self, event: e.DomainEvent) -> None:
        """Take in the next event."""
        self.now = max(self.now, event.record_time)
        if event.originator_id == self.account.id:
            self.account.apply(event)
            self.started(event)
            return
        if type(event) in ACCOUNT_EVENTS:
            return  # another account's
        found = self.instructions.get(event.originator_id)
        if found is None:
            found = self.instructions[event.originator_id] = Instruction(event.originator_id)
        found.apply(event)

    def started(self, event: e.DomainEvent) -> None:
        """Know on what the last engine traded."""
        if isinstance(event, e.EngineStarted):
            self.broker = event.broker

    def executions(self, client_order_id: str) -> Executions | None:
        """What an own order executed, None of an order that the log does not have."""
        id = instruction_of(client_order_id)
        found = self.instructions.get(id) if id is not None else None
        order = found.orders.get(client_order_id) if found is not None else None
        return None if order is None else order.book

    def live(self) -> dict[str, Instruction]:
        """Own orders that the log does not prove dead, by client order id."""
        return {
            name: instruction
            for instruction in self.instructions.values()
            if instruction.account == self.name
            for name in instruction.live
        }


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found; ``foreign`` are orders of somebody else, left alone."""

    position: int
    orders_compared: int
    fills_compared: int
    breaks: tuple[e.Break, ...]
    foreign: tuple[BrokerOrder, ...]
    own_open: tuple[str, ...] = field(default=())
    fills: FillsKnown = NOT_SAID

    @property
    def is_clean(self) -> bool:
        """Whether both sides agree."""
        return not self.breaks


async def compare(log: Log, standing: Standing, broker: Broker) -> Compared:
    """Compare the log with the broker; what is only on its way is looked at again.

    Raises:
        BrokerUnavailable: the broker cannot be asked.
    """
    fills: FillsBook | None = None
    if isinstance(broker, TellsFills):
        standing.follow(log)
        fills = FillsBook(standing.account.fills_known_until)
    found = await _compare_once(log, standing, broker, fills)
    for _ in range(LOOKS - 1):
        if found.is_clean:
            break
        await asyncio.sleep(LOOK_SECONDS)
        again = await _compare_once(log, standing, broker, fills)
        lasting = tuple(one for one in again.breaks if one in found.breaks)
        found = again if lasting or again.is_clean else found
    return found


async def _compare_once(
    log: Log, standing: Standing, broker: Broker, fills: FillsBook | None
) -> Compared:
    told = NOTHING_TOLD
    if fills is not None and isinstance(broker, TellsFills):
        told = await broker.fills_told(_unvouched(standing, fills))
        fills.take(told)
    open_now = await broker.open_orders()
    reported = await broker.positions()
    standing.follow(log)
    listed = {order.client_order_id for order in open_now}
    live = standing.live()
    looked_up: Mapping[str, BrokerOrder | None] = {
        name: await broker.find_order(name)
        for name in live
        if name not in listed and broker.capabilities.lookup_by_client_id
    }
    mine = [i for i in standing.instructions.values() if i.account == standing.name]
    breaks = list(order_breaks(mine, open_now, looked_up))
    opened = standing.account.session
    if opened is not None:
        moved = moved_by(mine, opened.session_date)
        breaks += position_breaks(opened, moved, reported, standing.account.standing.accepted)
    known = NOT_SAID
    if fills is not None:
        breaks += fill_breaks(mine, fills.compare(standing.executions), breaks)
        breaks += restated_breaks(fills.restated(standing.executions))
        known = FillsKnown(fills.until, told.source, told.note)
    today = [i for i in mine if opened is not None and i.session_date == opened.session_date]
    return Compared(
        position=standing.position,
        orders_compared=sum(len(i.orders) for i in today),
        fills_compared=sum(len(order.book.by_id) for i in today for order in i.orders.values()),
        breaks=tuple(breaks),
        foreign=foreign_orders(open_now),
        own_open=tuple(sorted(live)),
        fills=known,
    )


def _unvouched(standing: Standing, fills: FillsBook) -> int:
    """From when on (ns UTC) nothing vouches for the log."""
    if fills.told_until is not None:
        return fills.told_until
    opened = standing.account.session
    placed = (i.placed_at[name] for name, i in standing.live().items())
    return unvouched_since(None if opened is None else opened.open, placed, standing.now)
