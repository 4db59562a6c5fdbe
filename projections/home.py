"""Where what one instruction moves is counted: looked up once, and asked by every fill."""

from __future__ import annotations

from typing import Final

from ..domain.limits import grid_up
from ..domain.money import ZERO
from ..domain.ports import Side
from ..domain.reservations import Reservation, counter_keys
from .session_usage import AccountUse, Change, SessionUse, Traded

_BUY: Final = Side.BUY


class Home:
    """An instruction's account, symbol and session of admission, and its counters there.

    ``of`` is the projection whose account it is: a holding may go to another, which has its own.
    """

    __slots__ = (
        "_buys",
        "_side",
        "_symbol_name",
        "_takes_power",
        "account",
        "exempt",
        "keys",
        "of",
        "session",
        "symbol",
    )

    def __init__(self, of: object, account: AccountUse, reservation: Reservation) -> None:
        self.of = of
        self.account = account
        self.symbol = account.symbol(reservation.symbol)
        self.session = account.session(reservation.session_date)
        self.keys = counter_keys(reservation)
        self.exempt = reservation.exempt
        self._symbol_name, self._side = reservation.symbol, reservation.side
        self._buys = reservation.side is _BUY
        self._takes_power = reservation.buying_power_usd > ZERO

    def moved(self, change: Change) -> None:
        """Count in account and symbol what changed in what is held."""
        _, _, held, power = change
        symbol = self.symbol
        symbol.cached = None
        if self._buys:
            symbol.buy_leaves += held
        else:
            symbol.sell_leaves += held
        self.account.power_leaves += power

    def traded(self, traded: Traded) -> SessionUse:
        """Count executions in account and symbol; gives the session that they count in.

        That is where they happened, which is here unless a later session had opened.
        """
        account, symbol, session = self.account, self.symbol, self.session
        at, shares, notional, uncertain, _ = traded
        symbol.cached = None
        symbol.unsettled += uncertain
        if not (shares or notional):
            return session
        if self._buys:
            symbol.buy_leaves -= shares
            symbol.unshown.add(at, shares)
        else:
            symbol.sell_leaves -= shares
            symbol.unshown.add(at, -shares)
        spent = grid_up(notional) if self._takes_power else ZERO
        account.power_leaves -= spent
        account.power_unshown.add(at, spent)
        if session.date != account.current:
            session = account.session_of(at, session.date)
        session.traded(self._symbol_name, self._side, shares)
        return session
