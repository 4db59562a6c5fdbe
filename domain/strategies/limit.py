"""LIMIT: at the plan's price or better, until the timeout."""

from __future__ import annotations

from decimal import Decimal

from ..decision import Style
from ..market import MarketState, Quote
from ..money import BPS, ONE, round_to_tick
from ..plan import PlanTerms
from ..ports import NANOS
from ..reasons import EndReason
from .common import (
    at_deadline,
    awaiting_cancel,
    beyond,
    cancels_of,
    clamp,
    cross,
    crossing,
    fresh_quote,
    paced,
    participation_room,
    preamble,
    resting,
    wake,
)
from .contract import InstructionView, Step
from .follow import rest_step, touch_price
from .rules import Rule


class LimitStrategy:
    """Rest at a price and give up, or complete where the plan must, after a timeout.

    Naive: one day order at the limit. Smart: takes what the touch shows when it is within the
    limit, and while the limit lies inside the spread joins the touch for the first half of the
    time.
    """

    name = "limit"
    version = 1

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        """The next step of a limit plan."""
        deadline = limit_deadline(plan)
        step = preamble(plan, view, market, now, deadline)
        if step is not None:
            return step
        if now >= deadline:
            return at_deadline(
                plan,
                view,
                market,
                now,
                deadline=deadline,
                complete=plan.must_complete,
                reason=EndReason.LIMIT_NOT_REACHED,
            )
        quote = fresh_quote(plan, market)
        later = wake(plan, now, deadline)
        if quote is None or (plan.style is Style.SMART and not quote.is_two_sided):
            return Step(rule=Rule.MARKET_UNUSABLE, wake_at=later)
        limit = limit_of(plan, view, quote)
        if plan.style is Style.SMART:
            return _smart(plan, view, market, now, quote, limit, later)
        return _rest_at(plan, view, market, now, (limit, Rule.REST_AT_LIMIT), later)


def limit_deadline(plan: PlanTerms) -> int:
    """When a limit plan gives up: its timeout, or the window's end when that comes first."""
    return min(plan.start_at + plan.parameters.limit_timeout_seconds * NANOS, plan.end_at)


def limit_of(plan: PlanTerms, view: InstructionView, quote: Quote) -> Decimal:
    """The plan's limit price, or ``limit_offset_bps`` better than the arrival mid, on the tick.

    Without an arrival mid it is taken from the mid now, once: what rests already keeps its price.
    """
    sign = plan.side.sign
    known = [order.limit_price for order in resting(view) if order.limit_price is not None]
    if plan.limit_price is not None:
        price = plan.limit_price
    elif plan.arrival_mid is None and known:
        price = known[0]
    else:
        mid = plan.arrival_mid if plan.arrival_mid is not None else quote.mid
        price = mid * (ONE - sign * plan.parameters.limit_offset_bps / BPS)
    return clamp(plan, round_to_tick(price, plan.tick, up=sign < 0))


def _rest_at(
    plan: PlanTerms,
    view: InstructionView,
    market: MarketState,
    now: int,
    price: tuple[Decimal, Rule],
    later: int,
) -> Step:
    step = rest_step(
        plan, view, market, now, price=price, near=price[0], upper=plan.quantity, chunk=plan.lot
    )
    # The timeout may come before the end of the window, which is what the rest looks at.
    return step.model_copy(update={"wake_at": later})


def _smart(
    plan: PlanTerms,
    view: InstructionView,
    market: MarketState,
    now: int,
    quote: Quote,
    limit: Decimal,
    later: int,
) -> Step:
    sign = plan.side.sign
    far = quote.far(sign)
    if not beyond(far, limit, sign):
        rests = resting(view)
        if rests:
            return Step(cancels=cancels_of(rests), rule=Rule.FREE_FOR_CROSS, wake_at=later)
        if awaiting_cancel(view):
            return Step(rule=Rule.AWAIT_CANCELS, wake_at=later)
        room = participation_room(plan, view, market)
        shown = min(room, quote.far_size(sign) or room)
        if shown <= 0 or crossing(view) or not paced(plan, view, now):
            return Step(rule=Rule.AWAIT_REPORTS, wake_at=later)
        price = clamp(plan, round_to_tick(far, plan.tick, up=sign > 0))
        return Step(places=(cross(plan, shown, price),), rule=Rule.TAKE_LIMIT, wake_at=later)
    touch = touch_price(plan, quote)
    half = plan.start_at + (limit_deadline(plan) - plan.start_at) // 2
    if now < half and beyond(limit, touch, sign):
        return _rest_at(plan, view, market, now, (touch, Rule.REST_AT_TOUCH), later)
    return _rest_at(plan, view, market, now, (limit, Rule.REST_AT_LIMIT), later)
