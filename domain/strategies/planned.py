"""How much of an instruction its plan has due by when: the schedule, before anything trades."""

from __future__ import annotations

from decimal import Decimal

from ..decision import ExecutionStrategy, Style
from ..plan import PlanTerms
from .contract import InstructionView
from .schedule import (
    Window,
    curve_fraction,
    fraction_target,
    slices_due,
    trajectory_fraction,
    window_of,
)
from .twap import slice_target
from .vwap import curve_of


def shares_planned(
    plan: PlanTerms, view: InstructionView, at: int, session_open: int, session_close: int
) -> Decimal | None:
    """Shares due in all by ``at`` (ns UTC); None where the strategy has no schedule in time.

    Naive slices are due in steps at their times. What smart slicing follows is a line: straight, of
    Almgren and Chriss, or for VWAP the share of volume that the curve expects (it goes on to follow
    the volume that prints). POV, icebergs, limits and opportunistic plans have no such line.
    """
    if plan.strategy is ExecutionStrategy.MARKET:
        return plan.quantity if at >= plan.start_at else Decimal(0)
    if plan.strategy not in (ExecutionStrategy.TWAP, ExecutionStrategy.VWAP):
        return None
    window = window_of(plan, view)
    in_time = plan.strategy is ExecutionStrategy.TWAP

    def curved(until: int) -> Decimal:
        return curve_fraction(curve_of(plan), session_open, session_close, window, until)

    if plan.style is Style.NAIVE:
        due = slices_due(window, at, plan.parameters, plan.seed)
        if in_time:
            return slice_target(plan, window, due)
        return fraction_target(window, curved(_end_of(window, due)), plan.lot)
    curvature = plan.parameters.risk_curvature
    fraction = trajectory_fraction(window, at, curvature) if in_time else curved(at)
    return window.base + window.quantity * fraction


def _end_of(window: Window, due: int) -> int:
    """When the span of the last of ``due`` slices ends."""
    return window.start + (window.end - window.start) * due // window.slices
