"""Who may do what now, which changes are approved, and the records that decisions about them make.

A pure fold of the second stream. Every decision either gives records to append or raises
:class:`AccessDenied` or :class:`InvalidInput`; nothing is assumed of who calls, of the order of
commands or of a clock: time never goes back behind the last record of control.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from ..errors import InvalidInput
from ..ops.base import OpsRecord
from ..ops.control import (
    TEXT_MAX,
    AccessGranted,
    AccessRefused,
    ChangeApplied,
    ChangeApproved,
    ChangeKind,
    ChangeProposed,
    ChangeRejected,
    PrincipalsInForce,
    RetentionInForce,
    StrategyApproved,
)
from ..ops.exceptions import ExceptionAssigned, ExceptionClosed, ExceptionEscalated
from ..principals import (
    SINGLE_OWNER,
    AccessDenied,
    Channel,
    Principal,
    PrincipalKind,
    Role,
    check_principals,
    why_not,
)
from ..retention import RetentionRules, stricter
from ..wrong_fields import wrong
from .changes import (
    APPROVERS,
    EXPIRY_NS_MAX,
    PROPOSERS,
    STANDING,
    STANDING_NS_MAX,
    TIGHTENERS,
    WITHDRAWERS,
    Change,
    ChangeState,
    ChangeTerms,
    change_id,
)

OWNER: Final = Principal(
    name=SINGLE_OWNER, person=SINGLE_OWNER, roles=tuple(Role), user=SINGLE_OWNER
)
"""Whoever has the store, while no principals are set up: every role, and nobody to ask."""


TIMED: Final = (
    AccessGranted,
    AccessRefused,
    ExceptionAssigned,
    ExceptionClosed,
    ExceptionEscalated,
)
"""Records that change nothing here and behind which time does not go back either."""


class Moment(NamedTuple):
    """When a record is made (ns UTC) and the head of the log that it speaks of."""

    at: int
    log_position: int
    log_hash: str


class Supervision:
    """The state of control as the records say."""

    def __init__(self) -> None:
        self.principals: dict[str, Principal] = {}
        self.changes: dict[str, Change] = {}
        self.strategies: list[StrategyApproved] = []
        self.retention: RetentionRules | None = None
        self._persons: dict[str, str] = {}
        self._latest = 0

    @classmethod
    def of(cls, records: Iterable[OpsRecord]) -> Supervision:
        """The state after these records."""
        made = cls()
        for record in records:
            made.apply(record)
        return made

    @property
    def is_set_up(self) -> bool:
        """Whether principals were set up; before, whoever has the store is its single owner."""
        return bool(self.principals)

    def moment(self, now: int, log_position: int, log_hash: str) -> Moment:
        """A moment not before the last record: a clock set back revives no approval."""
        return Moment(max(now, self._latest), log_position, log_hash)

    def kept_by(self, configured: RetentionRules) -> RetentionRules:
        """How long records are kept: what is on record, and configuration may only keep more.

        A default is nobody's wish: what configuration does not name keeps no more than the record.
        While nothing is on record, which is before principals are set up, it is as configured.
        """
        if self.retention is None:
            return configured
        named = configured.model_dump(include=configured.model_fields_set)
        return stricter(self.retention, RetentionRules(**{"days": 0, **named}))

    # -- who -----------------------------------------------------------------------------------

    def recognise(self, user: str, token_sha256: str | None = None) -> Principal:
        """The principal of a token, or without one of a user of the operating system.

        Raises:
            AccessDenied: nobody is set up under it.
        """
        if not self.is_set_up:
            return OWNER
        for one in self.principals.values():
            if token_sha256 is not None and one.token_sha256 == token_sha256:
                return one
            if token_sha256 is None and one.user is not None and one.user == user:
                return one
        who = "an unknown token" if token_sha256 is not None else f"user {user}"[:100]
        raise AccessDenied(who, "recognise", "nobody is set up under it")

    def require(self, by: Principal, command: str, channel: Channel = Channel.COMMAND_LINE) -> None:
        """Raise :class:`AccessDenied` unless a principal in force may run a command."""
        self.check_current(by, command)
        why = why_not(by, command, channel)
        if why is not None:
            raise AccessDenied(by.name, command, why)

    def refusal(self, denied: AccessDenied, when: Moment) -> AccessRefused:
        """The record of a refusal."""
        return AccessRefused(
            **head_of(when, denied.principal),
            command=denied.command[:200],
            why=denied.why[:TEXT_MAX],
        )

    def granted(self, by: Principal, command: str, account: str, when: Moment) -> AccessGranted:
        """The record that a principal runs an engine; raises AccessDenied if it may not."""
        self.require(by, command)
        return AccessGranted(
            **head_of(when, by.name), command=command, person=by.person, account=account
        )

    def set_first(self, principals: Sequence[Principal], by: str, when: Moment) -> OpsRecord:
        """Set up the first principals of a store that has none.

        Raises:
            AccessDenied: there are some; they are changed by a proposal.
            InvalidInput: the controls could not work with them.
        """
        if self.is_set_up:
            raise AccessDenied(by, "principals set", "principals are set up; propose a change")
        check_principals(principals)
        return PrincipalsInForce(**head_of(when, by), principals=tuple(principals))

    def person_of(self, name: str) -> str:
        """The human being behind a name, now or when it last was a principal; else the name."""
        return self._persons.get(name, name).casefold()

    # -- changes -------------------------------------------------------------------------------

    def propose(self, by: Principal, terms: ChangeTerms, when: Moment) -> tuple[OpsRecord, ...]:
        """Propose a change; one that only tightens, or of a single owner, is approved by it.

        Raises:
            AccessDenied: the proposer has not the role.
            InvalidInput: the time it is to hold, its scope, account or reason is not allowed, or it
                is there already.
        """
        command = f"propose {terms.kind.value}"
        self.check_current(by, command)
        one_is_enough = terms.is_tightening or not self.is_set_up
        needed = TIGHTENERS.get(terms.kind, APPROVERS[terms.kind])
        allowed = needed if terms.is_tightening else PROPOSERS[terms.kind]
        need(by, allowed, command)
        check_text("reason", terms.reason)
        longest = STANDING_NS_MAX if terms.kind in STANDING else EXPIRY_NS_MAX
        if not when.at < terms.expires_at <= when.at + longest:
            hours = longest // (3_600 * 10**9)
            raise InvalidInput("expiry", terms.expires_at, f"later than now, within {hours} hours")
        id = change_id(terms, by.name, when.at)
        if id in self.changes:
            raise InvalidInput("change", id, "one that is not proposed already")
        said = {"change": id, "person": by.person, **terms._asdict()}
        try:
            proposed = ChangeProposed(**head_of(when, by.name), **said)
        except ValidationError as error:
            raise wrong(error, ChangeProposed) from None
        if not one_is_enough:
            return (proposed,)
        why = "it only tightens" if terms.is_tightening else "single owner, none are set up"
        approved = ChangeApproved(**head_of(when, by.name), change=id, person=by.person, reason=why)
        return proposed, approved

    def approve(self, by: Principal, id: str, reason: str, when: Moment) -> OpsRecord:
        """Approve what another person proposed.

        Raises:
            AccessDenied: the approver lacks the role, is no person or is who proposed it, or the
                change cannot be approved (any more).
            InvalidInput: no reason is given.
        """
        check_text("reason", reason)
        change = self.change(id)
        command = f"approve {change.proposed.kind.value}"
        self.check_current(by, command)
        need(by, APPROVERS[change.proposed.kind], command)
        if by.kind is not PrincipalKind.PERSON:
            raise AccessDenied(by.name, command, "a person approves")
        if by.identity == change.proposed.person.casefold():
            why = f"{by.person} proposed it; another person approves"
            raise AccessDenied(by.name, command, why)
        self._check_open(change, by, command, when.at)
        self._check_proposer(change, by.name, command)
        return ChangeApproved(**head_of(when, by.name), change=id, person=by.person, reason=reason)

    def reject(self, by: Principal, id: str, reason: str, when: Moment) -> OpsRecord:
        """Refuse a change, take it back, or withdraw what it permits.

        Open ones and approved ones that are not used; used ones too where what they permit stands:
        to trade live, and that a strategy may. It takes one person, because it only tightens.

        Raises:
            AccessDenied: by somebody who neither proposed it nor could approve it, or too late.
            InvalidInput: no reason is given.
        """
        check_text("reason", reason)
        change = self.change(id)
        command = f"reject {change.proposed.kind.value}"
        self.check_current(by, command)
        is_own = by.identity == change.proposed.person.casefold()
        kind = change.proposed.kind
        need(by, PROPOSERS[kind] if is_own else WITHDRAWERS[kind], command)
        state = change.state(when.at)
        is_standing = state is ChangeState.APPLIED and kind is ChangeKind.STRATEGY
        if state not in (ChangeState.PROPOSED, ChangeState.APPROVED) and not is_standing:
            raise AccessDenied(by.name, command, f"it is {state.value}")
        return ChangeRejected(**head_of(when, by.name), change=id, person=by.person, reason=reason)

    def apply_change(self, by: Principal, id: str, command: str, when: Moment) -> OpsRecord:
        """Use an approved change.

        Raises:
            AccessDenied: by somebody without the role; or it is not approved, expired or used, or
                the approver is none any more.
        """
        change = self.change(id)
        self.check_current(by, command)
        need(by, PROPOSERS[change.proposed.kind], command)
        why = self.why_unusable(change, when.at)
        if why is not None:
            raise AccessDenied(by.name, command, why)
        return ChangeApplied(**head_of(when, by.name), change=id, command=command)

    def usable(self, kind: ChangeKind, account: str, scope: str, at: int) -> Change | None:
        """The approved change of exactly this kind, account and scope that can be used now."""
        for change in self.changes.values():
            what = change.proposed
            if (what.kind, what.account, what.scope) == (kind, account, scope) and (
                self.why_unusable(change, at) is None
            ):
                return change
        return None

    def why_unusable(self, change: Change, at: int) -> str | None:
        """Why a change cannot be used at ``at``, None when it can."""
        state = change.state(at)
        if state is not ChangeState.APPROVED or change.approved is None:
            return f"change {change.id[:12]} is {state.value}"
        if not self.is_set_up:
            return None
        approver = self.principals.get(change.approved.actor)
        proposed = change.proposed
        if proposed.is_tightening:
            needed = TIGHTENERS.get(proposed.kind, APPROVERS[proposed.kind])
        else:
            needed = APPROVERS[proposed.kind]
            if change.approved.person.casefold() == proposed.person.casefold():
                return f"change {change.id[:12]} has only one person behind it"
        if approver is None or not any(role in approver.roles for role in needed):
            return f"{change.approved.actor}, who approved it, has not the role any more"
        return None

    def change(self, id: str) -> Change:
        """A change by its id or a unique beginning of it; raises InvalidInput."""
        found = [change for known, change in self.changes.items() if id and known.startswith(id)]
        if len(found) != 1:
            allowed = "the id of a change, or a unique beginning of one"
            raise InvalidInput("change", id or "nothing", allowed)
        return found[0]

    # -- checks --------------------------------------------------------------------------------

    def check_current(self, by: Principal, command: str) -> None:
        """Raise AccessDenied unless a principal is in force exactly so."""
        current = self.principals.get(by.name) if self.is_set_up else OWNER
        if current != by:
            raise AccessDenied(by.name, command, "it is no principal in force")

    def _check_open(self, change: Change, by: Principal, command: str, at: int) -> None:
        state = change.state(at)
        if state is not ChangeState.PROPOSED:
            raise AccessDenied(by.name, command, f"it is {state.value}")

    def _check_proposer(self, change: Change, by: str, command: str) -> None:
        proposed = change.proposed
        proposer = self.principals.get(proposed.actor)
        roles = PROPOSERS[proposed.kind]
        if proposer is None or proposer.identity != proposed.person.casefold():
            raise AccessDenied(by, command, f"{proposed.actor} is not a principal any more")
        need(proposer, roles, command)

    # -- the fold ------------------------------------------------------------------------------

    def apply(self, record: OpsRecord) -> None:
        """Bring the state forward by one record; one that is not of control changes nothing."""
        if isinstance(record, PrincipalsInForce):
            if not self.is_set_up:  # what an owner did alone ends with its being alone
                self.strategies = []
                self.retention = stricter(self.retention or RetentionRules(), RetentionRules())
            self.principals = {one.name: one for one in record.principals}
            self._persons |= {one.name: one.person for one in record.principals}
        elif isinstance(record, ChangeProposed):
            self.changes[record.change] = Change(record)
        elif isinstance(record, ChangeApproved):
            self.changes[record.change].approved = record
        elif isinstance(record, ChangeRejected):
            self.changes[record.change].rejected = record
            self.strategies = [one for one in self.strategies if one.change != record.change]
        elif isinstance(record, ChangeApplied):
            self.changes[record.change].applied_at = record.record_time
        elif isinstance(record, StrategyApproved):
            self.strategies.append(record)
        elif isinstance(record, RetentionInForce):
            self.retention = RetentionRules(days=record.days, legal_holds=record.legal_holds)
        elif not isinstance(record, TIMED):
            return
        self._latest = max(self._latest, record.record_time)


def head_of(when: Moment, actor: str) -> dict[str, Any]:
    """What every record begins with."""
    return {
        "record_time": when.at,
        "actor": actor[:120] or "unknown",
        "log_position": when.log_position,
        "log_hash": when.log_hash,
    }


def check_text(field: str, text: str) -> None:
    """Raise InvalidInput unless something is said, and not too much."""
    if not text.strip() or len(text) > TEXT_MAX:
        raise InvalidInput(field, text, f"1 to {TEXT_MAX} characters, not all of them blank")


def need(by: Principal, roles: Sequence[Role], command: str) -> None:
    """Raise AccessDenied unless a principal has one of the roles."""
    if not any(role in by.roles for role in roles):
        raise AccessDenied(by.name, command, f"it takes the role {' or '.join(roles)}")
