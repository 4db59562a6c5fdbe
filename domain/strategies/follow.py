"""Smart slices: rest at the touch ahead of a schedule, cross only what lags behind it.

Resting earns the spread that crossing pays, so shares rest up to a band ahead of the schedule and
are crossed only when they lag a band behind it, never for more than the touch shows. In the final
phase the band closes and each new quote may be crossed for what it shows, so that the plan ends
on time.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from ..market import MarketState, Quote
from ..money import ZERO, round_lot, round_to_tick
from ..plan import PlanTerms
from .common import (
    awaiting_cancel,
    beyond,
    cancels_of,
    clamp,
    cross,
    crossing,
    fresh_quote,
    paced,
    participation_room,
    rest,
    resting,
    same_interval,
    wake,
    worst_price,
)
from .contract import InstructionView, OrderView, Step
from .rules import Rule
from .schedule import Window, trajectory_fraction


class Lines(NamedTuple):
    """Where an instruction should be now, in shares executed since its beginning.

    ``target`` is due; executed and resting shares together may reach ``upper``; what is below
    ``lower`` lags and is crossed. Nothing under ``chunk`` is sent unless it is all that is left.
    """

    target: Decimal
    upper: Decimal
    lower: Decimal
    chunk: Decimal


def banded(plan: PlanTerms, window: Window, fraction: Decimal) -> Lines:
    """Lines ``band_fraction`` of a slice around the share of the window's quantity that is due.

    The chunk is half a band: a rest is topped up, and a lag crossed, in no smaller pieces, which
    bounds the messages that a plan sends.
    """
    target = window.base + window.quantity * fraction
    band = window.quantity * plan.parameters.band_fraction / window.slices
    band = max(band, plan.lot)
    chunk = max(round_lot(band / 2, plan.lot), plan.lot)
    return Lines(target, min(target + band, plan.quantity), max(target - band, ZERO), chunk)


def finishing(plan: PlanTerms) -> Lines:
    """Lines that leave pace to the final phase: everything may rest, nothing is due before it."""
    return Lines(ZERO, plan.quantity, ZERO, plan.lot)


def follow(
    plan: PlanTerms, view: InstructionView, market: MarketState, now: int, lines: Lines
) -> Step:
    """One step of smart slicing inside the window: cross, move, add or keep rests."""
    later = wake(plan, now, plan.end_at)
    quote = fresh_quote(plan, market)
    if quote is None or not quote.is_two_sided:
        return Step(rule=Rule.MARKET_UNUSABLE, wake_at=later)
    if now >= plan.final_phase_at:
        lines = _closing(plan, now, lines)
    wanted, rule = _due_cross(plan, view, quote, now, lines)
    if wanted > 0:
        step = _cross_step(plan, view, market, now, quote, wanted, rule, lines)
        if step is not None:
            return step
    return rest_step(
        plan,
        view,
        market,
        now,
        price=_rest_price(plan, view, quote, lines),
        near=clamp(plan, touch_price(plan, quote)),
        upper=lines.upper,
        chunk=lines.chunk,
        idle=rule if rule is Rule.HOLD_CROSS else Rule.KEEP_RESTING,
    )


def touch_price(plan: PlanTerms, quote: Quote) -> Decimal:
    """The near touch, on the tick."""
    sign = plan.side.sign
    return round_to_tick(quote.near(sign), plan.tick, up=sign < 0)


def done_shares(view: InstructionView) -> Decimal:
    """Shares that are executed or may be: those of unknown outcome are never made up for."""
    return view.executed + sum((o.leaves for o in view.orders if o.uncertain), ZERO)


def _closing(plan: PlanTerms, now: int, lines: Lines) -> Lines:
    """The lines of the final phase: no band, and what is not due yet closes in evenly."""
    span = max(plan.end_at - plan.final_phase_at, 1)
    target = plan.quantity - (plan.quantity - lines.target) * (plan.end_at - now) / span
    return Lines(target, plan.quantity, target, plan.lot)


def _due_cross(
    plan: PlanTerms, view: InstructionView, quote: Quote, now: int, lines: Lines
) -> tuple[Decimal, Rule]:
    """How many shares should cross now, before what is free and shown limits them, and why."""
    sign = plan.side.sign
    done = done_shares(view)
    if now >= plan.final_phase_at:
        return _due_in_final_phase(plan, view, quote, now, lines.target - done)
    near, far = quote.near_size(sign), quote.far_size(sign)
    lean = near / (near + far) if near + far > 0 else Decimal("0.5")
    behind = lines.target - done
    if quote.spread <= plan.tick and lean >= plan.parameters.lean_early and behind >= lines.chunk:
        return behind, Rule.CROSS_EARLY
    lag = lines.lower - done
    if lag < lines.chunk:
        return ZERO, Rule.KEEP_RESTING
    # A hold that is not paid within another band of lag was wrong.
    if lean <= plan.parameters.lean_hold and lag <= lines.target - lines.lower:
        return ZERO, Rule.HOLD_CROSS
    return lag, Rule.CROSS_LAG


def _due_in_final_phase(
    plan: PlanTerms, view: InstructionView, quote: Quote, now: int, behind: Decimal
) -> tuple[Decimal, Rule]:
    last = view.last_placed_at
    if last is not None and last >= plan.final_phase_at and quote.at <= last:
        return ZERO, Rule.KEEP_RESTING  # what this quote shows may have been taken by us
    remaining = plan.quantity - done_shares(view)
    chances = (plan.end_at - now) // plan.parameters.interval_ns
    # Half of the chances left may bring no new quote.
    scarce = remaining * 2 > quote.far_size(plan.side.sign) * chances
    return (remaining if scarce or chances <= 2 else behind), Rule.CROSS_FINAL


def _cross_step(
    plan: PlanTerms,
    view: InstructionView,
    market: MarketState,
    now: int,
    quote: Quote,
    wanted: Decimal,
    rule: Rule,
    lines: Lines,
) -> Step | None:
    """Cross at the far touch for what is wanted and shown, or make shares free for it."""
    sign = plan.side.sign
    later = wake(plan, now, plan.end_at)
    if beyond(quote.far(sign), worst_price(plan), sign) or crossing(view):
        return None
    shown = quote.far_size(sign) or lines.chunk  # a feed without sizes shows none
    wanted = min(wanted, shown, view.remaining(plan))
    wanted = round_lot(wanted, plan.lot) if wanted < view.remaining(plan) else wanted
    if wanted <= 0 or not paced(plan, view, now):
        return None
    free = view.free(plan)
    allowed = free
    final = now >= plan.final_phase_at
    if not (plan.must_complete and final):
        allowed = participation_room(plan, view, market)
    if free < min(wanted, lines.chunk):
        if awaiting_cancel(view):
            return Step(rule=Rule.AWAIT_CANCELS, wake_at=later)
        rests = _enough(plan, resting(view), wanted - free)
        if rests:
            return Step(cancels=cancels_of(rests), rule=Rule.FREE_FOR_CROSS, wake_at=later)
    quantity = min(wanted, allowed)
    if quantity <= 0:
        return None
    limit = round_to_tick(quote.far(sign), plan.tick, up=sign > 0)
    return Step(places=(cross(plan, quantity, limit),), rule=rule, wake_at=later)


def _enough(plan: PlanTerms, rests: list[OrderView], wanted: Decimal) -> list[OrderView]:
    """Rests that hold ``wanted`` shares: first the worst priced, then the shortest in the queue."""
    sign = plan.side.sign

    def merit(order: OrderView) -> tuple[Decimal, int]:
        return (order.limit_price or ZERO) * sign, -order.placed_at

    chosen: list[OrderView] = []
    freed = ZERO
    for order in sorted(rests, key=merit):
        if freed >= wanted:
            break
        chosen.append(order)
        freed += order.leaves
    return chosen


def _rest_price(
    plan: PlanTerms, view: InstructionView, quote: Quote, lines: Lines
) -> tuple[Decimal, Rule]:
    """Where a new rest goes.

    The near touch; one tick inside it in a spread of two ticks or more when behind schedule, where
    the tick given up costs less than the spread a cross would pay; never past the worst price.
    """
    sign = plan.side.sign
    price, rule = touch_price(plan, quote), Rule.REST_AT_TOUCH
    if quote.spread >= 2 * plan.tick and done_shares(view) < lines.target:
        price, rule = price + sign * plan.tick, Rule.REST_INSIDE
    clamped = clamp(plan, price)
    return clamped, (rule if clamped == price else Rule.REST_AT_BOUND)


def rest_step(
    plan: PlanTerms,
    view: InstructionView,
    market: MarketState,
    now: int,
    *,
    price: tuple[Decimal, Rule],
    near: Decimal,
    upper: Decimal,
    chunk: Decimal,
    idle: Rule = Rule.KEEP_RESTING,
) -> Step:
    """Move rests that the touch has left behind, or rest more, up to ``upper`` shares in all.

    Only a touch that moved away from a rest moves it. When the touch comes towards it, or falls
    behind it, the rest is first in the queue and next to trade: it keeps its place.
    """
    later = wake(plan, now, plan.end_at)
    sign = plan.side.sign
    left_behind = [
        order
        for order in resting(view)
        if order.limit_price is not None
        and beyond(near, order.limit_price, sign)
        and not same_interval(plan, order.placed_at, now)
    ]
    if left_behind:
        return Step(cancels=cancels_of(left_behind), rule=Rule.REPEG, wake_at=later)
    if awaiting_cancel(view):
        return Step(rule=Rule.AWAIT_CANCELS, wake_at=later)
    free = view.free(plan)
    room = participation_room(plan, view, market)
    quantity = min(room, upper - view.exposure)
    if quantity < free:
        quantity = round_lot(max(quantity, ZERO), plan.lot)
    if quantity <= 0 or (quantity < chunk and quantity < free):
        capped = room < free and room <= upper - view.exposure
        return Step(rule=Rule.PARTICIPATION_CAP if capped else idle, wake_at=later)
    if not paced(plan, view, now):
        return Step(rule=idle, wake_at=later)
    where, rule = price
    return Step(places=(rest(plan, quantity, where),), rule=rule, wake_at=later)


def straight(plan: PlanTerms, window: Window, now: int) -> Lines:
    """The lines of a straight or Almgren-Chriss schedule over a window."""
    fraction = trajectory_fraction(window, now, plan.parameters.risk_curvature)
    return banded(plan, window, fraction)
