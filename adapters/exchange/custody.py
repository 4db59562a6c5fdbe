"""What a simulated broker keeps from day to day beside its exchange, and its statements.

It knows nothing of the engine's log: trades are what the exchange executed, positions and cash what
its own books say, and corporate actions are applied to those by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final

from ...domain.corporate import CorporateAction, shares_after
from ...domain.fees import Charge, FeeSchedule
from ...domain.money import CENT, ZERO
from ...domain.ports import ReportKind
from ...domain.statement import FeeLine, FlowLine, PositionLine, Statement, TradeLine
from .exchange import Exchange

BOOKED: Final = (Charge.COMMISSION, Charge.SEC, Charge.TAF)


class Custodian:
    """Cash and shares of one account over many days; ``cash`` and ``positions`` are between them.

    Charges are accrued over the day and booked once, rounded up to the cent; the exchange holds
    back what each execution costs by itself, which is more.
    """

    def __init__(
        self, cash: Decimal, positions: Mapping[str, Decimal], schedule: FeeSchedule | None = None
    ) -> None:
        self.cash = cash
        self.positions = {symbol: n for symbol, n in positions.items() if n}
        self._schedule = schedule or FeeSchedule()
        self._flows: list[FlowLine] = []

    def before_open(
        self, actions: Sequence[CorporateAction], prices: Mapping[str, Decimal]
    ) -> None:
        """Apply the actions that take effect today, in order of effect.

        A fraction of a share is paid in cash at ``prices``, of a share after the action.
        """
        renamed: dict[str, Decimal] = {}
        for action in actions:
            held = self.positions.pop(action.symbol, ZERO)
            if action.cash_per_share is not None and held:
                paid = (held * action.cash_per_share).quantize(CENT, rounding=ROUND_HALF_EVEN)
                self._flow("dividend", paid, action.symbol)
            name = action.new_symbol or action.symbol
            exact = shares_after(held, action)
            whole = exact.to_integral_value(rounding=ROUND_FLOOR)
            if exact != whole:
                price = prices.get(name, ZERO)
                paid = ((exact - whole) * price).quantize(CENT, rounding=ROUND_HALF_EVEN)
                self._flow("cash_in_lieu", paid, name)
            target = renamed if action.new_symbol else self.positions
            target[name] = target.get(name, ZERO) + whole
        for symbol, shares in renamed.items():
            self.positions[symbol] = self.positions.get(symbol, ZERO) + shares
        self.positions = {symbol: n for symbol, n in self.positions.items() if n}

    def deposit(self, amount: Decimal) -> None:
        """Cash from outside, before the open."""
        self._flow("deposit", amount)

    def close(self, exchange: Exchange, session_date: str, at: int) -> Statement:
        """Take over what the exchange's day came to, and write the day's statement."""
        orders = {order.client_order_id: order for order in exchange.orders()}
        history = exchange.reports_since(list(orders), at)
        trades: list[TradeLine] = []
        held_back = ZERO
        for report in history:
            if report.kind is not ReportKind.TRADE or not report.last_qty or not report.last_price:
                continue
            order = orders[report.client_order_id]
            held_back += report.fee
            trades.append(
                TradeLine(
                    execution_id=report.execution_id or "",
                    order=order.venue_order_id,
                    symbol=order.symbol,
                    side=order.side,
                    quantity=report.last_qty,
                    price=report.last_price,
                )
            )
        fees = self._booked(session_date, trades)
        account = exchange.account(at)
        self.cash = account.cash + held_back - sum((fee.amount for fee in fees), ZERO)
        self.positions = {s: p.quantity for s, p in exchange.positions(at).items() if p.quantity}
        flows, self._flows = tuple(self._flows), []
        return Statement(
            session_date=session_date,
            trades=tuple(trades),
            positions=tuple(
                PositionLine(symbol=symbol, quantity=n)
                for symbol, n in sorted(self.positions.items())
            ),
            fees=fees,
            flows=flows,
            closing_cash=self.cash,
        )

    def _flow(self, kind: str, amount: Decimal, symbol: str = "") -> None:
        self.cash += amount
        self._flows.append(FlowLine(kind=kind, amount=amount, symbol=symbol))

    def _booked(self, date: str, trades: Iterable[TradeLine]) -> tuple[FeeLine, ...]:
        sums = dict.fromkeys(BOOKED, ZERO)
        for line in trades:
            charges = self._schedule.charges(
                date=date, is_sell=line.side.sign < 0, quantity=line.quantity, price=line.price
            )
            for charge in BOOKED:
                sums[charge] += getattr(charges, charge.value) or ZERO
        return tuple(
            FeeLine(charge=charge.value, amount=total.quantize(CENT, rounding=ROUND_CEILING))
            for charge, total in sums.items()
            if total
        )
