"""Limits that are tightened act on what is admitted already; nothing is forced to flatten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from fillwright.adapters.application import Application
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.instruction import Instruction
from fillwright.domain.reasons import EndReason
from tests.adapters.application_cases import buy, steady_provider
from tests.supervision.conftest import House

TWAP = {"strategy": "twap", "window": "1h"}


@pytest.fixture
def house(empty_house: House) -> House:
    empty_house.set_up()
    return empty_house


@dataclass
class Story:
    """What the log says after a run in which limits were changed at the first fill."""

    events: list[e.DomainEvent]
    changed: int
    ended: list[Instruction]
    """In the order of the decisions."""

    def intents_behind(self, symbol: str) -> list[e.DomainEvent]:
        later = self.events[self.changed :]
        return [one for one in later if isinstance(one, e.OrderIntended) and one.symbol == symbol]

    def asked(self) -> list[e.InstructionEndRequested]:
        return [one for one in self.events if isinstance(one, e.InstructionEndRequested)]


def change(house: House, name: str, *limits: str) -> None:
    """One person tightens, and it is in force; loosening takes another one."""
    options = [part for limit in limits for part in ("--limit", limit)]
    done = house.by(
        name, "changes", "propose", "limits", *options, "--reason", "mid-session", "--json"
    )
    assert done.code == 0, done.err
    if done.json["state"] != "applied":
        assert house.approve("kim", str(done.json["change"])).code == 0


def trade(
    house: House, decisions: Sequence[dict[str, Any]], *limits: str, by: str = "ada", **held: int
) -> Story:
    """Work decisions; right while the first fill is recorded somebody else changes the limits."""

    async def whole() -> list[UUID]:
        house.by("rob", "status")  # from here on the process is rob's
        provider = steady_provider(**held)
        async with Application.open(provider, store=str(house.store)) as application:
            desk, done = application.engine.desk, False

            def watch(event: e.DomainEvent) -> None:
                nonlocal done
                if isinstance(event, e.OrderFilled) and not done:
                    done = True
                    change(house, by, *limits)

            desk.on_event = watch
            told = [await application.admit(one) for one in decisions]
            ids = [one.result.instruction_id for one in told if one.result is not None]
            for id in ids:
                await application.wait(id)
            assert done, "something trades first"
            return [UUID(id) for id in ids]

    ids = asyncio.run(whole())
    with Log.open(str(house.store), writer=False) as log:
        events = [recorded.event for recorded in log.events()]
        ended = [Instruction.replay(log.stream(id)) for id in ids]
    changes = [n for n, one in enumerate(events) if isinstance(one, e.LimitChanged)]
    return Story(events, changes[-1], ended)


@pytest.mark.on_a_server
def test_a_name_that_is_restricted_stops_what_is_working_and_flattens_nothing(
    house: House,
) -> None:
    working = buy(decision_id="w", **TWAP)
    told = trade(house, [working, buy("BBB", decision_id="b", **TWAP)], "restricted=AAA")
    restricted, other = told.ended
    assert told.intents_behind("AAA") == [], "no intent is recorded behind the change"
    assert restricted.end_reason is EndReason.LIMITS
    assert 0 < restricted.executed < restricted.plan.quantity if restricted.plan else False
    assert not restricted.live
    assert other.end_reason is None, "another name goes on"
    (asked,) = told.asked()
    assert asked.check is not None
    assert (asked.check.name, asked.check.note) == ("restricted_list", "AAA")
    assert asked.check.limit_version == 2
    sides = {one.side.value for one in told.events if isinstance(one, e.OrderIntended)}
    assert sides == {"buy"}


def test_what_lowers_a_position_goes_on_under_tighter_limits_but_not_in_a_restricted_name(
    house: House,
) -> None:
    sell = {"symbol": "AAA", "action": "SELL", "order_size": 400, "decision_id": "s", **TWAP}
    told = trade(house, [sell], "order_value_usd_max=1000", "order_quantity_max=1", AAA=400)
    assert told.ended[0].executed == 400
    assert told.asked() == []


def test_a_restricted_name_is_not_sold_on_either(house: House) -> None:
    sell = {"symbol": "AAA", "action": "SELL", "order_size": 400, "decision_id": "s", **TWAP}
    told = trade(house, [sell], "restricted=AAA", AAA=400)
    assert told.ended[0].end_reason is EndReason.LIMITS
    assert told.intents_behind("AAA") == []
    assert 0 < told.ended[0].executed < 400


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        ("order_value_usd_max=20000", "order_value"),
        ("order_quantity_max=150", "order_quantity"),
        ("position_pct_max=1", "position"),
        ("turnover_pct_max=1", "turnover"),
    ],
)
def test_what_is_left_and_beyond_a_tighter_limit_ends_with_the_check_on_record(
    limit: str, name: str, house: House
) -> None:
    told = trade(house, [buy(decision_id="w", **TWAP)], limit)
    (ended,) = told.ended
    assert ended.end_reason is EndReason.LIMITS
    assert told.intents_behind("AAA") == []
    (asked,) = told.asked()
    assert asked.check is not None
    assert asked.check.name == name
    assert asked.check.value is not None
    assert asked.check.bound is not None
    assert asked.check.value > asked.check.bound
    shown = house.by("eve", "show", str(ended.id))
    assert name in shown.out.decode(), "it is told to whoever asks what became of it"


def test_tighter_limits_that_what_is_left_passes_end_nothing(house: House) -> None:
    told = trade(
        house,
        [buy(decision_id="w", **TWAP)],
        "order_value_usd_max=40000",
        "position_pct_max=4",
        "trades_max_per_day=0",
        "turnover_pct_max=4",
    )
    (ended,) = told.ended
    assert ended.end_reason is None
    assert ended.plan is not None
    assert ended.executed == ended.plan.quantity


def test_turnover_that_was_admitted_last_ends_first(house: House) -> None:
    both = [buy(decision_id="1", **TWAP), buy("BBB", decision_id="2", **TWAP)]
    told = trade(house, both, "turnover_pct_max=4")
    assert [one.end_reason for one in told.ended] == [None, EndReason.LIMITS]


def test_looser_limits_end_nothing_and_let_more_in_at_once(house: House) -> None:
    told = trade(
        house, [buy(decision_id="w", **TWAP)], "trades_max_per_day=80", "turnover_pct_max=40"
    )
    assert told.ended[0].end_reason is None
    assert told.asked() == []


@pytest.mark.on_a_server
def test_tightened_while_no_engine_ran_it_ends_at_the_next_start(house: House) -> None:
    async def begin() -> str:
        house.by("rob", "status")
        async with Application.open(steady_provider(), store=str(house.store)) as application:
            told = await application.admit(buy(decision_id="w", **TWAP))
            assert told.result is not None
            return told.result.instruction_id

    async def go_on(id: str) -> None:
        async with Application.open(steady_provider(), store=str(house.store)) as application:
            await application.wait(id)

    id = asyncio.run(begin())
    change(house, "ada", "restricted=AAA")
    house.by("rob", "status")
    asyncio.run(go_on(id))
    with Log.open(str(house.store), writer=False) as log:
        ended = Instruction.replay(log.stream(UUID(id)))
        changed = [r.position for r in log.events() if isinstance(r.event, e.LimitChanged)][-1]
        later = [r.event for r in log.events(after=changed)]
    assert ended.end_reason is EndReason.LIMITS
    assert not [one for one in later if isinstance(one, e.OrderIntended)]
    assert ended.executed == Decimal(0)
