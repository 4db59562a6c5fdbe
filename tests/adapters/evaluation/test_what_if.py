"""The session again with another strategy: same data, same exchange, same analysis."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from fillwright.adapters.evaluation.changes import parse_changes
from fillwright.adapters.evaluation.what_if import WhatIf, what_if
from fillwright.adapters.storage.log import Log
from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.errors import InvalidInput
from fillwright.domain.plan import PlanTerms
from fillwright.domain.planning.facts import Planned
from fillwright.domain.planning.planner import plan_decision
from fillwright.projections.blotter import Blotter
from fillwright.projections.runner import follow
from tests.adapters.finished_runs import finish
from tests.domain.planning_cases import INSTRUCTION, a_decision, some_facts

DECISIONS = [
    {"decision_id": "d-market", "symbol": "AAPL", "action": "BUY", "target_weight": 2,
     "strategy": "market"},
    {"decision_id": "d-twap", "symbol": "KO", "action": "BUY", "target_weight": 2,
     "strategy": "twap", "style": "naive", "window": "10m", "max_slippage": 80},
    {"decision_id": "d-limit", "symbol": "AAPL", "action": "BUY", "target_weight": 3,
     "strategy": "limit", "window": "10m", "max_slippage": 80},
    {"decision_id": "d-refused", "symbol": "AAPL", "action": "BUY", "target_weight": 90},
]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished session with its captured market data."""
    path = tmp_path_factory.mktemp("what_if") / "log.db"
    finish(path, DECISIONS)
    return path


def asked(store: Path, *changes: str, segments: Path | None = None) -> WhatIf:
    with Log.open(store, writer=False) as log:
        folder = segments or store.with_name(store.name + ".market")
        return what_if(log, folder, parse_changes(changes))


def test_nothing_changed_costs_what_it_cost(store: Path) -> None:
    """On the same data, by the same steps, through the same matching: the same fills."""
    found = asked(store, "slices=8")
    by_id = {row.decision_id: row for row in found.compared}
    assert set(by_id) == {"d-market", "d-twap", "d-limit"}
    for row in found.compared:
        assert row.planned == row.recorded
        assert row.changed == row.planned
        assert row.difference_bps == row.difference_cost == 0
    assert found.difference_bps == found.difference_cost == 0
    assert [(one.decision_id, one.why) for one in found.left_out] == [
        ("d-refused", "it was never worked")
    ]


def test_another_strategy_gives_the_difference_in_cost(store: Path) -> None:
    found = asked(store, "market")
    by_id = {row.decision_id: row for row in found.compared}
    assert by_id["d-market"].difference_cost == 0
    twap = by_id["d-twap"]
    assert (twap.strategy, twap.changed_strategy) == ("twap", "market")
    before, after, arrival = (
        twap.planned.shortfall_bps,
        twap.changed.shortfall_bps,
        twap.planned.arrival_mid,
    )
    assert before is not None
    assert after is not None
    assert arrival is not None
    assert twap.difference_bps == after - before != 0
    assert twap.difference_cost == (after - before) / 10_000 * twap.ordered * arrival
    assert twap.changed.executed == twap.ordered
    # What a market order costs is the book's: more than half the spread above the arrival mid.
    assert (twap.changed.slippage_bps or 0) > 0
    assert found.difference_cost == sum(row.difference_cost or 0 for row in found.compared)


def test_a_parameter_gives_the_difference_too(store: Path) -> None:
    found = asked(store, "style=smart", "slices=3")
    twap = next(row for row in found.compared if row.decision_id == "d-twap")
    assert twap.strategy == twap.changed_strategy == "twap"
    assert twap.changed != twap.planned


def test_what_would_outlast_the_captured_data_is_left_out(store: Path) -> None:
    with pytest.raises(InvalidInput, match="where the captured market data ends"):
        asked(store, "twap", "style=naive", "window_seconds=2400")


def test_without_its_market_data_a_session_cannot_be_worked_again(
    store: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="no market data was captured"):
        asked(store, "market", segments=tmp_path)
    damaged = Path(shutil.copytree(store.with_name(store.name + ".market"), tmp_path / "market"))
    for path in damaged.iterdir():
        path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InvalidInput, match="no market data was captured"):
        asked(store, "market", segments=damaged)


def test_the_record_is_the_reports_own(store: Path) -> None:
    found = asked(store, "market")
    blotter = Blotter()
    with Log.open(store, writer=False) as log:
        follow([blotter], log.events())
    for row in found.compared:
        recorded = blotter.row(row.instruction_id)
        assert recorded is not None
        assert row.recorded.executed == recorded.executed
        assert row.recorded.notional == recorded.notional


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hasty", "a strategy"),
        ("speed=3", "a strategy"),
        ("volume_curve=1", "a strategy"),
        ("slices=none", "slices"),
        ("slices=0", "slices"),
        ("slices=501", "slices"),
        ("style=loud", "style"),
        ("window_seconds=-1", "window_seconds"),
        ("max_slippage=x", "max_slippage"),
        ("participation_cap=0", "participation_cap"),
        ("participation_cap=7", "a fraction above 0 up to 1, or none"),
        ("slices=501", "a whole number from 1 to 500"),
        ("display_fraction=2", "a number above 0 up to 1"),
        ("must_complete=perhaps", "must_complete"),
    ],
)
def test_a_change_that_cannot_be_names_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_changes([text]).applied(planned(ExecutionStrategy.TWAP))


def planned(strategy: ExecutionStrategy) -> PlanTerms:
    outcome = plan_decision(a_decision(strategy=strategy), some_facts(), INSTRUCTION)
    assert isinstance(outcome, Planned)
    return outcome.terms


def test_another_strategy_gets_the_price_and_cap_that_planning_gives_it() -> None:
    changed = parse_changes(["limit"]).applied(planned(ExecutionStrategy.TWAP))
    assert changed.limit_price == planned(ExecutionStrategy.LIMIT).limit_price
    back = parse_changes(["twap"]).applied(planned(ExecutionStrategy.LIMIT))
    assert back.limit_price is None
    capped = parse_changes(["vwap"]).applied(planned(ExecutionStrategy.TWAP))
    assert capped.participation_cap == planned(ExecutionStrategy.VWAP).participation_cap
    wider = parse_changes(["max_slippage=25"]).applied(planned(ExecutionStrategy.TWAP))
    assert wider.bound_price == Decimal("100.25")
