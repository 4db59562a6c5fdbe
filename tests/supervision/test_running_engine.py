"""What lets an engine trade is looked up while it runs; withdrawn or expired, it stops."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.application import Application
from fillwright.adapters.permits.control_tail import ControlTail
from fillwright.adapters.permits.live_strategies import LiveStrategies
from fillwright.adapters.permits.run_permission import RunPermission
from fillwright.adapters.storage.location import is_postgres
from fillwright.adapters.storage.log import Log
from fillwright.adapters.supervision.supervising import Caller
from fillwright.adapters.timekeeping.clocks import SystemClock
from fillwright.domain.executor import Outcome
from fillwright.domain.plan import StrategyParameters
from fillwright.domain.ports import NANOS
from fillwright.domain.result import ResultStatus
from tests.adapters.application_cases import buy, steady_provider
from tests.adapters.entrypoints.conftest import Cli
from tests.adapters.storage.test_postgres import raw
from tests.supervision.conftest import House, principals_file, token

HOUR = 3_600 * NANOS
pytestmark = pytest.mark.on_a_server


@dataclass
class Wall:
    """A clock on the wall that a test can put forward."""

    ahead: int = 0

    def now(self) -> int:
        return SystemClock().now() + self.ahead


Story = Callable[[Application], Awaitable[Any]]


@pytest.fixture
def house(place: Path | str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> House:
    """An empty store with its people."""
    house = House(tmp_path, cli, monkeypatch.setenv, place)
    house.set_up()
    return house


def permit_live(house: House) -> str:
    change = house.propose("rob", "live", "--valid-hours", "5")
    assert house.approve("kim", change).code == 0
    return change


def run(house: House, wall: Wall, story: Story, *, is_live: bool = True) -> None:
    """A running engine of rob's under the permits that live trading has."""

    async def whole() -> None:
        house.by("rob", "status")  # from here on the process is rob's
        async with Application.open(steady_provider(), store=str(house.store)) as application:
            desk = application.engine.desk
            rob = Caller.with_token(token("rob"))
            with ControlTail(desk.log) as tail:
                desk.permits = (
                    RunPermission(tail, desk.name, rob, wall.now, is_live=is_live),
                    *([LiveStrategies(tail, StrategyParameters(), wall.now)] if is_live else []),
                )
                await story(application)

    asyncio.run(whole())


def reasons(outcome: Outcome) -> list[str]:
    assert outcome.result is not None
    return [refusal.reason.value for refusal in outcome.result.refusals]


def approve_strategy(house: House, name: str) -> str:
    file = house.folder / "evaluation.json"
    file.write_text('{"saved_bps": 3.1}')
    asked = ("strategies", "propose", name, "--evidence", file, "--reason", "r", "--json")
    change = house.by("rob", *asked).json["change"]
    assert house.approve("kim", change).code == 0
    return str(change)


def test_to_trade_live_is_withdrawn_by_one_person_while_the_engine_runs(house: House) -> None:
    change = permit_live(house)
    approve_strategy(house, "twap")

    async def story(application: Application) -> None:
        working = await application.admit(buy(strategy="twap", window="1h", decision_id="w"))
        assert reasons(working) == []
        withdrawn = house.by("ada", "changes", "reject", change, "--reason", "stop")
        assert withdrawn.code == 0, withdrawn.err
        assert reasons(await application.execute(buy("BBB", strategy="twap"))) == ["permission"]
        assert working.result is not None
        ended = await application.wait(working.result.instruction_id)
        assert ended.result is not None
        assert ended.result.status is not ResultStatus.FILLED, "no new order goes out"

    run(house, Wall(), story)


def test_a_permission_to_trade_live_expires_while_the_engine_runs(house: House) -> None:
    permit_live(house)
    approve_strategy(house, "market")
    wall = Wall()

    async def story(application: Application) -> None:
        wall.ahead = 4 * HOUR
        assert reasons(await application.execute(buy(strategy="market"))) == []
        wall.ahead = 5 * HOUR
        assert reasons(await application.execute(buy("BBB", strategy="market"))) == ["permission"]

    run(house, wall, story)


def test_a_strategy_is_approved_and_withdrawn_while_the_engine_runs(house: House) -> None:
    permit_live(house)

    async def story(application: Application) -> None:
        refused = await application.execute(buy("BBB", strategy="market", decision_id="1"))
        assert reasons(refused) == ["strategy_approval"]
        change = approve_strategy(house, "market")
        assert reasons(await application.execute(buy(strategy="market"))) == []
        assert house.by("rob", "changes", "reject", change, "--reason", "mine").code == 0
        refused = await application.execute(buy("BBB", strategy="market", decision_id="2"))
        assert reasons(refused) == ["strategy_approval"]
        again = house.by("rob", "changes", "reject", change, "--reason", "mine")
        assert again.code == 6, "what is withdrawn is"

    run(house, Wall(), story)


def test_an_engine_whose_principal_may_trade_no_more_sends_nothing_new(house: House) -> None:
    async def story(application: Application) -> None:
        assert reasons(await application.execute(buy(strategy="market"))) == []
        narrower = principals_file(house.folder, rob='"read"')
        # It takes away from rob alone, so one admin is enough; it is wider in nothing.
        lost = house.by("kim", "principals", "set", narrower, "--json")
        if not lost.json["in_force"]:
            assert house.approve("ada", lost.json["change"]).code == 0
        assert reasons(await application.execute(buy("BBB", strategy="market"))) == ["permission"]

    run(house, Wall(), story, is_live=False)


def test_an_engine_of_a_single_owner_is_asked_the_moment_that_principals_are_set_up(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, cli, monkeypatch.setenv)

    async def whole() -> None:
        async with Application.open(steady_provider(), store=str(house.store)) as application:
            desk = application.engine.desk
            someone = Caller("nobody-of-them")
            with ControlTail(desk.log) as tail:
                now = SystemClock().now
                desk.permits = (RunPermission(tail, desk.name, someone, now, is_live=True),)
                assert reasons(await application.execute(buy(strategy="market"))) == []
                house.set_up()
                refused = await application.execute(buy("BBB", strategy="market"))
                assert reasons(refused) == ["permission"]

    asyncio.run(whole())


def change(store: Path | str, statement: str) -> None:
    """Alter a store as whoever may write its file or its tables can."""
    if is_postgres(store):
        raw(str(store), statement)
        return
    with contextlib.closing(sqlite3.connect(store)) as other:
        other.execute(statement)
        other.commit()


def test_nothing_is_permitted_while_it_cannot_be_read(house: House) -> None:
    change(house.store, "UPDATE ops_records SET topic = 'PrincipalsInForce.v99'")
    with Log.open(str(house.store), writer=False) as log:
        tail = ControlTail(log)
        permit = RunPermission(tail, "main", Caller("x"), SystemClock().now, is_live=False)
        found = permit.why_not("twap")
        tail.close()
        assert found is not None
        assert "cannot be read" in found.message
