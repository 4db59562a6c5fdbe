"""ICEBERG: show a part, the next part after the last has filled."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from ..decision import Style
from ..market import MarketState
from ..money import round_to_tick
from ..plan import PlanTerms
from .common import (
    at_deadline,
    awaiting_cancel,
    beyond,
    cancels_of,
    clamp,
    decision_time,
    fresh_quote,
    paced,
    participation_room,
    preamble,
    rest,
    resting,
    wake,
    worst_price,
)
from .contract import InstructionView, Step
from .follow import Lines, finishing, follow, straight, touch_price
from .rules import Rule
from .schedule import window_of


class IcebergStrategy:
    """One tranche at a time, each an order of its own, as brokers without hidden size need it.

    Naive: at the touch on arrival, or pegged to the touch; crosses only when the window ends.
    Smart: pegged, and what lags the straight line by more than a tranche is crossed.
    """

    name = "iceberg"
    version = 3

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        """The next step of an iceberg plan."""
        step = preamble(plan, view, market, now, plan.end_at)
        if step is not None:
            return step
        if now >= plan.end_at:
            return at_deadline(
                plan, view, market, now, deadline=plan.end_at, complete=plan.must_complete
            )
        if plan.style is Style.SMART:
            return follow(plan, view, market, now, tranche_lines(plan, view, now))
        if now >= plan.final_phase_at and not plan.must_complete:
            return follow(plan, view, market, now, finishing(plan))
        return _naive(plan, view, market, now)


def tranche(plan: PlanTerms) -> Decimal:
    """Shares shown at a time: the fraction of the whole, rounded up, at least a round lot."""
    lots = plan.quantity * plan.parameters.display_fraction / plan.lot
    shown = lots.to_integral_value(rounding=ROUND_CEILING) * plan.lot
    return min(max(shown, plan.parameters.board_lot), plan.quantity)


def tranche_lines(plan: PlanTerms, view: InstructionView, now: int) -> Lines:
    """Lines that show one tranche whatever the schedule says, and cross within one of it."""
    shown = tranche(plan)
    lines = straight(plan, window_of(plan, view), now)
    upper = view.exposure if resting(view) else min(view.exposure + shown, plan.quantity)
    chunk = min(lines.chunk, shown)
    return Lines(lines.target, min(lines.band, shown), upper, chunk, chunk)


def _arrival_touch(plan: PlanTerms, touch: Decimal) -> Decimal:
    if plan.arrival_touch is not None:
        return plan.arrival_touch
    if plan.arrival_mid is not None:
        return round_to_tick(plan.arrival_mid, plan.tick, up=plan.side.sign < 0)
    return touch


def _naive(plan: PlanTerms, view: InstructionView, market: MarketState, now: int) -> Step:
    later = wake(plan, now, plan.end_at)
    quote = fresh_quote(plan, market)
    if quote is None:
        return Step(rule=Rule.MARKET_UNUSABLE, wake_at=later)
    touch = clamp(plan, touch_price(plan, quote))
    rests = resting(view)
    if rests:
        moved = plan.parameters.peg and any(order.limit_price != touch for order in rests)
        if moved and decision_time(plan, now):
            return Step(cancels=cancels_of(rests), rule=Rule.REPEG, wake_at=later)
        return Step(rule=Rule.KEEP_RESTING, wake_at=later)
    if awaiting_cancel(view):
        return Step(rule=Rule.AWAIT_CANCELS, wake_at=later)
    quantity = min(participation_room(plan, view, market), tranche(plan))
    if quantity <= 0 or not paced(plan, view, now):
        return Step(rule=Rule.AWAIT_REPORTS, wake_at=later)
    price = touch if plan.parameters.peg else clamp(plan, _arrival_touch(plan, touch))
    outside = beyond(quote.near(plan.side.sign), worst_price(plan), plan.side.sign)
    rule = Rule.REST_AT_TOUCH if plan.parameters.peg else Rule.REST_AT_ARRIVAL
    return Step(
        places=(rest(plan, quantity, price),),
        rule=Rule.REST_AT_BOUND if outside else rule,
        wake_at=later,
    )
