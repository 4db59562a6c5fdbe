"""The kill switch on a store that is on a server: an engine and two more processes beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from tests.ops.engines import accepted, at_work, command, command_here, engine, resting, said
from tests.ops.test_kill_story import decisions
from tests.paper.servers import running

pytestmark = pytest.mark.timeout(300)


def test_killed_and_released_by_other_processes_on_a_store_that_they_share(
    postgres_url: str, tmp_path: Path
) -> None:
    store = ("--store", postgres_url)
    with running(speed=10, start="10:00", journal=tmp_path / "paper.db") as server:
        first = [*decisions()[:2], resting(server)]
        process = engine(server, tmp_path, first, store=postgres_url)
        rested = at_work(server, tmp_path, process)

        killed = command(server, "kill", *store, "--reason", "drill", "--json")
        assert killed.returncode == 0, killed.stderr
        result = said(killed)
        assert result["proven"]
        assert "log" in result["latched_in"]
        assert server.order(rested)["status"] == "canceled"
        sent = {order["id"] for order in accepted(server)}
        assert process.wait(120) == 0, (tmp_path / "engine.err").read_text()[-2000:]
        assert {order["id"] for order in accepted(server)} == sent
        assert not any(o["status"] in ("new", "partially_filled") for o in accepted(server))

        with Log.open(postgres_url, writer=False) as log:
            events = [recorded.event for recorded in log.events()]
        latched = next(i for i, x in enumerate(events) if isinstance(x, e.KillSwitchEngaged))
        assert not any(isinstance(x, e.OrderIntended) for x in events[latched:])
        ends = {x.reason.value for x in events if isinstance(x, e.InstructionCancelled)}
        assert ends == {"kill_switch"}

        later = [decisions()[2] | {"decision_id": "later"}]
        assert engine(server, tmp_path, later, store=postgres_url).wait(120) == 0
        with Log.open(postgres_url, writer=False) as log:
            refused = [x.event for x in log.events()]
        reasons = [
            one.reason.value
            for x in refused
            if isinstance(x, e.InstructionRejected)
            for one in x.refusals
        ]
        assert reasons == ["killed"]

        assert command_here(server, "reconcile", *store).returncode == 0
        lifted = command(server, "release", *store, "--person", "ann", "--reason", "checked")
        assert lifted.returncode == 0, lifted.stderr
        with Log.open(postgres_url, writer=False) as log:
            *_, last = log.events()
            assert isinstance(last.event, e.KillSwitchReleased)
            assert last.event.actor == "person:ann"
            assert log.verify().ok
        again = [decisions()[0] | {"decision_id": "after", "strategy": "market"}]
        assert engine(server, tmp_path, again, store=postgres_url).wait(120) == 0
        assert len(accepted(server)) > len(sent)
