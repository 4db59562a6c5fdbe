"""What is forgotten is closed, wherever the collector comes for it."""

import gc
import threading
from pathlib import Path

import pytest

from fillwright.adapters import closing
from fillwright.adapters.application import Application
from fillwright.adapters.closing import close_beside
from fillwright.adapters.storage.log import Log
from fillwright.domain.limits import Limits
from tests.paper.servers import eventually
from tests.simulation.world import Scene, build


def test_an_application_that_is_forgotten_lets_go_of_its_store(tmp_path: Path) -> None:
    simulation = build(Scene(), tmp_path / "a.db")
    application = Application(simulation.engine, Limits(), close=[simulation.close])
    application.cycle = application  # type: ignore[attr-defined]
    del application
    gc.collect()
    Log.open(tmp_path / "a.db").close()


def test_one_that_was_closed_is_not_closed_again(tmp_path: Path) -> None:
    simulation, closed = build(Scene(), tmp_path / "a.db"), list[int]()
    application = Application(simulation.engine, Limits(), close=[lambda: closed.append(1)])
    application.close()
    application.close()
    del application
    gc.collect()
    assert closed == [1]
    simulation.close()


def test_a_collection_under_a_lock_that_closing_needs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "FORGOTTEN_SECONDS", 0.05)
    lock, closed = threading.Lock(), list[str]()

    def close() -> None:
        with lock:
            closed.append("closed")

    with lock:
        close_beside([close])
        assert not closed
    eventually(lambda: closed == ["closed"], 20)
