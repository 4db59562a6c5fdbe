"""A change of retention as it is proposed, bound to what the approver sees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from ..errors import InvalidInput
from ..ops.control import ChangeProposed
from ..retention import DAYS_MAX, HOLD_WORDS, HOLDS_MAX, LegalHold, RetentionRules

_HOLD: Final[TypeAdapter[str]] = TypeAdapter(LegalHold)


class RetentionChange(NamedTuple):
    """What a change of retention is: whether it only keeps more, and its scope and content."""

    is_tightening: bool
    scope: str
    content: str


def retention_change(
    in_force: RetentionRules,
    days: int | None = None,
    hold: Sequence[str] = (),
    lift: Sequence[str] = (),
) -> RetentionChange:
    """What it takes to keep records ``days`` long, to ``hold`` some and to ``lift`` holds.

    Raises:
        InvalidInput: a value out of its range, a hold that is none or none in force, or no change.
    """
    content: dict[str, Any] = {}
    if days is not None and days != in_force.days:
        content["days"] = {"from": in_force.days, "to": days}
    new = sorted({_read_hold(one) for one in hold} - set(in_force.legal_holds))
    if new:
        content["hold"] = new
    if lift:
        content["lift"] = sorted({_read_hold(one) for one in lift})
    if not content:
        raise InvalidInput("retention", "no change", "values other than those in force")
    _after(in_force, content)
    shorter = days is not None and days < in_force.days
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return RetentionChange(not lift and not shorter, ",".join(content), text)


def retention_after(in_force: RetentionRules, change: ChangeProposed) -> RetentionRules:
    """What is kept once a change is made of what is in force.

    Raises:
        InvalidInput: what it changes is not any more what was approved to be changed.
    """
    return _after(in_force, json.loads(change.content))


def _after(in_force: RetentionRules, content: dict[str, Any]) -> RetentionRules:
    days = content.get("days", {"from": in_force.days, "to": in_force.days})
    if days["from"] != in_force.days:
        allowed = f"{days['from']}, which the change was proposed from; propose it anew"
        raise InvalidInput("retention.days", in_force.days, allowed)
    if not 0 <= days["to"] <= DAYS_MAX:
        raise InvalidInput("retention.days", days["to"], f"a whole number from 0 to {DAYS_MAX}")
    holds, lifted = set(in_force.legal_holds), set(content.get("lift", ()))
    if lifted - holds:
        allowed = "a hold in force on the record: " + (", ".join(sorted(holds)) or "there is none")
        raise InvalidInput("lift", sorted(lifted - holds)[0], allowed)
    holds = holds - lifted | set(content.get("hold", ()))
    if len(holds) > HOLDS_MAX:
        raise InvalidInput("hold", f"{len(holds)} holds", f"at most {HOLDS_MAX} in force")
    return RetentionRules(days=days["to"], legal_holds=tuple(sorted(holds)))


def _read_hold(text: str) -> str:
    try:
        return _HOLD.validate_python(text.strip())
    except ValidationError:
        raise InvalidInput("hold", text, HOLD_WORDS) from None
