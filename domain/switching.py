"""Looking again while working: when the market or the schedule calls for another way.

Pure: the same plan, progress and market always give the same answer, and the rule that fired is
stored with what was observed and its threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field

from .decision import ExecutionStrategy, ExecutionUrgency, Style
from .market import MarketState, Record
from .money import ONE, ZERO
from .plan import PlanTerms, final_phase_at
from .ports import NANOS
from .strategies.contract import InstructionView
from .strategies.frontier import band_of

FOLLOWERS: Final = frozenset(
    {ExecutionStrategy.TWAP, ExecutionStrategy.VWAP, ExecutionStrategy.ICEBERG}
)
"""Strategies that have a schedule to be behind of."""

END_NS: Final = 60 * NANOS
"""A plan that ends this close to the session's end, or nearer, ends with it."""


class SwitchingRules(Record):
    """When a working instruction changes its ways.

    ``lag_fraction`` is how much of the quantity, beside half of its band, it may be behind a
    straight line, looked at after ``lag_after_fraction`` of the window; ``spread_multiple`` is of
    the spread at the plan's start; ``volatility_bps`` is the one-minute standard deviation above
    which lagging is risk, and so is ``volatility_multiple`` of what it was when the plan was made,
    from a quarter of ``volatility_bps`` on. In the last ``close_seconds`` of a session, plans that
    end with it wait no longer; 0 lets them.
    """

    reassess_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    switches_max: Annotated[int, Field(ge=0, le=20)] = 3
    lag_fraction: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.3")
    lag_after_fraction: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.5")
    spread_multiple: Annotated[Decimal, Field(gt=1)] = Decimal(4)
    volatility_bps: Annotated[Decimal, Field(gt=0)] = Decimal(40)
    volatility_multiple: Annotated[Decimal, Field(gt=1)] = Decimal(4)
    close_seconds: Annotated[int, Field(ge=0, le=3600)] = 600


@dataclass(frozen=True, slots=True)
class Switch:
    """A changed plan with the rule, what was observed and the threshold it passed."""

    plan: PlanTerms
    rule: str
    observed: str
    threshold: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """What a reassessment knows beside plan, view and market.

    ``switched_at`` is the last switch (ns UTC), ``half_spread_bps_at_start`` the half spread at
    arrival, ``volatility_bps_at_plan`` the one-minute deviation when the plan was made.
    """

    switches: int
    switched_at: int | None
    half_spread_bps_at_start: Decimal | None
    volatility_bps_at_plan: Decimal | None = None


def reassess(
    plan: PlanTerms,
    view: InstructionView,
    market: MarketState,
    progressed: Progressed,
    rules: SwitchingRules,
) -> Switch | None:
    """The switch to make now, or None to go on as planned."""
    now = market.now
    last = progressed.switched_at if progressed.switched_at is not None else plan.start_at
    due = now - last >= rules.reassess_seconds * NANOS and now < plan.final_phase_at
    if not due or progressed.switches >= rules.switches_max or not view.remaining(plan):
        return None
    if plan.style is Style.BROKER:
        return None  # the broker's algorithm sees to itself
    return (
        _behind_schedule(plan, view, now, rules)
        or _near_close(plan, market, rules)
        or _volatile(plan, market, progressed, rules)
        or _wide_spread(plan, market, progressed, rules)
    )


def _behind_schedule(
    plan: PlanTerms, view: InstructionView, now: int, rules: SwitchingRules
) -> Switch | None:
    """A scheduled instruction that lags far behind a straight line stops waiting for its rests."""
    if plan.strategy not in FOLLOWERS or plan.style is not Style.SMART:
        return None
    elapsed = Decimal(now - plan.start_at) / Decimal(plan.end_at - plan.start_at)
    lag = elapsed - view.executed / plan.quantity
    eager = not plan.parameters.band_fraction and plan.strategy is not ExecutionStrategy.ICEBERG
    # Half of what its band lets it wait for a better price is no lag to worry about.
    waiting = band_of(plan, ONE, plan.start_at, plan.end_at, now) / 2
    allowed = rules.lag_fraction + waiting
    if elapsed < rules.lag_after_fraction or lag <= allowed or eager:
        return None
    return Switch(
        _eager(plan, now),
        "behind_schedule",
        f"{lag:.3f} of the quantity behind",
        f"{allowed:.3f} after {rules.lag_after_fraction} of the window",
    )


def _eager(plan: PlanTerms, now: int) -> PlanTerms:
    """The remainder on a straight line from now to the same end, crossing whatever lags."""
    parameters = plan.parameters.model_copy(update={"band_fraction": ZERO})
    return plan.model_copy(
        update={
            "strategy": ExecutionStrategy.TWAP,
            "style": Style.SMART,
            "urgency": ExecutionUrgency.HIGH,
            "start_at": now,
            "final_phase_at": final_phase_at(now, plan.end_at),
            "parameters": parameters,
        }
    )


def _near_close(plan: PlanTerms, market: MarketState, rules: SwitchingRules) -> Switch | None:
    """A plan that ends with the session has no time after it: in the last minutes nothing waits.

    What need not trade (a limit, a better price that may never come) goes on as it was planned.
    """
    left = market.session_close - market.now
    if not 0 < left <= rules.close_seconds * NANOS or plan.end_at < market.session_close - END_NS:
        return None
    waits = plan.strategy is ExecutionStrategy.OPPORTUNISTIC and plan.completes
    banded = plan.style is Style.SMART and plan.parameters.band_fraction > 0
    if not waits and not (plan.strategy in FOLLOWERS and banded):
        return None
    return Switch(
        _eager(plan, market.now),
        "close_approaching",
        f"{left // NANOS} s to the close",
        f"{rules.close_seconds} s",
    )


def _volatile(
    plan: PlanTerms, market: MarketState, progressed: Progressed, rules: SwitchingRules
) -> Switch | None:
    """In a volatile market a wide band is risk: follow the schedule closely."""
    seen, before = market.volatility_bps, progressed.volatility_bps_at_plan
    allowed = rules.volatility_bps
    if before is not None:
        jumped = max(before * rules.volatility_multiple, rules.volatility_bps / 4)
        allowed = min(allowed, jumped)
    calm = seen is None or seen <= allowed
    if calm or plan.strategy not in FOLLOWERS or not plan.parameters.band_fraction:
        return None
    parameters = plan.parameters.model_copy(update={"band_fraction": ZERO})
    return Switch(
        plan.model_copy(update={"parameters": parameters}),
        "volatility_jump",
        f"{seen:.2f} bps a minute",
        f"{allowed:f} bps a minute",
    )


def _wide_spread(
    plan: PlanTerms, market: MarketState, progressed: Progressed, rules: SwitchingRules
) -> Switch | None:
    """When the spread blows out, crossing is dear: rest as long as the schedule allows."""
    quote, before = market.usable_quote, progressed.half_spread_bps_at_start
    if quote is None or not before or plan.strategy not in FOLLOWERS:
        return None
    patient = plan.style is Style.SMART and plan.parameters.band_fraction >= 1
    if quote.half_spread_bps <= rules.spread_multiple * before or patient:
        return None
    parameters = plan.parameters.model_copy(update={"band_fraction": Decimal(1)})
    return Switch(
        plan.model_copy(update={"style": Style.SMART, "parameters": parameters}),
        "spread_blow_out",
        f"half spread {quote.half_spread_bps:.2f} bps",
        f"{rules.spread_multiple} times {before:.2f} bps at arrival",
    )
