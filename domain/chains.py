"""Chains: a decision worked over several sessions, by one instruction in each (ruling 15).

An instruction lives in one session. A decision with ``sessions`` trades that part of its way today
and leaves a link for the next session, which is sized anew from the position then: what a day could
not trade is spread over the days left, and no share is bought twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from .decision import DECISION_ID_MAX, Decision
from .money import plain
from .principals import Submitter
from .reasons import EndReason
from .states import InstructionState

LINK_SEPARATOR: Final = "/"
ENDS_CHAIN: Final = frozenset({EndReason.USER, EndReason.KILL_SWITCH})
"""Whoever stopped a link meant the whole chain."""
_OF_THE_DAY: Final = frozenset({"decided_at", "current_weight", "sessions", "parent_id"})


@dataclass(frozen=True, slots=True)
class Link:
    """One day of a chain: the decision, its place (1 is the first), and what came of it.

    ``submitted_by`` is in whose name it was handed in, None where no principals were set up.
    """

    root: str
    number: int
    session_date: str
    decision: Decision
    state: InstructionState
    executed: Decimal
    end_reason: EndReason | None = None
    submitted_by: Submitter | None = None

    @property
    def sessions_left(self) -> int:
        """Sessions after this one."""
        return (self.decision.sessions or 1) - 1


def share_of_today(quantity: Decimal, sessions: int | None, step: Decimal) -> Decimal:
    """The part of a whole quantity that the first of so many sessions trades, in steps.

    Half to even, at least one step, and all of it in the last session.
    """
    if sessions is None or sessions <= 1:
        return quantity
    steps = (quantity / sessions / step).to_integral_value(rounding=ROUND_HALF_EVEN)
    return min(max(steps * step, step), quantity)


def link_id(root: str, number: int) -> str:
    """The decision id of a link: the parent's with its place, a long one by its digest."""
    id = f"{root}{LINK_SEPARATOR}{number}"
    if len(id) <= DECISION_ID_MAX:
        return id
    return f"{hashlib.sha256(root.encode()).hexdigest()}{LINK_SEPARATOR}{number}"


def following(last: Link) -> dict[str, object] | None:
    """The decision, as it is handed in, that takes a chain on in the next session; None at its end.

    A chain ends with its last session, when its target is reached, when all of a given size has
    traded, when its first link was refused, or when somebody stopped a link.
    """
    decision = last.decision
    refused = last.state is InstructionState.REJECTED and last.number == 1
    over = last.sessions_left < 1 or last.state is InstructionState.NO_CHANGE or refused
    if over or last.end_reason in ENDS_CHAIN:
        return None
    raw: dict[str, object] = {}
    for name in type(decision).model_fields:
        value = getattr(decision, name)
        if value is not None and name not in _OF_THE_DAY:
            raw[name] = plain(value) if isinstance(value, Decimal) else value
    raw["max_slippage"] = raw.pop("max_slippage_bps", "none")
    if decision.order_size is not None:
        left = decision.order_size - last.executed
        if left <= 0:
            return None
        raw["order_size"] = plain(left)
    raw["sessions"] = last.sessions_left
    raw["parent_id"] = last.root
    raw["decision_id"] = link_id(last.root, last.number + 1)
    return raw
