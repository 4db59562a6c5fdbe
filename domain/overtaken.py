"""What of an admitted instruction the limits in force do not allow any more.

Limits are tested when a decision is admitted; what executes afterwards is recorded whatever they
say. When they are tightened, what has not traded yet is looked at again, each limit against the
figure that it was admitted with, so that prices which moved end nothing: only another bound does.
What lowers a position goes on, but for a name that may not be traded at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from .limits import Limits
from .money import ZERO
from .plan import PlanTerms
from .reasons import Check

LATCH_PREFIX: Final = "limits:"


def limits_latch(account_stream: UUID, version: int) -> str:
    """The counter that is above 0 once another process than the engine put this version in force.

    Every intent is appended on condition that it is 0 for the version behind the one known, in the
    same transaction: no intent can be recorded under limits that are not in force any more.
    """
    return f"{LATCH_PREFIX}{account_stream.hex}:{version}"


@dataclass(frozen=True, slots=True)
class Admitted:
    """An admitted instruction as it stands.

    ``names`` are its symbol and what that was called before. ``checks`` are those that it was
    admitted with, by name. ``left`` shares have not traded, ``reduces`` says that they only lower
    the position. ``turnover_usd`` is what the session has used and reserved, ``turnover_cap_usd``
    what the limits in force allow of it.
    """

    names: tuple[str, ...]
    plan: PlanTerms
    checks: Mapping[str, Check]
    left: Decimal
    reduces: bool
    turnover_usd: Decimal
    turnover_cap_usd: Decimal


def beyond(admitted: Admitted, limits: Limits) -> Check | None:
    """The first check that what is left fails under these limits, None while it passes all."""
    listed = [name for name in admitted.names if name in limits.restricted]
    if listed:
        return Check(
            name="restricted_list", passed=False, limit_version=limits.version, note=listed[0]
        )
    if admitted.reduces or admitted.left <= 0:
        return None
    found = (make(admitted, limits) for make in _CHECKS)
    return next((check for check in found if check is not None), None)


def _failed(
    admitted: Admitted, limits: Limits, name: str, value: Decimal | None, bound: Decimal
) -> Check | None:
    """The check of ``name`` with another bound; None where it was not of numbers, or passes."""
    made = admitted.checks.get(name)
    if made is None or value is None or value <= bound:
        return None
    return made.model_copy(
        update={
            "passed": False,
            "value": value,
            "bound": bound,
            "limit_version": limits.version,
            "note": f"admitted under version {made.limit_version}",
        }
    )


def _whole(name: str, bound: Callable[[Limits], Decimal]) -> Make:
    """A limit on all of the instruction, or on what it comes to with everything else."""

    def make(admitted: Admitted, limits: Limits) -> Check | None:
        made = admitted.checks.get(name)
        return _failed(admitted, limits, name, made.value if made else None, bound(limits))

    return make


def _order_value(admitted: Admitted, limits: Limits) -> Check | None:
    """A limit on one order: what is left of it counts, at the price it was admitted at."""
    made = admitted.checks.get("order_value")
    if made is None or made.value is None:
        return None
    value = made.value * admitted.left / admitted.plan.quantity
    return _failed(admitted, limits, "order_value", value, limits.order_value_usd_max)


def _order_quantity(admitted: Admitted, limits: Limits) -> Check | None:
    return _failed(admitted, limits, "order_quantity", admitted.left, limits.order_quantity_max)


def _bound(admitted: Admitted, limits: Limits) -> Check | None:
    made = admitted.checks.get("max_slippage")
    if made is None or made.value is not None or limits.allow_no_bound:
        return _whole("max_slippage", lambda one: one.slippage_bps_max)(admitted, limits)
    update = {"passed": False, "limit_version": limits.version, "note": "no bound"}
    return made.model_copy(update=update)


def _short(admitted: Admitted, limits: Limits) -> Check | None:
    plan = admitted.plan
    if plan.short_mark is None or limits.allow_short:
        return None
    executed = plan.quantity - admitted.left
    long_left = max((plan.long_quantity or ZERO) - executed, ZERO)
    return _failed(admitted, limits, "short_sale", admitted.left, long_left)


def _turnover(admitted: Admitted, limits: Limits) -> Check | None:
    """Beyond the session's turnover: the last admitted first, as far as it takes.

    What was used and reserved up to each admission is its check's value. Where the whole is within
    the cap again, because others ended, nothing is beyond it.
    """
    made = admitted.checks.get("turnover")
    if made is None or admitted.turnover_usd <= admitted.turnover_cap_usd:
        return None
    return _failed(admitted, limits, "turnover", made.value, admitted.turnover_cap_usd)


Make = Callable[[Admitted, Limits], Check | None]
_CHECKS: Final[tuple[Make, ...]] = (
    _whole("price_collar", lambda limits: limits.collar_bps_max),
    _order_value,
    _order_quantity,
    _whole("adv_fraction", lambda limits: limits.adv_fraction_max),
    _bound,
    _short,
    _whole("position", lambda limits: limits.position_pct_max),
    _turnover,
)
