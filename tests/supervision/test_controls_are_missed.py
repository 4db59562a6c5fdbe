"""Each control, taken away, is missed: without it the test of no way round fails.

A mutant replaces one thing that a control does and leaves all else. A control whose mutant lives
would be one that no test holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from fillwright.domain import principals
from fillwright.domain.ops.control import ChangeKind
from fillwright.domain.principals import Principal, PrincipalKind, Role
from fillwright.domain.retention import RetentionRules
from fillwright.domain.supervision import effects, exceptions, limit_changes, registry
from fillwright.domain.supervision.changes import Change, ChangeState
from fillwright.domain.supervision.registry import Moment, Supervision
from tests.supervision import test_no_way_round as machine
from tests.supervision.test_no_way_round import NoWayRound

Set = Callable[..., None]


class Mutant(NamedTuple):
    """A control by name, and what takes it away."""

    name: str
    apply: Callable[[Set], None]


def nothing(*_: object, **__: object) -> None:
    """A check that refuses nobody."""


def no_role(beginning: str, where: Any = registry) -> Callable[[Set], None]:
    """Nobody is asked for a role by commands that begin so."""
    real = where.need

    def need(by: Principal, roles: Any, command: str) -> None:
        if not command.startswith(beginning):
            real(by, roles, command)

    return lambda set: set(where, "need", need)


def state_without(what: str) -> Callable[[Set], None]:
    """A change's state without one of the things that end it."""

    def state(self: Change, at: int) -> ChangeState:
        if self.rejected is not None and what != "rejection":
            return ChangeState.REJECTED
        used = self.applied_at is not None and self.proposed.kind is not ChangeKind.LIVE
        if used and what != "use":
            return ChangeState.APPLIED
        if at >= self.proposed.expires_at and what != "expiry":
            return ChangeState.EXPIRED
        return ChangeState.PROPOSED if self.approved is None else ChangeState.APPROVED

    return lambda set: set(Change, "state", state)


def usable_without(*ignored: str) -> Callable[[Set], None]:
    """A change is found for something else than was approved."""

    def usable(self: Supervision, kind: Any, account: str, scope: str, at: int) -> Change | None:
        wanted = {"kind": kind, "scope": scope}
        for change in self.changes.values():
            fits = all(
                getattr(change.proposed, name) == value
                for name, value in wanted.items()
                if name not in ignored
            )
            if fits and self.why_unusable(change, at) is None:
                return change
        return None

    return lambda set: set(Supervision, "usable", usable)


def unusable_by_state_alone(set: Set) -> None:
    def why(self: Supervision, change: Change, at: int) -> str | None:
        return None if change.state(at) is ChangeState.APPROVED else "not approved"

    set(Supervision, "why_unusable", why)


def one_person_by_name(set: Set) -> None:
    """Two names of one person count as two."""
    set(Principal, "identity", property(lambda self: self.name))


def persons_by_spelling(set: Set) -> None:
    set(Principal, "identity", property(lambda self: self.person))


def any_kind_has_any_role(set: Set) -> None:
    set(principals, "_MAY_HAVE", dict.fromkeys(PrincipalKind, frozenset(Role)))


def time_goes_back(set: Set) -> None:
    set(Supervision, "moment", lambda self, now, place, hash: Moment(now, place, hash))


def everything_tightens(where: Any, name: str) -> Callable[[Set], None]:
    real = getattr(where, name)

    def judged(*given: Any) -> Any:
        found = real(*given)
        if isinstance(found, limit_changes.LimitChange):
            return found._replace(is_tightening=True)
        return found[0], True

    return lambda set: set(machine, name, judged)


def tighten_as_proposed_from(set: Set) -> None:
    """Limits that were proposed from others bring those back."""
    real = limit_changes.with_changes

    def after(in_force: Any, change: Any) -> Any:
        return real(in_force, json.loads(change.content)["set"])

    set(machine, "limits_after", after)


def retention_tightens(set: Set) -> None:
    real = machine.retention_change
    set(
        machine,
        "retention_change",
        lambda *given: real(*given)._replace(is_tightening=True),
    )


def retention_whatever_is_in_force(in_force: RetentionRules, change: Any) -> RetentionRules:
    """Retention that was proposed from another is put in force all the same."""
    content = json.loads(change.content)
    holds = {*in_force.legal_holds, *content.get("hold", ())} - {*content.get("lift", ())}
    days = content.get("days", {"to": in_force.days})["to"]
    return RetentionRules(days=days, legal_holds=tuple(sorted(holds)))


def first_principals_twice(set: Set) -> None:
    def set_first(self: Supervision, principals: Any, by: str, when: Moment) -> Any:
        return registry.PrincipalsInForce(
            **registry.head_of(when, by), principals=tuple(principals)
        )

    set(Supervision, "set_first", set_first)


def without_approval(set: Set) -> None:
    """A change is used that nobody approved."""

    def why(self: Supervision, change: Change, at: int) -> str | None:
        found = change.state(at)
        return None if found in (ChangeState.PROPOSED, ChangeState.APPROVED) else "over"

    set(Supervision, "why_unusable", why)


def closed_by_hand(set: Set) -> None:
    """A break that still differs is closed like any other exception."""
    set(exceptions, "ExceptionKind", type("Other", (), {"BREAK": object()}))


MUTANTS: Final = (
    Mutant("who proposes has a role", no_role("propose")),
    Mutant("who approves has the role", no_role("approve")),
    Mutant("who rejects has a role", no_role("reject")),
    Mutant("who uses has a role", no_role("use")),
    Mutant("who closes an exception has the role", no_role("exceptions close", exceptions)),
    Mutant("two names of one person are one", one_person_by_name),
    Mutant("a person is one however spelled", persons_by_spelling),
    Mutant("an agent asks and no more", any_kind_has_any_role),
    Mutant("what expired is over", state_without("expiry")),
    Mutant("what was rejected is over", state_without("rejection")),
    Mutant("what was used is used up", state_without("use")),
    Mutant("time does not go back", time_goes_back),
    Mutant("the approver still has the role", unusable_by_state_alone),
    Mutant("what is used is approved", without_approval),
    Mutant("an approval is of this scope", usable_without("scope")),
    Mutant("an approval is of this kind", usable_without("kind")),
    Mutant(
        "who acts is in force as it says", lambda set: set(Supervision, "check_current", nothing)
    ),
    Mutant("only an open change is approved", lambda set: set(Supervision, "_check_open", nothing)),
    Mutant(
        "the proposer may still propose", lambda set: set(Supervision, "_check_proposer", nothing)
    ),
    Mutant("limits that loosen take two", everything_tightens(limit_changes, "limit_change")),
    Mutant("principals that widen take two", everything_tightens(effects, "principals_content")),
    Mutant("keeping less takes two", retention_tightens),
    Mutant(
        "retention is changed from what was seen",
        lambda set: set(effects, "retention_after", retention_whatever_is_in_force),
    ),
    Mutant("limits are changed from what was seen", tighten_as_proposed_from),
    Mutant(
        "principals are changed from what was seen",
        lambda set: set(effects, "_check_base", nothing),
    ),
    Mutant(
        "limits that are tightened act on what is working",
        lambda set: set(machine, "beyond", nothing),
    ),
    Mutant("two admins stay", lambda set: set(effects, "check_principals", nothing)),
    Mutant("first principals are set once", first_principals_twice),
    Mutant(
        "nobody closes its own doing",
        lambda set: set(exceptions.ExceptionBook, "_check_apart", nothing),
    ),
    Mutant("a break that differs takes two", closed_by_hand),
    Mutant("a closed exception is closed", lambda set: set(exceptions, "_check_open", nothing)),
)


def test_a_mutant_is_named_once_and_changes_what_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        with monkeypatch.context() as patched:
            mutant.apply(patched.setattr)  # raises where there is no such thing any more


@pytest.mark.soak
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_without_a_control_the_test_of_no_way_round_fails(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.apply(monkeypatch.setattr)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            NoWayRound,
            settings=settings(
                max_examples=3_000,
                stateful_step_count=50,
                deadline=None,
                database=None,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            ),
        )
