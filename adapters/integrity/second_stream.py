"""The second stream against the checkpoints that say how far it was, and with which hash."""

from __future__ import annotations

from collections.abc import Iterable

from ...domain.ops import Anchored
from ..storage.chain import GENESIS, link
from ..storage.ops_log import OPS_ORIGINATOR, OpsLog
from ..storage.records import Head, RawRecorded
from .checkpoints import SignedCheckpoint


class RecordChain:
    """The chain over records that pass one by one; ``marks`` are hashes that it has to have."""

    def __init__(self, marks: Iterable[Head] = ()) -> None:
        self.count, self.head = 0, GENESIS
        self._marks = {mark.position: mark.hash for mark in marks if mark.position}

    def fault_of(self, raw: RawRecorded) -> str:
        """What is wrong with the next record, empty when nothing is; it counts then."""
        self.count += 1
        if raw.position != self.count:
            return f"the record at position {self.count} is missing"
        origin = OPS_ORIGINATOR.bytes
        self.head = link(self.head, self.count, origin, self.count, raw.topic, raw.state)
        if self.head != raw.hash:
            return f"the record at position {self.count} is altered"
        if self._marks.pop(self.count, self.head) != self.head:
            return f"the record at position {self.count} is not the one that was checkpointed"
        return ""

    def missing(self) -> str:
        """Of the records that were checkpointed, which are not there; empty when all are."""
        if not self._marks:
            return ""
        return f"{self.count} records are there, and {max(self._marks)} were checkpointed"


def marks_of(checkpoints: Iterable[SignedCheckpoint]) -> list[Head]:
    """What checkpoints say of the second stream; those of before say nothing."""
    said = (mark.checkpoint.records for mark in checkpoints)
    return [records for records in said if records is not None]


def gainsaid(ops: OpsLog, checkpoints: Iterable[SignedCheckpoint]) -> str:
    """What of a whole second stream is not what was checkpointed, empty when nothing is."""
    head = ops.head()
    for position, hash in sorted(set(marks_of(checkpoints))):
        if position > head.position:
            return f"has {head.position} records, and {position} were checkpointed"
        found = next(iter(ops.raw_events(position - 1, position)), None) if position else None
        if found is not None and found.hash != hash:
            return f"has another record at position {position} than was checkpointed"
    return ""


def unbound(ops: OpsLog, mark: SignedCheckpoint) -> int:
    """How many records a checkpoint does not vouch for; that it was made is none of them."""
    said = mark.checkpoint.records
    if said is None:
        return ops.head().position
    later = [
        one.record
        for one in ops.records(said.position, min(said.position + 1, ops.head().position))
    ]
    is_own = any(isinstance(one, Anchored) and one.note == mark.text for one in later)
    return max(0, ops.head().position - said.position - is_own)
