"""The schedule of an instruction as it was planned, suspended, resumed and planned again."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from ..domain.instruction import Instruction
from ..domain.plan import PlanTerms
from ..domain.strategies.contract import InstructionView
from ..domain.strategies.planned import shares_planned


class PlanInForce(NamedTuple):
    """What an instruction was worked by from ``since`` (ns UTC) on; no plan while suspended.

    The view says from when the remainder was spread anew, and how much was executed by then.
    """

    since: int
    plan: PlanTerms | None
    view: InstructionView


def plan_in_force(since: int, instruction: Instruction) -> PlanInForce:
    """The plan and view of an instruction as they are now, from ``since`` on."""
    suspended = instruction.suspended_since is not None
    return PlanInForce(since, None if suspended else instruction.plan, instruction.view())


def schedule(
    plans: Sequence[PlanInForce],
    times: Sequence[int],
    session_open: int,
    session_close: int,
) -> list[tuple[int, Decimal]]:
    """Shares due by each of some ascending times (ns UTC), as the plan in force then had it.

    While it was suspended nothing more falls due. Times at which no plan has a schedule are left
    out, and so are those before the first plan.
    """
    found: list[tuple[int, Decimal]] = []
    row = -1
    for at in times:
        while row + 1 < len(plans) and plans[row + 1].since <= at:
            row += 1
        if row < 0:
            continue
        plan, view = plans[row].plan, plans[row].view
        due = found[-1][1] if found and plan is None else None
        if plan is not None:
            due = shares_planned(plan, view, at, session_open, session_close)
        if due is not None:
            found.append((at, due))
    return found
