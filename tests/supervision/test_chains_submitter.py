"""Each day's link of a chain is in the name of whoever submitted the parent, whoever runs it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fillwright.adapters.application import Application
from fillwright.adapters.chaining import due_rows
from fillwright.adapters.clients import Client
from fillwright.adapters.engine import EngineRules
from fillwright.adapters.inputs.decisions import Row
from fillwright.adapters.running import file_decisions
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog, OpsRecorded
from fillwright.domain import events as e
from fillwright.domain.ops.control import AccessRefused
from fillwright.domain.ports import NANOS, Session
from fillwright.domain.principals import Channel, Submitter
from tests.adapters.application_cases import OPEN, buy, steady_provider
from tests.adapters.entrypoints.conftest import Cli
from tests.supervision.conftest import House, principals_file, token

NEXT = "2024-06-13"
AGENT = Submitter(principal="pm-7", person="kim", channel=Channel.MCP)
PARENT = buy(decision_id="build", sessions=2, max_slippage="none")


@pytest.fixture
def house(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> House:
    """A store on which an agent's decision for two sessions had its first day."""
    house = House(tmp_path, cli, monkeypatch.setenv)
    Log.open(str(house.store)).close()
    house.set_up()
    house.by("rob", "status")  # from here on the process is rob's

    async def first_day() -> None:
        async with Application.open(steady_provider(), store=str(house.store)) as application:
            with Client(application, Channel.MCP, token("pm-7")) as agent:
                await agent.execute(PARENT)

    asyncio.run(first_day())
    return house


def due(house: House) -> tuple[Row, ...]:
    house.by("rob", "status")
    with Log.open(str(house.store), writer=False) as log:
        return due_rows(log, NEXT, "main")


def test_a_link_names_the_submitter_of_its_parent_and_not_who_runs_the_day(house: House) -> None:
    (row,) = due(house)
    assert row.by == AGENT
    session = Session(NEXT, OPEN + 86_400 * NANOS, OPEN + 110_000 * NANOS)
    (link,) = file_decisions([row], session, EngineRules())

    async def run_it() -> None:
        async with Application.open(steady_provider(), store=str(house.store)) as application:
            await application.engine.schedule(link.arrival)

    asyncio.run(run_it())
    with Log.open(str(house.store), writer=False) as log:
        received = [r.event for r in log.events() if isinstance(r.event, e.DecisionReceived)]
        starts = [r.record for r in _records(house) if r.record.TOPIC == "AccessGranted"]
    assert [(one.decision_id, one.submitted_by) for one in received] == [
        ("build", AGENT),
        ("build/2", AGENT),
    ]
    assert {one.actor for one in starts} == {"rob"}
    told = house.by("eve", "chains", "--json").json["chains"][0]["links"]
    assert [one["submitted_by"] for one in told] == ["pm-7", "pm-7"]


def test_a_chain_waits_while_whoever_submitted_it_may_submit_no_more(house: House) -> None:
    narrower = principals_file(house.folder, pm_7='"read"')
    assert house.by("kim", "principals", "set", narrower).code == 0
    assert due(house) == ()
    refused = [one.record for one in _records(house) if isinstance(one.record, AccessRefused)]
    assert [(one.actor, one.command) for one in refused] == [("pm-7", "chain build")]
    change = house.by("kim", "principals", "set", principals_file(house.folder), "--json")
    assert house.approve("ada", change.json["change"]).code == 0
    assert [row.by for row in due(house)] == [AGENT]


def _records(house: House) -> list[OpsRecorded]:
    with OpsLog.open(str(house.store), writer=False) as ops:
        return list(ops.records())
