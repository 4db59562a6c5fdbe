"""A change of limits as it is proposed, bound to the values that the approver sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import InvalidInput
from ..limits import Limits
from ..ops.control import ChangeKind, ChangeProposed
from ..tightening import RESTRICTED, SHORT, loosened, with_changes

LIMIT_KINDS = frozenset({ChangeKind.LIMITS, ChangeKind.SHORT, ChangeKind.UNRESTRICT})
"""Changes that end in a record of limits."""


class LimitChange(NamedTuple):
    """What a change of limits is: its kind, whether it only tightens, and its content."""

    kind: ChangeKind
    is_tightening: bool
    scope: str
    content: str


def limit_change(in_force: Limits, changes: Mapping[str, object]) -> LimitChange:
    """What it takes to change some fields of the limits in force.

    Raises:
        InvalidInput: a field or value that is none, no change, or several that different roles
            approve.
    """
    made = with_changes(in_force, changes)
    wider = loosened(in_force, made)
    apart = {SHORT: ChangeKind.SHORT, RESTRICTED: ChangeKind.UNRESTRICT}
    kinds = {apart.get(name, ChangeKind.LIMITS) for name in wider} or {ChangeKind.LIMITS}
    if len(kinds) > 1:
        allowed = "changes that one role approves: propose them apart"
        raise InvalidInput("limits", ", ".join(wider), allowed)
    names = sorted(changes)
    before, after = (one.model_dump(mode="json") for one in (in_force, made))
    content = {"from": {n: before[n] for n in names}, "set": {n: after[n] for n in names}}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return LimitChange(kinds.pop(), not wider, ",".join(names)[:200], text)


def limits_after(in_force: Limits, change: ChangeProposed) -> Limits:
    """The limits once a change is made of those in force.

    Raises:
        InvalidInput: what it changes is not any more what was approved to be changed.
    """
    content: dict[str, dict[str, Any]] = json.loads(change.content)
    now = in_force.model_dump(mode="json")
    for name, value in content["from"].items():
        if now[name] != value:
            allowed = f"{value}, which the change was proposed from; propose it anew"
            raise InvalidInput(f"limits.{name}", now[name], allowed)
    return with_changes(in_force, content["set"])
