"""No sequence of commands by any set of principals gets round a control.

A machine of random commands against the decisions, with a model that is told only what was asked
and answers by the rule in words: two different persons, each with the role, before it expires, for
exactly this, once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from pydantic import ValidationError

from fillwright.domain.errors import InvalidInput
from fillwright.domain.limits import Limits
from fillwright.domain.ops.base import OpsRecord
from fillwright.domain.ops.control import (
    AccessRefused,
    ChangeApplied,
    ChangeApproved,
    ChangeKind,
    ChangeProposed,
    ChangeRejected,
    PrincipalsInForce,
)
from fillwright.domain.ops.exceptions import ExceptionClosed, ExceptionKind
from fillwright.domain.overtaken import Admitted, beyond
from fillwright.domain.planning.facts import Planned, ShortFacts
from fillwright.domain.planning.planner import plan_decision
from fillwright.domain.principals import (
    AccessDenied,
    Principal,
    PrincipalKind,
    Role,
    is_tightening,
)
from fillwright.domain.reasons import Disposition
from fillwright.domain.retention import RetentionRules, stricter
from fillwright.domain.supervision import ChangeTerms, Moment, Supervision
from fillwright.domain.supervision.changes import APPROVERS, PROPOSERS, TIGHTENERS, WITHDRAWERS
from fillwright.domain.supervision.effects import principals_content, take_effect
from fillwright.domain.supervision.exceptions import ExceptionBook, Raised, Urgency
from fillwright.domain.supervision.limit_changes import limit_change, limits_after
from fillwright.domain.supervision.retention_changes import retention_change
from fillwright.domain.tightening import loosened
from tests.domain.planning_cases import INSTRUCTION, a_decision, some_facts

pytestmark = pytest.mark.timeout(3_600 if os.environ.get("FILLWRIGHT_THOROUGH") else 300)
HOUR = 3_600 * 10**9
D = Decimal
PERSONS = {"kim": "kim", "kim-2": "KIM", "ada": "ada", "rob": "rob", "bot": "ada", "svc": "rob"}
KINDS = {"bot": PrincipalKind.AGENT, "svc": PrincipalKind.SERVICE}
NAMES = tuple(PERSONS)
BROKEN = "0" * 64
SCOPES = ("account", "symbol:KO", BROKEN)
RELEASES = (ChangeKind.RELEASE_KILL, ChangeKind.LIVE, ChangeKind.CLOSE_BREAK)


LONG, SHORT = (
    plan_decision(
        a_decision(action, None, order_size=D(100)),
        some_facts(limits=Limits(allow_short=True), short=ShortFacts(True, price_test=False)),
        INSTRUCTION,
    )
    for action in ("BUY", "SELL")
)
assert isinstance(LONG, Planned)
assert isinstance(SHORT, Planned)


def who(name: str, roles: Sequence[Role]) -> Principal:
    """A principal with these roles, or with those of them that its kind may have."""
    kind, person = KINDS.get(name, PrincipalKind.PERSON), PERSONS[name]
    try:
        return Principal(name=name, person=person, kind=kind, roles=tuple(roles), user=name)
    except ValidationError:
        kept = tuple(role for role in roles if role in (Role.READ, Role.SUBMIT)) or (Role.READ,)
        return Principal(name=name, person=person, kind=kind, roles=kept, user=name)


role_sets = st.lists(st.sampled_from(list(Role)), unique=True, min_size=1).map(tuple)
names = st.sampled_from(NAMES)


@dataclass
class Asked:
    """What the model remembers of a change: who asked for what, and who said yes when."""

    kind: ChangeKind
    scope: str
    content: str
    proposer: str
    expires_at: int
    alone: bool
    approvals: list[tuple[str, int]] = field(default_factory=list)
    rejected: bool = False
    used: int = 0


class NoWayRound(RuleBasedStateMachine):
    """Random principals doing random things, in any order."""

    changes = Bundle("changes")

    def __init__(self) -> None:
        super().__init__()
        self.records: list[OpsRecord] = []
        self.state = Supervision()
        self.at = HOUR
        self.limits = Limits()
        self.known: dict[str, Asked] = {}
        self.released: list[tuple[str, str, int]] = []
        self.working: list[Admitted] = []
        self.book = ExceptionBook(
            Raised(f"{n}" * 64, kind, Urgency.WARNING, "main", "KO", "odd", 1, by)
            for n, (kind, by) in enumerate(
                [
                    (ExceptionKind.BREAK, ()),
                    (ExceptionKind.OVERRIDE, ("kim",)),
                    (ExceptionKind.ALERT, ("rob", "ada")),
                ]
            )
        )

    # -- what the world does -------------------------------------------------------------------

    @initialize(more=st.dictionaries(names, role_sets))
    def set_up(self, more: dict[str, tuple[Role, ...]]) -> None:
        roles = {"kim": (Role.ADMIN, Role.RISK), "ada": (Role.ADMIN, Role.RISK, Role.COMPLIANCE)}
        usual = {"rob": (Role.TRADE,), "kim-2": (Role.RISK, Role.COMPLIANCE)}
        wanted = {**{name: tuple(Role) for name in NAMES}, **usual, **more, **roles}
        self.write(self.state.set_first([who(n, r) for n, r in wanted.items()], "kim", self.when))

    @rule(hours=st.integers(-3, 12))
    def time_passes(self, hours: int) -> None:
        """Also back: somebody sets the clock of the machine."""
        self.at = max(1, self.at + hours * HOUR)

    @rule(by=names)
    def set_up_again(self, by: str) -> None:
        """Whoever has the store tries to begin anew with all power."""
        people = [who("rob", tuple(Role)), who("ada", (Role.ADMIN,)), who("kim", (Role.ADMIN,))]
        assert not self.attempt(lambda: self.state.set_first(people, by, self.when))

    @rule()
    def everything_is_read_again(self) -> None:
        """Another process begins from the records alone."""
        self.state = Supervision.of(self.records)

    # -- what principals try -------------------------------------------------------------------

    @rule(
        target=changes,
        by=names,
        what=st.sampled_from(RELEASES),
        scope=st.sampled_from(SCOPES),
        hours=st.integers(-1, 200),
    )
    def propose(self, by: str, what: ChangeKind, scope: str, hours: int) -> str:
        return self.try_propose(by, ChangeTerms(what, "main", scope, "{}", "r", self.ends(hours)))

    @rule(
        target=changes,
        by=names,
        field=st.sampled_from(["trades_max_per_day", "allow_short"]),
        value=st.integers(0, 1),
        restrict=st.booleans(),
        hours=st.integers(1, 24),
    )
    def propose_limits(self, by: str, field: str, value: int, restrict: bool, hours: int) -> str:
        number = self.limits.trades_max_per_day + (5 if value else -5)
        new: object = max(0, number) if field == "trades_max_per_day" else bool(value)
        changed = {"restricted": ("KO",) if value else ()} if restrict else {field: new}
        try:
            found = limit_change(self.limits, changed)
        except InvalidInput:
            return ""
        terms = ChangeTerms(
            found.kind,
            "main",
            found.scope,
            found.content,
            "r",
            self.ends(hours),
            found.is_tightening,
        )
        return self.try_propose(by, terms)

    @rule(target=changes, by=names, name=names, roles=role_sets, hours=st.integers(1, 24))
    def propose_principals(self, by: str, name: str, roles: tuple[Role, ...], hours: int) -> str:
        after = {**self.state.principals, name: who(name, roles)}
        try:
            content, narrower = principals_content(self.state, list(after.values()))
        except InvalidInput:
            return ""
        kind = ChangeKind.PRINCIPALS
        return self.try_propose(
            by, ChangeTerms(kind, "main", "principals", content, "r", self.ends(hours), narrower)
        )

    @rule(
        target=changes,
        by=names,
        days=st.sampled_from([None, 1, 9_999]),
        holds=st.tuples(st.booleans(), st.booleans()),
        hours=st.integers(1, 24),
    )
    def propose_retention(
        self, by: str, days: int | None, holds: tuple[bool, bool], hours: int
    ) -> str:
        in_force = self.state.retention or RetentionRules()
        hold, lift = (["symbol:KO"] if asked else [] for asked in holds)
        try:
            found = retention_change(in_force, days, hold, lift)
        except InvalidInput:
            return ""
        kind, ends = ChangeKind.RETENTION, self.ends(hours)
        return self.try_propose(
            by,
            ChangeTerms(kind, "main", found.scope, found.content, "r", ends, found.is_tightening),
        )

    @rule(by=names, days=st.sampled_from([4_000, 8_888]))
    def keep_longer_twice_from_one_state(self, by: str, days: int) -> None:
        """The second was seen from a state that the first has ended, as all proposed before was."""
        both = [self.propose_retention(by, days, (hold, False), 1) for hold in (False, True)]
        for change in both:
            self.use(by, change)

    @rule(by=names, change=changes)
    def approve(self, by: str, change: str) -> None:
        def make() -> OpsRecord:
            return self.state.approve(self.me(by), change, "yes", self.when)

        when = self.when.at
        if change and self.attempt(make):
            self.known[change].approvals.append((by, when))

    @rule(by=names, change=changes)
    def reject(self, by: str, change: str) -> None:
        if change and self.attempt(lambda: self.state.reject(self.me(by), change, "no", self.when)):
            self.known[change].rejected = True

    @rule(by=names, change=changes)
    def use(self, by: str, change: str) -> None:
        """Use a change as the adapters do, whether or not it may be used."""
        if not change:
            return
        asked = self.known[change]
        is_allowed = self.is_allowed(asked, self.when.at)
        held = self.state.change(change)
        if asked.kind is ChangeKind.RETENTION:
            kept, seen = self.state.retention or RetentionRules(), json.loads(asked.content)
            made = self.attempt_all(
                lambda: take_effect(self.state, self.me(by), held, "use", self.when)
            )
            if made:
                after = self.state.retention
                assert after is not None
                assert after == stricter(after, kept) or not asked.alone
                assert seen.get("days", {"from": kept.days})["from"] == kept.days
                assert set(kept.legal_holds) - set(after.legal_holds) == set(seen.get("lift", ()))
        elif asked.kind is ChangeKind.PRINCIPALS:
            before = list(self.state.principals.values())
            made = self.attempt_all(
                lambda: take_effect(self.state, self.me(by), held, "use", self.when)
            )
            if made:
                after = list(self.state.principals.values())
                assert is_tightening(before, after) or not asked.alone
        else:
            if asked.kind in (ChangeKind.LIMITS, ChangeKind.SHORT, ChangeKind.UNRESTRICT):
                try:
                    new = limits_after(self.limits, held.proposed)
                except InvalidInput:
                    return
            made = self.attempt(
                lambda: self.state.apply_change(self.me(by), change, "use", self.when)
            )
            if made and asked.kind in (ChangeKind.LIMITS, ChangeKind.SHORT, ChangeKind.UNRESTRICT):
                now, seen = self.limits.model_dump(mode="json"), json.loads(asked.content)["from"]
                assert {name: now[name] for name in seen} == seen
                if asked.alone:
                    assert not loosened(self.limits, new)
                self.limits = new
        if made:
            assert is_allowed, asked
            asked.used += 1

    @rule(by=names, what=st.sampled_from(RELEASES), scope=st.sampled_from(SCOPES))
    def release(self, by: str, what: ChangeKind, scope: str) -> None:
        """Use whatever is approved for this scope; replays every old approval there is."""
        found = self.state.usable(what, "main", scope, self.when.at)
        candidates = [one for one in self.known.values() if (one.kind, one.scope) == (what, scope)]
        if found is None:
            assert not any(self.is_allowed(one, self.when.at) for one in candidates)
            return
        assert (found.proposed.kind, found.proposed.scope) == (what, scope)
        is_allowed = self.is_allowed(self.known[found.id], self.when.at)
        if self.attempt(lambda: self.state.apply_change(self.me(by), found.id, "use", self.when)):
            assert is_allowed, self.known[found.id]
            self.known[found.id].used += 1

    @rule(
        target=changes,
        people=st.tuples(names, names, names, names),
        what=st.sampled_from(RELEASES),
        scopes=st.tuples(st.sampled_from(SCOPES), st.sampled_from(SCOPES)),
        hours=st.integers(1, 3),
        waits=st.tuples(*[st.sampled_from([0, 0, 1, 2, -2])] * 3),
    )
    def one_after_another(
        self,
        people: tuple[str, str, str, str],
        what: ChangeKind,
        scopes: tuple[str, str],
        hours: int,
        waits: tuple[int, int, int],
    ) -> str:
        """The usual course of a change, by whoever, with time between, and used twice."""
        change = self.propose(people[0], what, scopes[0], hours)
        self.time_passes(waits[0])
        self.approve(people[1], change)
        self.time_passes(waits[1])
        self.release(people[2], what, scopes[1])
        self.time_passes(waits[2])
        self.use(people[3], change)
        return change

    @rule(
        people=st.tuples(names, names, names),
        what=st.sampled_from(RELEASES),
        scope=st.sampled_from(SCOPES),
        loser=st.integers(0, 1),
        keeps=role_sets,
    )
    def one_behind_it_loses_roles_meanwhile(
        self,
        people: tuple[str, str, str],
        what: ChangeKind,
        scope: str,
        loser: int,
        keeps: tuple[Role, ...],
    ) -> None:
        """Who proposed or who approved may do less before it goes on."""
        change = self.propose(people[0], what, scope, 2)
        if loser == 0:
            self.narrow(people[0], keeps)
        self.approve(people[1], change)
        if loser == 1:
            self.narrow(people[1], keeps)
        self.use(people[2], change)

    @rule(
        people=st.tuples(names, names, names),
        wanted=st.tuples(role_sets, role_sets),
        values=st.tuples(st.integers(0, 1), st.integers(0, 1)),
    )
    def two_changes_start_from_the_same(
        self,
        people: tuple[str, str, str],
        wanted: tuple[tuple[Role, ...], tuple[Role, ...]],
        values: tuple[int, int],
    ) -> None:
        """Both are approved; what the second starts from is not in force any more."""
        field = "trades_max_per_day"
        limits = [self.propose_limits(people[0], field, one, False, 2) for one in values]
        asked = [self.propose_principals("kim", people[1], one, 2) for one in wanted]
        for change in (*limits, *asked):
            self.approve("ada", change)
        for change in (*limits, *asked):
            self.use(people[2], change)
            self.use("kim", change)

    def narrow(self, name: str, keeps: tuple[Role, ...]) -> None:
        """Take roles away from somebody, as one admin can."""
        by = "ada" if name == "kim" else "kim"
        left = tuple(role for role in self.state.principals[name].roles if role in keeps)
        self.use(by, self.propose_principals(by, name, left or (Role.READ,), 2))

    @rule(by=names, which=st.integers(0, 2))
    def close_an_exception(self, by: str, which: int) -> None:
        id = str(which) * 64
        me = self.me(by)
        usable = self.state.usable(ChangeKind.CLOSE_BREAK, "main", id, self.when.at)
        if self.attempt_all(
            lambda: self.book.close(self.state, me, id, Disposition.EXPLAINED, "seen", self.when)
        ):
            assert {Role.RISK, Role.COMPLIANCE} & set(me.roles)
            assert me.identity not in (set(), {"kim"}, {"rob", "ada"})[which]
            if which == 0:
                assert usable is not None

    @rule(symbol=st.sampled_from(["KO", "IBM"]), is_short=st.booleans(), lowers=st.booleans())
    def begin_to_trade(self, symbol: str, is_short: bool, lowers: bool) -> None:
        """An instruction is admitted by the limits in force, and goes on while they change."""
        if symbol not in self.limits.restricted and (self.limits.allow_short or not is_short):
            plan = SHORT if is_short else LONG
            reduces = lowers and not is_short
            checks = {check.name: check for check in plan.checks}
            made = Admitted((symbol,), plan.terms, checks, D(100), reduces, D(0), D(1))
            self.working.append(made)

    @rule()
    def what_is_working_trades(self) -> None:
        """Each sends its next order if the limits in force allow it, else it has ended."""
        self.working = [one for one in self.working if beyond(one, self.limits) is None]
        for one in self.working:
            assert one.names[0] not in self.limits.restricted
            assert one.plan is not SHORT.terms or self.limits.allow_short

    @rule(by=names, user=names, lowers=st.booleans(), taken_back=st.booleans())
    def a_name_is_restricted_while_it_trades(
        self, by: str, user: str, lowers: bool, taken_back: bool
    ) -> None:
        """Or shorting is taken back; one person is enough, and what is working notices."""
        self.begin_to_trade("KO", taken_back, lowers)
        asked = ("allow_short", 0, False) if taken_back else ("trades_max_per_day", 1, True)
        self.use(user, self.propose_limits(by, *asked, 2))
        self.what_is_working_trades()

    @rule(change=consumes(changes), by=names)
    def forge_a_principal(self, change: str, by: str) -> None:
        """Somebody acts under a name with roles that it was not given."""
        forged = self.me(by).model_copy(update={"roles": tuple(Role), "person": "nobody-else"})
        if change and forged != self.me(by):
            assert not self.attempt(lambda: self.state.approve(forged, change, "yes", self.when))

    # -- what must hold ------------------------------------------------------------------------

    @invariant()
    def an_agent_has_done_nothing_but_ask(self) -> None:
        for record in self.records:
            if record.actor in KINDS and not isinstance(record, AccessRefused):
                assert record.actor == "svc", record
                assert not isinstance(record, ChangeApproved | ExceptionClosed), record

    @invariant()
    def two_persons_stand_behind_everything_that_loosens(self) -> None:
        """From the records alone, as an auditor reads them."""
        proposed: dict[str, ChangeProposed] = {}
        approved: dict[str, ChangeApproved] = {}
        applied: dict[str, int] = {}
        rejected: set[str] = set()
        closed: set[str] = set()
        people: dict[str, Principal] = {}
        for record in self.records:
            if isinstance(record, PrincipalsInForce):
                if record.change:
                    seen = json.loads(proposed[record.change].content)["from"]
                    assert seen == [one.model_dump(mode="json") for one in people.values()]
                people = {one.name: one for one in record.principals}
                admins = {one.identity for one in people.values() if Role.ADMIN in one.roles}
                assert len(admins) >= 2
            elif isinstance(record, ChangeProposed):
                assert record.change not in proposed
                asking = TIGHTENERS if record.is_tightening else PROPOSERS
                needed = asking.get(record.kind, APPROVERS[record.kind])
                assert set(people[record.actor].roles) & set(needed)
                proposed[record.change] = record
            elif isinstance(record, ChangeApproved):
                what, me = proposed[record.change], people[record.actor]
                assert record.change not in approved
                assert record.change not in rejected
                assert record.record_time < what.expires_at
                assert me.person == record.person
                assert me.kind is PrincipalKind.PERSON
                if not what.is_tightening:
                    assert set(me.roles) & set(APPROVERS[what.kind])
                    asker = people[what.actor]
                    assert asker.identity == what.person.casefold()
                    assert set(asker.roles) & set(PROPOSERS[what.kind])
                    assert record.person.casefold() != what.person.casefold()
                approved[record.change] = record
            elif isinstance(record, ChangeRejected):
                what, me = proposed[record.change], people[record.actor]
                is_own = record.person.casefold() == what.person.casefold()
                may = PROPOSERS[what.kind] if is_own else WITHDRAWERS[what.kind]
                assert set(me.roles) & set(may)
                rejected.add(record.change)
            elif isinstance(record, ChangeApplied):
                what, by = proposed[record.change], approved[record.change]
                assert set(people[record.actor].roles) & set(PROPOSERS[what.kind])
                assert record.change not in rejected
                assert record.record_time < what.expires_at
                assert by.record_time <= record.record_time
                applied[record.change] = applied.get(record.change, 0) + 1
                if not what.is_tightening:
                    assert by.person.casefold() != what.person.casefold()
                if what.kind is not ChangeKind.LIVE:
                    assert applied[record.change] == 1
            elif isinstance(record, ExceptionClosed):
                assert record.exception not in closed
                closed.add(record.exception)
        times = [record.record_time for record in self.records]
        assert times == sorted(times)

    # -- the model -----------------------------------------------------------------------------

    def is_allowed(self, asked: Asked, at: int) -> bool:
        """The rule in words: another person with the role said yes, and it is still in time."""
        if asked.rejected or at >= asked.expires_at or not asked.approvals:
            return False
        if asked.used and asked.kind is not ChangeKind.LIVE:
            return False
        (approver, _) = asked.approvals[0]
        roles = set(self.state.principals[approver].roles)
        if asked.alone:
            return bool(roles & ({Role.RISK, Role.COMPLIANCE, Role.ADMIN}))
        others = PERSONS[approver].casefold() != PERSONS[asked.proposer].casefold()
        return others and bool(roles & set(APPROVERS[asked.kind]))

    # -- parts ---------------------------------------------------------------------------------

    @property
    def when(self) -> Moment:
        return self.state.moment(self.at, 0, "0" * 64)

    def me(self, name: str) -> Principal:
        return self.state.recognise(name)

    def ends(self, hours: int) -> int:
        return self.when.at + hours * HOUR

    def try_propose(self, by: str, terms: ChangeTerms) -> str:
        made = self.attempt_all(lambda: self.state.propose(self.me(by), terms, self.when))
        for record in made:
            if isinstance(record, ChangeProposed):
                alone = len(made) > 1
                self.known[record.change] = Asked(
                    terms.kind,
                    terms.scope,
                    terms.content,
                    by,
                    terms.expires_at,
                    alone,
                    [(by, record.record_time)] if alone else [],
                )
                assert json.loads(terms.content) is not None
                return record.change
        return ""

    def attempt(self, make: object) -> bool:
        return bool(self.attempt_all(lambda: (make(),)))  # type: ignore[operator]

    def attempt_all(self, make: object) -> tuple[OpsRecord, ...]:
        try:
            made = tuple(make())  # type: ignore[operator]
        except AccessDenied as denied:
            self.write(self.state.refusal(denied, self.when))
            return ()
        except InvalidInput:
            return ()
        self.write(*made)
        return made

    def write(self, *records: OpsRecord) -> None:
        for record in records:
            self.records.append(record)
            self.state.apply(record)
            self.book.apply(record)


TestNoWayRound = NoWayRound.TestCase
TestNoWayRound.settings = settings(
    max_examples=2_000 if os.environ.get("FILLWRIGHT_THOROUGH") else 60,
    stateful_step_count=40,
    deadline=None,
)
