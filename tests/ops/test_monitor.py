"""The live view: it follows a growing log, shows what is blocked and open, and changes nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from textual.widgets import Static

from fillwright.adapters.entrypoints.following import Followed
from fillwright.adapters.entrypoints.monitor_app import Monitor
from fillwright.adapters.killing import KillSwitch
from fillwright.adapters.simulation import Simulation
from fillwright.adapters.storage.log import Log
from tests.ops.engines import command_here
from tests.simulation.world import Scene, at, decision, run


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    run(Scene([decision("market")]), path)
    return path


def text_of(app: Monitor, part: str) -> str:
    console = app.console
    with console.capture() as captured:
        console.print(app.query_one(part, Static).content)
    return captured.get()


def test_it_shows_a_block_as_soon_as_it_is_there_and_holds_still_when_told(store: Path) -> None:
    async def watch() -> None:
        followed = Followed(str(store))
        app = Monitor(followed)
        async with app.run_test(size=(140, 50)) as pilot:
            assert "not blocked" in text_of(app, "#standing")
            assert "AAPL" in text_of(app, "#instructions")
            assert "trades" in text_of(app, "#limits")
            await pilot.press("p")
            assert app.is_paused
            assert "PAUSED" in text_of(app, "#standing")
            await KillSwitch(str(store)).kill("symbol:KO", "drill", "person:ann", None)
            assert "not blocked" in text_of(app, "#standing")
            await pilot.press("r")
            assert "KILL SWITCH sim symbol:KO: drill" in text_of(app, "#standing")
            assert "kill_switch" in text_of(app, "#limits")
            await pilot.press("q")
        followed.close()

    before = store.stat().st_size
    asyncio.run(watch())
    assert store.stat().st_size >= before


def test_open_orders_are_told_while_they_are_open(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    seen: list[dict[str, object]] = []

    async def look(_: Simulation) -> None:
        done = command_here(None, "monitor", "--store", str(path), "--json")
        assert done.returncode == 0, done.stderr
        seen.append(json.loads(done.stdout))

    run(Scene([decision("twap", window="4m")], moments=[(at(640), look)]), path)
    (picture,) = seen
    assert len(picture["active"]) == 1  # type: ignore[arg-type]
    assert {order["symbol"] for order in picture["orders"]} <= {"AAPL"}  # type: ignore[attr-defined]
    assert picture["blocked"] == []
    after = json.loads(command_here(None, "monitor", "--store", str(path), "--json").stdout)
    assert (after["active"], after["orders"], after["done"]) == ([], [], 1)
    with Log.open(str(path), writer=False) as log:
        assert after["position"] == log.head().position


def test_once_prints_the_picture_and_ends(store: Path) -> None:
    done = command_here(None, "monitor", "--store", str(store), "--once")
    assert done.returncode == 0, done.stderr
    assert "trading is not blocked" in done.stdout
    assert "No own order is open." in done.stdout


def test_a_store_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    done = command_here(None, "monitor", "--store", str(tmp_path / "none.db"), "--once")
    assert done.returncode == 3
    assert "does not exist" in done.stderr
