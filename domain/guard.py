"""The last check of every step before it becomes orders: what no strategy may do, whatever it asks.

A strategy is a proposal. The guard cuts it down to what the rulings allow and names each cut, so
that a broken strategy costs an anomaly in the log and not a wrong order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from .handing_over import algorithm_of
from .luld import inside_band
from .market import MarketState, PriceBand, TradingStatus
from .money import ZERO, round_lot, round_to_tick
from .plan import PlanTerms
from .ports import OrderType, SellMark, TimeInForce
from .short_sales import above_bid, mark_of
from .strategies.common import worst_price
from .strategies.contract import Cancel, InstructionView, Place, Step
from .violations import STEP_ORDERS_MAX, Violation

CANCELS_KEPT: Final = 20
"""Messages kept for cancels when orders are placed: a tenth of 200 a minute."""
AUCTIONS: Final = frozenset({TimeInForce.OPG, TimeInForce.CLS})


@dataclass(frozen=True, slots=True)
class Guarded:
    """A step that may be carried out, and what had to be taken from it, each kind once."""

    step: Step
    violations: tuple[Violation, ...] = ()


class _Surroundings(NamedTuple):
    """What the guard is told beyond plan, view and market."""

    now: int
    session_close: int
    closing_buffer_ns: int
    opposite_limits: Sequence[Decimal | None]
    band: PriceBand | None


def constrain(
    step: Step,
    plan: PlanTerms,
    view: InstructionView,
    market: MarketState,
    now: int,
    *,
    session_close: int,
    closing_buffer_ns: int,
    messages_left: int,
    cancels_kept: int = CANCELS_KEPT,
    crosses_kept: int = 0,
    opposite_limits: Sequence[Decimal | None] = (),
) -> Guarded:
    """Cut a step down to what may be sent, and name what was cut.

    Args:
        session_close: when the exchange's session ends, ns UTC; ``closing_buffer_ns`` before it no
            new slice is placed, except crosses of the plan's final phase.
        messages_left: requests the broker still takes, for this account, at this moment.
        cancels_kept: how many of them orders must leave for cancels.
        crosses_kept: how many more a day order, which can wait, leaves for what other plans have to
            cross at their deadlines.
        opposite_limits: limits of own open orders of the other side in the symbol, None for a
            market order.

    What was cut is tried again: the step then wakes within one interval.
    """
    if not step.cancels and not step.places:
        return Guarded(step)
    found: list[Violation] = []
    cancels = _known_cancels(step, view, found)
    known = len(cancels)
    if known > messages_left:
        found.append(Violation.MESSAGE_BUDGET)
        cancels = cancels[: max(messages_left, 0)]
    around = _Surroundings(now, session_close, closing_buffer_ns, opposite_limits, market.band)
    places = _allowed_places(step, plan, view, market, around, found)
    paid = _paid(places, messages_left - len(cancels) - cancels_kept, crosses_kept)
    if len(paid) < len(places):
        found.append(Violation.MESSAGE_BUDGET)
        places = paid
    if not found and plan.long_quantity is None:
        return Guarded(step)
    if not found:
        return Guarded(step.model_copy(update={"places": tuple(places)}))
    retry = now + plan.parameters.interval_ns
    rebuilt = Step(
        cancels=tuple(cancels),
        places=tuple(places),
        wake_at=retry if step.wake_at is None else min(step.wake_at, retry),
        rule=step.rule,
        # The end waits until every cancel could be sent.
        finish=step.finish if len(cancels) == known else None,
    )
    return Guarded(rebuilt, tuple(dict.fromkeys(found)))


def _paid(places: Sequence[Place], budget: int, crosses_kept: int) -> list[Place]:
    """What the budget pays for: what completes before what waits, else in the strategy's order."""
    paid: list[Place] = []
    for place in sorted(places, key=lambda one: one.time_in_force is not TimeInForce.IOC):
        waits = place.time_in_force is TimeInForce.DAY
        if len(paid) < budget - (crosses_kept if waits else 0):
            paid.append(place)
    return paid


def _known_cancels(step: Step, view: InstructionView, found: list[Violation]) -> list[Cancel]:
    open_ids = {order.client_order_id for order in view.orders if not order.cancel_requested}
    cancels: list[Cancel] = []
    for cancel in step.cancels:
        if cancel.client_order_id in open_ids:
            open_ids.discard(cancel.client_order_id)
            cancels.append(cancel)
        else:
            found.append(Violation.UNKNOWN_CANCEL)
    return cancels


def _allowed_places(
    step: Step,
    plan: PlanTerms,
    view: InstructionView,
    market: MarketState,
    around: _Surroundings,
    found: list[Violation],
) -> list[Place]:
    if not step.places:
        return []
    barred = _barred(step, plan, market, around)
    if barred is not None:
        found.append(barred)
        return []
    if len(step.places) > STEP_ORDERS_MAX:
        found.append(Violation.TOO_MANY_ORDERS)
    free, sold_long = view.free(plan), view.long_exposure
    places: list[Place] = []
    for asked in step.places[:STEP_ORDERS_MAX]:
        place = _allowed(asked, plan, free, around, found)
        if place is not None and plan.long_quantity is not None:
            place = _marked(place, plan, sold_long, view.executed, market, found)
        if place is not None:
            free -= place.quantity
            sold_long += place.quantity if place.sell_mark is SellMark.LONG else ZERO
            places.append(place)
    return places


def _marked(
    place: Place,
    plan: PlanTerms,
    sold_long: Decimal,
    executed: Decimal,
    market: MarketState,
    found: list[Violation],
) -> Place | None:
    """The order with its mark, cut where a sell goes through zero, and priced by Rule 201."""
    marked = mark_of(
        plan.side,
        place.quantity,
        long_quantity=plan.long_quantity,
        short_mark=plan.short_mark,
        long_exposure=sold_long,
        executed=executed,
    )
    if marked.quantity < place.quantity:
        found.append(Violation.AWAITS_LONG)
    if marked.quantity <= 0:
        return None
    display = place.display_quantity
    if display is not None:
        display = min(display, marked.quantity)
    update = {"quantity": marked.quantity, "sell_mark": marked.mark, "display_quantity": display}
    place = place.model_copy(update=update)
    tested = market.trading is None or market.trading.price_test is not False
    if marked.mark is not SellMark.SHORT or not tested:
        return place
    limit = above_bid(place.limit_price, market.quote, plan.tick)
    if limit == place.limit_price:
        return place
    found.append(Violation.PRICE_TEST)
    if limit is None or place.time_in_force in AUCTIONS:
        return None
    rests = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.DAY}
    return place.model_copy(update={**rests, "limit_price": limit})


def _barred(
    step: Step, plan: PlanTerms, market: MarketState, around: _Surroundings
) -> Violation | None:
    """Why nothing at all may be placed now, if so."""
    if step.finish is not None:
        return Violation.PLACES_WITH_FINISH
    if around.now < plan.start_at:
        return Violation.BEFORE_START
    if around.now >= around.session_close:
        return Violation.AFTER_CLOSE
    opening = {place.time_in_force for place in step.places} == {TimeInForce.OPG}
    early = opening and market.status is TradingStatus.CLOSED
    if market.status is not TradingStatus.OPEN and not early:
        return Violation.NOT_OPEN
    return None


def _allowed(
    asked: Place,
    plan: PlanTerms,
    free: Decimal,
    around: _Surroundings,
    found: list[Violation],
) -> Place | None:
    """The order as it may be sent, or None."""
    if not _timing_allows(asked, plan, around, found):
        return None
    quantity = _quantity(asked, plan, free, found)
    if quantity is None:
        return None
    priced = _priced(asked, plan, found)
    if priced is None:
        return None
    kind, limit = priced
    # An auction has price rules of its own, and its order may trade long after the band of now.
    band = None if asked.time_in_force in AUCTIONS else around.band
    banded = inside_band(limit, plan.side.sign, band, plan.tick)
    if banded.changed:
        found.append(Violation.HELD_BY_BAND if banded.held else Violation.OUTSIDE_BAND)
        if banded.limit is None:
            return None
        kind, limit = OrderType.LIMIT, banded.limit
    if _meets(limit, around.opposite_limits, plan.side.sign):
        found.append(Violation.SELF_CROSS)
        return None
    display = asked.display_quantity
    if display is not None and not (display.is_finite() and 0 < display <= quantity):
        # Cutting the order may leave less than was to be shown.
        if not (display.is_finite() and 0 < display <= asked.quantity):
            found.append(Violation.DISPLAY)
        display = None
    return Place(
        quantity=quantity,
        order_type=kind,
        time_in_force=asked.time_in_force,
        limit_price=limit,
        display_quantity=display,
    )


def _timing_allows(
    asked: Place, plan: PlanTerms, around: _Surroundings, found: list[Violation]
) -> bool:
    if asked.time_in_force in AUCTIONS:
        return _auction_allows(asked, plan, around, found)
    is_cross = asked.time_in_force is TimeInForce.IOC
    is_market = asked.order_type is OrderType.MARKET
    is_day = asked.time_in_force is TimeInForce.DAY
    # A market order does not rest, unless the broker's algorithm is to work it.
    handed_over = algorithm_of(plan, asked.time_in_force, around.now) is not None
    if not is_cross and ((is_market and not handed_over) or not is_day):
        found.append(Violation.TIME_IN_FORCE)
        return False
    in_buffer = around.now >= around.session_close - around.closing_buffer_ns
    completes = is_cross and around.now >= plan.final_phase_at
    if in_buffer and not completes:
        found.append(Violation.CLOSING_BUFFER)
        return False
    return True


def _auction_allows(
    asked: Place, plan: PlanTerms, around: _Surroundings, found: list[Violation]
) -> bool:
    terms = plan.auction
    if terms is None or terms.auction.time_in_force is not asked.time_in_force:
        found.append(Violation.TIME_IN_FORCE)
        return False
    if around.now > terms.enter_by or asked.quantity > terms.quantity:
        found.append(Violation.AUCTION_OVER)
        return False
    return True


def _quantity(
    asked: Place, plan: PlanTerms, free: Decimal, found: list[Violation]
) -> Decimal | None:
    quantity = asked.quantity
    if not quantity.is_finite() or quantity <= 0:
        found.append(Violation.BAD_QUANTITY)
        return None
    if quantity > free:
        found.append(Violation.OVER_FREE)
        quantity = free
    odd = plan.quantity % plan.lot
    if quantity % plan.lot not in (0, odd):
        found.append(Violation.QUANTITY_OFF_LOT)
        quantity = round_lot(quantity, plan.lot)
    return quantity if quantity > ZERO else None


def _priced(
    asked: Place, plan: PlanTerms, found: list[Violation]
) -> tuple[OrderType, Decimal | None] | None:
    """Type and limit that keep the bound and the tick, None when no price can."""
    bound, limit = worst_price(plan), asked.limit_price
    sign = plan.side.sign
    if asked.order_type is OrderType.MARKET:
        if bound is None:
            return OrderType.MARKET, None
        found.append(Violation.MARKET_WITH_BOUND)
        limit = bound
    if limit is None:
        found.append(Violation.LIMIT_MISSING)
        return None
    if not limit.is_finite() or limit <= 0:
        found.append(Violation.BAD_PRICE)
        return None
    if bound is not None and (limit - bound) * sign > 0:
        found.append(Violation.PAST_BOUND)
        limit = bound
    if limit % plan.tick:
        found.append(Violation.OFF_TICK)
        limit = round_to_tick(limit, plan.tick, up=sign < 0)
        if limit <= 0:
            found.append(Violation.BAD_PRICE)
            return None
    return OrderType.LIMIT, limit


def _meets(limit: Decimal | None, opposite: Sequence[Decimal | None], sign: int) -> bool:
    """Whether an order could trade with one of the other side's limits (None: market order)."""
    return any(limit is None or other is None or (limit - other) * sign >= 0 for other in opposite)
