"""Two days with a split between them: what is explained trades on, what is not only reduces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.engine import Arrival, EngineRules
from fillwright.adapters.entrypoints.cli import main
from fillwright.adapters.market_data.generated import GeneratedMarket
from fillwright.adapters.market_data.instruments import DEFAULT_INSTRUMENTS
from fillwright.adapters.simulation import EXACT, Simulation, VenueTerms, simulate
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.instruction import Instruction
from fillwright.domain.limits import Limits
from fillwright.domain.ops.exceptions import ExceptionKind
from fillwright.domain.ports import NANOS
from fillwright.domain.reasons import EndReason, Reason
from fillwright.domain.supervision.exceptions import Raised
from fillwright.projections.raised import RaisedExceptions
from fillwright.projections.runner import follow

D = Decimal
BREAK, OVERRIDE = ExceptionKind.BREAK, ExceptionKind.OVERRIDE
FIRST, SECOND = "20251107", "20251110"
WIDE = Limits(position_pct_max=D(100), turnover_pct_max=D(1_000))
SPLIT = {
    "id": "ca-1",
    "symbol": "KO",
    "cusip": "191216100",
    "new_rate": 2,
    "old_rate": 1,
    "process_date": "2025-11-10",
    "ex_date": "2025-11-10",
}


@cache
def market(date: str) -> GeneratedMarket:
    """KO alone, lighter than the packaged one; half as dear after the split."""
    spec = next(spec for spec in DEFAULT_INSTRUMENTS if spec.symbol == "KO")
    price = spec.price / 2 if date == SECOND else spec.price
    return GeneratedMarket(7, date, [replace(spec, price=price, quotes=1_500, prints=600)])


def trade(
    date: str,
    store: Path,
    positions: Mapping[str, Decimal],
    decisions: Sequence[tuple[float, Mapping[str, Any]]],
    *,
    start_s: float = 0.0,
) -> tuple[Simulation, dict[str, Instruction]]:
    """Work one day's decisions, each at its second after the open."""
    opens = market(date).sessions[0].open
    simulation = simulate(
        market(date).days(),
        store=str(store),
        venue=VenueTerms(positions=positions),
        rules=EngineRules(planning=EXACT, seed=1),
        limits=WIDE,
        market=market(date).market_data(),
        start_at=opens + round(start_s * NANOS),
        day_of_many=True,
    )

    async def work() -> None:
        with simulation:
            for second, fields in decisions:
                given = {"symbol": "KO", "confidence": 8, "strategy": "market", **fields}
                arrival = Arrival({**given, "reasoning": "momentum"})
                simulation.engine.schedule(arrival, opens + round(second * NANOS))
            await simulation.finish()

    asyncio.run(work())
    found = simulation.engine.desk.instructions.values()
    return simulation, {instruction.decision_id: instruction for instruction in found}


def logged(store: Path, kind: type[Any]) -> list[Any]:
    with Log.open(str(store), writer=False) as log:
        return [r.event for r in log.events() if isinstance(r.event, kind)]


def exceptions(store: Path) -> tuple[Raised, ...]:
    """What the exceptions book would hold of the log, in its order."""
    told = RaisedExceptions()
    with Log.open(str(store), writer=False) as log:
        follow([told], log.events())
    return told.raised()


def buy(name: str, size: int = 100) -> dict[str, Any]:
    return {"decision_id": name, "action": "BUY", "order_size": size}


def actions_file(folder: Path) -> Path:
    path = folder / "actions.json"
    path.write_text(json.dumps({"corporate_actions": {"forward_splits": [SPLIT]}}))
    return path


def test_a_split_that_nobody_recorded_stops_adding_until_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "a.db"
    _, first = trade(FIRST, store, {}, [(600, buy("one"))])
    assert first["one"].executed == 100
    halved = {"decision_id": "less", "action": "SELL", "order_size": 50}
    _, second = trade(SECOND, store, {"KO": D(200)}, [(600, buy("two")), (1_200, halved)])
    (refusal,) = second["two"].refusals
    assert refusal.reason is Reason.UNEXPLAINED_POSITION
    assert refusal.observed == "100 by our record, 200 at the broker"
    assert second["less"].executed == 50, "reducing is free"
    capsys.readouterr()
    assert main(["status", "--store", str(store)]) == 0
    assert "KO" in capsys.readouterr().out.partition("lert")[2], "an alert while it lasts"
    assert main(["books", "--store", str(store)]) == 0
    assert "KO is NOT EXPLAINED" in capsys.readouterr().out
    command = ["actions", str(actions_file(tmp_path)), "--store", str(store), "--person", "ann"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "KO: 2 for 1 split on 2025-11-10" in shown
    assert "explained by corporate action ca-1" in shown
    assert main(command) == 0
    assert "1 on the record already" in capsys.readouterr().out
    _, later = trade(SECOND, store, {"KO": D(200)}, [(3_600, buy("three"))], start_s=3_000)
    assert later["three"].executed == 100
    breaks = [one for one in exceptions(store) if one.kind is ExceptionKind.BREAK]
    assert [(one.subject, one.is_settled) for one in breaks] == [("KO", True)]
    (recorded,) = logged(store, e.CorporateActionRecorded)
    assert json.loads(recorded.raw) == SPLIT, "the announcement is kept as it was read"
    assert recorded.actor == "person:ann"
    assert main(["replay", "--store", str(store)]) == 0, "all decisions come out the same"


def test_a_person_closes_what_no_action_explains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "a.db"
    trade(FIRST, store, {}, [(600, buy("one"))])
    trade(SECOND, store, {"KO": D(130)}, [(600, buy("two"))])
    capsys.readouterr()
    assert main(["accept", "PEP", "--reason", "x", "--store", str(store)]) == 2
    assert "one that is not explained: KO" in capsys.readouterr().err
    reason = ["--reason", "30 shares were transferred in, letter of 10 November"]
    assert main(["accept", "KO", *reason, "--store", str(store), "--person", "ann"]) == 0
    _, later = trade(SECOND, store, {"KO": D(130)}, [(3_600, buy("three"))], start_s=3_000)
    assert later["three"].executed == 100
    found = [(x.kind, x.originators) for x in exceptions(store) if x.kind in (BREAK, OVERRIDE)]
    assert found == [(BREAK, ()), (OVERRIDE, ("ann",))], "closing by hand is looked at by another"
    (explained,) = logged(store, e.PositionExplained)
    assert (explained.by, explained.actor) == (e.ExplainedBy.PERSON, "person:ann")


def test_nothing_is_carried_over_an_ex_date_and_a_known_split_disturbs_nothing(
    tmp_path: Path,
) -> None:
    store = tmp_path / "a.db"
    late = 23_400 - 300
    _, first = trade(FIRST, store, {}, [(600, buy("one")), (late, buy("late"))])
    assert not first["late"].is_done, "it waits for the next session"
    assert main(["actions", str(actions_file(tmp_path)), "--store", str(store)]) == 0
    _, second = trade(SECOND, store, {"KO": D(200)}, [(600, buy("two"))])
    (ended,) = logged(store, e.InstructionCancelled)
    assert ended.originator_id == first["late"].id
    assert (ended.reason, ended.executed) == (EndReason.CORPORATE_ACTION, 0)
    assert second["two"].executed == 100
    assert logged(store, e.PositionUnexplained) == []


def test_without_an_action_a_deferred_decision_is_worked_on_the_next_day(tmp_path: Path) -> None:
    store = tmp_path / "a.db"
    unbound = buy("late") | {"max_slippage": None}  # the price halves, and nothing says why
    trade(FIRST, store, {}, [(23_400 - 300, unbound)])
    _, second = trade(SECOND, store, {}, [])
    assert second["late"].executed == 100


SPIN_OFF = {
    "id": "so-1",
    "source_symbol": "KO",
    "new_symbol": "KOB",
    "source_rate": 5,
    "new_rate": 1,
    "process_date": "2025-11-10",
    "ex_date": "2025-11-10",
}


def test_a_spin_off_holds_what_adds_risk_until_a_person_has_settled_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "a.db"
    trade(FIRST, store, {}, [(600, buy("one"))])
    path = tmp_path / "actions.json"
    path.write_text(json.dumps({"corporate_actions": {"spin_offs": [SPIN_OFF]}}))
    assert main(["actions", str(path), "--store", str(store), "--person", "ann"]) == 0
    assert "KO: spin_off with KOB on 2025-11-10" in capsys.readouterr().out
    _, again = trade(FIRST, store, {}, [(3_600, buy("before"))], start_s=3_000)
    assert again["before"].executed == 100, "it has not taken effect yet"
    halved = {"decision_id": "less", "action": "SELL", "order_size": 50}
    _, second = trade(SECOND, store, {"KO": D(200)}, [(600, buy("two")), (1_200, halved)])
    (refusal,) = second["two"].refusals
    assert refusal.reason is Reason.UNEXPLAINED_POSITION
    assert "spin_off with KOB on 2025-11-10, not settled" in refusal.observed
    assert second["less"].executed == 50, "reducing is free"
    assert main(["books", "--store", str(store)]) == 0
    assert "not settled" in capsys.readouterr().out
    said = ["accept", "KO", "--reason", "KOB booked", "--store", str(store), "--person", "ann"]
    assert main(said) == 0
    assert "corporate action so-1 of KO settled" in capsys.readouterr().out
    (settled,) = logged(store, e.CorporateActionSettled)
    assert (settled.action_id, settled.actor) == ("so-1", "person:ann")
    _, later = trade(SECOND, store, {"KO": D(200)}, [(3_600, buy("three"))], start_s=3_000)
    assert later["three"].executed == 100
    assert main(said) == 2, "nothing is open any more"
