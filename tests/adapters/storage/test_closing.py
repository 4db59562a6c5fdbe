"""A log that another thread closes, at whatever step the loop and that thread are."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from itertools import count, takewhile
from math import inf
from pathlib import Path
from uuid import UUID

import pytest

from fillwright.adapters.storage import committer, halving, watch
from fillwright.adapters.storage.group_commit import WriteJob
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.postgres import sending, writing
from fillwright.adapters.storage.records import Appended
from tests.adapters.storage.sending_work import Work, stored
from tests.adapters.storage.test_interrupts import interrupted_at

TASKS, ROUNDS = 4, 7
SECONDS = 20.0
HELD_UP_SECONDS = 0.03
"""So long the loop stands still for who closes."""
PAUSE_SECONDS = 0.01
"""So long who closes stands still for the loop."""
OURS = (committer.__file__, sending.__file__, watch.__file__, writing.__file__)
THOROUGH = os.environ.get("FILLWRIGHT_THOROUGH") == "1"
STRIDE = 1 if THOROUGH else 11
BOTH_STRIDE = 1 if THOROUGH else 3

NewStore = Callable[[int], str]


@pytest.fixture(autouse=True)
def always_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two under way, whatever the machine's speed and however few submit."""
    monkeypatch.setattr(halving, "WAIT_MAX", inf)
    monkeypatch.setattr(halving, "HALF_MIN", 2)


@pytest.fixture(params=["file", "postgres"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> NewStore:
    """The address of a store for each number; on PostgreSQL it is always the same."""
    if request.param == "file":
        return lambda number: f"sqlite:///{tmp_path / f'{number}.db'}"
    url = str(request.getfixturevalue("postgres_url"))
    return lambda number: url


class Story:
    """Tasks that commit while a thread closes; ``told`` is kept over logs of the same store."""

    def __init__(self, new_store: NewStore) -> None:
        self._new_store = new_store
        self._stores, self._numbers = count(1), count(1)
        self._told: dict[tuple[UUID, int], int] = {}

    def run(self, step: int, closer_step: int, files: Collection[str] = OURS) -> tuple[bool, bool]:
        """Close at a step of the loop, with a pause at a step of who closes; whether both came."""
        store = self._new_store(next(self._stores))
        if "sqlite" in store:
            self._told.clear()
        log = Log.open(store, threaded=True)
        work = Work(log, rounds=ROUNDS, told=self._told)
        paused: list[bool] = []

        def close() -> None:
            with interrupted_at(closer_step, files, by=lambda: time.sleep(PAUSE_SECONDS)) as came:
                log.close()
            paused.append(came())

        closing = threading.Thread(target=close)

        def closes() -> None:
            closing.start()
            closing.join(HELD_UP_SECONDS if closer_step == NEVER else PAUSE_SECONDS / 2)

        async def commits() -> None:
            tasks = [work.one(next(self._numbers)) for _ in range(TASKS)]
            await asyncio.wait_for(asyncio.gather(*tasks), SECONDS)

        with interrupted_at(step, files, by=closes) as came:
            asyncio.run(commits())
        if not came():
            closing.start()
        closing.join(SECONDS)
        assert not closing.is_alive()
        assert log.outstanding == 0
        assert {str(one) for one in work.refused} <= {"the log is closed"}
        work.check(store)
        return came(), paused[0]


NEVER = 1_000_000


@pytest.mark.timeout(900)
def test_at_whatever_step_a_log_is_closed_all_that_was_submitted_is_answered(
    new_store: NewStore,
) -> None:
    story = Story(new_store)
    steps = takewhile(lambda step: story.run(step, NEVER)[0], count(1, STRIDE))
    assert max(steps) > 100


@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", [7, 9, 12, 13, 14, 40])
def test_at_whatever_step_who_closes_pauses_all_that_was_submitted_is_answered(
    step: int, new_store: NewStore
) -> None:
    story = Story(new_store)
    pauses = takewhile(lambda pause: story.run(step, pause)[1], count(1, BOTH_STRIDE))
    assert max(pauses) >= 1


@pytest.mark.timeout(900)
def test_wherever_an_interrupt_comes_what_was_submitted_is_written_at_the_latest_by_the_close(
    new_store: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[WriteJob] = []
    submit = committer.Committer.submit

    def noted(ours: committer.Committer, job: WriteJob) -> asyncio.Future[Appended]:
        future = submit(ours, job)
        submitted.append(job)
        return future

    monkeypatch.setattr(committer.Committer, "submit", noted)
    numbers = count(1)

    async def commits(log: Log) -> None:
        await asyncio.gather(*(Work(log, rounds=3).one(next(numbers)) for _ in range(TASKS)))

    # On a file each step is looked at: there are few, and two between which nothing may come.
    for step in count(1, 1 if "sqlite" in new_store(0) else STRIDE):
        submitted.clear()
        store = new_store(step)
        log = Log.open(store, threaded=True)
        with interrupted_at(step, OURS) as came, suppress(KeyboardInterrupt):
            asyncio.run(commits(log))
        log.close()
        assert log.outstanding == 0, step
        with Log.open(store, writer=False) as again:
            there = stored(again)
        for job in submitted:
            assert job.result is not None, step
            (event,) = job.events
            assert (UUID(str(event.originator_id)), event.originator_version) in there, step
        if not came():
            break
    assert step > 100
