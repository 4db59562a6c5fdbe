"""The kill switch beside a real engine process that trades over alpaca-py at a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from tests.ops.engines import accepted, at_work, command, command_here, engine, resting, said
from tests.paper.servers import eventually, running

pytestmark = pytest.mark.timeout(300)
STRATEGIES = ("twap", "iceberg", "opportunistic")


def decisions() -> list[dict[str, Any]]:
    return [
        {
            "decision_id": f"d-{strategy}",
            "symbol": symbol,
            "action": "BUY",
            "target_weight": 4,
            "confidence": 8,
            "strategy": strategy,
            "window": "40m",
            "max_slippage": 300,
        }
        for strategy, symbol in zip(STRATEGIES, ("KO", "AAPL", "KO"), strict=True)
    ]


def logged(store: Path) -> list[e.DomainEvent]:
    with Log.open(str(store), writer=False) as log:
        return [recorded.event for recorded in log.events()]


def test_killed_from_another_process_nothing_more_is_sent_until_a_person_releases_it(
    tmp_path: Path,
) -> None:
    store = tmp_path / "log.db"
    with running(speed=10, start="10:00", journal=tmp_path / "paper.db") as server:
        process = engine(server, tmp_path, [*decisions(), resting(server)])
        rested = at_work(server, tmp_path, process)
        foreign = server.submit(symbol="KO", qty="5", type="limit", limit_price="1.00")

        killed = command(server, "kill", "--store", str(store), "--reason", "test", "--json")
        result = said(killed)
        assert killed.returncode == 0, killed.stderr
        assert result["proven"]
        assert result["latched_in"] == ["log", "file"]
        assert result["still_open"] == []
        assert result["unknown"] == []
        assert server.order(rested)["status"] == "canceled"
        sent = {order["id"] for order in accepted(server)}

        assert process.wait(120) == 0, (tmp_path / "engine.err").read_text()[-2000:]
        assert {order["id"] for order in accepted(server)} == sent
        assert server.order(foreign["id"])["status"] in ("new", "accepted")
        events = logged(store)
        ends = [x for x in events if isinstance(x, e.InstructionCancelled)]
        assert {end.reason.value for end in ends} == {"kill_switch"}
        latched = next(i for i, x in enumerate(events) if isinstance(x, e.KillSwitchEngaged))
        assert not any(isinstance(x, e.OrderIntended) for x in events[latched:])

        agreed = command_here(server, "reconcile", "--store", str(store), "--json")
        assert agreed.returncode == 0, agreed.stdout
        assert [o["venue_order_id"] for o in said(agreed)["foreign"]] == [foreign["id"]]

        again = engine(server, tmp_path, [decisions()[0] | {"decision_id": "later"}])
        assert again.wait(120) == 0
        refused = [x for x in logged(store) if isinstance(x, e.InstructionRejected)]
        assert [r.reason.value for x in refused for r in x.refusals] == ["killed"]
        assert {order["id"] for order in accepted(server)} == sent | {foreign["id"]}

        nobody = command_here(
            server, "release", "--store", str(store), "--person", " ", "--reason", "checked"
        )
        assert nobody.returncode == 2
        assert "person" in nobody.stderr
        lifted = command(
            server, "release", "--store", str(store), "--person", "ann", "--reason", "checked"
        )
        assert lifted.returncode == 0, lifted.stderr
        assert not (tmp_path / "log.db.kill").exists()
        assert logged(store)[-1].actor == "person:ann"
        assert {order["id"] for order in accepted(server)} == sent | {foreign["id"]}

        every = command_here(
            server, "kill", "--store", str(store), "--reason", "x", "--all-orders", "--json"
        )
        assert every.returncode == 0
        assert foreign["client_order_id"] in said(every)["cancelled"]
        eventually(lambda: server.order(foreign["id"])["status"] == "canceled")
        with Log.open(str(store), writer=False) as log:
            assert log.verify().ok
