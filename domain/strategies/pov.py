"""POV: a share of the market's volume as it prints, whatever the time (participation)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ..decision import Style
from ..market import MarketState
from ..money import ZERO, round_lot
from ..plan import PlanTerms
from .common import (
    at_deadline,
    cross,
    fresh_quote,
    outside_bound,
    paced,
    participation_room,
    preamble,
    rest,
    wake,
    worst_price,
)
from .contract import InstructionView, Step
from .follow import CHUNK_FRACTION, Lines, follow
from .rules import Rule

RATE_DEFAULT: Final = Decimal("0.1")
"""The participation where a plan has none."""


class PovStrategy:
    """Executes ``participation_cap`` of the volume printed since the start, no more at any time.

    The rate is over the market's volume with our own executions in it. Naive: one cross for what
    the volume has made due, at least 1 % of the quantity. Smart: rests and crosses around what is
    due, never ahead of it. Volume that is not known makes nothing due. What the volume of the
    window does not cover is given up at the deadline, or crossed when the plan must complete.
    """

    name = "pov"
    version = 2

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        """The next step of a POV plan."""
        plan = _rated(plan)
        step = preamble(plan, view, market, now, plan.end_at)
        if step is not None:
            return step
        if now >= plan.end_at:
            return at_deadline(
                plan, view, market, now, deadline=plan.end_at, complete=plan.must_complete
            )
        due = due_by_volume(plan, view, market)
        if plan.style is Style.NAIVE:
            return _naive(plan, view, market, now, due)
        chunk = max(round_lot(plan.quantity * CHUNK_FRACTION, plan.lot), plan.lot)
        return follow(plan, view, market, now, Lines(due, ZERO, due, chunk, chunk))


def due_by_volume(plan: PlanTerms, view: InstructionView, market: MarketState) -> Decimal:
    """Shares due in all: the rate times the volume since the start, in whole lots."""
    if market.volume is None or view.volume_at_start is None:
        return ZERO
    rate = plan.participation_cap or RATE_DEFAULT
    printed = max(market.volume - view.volume_at_start, ZERO)
    return min(round_lot(rate * printed, plan.lot), plan.quantity)


def _rated(plan: PlanTerms) -> PlanTerms:
    """The plan with a rate: caps are measured by it too."""
    if plan.participation_cap is not None:
        return plan
    return plan.model_copy(update={"participation_cap": RATE_DEFAULT})


def _naive(
    plan: PlanTerms, view: InstructionView, market: MarketState, now: int, due: Decimal
) -> Step:
    later = wake(plan, now, plan.end_at)
    wanted = min(due - view.exposure, participation_room(plan, view, market))
    chunk = max(round_lot(plan.quantity * CHUNK_FRACTION, plan.lot), plan.lot)
    if wanted <= 0 or (wanted < chunk and wanted < view.remaining(plan)):
        return Step(rule=Rule.AWAIT_VOLUME, wake_at=later)
    if not paced(plan, view, now):
        return Step(rule=Rule.AWAIT_REPORTS, wake_at=later)
    worst, quote = worst_price(plan), fresh_quote(plan, market)
    if worst is not None and quote is not None and outside_bound(plan, quote):
        return Step(places=(rest(plan, wanted, worst),), rule=Rule.REST_AT_BOUND, wake_at=later)
    return Step(places=(cross(plan, wanted),), rule=Rule.FOLLOW_VOLUME, wake_at=later)
