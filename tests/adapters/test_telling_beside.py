"""A long log is read beside the event loop, and comes to what it comes to on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fillwright.adapters import telling_beside, views
from fillwright.adapters.application import Application
from fillwright.adapters.storage import lean_reading
from fillwright.adapters.storage.lean_reading import Noted
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.records import Recorded
from fillwright.adapters.telling_beside import Beside
from fillwright.adapters.views import Views
from fillwright.domain.errors import StoreDamaged
from fillwright.projections.all_views import AllViews
from fillwright.projections.canonical import to_json
from tests.adapters.application_cases import buy, mock_provider
from tests.adapters.mirror.logs import BUSY, store_of

PATIENCE_SECONDS = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return store_of(tmp_path / "log.db", BUSY)


@pytest.fixture(autouse=True)
def every_log_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_reading, "LEAN_FROM_EVENTS", 1)
    monkeypatch.setattr(views, "LEAN_FROM_EVENTS", 1)
    monkeypatch.setattr(telling_beside, "EVENTS_BETWEEN_RESTS", 20)


def told(found: AllViews) -> list[bytes]:
    return [one.to_bytes() for one in found.projections()]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_views_that_are_brought_up_beside_the_loop_are_the_same(store: Path, count: int) -> None:
    with Log.open(store, writer=False) as log:
        beside, on_it = Views(log), Views(log)
        found = asyncio.run(beside.last_sessions_beside(count))
        expected = on_it.last_sessions(count)
        assert len(expected.blotter.instructions()) > 0
        assert to_json(found.blotter.rows()) == to_json(expected.blotter.rows())
        assert told(beside.current()) == told(on_it.current())
        assert (beside.judged(), beside.done_count()) == (on_it.judged(), on_it.done_count())


def test_what_is_read_anew_meanwhile_is_not_put_back(store: Path) -> None:
    async def both(log: Log) -> None:
        seen = Views(log)
        waiting = asyncio.create_task(seen.catch_up())
        await asyncio.sleep(0)
        known = seen.current()
        await waiting
        assert seen.current() is known, "as far, and told of already"

    with Log.open(store, writer=False) as log:
        asyncio.run(both(log))


def test_the_loop_goes_on_while_a_log_is_read() -> None:
    def records() -> Iterator[Recorded]:
        for position in range(1, 5):
            asked.set()
            assert answered.wait(PATIENCE_SECONDS), "the loop does not go on"
            answered.clear()
            yield Recorded(position, None, b"")  # type: ignore[arg-type]

    def read(noted: Noted) -> None:
        seen.extend(one.position for one in noted(records()))

    async def answering() -> None:
        while len(seen) < 4:
            if asked.is_set():
                asked.clear()
                answered.set()
            await asyncio.sleep(0)

    async def whole() -> None:
        await asyncio.wait_for(asyncio.gather(Beside(read).done(), answering()), PATIENCE_SECONDS)

    asked, answered, seen = threading.Event(), threading.Event(), list[int]()
    asyncio.run(whole())
    assert seen == [1, 2, 3, 4]


def test_a_reading_that_nobody_waits_for_ends() -> None:
    begun, ended = threading.Event(), threading.Event()

    def read(noted: Noted) -> None:
        def records() -> Iterator[Recorded]:
            while True:
                begun.set()
                yield Recorded(1, None, b"")  # type: ignore[arg-type]

        try:
            for _ in noted(records()):
                pass
        finally:
            ended.set()

    async def leave() -> None:
        waiting = asyncio.create_task(Beside(read).done())
        await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(leave())
    assert ended.wait(PATIENCE_SECONDS)


def test_what_stops_a_reading_reaches_who_waits_for_it(store: Path) -> None:
    with Log.open(store) as log:
        with log.application.log_recorder._writing() as cursor:
            cursor.execute("UPDATE stored_events SET state = '{}' WHERE position = 20")
        with pytest.raises(StoreDamaged, match="position 20"):
            asyncio.run(Views(log).catch_up())


def test_status_and_report_of_an_engine_by_wall_time_are_told_beside_its_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set[str]()
    bring_up = views.bring_up

    def seen(*arguments: object) -> None:
        threads.add(threading.current_thread().name)
        bring_up(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(views, "bring_up", seen)

    async def story() -> None:
        made = Application.open(mock_provider(), store=str(tmp_path / "log.db"))
        async with made as app:
            await app.execute({**buy(), "action": "SMELL"})
            threads.clear()
            status = await app.monitor()
            assert len(threads - {"MainThread"}) == 1
            assert status["done_count"] == 1
            fields = await app.report_fields()
            assert fields["log"]["head_hash"] == app.report().log.head_hash
            assert fields["totals"]["rejected"] == 1

    asyncio.run(story())
