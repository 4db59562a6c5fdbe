"""What a PATCH makes of an order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .orders import Kind, PaperOrder, Status, Tif
from .refusals import semantic, syntax
from .ticket import Ticket, amount_of, check_prices, client_id_of, price_of

REPLACEABLE: Final = (Status.NEW, Status.PARTIALLY_FILLED, Status.HELD)


def changed_ticket(old: PaperOrder, body: Mapping[str, Any]) -> Ticket:
    """The order that a PATCH asks for.

    Raises:
        ApiRefusal: the order cannot be replaced, or not so.
    """
    if old.status is Status.REPLACED:
        raise semantic("order already replaced")
    if old.status not in REPLACEABLE:
        raise semantic(f"cannot replace order in {old.status} status")
    if old.notional is not None or body.get("notional") is not None:
        raise semantic("notional orders cannot be replaced")
    qty = amount_of(body, "qty")
    if qty is not None and qty != old.qty and (old.legs or old.is_leg):
        raise semantic("qty cannot be changed for advanced orders")
    if qty is not None and not (old.is_whole and qty == qty.to_integral_value()):
        raise semantic("qty of fractional orders cannot be changed")
    if qty is not None and qty <= old.filled:
        raise semantic("qty must be > filled_qty")
    trail = amount_of(body, "trail")
    is_percent = old.trail_percent is not None
    given_tif = body.get("time_in_force")
    try:
        tif = old.tif if given_tif is None else Tif(str(given_tif).lower())
    except ValueError as error:
        raise syntax(f"invalid time_in_force: {str(given_tif)[:40]}") from error
    ticket = Ticket(
        symbol=old.symbol,
        side=old.side,
        kind=old.kind,
        tif=tif,
        qty=qty or old.qty,
        notional=None,
        limit_price=price_of(body, "limit_price") or old.limit_price,
        stop_price=price_of(body, "stop_price")
        or (None if old.kind is Kind.TRAILING_STOP else old.stop_price),
        trail_price=(old.trail_price if is_percent else trail or old.trail_price),
        trail_percent=(trail or old.trail_percent if is_percent else old.trail_percent),
        extended_hours=old.extended_hours,
        client_order_id=client_id_of(body),
        shape=old.shape,
        take_profit=None,
        stop_loss=None,
        stop_loss_limit=None,
        position_intent=None,
    )
    check_prices(ticket.kind, ticket.limit_price, ticket.stop_price)
    before = (old.tif, old.qty, old.limit_price, old.trail_price, old.trail_percent)
    after = (ticket.tif, ticket.qty, ticket.limit_price, ticket.trail_price)
    moved = ticket.stop_price is not None and ticket.stop_price != old.stop_price
    # Instructions are not kept, so that any of them may be other ones than before.
    same = before == (*after, ticket.trail_percent) and not moved
    if same and body.get("advanced_instructions") is None:
        raise semantic("order parameters are not changed")
    return ticket
