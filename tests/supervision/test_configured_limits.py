"""Limits of the configuration bind from the start on, and only ever tighten those in force."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from fillwright.adapters.application import Application
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.instruction import Instruction
from fillwright.domain.limits import Limits
from fillwright.domain.reasons import EndReason
from fillwright.domain.tightening import configured_limits, following
from tests.adapters.application_cases import buy, steady_provider
from tests.supervision.conftest import House

TWAP = {"strategy": "twap", "window": "1h"}


@pytest.fixture
def house(empty_house: House) -> House:
    return empty_house


def start(house: House, *decisions: dict[str, Any], waits_for: str = "", **limits: Any) -> str:
    """An engine's life within one session; gives the id of the last decision's instruction."""

    async def life() -> str:
        given, id = {"limits": limits} if limits else None, waits_for
        async with Application.open(steady_provider(), given, store=str(house.store)) as one:
            for decision in decisions:
                told = await one.admit(decision)
                id = told.result.instruction_id if told.result is not None else ""
            if waits_for:
                await one.wait(waits_for)
        return id

    house.by("rob", "status")  # from here on the process is rob's
    return asyncio.run(life())


def changed(house: House) -> list[tuple[int, Limits, str]]:
    with Log.open(str(house.store), writer=False) as log:
        return [
            (r.position, r.event.limits, r.event.reason)
            for r in log.events()
            if isinstance(r.event, e.LimitChanged)
        ]


@pytest.mark.parametrize("is_set_up", [True, False])
def test_a_start_within_a_session_with_tighter_limits_binds_at_once_and_ends_what_is_beyond(
    is_set_up: bool, house: House
) -> None:
    if is_set_up:
        house.set_up()
    id = start(house, buy(decision_id="w", **TWAP))
    start(house, waits_for=id, restricted=["AAA"])
    *_, (position, limits, reason) = changed(house)
    assert (limits.restricted, limits.version, reason) == (("AAA",), 2, "configuration")
    with Log.open(str(house.store), writer=False) as log:
        ended = Instruction.replay(log.stream(UUID(id)))
        later = [r.event for r in log.events(after=position)]
    assert ended.end_reason is EndReason.LIMITS
    assert ended.executed == Decimal(0)
    assert not [one for one in later if isinstance(one, e.OrderIntended)]
    assert len([one for one in later if isinstance(one, e.InstructionEndRequested)]) == 1


def test_a_start_with_the_same_or_wider_limits_changes_nothing_within_a_session(
    house: House,
) -> None:
    house.set_up()
    start(house, buy(decision_id="1"), trades_max_per_day=5)
    start(house, buy("BBB", decision_id="2"), trades_max_per_day=5)
    start(house, buy("BBB", decision_id="3"), trades_max_per_day=400)
    assert [limits.trades_max_per_day for _, limits, _ in changed(house)] == [5]


@pytest.mark.on_a_server
def test_what_two_persons_loosen_after_the_start_stands_until_the_next_that_asks_for_less(
    house: House,
) -> None:
    house.set_up()

    async def loosened_meanwhile() -> None:
        given = {"limits": {"trades_max_per_day": 5}}
        house.by("rob", "status")
        async with Application.open(steady_provider(), given, store=str(house.store)) as one:
            await one.admit(buy(decision_id="1"))
            change = house.propose("rob", "limits", "--limit", "trades_max_per_day=9")
            assert house.approve("kim", change).code == 0
            house.by("rob", "status")
            await one.admit(buy("BBB", decision_id="2"))

    asyncio.run(loosened_meanwhile())
    assert [limits.trades_max_per_day for _, limits, _ in changed(house)] == [5, 9]
    start(house, buy(decision_id="3"), trades_max_per_day=5)
    assert [limits.trades_max_per_day for _, limits, _ in changed(house)] == [5, 9, 5]
    assert [limits.version for _, limits, _ in changed(house)] == [1, 2, 3]


def test_a_limit_that_configuration_does_not_name_is_not_brought_back_to_its_default(
    house: House,
) -> None:
    """What two persons loosened would last until the next session otherwise."""
    house.set_up()
    change = house.propose("rob", "limits", "--limit", "trades_max_per_day=80")
    assert house.approve("kim", change).code == 0
    start(house, buy(decision_id="1"), turnover_pct_max=10)
    *_, (_, limits, _) = changed(house)
    assert (limits.trades_max_per_day, limits.turnover_pct_max) == (80, 10)


def test_other_limits_have_another_version() -> None:
    one = Limits(trades_max_per_day=5, version=7)
    assert following(one, Limits(trades_max_per_day=5)) is one
    assert following(one, Limits(trades_max_per_day=6)).version == 8
    assert configured_limits(one, Limits(trades_max_per_day=6)) is one
    assert configured_limits(one, Limits(trades_max_per_day=4)).version == 8
    assert configured_limits(one, Limits()) is one
