"""What is handed to the broker's own algorithm, and when it cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from .decision import Decision, ExecutionStrategy, Style
from .money import plain
from .plan import PlanTerms
from .ports import Algorithm, TimeInForce
from .reasons import Reason, Refusal

ALGORITHMS: Final[Mapping[ExecutionStrategy, str]] = MappingProxyType(
    {ExecutionStrategy.TWAP: "TWAP", ExecutionStrategy.VWAP: "VWAP"}
)
"""The strategies that a broker may work, by the name that it knows them under."""

_BROKER: Final = Style.BROKER


CAP_MIN: Final = Decimal("0.001")
"""The smallest part of the market's volume that a broker's algorithm can be held to."""


def algorithm_of(plan: PlanTerms, time_in_force: TimeInForce, now: int) -> Algorithm | None:
    """How the broker is to work an order of the plan placed at ``now``; None where we work it.

    Only the order for the day is the algorithm's. What a plan that must complete crosses with at
    its deadline is immediate-or-cancel and goes out as it is.
    """
    if plan.style is not _BROKER:
        return None
    name = ALGORITHMS.get(plan.strategy)
    if name is None or time_in_force is not TimeInForce.DAY:
        return None
    cap = plan.participation_cap
    return Algorithm(
        name=name,
        start_at=max(plan.start_at, now),
        end_at=plan.end_at,
        participation_max=cap if cap is not None and cap < 1 else None,
    )


def cannot_hand_over(
    decision: Decision, style: Style, strategy: ExecutionStrategy, *, broker: str, offered: bool
) -> Refusal | None:
    """Why the broker cannot be given the instruction to work; None when it can, or is not to.

    ``style`` and ``strategy`` are what the decision comes to, ``offered`` tells whether the account
    at ``broker`` has algorithms.
    """
    if style is not Style.BROKER:
        return None
    if strategy not in ALGORITHMS:
        return _refused(
            f"style broker with strategy {strategy.value}",
            f"strategy {' or '.join(each.value for each in ALGORITHMS)}, or style smart or naive",
            f"{strategy.value} is worked here: no broker has an algorithm for it.",
        )
    if decision.auction is not None:
        return _refused(
            "style broker with an auction",
            "an auction, or the broker's algorithm, not both",
            "A broker's algorithm trades in the continuous session only.",
        )
    cap = decision.participation_cap
    if cap is not None and cap < CAP_MIN:
        return _refused(
            f"style broker with participation_cap {plain(cap)}",
            f"participation_cap of at least {plain(CAP_MIN)}, or style smart or naive",
            "A broker's algorithm would take a larger part of the market than that.",
        )
    if not offered:
        return _refused(
            f"style broker at {broker}",
            "an account at a broker that has algorithms (broker.server_algorithms says so)",
            f"This account at {broker} has no algorithms of the broker's.",
        )
    return None


def _refused(observed: str, allowed: str, message: str) -> Refusal:
    return Refusal(
        reason=Reason.ORDER_TERMS,
        field="style",
        observed=observed,
        allowed=allowed,
        would_pass="style smart: the same strategy, worked here",
        message=message,
    )
