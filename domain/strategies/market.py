"""MARKET: all of it at once."""

from __future__ import annotations

from ..market import MarketState
from ..plan import PlanTerms
from .common import (
    at_deadline,
    beyond,
    cross,
    fresh_quote,
    paced,
    participation_room,
    preamble,
    rest,
    wake,
    worst_price,
)
from .contract import InstructionView, Step
from .rules import Rule


class MarketStrategy:
    """Cross with the whole quantity at the plan's start, naive and smart alike.

    With a bound it is a marketable limit there, so what the book does not hold inside the bound is
    sent again each interval; outside the bound it rests at the bound.
    """

    name = "market"
    version = 1

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        """The next step of a market plan."""
        step = preamble(plan, view, market, now, plan.end_at)
        if step is not None:
            return step
        if now >= plan.end_at:
            return at_deadline(
                plan, view, market, now, deadline=plan.end_at, complete=plan.must_complete
            )
        return cross_what_is_due(plan, view, market, now, Rule.MARKET_AT_ONCE)


def cross_what_is_due(
    plan: PlanTerms, view: InstructionView, market: MarketState, now: int, rule: Rule
) -> Step:
    """Cross with all that is free, or rest it at the worst price when the market is past that."""
    later = wake(plan, now, plan.end_at)
    if view.free(plan) <= 0:
        return Step(rule=Rule.AWAIT_REPORTS, wake_at=plan.end_at)
    quantity = participation_room(plan, view, market)
    if quantity <= 0:
        return Step(rule=Rule.PARTICIPATION_CAP, wake_at=later)
    if not paced(plan, view, now):
        return Step(rule=Rule.AWAIT_REPORTS, wake_at=later)
    quote = fresh_quote(plan, market)
    worst = worst_price(plan)
    sign = plan.side.sign
    if worst is not None and quote is not None and beyond(quote.far(sign), worst, sign):
        return Step(places=(rest(plan, quantity, worst),), rule=Rule.REST_AT_BOUND, wake_at=later)
    return Step(places=(cross(plan, quantity),), rule=rule, wake_at=later)
