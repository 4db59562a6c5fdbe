"""What a decision is planned from is asked for at once, and once for those that come together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.engine import losses
from fillwright.domain import events as e
from fillwright.domain.ports import NANOS, Account, Position
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    START_S,
    Scene,
    check_books,
    decision,
    instructions,
    logged,
    of_kind,
    opened_at,
    run,
)

TURNS_MAX = 100


class Asked:
    """A broker that gives the account only once the positions are asked for, and counts."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.accounts = self.positions_asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def account(self) -> Account:
        self.accounts += 1
        given: Account = await self._inner.account()
        for _ in range(TURNS_MAX if self.accounts > 1 else 0):  # the first opens the books
            if self.positions_asked >= self.accounts:
                break
            await asyncio.sleep(0)
        else:
            assert self.accounts == 1, "positions are asked for only after the account"
        return given

    async def positions(self) -> Mapping[str, Position]:
        self.positions_asked += 1
        given: Mapping[str, Position] = await self._inner.positions()
        return given


def test_account_and_positions_are_asked_for_at_once_and_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "LOSS_LOOK_NS", 10**15)  # which asks for the account alone
    brokers: list[Asked] = []

    def watched(inner: Any) -> Asked:
        brokers.append(Asked(inner))
        return brokers[0]

    together = [decision("twap", decision_id=f"d-{n}", target_weight=0.5 + n) for n in range(3)]
    later = decision("market", decision_id="d-later", symbol="KO")
    scene = Scene([*together, later], arrivals={"d-later": 700}, broker=watched, close=False)
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    assessed = of_kind(logged(ran), e.DecisionAssessed)
    assert len(assessed) == 4
    # One more of each opens the session's books.
    (broker,) = brokers
    assert (broker.accounts, broker.positions_asked) == (3, 3)


class Ahead:
    """A broker whose clock is a minute ahead of ours: what just executed is of our future."""

    SKEW_NS = 60 * NANOS

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def account(self) -> Account:
        given = await self._inner.account()
        return replace(given, at=given.at - self.SKEW_NS)


def test_a_fill_of_a_broker_whose_clock_is_ahead_counts_once_in_what_is_held(
    tmp_path: Path,
) -> None:
    """A second later another decision wants twice as much: it buys the second half, not nothing."""
    first = decision("market", decision_id="d-1", target_weight=2, window="1m")
    again = decision("market", decision_id="d-2", target_weight=4, window="1m")
    scene = Scene([first, again], arrivals={"d-2": START_S + 30}, broker=Ahead)
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    made = {one.decision_id: one for one in instructions(ran)}
    assert made["d-1"].ended_at is not None
    assert made["d-1"].ended_at < made["d-2"].received_at, "all of it has executed by then"
    assert made["d-2"].state is InstructionState.FILLED
    assert abs(made["d-2"].executed - made["d-1"].executed) <= 2


def test_a_fill_of_the_same_moment_is_not_counted_as_open_besides(tmp_path: Path) -> None:
    """The figures are asked for after its report was taken in, so they have it already."""
    calm = run(
        Scene([decision("market", decision_id="d-1", target_weight=2, window="1m")]),
        tmp_path / "calm.db",
    )
    (filled,) = instructions(calm)
    last = max(x.receive_time for x in of_kind(logged(calm), e.OrderFilled))
    when = (last - opened_at()) / NANOS
    scene = Scene(
        [
            decision("market", decision_id="d-1", target_weight=2, window="1m"),
            decision("market", decision_id="d-2", target_weight=4, window="1m"),
        ],
        arrivals={"d-2": when},
    )
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    made = {one.decision_id: one for one in instructions(ran)}
    assert abs(made["d-2"].executed - filled.executed) <= 2
    received = [x.inputs for x in of_kind(logged(ran), e.DecisionAssessed)][-1]
    assert received.usage.buy_leaves == 0
    assert received.position == filled.executed
