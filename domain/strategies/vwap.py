"""VWAP: slices that follow the market's volume."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ..decision import Style
from ..market import MarketState
from ..money import ONE, ZERO
from ..plan import PlanTerms
from .common import at_deadline, preamble
from .contract import InstructionView, Step
from .follow import banded, follow
from .handed_over import handed_over
from .schedule import (
    U_SHAPED_CURVE,
    Window,
    curve_fraction,
    curve_share,
    fraction_target,
    window_of,
)
from .slicing import naive_slices

PRIOR_WEIGHT: Final = Decimal("0.25")
"""How much of the window's expected volume must trade before the pace seen outweighs the curve."""
PACE_MAX: Final = Decimal(4)
"""A window's volume is taken to run at most this many times above or below what was expected."""


class VwapStrategy:
    """Slices by the volume curve, under the plan's participation cap.

    Naive: a market order at the time of each of the equal spans, for the share of volume that the
    curve expects in it. Smart: rests and crosses around the share of the window's volume that has
    printed, with what is still to come taken from the curve and the pace seen so far.
    """

    name = "vwap"
    version = 3

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        """The next step of a VWAP plan."""
        if plan.style is Style.BROKER:
            return handed_over(plan, view, market, now)
        if plan.style is Style.NAIVE:

            def target(window: Window, due: int) -> Decimal:
                length = window.end - window.start
                until = window.start + length * due // window.slices
                fraction = curve_fraction(
                    curve_of(plan), market.session_open, market.session_close, window, until
                )
                return fraction_target(window, fraction, plan.lot)

            return naive_slices(plan, view, market, now, target)
        step = preamble(plan, view, market, now, plan.end_at)
        if step is not None:
            return step
        if now >= plan.end_at:
            return at_deadline(
                plan, view, market, now, deadline=plan.end_at, complete=plan.must_complete
            )
        window = window_of(plan, view)
        fraction = volume_fraction(plan, view, market, window, now)
        return follow(plan, view, market, now, banded(plan, window, fraction, now))


def curve_of(plan: PlanTerms) -> tuple[int, ...]:
    """The plan's volume curve, or the U-shaped one where it has none that can be followed."""
    curve = plan.parameters.volume_curve
    return curve if curve and min(curve) >= 0 and sum(curve) > 0 else U_SHAPED_CURVE


def volume_fraction(
    plan: PlanTerms, view: InstructionView, market: MarketState, window: Window, now: int
) -> Decimal:
    """The share of the window's volume that has traded by ``now``, as far as it can be known.

    With V printed since the start, f the curve's share by now and W the volume that the average
    day and the curve expect in the window, what is to come is (1 - f) W times the pace
    (V + k W) / (f W + k W), and the share V over V plus that. Without volumes, or after the
    schedule began anew, the curve alone.
    """
    curve = curve_of(plan)
    opens, closes = market.session_open, market.session_close
    expected = curve_fraction(curve, opens, closes, window, now)
    known = market.volume is not None and view.volume_at_start is not None
    if not known or market.average_daily_volume is None or window.start != plan.start_at:
        return expected
    assert market.volume is not None
    assert view.volume_at_start is not None
    share = curve_share(curve, opens, closes, window.start, window.end)
    whole = market.average_daily_volume * share
    printed = max(market.volume - view.volume_at_start, ZERO)
    if whole <= 0 or expected >= ONE:
        return expected
    pace = (printed + PRIOR_WEIGHT * whole) / ((expected + PRIOR_WEIGHT) * whole)
    pace = min(max(pace, 1 / PACE_MAX), PACE_MAX)
    return printed / (printed + (ONE - expected) * whole * pace)
