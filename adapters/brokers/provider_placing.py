"""Placing an order with a provider: what is passed, and what the answer means.

The seed's answer is ``{'success': True, 'order_id': …}`` or ``{'success': False, 'error': …}``.
Many providers catch every exception and return its text as ``error``, timeouts included, so an
error that speaks of the connection or the server is not taken for the broker's refusal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Final

from ...domain.ports import OrderRequest, OrderType
from ..provider_reading import Answer, number_of, scrub, text_of, truth_of

_UNDECIDED: Final = re.compile(
    r"(?i)time[- ]?d?[- ]?out|connection|disconnect|broken pipe|reset by peer|unreachable|"
    r"network|temporar|unavailable|internal server|server error|bad gateway|\b5\d\d\b"
)
_DUPLICATE: Final = re.compile(
    r"(?i)client[_ ]order[_ ]id.*(unique|duplicate|exist|used)|"
    r"duplicate.*client[_ ]order[_ ]id|duplicate order"
)
_NEEDED: Final = frozenset({"symbol", "qty", "side", "order_type"})
_UNDECIDED_STATUSES: Final = frozenset({408, 409, 425})


class PlacingOutcome(Enum):
    """What became of a submission."""

    ACCEPTED = auto()
    REFUSED = auto()
    DUPLICATE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Placed:
    """An outcome with the broker's order id, where there is one, and its text."""

    outcome: PlacingOutcome
    venue_order_id: str | None = None
    text: str = ""


def order_keywords(request: OrderRequest, takes: frozenset[str] | None) -> dict[str, object] | str:
    """The keywords for ``place_order``, or why this provider cannot take this order.

    ``takes`` is what its signature names, None for anything. Whole quantities are passed as int,
    the rest as float, which is what providers of the seed send on as JSON. A keyword that the
    provider does not know is left out only where the order means the same without it.
    """
    if request.algorithm is not None:
        return "a provider has no algorithms of its own"
    keywords: dict[str, object] = {
        "symbol": request.symbol,
        "qty": _plain_number(request.quantity),
        "side": request.side.value,
        "order_type": request.order_type.value,
        "limit_price": None if request.limit_price is None else float(request.limit_price),
        "time_in_force": request.time_in_force.value,
        "client_order_id": request.client_order_id,
    }
    if takes is None:
        return keywords
    needed = set(_NEEDED)
    if request.order_type is OrderType.LIMIT:
        needed.add("limit_price")
    if request.time_in_force.value != "day":
        needed.add("time_in_force")
    lacking = sorted(needed - takes)
    if lacking:
        return f"the provider's place_order does not take {', '.join(lacking)}"
    return {name: value for name, value in keywords.items() if name in takes}


def _plain_number(quantity: Decimal) -> int | float:
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)


def read_placing(answer: Answer) -> Placed:
    """What an answer to ``place_order`` means; in doubt the outcome is unknown."""
    if answer.missing:
        return Placed(PlacingOutcome.REFUSED, text="not sent: the provider has no place_order")
    if answer.failure is not None:
        return Placed(PlacingOutcome.UNKNOWN, text=answer.failure)
    order_id = text_of(answer.value, "order_id", "id")
    number = number_of(answer.value, "order_id", "id")
    if order_id is None and number is not None:
        order_id = str(number)
    success = truth_of(answer.value, "success")
    if success is True or (success is None and order_id is not None):
        if order_id is None:
            return Placed(PlacingOutcome.UNKNOWN, text="accepted without a readable order id")
        return Placed(PlacingOutcome.ACCEPTED, order_id)
    if success is None:
        text = f"the answer cannot be read: {type(answer.value).__name__}"
        return Placed(PlacingOutcome.UNKNOWN, text=text)
    text = scrub(text_of(answer.value, "error", "message", "reason") or "refused without a reason")
    return Placed(_refusal(answer.value, text), text=text)


def _refusal(value: object, text: str) -> PlacingOutcome:
    if _DUPLICATE.search(text):
        return PlacingOutcome.DUPLICATE
    status = number_of(value, "status_code", "http_status")
    if status is not None:
        undecided = status >= 500 or int(status) in _UNDECIDED_STATUSES
        return PlacingOutcome.UNKNOWN if undecided else PlacingOutcome.REFUSED
    return PlacingOutcome.UNKNOWN if _UNDECIDED.search(text) else PlacingOutcome.REFUSED
