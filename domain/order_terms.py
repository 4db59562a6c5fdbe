"""Which orders each broker takes: type, time in force, session, fraction and side.

What no row of a broker's table has is refused before the wire, with the field that is wrong named.
``docs/order-terms.md`` is made from these rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from .ports import OrderRequest, OrderType, Side, TimeInForce


class Phase(StrEnum):
    """When an order is sent."""

    BEFORE_OPEN = "before_open"
    """The market is closed and the next session's opening auction may take orders."""
    REGULAR = "regular"
    """The exchange's session."""


class Holding(StrEnum):
    """What an order does to the position, as far as it decides what a broker takes."""

    BUY = "buy"
    SELL_LONG = "sell long"
    SELL_SHORT = "sell short"

    @classmethod
    def of(cls, request: OrderRequest) -> Holding:
        """What a request is."""
        if request.side is Side.BUY:
            return cls.BUY
        short = request.sell_mark is not None and request.sell_mark.is_short
        return cls.SELL_SHORT if short else cls.SELL_LONG


EVERY: Final = tuple(Holding)
NOT_SHORT: Final = (Holding.BUY, Holding.SELL_LONG)


@dataclass(frozen=True, slots=True)
class Offered:
    """A row: orders of this type and time in force are taken in this phase.

    ``whole`` and ``fractional`` are what may be bought or sold in whole shares and in parts of one.
    """

    order_type: OrderType
    time_in_force: TimeInForce
    phase: Phase
    whole: tuple[Holding, ...] = EVERY
    fractional: tuple[Holding, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerTerms:
    """What a broker takes; ``display`` says whether a part of an order may be shown only."""

    rows: tuple[Offered, ...]
    display: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True)
class NotOffered:
    """The field of an order that the broker does not take, and what it does."""

    field: str
    observed: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.field} is {self.observed}; allowed: {self.allowed}"


_M, _L = OrderType.MARKET, OrderType.LIMIT
_T = TimeInForce


def _usual(*, fractional: tuple[Holding, ...]) -> tuple[Offered, ...]:
    regular, early = Phase.REGULAR, Phase.BEFORE_OPEN
    return (
        Offered(_M, _T.DAY, regular, fractional=fractional),
        Offered(_L, _T.DAY, regular, fractional=fractional),
        Offered(_M, _T.IOC, regular),
        Offered(_L, _T.IOC, regular),
        Offered(_M, _T.OPG, early),
        Offered(_L, _T.OPG, early),
        Offered(_M, _T.CLS, regular),
        Offered(_L, _T.CLS, regular),
    )


def _anything_offered() -> tuple[Offered, ...]:
    """Everything in both phases but auctions at their times: the recording's lot decides."""
    regular = Phase.REGULAR
    lives = ((_T.DAY, regular), (_T.IOC, regular))
    auctions = ((_T.OPG, Phase.BEFORE_OPEN), (_T.CLS, regular))
    rows = [
        Offered(kind, tif, phase, fractional=EVERY)
        for tif, phase in (*lives, *auctions)
        for kind in (_M, _L)
    ]
    return tuple(rows)


TERMS: Final[Mapping[str, BrokerTerms]] = MappingProxyType(
    {
        "alpaca": BrokerTerms(
            _usual(fractional=NOT_SHORT),
            source="Alpaca's pages on orders: fractions are DAY orders, and are not sold short",
        ),
        "simulated": BrokerTerms(
            _anything_offered(), display=True, source="the simulated exchange: multiples of the lot"
        ),
    }
)
"""By the name of a broker's capabilities."""


def not_offered(broker: str, request: OrderRequest, phase: Phase) -> NotOffered | None:
    """Why a broker would not take an order, None when it would.

    A broker of which there is no table is not asked about: its own refusal is the answer.
    """
    terms = TERMS.get(broker)
    if terms is None:
        return None
    kind, tif = request.order_type, request.time_in_force
    rows = [row for row in terms.rows if row.order_type is kind]
    if not rows:
        return NotOffered("order_type", kind.value, _listed(r.order_type for r in terms.rows))
    rows = [row for row in rows if row.time_in_force is tif]
    if not rows:
        of_kind = (r.time_in_force for r in terms.rows if r.order_type is kind)
        return NotOffered("time_in_force", tif.value, _listed(of_kind))
    fitting = [row for row in rows if row.phase is phase]
    if not fitting:
        return NotOffered("session", phase.value, _listed(row.phase for row in rows))
    return _of_quantity(request, fitting[0], terms)


def _of_quantity(request: OrderRequest, row: Offered, terms: BrokerTerms) -> NotOffered | None:
    holding = Holding.of(request)
    fraction = request.quantity != request.quantity.to_integral_value()
    if fraction and not row.fractional:
        return NotOffered("quantity", f"{request.quantity}", "whole shares")
    allowed = row.fractional if fraction else row.whole
    if holding not in allowed:
        what = "fractions" if fraction else "whole shares"
        return NotOffered("side", holding.value, f"{_listed(allowed)} in {what}")
    shown = request.display_quantity
    if shown is not None and shown < request.quantity and not terms.display:
        return NotOffered("display_quantity", f"{shown}", "orders that are shown in full")
    if (request.limit_price is None) is (request.order_type is OrderType.LIMIT):
        has = "none" if request.limit_price is None else f"{request.limit_price}"
        return NotOffered("limit_price", has, "one with a limit order, none with a market order")
    return None


def _listed(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values))
