"""Account and positions as a provider gives them, and what stands in where it gives none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ...domain.errors import BrokerUnavailable
from ...domain.money import ZERO
from ...domain.ports import Account, AccountKind, Position
from ..provider_reading import number_of, text_of

POSITIONS_MAX: Final = 50_000


@dataclass(frozen=True, slots=True)
class NeutralDefaults:
    """What stands in for a provider that has no account: never used when trading live.

    ``equity`` is all cash, in account currency.
    """

    equity: Decimal = Decimal(100_000)

    def account(self, at: int) -> Account:
        """The account that stands in."""
        return Account(
            equity=self.equity,
            cash=self.equity,
            buying_power=self.equity,
            at=at,
            note="account figures are a neutral default: the provider gives none",
            kind=AccountKind.MARGIN,
        )


def read_account(value: object, at: int) -> tuple[Account, frozenset[str]] | None:
    """The account, and which of its figures were inferred; None without a readable equity.

    Cash that is not given is taken as the buying power, buying power as the cash; with neither,
    both are the equity (an account without positions or credit).
    """
    equity = number_of(value, "account_value", "equity", "portfolio_value")
    if equity is None:
        return None
    cash = number_of(value, "cash")
    power = number_of(value, "buying_power")
    inferred = set()
    if cash is None:
        inferred.add("account.cash")
    if power is None:
        inferred.add("account.buying_power")
    known_cash = cash if cash is not None else power if power is not None else equity
    known_power = power if power is not None else min(known_cash, equity)
    note = f"assumed from equity: {', '.join(sorted(inferred))}" if inferred else ""
    kind, multiplier = _kind_of(value)
    return Account(equity, known_cash, known_power, at, note, kind, multiplier), frozenset(inferred)


def _kind_of(value: object) -> tuple[AccountKind, Decimal | None]:
    """Cash or margin by ``account_type`` or ``multiplier``.

    The seed's provider says neither, and its accounts are traded as margin accounts; one that says
    something else is not understood.
    """
    said = (text_of(value, "account_type") or "").lower()
    multiplier = number_of(value, "multiplier")
    if said:
        known = {kind.value: kind for kind in AccountKind}
        return known.get(said, AccountKind.UNKNOWN), multiplier
    if multiplier is None:
        return AccountKind.MARGIN, None
    return (AccountKind.CASH if multiplier <= 1 else AccountKind.MARGIN), multiplier


def read_positions(value: object) -> dict[str, Position] | None:
    """Positions by symbol from the seed's mapping or a list of records; None when neither.

    Raises:
        BrokerUnavailable: a position is there whose quantity cannot be read; to take it for none
            would trade on a wrong position.
    """
    if isinstance(value, Mapping):
        entries = [(str(symbol), entry) for symbol, entry in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        entries = [(text_of(entry, "symbol") or "", entry) for entry in value]
    else:
        return None
    positions: dict[str, Position] = {}
    for symbol, entry in entries[:POSITIONS_MAX]:
        quantity = number_of(entry, "quantity", "qty")
        if quantity is None or not symbol:
            shown = symbol or "without a symbol"
            raise BrokerUnavailable(f"the provider's position {shown} has no readable quantity")
        if text_of(entry, "side") == "short":
            quantity = -abs(quantity)
        if quantity:
            market_value = number_of(entry, "market_value")
            positions[symbol] = Position(symbol, quantity, market_value or ZERO)
    return positions
