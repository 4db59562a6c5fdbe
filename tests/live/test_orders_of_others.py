"""Somebody else trades in the same account: left alone, counted to the limits, once (ruling 12)."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.application import Application
from fillwright.adapters.entrypoints.views import open_views
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.ports import NANOS, OtherExecution, Side
from tests.adapters.application_cases import OPEN, buy, steady_provider
from tests.ops.engines import command_here, engine
from tests.paper.servers import PaperServer, eventually, running

D = Decimal
SLOW_SECONDS = 300


def decision(id: str, symbol: str, weight: float, **more: Any) -> dict[str, Any]:
    given = {"decision_id": id, "symbol": symbol, "action": "BUY", "target_weight": weight}
    return {**given, "confidence": 8, "strategy": "market", "max_slippage": None, **more}


def bought(server: PaperServer, symbol: str, quantity: int) -> Decimal:
    """Have somebody else buy, over the same API; gives what it cost."""
    order = server.submit(symbol=symbol, qty=str(quantity))
    done = eventually(lambda: (o := server.order(order["id"]))["status"] == "filled" and o, 30)
    return D(done["filled_qty"]) * D(done["filled_avg_price"])


def logged(store: Path, kind: type[Any]) -> list[Any]:
    with Log.open(store, writer=False) as log:
        return [one.event for one in log.events() if isinstance(one.event, kind)]


@pytest.mark.timeout(SLOW_SECONDS)
def test_their_executions_count_to_turnover_and_position_and_are_recorded_once(
    tmp_path: Path,
) -> None:
    store = tmp_path / "log.db"
    env = {"FILLWRIGHT_LIMITS__TURNOVER_PCT_MAX": "12", "FILLWRIGHT_LIMITS__POSITION_PCT_MAX": "5"}
    with running(speed=1, start="10:00", journal=tmp_path / "paper.db") as server:
        spent = bought(server, "KO", 1_000)  # about 6 % of a million
        first = engine(server, tmp_path, [decision("d-1", "AAPL", 2)], env=env)
        assert first.wait(120) == 0, (tmp_path / "engine.err").read_text()[-2000:]
        foreign = logged(store, e.ForeignExecution)
        assert sum((x.quantity * x.price for x in foreign), D(0)) == pytest.approx(spent)
        assert {x.symbol for x in foreign} == {"KO"}
        filled = logged(store, e.OrderFilled)
        own = sum((x.report.last_qty * x.report.last_price for x in filled), D(0))
        usage = open_views(str(store)).limits.usage("main")
        assert usage.trades == 1
        assert usage.turnover_usd == pytest.approx(own + spent)

        # The position is the broker's, theirs included: no more than 5 % of it is ours to buy.
        # Of turnover 12 % of equity are allowed: 6 % are theirs, 2 % ours, and 4.5 % too much.
        more = [decision("d-2", "KO", 6.5), decision("d-3", "MSFT", 4.5)]
        again = engine(server, tmp_path, more, env=env)
        assert again.wait(120) in (0, 2), (tmp_path / "engine.err").read_text()[-2000:]
        assert len(logged(store, e.ForeignExecution)) == len(foreign)
        refused = {
            one.reason.value
            for event in logged(store, e.InstructionRejected)
            for one in event.refusals
        }
        assert "position_size" in refused
        assert "daily_turnover" in refused
        checked = command_here(server, "verify", "--store", str(store), "--counters")
        assert checked.returncode == 0, checked.stderr


class EarlyRiser:
    """Somebody who bought 100 at 08:00, and says from when on that was asked for."""

    def __init__(self) -> None:
        self.since: list[int] = []

    async def executions(self, since: int) -> tuple[OtherExecution, ...]:
        self.since.append(since)
        at = OPEN - 90 * 60 * NANOS
        one = OtherExecution("theirs", "o-1", "BBB", Side.BUY, D(100), D(50), at)
        return (one,) if at >= since else ()


def test_what_they_executed_before_the_open_counts_to_the_day() -> None:
    early = EarlyRiser()

    async def play() -> None:
        async with Application.open(steady_provider(), store="memory:") as app:
            app.engine.desk.broker.others = early  # type: ignore[attr-defined]
            outcome = await app.execute(buy())
            assert outcome.result is not None
            desk = app.engine.desk
            (counted,) = [
                one.event for one in desk.log.events() if isinstance(one.event, e.ForeignExecution)
            ]
            assert (counted.session_date, counted.execution_id) == ("2024-06-12", "theirs")
            own = sum((f.quantity * (f.price or D(0)) for f in outcome.result.fills), D(0))
            usage = desk.usage.usage(desk.name, "2024-06-12", shown=True)
            assert usage.turnover_usd == own + 100 * 50

    asyncio.run(play())
    assert set(early.since) == {OPEN - (9 * 60 + 30) * 60 * NANOS}
