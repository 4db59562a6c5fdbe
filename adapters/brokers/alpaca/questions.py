"""What Alpaca is asked: the account, positions, orders; off the event loop and bounded in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Final, TypeVar

from ....domain.errors import BrokerUnavailable
from ....domain.ports import Account, BrokerOrder, Clock, ExecutionReport, Position
from ...alpaca_api.reading import text_of
from ...alpaca_api.rest import AlpacaRest, ApiRefusal, ApiSilence
from .listing import Listing
from .wire import account_of, broker_order, position_of, reports_of_order

FIGURE_THREADS: Final = 2
"""Account and positions are asked for at once, and behind no list of orders."""
T = TypeVar("T")
Told = tuple[str, Decimal]
"""The broker's order id and the cumulative quantity after a fill: its identity (ruling 6)."""


class Questions:
    """The part of the broker port that only asks."""

    def __init__(self, rest: AlpacaRest, clock: Clock) -> None:
        """Ask nothing yet."""
        self._rest, self._clock = rest, clock
        self._listing = Listing(rest)
        self._queries = ThreadPoolExecutor(1, "alpaca-queries")
        self._figures = ThreadPoolExecutor(FIGURE_THREADS, "alpaca-figures")
        self._told: dict[Told, str] = {}
        self._closed = False

    async def account(self) -> Account:
        """The account now.

        Raises:
            BrokerUnavailable: the broker cannot be asked, refuses the keys, or gives no equity.
        """
        answer = await self._ask(lambda: self._rest.get("/account"), "account", self._figures)
        found = account_of(answer, self._clock.now()) if isinstance(answer, dict) else None
        if found is None:
            raise BrokerUnavailable("account: its equity, cash or buying power cannot be read")
        return found

    async def positions(self) -> Mapping[str, Position]:
        """All open positions by symbol.

        Raises:
            BrokerUnavailable: the broker cannot be asked, or a position cannot be read.
        """
        rows = await self._ask(lambda: self._rest.get("/positions"), "positions", self._figures)
        if not isinstance(rows, list):
            raise BrokerUnavailable("positions: the answer is not a list")
        found = [position_of(row) for row in rows if isinstance(row, dict)]
        if len(found) != len(rows) or None in found:
            raise BrokerUnavailable("positions: one of them cannot be read")
        return {position.symbol: position for position in found if position is not None}

    async def find_order(self, client_order_id: str) -> BrokerOrder | None:
        """The order under our id, None when neither a look-up nor the day's list has it (ruling 7).

        Raises:
            BrokerUnavailable: the broker cannot say.
        """
        orders = await self._ask(
            lambda: self._listing.orders([client_order_id], self._clock.now()), "look-up"
        )
        if not orders:
            return None
        found = broker_order(orders[0])
        if found is None:
            raise BrokerUnavailable(f"order {client_order_id} cannot be read")
        return found

    async def open_orders(self) -> Sequence[BrokerOrder]:
        """All orders that can still trade, ours or not.

        Raises:
            BrokerUnavailable: they cannot be listed, or one of them cannot be read.
        """
        rows = await self._ask(lambda: self._listing.listed("open"), "open orders")
        found = [broker_order(row) for row in rows]
        if None in found:
            raise BrokerUnavailable("open orders: one of them cannot be read")
        return [order for order in found if order is not None]

    async def reports_since(self, client_order_ids: Sequence[str]) -> Sequence[ExecutionReport]:
        """Everything REST can say of these orders, from their beginning; none of an unknown one.

        Raises:
            BrokerUnavailable: the broker cannot be asked.
        """

        def read() -> list[ExecutionReport]:
            now = self._clock.now()
            orders = self._listing.orders(client_order_ids, now)
            fills = self._listing.fills(orders, now)
            return [
                report
                for order in orders
                for report in reports_of_order(
                    order, fills[text_of(order, "id") or ""], now, self._told
                )
            ]

        return await self._ask(read, "orders")

    async def _ask(
        self, question: Callable[[], T], what: str, pool: ThreadPoolExecutor | None = None
    ) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(pool or self._queries, question)
        except ApiRefusal as refusal:
            hint = f"; {refusal.next_step}" if refusal.is_of_keys else ""
            raise BrokerUnavailable(f"{what}: {str(refusal).rstrip('.')}{hint}") from None
        except ApiSilence as silence:
            raise BrokerUnavailable(f"{what}: {silence}") from None
        except RuntimeError as error:
            if self._closed:
                raise BrokerUnavailable(f"{what}: the broker is closed") from None
            raise error

    def _end_questions(self) -> None:
        """Let what is being asked end; nothing is asked any more."""
        for pool in (self._queries, self._figures):
            pool.shutdown(wait=True, cancel_futures=True)
