"""A log that another thread closes, at whatever step the loop is."""

import asyncio
import os
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest

from fillwright.adapters.storage import committer
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.postgres import sending
from fillwright.domain.errors import StoreError
from tests.adapters.storage.sending_work import Work
from tests.adapters.storage.test_interrupts import interrupted_at

TASKS, ROUNDS = 3, 4
SECONDS = 20.0
HELD_UP_SECONDS = 0.03
"""So long the loop stands still for who closes, who may have to wait for it first."""
STRIDE = 1 if os.environ.get("FILLWRIGHT_THOROUGH") == "1" else 7


@pytest.fixture(params=["file", "postgres"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], str]:
    """The address of a store for each number; on PostgreSQL it is always the same."""
    if request.param == "file":
        return lambda number: f"sqlite:///{tmp_path / f'{number}.db'}"
    url = str(request.getfixturevalue("postgres_url"))
    return lambda number: url


@pytest.mark.timeout(900)
def test_at_whatever_step_a_log_is_closed_all_that_was_submitted_is_answered(
    new_store: Callable[[int], str],
) -> None:
    numbers, told = count(1), dict[tuple[UUID, int], int]()
    for step in count(1, STRIDE):
        log = Log.open(new_store(step), threaded=True)
        work = Work(log, rounds=ROUNDS, told=told)
        closing = threading.Thread(target=log.close)

        def closes(closing: threading.Thread = closing) -> None:
            closing.start()
            closing.join(HELD_UP_SECONDS)

        async def commits(work: Work = work) -> None:
            tasks = [work.one(next(numbers)) for _ in range(TASKS)]
            await asyncio.wait_for(asyncio.gather(*tasks), SECONDS)

        with interrupted_at(step, (committer.__file__, sending.__file__), by=closes) as came:
            asyncio.run(commits())
        if not came():
            log.close()
            break
        closing.join(SECONDS)
        assert not closing.is_alive(), step
        assert log.outstanding == 0, step
        assert all(isinstance(one, StoreError) for one in work.refused), step
        work.check(new_store(step))
        if new_store(step) != new_store(step + STRIDE):
            told.clear()
    assert step > 50
