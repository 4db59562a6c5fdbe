"""The second stream: a chain of its own, written by anybody, moving nothing of the log."""

import multiprocessing
from pathlib import Path

import pytest

from fillwright.adapters.storage.chain import GENESIS
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.adapters.storage.records import Conflict
from fillwright.domain.errors import StoreDamaged, StoreError
from fillwright.domain.ops import Anchored, VerificationDone
from tests.adapters.integrity.evidence import opened
from tests.adapters.storage.helpers import Sample, filled


def verified(position: int = 0, actor: str = "kim") -> VerificationDone:
    return VerificationDone(
        record_time=1_700_000_000_000_000_000 + position,
        actor=actor,
        log_position=position,
        log_hash="0" * 64,
        from_position=0,
        outcome="not_anchored",
    )


@pytest.fixture(params=["file", "postgres"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A store of ten events, on either database."""
    if request.param == "file":
        return filled(tmp_path / "log.db")
    return filled(str(request.getfixturevalue("postgres_url")))


def test_a_store_that_never_had_one_has_an_empty_second_stream(path: Path | str) -> None:
    with OpsLog.open(path, writer=False) as ops:
        assert ops.head() == (0, GENESIS)
        assert list(ops.records()) == []
        assert ops.verify().ok


def test_records_come_back_in_order_and_equal(path: Path | str) -> None:
    with OpsLog.open(path) as ops:
        first = ops.append(verified(1))
        placed = ops.append(verified(2), verified(3))
        assert (first.first_position, first.last_position) == (1, 1)
        assert (placed.first_position, placed.last_position) == (2, 3)
        assert placed.head_hash == ops.head().hash
        assert [one.record for one in ops.records()] == [verified(1), verified(2), verified(3)]
        assert [one.position for one in ops.records(after=1, upto=2)] == [2]
    with OpsLog.open(path, writer=False) as ops:
        assert ops.head() == (3, placed.head_hash)
        assert ops.verify() == ops.verify()
        assert ops.verify().ok


def test_a_log_in_memory_has_one_too() -> None:
    with Log.open("memory:") as log, OpsLog.of(log) as ops:
        log.append(Sample(1).happen())
        ops.append(verified(1))
        log.append(Sample(2).happen())
        assert [one.record for one in ops.records()] == [verified(1)]
        assert log.head().position == 2


def test_it_is_written_beside_the_engine_that_holds_the_lock(path: Path | str) -> None:
    with Log.open(path, threaded=True) as log:
        log.append(Sample(11).happen())
        before = log.head()
        with OpsLog.open(path) as ops:
            ops.append(verified(1))
        log.append(Sample(12).happen())
        assert log.head().position == 12
        assert before.position == 11
        assert log.verify().ok


def test_the_logs_chain_does_not_depend_on_it(tmp_path: Path) -> None:
    with Log.open(filled(tmp_path / "plain.db"), writer=False) as log:
        plain = log.head()
    path = filled(tmp_path / "with.db", events=5)
    with OpsLog.open(path) as ops:
        ops.append(verified(5))
    with Log.open(path) as log:
        one, two = Sample(1, version=3), Sample(2, version=2)
        for number in range(5, 10):
            log.append((one, two)[number % 2].happen(cause=f"halt {number}"))
        assert log.head() == plain


def append_many(path: Path | str, actor: str, times: int) -> None:
    with OpsLog.open(path) as ops:
        for number in range(times):
            ops.append(verified(number, actor))


def test_several_processes_append_at_once_and_none_is_lost(path: Path | str) -> None:
    context = multiprocessing.get_context("spawn")
    actors = ("a", "b", "c")
    workers = [context.Process(target=append_many, args=(path, actor, 15)) for actor in actors]
    for worker in workers:
        worker.start()
    with Log.open(path) as log:
        one = Sample(77)
        for _ in range(15):
            log.append(one.happen())
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    with OpsLog.open(path, writer=False) as ops, Log.open(path, writer=False) as log:
        assert ops.head().position == 45
        assert ops.verify().ok
        assert log.verify().ok
        for actor in actors:
            mine = [one.record for one in ops.records() if one.record.actor == actor]
            assert [one.log_position for one in mine] == list(range(15))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ops_records SET state = state || CAST(' ' AS {bytes}) WHERE position = 2",
        "DELETE FROM ops_records WHERE position = 2",
        "UPDATE ops_records SET topic = 'Anchored.v1' WHERE position = 2",
    ],
)
def test_a_record_that_was_changed_or_taken_is_found(path: Path | str, statement: str) -> None:
    with OpsLog.open(path) as ops:
        ops.append(*[verified(number) for number in range(4)])
    kind = "BLOB" if isinstance(path, Path) else "bytea"
    with opened(path) as connection:
        assert connection.execute(statement.format(bytes=kind)).rowcount == 1
    with OpsLog.open(path, writer=False) as ops:
        found = ops.verify()
    assert (found.ok, found.first_bad_position, found.count) == (False, 2, 1)


def test_a_record_without_canonical_form_is_refused_and_nothing_written(path: Path | str) -> None:
    bad = Anchored.model_construct(**{**vars(verified(1)), "root": object()})
    with OpsLog.open(path) as ops:
        with pytest.raises(StoreError, match="cannot be stored"):
            ops.append(verified(1), bad)
        assert ops.head().position == 0


def test_a_reader_cannot_append(path: Path | str) -> None:
    with OpsLog.open(path, writer=False) as ops, pytest.raises(StoreError, match="cannot be writ"):
        ops.append(verified())


def test_no_store_is_made_by_asking_for_its_second_stream(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        OpsLog.open(tmp_path / "none.db")
    (tmp_path / "other.db").write_bytes(b"SQLite format 3\0" + b"x" * 4_000)
    with pytest.raises(StoreDamaged):
        OpsLog.open(tmp_path / "other.db")
    assert not (tmp_path / "none.db").exists()


def test_a_record_that_must_follow_another_is_refused_when_somebody_was_faster(
    tmp_path: Path,
) -> None:
    path = filled(tmp_path / "log.db")
    with OpsLog.open(path) as ops, OpsLog.open(path) as other:
        assert ops.append(verified(1), expected=0).last_position == 1
        with pytest.raises(Conflict, match="record 1 came after record 0"):
            other.append(verified(2), expected=0)
        assert other.append(verified(2), expected=1).last_position == 2
        assert ops.verify().ok
