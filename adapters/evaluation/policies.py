"""The ways to work a parent order, by name: strategy, style and parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from ...domain.decision import ExecutionStrategy, ExecutionUrgency, Style
from ...domain.errors import InvalidInput
from ...domain.facts import DEFAULT_RULES
from ...domain.money import bound_price, round_to_tick
from ...domain.plan import PlanTerms, StrategyParameters, final_phase_at
from ...domain.ports import NANOS
from .grid import Parent

SEED_MASK: Final = 2**63 - 1
BASELINE: Final = "TWAP60s"
"""What every policy is compared with, parent by parent."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A strategy with its style and the parameters that differ from the defaults.

    ``parameters`` gives them for a horizon in seconds.
    """

    name: str
    strategy: ExecutionStrategy
    style: Style
    parameters: Callable[[int], Mapping[str, Any]] = lambda horizon_seconds: {}


TIGHT: Final = MappingProxyType(
    {"band_fraction": DEFAULT_RULES.for_urgency(ExecutionUrgency.HIGH).band_fraction}
)


def _policies(*policies: Policy) -> Mapping[str, Policy]:
    return MappingProxyType({policy.name: policy for policy in policies})


POLICIES: Final = _policies(
    Policy("MARKET", ExecutionStrategy.MARKET, Style.NAIVE),
    Policy("TWAP8", ExecutionStrategy.TWAP, Style.NAIVE, lambda horizon: {"slices": 8}),
    Policy(
        BASELINE,
        ExecutionStrategy.TWAP,
        Style.NAIVE,
        lambda horizon: {"slices": max(1, min(horizon // 60, 500))},
    ),
    Policy("VWAP", ExecutionStrategy.VWAP, Style.NAIVE, lambda horizon: {"slices": 8}),
    Policy("ICEBERG", ExecutionStrategy.ICEBERG, Style.NAIVE, lambda horizon: {"peg": False}),
    Policy(
        "PEG_CROSS",
        ExecutionStrategy.ICEBERG,
        Style.NAIVE,
        lambda horizon: {"peg": True, "display_fraction": Decimal(1)},
    ),
    Policy("adaptive", ExecutionStrategy.TWAP, Style.SMART),
    Policy("smart_twap", ExecutionStrategy.TWAP, Style.SMART, lambda horizon: TIGHT),
    Policy("smart_vwap", ExecutionStrategy.VWAP, Style.SMART, lambda horizon: TIGHT),
    Policy("smart_iceberg", ExecutionStrategy.ICEBERG, Style.SMART),
    Policy("smart_opportunistic", ExecutionStrategy.OPPORTUNISTIC, Style.SMART),
)
"""All policies; names in capitals are the textbook ones.

``adaptive`` is what a decision gets that names no strategy; ``smart_twap`` and ``smart_vwap`` keep
close to their schedule, as decisions of high urgency do.
"""

DEFAULT_POLICIES: Final = ("MARKET", BASELINE, "PEG_CROSS", "adaptive")


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
    given = dict(policy.parameters(parent.horizon_seconds))
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
