"""An engine that trades by wall time, opened as everybody opens one, is watched while it runs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from fillwright.adapters.application import Application
from fillwright.adapters.permits.clock_guard import ClockGuard
from fillwright.adapters.permits.run_permission import RunPermission
from fillwright.adapters.permitting import Clocks
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.supervision import escalating
from fillwright.adapters.supervision.escalating import Escalation
from fillwright.adapters.supervision.exceptions_book import BookView
from fillwright.adapters.timekeeping.clock_reading import ClockReading
from fillwright.adapters.timekeeping.clocks import SystemClock
from fillwright.domain.ops.clocks import ClockMeasured
from fillwright.domain.ops.exceptions import ExceptionEscalated
from fillwright.domain.ports import NANOS
from tests.adapters.application_cases import buy, mock_provider, steady_provider
from tests.supervision.conftest import House

HOUR = 3_600 * NANOS
REFUSED = {**buy(), "action": "SMELL"}
PATIENCE_SECONDS = 20.0


class Wall(SystemClock):
    """The machine's clock, which a test can put forward."""

    ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead


@pytest.fixture
def house(empty_house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(escalating, "EVERY_SECONDS", 0.02)
    return empty_house


def escalated(house: House) -> list[ExceptionEscalated]:
    with OpsLog.open(str(house.store), writer=False) as stream:
        found = [r.record for r in stream.records()]
    return [one for one in found if isinstance(one, ExceptionEscalated)]


def refusal(house: House) -> dict[str, object]:
    """The one exception that a story raises; a machine whose clock nobody keeps has another."""
    listed = house.by("me", "exceptions", "list", "--all", "--kind", "refusal", "--json")
    (found,) = listed.json["exceptions"]
    assert isinstance(found, dict)
    return found


def steps(house: House) -> list[tuple[int, str]]:
    id = refusal(house)["exception"]
    return [(one.level, one.to) for one in escalated(house) if one.exception == id]


async def eventually(told: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not told():
        assert time.monotonic() < ends, "it does not come"
        await asyncio.sleep(0.02)


def running(house: House, wall: Wall, story: Callable[[Application], Awaitable[None]]) -> None:
    async def whole() -> None:
        made = Application.open(mock_provider(), store=str(house.store), clock=wall)
        async with made as application:
            await story(application)

    asyncio.run(whole())


def test_permission_and_clock_are_asked_of_an_engine_that_trades_by_wall_time(
    house: House,
) -> None:
    async def story(application: Application) -> None:
        kinds = [type(one) for one in application.engine.desk.permits]
        assert kinds == [RunPermission, ClockGuard]

    running(house, Wall(), story)
    with OpsLog.open(str(house.store), writer=False) as stream:
        measured = [r.record for r in stream.records() if isinstance(r.record, ClockMeasured)]
    assert measured, "its clock is measured at its start"


def test_an_engine_decides_nothing_new_while_its_clock_may_be_off_beyond_the_maximum(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the bound of a second it trades, a nanosecond beyond it does not."""
    off = [NANOS]
    monkeypatch.setattr(Clocks, "__call__", lambda _: ClockReading("a test", off[0], 0))

    async def story(application: Application) -> None:
        told = await application.execute(buy(strategy="market", decision_id="at the bound"))
        assert told.result is not None
        assert "clock" not in [one.reason.value for one in told.result.refusals]
        off[0] = NANOS + 1
        (guard,) = [p for p in application.engine.desk.permits if isinstance(p, ClockGuard)]
        guard.renew()
        told = await application.execute(buy(strategy="market", decision_id="beyond it"))
        assert told.result is not None
        assert [one.reason.value for one in told.result.refusals] == ["clock"]

    running(house, Wall(), story)


def test_a_simulated_engine_has_a_time_of_its_own_and_is_not_watched(house: House) -> None:
    async def whole() -> None:
        async with Application.open(steady_provider(), store=str(house.store)) as application:
            assert application.engine.desk.permits == ()
            names = [thread.name for thread in threading.enumerate()]
            assert "fillwright-escalation" not in names

    asyncio.run(whole())


@pytest.mark.on_a_server
def test_a_running_engine_escalates_what_is_overdue_once_each_and_across_restarts(
    house: House,
) -> None:
    """Refused at the start, due after 72 hours; overdue it goes on, by as long again once more."""
    wall = Wall()

    async def first(application: Application) -> None:
        await application.execute(REFUSED)
        await asyncio.sleep(0.1)
        assert steps(house) == []
        wall.ahead = 73 * HOUR
        await eventually(lambda: steps(house))

    running(house, wall, first)
    assert steps(house) == [(1, "role:compliance")]
    assert {one.actor.partition("/")[0] for one in escalated(house)} == {"engine"}
    before = escalated(house)

    async def second(application: Application) -> None:
        await asyncio.sleep(0.1)
        assert escalated(house) == before, "a restart says nothing twice"
        wall.ahead = 145 * HOUR
        await eventually(lambda: len(steps(house)) > 1)

    running(house, wall, second)
    assert steps(house) == [(1, "role:compliance"), (2, "role:admin")]
    told = house.by("me", "exceptions", "escalate", "--json")
    assert told.json["escalated"] == [], "the command finds nothing left to say"


@pytest.mark.on_a_server
def test_however_many_look_at_once_each_step_is_recorded_once(house: House) -> None:
    async def refused(application: Application) -> None:
        await application.execute(REFUSED)

    running(house, Wall(), refused)
    at = SystemClock().now() + 200 * HOUR
    gate = threading.Barrier(4)

    def look() -> None:
        with Log.open(str(house.store), writer=False) as log, OpsLog.open(str(house.store)) as ops:
            one = Escalation()
            gate.wait()
            one.look(log, ops, at)
            assert one.look(log, ops, at) == ()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = escalated(house)
    assert {one.level for one in made} == {1, 2}
    assert len({(one.exception, one.level) for one in made}) == len(made)


def test_an_escalation_takes_in_a_long_log_step_by_step(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(application: Application) -> None:
        await application.execute(REFUSED)

    running(house, Wall(), refused)
    at = SystemClock().now() + 200 * HOUR
    monkeypatch.setattr(escalating, "STEP_EVENTS", 2)
    with Log.open(str(house.store), writer=False) as log, OpsLog.open(str(house.store)) as ops:
        one, steps_taken = Escalation(), 0
        while one.come_nearer(log, ops):
            steps_taken += 1
        assert steps_taken == (log.head().position - 1) // 2 > 1
        assert one.look(log, ops, at)
        at_once = BookView()
        at_once.follow(log, ops)
        assert one._view.raised() == at_once.raised()
        assert one._view.log_hash == at_once.log_hash
        assert not one.come_nearer(log, ops)


def test_an_escalation_waits_until_something_is_due_and_looks_again_when_it_changed(
    house: House,
) -> None:
    async def refused(application: Application) -> None:
        await application.execute(REFUSED)

    running(house, Wall(), refused)
    with Log.open(str(house.store), writer=False) as log, OpsLog.open(str(house.store)) as ops:
        one, now = Escalation(), SystemClock().now()
        assert one.look(log, ops, now) == ()
        held = refusal(house)
        id, due = held["exception"], held["due_at"]
        assert isinstance(due, int)
        in_time = [step.exception for step in one.look(log, ops, due)]
        assert id not in in_time, "it may still be closed in time"
        assert [step.exception for step in one.look(log, ops, due + 1)] == [id]
