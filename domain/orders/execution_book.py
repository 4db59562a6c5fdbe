"""The book of one order's executions: immutable, with its totals beside it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from ..money import ZERO


class ExecutionStatus(StrEnum):
    """Whether an execution stands as it was first reported."""

    LIVE = "live"
    CORRECTED = "corrected"
    BUSTED = "busted"


class Execution(NamedTuple):
    """One execution as it counts now.

    ``quantity`` is what it adds to CumQty: nothing once busted, and for a derived one what no real
    report has covered yet. ``reported_qty`` is its size as first reported, ``cum_after`` the
    broker's CumQty then. ``price`` is None where the broker gave none.
    """

    execution_id: str
    quantity: Decimal
    price: Decimal | None
    reported_qty: Decimal
    cum_after: Decimal | None
    epoch: int
    market_time: int
    restated_at: int | None = None
    status: ExecutionStatus = ExecutionStatus.LIVE
    derived: bool = False

    @property
    def notional(self) -> Decimal:
        """Quantity times price; nothing where the price is unknown."""
        return ZERO if self.price is None else self.quantity * self.price


_new: Final = tuple.__new__
"""Makes a record in half the time that its class takes; a report asks for several."""
_NO_EXECUTIONS: Final[Mapping[str, Execution]] = MappingProxyType({})
_NO_ALIASES: Final[Mapping[str, str]] = MappingProxyType({})


class Executions(NamedTuple):
    """All executions of one order with their totals.

    ``quantity`` is CumQty, ``notional`` the sum over priced shares, ``unpriced_qty`` the shares
    without a price. ``reported_cum`` is the highest CumQty the broker has claimed in this epoch; it
    exceeds ``quantity`` while fills are missing. ``aliases`` names an execution by its other ids.
    """

    quantity: Decimal = ZERO
    notional: Decimal = ZERO
    fees: Decimal = ZERO
    unpriced_qty: Decimal = ZERO
    reported_cum: Decimal = ZERO
    by_id: Mapping[str, Execution] = _NO_EXECUTIONS
    aliases: Mapping[str, str] = _NO_ALIASES
    restated_at: tuple[int, ...] = ()

    @property
    def epoch(self) -> int:
        """How many busts and corrections there have been."""
        return len(self.restated_at)

    @property
    def missing_qty(self) -> Decimal:
        """Shares that the broker has counted and we have seen no execution for."""
        return self.reported_cum - self.quantity

    def find(self, execution_id: str) -> Execution | None:
        """The execution under this id or one of its other ids."""
        found = self.by_id.get(execution_id)
        if found is None and execution_id in self.aliases:
            found = self.by_id[self.aliases[execution_id]]
        return found

    def epoch_at(self, market_time: int) -> int:
        """The epoch that the market was in at ``market_time``."""
        return bisect_right(self.restated_at, market_time) if self.restated_at else 0

    def with_fill(self, fill: Execution, fee: Decimal) -> Executions:
        """One more execution, under a new id."""
        quantity, notional, fees, unpriced, reported, by_id, aliases, restated_at = self
        shares, price = fill.quantity, fill.price
        quantity += shares
        if price is None:
            unpriced += shares
        else:
            notional += shares * price
        if fee.is_finite():
            fees += fee
        if quantity > reported:
            reported = quantity
        by_id = dict(by_id) if by_id else {}
        by_id[fill.execution_id] = fill
        return _new(
            Executions, (quantity, notional, fees, unpriced, reported, by_id, aliases, restated_at)
        )

    def with_restated(self, fill: Execution) -> Executions:
        """An execution in the place of the one that had its id."""
        old = self.by_id[fill.execution_id]
        by_id = dict(self.by_id)
        by_id[fill.execution_id] = fill
        unpriced = self.unpriced_qty
        unpriced -= old.quantity if old.price is None else ZERO
        unpriced += fill.quantity if fill.price is None else ZERO
        return self._replace(
            quantity=self.quantity + fill.quantity - old.quantity,
            notional=self.notional + fill.notional - old.notional,
            unpriced_qty=unpriced,
            by_id=by_id,
        )

    def with_alias(self, name: str | None, execution_id: str) -> Executions:
        """The execution is known under ``name`` as well."""
        if name is None or name == execution_id or name in self.aliases:
            return self
        return self._replace(aliases={**self.aliases, name: execution_id})


NOTHING_EXECUTED: Final = Executions()
"""The book of an order of which nothing is known to have executed."""
