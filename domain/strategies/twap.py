"""TWAP: equal slices over the window."""

from __future__ import annotations

from decimal import Decimal

from ..decision import Style
from ..market import MarketState
from ..money import ONE
from ..plan import PlanTerms
from .common import at_deadline, preamble
from .contract import InstructionView, Step
from .follow import follow, straight
from .handed_over import handed_over
from .schedule import Window, almgren_chriss_holdings, fraction_target, linear_target, window_of
from .slicing import naive_slices


class TwapStrategy:
    """Equal slices in time, or an Almgren-Chriss trajectory where the plan bends the schedule.

    Naive: a market order at each slice's time. Smart: rests and crosses around the straight line
    that the slices lie on.
    """

    name = "twap"
    version = 3

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        """The next step of a TWAP plan."""
        if plan.style is Style.BROKER:
            return handed_over(plan, view, market, now)
        if plan.style is Style.NAIVE:

            def target(window: Window, due: int) -> Decimal:
                return slice_target(plan, window, due)

            return naive_slices(plan, view, market, now, target)
        step = preamble(plan, view, market, now, plan.end_at)
        if step is not None:
            return step
        if now >= plan.end_at:
            return at_deadline(
                plan, view, market, now, deadline=plan.end_at, complete=plan.must_complete
            )
        return follow(plan, view, market, now, straight(plan, window_of(plan, view), now))


def slice_target(plan: PlanTerms, window: Window, due: int) -> Decimal:
    """Shares due in all after ``due`` slices: equal ones, or along the trajectory."""
    curvature = plan.parameters.risk_curvature
    if not curvature:
        return linear_target(window, due, plan.lot)
    held = almgren_chriss_holdings(curvature, window.slices)[due]
    return fraction_target(window, ONE - held, plan.lot)
