"""Replay notices when what is on the record does not follow from what it was decided from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, TypeVar
from uuid import UUID

import pytest

from fillwright.adapters.replay import replaying, restepping
from fillwright.adapters.replay.deciding_again import Decided, decide_again
from fillwright.adapters.replay.replaying import replay, replay_decisions
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.records import Recorded
from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.events import (
    DecisionReceived,
    DomainEvent,
    InstructionFilled,
    InstructionPlanned,
    LimitChanged,
    OrderIntended,
)
from fillwright.domain.limits import Limits
from fillwright.domain.market import MarketState
from fillwright.domain.plan import PlanTerms
from fillwright.domain.planning import pretrade, terms
from fillwright.domain.planning.pretrade import CheckSpec, Verdict
from fillwright.domain.ports import OrderType, TimeInForce
from fillwright.domain.reasons import Reason
from fillwright.domain.strategies.contract import InstructionView, Place, Step
from fillwright.domain.strategies.registry import STRATEGIES
from fillwright.projections.blotter import Blotter
from fillwright.projections.runner import Difference, Handler, History
from fillwright.projections.sealed import Sealed
from tests.adapters.finished_runs import finish

EventT = TypeVar("EventT", bound=DomainEvent)

DECISIONS = [
    {
        "decision_id": f"d-{strategy}",
        "symbol": symbol,
        "action": "BUY",
        "target_weight": 2,
        "strategy": strategy,
        "window": "6m",
        "max_slippage": 80,
    }
    for strategy, symbol in (("twap", "KO"), ("iceberg", "AAPL"), ("opportunistic", "SPY"))
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three strategies."""
    path = tmp_path_factory.mktemp("replaying") / "log.db"
    finish(path, DECISIONS)
    return path


@pytest.fixture(scope="module")
def records(store: Path) -> Sequence[Recorded]:
    with Log.open(store, writer=False) as log:
        return tuple(log.events())


def decided_again(records: Sequence[Recorded]) -> Decided:
    return decide_again(records)


def said(found: Decided) -> list[str]:
    return [str(one) for one in found.differences]


def altered(
    records: Sequence[Recorded], kind: type[EventT], change: Callable[[EventT], DomainEvent]
) -> list[Recorded]:
    """The records with the last event of a kind changed."""
    last = max(place for place, each in enumerate(records) if isinstance(each.event, kind))
    changed = list(records)
    event = changed[last].event
    assert isinstance(event, kind)
    changed[last] = changed[last]._replace(event=change(event))
    return changed


def test_every_recorded_step_is_decided_again(store: Path, records: Sequence[Recorded]) -> None:
    with Log.open(store, writer=False) as log:
        found = replay(log)
    assert found.ok
    assert found.position == len(records)
    assert [one.name for one in found.projections] == [
        "daily_limits",
        "blotter",
        "execution_quality",
        "reconciliation",
    ]
    assert found.counters == ()
    assert found.decisions == decided_again(records)
    assert found.decisions.steps > 20
    assert found.decisions.plans == len(DECISIONS)
    assert found.decisions.checks > 20 * len(DECISIONS)
    assert found.decisions.orders == sum(isinstance(r.event, OrderIntended) for r in records)
    assert (found.decisions.steps_cut, found.decisions.steps_of_other_versions) == (0, 0)
    assert found.decisions.without_inputs == 0


def test_an_order_of_another_size_than_was_decided_is_found(records: Sequence[Recorded]) -> None:
    def smaller(event: OrderIntended) -> DomainEvent:
        return event.model_copy(update={"quantity": event.quantity - 1})

    found = decided_again(altered(records, OrderIntended, smaller))
    assert any("sends" in line and "decided again" in line for line in said(found))


def test_an_order_at_another_price_than_was_decided_is_found(records: Sequence[Recorded]) -> None:
    def dearer(event: OrderIntended) -> DomainEvent:
        price = (event.limit_price or Decimal(0)) + Decimal("0.01")
        return event.model_copy(update={"limit_price": price})

    assert decided_again(altered(records, OrderIntended, dearer)).differences


def test_a_rule_that_would_not_have_fired_is_found(records: Sequence[Recorded]) -> None:
    def renamed(event: OrderIntended) -> DomainEvent:
        provenance = event.provenance.model_copy(update={"rule": "by_hand"})
        return event.model_copy(update={"provenance": provenance})

    found = decided_again(altered(records, OrderIntended, renamed))
    assert any("rule by_hand on the record" in line for line in said(found))


def test_inputs_that_were_not_the_state_then_are_found(records: Sequence[Recorded]) -> None:
    def otherwise(event: OrderIntended) -> DomainEvent:
        view = event.provenance.view.model_copy(update={"executed": Decimal(1)})
        provenance = event.provenance.model_copy(update={"view": view})
        return event.model_copy(update={"provenance": provenance})

    found = decided_again(altered(records, OrderIntended, otherwise))
    assert any("what it was decided from on the record" in line for line in said(found))


def test_a_step_of_another_version_is_counted_and_not_compared(
    records: Sequence[Recorded],
) -> None:
    def newer(event: OrderIntended) -> DomainEvent:
        provenance = event.provenance.model_copy(update={"version": 99})
        return event.model_copy(update={"provenance": provenance})

    found = decided_again(altered(records, OrderIntended, newer))
    assert found.steps_of_other_versions >= 1
    assert found.differences == ()


# -- the code of today -----------------------------------------------------------------------------


class Hasty:
    """A strategy that sends everything at once."""

    def __init__(self, name: str, version: int) -> None:
        self.name = name
        self.version = version

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        place = Place(
            quantity=max(view.free(plan), Decimal(1)),
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
        )
        return Step(places=(place,), rule="all_at_once")


def test_another_strategy_of_today_is_named_with_both_sides(
    store: Path, records: Sequence[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = STRATEGIES[ExecutionStrategy.TWAP]
    hasty = Hasty(known.name, known.version + 1)
    today = {**STRATEGIES, ExecutionStrategy.TWAP: hasty}
    monkeypatch.setattr(restepping, "STRATEGIES", today)
    with Log.open(store, writer=False) as log:
        found = replay_decisions(log).decisions
        assert decide_again(log.events()).differences == ()  # of another version: only counted
    of_twap = [r.event for r in records if isinstance(r.event, OrderIntended)]
    of_twap = [event for event in of_twap if event.provenance.strategy == known.name]
    assert found.steps_of_other_versions >= len({event.provenance.now for event in of_twap})
    assert {one.kind for one in found.differences} == {"twap step"}
    first = found.differences[0]
    assert (first.field, first.again) == ("rule", "all_at_once")
    assert first.recorded == of_twap[0].provenance.rule
    assert first.subject == str(of_twap[0].originator_id)


def test_another_check_of_today_is_named_with_both_sides(
    records: Sequence[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = [
        CheckSpec("max_slippage", Reason.MAX_SLIPPAGE, lambda trial: Verdict(note="by feel"))
        if spec.name == "max_slippage"
        else spec
        for spec in pretrade.GENERAL_CHECKS
    ]
    monkeypatch.setattr(pretrade, "GENERAL_CHECKS", tuple(changed))
    found = decided_again(records)
    notes = [one for one in found.differences if one.field == "checks.max_slippage.note"]
    assert len(notes) == len(DECISIONS)
    assert {(one.kind, one.recorded, one.again) for one in notes} == {
        ("limit check", "", "by feel")
    }


def test_another_plan_of_today_is_named_with_both_sides(
    records: Sequence[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "window_seconds", lambda decision, facts: 60)
    found = decided_again(records)
    ends = [one for one in found.differences if one.field == "plan.end_at"]
    assert len(ends) == len(DECISIONS)
    assert all(one.kind == "plan" and one.recorded > one.again for one in ends)


def test_a_plan_that_was_altered_is_found(records: Sequence[Recorded]) -> None:
    def larger(event: InstructionPlanned) -> DomainEvent:
        plan = event.plan.model_copy(update={"quantity": event.plan.quantity + 1})
        return event.model_copy(update={"plan": plan})

    found = decided_again(altered(records, InstructionPlanned, larger))
    assert "plan.quantity" in {one.field for one in found.differences}
    limits = next(r for r in records if isinstance(r.event, LimitChanged))
    tighter = [r for r in records if r is not limits]
    at = tighter.index(next(r for r in records if isinstance(r.event, DecisionReceived)))
    assert isinstance(limits.event, LimitChanged)
    none_left = limits.event.model_copy(update={"limits": Limits(trades_max_per_day=0)})
    tighter.insert(at, limits._replace(event=none_left))
    outcomes = [one for one in decided_again(tighter).differences if one.field == "outcome"]
    assert {(one.recorded, one.again) for one in outcomes} == {
        ("InstructionPlanned", "InstructionRejected")
    }


class _Misremembering(Blotter):
    """A book that notes something at the end of one instruction that no event says."""

    wrong: ClassVar[UUID]

    def _misnoted(self, event: InstructionFilled) -> None:
        self._ended(event)
        if event.originator_id == self.wrong:
            self.instructions()[self.wrong].data_note = "made up"

    HANDLERS: ClassVar[Mapping[type[DomainEvent], Handler]] = {
        **Blotter.HANDLERS,
        InstructionFilled: _misnoted,
    }


def test_what_differs_of_instructions_that_were_let_go_of_is_named(
    store: Path, records: Sequence[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = [one.event.originator_id for one in records if type(one.event) is InstructionFilled]
    _Misremembering.wrong = ended[0]

    def projections(history: History | None = None) -> replaying.Views:
        limits, _, quality, reconciliation = told(history)
        return limits, _Misremembering(None, history, Sealed()), quality, reconciliation

    told = replaying.projections
    monkeypatch.setattr(replaying, "projections", projections)
    with Log.open(store, writer=False) as log:
        found = replay(log)
    differing = {one.name: one.differences for one in found.projections if one.differences}
    path = f"state.{ended[0]}.data_note"
    assert differing == {"blotter": (Difference(path, "made up", ""),)}
    assert not found.ok
    (line,) = found.differences()
    assert line == f"blotter: {path}: fed in pieces made up, rebuilt "
