"""Naive slices: at each slice's time one order for all that is due by then."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from ..market import MarketState
from ..plan import PlanTerms
from .common import (
    at_deadline,
    beyond,
    cross,
    fresh_quote,
    next_tick,
    paced,
    participation_room,
    preamble,
    rest,
    worst_price,
)
from .contract import InstructionView, Step
from .rules import Rule
from .schedule import Window, slice_time, slices_due, window_of

Target = Callable[[Window, int], Decimal]
"""Shares due in all after so many slices of a window."""


def naive_slices(
    plan: PlanTerms, view: InstructionView, market: MarketState, now: int, target: Target
) -> Step:
    """Cross for the increment of ``target`` at each slice's time.

    What is sent is the target less the exposure, once per slice: a late call sends what is due by
    then, a second call nothing, and shares that a slice could not trade are in the next one. After
    the last slice they are sent again each interval until the window ends. Between slices the
    market is not looked at.
    """
    inside = plan.start_at <= now < min(plan.end_at, market.session_close)
    if not inside or view.executed >= plan.quantity:
        step = preamble(plan, view, market, now, plan.end_at)
        return step or at_deadline(
            plan, view, market, now, deadline=plan.end_at, complete=plan.must_complete
        )
    window = window_of(plan, view)
    due = slices_due(window, now, plan.parameters, plan.seed)
    last = due == window.slices
    following = plan.end_at if last else slice_time(window, due, plan.parameters, plan.seed)
    if due == 0:
        return Step(rule=Rule.AWAIT_SLICE, wake_at=following)
    wanted = min(target(window, due) - view.exposure, view.free(plan))
    if wanted <= 0:
        return Step(rule=Rule.AWAIT_SLICE, wake_at=following)
    began = slice_time(window, due - 1, plan.parameters, plan.seed)
    tick = min(next_tick(plan, now), following)
    if view.last_placed_at is not None and view.last_placed_at >= began:
        if not last:
            return Step(rule=Rule.AWAIT_SLICE, wake_at=following)
        if not paced(plan, view, now):
            return Step(rule=Rule.AWAIT_REPORTS, wake_at=tick)
    step = preamble(plan, view, market, now, plan.end_at)
    if step is not None:
        return step
    room = participation_room(plan, view, market)
    if room <= 0:
        return Step(rule=Rule.PARTICIPATION_CAP, wake_at=tick)
    return _send(plan, market, min(wanted, room), following)


def _send(plan: PlanTerms, market: MarketState, quantity: Decimal, wake_at: int) -> Step:
    worst = worst_price(plan)
    quote = fresh_quote(plan, market)
    sign = plan.side.sign
    if worst is not None and quote is not None and beyond(quote.far(sign), worst, sign):
        return Step(places=(rest(plan, quantity, worst),), rule=Rule.REST_AT_BOUND, wake_at=wake_at)
    return Step(places=(cross(plan, quantity),), rule=Rule.SLICE_DUE, wake_at=wake_at)
