"""What the account can pay for, and the figures of ``/v2/account`` and ``/v2/positions``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from ...domain.ports import Side
from .ledger import Ledger
from .orders import Kind, OrderBook, PaperOrder, Shape, Status
from .tape import Tapes
from .ticket import Ticket
from .venue import Venue
from .wire import cents, number

ZERO: Final = Decimal(0)
CENT: Final = Decimal("0.01")
MARGIN: Final = Decimal("0.3")
HALF: Final = Decimal("0.5")
MONEY: Final = Decimal("0.000001")
RATIO: Final = Decimal("0.00001")


class Means:
    """Buying power, holds and values at a moment."""

    def __init__(
        self,
        ledger: Ledger,
        book: OrderBook,
        venue: Venue,
        tapes: Tapes,
        configurations: Mapping[str, Any],
        asset_id: Callable[[str], str],
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._venue = venue
        self._tapes = tapes
        self._configurations = configurations
        self._asset_id = asset_id

    @property
    def multiplier(self) -> Decimal:
        """How many times its equity the account may hold."""
        return Decimal(str(self._configurations["max_margin_multiplier"]))

    def price(self, symbol: str, at: int) -> Decimal:
        """What a share is worth: its last print, else the mid, else its entry price."""
        tape = self._tapes.find(symbol)
        last = None if tape is None else tape.last_price(at)
        if last is None and tape is not None:
            last = self._venue.mid(symbol, at)
        holding = self._ledger.holdings.get(symbol)
        return last or (holding.entry if holding else ZERO)

    def equity(self, at: int) -> Decimal:
        """Cash and positions."""
        ledger, price = self._ledger, self.price
        return ledger.cash + ledger.long_value(at, price) + ledger.short_value(at, price)

    def buying_power(self, at: int, without: PaperOrder | None = None) -> Decimal:
        """What new positions may cost, net of what open orders may still cost."""
        ledger = self._ledger
        gross = ledger.long_value(at, self.price) - ledger.short_value(at, self.price)
        holds = sum((self.hold(o, at) for o in self._book.open() if o is not without), ZERO)
        power = self.multiplier * self.equity(at) - gross - holds
        return max(power, ZERO).quantize(CENT, ROUND_DOWN)

    def hold(self, order: PaperOrder, at: int) -> Decimal:
        """What an open order may still cost; nothing when it closes a position."""
        if order.is_leg or order.shape is Shape.OCO or order.position_intent.endswith("close"):
            return ZERO
        if order.notional is not None:
            return max(order.notional - order.filled_value, ZERO)
        return order.leaves * self._expected(order, at)

    def cost(self, ticket: Ticket, at: int) -> Decimal:
        """What a new order may cost."""
        if ticket.notional is not None:
            return ticket.notional
        return (ticket.qty or ZERO) * self._expected(ticket, at)

    def reserved(self, symbol: str, side: Side, without: PaperOrder | None = None) -> Decimal:
        """Shares of a position that open orders of ``side`` offer already."""
        return sum(
            (
                order.leaves
                for order in self._book.open(symbol)
                if order.side is side
                and order is not without
                and order.status is not Status.HELD
                and order.position_intent.endswith("close")
            ),
            ZERO,
        )

    def far_touch(self, symbol: str, side: Side, at: int) -> Decimal:
        """The price a market order of ``side`` meets."""
        return self._venue.touch(symbol, side.sign, at) or self.price(symbol, at)

    def _expected(self, order: PaperOrder | Ticket, at: int) -> Decimal:
        if order.limit_price is not None:
            return order.limit_price
        if order.kind is Kind.STOP and order.stop_price is not None:
            return order.stop_price
        return self.far_touch(order.symbol, order.side, at)

    # As the API shows it

    def account(
        self, at: int, account_id: str, created_at: str, balance_asof: str
    ) -> dict[str, Any]:
        """The body of ``/v2/account``; ``balance_asof`` is the date of the last settled books."""
        ledger = self._ledger
        longs, shorts = ledger.long_value(at, self.price), ledger.short_value(at, self.price)
        equity, gross = ledger.cash + longs + shorts, longs - shorts
        power = cents(self.buying_power(at))
        unmargined = cents(max(equity - gross, ZERO))
        suspended = bool(self._configurations["suspend_trade"])
        return {
            "id": account_id,
            "admin_configurations": {},
            "user_configurations": None,
            "account_number": f"PA{account_id[:8].upper()}",
            "status": "ACTIVE",
            "crypto_status": "INACTIVE",
            "crypto_tier": 1,
            "options_approved_level": 0,
            "options_trading_level": 0,
            "currency": "USD",
            "buying_power": power,
            "regt_buying_power": cents(max(2 * equity - gross, ZERO)),
            "effective_buying_power": power,
            "non_marginable_buying_power": unmargined,
            "options_buying_power": unmargined,
            "cash": cents(ledger.cash),
            "accrued_fees": "0",
            "portfolio_value": cents(equity),
            "trading_blocked": False,
            "transfers_blocked": False,
            "account_blocked": False,
            "created_at": created_at,
            "balance_asof": balance_asof,
            "trade_suspended_by_user": suspended,
            "multiplier": number(self.multiplier),
            "shorting_enabled": not self._configurations["no_shorting"],
            "equity": cents(equity),
            "last_equity": number(ledger.last_equity),
            "long_market_value": cents(longs),
            "short_market_value": cents(shorts),
            "position_market_value": cents(gross),
            "initial_margin": cents(gross * HALF),
            "maintenance_margin": cents(gross * MARGIN),
            "last_maintenance_margin": "0",
            "sma": cents(equity),
            "intraday_adjustments": "0",
            "pending_reg_taf_fees": "0",
        }

    def positions(self, at: int) -> list[dict[str, Any]]:
        """The body of ``/v2/positions``."""
        return [self._position(symbol, at) for symbol in self._ledger.holdings]

    def position(self, symbol: str, at: int) -> dict[str, Any] | None:
        """One position, None when there is none."""
        return self._position(symbol, at) if symbol in self._ledger.holdings else None

    def _position(self, symbol: str, at: int) -> dict[str, Any]:
        holding = self._ledger.holdings[symbol]
        price, tape = self.price(symbol, at), self._tapes.find(symbol)
        before = (tape.previous_close if tape else None) or holding.entry
        value, cost = holding.qty * price, holding.qty * holding.entry
        exit_side = Side.SELL if holding.qty > 0 else Side.BUY
        sign = 1 if holding.qty > 0 else -1
        available = holding.qty - sign * self.reserved(symbol, exit_side)
        profit = value - cost
        share = (profit / abs(cost)).quantize(RATIO) if cost else ZERO
        return {
            "asset_id": self._asset_id(symbol),
            "symbol": symbol,
            "exchange": "NASDAQ",
            "asset_class": "us_equity",
            "asset_marginable": True,
            "qty": number(holding.qty),
            "qty_available": number(available),
            "avg_entry_price": number(holding.entry.quantize(MONEY)),
            "side": "long" if holding.qty > 0 else "short",
            "market_value": number(value.quantize(MONEY)),
            "cost_basis": number(cost.quantize(MONEY)),
            "unrealized_pl": number(profit.quantize(MONEY)),
            "unrealized_plpc": number(share),
            "unrealized_intraday_pl": number(profit.quantize(MONEY)),
            "unrealized_intraday_plpc": number(share),
            "current_price": number(price),
            "lastday_price": number(before.quantize(MONEY)),
            "change_today": number(((price - before) / before).quantize(RATIO)) if before else "0",
        }
