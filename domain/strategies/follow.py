"""Smart slices: rest at the touch about the schedule, cross when it is cheap or when it lags.

Resting earns the spread that crossing pays, so a few shares always rest. What crosses depends on
what a cross costs at the moment (``frontier``): up to a band ahead of the schedule at a good one,
not before a band behind it at a bad one, never for more than the touch shows. Towards the end the
band closes, and in the final phase each new quote may be crossed for what it shows, so that the
plan ends on time.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from ..market import MarketState, Quote
from ..money import ZERO, round_lot, round_to_tick
from ..plan import PlanTerms
from ..ports import NANOS, TimeInForce
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
from .frontier import band_of, lead_of
from .rules import Rule
from .schedule import Window, trajectory_fraction

CHUNK_FRACTION: Final = Decimal("0.01")
"""No cross before the final phase is for less than this share of the quantity."""
CROSS_GAP_NS: Final = 3 * NANOS
"""So long after a new order no cross follows before the final phase: the book needs to refill."""
LAST_CHANCES: Final = 2
"""With so many intervals left all that remains may cross, where a cross at the deadline follows."""
LAST_CHANCES_OF_ALL: Final = 10
"""The same where none follows: each new quote gives only what it shows, and some bring nothing."""
REST_AHEAD: Final = Decimal("0.2")
"""How much of the band may rest ahead of the schedule."""


class Lines(NamedTuple):
    """Where an instruction should be now, in shares executed since its beginning.

    ``target`` is due; crosses take it from ``band`` behind it to ``band`` ahead, by what they cost;
    executed and resting shares together may reach ``upper``. No cross under ``chunk`` and no rest
    under ``piece`` is sent unless it is all that is left, which bounds the messages of a plan.
    """

    target: Decimal
    band: Decimal
    upper: Decimal
    chunk: Decimal
    piece: Decimal


def banded(plan: PlanTerms, window: Window, fraction: Decimal, now: int) -> Lines:
    """Lines around the share of the window's quantity that is due."""
    target = window.base + window.quantity * fraction
    band = band_of(plan, window.quantity, window.start, window.end, now)
    ahead = band * REST_AHEAD
    chunk = max(round_lot(plan.quantity * CHUNK_FRACTION, plan.lot), plan.lot)
    shown_max = max(
        round_lot(plan.quantity * plan.parameters.rest_fraction_max, plan.lot), plan.lot
    )
    piece = min(max(ahead / 2, chunk), shown_max)
    return Lines(target, band, min(target + ahead, plan.quantity), chunk, piece)


def finishing(plan: PlanTerms) -> Lines:
    """Lines that leave pace to the final phase: everything may rest, nothing is due before it."""
    return Lines(ZERO, ZERO, plan.quantity, plan.lot, plan.lot)


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
    wanted, rule = _due_cross(plan, view, market, quote, now, lines)
    if wanted > 0:
        if not _spaced(plan, view, now, lines):
            return Step(rule=Rule.KEEP_RESTING, wake_at=later)
        step = _cross_step(plan, view, market, now, quote, wanted, rule, lines)
        if step is not None:
            return step
    touch = touch_price(plan, quote)
    return rest_step(
        plan,
        view,
        market,
        now,
        price=_rest_price(plan, quote, touch),
        near=clamp(plan, touch),
        upper=lines.upper,
        chunk=lines.piece,
        idle=rule if rule is Rule.HOLD_CROSS else Rule.KEEP_RESTING,
    )


def _spaced(plan: PlanTerms, view: InstructionView, now: int, lines: Lines) -> bool:
    """Whether the last order is long enough ago for a cross that need not be made now."""
    last = view.last_placed_at
    hurries = now >= plan.final_phase_at or not lines.band
    return hurries or last is None or now - last >= CROSS_GAP_NS


def touch_price(plan: PlanTerms, quote: Quote) -> Decimal:
    """The near touch, on the tick."""
    sign = plan.side.sign
    return round_to_tick(quote.near(sign), plan.tick, up=sign < 0)


def done_shares(view: InstructionView) -> Decimal:
    """Shares that are executed or may be: those of unknown outcome are never made up for."""
    return view.executed + sum((o.leaves for o in view.orders if o.uncertain), ZERO)


def _closing(plan: PlanTerms, now: int, lines: Lines) -> Lines:
    """The lines of the final phase: what is not due yet closes in evenly."""
    span = max(plan.end_at - plan.final_phase_at, 1)
    target = plan.quantity - (plan.quantity - lines.target) * (plan.end_at - now) / span
    return Lines(target, lines.band, max(lines.upper, target), plan.lot, plan.lot)


def _due_cross(
    plan: PlanTerms,
    view: InstructionView,
    market: MarketState,
    quote: Quote,
    now: int,
    lines: Lines,
) -> tuple[Decimal, Rule]:
    """How many shares should cross now, before what is free and shown limits them, and why."""
    done = done_shares(view)
    behind = lines.target - done
    wanted = behind
    if lines.band > 0:
        wanted += lines.band * lead_of(plan, market, quote)
    if now >= plan.final_phase_at:
        return _due_in_final_phase(plan, view, quote, now, wanted)
    chunk = min(lines.chunk, plan.quantity - done)
    if wanted >= chunk:
        return wanted, (Rule.CROSS_LAG if behind >= chunk else Rule.CROSS_EARLY)
    return ZERO, (Rule.HOLD_CROSS if behind >= chunk else Rule.KEEP_RESTING)


def _due_in_final_phase(
    plan: PlanTerms, view: InstructionView, quote: Quote, now: int, behind: Decimal
) -> tuple[Decimal, Rule]:
    placed = view.last_placed_at
    if placed is not None and placed >= plan.final_phase_at and quote.at <= placed:
        return ZERO, Rule.KEEP_RESTING  # what this quote shows may have been taken by us
    remaining = plan.quantity - done_shares(view)
    chances = (plan.end_at - now) // plan.parameters.interval_ns
    # Half of the chances left may bring no new quote.
    scarce = remaining * 2 > quote.far_size(plan.side.sign) * chances
    last = LAST_CHANCES if plan.must_complete else LAST_CHANCES_OF_ALL
    return (remaining if scarce or chances <= last else behind), Rule.CROSS_FINAL


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


def _rest_price(plan: PlanTerms, quote: Quote, touch: Decimal) -> tuple[Decimal, Rule]:
    """Where a new rest goes.

    The near touch; one tick inside it in a spread of two ticks or more, where the tick given up
    buys the first place in the queue; never past the worst price.
    """
    sign = plan.side.sign
    price, rule = touch, Rule.REST_AT_TOUCH
    if quote.spread >= 2 * plan.tick:
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
    if plan.parameters.rest_fraction_max < 1:
        quantity = min(quantity, _showable(plan, view))
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
    return banded(plan, window, fraction, now)


def _showable(plan: PlanTerms, view: InstructionView) -> Decimal:
    """Shares that may still be shown when only a part of the quantity may be at any time."""
    shown = sum((o.leaves for o in view.orders if o.time_in_force is not TimeInForce.IOC), ZERO)
    return round_lot(plan.quantity * plan.parameters.rest_fraction_max, plan.lot) - shown
