"""The comparison after the kills finds what it is to find."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fillwright.domain import events as e
from fillwright.domain.ports import NANOS
from fillwright.projections.runner import Recorded
from tests.live.agreement import compared
from tests.live.deadlines import Deadlines
from tests.live.killing import SPEED, START_HELD, trial
from tests.paper.servers import running
from tests.simulation.world import Scene, decision, logged, run


@pytest.mark.timeout(120)
def test_an_order_that_the_log_does_not_have_is_found_in_every_comparison(tmp_path: Path) -> None:
    made = trial(tmp_path, 5, kills=0, windows=("1m", "1m", "1m"))
    assert made.problems == []
    assert made.fills > 0
    journal = tmp_path / "paper.db"
    with running(seed=5, speed=SPEED, account=tmp_path / "account.json", journal=journal) as server:
        order = server.submit(client_order_id="foreign", qty="7")
        server.worked(order["id"], 5)
        copied = tmp_path / "copied"
        copied.mkdir()
        (copied / "log.db").symlink_to(tmp_path / "log.db")
        with (
            closing(sqlite3.connect(journal)) as db,
            closing(sqlite3.connect(copied / "paper.db")) as copy,
        ):
            db.backup(copy)
            copy.execute(
                "INSERT INTO command (at, content) SELECT at, content FROM command "
                "WHERE content LIKE '%\"foreign\"%'"
            )
            copy.commit()
        told = "\n".join(compared(server, copied, START_HELD, 0).problems)
    assert "foreign is at the broker and not in the log" in told
    assert "foreign was accepted 2 times" in told
    assert "is not in the log" in told
    assert "KO: " in told


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> list[e.DomainEvent]:
    """An instruction that waits and trades within two minutes."""
    fields = decision("opportunistic", window="2m")
    return logged(run(Scene([fields]), tmp_path_factory.mktemp("log") / "a.db"))


def problems(events: Iterable[e.DomainEvent], orders: dict[str, Any] | None = None) -> str:
    fold = Deadlines()
    for position, event in enumerate(events, 1):
        fold.apply(Recorded(position, event))
    return "\n".join(fold.problems(orders or {}, 2 * NANOS))


def last_intended(events: list[e.DomainEvent]) -> e.OrderIntended:
    return [event for event in events if isinstance(event, e.OrderIntended)][-1]


def with_last(
    events: list[e.DomainEvent], *before: e.DomainEvent, **provenance: Any
) -> list[e.DomainEvent]:
    """The events with another provenance of the last order, and what came before it."""
    last = last_intended(events)
    changed = last.provenance.model_copy(update=provenance)
    other = last.model_copy(update={"provenance": changed})
    return [x for event in events for x in ((*before, other) if event is last else (event,))]


def test_a_deadline_that_is_kept_raises_nothing(worked: list[e.DomainEvent]) -> None:
    end = last_intended(worked).provenance.plan.end_at
    assert problems(worked) == ""
    assert problems(with_last(worked, rule="deadline_cross", now=end + NANOS)) == ""


def test_a_deadline_that_moved_is_found(worked: list[e.DomainEvent]) -> None:
    plan = last_intended(worked).provenance.plan
    moved = plan.model_copy(update={"end_at": plan.end_at + NANOS})
    assert "with deadlines" in problems(with_last(worked, plan=moved))


def test_an_order_of_a_process_that_started_after_the_deadline_is_found(
    worked: list[e.DomainEvent],
) -> None:
    end = last_intended(worked).provenance.plan.end_at
    started = next(event for event in worked if isinstance(event, e.EngineStarted))
    late = started.model_copy(update={"record_time": end + 60 * NANOS})
    crossing = {"rule": "deadline_cross", "now": end + 61 * NANOS}
    assert "passed while stopped" in problems(with_last(worked, late, **crossing))


def test_an_order_of_the_schedule_after_the_deadline_is_found(worked: list[e.DomainEvent]) -> None:
    end = last_intended(worked).provenance.plan.end_at
    told = problems(with_last(worked, rule="slice_due", now=end + 60 * NANOS))
    assert "was placed by slice_due 60.0 s after the deadline" in told


def test_an_order_that_came_to_the_broker_late_is_found(worked: list[e.DomainEvent]) -> None:
    name = last_intended(worked).client_order_id
    assert problems(worked, {name: {"submitted_at": "2024-01-08T20:59:59.123Z"}})
    assert not problems(worked, {name: {"submitted_at": "2024-01-08T14:30:00Z"}})
