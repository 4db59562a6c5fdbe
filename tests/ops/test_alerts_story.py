"""A real engine that trades at a real server: what it alerts, who is told, and what is proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.ports import NANOS
from fillwright.projections.alert_book import Occurrence
from tests.ops.engines import command, engine, said
from tests.ops.hooks import hooked
from tests.ops.test_alerting import on_record
from tests.paper.servers import eventually, running
from tests.paper.test_sending_waits import Wire

RESTING = {
    "decision_id": "d-rests",
    "symbol": "KO",
    "action": "BUY",
    "target_weight": 2,
    "confidence": 8,
    "strategy": "limit",
    "limit_price": "58.00",
    "window": "20m",
    "max_slippage": None,
}
FILLS = {
    "decision_id": "d-fills",
    "symbol": "AAPL",
    "action": "BUY",
    "target_weight": 2,
    "confidence": 8,
    "strategy": "market",
    "max_slippage": None,
}


@pytest.mark.timeout(300)
def test_what_an_engine_alerts_is_told_and_on_record_and_a_dead_webhook_disturbs_nothing(
    tmp_path: Path,
) -> None:
    store = str(tmp_path / "log.db")
    with (
        running(speed=5, start="10:00", journal=tmp_path / "paper.db") as server,
        hooked() as dead,
        hooked() as phone,
    ):
        dead.answer = 500
        env = {
            "FILLWRIGHT_LIMITS__TRADES_MAX_PER_DAY": "2",
            "FILLWRIGHT_ALERTS__STALE_ORDER_SECONDS": "20",
            "FILLWRIGHT_ALERTS__LOOK_SECONDS": "0.2",
            "FILLWRIGHT_ALERTS__CLEAR_AFTER_SECONDS": "0",
            "FILLWRIGHT_ALERTS__STALE_DATA_SECONDS": "30",
            "FILLWRIGHT_ALERTS__WEBHOOK_URL": dead.url,
            "FILLWRIGHT_ALERTS__APPRISE_URLS": phone.url.replace("http://", "json://"),
        }
        process = engine(server, tmp_path, [RESTING, FILLS], env=env)

        def kinds() -> set[str]:
            return {str(told["title"]).rpartition(": ")[2] for told in phone.got}

        eventually(lambda: {"limit nearly used", "stale order"} <= kinds(), 180)
        assert process.poll() is None
        killed = command(server, "kill", "--store", store, "--reason", "drill")
        assert killed.returncode == 0, killed.stderr
        assert process.wait(60) == 0, (tmp_path / "engine.err").read_text()[-2000:]
        assert dead.asked
    with Log.open(store, writer=False) as log:
        events = [recorded.event for recorded in log.events()]
        assert log.verify().ok
    assert any(isinstance(x, e.InstructionFilled) for x in events)
    found = on_record(store)
    by_kind = {one.raised.kind: one for one in found}
    assert len(by_kind) == len(found)  # each once
    stale = by_kind["stale_order"]
    assert stale.raised.observed is not None
    assert stale.raised.observed >= 20
    assert stale.cleared is not None  # its order was cancelled by the block
    assert by_kind["kill_switch"].is_active
    for one in found:
        told = {channel: notice for (_, channel), notice in one.notices.items()}
        assert told["apprise"].delivered
        assert not told["webhook"].delivered
        assert told["webhook"].problem == "the server answered 500"


@pytest.mark.timeout(300)
def test_a_socket_of_updates_that_stays_down_is_an_exception_and_its_end_is_on_record(
    tmp_path: Path,
) -> None:
    store = str(tmp_path / "log.db")
    env = {
        "FILLWRIGHT_ALERTS__UPDATES_DOWN_SECONDS": "1",
        "FILLWRIGHT_ALERTS__LOOK_SECONDS": "0.1",
        "FILLWRIGHT_ALERTS__CLEAR_AFTER_SECONDS": "0",
    }

    def down() -> list[Occurrence]:
        return [one for one in on_record(store) if one.raised.kind == "updates_down"]

    with running(speed=1, start="10:00") as server:
        wire = Wire(server)
        wire.join()
        process = engine(server, tmp_path, [RESTING], "--stream-url", wire.url, env=env)
        eventually(lambda: server.call("GET", "/v2/orders").json(), 120)
        assert down() == []
        wire.sever()
        (one,) = eventually(down, 60)
        assert one.is_active
        assert (one.raised.severity, one.raised.subject) == ("critical", "alpaca")
        assert one.raised.observed is not None
        assert one.raised.observed >= 1
        wire.mend()
        eventually(lambda: not down()[0].is_active, 60)
        process.terminate()
        assert process.wait(60) == 0, (tmp_path / "engine.err").read_text()[-2000:]
        wire.cut()
    (one,) = down()
    assert one.cleared is not None
    listed = command(None, "exceptions", "list", "--store", store, "--json")
    (found,) = [row for row in said(listed)["exceptions"] if "updates_down" in row["detail"]]
    assert (found["kind"], found["urgency"], found["owner"]) == ("alert", "critical", "role:risk")
    assert found["due_at"] - found["raised_at"] == 3_600 * NANOS
