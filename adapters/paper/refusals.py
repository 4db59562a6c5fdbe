"""The refusals of the API: HTTP status, code, message and the extra fields clients rely on.

Status and ``code`` are Alpaca's contract; the texts follow its documentation and recordings. One
code, 40310000, means many things, which only the extra fields tell apart.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from .wire import number

SYNTAX: Final = 40010001
SEMANTIC: Final = 42210000
FORBIDDEN: Final = 40310000
MISSING: Final = 40410000


class ApiRefusal(Exception):
    """An answer other than success; changes nothing at the broker.

    Args:
        status: the HTTP status.
        message: for a person.
        code: eight digits, None where Alpaca sends none.
        fields: what else the body holds.
    """

    def __init__(self, status: int, message: str, code: int | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {} if code is None else {"code": code}
        self.body |= {"message": message, **fields}


def syntax(message: str) -> ApiRefusal:
    """The request cannot be read as what it should be."""
    return ApiRefusal(422, message, SYNTAX)


def semantic(message: str, **fields: Any) -> ApiRefusal:
    """The request can be read and makes no sense."""
    return ApiRefusal(422, message, SEMANTIC, **fields)


def forbidden(message: str, **fields: Any) -> ApiRefusal:
    """The account may not do this now."""
    return ApiRefusal(403, message, FORBIDDEN, **fields)


def missing(message: str) -> ApiRefusal:
    """There is no such thing."""
    return ApiRefusal(404, message, MISSING)


def bad_data(message: str) -> ApiRefusal:
    """A market-data request with bad parameters: no code, as on Alpaca."""
    return ApiRefusal(400, message)


def unauthorized() -> ApiRefusal:
    """Wrong keys."""
    return ApiRefusal(401, "unauthorized.")


def duplicate_client_order_id() -> ApiRefusal:
    """The client order id was used before, by whatever became of that order."""
    return syntax("client_order_id must be unique")


def order_not_found(name: str) -> ApiRefusal:
    """No order under this id."""
    return missing(f"order not found for {name}")


def insufficient_buying_power(buying_power: Decimal, cost: Decimal) -> ApiRefusal:
    """The order costs more than there is."""
    return forbidden(
        "insufficient buying power",
        buying_power=number(buying_power),
        cost_basis=number(cost),
    )


def insufficient_quantity(
    symbol: str, requested: Decimal, held: Decimal, reserved: Decimal
) -> ApiRefusal:
    """More shares than are there and not offered by other orders."""
    available = number(held - reserved)
    asked = number(requested)
    return forbidden(
        f"insufficient qty available for order (requested: {asked}, available: {available})",
        available=available,
        existing_qty=number(held),
        held_for_orders=number(reserved),
        symbol=symbol,
    )


def wash_trade(existing_order_id: str, reason: str) -> ApiRefusal:
    """The order could trade with another one of the same account."""
    return forbidden(
        "potential wash trade detected. use complex orders",
        existing_order_id=existing_order_id,
        reject_reason=reason,
    )


def sub_penny(field: str, price: Decimal) -> ApiRefusal:
    """A price finer than the market's increments."""
    return semantic(
        f"invalid {field} {number(price)}. sub-penny increment does not fulfill minimum pricing "
        "criteria"
    )
