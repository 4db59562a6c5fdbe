"""Decimal quantities of money and shares, and the roundings that trading needs.

Money, prices and quantities are :class:`decimal.Decimal` everywhere in the domain; floats are
converted at the door with :func:`to_decimal` and nowhere else.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, Field

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
BPS: Final = Decimal(10_000)
CENT: Final = Decimal("0.01")

PRICE_MAX: Final = Decimal("10000000")
QUANTITY_MAX: Final = Decimal("1000000000000")


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("must be a finite number")
    return value


_FINITE = AfterValidator(_finite)

Price = Annotated[Decimal, _FINITE, Field(gt=0, le=PRICE_MAX)]
"""A price in account currency per share: above 0, at most ``PRICE_MAX``."""
Quantity = Annotated[Decimal, _FINITE, Field(gt=0, le=QUANTITY_MAX)]
"""A number of shares to trade: above 0, at most ``QUANTITY_MAX``."""
Shares = Annotated[Decimal, _FINITE, Field(ge=0, le=QUANTITY_MAX)]
"""A number of shares that may be none."""
SignedShares = Annotated[Decimal, _FINITE]
"""A position: positive long, negative short."""
Money = Annotated[Decimal, _FINITE]
"""An amount in account currency."""
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
"""A currency by ISO 4217, such as USD."""
Bps = Annotated[Decimal, _FINITE]
"""Basis points; positive is a cost."""


def to_decimal(value: object, *, field: str) -> Decimal:
    """Convert a number at the door.

    Floats are read by their shortest printed form (``0.1`` is one tenth).

    Raises:
        ValueError: naming ``field`` when the value is not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{field} must be a number, not {type(value).__name__}")
    try:
        number = Decimal(str(value).strip())
    except ArithmeticError as error:
        raise ValueError(f"{field} must be a number, not {str(value)[:40]!r}") from error
    if not number.is_finite():
        raise ValueError(f"{field} must be a finite number, not {value}")
    return number


def round_to_tick(price: Decimal, tick: Decimal, *, up: bool) -> Decimal:
    """Round a price to a multiple of ``tick``, towards higher prices when ``up``."""
    rounding = ROUND_CEILING if up else ROUND_FLOOR
    return (price / tick).to_integral_value(rounding=rounding) * tick


def bound_price(arrival_mid: Decimal, bound_bps: Decimal, side_sign: int, tick: Decimal) -> Decimal:
    """The worst price a child may trade at: ``bound_bps`` past the arrival mid.

    Rounded to the tick on the safe side: down for a buy (``side_sign`` +1), up for a sell (-1).
    """
    raw = arrival_mid * (ONE + side_sign * bound_bps / BPS)
    return round_to_tick(raw, tick, up=side_sign < 0)


def round_lot(quantity: Decimal, lot: Decimal) -> Decimal:
    """Round a non-negative quantity down to a multiple of ``lot``."""
    return (quantity / lot).to_integral_value(rounding=ROUND_DOWN) * lot


def cumulative_target(quantity: Decimal, done: int, total: int, lot: Decimal = ONE) -> Decimal:
    """Shares due after ``done`` of ``total`` equal slices: round(quantity * done / total).

    Half goes to even; the last slice is the exact remainder, so that slices always add up.
    """
    if done >= total:
        return quantity
    units = quantity / lot * done / total
    return units.to_integral_value(rounding=ROUND_HALF_EVEN) * lot


def slippage_bps(side_sign: int, price: Decimal, benchmark: Decimal) -> Decimal:
    """Cost against a benchmark, ``side * (price - benchmark) / benchmark * 10,000`` (CFA)."""
    return side_sign * (price - benchmark) / benchmark * BPS


def usd(amount: Decimal) -> str:
    """An amount for people, to the cent."""
    return f"{amount.quantize(CENT):,} USD"


def plain(value: Decimal) -> str:
    """The canonical text of a Decimal: no exponent, no trailing zeros, no negative zero."""
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
