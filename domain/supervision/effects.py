"""Changes whose effect is a record of the second stream: both are written together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from ..errors import InvalidInput
from ..ops.base import OpsRecord
from ..ops.control import ChangeKind, PrincipalsInForce, RetentionInForce, StrategyApproved
from ..principals import Principal, check_principals, is_tightening
from ..retention import RetentionRules
from ..wrong_fields import wrong
from .changes import Change
from .registry import Moment, Supervision, head_of
from .retention_changes import retention_after

RECORDED: Final = frozenset({ChangeKind.PRINCIPALS, ChangeKind.STRATEGY, ChangeKind.RETENTION})
"""Changes that end in a record of the second stream."""


def take_effect(
    state: Supervision, by: Principal, change: Change, command: str, when: Moment
) -> tuple[OpsRecord, ...]:
    """Use an approved change of principals, retention or a strategy, and record what it makes.

    Raises:
        AccessDenied: it cannot be used.
        InvalidInput: the controls could not work with the new principals.
    """
    applied = state.apply_change(by, change.id, command, when)
    head = head_of(when, by.name)
    content = json.loads(change.proposed.content)
    if change.proposed.kind is ChangeKind.PRINCIPALS:
        principals = read_principals(content)
        _check_base(state, content)
        return applied, PrincipalsInForce(**head, principals=principals, change=change.id)
    if change.proposed.kind is ChangeKind.RETENTION:
        kept = retention_after(state.retention or RetentionRules(), change.proposed)
        return applied, RetentionInForce(**head, **dict(kept), change=change.id)
    approved = change.approved.actor if change.approved is not None else by.name
    content["go_live_at"] = max(content["go_live_at"], when.at)
    return applied, StrategyApproved(
        **head, **content, change=change.id, proposer=change.proposed.actor, approver=approved
    )


def principals_content(state: Supervision, after: Sequence[Principal]) -> tuple[str, bool]:
    """The content of a change of principals, and whether it only takes something away.

    Raises:
        InvalidInput: the controls could not work with them.
    """
    check_principals(after)
    before = list(state.principals.values())
    content = {
        "from": [one.model_dump(mode="json") for one in before],
        "principals": [one.model_dump(mode="json") for one in after],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return text, is_tightening(before, after)


def read_principals(content: object) -> tuple[Principal, ...]:
    """Principals from a document with a list ``principals``, checked.

    Raises:
        InvalidInput: it is none, or the controls could not work with them.
    """
    rows: Any = content.get("principals") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise InvalidInput("principals", "nothing", "a list [[principals]]")
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            found.append(Principal.model_validate(row))
        except ValidationError as error:
            raise wrong(error, Principal, f"principals {number}") from None
    check_principals(found)
    return tuple(found)


def _check_base(state: Supervision, content: dict[str, Any]) -> None:
    """Refuse a set that was proposed from another: it would bring back what was taken away."""
    now = [one.model_dump(mode="json") for one in state.principals.values()]
    if content["from"] != now:
        allowed = "those in force when it was proposed; propose it anew"
        raise InvalidInput("principals", "changed meanwhile", allowed)
