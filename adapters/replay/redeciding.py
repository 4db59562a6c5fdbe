"""Deciding again, from what is on the record, everything but a strategy's step.

Plans with their checks come from what ``DecisionAssessed`` keeps, switches from the market that
they keep and the instruction's own state, and cancels that no strategy decided from the state that
calls for them. Limits and rules are those in force at that place of the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from ...domain import events as e
from ...domain.instruction import Instruction
from ...domain.limits import Limits
from ...domain.market import MarketState
from ...domain.planning.facts import Deferred, Nothing, Outcome, Planned, Refused
from ...domain.planning.inputs import PlanningInputs
from ...domain.planning.planner import plan_decision
from ...domain.planning.release import RULE, Replanned, at_release
from ...domain.reasons import EndReason, Reason
from ...domain.switching import Progressed, Switch, reassess
from ...projections.runner import compare_values
from ..storage.records import Recorded
from .disagreement import Disagreement

CHECKS: Final = "checks"
ESTIMATE: Final = "estimate"
RESERVATION: Final = "reservation"
NOT_PLANNING: Final = frozenset({Reason.STRATEGY_APPROVAL, Reason.CLOCK})
_PLAN_FIELDS: Final = (
    "plan",
    CHECKS,
    RESERVATION,
    "equity",
    "position",
    "price",
    "limit_version",
    "timing_rules",
    "volume",
    "sell_mark",
    "release_at",
    "notes",
    ESTIMATE,
)
_FIELDS: Final[Mapping[type[e.DomainEvent], tuple[str, ...]]] = {
    e.InstructionPlanned: _PLAN_FIELDS,
    e.InstructionReplanned: ("plan", "rule", CHECKS, "volume", RESERVATION),
    e.InstructionRejected: ("refusals", CHECKS),
    e.NothingToDo: ("reason", "note", CHECKS),
    e.ReleaseDeferred: ("release_at", "rule"),
    e.InstructionCancelled: ("reason",),
}
_ADMISSIONS: Final = (e.InstructionPlanned, e.InstructionRejected, e.NothingToDo, e.ReleaseDeferred)
Fields = dict[str, Any]


class Plans:
    """Plans each assessed decision again.

    ``count`` outcomes and ``checks`` were decided again; ``without_inputs`` are outcomes of logs
    that kept none, or that needed none because nothing was planned.
    """

    def __init__(self) -> None:
        self.count = 0
        self.checks = 0
        self.without_inputs = 0
        self.differences: list[Disagreement] = []
        self._open: dict[UUID, PlanningInputs] = {}

    def before(
        self,
        recorded: Recorded,
        instruction: Instruction,
        limits: Limits,
        rules: e.RulesInForce | None,
    ) -> None:
        """Take in an event of an instruction as it was just before that event."""
        event = recorded.event
        if isinstance(event, e.DecisionAssessed):
            self._open[instruction.id] = event.inputs
            return
        inputs = self._open.pop(instruction.id, None)
        decision = instruction.decision
        if isinstance(event, e.InstructionRejected) and _is_not_planning(event):
            return
        if type(event) not in _FIELDS or inputs is None or rules is None or decision is None:
            self.without_inputs += isinstance(event, _ADMISSIONS)
            return
        asked = inputs.decision(decision)
        facts = inputs.facts(instruction.account, asked, limits, rules.planning)
        outcome = plan_decision(asked, facts, instruction.id)
        again = _fields_of(outcome, instruction, inputs)
        names = _FIELDS[type(event)]
        for later in (ESTIMATE, RESERVATION):
            if getattr(event, later, None) is None:  # a log of before kept none
                names = tuple(name for name in names if name != later)
                again.pop(later, None)
        before = {"outcome": event.TOPIC, **{name: getattr(event, name) for name in names}}
        self.count += 1
        self.checks += len(before.get(CHECKS, ()))
        self._compare(recorded.position, instruction, _by_name(before), _by_name(again))

    def _compare(
        self, position: int, instruction: Instruction, before: Fields, again: Fields
    ) -> None:
        if before["outcome"] != again["outcome"]:
            # What another outcome carries has nothing to be compared with, but its checks have.
            kept = ("outcome", CHECKS)
            before = {name: before.get(name, {}) for name in kept}
            again = {name: again.get(name, {}) for name in kept}
        for path, recorded, anew in compare_values(before, again):
            kind = "limit check" if path.startswith(CHECKS) else "plan"
            self.differences.append(
                Disagreement(kind, position, str(instruction.id), path, str(recorded), str(anew))
            )


def _is_not_planning(event: e.InstructionRejected) -> bool:
    """Whether it was refused for what no planning looks at: an approval, the machine's clock."""
    return any(refusal.reason in NOT_PLANNING for refusal in event.refusals)


def _by_name(fields: Fields) -> Fields:
    """Checks by their names, so that a difference names the check."""
    if CHECKS in fields:
        named = {check.name: check for check in fields[CHECKS]}
        return {**fields, CHECKS: named}
    return fields


def _fields_of(outcome: Outcome, instruction: Instruction, inputs: PlanningInputs) -> Fields:
    """The event that an outcome is recorded as, as the engine's admission does it."""
    if inputs.admitted:
        return _fields_at_release(outcome, instruction, inputs)
    match outcome:
        case Planned():
            return _planned(outcome, inputs, None)
        case Deferred(planned=Planned() as planned):
            return _planned(planned, inputs, outcome.release_at)
        case Deferred():
            return {
                "outcome": e.ReleaseDeferred.TOPIC,
                "release_at": outcome.release_at,
                "rule": outcome.rule,
            }
        case Nothing() | Refused():
            return _ended_unplanned(outcome)


def _ended_unplanned(outcome: Nothing | Refused) -> Fields:
    if isinstance(outcome, Refused):
        said: Fields = {"outcome": e.InstructionRejected.TOPIC, "refusals": outcome.refusals}
    else:
        said = {"outcome": e.NothingToDo.TOPIC, "reason": outcome.reason, "note": outcome.note}
    return {**said, CHECKS: outcome.checks}


def _fields_at_release(
    outcome: Outcome, instruction: Instruction, inputs: PlanningInputs
) -> Fields:
    """The same when a deferred decision is looked at again."""
    planned = at_release(outcome, instruction.plan)
    match planned:
        case Replanned():
            return {
                "outcome": e.InstructionReplanned.TOPIC,
                "plan": planned.terms,
                "rule": RULE,
                CHECKS: planned.checks,
                "volume": inputs.market.volume,
                RESERVATION: planned.reservation,
            }
        case None:
            return {"outcome": e.InstructionCancelled.TOPIC, "reason": EndReason.SESSION_END}
        case Planned():
            return _planned(planned, inputs, None)
        case Nothing() | Refused():
            return _ended_unplanned(planned)


def _planned(planned: Planned, inputs: PlanningInputs, release_at: int | None) -> Fields:
    notes = (*planned.notes, inputs.note) if inputs.note else planned.notes
    return {
        "outcome": e.InstructionPlanned.TOPIC,
        "plan": planned.terms,
        CHECKS: planned.checks,
        RESERVATION: planned.reservation,
        "equity": planned.equity,
        "position": planned.position,
        "price": planned.price,
        "limit_version": planned.limit_version,
        "timing_rules": tuple(rule for rule in inputs.timing_rule.split(",") if rule),
        "volume": inputs.market.volume,
        "sell_mark": planned.sell_mark,
        "release_at": release_at,
        "notes": notes,
        ESTIMATE: planned.estimate,
    }


class Switches:
    """Looks again at each switch, and at each recorded step for a switch that was not made.

    ``count`` switches were decided again; ``without_inputs`` are of logs that did not keep the
    market.
    """

    def __init__(self) -> None:
        self.count = 0
        self.without_inputs = 0
        self.differences: list[Disagreement] = []

    def before(
        self, recorded: Recorded, instruction: Instruction, rules: e.RulesInForce | None
    ) -> None:
        """Take in an event of an instruction as it was just before that event."""
        event = recorded.event
        plan = instruction.plan
        if isinstance(event, e.StrategySwitched):
            if event.market is None or rules is None or plan is None:
                self.without_inputs += 1
                return
            self.count += 1
            made = Switch(event.plan, event.rule, event.observed, event.threshold)
            again = _switch(instruction, event.market, rules)
            self._compare(recorded.position, instruction, made, again)
        elif isinstance(event, e.OrderIntended | e.OrderCancelRequested):
            provenance = event.provenance
            # The step that begins work is decided before it is released, and switches nothing.
            if provenance is None or rules is None or not instruction.is_active:
                return
            if instruction.released_at is None or provenance.now <= instruction.released_at:
                return
            if provenance.view == instruction.view() and plan == provenance.plan:
                again = _switch(instruction, provenance.market, rules)
                self._compare(recorded.position, instruction, None, again)

    def _compare(
        self, position: int, instruction: Instruction, made: Switch | None, again: Switch | None
    ) -> None:
        if made is None and again is None:
            return
        if made is None or again is None:
            self._differ(position, instruction, "rule", _rule(made), _rule(again))
            return
        for path, recorded, anew in compare_values(made, again):
            self._differ(position, instruction, path, str(recorded), str(anew))

    def _differ(
        self, position: int, instruction: Instruction, field: str, recorded: str, again: str
    ) -> None:
        subject = str(instruction.id)
        self.differences.append(Disagreement("switch", position, subject, field, recorded, again))


def _switch(instruction: Instruction, market: MarketState, rules: e.RulesInForce) -> Switch | None:
    plan, arrival = instruction.plan, instruction.arrival
    if plan is None or not rules.switching.switches_max:
        return None
    progressed = Progressed(
        instruction.switches,
        instruction.switched_at,
        arrival.half_spread_bps if arrival else None,
        instruction.volatility_bps_at_plan,
    )
    return reassess(plan, instruction.view(), market, progressed, rules.switching)


def _rule(switch: Switch | None) -> str:
    return "no switch" if switch is None else f"{switch.rule} ({switch.observed})"


class Cancels:
    """Looks for what called for each cancel that no strategy decided; ``count`` were looked at."""

    def __init__(self) -> None:
        self.count = 0
        self.differences: list[Disagreement] = []

    def before(
        self,
        recorded: Recorded,
        instruction: Instruction,
        kills: Mapping[str, str],
        rules: e.RulesInForce | None,
    ) -> None:
        """Take in an event of an instruction as it was just before that event."""
        event = recorded.event
        if not isinstance(event, e.OrderCancelRequested) or event.provenance is not None:
            return
        self.count += 1
        causes = _causes(instruction, kills, rules, event.record_time)
        if event.rule not in causes:
            found = " or ".join(causes) or "no cause"
            subject = str(instruction.id)
            self.differences.append(
                Disagreement("cancel", recorded.position, subject, "rule", event.rule, found)
            )


def _causes(
    instruction: Instruction, kills: Mapping[str, str], rules: e.RulesInForce | None, now: int
) -> list[str]:
    """Every rule that calls for cancelling an instruction's orders, as it stands."""
    plan, causes = instruction.plan, []
    if instruction.is_done:
        causes.append("instruction_ended")
    if instruction.suspended_since is not None:
        causes.append("halt")
    if plan is None:
        return causes
    scopes = ("account", f"symbol:{plan.symbol}", f"strategy:{plan.strategy.value}")
    if any(scope in kills for scope in scopes):
        causes.append("kill_switch")
    rejected = rules is not None and instruction.rejections_in_a_row >= rules.rejects_max
    busted = instruction.executed < plan.quantity <= instruction.spent
    over = now >= plan.end_at
    if rejected or busted or over or instruction.overfilled or instruction.ending is not None:
        causes.append("must_end")
    return causes
