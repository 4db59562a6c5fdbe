"""Whether the account may send an order now: asset, shares, money, wash trades."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ...domain.ports import Session, Side
from .assets import Asset, Assets
from .ledger import Ledger
from .means import Means
from .orders import Kind, OrderBook, PaperOrder, Shape, Status, Tif
from .refusals import (
    forbidden,
    insufficient_buying_power,
    insufficient_quantity,
    semantic,
    wash_trade,
)
from .ticket import Ticket, check_stop_side
from .wire import number

MINUTE_NS: Final = 60 * 1_000_000_000
CLS_LEAD_NS: Final = 10 * MINUTE_NS
OPG_LEAD_NS: Final = 2 * MINUTE_NS
EVENING_NS: Final = 3 * 60 * MINUTE_NS
"""OPG orders are taken again this long after the close, at 19:00."""
COST_MIN: Final = Decimal(1)
AT_ANY_PRICE: Final = (Kind.MARKET, Kind.STOP)


class Screening:
    """Checks a ticket against the account, the market and the other orders."""

    def __init__(
        self,
        assets: Assets,
        ledger: Ledger,
        book: OrderBook,
        means: Means,
        session: Session,
        configurations: Mapping[str, Any],
    ) -> None:
        self._assets = assets
        self._ledger = ledger
        self._book = book
        self._means = means
        self._session = session
        self._configurations = configurations

    def check(self, ticket: Ticket, at: int, replaced: PaperOrder | None = None) -> str:
        """The position intent of an order that may be sent; ``replaced`` is no longer counted.

        Raises:
            ApiRefusal: it may not be sent, with the catalogue's status, code and fields.
        """
        if self._configurations["suspend_trade"]:
            raise forbidden("new orders are rejected by user request")
        asset = self._assets.find(ticket.symbol)
        if asset is None or asset.symbol != ticket.symbol:
            raise semantic(f'asset "{ticket.symbol}" not found')
        if not asset.tradable:
            raise semantic(f'asset "{ticket.symbol}" is not tradable')
        intent = self._intent(ticket)
        self._check_auction(ticket, at)
        self._check_fraction(ticket, asset)
        if replaced is None or not replaced.is_leg:
            self._check_shares(ticket, asset, intent, replaced)
        if ticket.shape is not Shape.SIMPLE:
            base = ticket.limit_price
            if base is None or ticket.shape is Shape.OCO:
                base = self._means.far_touch(ticket.symbol, ticket.side, at)
            check_stop_side(ticket, base)
        self._check_wash(ticket, replaced)
        self._check_cost(ticket, at, intent, replaced)
        return intent

    def _intent(self, ticket: Ticket) -> str:
        held = self._ledger.held(ticket.symbol)
        closes = held * ticket.side.sign < 0
        inferred = f"{ticket.side}_to_{'close' if closes else 'open'}"
        if ticket.position_intent not in (None, inferred):
            raise semantic(
                f"position intent mismatch, inferred: {inferred}, "
                f"specified: {ticket.position_intent}"
            )
        return inferred

    def _check_auction(self, ticket: Ticket, at: int) -> None:
        session = self._session
        if ticket.tif is Tif.CLS and session.close - CLS_LEAD_NS <= at < session.close:
            raise forbidden("cls orders must be submitted before 3:50pm")
        late = session.open - OPG_LEAD_NS <= at < session.close + EVENING_NS
        if ticket.tif is Tif.OPG and late:
            raise forbidden("opg orders must be submitted after 7:00pm and before 9:28am")

    def _check_fraction(self, ticket: Ticket, asset: Asset) -> None:
        if not ticket.is_fractional:
            return
        if not asset.fractionable:
            raise forbidden(f'asset "{asset.symbol}" is not fractionable')
        if not self._configurations["fractional_trading"]:
            raise forbidden("fractional trading is disabled for this account")

    def _check_shares(
        self, ticket: Ticket, asset: Asset, intent: str, replaced: PaperOrder | None
    ) -> None:
        held = self._ledger.held(ticket.symbol)
        if intent.endswith("close"):
            reserved = self._means.reserved(ticket.symbol, ticket.side, replaced)
            wanted = ticket.qty
            if wanted is not None and wanted > abs(held) - reserved:
                raise insufficient_quantity(ticket.symbol, wanted, abs(held), reserved)
            return
        if ticket.shape is Shape.OCO:
            raise insufficient_quantity(ticket.symbol, ticket.qty or COST_MIN, held, Decimal(0))
        if ticket.side is Side.BUY:
            return
        if self._configurations["no_shorting"]:
            raise forbidden("account is not allowed to short")
        if ticket.is_fractional:
            raise semantic("fractional orders cannot be sold short")
        if not asset.shortable:
            raise forbidden(f'asset "{asset.symbol}" cannot be sold short')

    def _check_wash(self, ticket: Ticket, replaced: PaperOrder | None) -> None:
        if ticket.shape is not Shape.SIMPLE or ticket.kind is Kind.TRAILING_STOP:
            return
        for other in self._book.open(ticket.symbol):
            exempt = other.shape is not Shape.SIMPLE or other.kind is Kind.TRAILING_STOP
            if other.side is ticket.side or exempt or other.is_leg or other is replaced:
                continue
            if other.status is Status.HELD:
                continue
            if other.kind in AT_ANY_PRICE or ticket.kind in AT_ANY_PRICE:
                raise wash_trade(other.id, "opposite side market/stop order exists")
            limits = (ticket.limit_price or Decimal(0), other.limit_price or Decimal(0))
            buy, sell = limits if ticket.side is Side.BUY else reversed(limits)
            if buy >= sell:
                raise wash_trade(other.id, "opposite side limit order exists")

    def _check_cost(
        self, ticket: Ticket, at: int, intent: str, replaced: PaperOrder | None
    ) -> None:
        cost = self._means.cost(ticket, at)
        if ticket.is_fractional and cost < COST_MIN and intent.endswith("open"):
            raise forbidden(
                f"cost basis must be >= minimal amount of order {number(COST_MIN)}",
                cost_basis=number(cost),
            )
        if not intent.endswith("open"):
            return
        power = self._means.buying_power(at, replaced)
        if cost > power:
            raise insufficient_buying_power(power, cost)
