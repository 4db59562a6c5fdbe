"""What the broker does not take is refused right before the wire, with the field named."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from fillwright.adapters.exchange.journal import Journal
from fillwright.domain import order_terms
from fillwright.domain.ports import TimeInForce
from fillwright.domain.states import InstructionState
from tests.simulation.world import Scene, decision, exchange_fills, only, run


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not taken"])
def test_an_order_that_no_row_of_the_brokers_table_has_never_reaches_it(
    taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = order_terms.TERMS["simulated"]
    rows = tuple(row for row in terms.rows if taken or row.time_in_force is not TimeInForce.IOC)
    table = {**order_terms.TERMS, "simulated": replace(terms, rows=rows)}
    monkeypatch.setattr(order_terms, "TERMS", MappingProxyType(table))
    ran = run(Scene([decision("market", order_size=100, target_weight=None)]), tmp_path / "a.db")
    made = only(ran)
    assert bool(exchange_fills(ran)) is taken
    if taken:
        assert made.state is InstructionState.FILLED
        return
    with closing(Journal(tmp_path / "a.db.exchange")) as journal:
        assert journal.order_count() == 0
    assert made.state is InstructionState.REJECTED
    (refusal,) = made.refusals
    assert "time_in_force is ioc; allowed: day" in refusal.message
