"""What a client asks for, read from JSON and checked as far as the request alone allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

from ...domain.ports import Side
from .orders import AUCTIONS, TRIGGERED, Kind, Shape, Tif
from .refusals import semantic, sub_penny, syntax
from .wire import number

CLIENT_ID_CHARACTERS_MAX: Final = 128
CLIENT_ID_BYTES_MAX: Final = 512
NUMBER_MAX: Final = Decimal(1_000_000_000)
QUANTITY_DIGITS: Final = 9
CENT: Final = Decimal("0.01")
PENNY_PART: Final = Decimal("0.0001")
INTENTS: Final = frozenset({"buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"})
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A new order as asked for; prices in account currency, quantities in shares."""

    symbol: str
    side: Side
    kind: Kind
    tif: Tif
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    extended_hours: bool
    client_order_id: str | None
    shape: Shape
    take_profit: Decimal | None
    stop_loss: Decimal | None
    stop_loss_limit: Decimal | None
    position_intent: str | None

    @property
    def is_fractional(self) -> bool:
        """Whether it is for an amount of money or a part of a share."""
        return self.qty is None or self.qty != self.qty.to_integral_value()


def read_ticket(body: object) -> Ticket:
    """Read and check a new order.

    Raises:
        ApiRefusal: naming the first thing that is wrong.
    """
    if not isinstance(body, dict):
        raise syntax("request body format is invalid")
    kind = _word(body, "type", Kind, Kind.MARKET)
    shape = Shape.SIMPLE
    if body.get("order_class") not in (None, "", "simple"):
        shape = _word(body, "order_class", Shape, Shape.SIMPLE)
    if shape is Shape.OCO:
        kind = Kind.LIMIT
    profit, loss = _leg(body, "take_profit"), _leg(body, "stop_loss")
    take_profit = price_of(profit, "limit_price", "take_profit.limit_price")
    ticket = Ticket(
        symbol=_symbol(body),
        side=_word(body, "side", Side, None),
        kind=kind,
        tif=_word(body, "time_in_force", Tif, None),
        qty=amount_of(body, "qty"),
        notional=amount_of(body, "notional"),
        limit_price=take_profit if shape is Shape.OCO else price_of(body, "limit_price"),
        stop_price=price_of(body, "stop_price"),
        trail_price=amount_of(body, "trail_price"),
        trail_percent=amount_of(body, "trail_percent"),
        extended_hours=bool(body.get("extended_hours") or False),
        client_order_id=client_id_of(body),
        shape=shape,
        take_profit=take_profit,
        stop_loss=price_of(loss, "stop_price", "stop_loss.stop_price"),
        stop_loss_limit=price_of(loss, "limit_price", "stop_loss.limit_price"),
        position_intent=_intent(body),
    )
    _check_quantity(ticket)
    check_prices(ticket.kind, ticket.limit_price, ticket.stop_price)
    _check_trail(ticket)
    _check_terms(ticket)
    _check_legs(ticket)
    return ticket


def amount_of(body: Mapping[str, Any], name: str) -> Decimal | None:
    """A number above 0, sent as JSON number or text; None when absent.

    Raises:
        ApiRefusal: it is not a finite number above 0 and below :data:`NUMBER_MAX`.
    """
    given = body.get(name)
    if given is None or given == "":
        return None
    try:
        if isinstance(given, bool):
            raise InvalidOperation
        value = Decimal(str(given).strip())
    except InvalidOperation as error:
        raise syntax(f"{name} must be a number") from error
    if not value.is_finite():
        raise syntax(f"{name} must be a number")
    if value <= 0:
        raise syntax(f"{name} must be > 0")
    if value > NUMBER_MAX:
        raise syntax(f"{name} must be <= {NUMBER_MAX}")
    # Clients that send binary floats mean what the float prints as, up to nine decimals.
    rounded = value.quantize(Decimal(1).scaleb(-QUANTITY_DIGITS))
    return (rounded if rounded else value).normalize() + 0


def price_of(body: Mapping[str, Any], name: str, shown: str | None = None) -> Decimal | None:
    """A price on the market's increments: cents, and hundredths of cents below 1.00.

    Raises:
        ApiRefusal: it is no price or finer than that.
    """
    price = amount_of(body, name)
    if price is None:
        return None
    increment = CENT if price >= 1 else PENNY_PART
    if price % increment:
        raise sub_penny(shown or name, price)
    return price


def client_id_of(body: Mapping[str, Any]) -> str | None:
    """The client order id, None when the broker is to choose one.

    Raises:
        ApiRefusal: it is too long or no text.
    """
    given = body.get("client_order_id")
    if given is None or given == "":
        return None
    if not isinstance(given, str):
        raise syntax("client_order_id must be a string")
    is_long = len(given) > CLIENT_ID_CHARACTERS_MAX
    if is_long or len(given.encode(errors="replace")) > CLIENT_ID_BYTES_MAX:
        raise syntax(f"client_order_id must be no more than {CLIENT_ID_CHARACTERS_MAX} characters")
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in given):
        raise syntax("client_order_id must be printable")
    return given


def check_prices(kind: Kind, limit: Decimal | None, stop: Decimal | None) -> None:
    """Check that the prices an order type needs are there, and no others.

    Raises:
        ApiRefusal: naming what is missing or too much.
    """
    needs_limit = kind in (Kind.LIMIT, Kind.STOP_LIMIT)
    needs_stop = kind in (Kind.STOP, Kind.STOP_LIMIT)
    words = str(kind).replace("_", " ")
    if needs_limit and limit is None:
        raise syntax(f"{words} orders require a limit price")
    if needs_stop and stop is None:
        raise syntax(f"{words} orders require a stop price")
    if kind is Kind.MARKET and (limit is not None or stop is not None):
        raise syntax("market orders require no stop or limit price")
    if limit is not None and not needs_limit:
        raise syntax(f"{words} orders require no limit price")
    if stop is not None and not needs_stop:
        raise syntax(f"{words} orders require no stop price")


def _check_quantity(ticket: Ticket) -> None:
    if ticket.qty is not None and ticket.notional is not None:
        raise syntax("only one of qty or notional is accepted")
    if ticket.qty is None and ticket.notional is None:
        raise syntax("qty or notional is required")
    if ticket.notional is not None and ticket.notional % CENT:
        raise semantic("notional value must be limited to 2 decimal places")
    if not ticket.is_fractional:
        return
    if ticket.shape is not Shape.SIMPLE:
        raise semantic("fractional orders must be simple orders")
    if ticket.tif is not Tif.DAY:
        raise semantic("fractional orders must be DAY orders")
    if ticket.kind is Kind.TRAILING_STOP:
        raise semantic("fractional orders must be market, limit, stop or stop limit orders")


def _check_trail(ticket: Ticket) -> None:
    trails = [trail for trail in (ticket.trail_price, ticket.trail_percent) if trail is not None]
    if ticket.kind is not Kind.TRAILING_STOP:
        if trails:
            raise syntax(f"{ticket.kind} orders require no trail price or percent")
        return
    if len(trails) != 1:
        raise syntax("trailing stop orders must specify one of trail_price or trail_percent")
    if ticket.trail_percent is not None and ticket.trail_percent >= 100:
        raise syntax("trail_percent must be less than 100")


def _check_terms(ticket: Ticket) -> None:
    """Which types, times in force and sessions go together."""
    plain = ticket.kind in (Kind.MARKET, Kind.LIMIT)
    if ticket.tif in AUCTIONS | {Tif.IOC, Tif.FOK} and not plain:
        raise semantic(f"{ticket.tif} orders must be market or limit orders")
    if ticket.kind in TRIGGERED and ticket.tif not in (Tif.DAY, Tif.GTC):
        raise semantic(f"{ticket.kind} orders must be DAY or GTC orders")
    lasting = ticket.tif in (Tif.DAY, Tif.GTC)
    if ticket.extended_hours and not (ticket.kind is Kind.LIMIT and lasting):
        raise semantic("extended hours order must be DAY or GTC limit orders")


def _check_legs(ticket: Ticket) -> None:
    shape, profit, loss = ticket.shape, ticket.take_profit, ticket.stop_loss
    if shape is Shape.SIMPLE:
        if profit is not None or loss is not None:
            raise syntax("simple orders have no take_profit or stop_loss")
        return
    if ticket.tif not in (Tif.DAY, Tif.GTC):
        raise semantic(f"{shape} orders must be DAY or GTC orders")
    if ticket.extended_hours:
        raise semantic(f"{shape} orders are not allowed in extended hours")
    if shape is Shape.OTO:
        if (profit is None) == (loss is None):
            raise syntax("oto orders require either take_profit or stop_loss")
    elif profit is None:
        raise syntax(f"{shape} orders require take_profit.limit_price")
    elif loss is None:
        raise syntax(f"{shape} orders require stop_loss.stop_price")
    if shape is not Shape.OCO and ticket.kind not in (Kind.MARKET, Kind.LIMIT):
        raise semantic(f"{shape} orders must be market or limit orders")
    if profit is None or loss is None:
        return
    if (ticket.side is Side.BUY) is not (shape is Shape.OCO):
        if profit <= loss:
            raise semantic("take_profit.limit_price must be > stop_loss.stop_price")
    elif profit >= loss:
        raise semantic("take_profit.limit_price must be < stop_loss.stop_price")


def check_stop_side(ticket: Ticket, base: Decimal) -> None:
    """Check that the stop of a bracket, OCO or OTO lies on the losing side of ``base``.

    Raises:
        ApiRefusal: with the base price.
    """
    if ticket.stop_loss is None:
        return
    # An OCO order names its exit side, the others the side of their entry.
    protects_long = (ticket.side is Side.BUY) is not (ticket.shape is Shape.OCO)
    if protects_long and ticket.stop_loss > base - CENT:
        text = "stop_loss.stop_price must be <= base_price - 0.01"
    elif not protects_long and ticket.stop_loss < base + CENT:
        text = "stop_loss.stop_price must be >= base_price + 0.01"
    else:
        return
    raise semantic(text, base_price=number(base))


def _symbol(body: Mapping[str, Any]) -> str:
    symbol = body.get("symbol")
    if not isinstance(symbol, str) or not symbol.strip():
        raise syntax("symbol is required")
    return symbol.strip().upper()


def _word(body: Mapping[str, Any], name: str, words: type[_Word], default: _Word | None) -> _Word:
    given = body.get(name)
    if given in (None, ""):
        if default is None:
            raise syntax(f"{name} is required")
        return default
    try:
        return words(str(given).lower())
    except ValueError as error:
        raise syntax(f"invalid {name}: {str(given)[:40]}") from error


def _leg(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    given = body.get(name)
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise syntax(f"{name} must be an object")
    return given


def _intent(body: Mapping[str, Any]) -> str | None:
    given = body.get("position_intent")
    if given in (None, ""):
        return None
    if given not in INTENTS:
        raise syntax("invalid position_intent")
    return str(given)
