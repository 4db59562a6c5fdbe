"""OPPORTUNISTIC: wait for a better price, then complete or give up."""

from __future__ import annotations

from decimal import Decimal

from ..decision import Style
from ..market import MarketState, Quote
from ..money import BPS, ONE, ZERO, round_to_tick
from ..plan import PlanTerms
from ..reasons import EndReason
from .common import (
    at_deadline,
    beyond,
    clamp,
    cross,
    crossing,
    fresh_quote,
    paced,
    participation_room,
    preamble,
    wake,
)
from .contract import InstructionView, Step
from .follow import follow, rest_step, straight
from .rules import Rule
from .schedule import Window


class OpportunisticStrategy:
    """Take a price ``improvement_bps`` better than on arrival, when it comes.

    Naive: watches, and takes it when the far touch reaches it; crosses with the rest at the end.
    Smart: rests there for the first half of the window, and works what is left smartly over the
    second. Without ``complete_at_deadline`` both wait to the end and give up what is left.
    """

    name = "opportunistic"
    version = 3

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        """The next step of an opportunistic plan."""
        step = preamble(plan, view, market, now, plan.end_at)
        if step is not None:
            return step
        complete = plan.completes
        if now >= plan.end_at:
            return at_deadline(
                plan,
                view,
                market,
                now,
                deadline=plan.end_at,
                complete=complete,
                reason=None if complete else EndReason.PRICE_NOT_REACHED,
            )
        later = wake(plan, now, plan.end_at)
        quote = fresh_quote(plan, market)
        if quote is None:
            return Step(rule=Rule.MARKET_UNUSABLE, wake_at=later)
        if plan.style is Style.NAIVE:
            return _naive(plan, view, market, now, quote)
        half = plan.start_at + (plan.end_at - plan.start_at) // 2
        if complete and now >= half:
            rest_of_it = Window(half, plan.end_at, plan.quantity, ZERO, plan.parameters.slices)
            return follow(plan, view, market, now, straight(plan, rest_of_it, now))
        improved = improved_price(plan)
        if improved is None:
            return Step(rule=Rule.AWAIT_PRICE, wake_at=later)
        return rest_step(
            plan,
            view,
            market,
            now,
            price=(improved, Rule.REST_AT_IMPROVED),
            near=improved,
            upper=plan.quantity,
            chunk=plan.lot,
        )


def improved_price(plan: PlanTerms) -> Decimal | None:
    """The price waited for, on the tick; None without an arrival mid to be better than."""
    if plan.arrival_mid is None:
        return None
    sign = plan.side.sign
    price = plan.arrival_mid * (ONE - sign * plan.parameters.improvement_bps / BPS)
    return clamp(plan, round_to_tick(price, plan.tick, up=sign < 0))


def _naive(
    plan: PlanTerms, view: InstructionView, market: MarketState, now: int, quote: Quote
) -> Step:
    later = wake(plan, now, plan.end_at)
    improved = improved_price(plan)
    if improved is None or beyond(quote.far(plan.side.sign), improved, plan.side.sign):
        return Step(rule=Rule.AWAIT_PRICE, wake_at=later)
    room = participation_room(plan, view, market)
    if room <= 0 or crossing(view) or not paced(plan, view, now):
        return Step(rule=Rule.AWAIT_REPORTS, wake_at=later)
    return Step(places=(cross(plan, room, improved),), rule=Rule.TAKE_IMPROVED, wake_at=later)
