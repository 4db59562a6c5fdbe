"""Full disks, wrong keys, clocks that go back, writers side by side: said clearly, nothing lost."""

import multiprocessing
import resource
import threading
from pathlib import Path

import pytest

from fillwright.adapters.integrity.anchors import AnchorError, checkpoints_at, leave
from fillwright.adapters.integrity.checkpointing import Checkpointer
from fillwright.adapters.integrity.checkpoints import Checkpoint
from fillwright.adapters.integrity.notes import SignerKey
from fillwright.adapters.integrity.verifying import Outside, verify_log
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.domain.errors import StoreError
from tests.adapters.integrity.evidence import KEY, OTHER_KEY, anchored
from tests.adapters.storage.helpers import Sample, filled
from tests.adapters.storage.test_ops_log import verified


def test_an_anchor_on_a_full_disk_is_said_and_the_next_checkpoint_covers_it(
    tmp_path: Path,
) -> None:
    store = filled(tmp_path / "log.db")
    with Log.open(store, writer=False) as log, OpsLog.open(store) as ops:
        with pytest.raises(AnchorError, match="No space left"):
            Checkpointer(log, ops, KEY, "/dev/full").make()
        assert ops.head().position == 0  # nothing is claimed that was not left outside
        Checkpointer(log, ops, KEY, str(tmp_path / "anchor")).make()
        outside = Outside(KEY.verifier, checkpoints_at(str(tmp_path / "anchor")))
        assert verify_log(log, outside).outcome == "anchored"


def append_many(store: Path, answer: "multiprocessing.Queue[str]") -> None:
    bound = 1 << 18
    resource.setrlimit(resource.RLIMIT_FSIZE, (bound, bound))
    try:
        with OpsLog.open(store) as ops:
            ops.append(*[verified(number, actor="k" * 120) for number in range(2_000)])
        answer.put("written")
    except StoreError as error:
        answer.put(str(error))


def test_a_second_stream_that_cannot_grow_says_so_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk; it needs no root."""
    store = filled(tmp_path / "log.db")
    with OpsLog.open(store) as ops:
        ops.append(verified(1))
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    child = context.Process(target=append_many, args=(store, answer))
    child.start()
    said = answer.get(timeout=60)
    child.join()
    assert "disk" in said
    with OpsLog.open(store) as ops, Log.open(store, writer=False) as log:
        assert [one.record for one in ops.records()] == [verified(1)]
        assert ops.verify().ok
        assert log.verify().count == 10
        assert ops.append(verified(2)).last_position == 2


def test_a_clock_that_goes_back_changes_no_verdict(tmp_path: Path) -> None:
    """Order is by position; a checkpoint's time is what the clock said."""
    store, anchor = filled(tmp_path / "log.db", events=4), str(tmp_path / "anchor")
    times = iter([2_000, 1_000])
    with Log.open(store, writer=False) as log, OpsLog.open(store) as ops:
        maker = Checkpointer(log, ops, KEY, anchor, clock_ns=lambda: next(times))
        maker.make()
        with Log.open(store) as writer:
            writer.append(Sample(9).happen())
        maker.make()
        marks = checkpoints_at(anchor)
        assert [mark.checkpoint.time for mark in marks] == [2_000, 1_000]
        assert verify_log(log, Outside(KEY.verifier, marks)).outcome == "anchored"


def test_the_wrong_key_is_named(tmp_path: Path) -> None:
    evidence = anchored(tmp_path)
    with Log.open(evidence.store, writer=False) as log:
        found = verify_log(log, Outside(OTHER_KEY.verifier, evidence.outside.checkpoints))
        assert f"not by the key {OTHER_KEY.verifier.label}" in found.what
        another = SignerKey("fund/two", KEY.secret)
        found = verify_log(log, Outside(another.verifier, evidence.outside.checkpoints))
        assert "is of fillwright/test, and the key is of fund/two" in found.what


def test_several_leave_checkpoints_at_one_anchor_and_none_is_lost(tmp_path: Path) -> None:
    anchor = str(tmp_path / "anchor")

    def leave_many(first: int) -> None:
        for size in range(first, first + 20):
            leave(anchor, Checkpoint(KEY.name, size, bytes(32), bytes(32), size).signed(KEY))

    threads = [threading.Thread(target=leave_many, args=(first,)) for first in (1, 101, 201)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = sorted(mark.size for mark in checkpoints_at(anchor))
    assert sizes == [*range(1, 21), *range(101, 121), *range(201, 221)]
