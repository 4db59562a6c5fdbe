"""Orders as a provider lists them, in our words."""

from __future__ import annotations

from ...domain.money import ZERO
from ...domain.ports import BrokerOrder, OrderRequest, OrderType, Side, TimeInForce
from ..provider_reading import nanos_of, number_of, text_of
from .provider_orders import TrackedOrder


def broker_order(order: TrackedOrder, status: str, submitted_at: int) -> BrokerOrder:
    """An own order as it was last heard of."""
    request = order.request
    return BrokerOrder(
        client_order_id=request.client_order_id,
        venue_order_id=order.venue_order_id or "",
        symbol=request.symbol,
        side=request.side,
        quantity=request.quantity,
        filled_qty=order.filled,
        status=status,
        is_open=not order.dead,
        submitted_at=submitted_at,
    )


def listed_order(entry: object, own: TrackedOrder | None, now: int) -> BrokerOrder | None:
    """An entry of ``get_orders``; what it lacks comes from our own record of the order.

    None when it is neither ours nor says symbol, side and quantity. A missing ``created_at`` reads
    as ``now``.
    """
    venue_order_id = text_of(entry, "id", "order_id")
    side = _side(entry)
    symbol = text_of(entry, "symbol")
    quantity = number_of(entry, "qty", "quantity")
    client_order_id = text_of(entry, "client_order_id")
    if own is not None:
        side, symbol = own.request.side, own.request.symbol
        quantity, client_order_id = own.request.quantity, own.request.client_order_id
    if venue_order_id is None or side is None or symbol is None or quantity is None:
        return None
    filled = number_of(entry, "filled_qty")
    known = own.filled if own is not None else ZERO
    return BrokerOrder(
        client_order_id=client_order_id or "",
        venue_order_id=venue_order_id,
        symbol=symbol,
        side=side,
        quantity=quantity,
        filled_qty=known if filled is None else max(filled, known),
        status=text_of(entry, "status") or "open",
        is_open=True,
        submitted_at=nanos_of(entry, "created_at", "submitted_at") or now,
    )


def request_of(entry: object, client_order_id: str) -> OrderRequest | None:
    """The order that an answer describes, or None when it does not say enough.

    Only found orders of an earlier process are read this way; type and time in force, which nothing
    depends on any more, read as a limit order for the day where they are not given.
    """
    side, symbol = _side(entry), text_of(entry, "symbol")
    quantity = number_of(entry, "qty", "quantity")
    if side is None or symbol is None or quantity is None or quantity <= 0:
        return None
    limit_price = number_of(entry, "limit_price")
    force = (text_of(entry, "time_in_force") or "day").lower()
    known = {each.value for each in TimeInForce}
    return OrderRequest(
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        quantity=quantity,
        order_type=OrderType.MARKET if limit_price is None else OrderType.LIMIT,
        time_in_force=TimeInForce(force) if force in known else TimeInForce.DAY,
        limit_price=limit_price,
    )


def _side(entry: object) -> Side | None:
    side = (text_of(entry, "side") or "").lower()
    return Side(side) if side in {each.value for each in Side} else None
