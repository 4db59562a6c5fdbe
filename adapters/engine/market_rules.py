"""What halts and auctions mean for an instruction that is being worked."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Protocol, runtime_checkable

from ...domain.auctions import LISTINGS
from ...domain.decision import Decision, TradeAction
from ...domain.instruction import Instruction
from ...domain.instruments import DescribesInstruments, round_lot_on
from ...domain.market import MarketState
from ...domain.money import ONE, ZERO
from ...domain.orders import ChildOrder
from ...domain.plan import PlanTerms
from ...domain.planning.facts import NO_SHORT_FACTS, ShortFacts
from ...domain.ports import NANOS, Broker, LendsShares, TimeInForce
from .desk import Desk

AUCTION_ORDERS: Final = frozenset({TimeInForce.OPG, TimeInForce.CLS})
UNEXPLAINED: Final = "unexplained_position"
DAILY_LOSS: Final = "daily_loss"
DEAF: Final = "trade_updates_down"
"""Causes for which an instruction is suspended although its symbol trades."""
LOSS_LOOK_NS: Final = 15 * NANOS
"""How often the broker is asked what the account is worth while what adds risk is worked."""
AUCTION_REPORT_NS: Final = 600 * NANOS
"""How long after its time an auction's report may take."""


@runtime_checkable
class HearsUpdates(Protocol):
    """A broker that tells what comes of orders over a connection, and knows when it is down."""

    @property
    def is_deaf(self) -> bool:
        """Whether it has been down for so long that nothing new may be decided."""
        ...


def is_deaf(broker: Broker) -> bool:
    """Whether what comes of orders is not heard at present, where the broker can say so."""
    return isinstance(broker, HearsUpdates) and broker.is_deaf


def adds_risk(desk: Desk, plan: PlanTerms) -> bool:
    """Whether a plan adds to what is held by our own record, or opens a position."""
    held = desk.books.book(desk.name).positions.get(plan.symbol, ZERO)
    return held * plan.side.sign >= 0


def why_held(desk: Desk, plan: PlanTerms) -> str:
    """Why a plan may not go on although its symbol trades, in a word; empty when it may."""
    opened = desk.account.session
    today = opened.session_date if opened is not None else ""
    if desk.account.standing.told(plan.symbol, today) and adds_risk(desk, plan):
        return UNEXPLAINED
    if desk.loss_reached and adds_risk(desk, plan):
        return DAILY_LOSS
    return DEAF if is_deaf(desk.broker) else ""


def is_unconfirmed(order: ChildOrder) -> bool:
    """Whether the broker has not said that it has the order: only asking can tell."""
    return order.is_indeterminate or not order.is_acknowledged


def may_be_absent(desk: Desk, order: ChildOrder) -> bool:
    """Whether the broker may not have an order at all, and can be asked whether it has."""
    can_ask = desk.broker.capabilities.lookup_by_client_id
    return can_ask and is_unconfirmed(order) and order.venue_order_id is None


def is_locked(instruction: Instruction, client_order_id: str, now: int) -> bool:
    """Whether an order is in an auction that lets nobody out any more, nor has reported yet."""
    auction = instruction.plan.auction if instruction.plan else None
    order = instruction.orders[client_order_id]
    if auction is None or order.time_in_force is not auction.auction.time_in_force:
        return False
    return auction.cancel_by < now < auction.at + AUCTION_REPORT_NS


def over_at(instruction: Instruction, plan: PlanTerms) -> int:
    """When nothing more can come of an instruction: an auction's report may take its time."""
    waits = any(order.time_in_force in AUCTION_ORDERS for order in instruction.live_orders)
    if plan.auction is None or not waits:
        return plan.end_at
    return max(plan.end_at, plan.auction.at + AUCTION_REPORT_NS)


def reopened(market: MarketState, since: int) -> bool:
    """Whether trading has begun again: by a print where the feed has prints, else by a quote."""
    quote, state = market.quote, market.trading
    if quote is None or quote.at <= since:
        return False
    told = state is not None and state.resumed_at is not None and market.volume is not None
    return not told or (state is not None and state.reopened_at is not None)


def short_facts(desk: Desk, decision: Decision, market: MarketState) -> ShortFacts:
    """What is known of selling a symbol short, only where a sell may be short at all."""
    if not desk.limits.allow_short or decision.action is TradeAction.BUY:
        return NO_SHORT_FACTS
    told = desk.market.shortable(decision.symbol) if isinstance(desk.market, LendsShares) else None
    test = market.trading.price_test if market.trading is not None else None
    return ShortFacts(shortable=told, locate=decision.locate, price_test=test)


def loss_basis(desk: Desk) -> Decimal | None:
    """What the account was worth before the session that is open, None before the first."""
    figures = desk.account.day
    ended, opened = figures.close_before, desk.account.session
    consecutive = (
        ended is not None
        and opened is not None
        and desk.calendar.next_session(ended).date == opened.session_date
    )
    return figures.basis_usd(consecutive=consecutive)


def listing_of(desk: Desk, symbol: str) -> str | None:
    """The listing market whose cut-offs hold for a symbol's auctions, None where unknown."""
    if not isinstance(desk.market, DescribesInstruments):
        return None
    found = desk.market.instrument(symbol)
    return None if found is None or found.exchange is None else LISTINGS.get(found.exchange)


def _price_of(market: MarketState) -> Decimal | None:
    return market.quote.mid if market.quote is not None else market.last_price


def round_lot_of(market: MarketState, date: str) -> Decimal | None:
    """Shares in a round lot on a date at the price now, None where there is no price or share."""
    price = _price_of(market)
    return None if price is None or market.lot != ONE else round_lot_on(price, date)


def record_instrument(desk: Desk, symbol: str) -> None:
    """Put on record which asset a symbol names, when it is first used or another than before.

    Tick and round lot are those of the session's date and the price known at that moment.
    """
    if not isinstance(desk.market, DescribesInstruments):
        return
    found = desk.market.instrument(symbol)
    if found is None:
        return
    session = desk.calendar.session_at(desk.now) or desk.calendar.next_session(desk.now)
    market = desk.market.state(symbol, desk.now)
    if _price_of(market) is not None:
        lot = round_lot_of(market, session.date)
        found = found.model_copy(update={"tick": market.tick, "round_lot": lot})
    stamp = desk.stamp("account", "instrument")
    desk.account.record_instrument(stamp, desk.name, session.date, found)
