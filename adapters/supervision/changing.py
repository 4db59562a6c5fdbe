"""Changes of limits, principals and permissions over one store, from proposal to effect."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ...domain import events as e
from ...domain.account import TradingAccount
from ...domain.errors import InvalidInput, StoreError
from ...domain.ids import account_stream_id
from ...domain.limits import Limits
from ...domain.ops.base import OpsRecord
from ...domain.ops.control import ChangeKind, ChangeProposed
from ...domain.overtaken import limits_latch
from ...domain.plan import StrategyParameters
from ...domain.ports import NANOS
from ...domain.principals import Principal
from ...domain.reservations import CounterUpdate
from ...domain.retention import RetentionRules
from ...domain.supervision import Change, ChangeTerms, Moment, Supervision
from ...domain.supervision.effects import RECORDED, principals_content, take_effect
from ...domain.supervision.inventory import in_use
from ...domain.supervision.limit_changes import LIMIT_KINDS, limit_change, limits_after
from ...domain.supervision.retention_changes import retention_change
from ..account_record import account_of
from ..storage.log import Log
from ..storage.records import Conflict
from .supervising import Supervisor, cause_of

RECORD_TRIES_MAX: Final = 100
AT_ONCE: Final = LIMIT_KINDS | RECORDED
"""Changes that take effect when they are approved; the others wait for a command to use them."""


class Changes:
    """Makes changes of one account in the name of a supervisor's caller."""

    def __init__(self, supervisor: Supervisor, account: str = "main") -> None:
        """``account`` is meant where the log names none; raises StoreError."""
        self._supervisor = supervisor
        with Log.open(supervisor.store, writer=False) as log:
            self.account = account_of(log, account)

    # -- proposing -----------------------------------------------------------------------------

    def propose(
        self, kind: ChangeKind, scope: str, reason: str, valid_ns: int, content: str = "{}"
    ) -> Change:
        """Propose a change that a later command uses, or that content says all about.

        Raises:
            AccessDenied: the caller has not the role.
            InvalidInput: reason, scope or time are not allowed.
        """
        return self._proposed(kind, scope, content, reason, valid_ns, is_tightening=False)

    def propose_limits(self, changes: Mapping[str, object], reason: str, valid_ns: int) -> Change:
        """Propose other limits; those that only tighten are in force when this returns.

        Raises:
            AccessDenied: the caller has not the role.
            InvalidInput: no such limit, or a value out of its range.
        """
        found = limit_change(self.limits(), changes)
        return self._proposed(
            found.kind,
            found.scope,
            found.content,
            reason,
            valid_ns,
            is_tightening=found.is_tightening,
        )

    def propose_principals(
        self, principals: Sequence[Principal], reason: str, valid_ns: int
    ) -> Change:
        """Propose other principals; a set that only takes away is in force when this returns."""
        content, takes_away = principals_content(self._supervisor.state, principals)
        return self._proposed(
            ChangeKind.PRINCIPALS,
            "principals",
            content,
            reason,
            valid_ns,
            is_tightening=takes_away,
        )

    def propose_retention(
        self,
        days: int | None,
        hold: Sequence[str],
        lift: Sequence[str],
        reason: str,
        valid_ns: int,
    ) -> Change:
        """Propose how long records are kept and what is held; what only keeps more is in force
        when this returns.

        Raises:
            AccessDenied: the caller has not the role.
            InvalidInput: a value out of its range, or a hold that is none.
        """
        in_force = self._supervisor.state.retention or RetentionRules()
        found = retention_change(in_force, days, hold, lift)
        return self._proposed(
            ChangeKind.RETENTION,
            found.scope,
            found.content,
            reason,
            valid_ns,
            is_tightening=found.is_tightening,
        )

    def propose_strategy(
        self,
        name: str,
        parameters: StrategyParameters,
        evidence: Path,
        go_live_at: int,
        reason: str,
        valid_ns: int,
    ) -> Change:
        """Propose that a strategy trades live with these parameters, on the evidence of a file.

        Raises:
            InvalidInput: no such strategy, or the evidence cannot be read.
        """
        known = {one.strategy.value: one for one in in_use(parameters)}
        if name not in known:
            raise InvalidInput("strategy", name, ", ".join(known))
        used = known[name]
        content = {
            "strategy": name,
            "version": used.version,
            "parameters": used.parameters,
            "model": used.model,
            "evidence": _hash_of(evidence),
            "evidence_name": evidence.name[:200],
            "go_live_at": go_live_at,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return self._proposed(
            ChangeKind.STRATEGY, name, text, reason, valid_ns, is_tightening=False
        )

    def _proposed(
        self,
        kind: ChangeKind,
        scope: str,
        content: str,
        reason: str,
        valid_ns: int,
        *,
        is_tightening: bool,
    ) -> Change:
        made: list[ChangeProposed] = []

        def make(state: Supervision, me: Principal, when: Moment) -> Sequence[OpsRecord]:
            expires = when.at + valid_ns
            terms = ChangeTerms(kind, self.account, scope, content, reason, expires, is_tightening)
            records = state.propose(me, terms, when)
            made[:] = [one for one in records if isinstance(one, ChangeProposed)]
            return records

        records = self._supervisor.decide(make)
        change = self._supervisor.state.change(made[0].change)
        if len(records) > 1 and kind in AT_ONCE:
            self.put_in_force(change)
        return self._supervisor.state.change(change.id)

    # -- deciding ------------------------------------------------------------------------------

    def approve(self, id: str, reason: str) -> Change:
        """Approve a change of another person; what takes effect by itself is put in force.

        Raises:
            AccessDenied: the caller may not, or it is too late.
            InvalidInput: no such change, or it does not fit what is in force any more.
        """
        self._supervisor.decide(lambda s, me, when: (s.approve(me, id, reason, when),))
        change = self._supervisor.state.change(id)
        if change.proposed.kind in AT_ONCE:
            self.put_in_force(change)
        return self._supervisor.state.change(id)

    def reject(self, id: str, reason: str) -> Change:
        """Refuse a change, or take it back."""
        self._supervisor.decide(lambda s, me, when: (s.reject(me, id, reason, when),))
        return self._supervisor.state.change(id)

    def put_in_force(self, change: Change) -> None:
        """Use an approved change that takes effect by itself.

        One that was used by a process which ended before it was on the account's record is put
        there now.

        Raises:
            AccessDenied: it is not approved, or used.
            InvalidInput: what it changes is not any more what it was proposed from.
        """
        command = "put in force"
        if change.proposed.kind in RECORDED:
            self._supervisor.decide(lambda s, me, w: take_effect(s, me, change, command, w))
        elif change.proposed.kind in LIMIT_KINDS:
            limits_after(self.limits(change.proposed.account), change.proposed)
            if not self._was_cut_off(change):
                self._supervisor.decide(
                    lambda s, me, w: (s.apply_change(me, change.id, command, w),)
                )
            self._record_limits(self._supervisor.state.change(change.id))
        else:
            allowed = "one that takes effect by itself; a command uses this one"
            raise InvalidInput("change", change.proposed.kind.value, allowed)

    # -- limits --------------------------------------------------------------------------------

    def limits(self, account: str | None = None) -> Limits:
        """The limits in force by the log, the built-in ones before any were."""
        with Log.open(self._supervisor.store, writer=False) as log:
            return _account(log, account or self.account).limits or Limits()

    def _was_cut_off(self, change: Change) -> bool:
        """Whether it is used and not on the account's record."""
        if change.applied_at is None:
            return False
        change_cause = cause_of(change.id).rpartition("/")[0]
        with Log.open(self._supervisor.store, writer=False) as log:
            own = log.stream(account_stream_id(change.proposed.account))
            return not any((event.causation_id or "").startswith(change_cause) for event in own)

    def _record_limits(self, change: Change) -> None:
        what, approved = change.proposed, change.approved
        by = approved.actor if approved is not None else what.actor
        reason = f"{what.reason} (change {change.id[:12]}, by {what.actor}, approved by {by})"
        cause, actor = cause_of(change.id), f"person:{what.actor}"
        stamp = e.Stamp(self._supervisor.now, actor, "account", cause)
        with Log.open(self._supervisor.store, exclusive=False) as log:
            for _ in range(RECORD_TRIES_MAX):
                account = _account(log, what.account)
                account.set_limits(stamp, limits_after(account.limits or Limits(), what), reason)
                try:
                    log.append(account, counters=[_latch(account)])
                except Conflict:
                    continue  # the engine was faster
                return
        raise StoreError(f"{self._supervisor.store}: the account's record changed at every try")


def _hash_of(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInput("evidence", file, f"a readable file ({error.strerror})") from error


def hours_ns(hours: float) -> int:
    """Hours in nanoseconds."""
    return int(hours * 3_600 * NANOS)


def _latch(account: TradingAccount) -> CounterUpdate:
    """Has a running engine look at the limits before it records another intent."""
    version = account.limits.version if account.limits is not None else 0
    return CounterUpdate(limits_latch(account.id, version), 1, None)


def _account(log: Log, name: str) -> TradingAccount:
    return TradingAccount.replay(name, log.stream(account_stream_id(name)))
