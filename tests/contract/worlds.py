"""Venues with a broker over them, all behind one face, so that one suite can try every broker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal
from typing import Literal

import numpy as np

from fillwright.adapters.brokers.provider import ProviderBroker
from fillwright.adapters.brokers.provider_runtime import ProviderRuntime
from fillwright.adapters.brokers.simulated import SimulatedBroker, SimulatedRuntime
from fillwright.adapters.exchange.exchange import Exchange
from fillwright.adapters.exchange.journal import Journal
from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.exchange.terms import Faults, Outage, Terms
from fillwright.adapters.timekeeping.clocks import VirtualClock
from fillwright.domain.ports import (
    NANOS,
    Broker,
    OrderRequest,
    OrderType,
    Runtime,
    Side,
    TimeInForce,
)
from tests.contract.book_provider import BookProvider, LookupBookProvider

Loss = Literal["before", "after"]
"""Whether a submission without an answer was lost on its way there, or on its way back."""

OUTAGE_NS = 5 * NANOS


class World(ABC):
    """A venue in which the outcome of each kind of order is known beforehand.

    ``loss`` makes the answers to submissions get lost until :meth:`heal`.
    """

    broker: Broker
    runtime: Runtime

    def fills_at_once(self, name: str) -> OrderRequest:
        """An order of 100 that fills in one execution."""
        return _buy(name, 100, "10.01")

    def fills_in_parts(self, name: str) -> OrderRequest:
        """An order of 500 that fills as 200 at 10.01 and 300 at 10.02."""
        return _buy(name, 500, "10.02")

    def fills_partly(self, name: str) -> OrderRequest:
        """An order of 100 of which 40 fill at 9.99 after a while, and no more."""
        return _buy(name, 100, "9.99")

    def rests(self, name: str) -> OrderRequest:
        """An order of 100 that never fills."""
        return _buy(name, 100, "9.50")

    def refused(self, name: str) -> OrderRequest:
        """An order that the venue refuses."""
        return _buy(name, 100, "10.01")._replace(quantity=Decimal(1_000_000))

    def close(self) -> None:  # noqa: B027 - most worlds hold nothing
        """Let go of what the world holds."""

    @abstractmethod
    async def heal(self) -> None:
        """Have answers arrive again."""

    @abstractmethod
    def restart(self) -> None:
        """Put a new broker over the same venue, as after a crash of the client."""

    @abstractmethod
    def orders_at_venue(self, name: str) -> int:
        """How many orders the venue has under a client order id."""

    @abstractmethod
    def executed_at_venue(self, name: str) -> Decimal:
        """Shares that the venue has executed under a client order id."""


def _buy(name: str, quantity: int, limit: str) -> OrderRequest:
    return OrderRequest(
        client_order_id=name,
        symbol="ABC",
        side=Side.BUY,
        quantity=Decimal(quantity),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        limit_price=Decimal(limit),
    )


class SimulatedWorld(World):
    """The simulated exchange over a quiet day: 9.99 × 10.01, one print of 40 at 9.98 after 8 s."""

    def __init__(self, loss: Loss | None = None) -> None:
        outages = (Outage(0, OUTAGE_NS, accepted=loss == "after"),) if loss else ()
        self.clock = VirtualClock(0)
        self.exchange = Exchange(
            [quiet_day(8 * NANOS)], Terms(faults=Faults(outages=outages)), journal=Journal()
        )
        self.restart()

    def restart(self) -> None:
        self.broker = SimulatedBroker(self.exchange, self.clock)
        self.runtime = SimulatedRuntime(self.clock, self.exchange)

    async def heal(self) -> None:
        self.clock.set(OUTAGE_NS)

    def orders_at_venue(self, name: str) -> int:
        self.exchange.advance(self.clock.now())
        return sum(order.client_order_id == name for order in self.exchange.orders())

    def executed_at_venue(self, name: str) -> Decimal:
        order = self.exchange.find_order(name)
        return Decimal(0) if order is None else order.filled_qty


class ProviderWorld(World):
    """A seed-style provider with its own book."""

    provider_class: type[BookProvider] = BookProvider

    def __init__(self, loss: Loss | None = None) -> None:
        self.clock = VirtualClock(1_381_240_800 * NANOS)
        self.provider = self.provider_class()
        self.provider.lose = loss
        self.restart()

    def restart(self) -> None:
        broker = ProviderBroker(self.provider, self.clock)
        self.broker, self.runtime = broker, ProviderRuntime(self.clock, broker)

    def fills_at_once(self, name: str) -> OrderRequest:
        self.provider.fills[name] = [(100, 10.01)]
        return super().fills_at_once(name)

    def fills_in_parts(self, name: str) -> OrderRequest:
        self.provider.fills[name] = [(200, 10.01), (300, 10.02)]
        return super().fills_in_parts(name)

    def fills_partly(self, name: str) -> OrderRequest:
        self.provider.fills[name] = [(40, 9.99)]
        return super().fills_partly(name)

    def refused(self, name: str) -> OrderRequest:
        self.provider.refusals[name] = "insufficient buying power"
        return super().refused(name)

    async def heal(self) -> None:
        self.provider.lose = None

    def orders_at_venue(self, name: str) -> int:
        return sum(order.client_order_id == name for order in self.provider.orders.values())

    def executed_at_venue(self, name: str) -> Decimal:
        found = [o for o in self.provider.orders.values() if o.client_order_id == name]
        return Decimal(str(sum(order.filled for order in found)))


class LookupProviderWorld(ProviderWorld):
    """The same with a look-up by our id."""

    provider_class = LookupBookProvider


def quiet_day(printed_at: int) -> SymbolDay:
    """9.99 × 10.01 all day, one print through the bid at ``printed_at`` (ns)."""
    return SymbolDay(
        symbol="ABC",
        date="20240102",
        tick=Decimal("0.01"),
        lot=Decimal(1),
        levels=1,
        ext_level_size=Decimal(300),
        queue_share=Decimal("0.5"),
        q_ts=np.array([0]),
        bid_px=np.array([[9.99]]),
        bid_sz=np.array([[100.0]]),
        ask_px=np.array([[10.01]]),
        ask_sz=np.array([[200.0]]),
        t_ts=np.array([printed_at]),
        t_px=np.array([9.98]),
        t_sz=np.array([40.0]),
        aggressor=np.array([-1], dtype=np.int8),
        lit=np.array([True]),
        regular=np.array([True]),
    )
