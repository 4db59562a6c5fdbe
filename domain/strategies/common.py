"""What all strategies share: when to wake, what may be paid, how to cross, how to end."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..market import MarketState, Quote, TradingStatus
from ..money import ZERO, round_lot
from ..plan import PlanTerms
from ..ports import NANOS, OrderType, TimeInForce
from ..reasons import EndReason, OnBound
from .contract import Cancel, InstructionView, OrderView, Place, Step
from .rules import Rule


def next_tick(plan: PlanTerms, now: int) -> int:
    """The first moment after ``now`` on the plan's grid of decision times."""
    if now < plan.start_at:
        return plan.start_at
    interval = plan.parameters.interval_ns
    return now + interval - (now - plan.start_at) % interval


def wake(plan: PlanTerms, now: int, deadline: int) -> int:
    """The next decision time, or the deadline when it comes first."""
    tick = next_tick(plan, now)
    return min(tick, deadline) if now < deadline else tick


def paced(plan: PlanTerms, view: InstructionView, now: int) -> bool:
    """Whether a new child may be sent: one per interval of the grid, however often we are asked.

    So orders that die at once (refused, or immediate-or-cancel past the book) are not sent again
    in a loop.
    """
    last = view.last_placed_at
    return last is None or not same_interval(plan, last, now)


def same_interval(plan: PlanTerms, earlier: int, now: int) -> bool:
    """Whether two moments lie in the same interval of the decision grid."""
    interval = plan.parameters.interval_ns
    return (earlier - plan.start_at) // interval >= (now - plan.start_at) // interval


def decision_time(plan: PlanTerms, now: int) -> bool:
    """Whether ``now`` is a moment of the decision grid, or late for one by no more than the slack.

    Reports wake a strategy in between, and what is decided at fixed times is left alone then.
    """
    late = (now - plan.start_at) % plan.parameters.interval_ns
    return late <= plan.parameters.wake_slack_ns


def fresh_quote(plan: PlanTerms, market: MarketState) -> Quote | None:
    """The quote when the symbol is open and the quote not stale, locked or crossed as it may be."""
    if market.status is not TradingStatus.OPEN:
        return None
    age = market.quote_age_ns
    if age is not None and age > plan.parameters.quote_age_seconds_max * NANOS:
        return None
    return market.quote


def beyond(price: Decimal, limit: Decimal | None, sign: int) -> bool:
    """Whether paying (``sign`` +1) or taking (-1) ``price`` is worse than ``limit`` allows."""
    return limit is not None and (price - limit) * sign > 0


def worst_price(plan: PlanTerms) -> Decimal | None:
    """The worst price any child may have: the tighter of the bound and the plan's limit price."""
    bound, limit = plan.bound_price, plan.limit_price
    if bound is None or limit is None:
        return limit if bound is None else bound
    return min(bound, limit) if plan.side.sign > 0 else max(bound, limit)


def clamp(plan: PlanTerms, price: Decimal) -> Decimal:
    """``price``, or the worst price allowed when ``price`` is past it."""
    worst = worst_price(plan)
    return worst if worst is not None and beyond(price, worst, plan.side.sign) else price


def cross(plan: PlanTerms, quantity: Decimal, limit: Decimal | None = None) -> Place:
    """An immediate-or-cancel order at ``limit``, never past the worst price allowed.

    Without either it is a market order.
    """
    price = worst_price(plan) if limit is None else clamp(plan, limit)
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    return Place(
        quantity=quantity, order_type=kind, time_in_force=TimeInForce.IOC, limit_price=price
    )


def rest(plan: PlanTerms, quantity: Decimal, price: Decimal) -> Place:
    """A day order at ``price``, never past the worst price allowed."""
    return Place(
        quantity=quantity,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        limit_price=clamp(plan, price),
    )


def resting(view: InstructionView) -> list[OrderView]:
    """Own orders known to rest: not immediate, not being cancelled, of known outcome."""
    return [
        order
        for order in view.orders
        if order.time_in_force is not TimeInForce.IOC
        and not order.cancel_requested
        and not order.uncertain
    ]


def cancels_of(orders: Iterable[OrderView]) -> tuple[Cancel, ...]:
    """Cancels of these orders."""
    return tuple(Cancel(client_order_id=order.client_order_id) for order in orders)


def awaiting_cancel(view: InstructionView) -> bool:
    """Whether the confirmed end of a cancelled order is still to come.

    An order of unknown outcome is not waited for; its shares stay exposed until it is settled.
    """
    return any(order.cancel_requested and not order.uncertain for order in view.orders)


def crossing(view: InstructionView) -> bool:
    """Whether an immediate order of known outcome is on its way."""
    return any(
        order.time_in_force is TimeInForce.IOC and not order.uncertain for order in view.orders
    )


def participation_room(plan: PlanTerms, view: InstructionView, market: MarketState) -> Decimal:
    """Shares that may be sent under the participation cap; all that is free without one.

    Exposure, not only executions, stays within ``cap * volume since the plan's start``, because a
    rest may fill at any moment. A volume that is not known makes no room.
    """
    free = view.free(plan)
    cap = plan.participation_cap
    if cap is None:
        return free
    if market.volume is None or view.volume_at_start is None:
        return ZERO
    room = round_lot(max(cap * (market.volume - view.volume_at_start), ZERO), plan.lot)
    return max(min(free, room - view.exposure), ZERO)


def shortfall_reason(plan: PlanTerms, view: InstructionView, market: MarketState) -> EndReason:
    """Why shares are left when the window is over."""
    if market.status is TradingStatus.HALTED:
        return EndReason.HALTED
    quote = market.quote
    sign = plan.side.sign
    if quote is not None and beyond(quote.far(sign), plan.bound_price, sign):
        return EndReason.SLIPPAGE_BOUND
    if quote is not None and beyond(quote.far(sign), plan.limit_price, sign):
        return EndReason.LIMIT_NOT_REACHED
    if plan.participation_cap is not None and not plan.must_complete:
        executed_only = view.model_copy(update={"exposure": view.executed})
        if participation_room(plan, executed_only, market) < view.remaining(plan):
            return EndReason.PARTICIPATION_CAP
    return EndReason.WINDOW_ELAPSED


def preamble(
    plan: PlanTerms, view: InstructionView, market: MarketState, now: int, deadline: int
) -> Step | None:
    """What comes before any strategy's own rules up to its deadline; None when they may decide."""
    if view.executed >= plan.quantity:
        return Step(cancels=cancels_of(resting(view)), rule=Rule.NOTHING_LEFT)
    if now >= market.session_close:
        return Step(
            cancels=cancels_of(resting(view)),
            rule=Rule.SESSION_END,
            finish=EndReason.SESSION_END,
        )
    if now < plan.start_at:
        return Step(rule=Rule.BEFORE_START, wake_at=plan.start_at)
    if now >= deadline:
        return None
    if market.status is TradingStatus.HALTED:
        return Step(
            cancels=cancels_of(resting(view)),
            rule=Rule.MARKET_HALTED,
            wake_at=wake(plan, now, deadline),
        )
    quote = fresh_quote(plan, market)
    if quote is None:
        return Step(rule=Rule.MARKET_UNUSABLE, wake_at=wake(plan, now, deadline))
    if plan.on_bound is not OnBound.REST and outside_bound(plan, quote):
        if plan.on_bound is OnBound.ESCALATE:
            return Step(rule=Rule.ESCALATE_BOUND, wake_at=wake(plan, now, deadline))
        return Step(
            cancels=cancels_of(resting(view)),
            rule=Rule.CANCEL_ON_BOUND,
            finish=EndReason.SLIPPAGE_BOUND,
        )
    return None


def outside_bound(plan: PlanTerms, quote: Quote) -> bool:
    """Whether crossing now would pay more than the bound: the far touch lies past it."""
    sign = plan.side.sign
    return beyond(quote.far(sign), plan.bound_price, sign)


def at_deadline(
    plan: PlanTerms,
    view: InstructionView,
    market: MarketState,
    now: int,
    *,
    deadline: int,
    complete: bool,
    reason: EndReason | None = None,
) -> Step:
    """How every strategy ends: cancel what rests, then cross with the rest or give it up.

    ``complete`` crosses with all that is left as long as the market is inside the bound (which
    outranks completion); otherwise the remainder is finished with ``reason``, by default
    :func:`shortfall_reason`.
    """
    cancels = cancels_of(resting(view))
    reason = reason or shortfall_reason(plan, view, market)
    quote = fresh_quote(plan, market)
    sign = plan.side.sign
    reachable = quote is None or not beyond(quote.far(sign), worst_price(plan), sign)
    allowed = view.free(plan) if plan.must_complete else participation_room(plan, view, market)
    if not complete or not reachable:
        return Step(cancels=cancels, rule=Rule.DEADLINE_FINISH, finish=reason)
    tick = next_tick(plan, now)
    if cancels:
        return Step(cancels=cancels, rule=Rule.DEADLINE_CANCEL, wake_at=tick)
    # A cancel that is never confirmed holds up its own shares, but the others no longer than this.
    patience = now < deadline + plan.parameters.interval_ns
    if awaiting_cancel(view) and patience:
        return Step(rule=Rule.AWAIT_CANCELS, wake_at=tick)
    if quote is None:
        return Step(rule=Rule.MARKET_UNUSABLE, wake_at=tick)
    first = view.last_placed_at is None or view.last_placed_at < deadline
    if allowed > 0 and (first or paced(plan, view, now)):
        return Step(places=(cross(plan, allowed),), rule=Rule.DEADLINE_CROSS, wake_at=tick)
    if reason is EndReason.PARTICIPATION_CAP and not view.orders:
        return Step(rule=Rule.DEADLINE_FINISH, finish=reason)
    return Step(rule=Rule.AWAIT_REPORTS, wake_at=tick)
