"""The ways to work a parent order, by name: strategy, style and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from ...domain.decision import ExecutionStrategy, ExecutionUrgency, Style
from ...domain.errors import InvalidInput
from ...domain.money import ONE, bound_price, round_to_tick
from ...domain.plan import SLICES_MAX, PlanTerms, StrategyParameters, final_phase_at
from ...domain.planning.facts import DEFAULT_RULES
from ...domain.planning.terms import SEED_MASK
from ...domain.ports import NANOS
from .grid import Parent

BASELINE: Final = "TWAP60s"
"""What every policy is compared with, parent by parent."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A strategy with its style and the parameters that differ from the defaults.

    With ``slice_seconds`` there is a slice for each such part of the window.
    """

    name: str
    strategy: ExecutionStrategy
    style: Style
    parameters: tuple[tuple[str, Any], ...] = ()
    slice_seconds: int | None = None

    def given(self, horizon_seconds: int) -> dict[str, Any]:
        """The parameters that it sets for a window."""
        given = dict(self.parameters)
        if self.slice_seconds is not None:
            given["slices"] = max(1, min(horizon_seconds // self.slice_seconds, SLICES_MAX))
        return given


TIGHT: Final = (("band_fraction", DEFAULT_RULES.for_urgency(ExecutionUrgency.HIGH).band_fraction),)


def _policies(*policies: Policy) -> Mapping[str, Policy]:
    return MappingProxyType({policy.name: policy for policy in policies})


_X = ExecutionStrategy
POLICIES: Final = _policies(
    Policy("MARKET", _X.MARKET, Style.NAIVE),
    Policy("TWAP8", _X.TWAP, Style.NAIVE, (("slices", 8),)),
    Policy(BASELINE, _X.TWAP, Style.NAIVE, slice_seconds=60),
    Policy("VWAP", _X.VWAP, Style.NAIVE, (("slices", 8),)),
    Policy("ICEBERG", _X.ICEBERG, Style.NAIVE, (("peg", False),)),
    Policy("PEG_CROSS", _X.ICEBERG, Style.NAIVE, (("peg", True), ("display_fraction", ONE))),
    Policy("adaptive", _X.TWAP, Style.SMART),
    Policy("risk_averse", _X.TWAP, Style.SMART, (("risk_curvature", Decimal(8)),)),
    Policy("smart_twap", _X.TWAP, Style.SMART, TIGHT),
    Policy("smart_vwap", _X.VWAP, Style.SMART, TIGHT),
    Policy("smart_iceberg", _X.ICEBERG, Style.SMART),
    Policy("smart_opportunistic", _X.OPPORTUNISTIC, Style.SMART),
)
"""All policies; names in capitals are the textbook ones.

``adaptive`` is what a decision gets that names no strategy; ``risk_averse`` is the same on a
schedule of Almgren and Chriss whose half-life is about a quarter of the window (kappa T = 2.8);
``smart_twap`` and ``smart_vwap`` keep close to their schedule, as decisions of high urgency do.
"""


def policies_named(names: Sequence[str]) -> list[Policy]:
    """Policies by name in the order given, the baseline always among them.

    Raises:
        InvalidInput: a name is unknown.
    """
    unknown = [name for name in names if name not in POLICIES]
    if unknown:
        raise InvalidInput("policies", ", ".join(unknown), ", ".join(POLICIES))
    wanted = list(dict.fromkeys([*names, BASELINE]))
    return [POLICIES[name] for name in wanted]


@dataclass(frozen=True, slots=True)
class Stress:
    """What is made harder for every policy.

    ``queue_share`` replaces each day's own; ``rest_fraction_max`` caps what smart strategies show
    at any time, as a share of the parent, and 0 forbids resting; ``bound_bps`` is a price bound
    from the arrival mid, under which no parent must complete.
    """

    queue_share: Decimal | None = None
    rest_fraction_max: Decimal | None = None
    bound_bps: Decimal | None = None


def plan_of(
    parent: Parent,
    policy: Policy,
    stress: Stress,
    *,
    id: UUID,
    tick: Decimal,
    lot: Decimal,
    curve: tuple[int, ...],
) -> PlanTerms:
    """The plan that works a parent by a policy: must complete and has no bound, unless stressed."""
    given = policy.given(parent.horizon_seconds)
    if policy.strategy is ExecutionStrategy.VWAP:
        given["volume_curve"] = curve
    if stress.rest_fraction_max is not None and policy.style is Style.SMART:
        given["rest_fraction_max"] = stress.rest_fraction_max
    urgency = DEFAULT_RULES.for_urgency(ExecutionUrgency.MEDIUM)
    base = {"band_fraction": urgency.band_fraction, "wake_slack_ns": 0}
    mid = (Decimal(repr(parent.arrival_bid)) + Decimal(repr(parent.arrival_ask))) / 2
    touch = parent.arrival_bid if parent.side.sign > 0 else parent.arrival_ask
    sign, bound = parent.side.sign, None
    if stress.bound_bps is not None:
        bound = bound_price(mid, stress.bound_bps, sign, tick)
    end = parent.start + parent.horizon_seconds * NANOS
    return PlanTerms(
        symbol=parent.symbol,
        side=parent.side,
        quantity=parent.quantity,
        strategy=policy.strategy,
        style=policy.style,
        urgency=ExecutionUrgency.MEDIUM,
        start_at=parent.start,
        end_at=end,
        final_phase_at=final_phase_at(parent.start, end),
        tick=tick,
        lot=lot,
        arrival_mid=mid,
        arrival_touch=round_to_tick(Decimal(repr(touch)), tick, up=sign < 0),
        bound_bps=stress.bound_bps,
        bound_price=bound,
        must_complete=stress.bound_bps is None,
        parameters=StrategyParameters(**{**base, **given}),
        seed=id.int & SEED_MASK,
    )
