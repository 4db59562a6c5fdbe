"""The latch: nothing is recorded or sent behind a block, whoever sets it and wherever it lies."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fillwright.adapters.engine.gate import NOT_SENT
from fillwright.adapters.exchange.journal import Journal
from fillwright.adapters.killing import KillSwitch
from fillwright.adapters.simulation import Simulation
from fillwright.adapters.storage.latch import Latched, LatchFile, Wire
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.errors import InvalidInput, StoreError
from fillwright.domain.killing import read_scope
from fillwright.domain.reasons import Anomalous, EndReason
from tests.simulation.test_session_rules import Dumb
from tests.simulation.world import (
    Scene,
    at,
    build,
    check_books,
    decision,
    logged,
    of_kind,
    play,
    run,
)

SCOPES = ("account", "symbol:AAPL", "strategy:twap")


def twap_and_iceberg() -> list[dict[str, Any]]:
    return [
        decision("twap", window="3m"),
        decision("iceberg", symbol="KO", window="3m", decision_id="d-ice"),
    ]


def other_process(store: Path, scope: str, at_seconds: float) -> Any:
    """What another process does at a moment of the run: block, in a handle of its own."""

    async def act(_: Simulation) -> None:
        made = await KillSwitch(str(store), "sim").kill(scope, "race", "person:ann", None)
        assert made.latched_in == ("log", "file")

    return at(at_seconds), act


@given(st.floats(600, 690), st.sampled_from(SCOPES))
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_intent_and_no_order_comes_behind_a_block_of_another_process(
    tmp_path_factory: pytest.TempPathFactory, moment: float, scope: str
) -> None:
    store = tmp_path_factory.mktemp("latch") / "log.db"
    scene = Scene(twap_and_iceberg(), moments=[other_process(store, scope, moment)])
    simulation = run(scene, store)
    events = logged(simulation)
    (position,) = [i for i, event in enumerate(events) if isinstance(event, e.KillSwitchEngaged)]
    by_id = {i.id: i for i in simulation.engine.desk.instructions.values()}
    for event in of_kind(events[position:], e.OrderIntended):
        plan = by_id[event.originator_id].plan
        assert plan is not None
        assert scope not in ("account", f"symbol:{plan.symbol}", f"strategy:{plan.strategy.value}")
    for instruction in by_id.values():
        plan = instruction.plan
        assert instruction.is_done
        assert not instruction.live
        if plan is None:  # refused: it came behind the block
            assert moment == 600
            continue
        covered = scope in ("account", f"symbol:{plan.symbol}", f"strategy:{plan.strategy.value}")
        ended = instruction.end_reason
        assert ended is None or (ended.value == "kill_switch") is covered
    with Log.open(str(store), writer=False) as log:
        assert log.verify().ok
        stored = {key: used for key, used in log.counters().items() if used}
    assert stored == simulation.engine.desk.usage.counters()


def test_a_block_in_the_log_alone_is_noticed_although_own_events_came_behind_it(
    tmp_path: Path,
) -> None:
    store = tmp_path / "log.db"
    noticed: list[bool] = []

    async def act(simulation: Simulation) -> None:
        engine, desk = simulation.engine, simulation.engine.desk
        await KillSwitch(str(store), "sim").kill("account", "race", "person:ann", None)
        LatchFile(str(store)).remove("sim", "account")  # only the log tells of it
        for instruction in desk.active.values():
            stamp = desk.stamp(str(instruction.id), "test")
            instruction.note(stamp, Anomalous.DATA_QUALITY, "behind the block")
            desk.touch(instruction)
        await desk.commit()
        noticed.append(engine._control.has_news())
        engine._control.attend(at_once=True)
        noticed.append(engine._control.has_news())

    run(Scene(twap_and_iceberg(), moments=[(at(630), act)]), store)
    assert noticed == [True, False]


def test_an_engine_that_looks_anew_while_the_broker_is_silent_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "log.db"
    silence: list[Dumb] = []

    def dumb(inner: Any) -> Dumb:
        silence.append(Dumb(inner, at(630), at(634)))
        return silence[0]

    async def act(simulation: Simulation) -> None:
        desk = simulation.engine.desk
        await KillSwitch(str(store), "sim").kill("symbol:KO", "race", "person:ann", None)
        desk.account.note(desk.stamp("account", "test"), Anomalous.DATA_QUALITY, "at once")
        desk.touch(desk.account)

    scene = Scene(twap_and_iceberg(), moments=[(at(630), act)], broker=dumb)
    simulation = run(scene, store)
    check_books(simulation)
    assert silence[0].refused > 0
    ends = {i.decision_id: i.end_reason for i in simulation.engine.desk.instructions.values()}
    assert ends["d-ice"] is EndReason.KILL_SWITCH
    assert ends["d-twap"] is None


@pytest.mark.parametrize("moment", [605, 660])
def test_a_block_in_the_file_alone_stops_a_running_engine_which_records_it(
    tmp_path: Path, moment: int
) -> None:
    store = tmp_path / "log.db"

    async def act(simulation: Simulation) -> None:
        latched = Latched(simulation.engine.desk.name, "account", "disk", "person:ann", 1)
        LatchFile(str(store)).add(latched)

    simulation = run(Scene(twap_and_iceberg(), moments=[(at(moment), act)]), store)
    events = logged(simulation)
    (engaged,) = of_kind(events, e.KillSwitchEngaged)
    assert (engaged.actor, engaged.reason) == ("person:ann", "disk")
    assert not of_kind(events[events.index(engaged) :], e.OrderIntended)


def test_an_order_blocked_between_its_record_and_the_wire_is_withheld_and_proven_dead(
    tmp_path: Path,
) -> None:
    store = tmp_path / "log.db"
    seen: dict[str, int] = {}

    def hook(boundary: str) -> None:
        if boundary == "store:after" and "log" in seen:
            with Log.open(str(store), writer=False) as log:
                intents = [
                    x for x in log.events(seen["log"]) if "Intended" in type(x.event).__name__
                ]
            if intents and "file" not in seen:
                seen["file"] = intents[0].position
                LatchFile(str(store)).add(Latched("sim", "account", "late", "person:ann", 1))

    scene = Scene([decision("market")])
    simulation = build(scene, store, hook)
    seen["log"] = 0
    asyncio.run(play(simulation, scene))
    assert "file" in seen
    (instruction,) = simulation.engine.desk.instructions.values()
    rejected = of_kind(logged(simulation), e.OrderRejected)
    assert [x.report.text.startswith(NOT_SENT) for x in rejected] == [True]
    assert instruction.end_reason is not None
    assert instruction.end_reason.value == "kill_switch"
    assert instruction.executed == 0
    assert Journal(f"{store}.exchange").submitted() == []


def test_a_latch_file_that_cannot_be_read_blocks_everything(tmp_path: Path) -> None:
    store = tmp_path / "log.db"
    run(Scene([]), store)
    (tmp_path / "log.db.kill").write_text("no json\n")
    assert LatchFile(str(store)).blocks("sim", "KO", "twap") == "account"
    simulation = run(Scene([decision("market")]), store)
    (instruction,) = simulation.engine.desk.instructions.values()
    assert instruction.executed == 0
    assert Journal(f"{store}.exchange").submitted() == []


def test_the_latch_file_keeps_what_it_is_told_and_forgets_what_is_lifted(tmp_path: Path) -> None:
    file = LatchFile(str(tmp_path / "log.db"))
    file.add(Latched("main", "symbol:KO", "a", "person:ann", 1))
    file.add(Latched("other", "account", "b", "person:bob", 2))
    assert file.blocks("main", "KO", "twap") == "symbol:KO"
    assert file.blocks("main", "PEP", "twap") is None
    assert LatchFile(str(tmp_path / "log.db")).blocks("other", "PEP", "twap") == "account"
    file.remove("main", "symbol:KO")
    assert file.blocks("main", "KO", "twap") is None
    file.remove("other", "account")
    assert not (tmp_path / "log.db.kill").exists()


def test_a_memory_store_has_no_latch_file() -> None:
    with pytest.raises(StoreError, match="in memory"):
        LatchFile(None).add(Latched("main", "account", "a", "person:ann", 1))


def test_the_wire_is_quiet_only_when_nobody_is_sending(tmp_path: Path) -> None:
    wire, other = Wire(str(tmp_path / "log.db")), Wire(str(tmp_path / "log.db"))
    assert wire.quiet(0)
    with wire.sending(), wire.sending():
        assert not other.quiet(0.05)
    assert other.quiet(0)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("account", "account"),
        ("Symbol:ko", "symbol:KO"),
        ("strategy:TWAP", "strategy:twap"),
        ("symbol:", None),
        ("strategy:none", None),
        ("everything", None),
        ("account:x", None),
    ],
)
def test_a_scope_is_read_in_one_form_or_refused(text: str, scope: str | None) -> None:
    if scope is None:
        with pytest.raises(InvalidInput, match="scope"):
            read_scope(text)
    else:
        assert read_scope(text) == scope


def test_a_release_needs_a_block_and_nothing_open(tmp_path: Path) -> None:
    store = tmp_path / "log.db"
    run(Scene([decision("market")]), store)
    switch = KillSwitch(str(store))
    with pytest.raises(InvalidInput, match="nothing is blocked"):
        asyncio.run(switch.release("account", "checked", "ann", None))
    asyncio.run(switch.kill("symbol:KO", "test", "person:ann", None))
    asyncio.run(switch.release("symbol:KO", "checked", "ann", None))
    with Log.open(str(store), writer=False) as log:
        kinds = [type(x.event).__name__ for x in log.events()][-2:]
        assert log.counters_under("kill:") == []
    assert kinds == ["KillSwitchEngaged", "KillSwitchReleased"]
    simulation = build(Scene([]), store)
    with simulation:
        assert simulation.engine.desk.account.kills == {}
