"""Orders in the account that are not ours: left alone, reported once, and counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from ....domain.ids import is_own_client_order_id
from ....domain.money import PRICE_MAX, QUANTITY_MAX
from ....domain.ports import (
    Clock,
    ExecutionReport,
    OrderRequest,
    OtherExecution,
    ReportKind,
    Side,
)
from ...alpaca_api.reading import Json, nanos, text_of
from .listing import DAY_NS, Listing
from .wire import amount

TOLD_MAX: Final = 1_000
SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL, "sell_short": Side.SELL}
Read = Callable[[], tuple[OtherExecution, ...]]
Ask = Callable[[Read, str], Awaitable[tuple[OtherExecution, ...]]]


class Others:
    """What others do in the account; asked for only when something may have come."""

    def __init__(self, listing: Listing, clock: Callable[[], Clock], ask: Ask) -> None:
        self._listing, self._clock, self._ask = listing, clock, ask
        self._told: set[str] = set()
        self._names: dict[str, str] = {}
        self._is_due = True

    def note(self) -> None:
        """Something may have executed; the next question is asked of the broker."""
        self._is_due = True

    def learn(self, report: ExecutionReport) -> None:
        """Know under which client id an order goes, ours or not."""
        if report.venue_order_id is not None:
            self._name(report.venue_order_id, report.client_order_id)

    def told_of(self, report: ExecutionReport) -> list[ExecutionReport]:
        """What to say of a report that is not ours: the order, once."""
        if report.last_qty or report.cum_qty != 0:  # else it moves no limit
            self.note()
        if report.client_order_id in self._told or len(self._told) >= TOLD_MAX:
            return []
        self._told.add(report.client_order_id)
        return [replace(report, kind=ReportKind.STATUS)]

    async def executions(self, since: int) -> tuple[OtherExecution, ...]:
        """Executions from ``since`` (ns UTC) on of orders that are not ours; empty without news.

        Raises:
            BrokerUnavailable: they cannot be listed; the next call asks again.
        """
        if not self._is_due:
            return ()
        self._is_due = False
        try:
            return await self._ask(lambda: self._read(since), "executions of others")
        except BaseException:
            self._is_due = True
            raise

    def names_of(self, order_ids: Iterable[str], since: int) -> Mapping[str, str]:
        """Client ids by the broker's order id; one of an order before the day before is missing.

        Raises:
            BrokerUnavailable: orders cannot be listed.
        """
        if any(id not in self._names for id in order_ids):
            for order in self._listing.listed("all", since - DAY_NS):
                id, name = text_of(order, "id"), text_of(order, "client_order_id")
                if id is not None and name is not None:
                    self._name(id, name)
        return self._names

    def may_be_of(self, request: OrderRequest, venue_order_id: str | None, since: int) -> bool:
        """Whether a fill from ``since`` (ns UTC) on is of an order that is in no list, or may be.

        That is one under its own ids, and one of its symbol and side that nobody's order is known
        to have. An order whose client id is learned here is found by its id from then on.

        Raises:
            BrokerUnavailable: fills or orders cannot be asked for.
        """
        for row in self._listing.fills_between(since, self._clock().now() + DAY_NS):
            id = text_of(row, "order_id")
            if id is not None and id == venue_order_id:
                return True
            side = SIDES.get(str(row.get("side")), request.side)
            if text_of(row, "symbol") not in (None, request.symbol) or side is not request.side:
                continue
            if id is None or self._owner(id) in (None, request.client_order_id):
                return True
        return False

    def _owner(self, id: str) -> str | None:
        """The client id of an order, asked for by the broker's id where it is not known."""
        if id not in self._names:
            order = self._listing.order_by_id(id)
            name = None if order is None else text_of(order, "client_order_id")
            if name is not None:
                self._name(id, name)
        return self._names.get(id)

    def _name(self, id: str, client_order_id: str) -> None:
        self._names[id] = client_order_id
        if is_own_client_order_id(client_order_id):
            self._listing.ids[client_order_id] = id

    def _read(self, since: int) -> tuple[OtherExecution, ...]:
        fills = self._listing.all_fills(self._clock().now())
        self.names_of(fills, since)
        found = []
        for order_id, rows in fills.items():
            name = self._names.get(order_id)
            if name is None or is_own_client_order_id(name):
                continue  # one that is not listed is looked at again when it is
            found += [one for row in rows if (one := _execution(order_id, row)) is not None]
        return tuple(one for one in found if one.at >= since)


def _execution(order_id: str, row: Json) -> OtherExecution | None:
    """An activity as an execution; None where it cannot be read."""
    quantity, price = amount(row, "qty", QUANTITY_MAX), amount(row, "price", PRICE_MAX)
    at, symbol, id = nanos(row.get("transaction_time")), text_of(row, "symbol"), text_of(row, "id")
    side = SIDES.get(str(row.get("side")))
    if not quantity or not price or at is None or symbol is None or id is None or side is None:
        return None
    return OtherExecution(id, order_id, symbol, side, quantity, price, at)
