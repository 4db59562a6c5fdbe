"""One order for the broker's own algorithm, watched like any other."""

from __future__ import annotations

from ..market import MarketState
from ..plan import PlanTerms
from ..ports import OrderType, TimeInForce
from .common import at_deadline, paced, preamble, wake, worst_price
from .contract import InstructionView, Place, Step
from .rules import Rule


def handed_over(plan: PlanTerms, view: InstructionView, market: MarketState, now: int) -> Step:
    """Give the broker's algorithm all that is free, for the rest of the window.

    The order is a limit at the bound where there is one, for the day. In a halt it is cancelled
    like any rest, and what is left is handed over anew afterwards; at the deadline it is cancelled
    like any rest, too, should the algorithm not have ended it.
    """
    step = preamble(plan, view, market, now, plan.end_at)
    if step is not None:
        return step
    if now >= plan.end_at:
        return at_deadline(
            plan, view, market, now, deadline=plan.end_at, complete=plan.must_complete
        )
    free = view.free(plan)
    if view.orders or free <= 0:
        return Step(rule=Rule.ALGORITHM_WORKS, wake_at=plan.end_at)
    if not paced(plan, view, now):
        return Step(rule=Rule.AWAIT_REPORTS, wake_at=wake(plan, now, plan.end_at))
    worst = worst_price(plan)
    order = Place(
        quantity=free,
        order_type=OrderType.MARKET if worst is None else OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        limit_price=worst,
    )
    return Step(places=(order,), rule=Rule.HAND_OVER, wake_at=plan.end_at)
