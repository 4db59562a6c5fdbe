"""A real engine process told to stop while it trades at a real server, by each policy."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.settings import Settings
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.domain import events as e
from fillwright.domain import ops
from fillwright.domain.errors import InvalidInput
from tests.ops.engines import accepted, engine
from tests.paper.servers import PaperServer, eventually, running

RESTING = {
    "symbol": "KO",
    "action": "BUY",
    "target_weight": 2,
    "confidence": 8,
    "strategy": "limit",
    "limit_price": "58.00",
    "window": "60m",
    "max_slippage": None,
}
LATER = RESTING | {
    "decision_id": "d-later",
    "symbol": "AAPL",
    "limit_price": "180",
    "decision_time": "2024-06-12T15:00:00-04:00",
}
SLOW_SECONDS = 300
pytestmark = pytest.mark.timeout(SLOW_SECONDS)
OPEN = ("new", "accepted", "partially_filled")


@pytest.fixture(scope="module")
def one_server() -> Iterator[PaperServer]:
    with running(speed=1, start="10:00") as one:
        yield one


@pytest.fixture
def server(one_server: PaperServer) -> Iterator[PaperServer]:
    """Each test leaves it without open orders."""
    yield one_server
    one_server.clean()


def resting(server: PaperServer) -> list[dict[str, Any]]:
    return [order for order in accepted(server) if order["status"] in OPEN]


def rests(folder: Path, **fields: Any) -> dict[str, Any]:
    """A decision of this test alone: names of orders follow from it, and the server is shared."""
    return RESTING | {"decision_id": f"d-{folder.name}"} | fields


def started(server: PaperServer, folder: Path, policy: str, **env: str) -> subprocess.Popen[bytes]:
    given = {"FILLWRIGHT_EXECUTION__ON_STOP": policy, **env}
    process = engine(server, folder, [rests(folder), LATER], env=given)
    eventually(lambda: resting(server), 90)
    return process


def records(folder: Path) -> tuple[ops.StopRequested, ops.EngineStopped]:
    with OpsLog.open(folder / "log.db", writer=False) as second:
        found = [one.record for one in second.records()]
        assert second.verify().ok
    asked = next(one for one in found if isinstance(one, ops.StopRequested))
    stopped = next(one for one in found if isinstance(one, ops.EngineStopped))
    return asked, stopped


def taken_up(folder: Path) -> bool:
    """Whether a second engine has settled with the broker what the first had left."""
    found = [x for x in logged(folder) if isinstance(x, e.Reconciled)]
    return any(one.trigger == "start" for one in found)


def logged(folder: Path) -> list[e.DomainEvent]:
    with Log.open(folder / "log.db", writer=False) as log:
        assert log.verify().ok
        return [recorded.event for recorded in log.events()]


def test_orders_are_left_working_and_found_again_by_the_next_start(
    server: PaperServer, tmp_path: Path
) -> None:
    before = len(accepted(server))
    process = started(server, tmp_path, "leave")
    (order,) = resting(server)
    process.send_signal(signal.SIGTERM)
    assert process.wait(90) == 0, (tmp_path / "engine.err").read_text()[-2000:]
    assert [left["id"] for left in resting(server)] == [order["id"]]
    asked, stopped = records(tmp_path)
    assert (asked.signal, asked.policy.value, asked.decisions_withdrawn) == (
        "SIGTERM",
        "leave",
        1,
    )
    assert stopped.in_time
    assert stopped.left_open == (order["client_order_id"],)
    assert (stopped.cancelled, stopped.instructions_open) == ((), 1)
    told = (tmp_path / "engine.err").read_text()
    assert "SIGTERM: open orders are left working" in told
    assert f"left open: {order['client_order_id']}" in told
    assert (tmp_path / "engine.out").read_text().startswith("{")
    received = [x for x in logged(tmp_path) if isinstance(x, e.DecisionReceived)]
    assert [one.decision_id for one in received] == [f"d-{tmp_path.name}"]

    # The same order is taken up, then cancelled by a stop that ends what it works.
    env = {"FILLWRIGHT_EXECUTION__ON_STOP": "end"}
    again = engine(server, tmp_path, [rests(tmp_path)], env=env)
    eventually(lambda: taken_up(tmp_path), 90)
    again.send_signal(signal.SIGINT)
    assert again.wait(90) == 130
    assert resting(server) == []
    assert len(accepted(server)) == before + 1
    ends = [x for x in logged(tmp_path) if isinstance(x, e.InstructionCancelled)]
    assert [end.reason.value for end in ends] == ["shutdown"]


def test_orders_are_cancelled_and_the_instruction_goes_on_at_the_next_start(
    server: PaperServer, tmp_path: Path
) -> None:
    process = started(server, tmp_path, "cancel")
    (order,) = resting(server)
    process.send_signal(signal.SIGTERM)
    assert process.wait(90) == 0, (tmp_path / "engine.err").read_text()[-2000:]
    assert resting(server) == []
    _, stopped = records(tmp_path)
    assert stopped.cancelled == (order["client_order_id"],)
    assert (stopped.left_open, stopped.in_time, stopped.instructions_open) == ((), True, 1)
    assert not any(isinstance(x, e.InstructionCancelled) for x in logged(tmp_path))

    again = engine(server, tmp_path, [rests(tmp_path)])
    (other,) = eventually(lambda: resting(server), 90)
    again.kill()
    again.wait()
    assert other["client_order_id"] != order["client_order_id"]
    assert other["qty"] == order["qty"]


def test_what_the_broker_does_not_prove_in_time_is_named_and_a_second_signal_leaves_at_once(
    server: PaperServer, tmp_path: Path
) -> None:
    # What has been asked of a silent broker is waited for as long as a request may take.
    brief = {"FILLWRIGHT_BROKER__REQUEST_TIMEOUT_SECONDS": "1"}
    limit = brief | {"FILLWRIGHT_EXECUTION__STOP_SECONDS_MAX": "3"}
    process = started(server, tmp_path, "cancel", **limit)
    (order,) = resting(server)
    server.process.send_signal(signal.SIGSTOP)  # the broker is silent from now on
    try:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert code == 4, (tmp_path / "engine.err").read_text()[-2000:]
    assert time.monotonic() - began < 45
    _, stopped = records(tmp_path)
    assert not stopped.in_time
    assert stopped.left_open == (order["client_order_id"],)
    assert "not proven dead" in (tmp_path / "engine.err").read_text()

    again = engine(
        server,
        tmp_path,
        [rests(tmp_path, decision_id="d-more", limit_price="57.50", target_weight=3)],
        env=brief | {"FILLWRIGHT_EXECUTION__ON_STOP": "cancel"},
    )
    eventually(lambda: taken_up(tmp_path), 90)
    server.process.send_signal(signal.SIGSTOP)
    try:
        again.send_signal(signal.SIGTERM)
        eventually(lambda: "SIGTERM: open orders" in _last_said(tmp_path), 20)
        again.send_signal(signal.SIGTERM)
        assert again.wait(20) == 130
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert "left at once" in (tmp_path / "engine.err").read_text()
    logged(tmp_path)


def test_what_a_test_leaves_of_an_engine_ends_with_its_server(tmp_path: Path) -> None:
    with running() as server:
        process = engine(server, tmp_path, [RESTING])
    assert process.returncode == -signal.SIGKILL


def _last_said(folder: Path) -> str:
    return (folder / "engine.err").read_text().rpartition("not proven dead")[2]


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [("on_stop", "flatten", "leave or cancel or end"), ("stop_seconds_max", 0, "from 1 to 600")],
)
def test_a_policy_that_is_none_is_refused_by_name(field: str, value: object, allowed: str) -> None:
    with pytest.raises(InvalidInput, match=f"execution.{field}.*{allowed}"):
        Settings.read({"execution": {field: value}})
