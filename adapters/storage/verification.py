"""Checking that a log is what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from ...domain.errors import StoreError
from .chain import GENESIS, link
from .records import Head, RawRecorded, VerifyResult

PROGRESS_EVERY: Final = 5_000


class ReadableLog(Protocol):
    """What verification needs of a log."""

    def head(self) -> Head:
        """The last position and hash."""
        ...

    def raw_events(self, after: int = 0, upto: int | None = None) -> Iterator[RawRecorded]:
        """Stored events in order."""
        ...

    def first_misfiled(self, upto: int) -> int | None:
        """The first position that is not found under its own aggregate."""
        ...


def verify_chain(
    log: ReadableLog, progress: Callable[[int, int], None] | None = None
) -> VerifyResult:
    """Recompute every hash up to the head and name the first event that does not fit.

    Events appended meanwhile are not looked at.
    """
    count = 0
    previous = GENESIS
    try:
        head = log.head()
        for raw in log.raw_events(upto=head.position):
            what = _fault(raw, count + 1, previous)
            if what:
                return VerifyResult(False, count, count + 1, what)
            count += 1
            previous = raw.hash
            if progress is not None and count % PROGRESS_EVERY == 0:
                progress(count, head.position)
        misfiled = log.first_misfiled(head.position)
    except StoreError as error:
        return VerifyResult(False, count, count + 1, f"cannot be read: {error}")
    if misfiled is not None:
        what = "altered: it is filed under another aggregate than its own"
        return VerifyResult(False, misfiled - 1, misfiled, what)
    if progress is not None:
        progress(count, head.position)
    return VerifyResult(True, count)


def _fault(raw: RawRecorded, position: int, previous: bytes) -> str:
    if raw.position != position:
        return f"missing: the next event is at position {raw.position}"
    try:
        found = link(
            previous,
            position,
            bytes.fromhex(raw.originator_id),
            raw.originator_version,
            raw.topic,
            raw.state,
        )
    except Exception as error:  # a column of another type or length than we write
        return f"altered: {error}"
    return "" if found == raw.hash else "altered: its hash does not fit what is stored"
