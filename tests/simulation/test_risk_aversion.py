"""A decision that fears the price more than the cost is worked early."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from fillwright.domain import events as e
from fillwright.domain.ports import NANOS
from tests.simulation.world import START_S, Scene, at, check_books, decision, logged, of_kind, run

D = Decimal
HALF = at(START_S + 15 * 60)


def done_at_half_time(store: Path, **fields: Any) -> Decimal:
    """The share of a half hour's TWAP that had been executed after fifteen minutes."""
    asked = decision("twap", window="30m", target_weight=4.9, style="smart", **fields)
    simulation = run(Scene((asked,)), store)
    check_books(simulation)
    fills = of_kind(logged(simulation), e.OrderFilled)
    whole = sum((fill.report.last_qty for fill in fills), D(0))
    assert max(fill.report.market_time for fill in fills) <= at(START_S) + 1860 * NANOS
    return sum((f.report.last_qty for f in fills if f.report.market_time <= HALF), D(0)) / whole


def test_risk_aversion_asked_for_by_a_decision_does_more_in_the_first_half(
    tmp_path: Path,
) -> None:
    straight = done_at_half_time(tmp_path / "straight.db")
    averse = done_at_half_time(tmp_path / "averse.db", risk_curvature=20)
    assert straight < D("0.75")
    assert averse > straight + D("0.1")
