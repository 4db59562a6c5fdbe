"""A broker over any object with the seed's coroutines.

The provider is what users of the seed already have: ``place_order``, ``get_order``, ``get_orders``,
``cancel_order``, ``get_account_info``, ``get_positions``; in tests it is often a mock with one
coroutine. What such a provider cannot say has a documented path:

* An outcome that is not known (an exception, a timeout, an answer without a meaning) is reported as
  unknown, never as a rejection. Without ``get_order_by_client_id`` it stays so until a person
  settles it (ruling 30).
* Account and positions that a provider does not have, or has only as mocks, are the
  :class:`NeutralDefaults`, and :attr:`ProviderBroker.neutral` names them. A provider that raises,
  times out or has once answered is a real one: then there is no default, only
  :class:`BrokerUnavailable`.
* An acceptance is believed once ``get_order`` has answered about it, or has answered before: an
  order that cannot be followed has an unknown outcome, not an accepted one.
* Orders are followed by polling ``get_order``: at once, after 1, 2, 4 … seconds without news, then
  every ``poll_interval_seconds`` (the seed's 30). Polls are started by :meth:`pump` alone, so that
  nothing runs while nobody waits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from decimal import Decimal

from ...domain.errors import BrokerUnavailable
from ...domain.ports import Account, BrokerOrder, Clock, ExecutionReport, OrderRequest, Position
from ..provider_reading import Answer, nanos_of, text_of
from .provider_account import NeutralDefaults, read_account, read_positions
from .provider_desk import DEFAULT_TIMINGS, ProviderDesk, ProviderTimings
from .provider_listing import broker_order, listed_order
from .provider_orders import TrackedOrder

__all__ = ["NeutralDefaults", "ProviderBroker", "ProviderTimings"]


class ProviderBroker(ProviderDesk):
    """The :class:`~fillwright.domain.ports.Broker` port over a seed-style provider.

    ``neutral`` None means live: nothing is assumed, what cannot be read raises
    :class:`BrokerUnavailable`.
    """

    def __init__(
        self,
        provider: object,
        clock: Clock,
        *,
        neutral: NeutralDefaults | None = None,
        timings: ProviderTimings = DEFAULT_TIMINGS,
    ) -> None:
        """Read what the provider can do; nothing is called."""
        super().__init__(provider, clock, timings)
        self._neutral = neutral
        self._assumed: set[str] = set()

    @property
    def neutral(self) -> frozenset[str]:
        """What was assumed because the provider cannot say: ``account``, ``positions`` …"""
        return frozenset(self._assumed)

    async def account(self) -> Account:
        """The account now; the neutral default only where the provider cannot have one.

        Raises:
            BrokerUnavailable: the provider failed, or gave no readable equity and must.
        """
        answer = await self._ask("get_account_info")
        now = self._clock.now()
        read = None if answer.failure else read_account(answer.value, now)
        if read is None or (read[1] and self._neutral is None):
            return self._assume("get_account_info", "account", answer).account(now)
        self._answered.add("get_account_info")
        self._assumed -= {"account", "account.cash", "account.buying_power"}
        self._assumed |= read[1]
        return read[0]

    async def positions(self) -> Mapping[str, Position]:
        """Open positions by symbol; none only where the provider cannot have any.

        Raises:
            BrokerUnavailable: the provider failed, or a position cannot be read.
        """
        answer = await self._ask("get_positions")
        positions = None if answer.failure else read_positions(answer.value)
        if positions is None:
            self._assume("get_positions", "positions", answer)
            return {}
        self._answered.add("get_positions")
        self._assumed.discard("positions")
        return positions

    async def open_orders(self) -> Sequence[BrokerOrder]:
        """Orders that can still trade; our own record where the provider has no list.

        Raises:
            BrokerUnavailable: the provider failed, or lists an order that cannot be read.
        """
        answer = await self._ask("get_orders", status="open")
        now = self._clock.now()
        if answer.failure or not isinstance(answer.value, list | tuple):
            self._assume("get_orders", "open_orders", answer)
            own = [o for o in self._orders.values() if o.venue_order_id and not o.dead]
            return [broker_order(order, "open", now) for order in own]
        self._answered.add("get_orders")
        self._assumed.discard("open_orders")
        by_venue_id = {o.venue_order_id: o for o in self._orders.values() if o.venue_order_id}
        listed = []
        for entry in answer.value:
            own_order = by_venue_id.get(text_of(entry, "id", "order_id") or "")
            order = listed_order(entry, own_order, now)
            if order is None:
                raise BrokerUnavailable("the provider lists an open order that cannot be read")
            listed.append(order)
        return listed

    async def find_order(self, client_order_id: str) -> BrokerOrder | None:
        """The order under our id; None only when a provider with look-up says there is none.

        Raises:
            BrokerUnavailable: the provider cannot say, so nothing may be concluded.
        """
        order = self._orders.get(client_order_id)
        if order is None or order.venue_order_id is None:
            found = await self._look_up(client_order_id)
            if found is None:
                return None
            order = self._follow(client_order_id, found)
        answer = await self._read(order)
        status = text_of(answer.value, "status")
        if answer.failure or status is None:
            raise BrokerUnavailable(f"the provider cannot say what became of {client_order_id}")
        submitted = nanos_of(answer.value, "created_at", "submitted_at") or self._clock.now()
        return broker_order(order, status, submitted)

    async def reports_since(self, client_order_ids: Sequence[str]) -> Sequence[ExecutionReport]:
        """Every report on these orders: those given already, and what a poll now adds.

        An order that cannot be found gives none, which proves nothing about it.
        """
        reports: list[ExecutionReport] = []
        for client_order_id in client_order_ids:
            with contextlib.suppress(BrokerUnavailable):  # what was reported is still true
                await self.find_order(client_order_id)
            order = self._orders.get(client_order_id)
            reports += order.journal if order is not None else []
        return reports

    def adopt(
        self, request: OrderRequest, venue_order_id: str, filled: Decimal, notional: Decimal
    ) -> None:
        """Follow an order of an earlier process from what the log says it has traded.

        ``filled`` (shares) and ``notional`` are its executions on record; only what is beyond them
        is reported.
        """
        order = TrackedOrder(request, venue_order_id, filled, notional)
        order.next_poll_at = self._clock.now()
        self._orders[request.client_order_id] = order

    def _assume(self, name: str, what: str, answer: Answer) -> NeutralDefaults:
        """The defaults, where nothing speaks against them; else the provider is unavailable."""
        problem = answer.failure or ("missing" if answer.missing else "its answer cannot be read")
        if answer.failure or name in self._answered or self._neutral is None:
            raise BrokerUnavailable(f"the provider's {name}: {problem}")
        self._assumed.add(what)
        return self._neutral
