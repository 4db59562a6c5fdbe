"""What a decision is planned from is asked for at once, and once for those that come together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.engine import losses
from fillwright.domain import events as e
from fillwright.domain.ports import Account, Position
from tests.simulation.world import Scene, check_books, decision, logged, of_kind, run

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
