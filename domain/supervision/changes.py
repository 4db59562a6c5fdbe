"""What a change is and needs: roles, times, and the state that it is in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from ..ops.control import ChangeApproved, ChangeKind, ChangeProposed, ChangeRejected
from ..ports import DAY_NS
from ..principals import DESK, Role

EXPIRY_NS_MAX: Final = 7 * DAY_NS
"""So long at most a change may wait to be approved and used."""
STANDING_NS_MAX: Final = 92 * DAY_NS
"""So long at most a permission that stands, such as to trade live."""
STANDING: Final = frozenset({ChangeKind.LIVE})
"""Changes that are in force until they expire; every other is used once."""

APPROVERS: Final[Mapping[ChangeKind, tuple[Role, ...]]] = {
    ChangeKind.LIMITS: (Role.RISK,),
    ChangeKind.SHORT: (Role.RISK,),
    ChangeKind.UNRESTRICT: (Role.COMPLIANCE,),
    ChangeKind.LIVE: (Role.RISK,),
    ChangeKind.RELEASE_KILL: (Role.RISK,),
    ChangeKind.CLOSE_BREAK: (Role.COMPLIANCE,),
    ChangeKind.STRATEGY: (Role.RISK,),
    ChangeKind.PRINCIPALS: (Role.ADMIN,),
    ChangeKind.RETENTION: (Role.COMPLIANCE,),
}
"""By kind, the roles of which the approver has one."""
PROPOSERS: Final[Mapping[ChangeKind, tuple[Role, ...]]] = {
    **dict.fromkeys(ChangeKind, DESK),
    ChangeKind.PRINCIPALS: (Role.ADMIN,),
}
"""By kind, the roles of which the proposer has one."""
TIGHTENERS: Final[Mapping[ChangeKind, tuple[Role, ...]]] = {
    ChangeKind.LIMITS: (Role.RISK, Role.COMPLIANCE),
    ChangeKind.PRINCIPALS: (Role.ADMIN,),
}
"""By kind, the roles of which one is enough where a change only tightens."""
WITHDRAWERS: Final[Mapping[ChangeKind, tuple[Role, ...]]] = {
    kind: tuple(dict.fromkeys((*roles, Role.RISK, Role.COMPLIANCE)))
    if kind is not ChangeKind.PRINCIPALS
    else roles
    for kind, roles in APPROVERS.items()
}
"""By kind, the roles of which one is enough to refuse or withdraw it."""


class ChangeState(StrEnum):
    """Where a change stands at a moment."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    APPLIED = "applied"
    EXPIRED = "expired"


class ChangeTerms(NamedTuple):
    """What is asked for; see ``ChangeProposed``."""

    kind: ChangeKind
    account: str
    scope: str
    content: str
    reason: str
    expires_at: int
    is_tightening: bool = False


@dataclass(slots=True)
class Change:
    """A change with what became of it, as the records say."""

    proposed: ChangeProposed
    approved: ChangeApproved | None = None
    rejected: ChangeRejected | None = None
    applied_at: int | None = None

    @property
    def id(self) -> str:
        """The change's id."""
        return self.proposed.change

    def state(self, at: int) -> ChangeState:
        """Where it stands at ``at`` (ns UTC)."""
        if self.rejected is not None:
            return ChangeState.REJECTED
        if self.applied_at is not None and self.proposed.kind not in STANDING:
            return ChangeState.APPLIED
        if at >= self.proposed.expires_at:
            return ChangeState.EXPIRED
        return ChangeState.PROPOSED if self.approved is None else ChangeState.APPROVED


def change_id(terms: ChangeTerms, proposer: str, at: int) -> str:
    """The hash of everything a change says, so that an approval can be of nothing else."""
    said = [*terms, proposer, at]
    return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()
