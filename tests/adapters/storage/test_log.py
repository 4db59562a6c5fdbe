"""The log keeps what it is given, in order, all or nothing."""

import hashlib
import sqlite3
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import eventsourcing.domain
import pytest
import structlog
from eventsourcing.persistence import IntegrityError

from fillwright.adapters.storage.chain import GENESIS
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.records import Appended, Conflict, CounterExceeded, Job
from fillwright.domain.errors import StoreDamaged, StoreError
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample


@pytest.fixture(params=["file", "memory", "postgres"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    where = {"file": str(tmp_path / "log.db"), "memory": "memory:"}.get(request.param)
    with Log.open(where or request.getfixturevalue("postgres_url")) as opened:
        yield opened


def test_a_new_log_is_empty(log: Log) -> None:
    assert log.head() == (0, GENESIS)
    assert list(log.events()) == []
    assert log.counters() == {}
    assert log.verify().ok


def test_appended_events_come_back_in_order_and_equal(log: Log) -> None:
    one, two = Sample(1).happen(2), Sample(2).happen()
    events = [*one._pending, *two._pending]
    appended = log.append(one, two)
    assert appended == (1, 3, log.head().hash)
    assert [recorded.event for recorded in log.events()] == events
    assert [recorded.position for recorded in log.events()] == [1, 2, 3]
    assert log.stream(one.id) == events[:2]
    assert log.stream(two.id) == events[2:]


def test_positions_have_no_gaps_after_refused_appends(log: Log) -> None:
    one = Sample(1)
    log.append(one.happen())
    with pytest.raises(Conflict):
        log.append(Sample(1).happen())
    with pytest.raises(CounterExceeded):
        log.append(Sample(2).happen(), counters=[CounterUpdate("k", 2, 1)])
    assert log.append(one.happen()).first_position == 2


def test_a_stale_aggregate_is_a_conflict_of_the_library_too(log: Log) -> None:
    log.append(Sample(1).happen(3))
    with pytest.raises(IntegrityError, match=r"version 3 of .* does not follow"):
        log.append(Sample(1, version=2).happen())
    assert log.head().position == 3


def test_an_aggregate_that_goes_on_after_a_failed_append_is_a_conflict(log: Log) -> None:
    """A failed append has taken the pending events: the next ones would leave a gap."""
    one = Sample(1).happen()
    with pytest.raises(CounterExceeded):
        log.append(one, counters=[CounterUpdate("k", 2, 1)])
    assert log.append(one) == (1, 0, GENESIS)
    with pytest.raises(Conflict, match="does not follow the stored version 0"):
        log.append(one.happen())


def test_an_append_of_nothing_says_where_the_head_is(log: Log) -> None:
    log.append(Sample(1).happen())
    assert log.append() == (2, 1, log.head().hash)


def test_events_and_counters_are_one_transaction(log: Log) -> None:
    log.append(Sample(1).happen(), counters=[CounterUpdate("a", 3, 10), CounterUpdate("b", 1, 1)])
    with pytest.raises(CounterExceeded) as refused:
        log.append(
            Sample(2).happen(), counters=[CounterUpdate("a", 4, 10), CounterUpdate("b", 1, 1)]
        )
    error = refused.value
    assert (error.key, error.used, error.asked, error.cap) == ("b", 1, 1, 1)
    assert log.counters() == {"a": 3, "b": 1}
    assert log.stream(Sample(2).id) == []


def test_a_conflict_takes_no_counter(log: Log) -> None:
    log.append(Sample(1).happen())
    with pytest.raises(Conflict):
        log.append(Sample(1).happen(), counters=[CounterUpdate("a", 3, 10)])
    assert log.counters() == {}


@pytest.mark.parametrize(
    ("amounts", "cap", "passes"),
    [
        ([10], 10, True),
        ([11], 10, False),
        ([7, 3], 10, True),
        ([7, 4], 10, False),
        ([0], -1, False),
    ],
)
def test_a_cap_is_met_and_not_passed(log: Log, amounts: list[int], cap: int, passes: bool) -> None:
    updates = [CounterUpdate("k", amount, cap) for amount in amounts]
    if passes:
        log.append(counters=updates)
        assert log.counters() == {"k": sum(amounts)}
    else:
        with pytest.raises(CounterExceeded) as refused:
            log.append(counters=updates)
        assert refused.value.used == sum(amounts[:-1])
        assert log.counters() == {}


def test_a_counter_without_a_cap_takes_what_happened(log: Log) -> None:
    log.append(counters=[CounterUpdate("k", 5, 5)])
    log.append(counters=[CounterUpdate("k", 100, None)])
    log.append(counters=[CounterUpdate("k", -7, None)])
    assert log.counters() == {"k": 98}
    with pytest.raises(CounterExceeded):
        log.append(counters=[CounterUpdate("k", 0, 5)])


@pytest.mark.parametrize("amount", [2**63 - 1, 2**63, -(2**63)])
def test_a_counter_past_64_bits_is_refused_and_disturbs_nothing(log: Log, amount: int) -> None:
    log.append(counters=[CounterUpdate("k", 5 if amount > 0 else -5, None)])
    with pytest.raises(StoreError, match="64 bits"):
        log.append(counters=[CounterUpdate("k", amount, None)])
    assert abs(log.counters()["k"]) == 5


def test_counters_are_put_right_from_outside(log: Log) -> None:
    log.append(counters=[CounterUpdate("gone", 5, None), CounterUpdate("stays", 5, None)])
    log.reset_counters({"stays": 7, "new": 1})
    assert log.counters() == {"new": 1, "stays": 7}


def test_one_failing_job_does_not_fail_the_others(log: Log) -> None:
    log.append(Sample(1).happen())
    outcomes = log.append_jobs(
        [
            Job([Sample(2).happen()], [CounterUpdate("k", 1, 2)]),
            Job([Sample(1).happen()]),
            Job([Sample(3).happen()], [CounterUpdate("k", 2, 2)]),
            Job([Sample(4).happen(2)], [CounterUpdate("k", 1, 2)]),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [
        Appended,
        Conflict,
        CounterExceeded,
        Appended,
    ]
    assert [recorded.event.originator_id for recorded in log.events()] == [
        Sample(number).id for number in (1, 2, 4, 4)
    ]
    assert log.counters() == {"k": 2}
    assert log.verify().ok


def test_a_job_that_builds_on_a_failed_one_fails_with_it(log: Log) -> None:
    one = Sample(1)
    first = Job([one.happen()], [CounterUpdate("k", 2, 1)])
    outcomes = log.append_jobs([first, Job([Sample(1, version=1).happen()])])
    assert [type(outcome) for outcome in outcomes] == [CounterExceeded, Conflict]
    assert log.head().position == 0


def test_jobs_may_follow_each_other_in_one_transaction(log: Log) -> None:
    one = Sample(1)
    jobs = [Job([Sample(1, version=version).happen()]) for version in range(5)]
    assert all(isinstance(outcome, Appended) for outcome in log.append_jobs(jobs))
    assert [event.originator_version for event in log.stream(one.id)] == [1, 2, 3, 4, 5]


def test_reading_is_the_same_in_pages_of_any_size(log: Log) -> None:
    log.append(Sample(1).happen(7), Sample(2).happen(6))
    whole = list(log.events())
    for batch in (1, 2, 12, 13, 14):
        assert list(log.events(batch=batch)) == whole
    assert list(log.events(after=3, upto=9, batch=2)) == whole[3:9]
    assert [raw.hash for raw in log.raw_events()] == [recorded.hash for recorded in whole]


def test_a_long_append_takes_several_statements(log: Log) -> None:
    one = Sample(1)
    assert log.append(one.happen(200)).last_position == 200
    assert [event.originator_version for event in log.stream(one.id)] == list(range(1, 201))
    assert log.verify() == log.verify()
    assert log.verify().count == 200


def test_each_hash_binds_all_before_it(tmp_path: Path) -> None:
    heads = []
    for cause in ("halt", "pause"):
        with Log.open(tmp_path / f"{cause}.db") as log:
            log.append(Sample(1).happen(cause=cause))
            log.append(Sample(1, version=1).happen())
            heads.append([raw.hash for raw in log.raw_events()])
    assert all(one != two for one, two in zip(*heads, strict=True))


def test_the_same_appends_give_the_same_chain(tmp_path: Path) -> None:
    heads = set()
    for name in ("one.db", "two.db"):
        with Log.open(tmp_path / name) as log:
            log.append(Sample(1).happen(3))
            log.append(Sample(2).happen(1), Sample(3).happen(2))
            heads.add(log.head())
    assert len(heads) == 1


def test_the_librarys_save_writes_events_and_counters(log: Log) -> None:
    one = Sample(1).happen(2)
    recordings = log.application.save(one, counters=[CounterUpdate("k", 1, 1)])
    assert [recording.notification.id for recording in recordings] == [1, 2]
    assert log.counters() == {"k": 1}
    with pytest.raises(IntegrityError):
        log.application.save(Sample(1).happen())
    with pytest.raises(CounterExceeded):
        log.application.save(Sample(2).happen(), counters=[CounterUpdate("k", 1, 1)])
    assert log.head().position == 2


def test_the_librarys_reading_sees_the_same(log: Log) -> None:
    log.append(Sample(1).happen(5), Sample(2).happen(2))
    one = Sample(1).id
    events = log.stream(one)
    store = log.application.events
    assert list(store.get(one)) == events
    assert list(store.get(one, gt=1, lte=4)) == events[1:4]
    assert list(store.get(one, desc=True, limit=2)) == events[:2:-1]
    notifications = log.application.recorder.select_notifications(2, 3)
    assert [notification.id for notification in notifications] == [2, 3, 4]
    later = log.application.recorder.select_notifications(
        2, 10, stop=6, topics=["InstructionSuspended.v2"], inclusive_of_start=False
    )
    assert [notification.id for notification in later] == [3, 4, 5, 6]
    assert log.application.recorder.max_notification_id() == 7
    assert len(log.application.notification_log["1,7"].items) == 7


def test_the_hook_is_called_around_each_commit(log: Log) -> None:
    seen: list[tuple[str, int]] = []
    log.on_boundary = lambda label: seen.append((label, log.head().position))
    log.append(Sample(1).happen())
    log.append_jobs([Job([Sample(2).happen()]), Job([Sample(3).happen()])])
    assert seen == [
        ("store:before", 0),
        ("store:after", 1),
        ("store:before", 1),
        ("store:after", 3),
    ]


@pytest.mark.parametrize(("label", "stored"), [("store:before", 0), ("store:after", 1)])
def test_what_the_hook_raises_reaches_the_caller(log: Log, label: str, stored: int) -> None:
    class Crash(BaseException):
        pass

    def hook(now: str) -> None:
        if now == label:
            raise Crash

    log.on_boundary = hook
    with pytest.raises(Crash):
        log.append(Sample(1).happen())
    log.on_boundary = None
    assert log.head().position == stored
    assert log.append(Sample(9).happen()).first_position == stored + 1


def test_no_url_is_memory_with_one_warning() -> None:
    with structlog.testing.capture_logs() as lines, Log.open(None) as log:
        log.append(Sample(1).happen())
    assert [line["log_level"] for line in lines] == ["warning"]
    assert "in memory" in lines[0]["event"]


def test_logs_in_memory_do_not_share_anything() -> None:
    with Log.open("memory:") as one, Log.open("memory:") as two:
        one.append(Sample(1).happen())
        assert two.head().position == 0


def test_a_closed_log_refuses(log: Log) -> None:
    log.close()
    log.close()
    with pytest.raises(StoreError, match="closed"):
        log.append(Sample(1).happen())


def test_nothing_on_the_path_asks_the_time_or_draws_an_id(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the library asked for the time or drew an id")

    monkeypatch.setattr(uuid, "uuid4", forbidden)
    for name in ("datetime_now_with_tzinfo", "uuid4"):
        monkeypatch.setattr(eventsourcing.domain, name, forbidden)
    monkeypatch.setattr(eventsourcing.domain.Aggregate, "create_id", forbidden)
    monkeypatch.setattr(eventsourcing.domain.CanCreateTimestamp, "create_timestamp", forbidden)
    log.append(Sample(1).happen(9))
    log.application.save(Sample(2).happen(9))
    assert len(list(log.events())) == 18


def test_a_stream_with_a_hole_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with Log.open(path) as log:
        log.append(Sample(1).happen(3))
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM stored_events WHERE position = 2")
    connection.commit()
    connection.close()
    with Log.open(path) as log, pytest.raises(StoreDamaged, match="version 2 of"):
        log.stream(Sample(1).id)


def test_hashes_are_those_of_the_documented_formula(log: Log) -> None:
    log.append(Sample(1).happen(2))
    raws = list(log.raw_events())
    previous = bytes(32)
    for raw in raws:
        topic = raw.topic.encode()
        text = (
            previous
            + raw.position.to_bytes(8)
            + bytes.fromhex(raw.originator_id)
            + raw.originator_version.to_bytes(8)
            + len(topic).to_bytes(2)
            + topic
            + raw.state
        )
        previous = hashlib.sha256(text).digest()
        assert raw.hash == previous
    assert all(one.hash != two.hash for one, two in pairwise(raws))
