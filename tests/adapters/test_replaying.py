"""Replay notices when what is on the record does not follow from what it was decided from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from fillwright.adapters.account_file import StartAccount
from fillwright.adapters.decisions_file import Row
from fillwright.adapters.engine import EngineRules
from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.replaying import Replay, decide_again, replay
from fillwright.adapters.running import RunTerms, file_decisions, load_market, start, work
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.records import Recorded
from fillwright.domain.events import DomainEvent, OrderIntended
from fillwright.domain.limits import Limits

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
    terms = RunTerms(
        store=str(path),
        account_name="main",
        market=load_market("generated", "20240612", seed=1),
        account=StartAccount(),
        rules=EngineRules(seed=1),
        limits=Limits(),
        latency_ns=50_000_000,
        fees=Fees(),
    )
    with start(terms) as simulation:
        rows = [Row(number, fields) for number, fields in enumerate(DECISIONS, start=1)]
        decisions = file_decisions(rows, simulation.session, terms.rules)
        asyncio.run(work(simulation, decisions))
    return path


@pytest.fixture(scope="module")
def records(store: Path) -> Sequence[Recorded]:
    with Log.open(store, writer=False) as log:
        return tuple(log.events())


def decided_again(records: Sequence[Recorded]) -> Replay:
    found = Replay()
    decide_again(records, found)
    return found


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
    assert found.steps == decided_again(records).steps > 20
    assert (found.steps_cut, found.steps_of_other_versions) == (0, 0)


def test_an_order_of_another_size_than_was_decided_is_found(records: Sequence[Recorded]) -> None:
    def smaller(event: OrderIntended) -> DomainEvent:
        return event.model_copy(update={"quantity": event.quantity - 1})

    found = decided_again(altered(records, OrderIntended, smaller))
    assert any("decided again" in line for line in found.step_differences)


def test_an_order_at_another_price_than_was_decided_is_found(records: Sequence[Recorded]) -> None:
    def dearer(event: OrderIntended) -> DomainEvent:
        price = (event.limit_price or Decimal(0)) + Decimal("0.01")
        return event.model_copy(update={"limit_price": price})

    assert decided_again(altered(records, OrderIntended, dearer)).step_differences


def test_a_rule_that_would_not_have_fired_is_found(records: Sequence[Recorded]) -> None:
    def renamed(event: OrderIntended) -> DomainEvent:
        provenance = event.provenance.model_copy(update={"rule": "by_hand"})
        return event.model_copy(update={"provenance": provenance})

    found = decided_again(altered(records, OrderIntended, renamed))
    assert any("rule by_hand on the record" in line for line in found.step_differences)


def test_inputs_that_were_not_the_state_then_are_found(records: Sequence[Recorded]) -> None:
    def otherwise(event: OrderIntended) -> DomainEvent:
        view = event.provenance.view.model_copy(update={"executed": Decimal(1)})
        provenance = event.provenance.model_copy(update={"view": view})
        return event.model_copy(update={"provenance": provenance})

    found = decided_again(altered(records, OrderIntended, otherwise))
    assert any("is not what the step was decided from" in line for line in found.step_differences)


def test_a_step_of_another_version_is_counted_and_not_compared(
    records: Sequence[Recorded],
) -> None:
    def newer(event: OrderIntended) -> DomainEvent:
        provenance = event.provenance.model_copy(update={"version": 99})
        return event.model_copy(update={"provenance": provenance})

    found = decided_again(altered(records, OrderIntended, newer))
    assert found.steps_of_other_versions >= 1
    assert found.step_differences == []
