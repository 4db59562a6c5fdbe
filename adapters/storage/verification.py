"""Checking that a log is what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from ...domain.errors import StoreDamaged, StoreError
from .chain import GENESIS, link
from .records import Head, RawRecorded, VerifyResult

PAGE: Final = 500
PROGRESS_EVERY: Final = 5_000


class ReadableLog(Protocol):
    """What verification needs of a log."""

    def head(self) -> Head:
        """The last position and hash."""
        ...

    def raw_events(
        self, after: int = 0, upto: int | None = None, batch: int = PAGE
    ) -> Iterator[RawRecorded]:
        """Stored events in order, read ``batch`` at a time."""
        ...

    def first_misplaced(self, upto: int) -> tuple[int, str] | None:
        """The first position that the rest of the store gainsays, and what is wrong there."""
        ...


def verify_chain(
    log: ReadableLog, progress: Callable[[int, int], None] | None = None
) -> VerifyResult:
    """Recompute every hash up to the head and name the first event that does not fit.

    Events appended meanwhile are not looked at.
    """
    check = _Check(log, progress)
    try:
        what = check.run(PAGE)
    except StoreError:
        # One page of many events cannot be read: find the event, one by one.
        try:
            what = check.run(1)
        except StoreError as error:
            what = f"cannot be read: {error}"
    if what:
        return VerifyResult(False, check.count, check.count + 1, what)
    try:
        misplaced = log.first_misplaced(check.count)
    except StoreError as error:
        return VerifyResult(False, 0, 1, f"cannot be looked up: {error}")
    if misplaced is not None:
        position, what = misplaced
        return VerifyResult(False, position - 1, position, what)
    if progress is not None:
        progress(check.count, check.count)
    return VerifyResult(True, check.count)


class _Check:
    """A walk along the chain that can be taken up again; ``count`` events are good so far."""

    def __init__(self, log: ReadableLog, progress: Callable[[int, int], None] | None) -> None:
        self.count = 0
        self._log = log
        self._progress = progress
        self._previous = GENESIS

    def run(self, batch: int) -> str:
        """Go on to the head; what is wrong with the next event, empty when nothing is."""
        head = self._log.head()
        for raw in self._log.raw_events(self.count, head.position, batch):
            what = fault_of(raw, self.count + 1, self._previous)
            if what:
                return what
            self.count += 1
            self._previous = raw.hash
            if self._progress is not None and self.count % PROGRESS_EVERY == 0:
                self._progress(self.count, head.position)
        return ""


def checked(raw: RawRecorded, position: int, previous: bytes) -> bytes:
    """The event's hash, when it is the one that follows ``previous`` and as it was written.

    Raises:
        StoreDamaged: it is not; says what is wrong.
    """
    at, originator, version, topic, state, hash = raw
    try:
        found = link(previous, position, bytes.fromhex(originator), version, topic, state)
    except Exception:  # a column of another type or length than we write
        found = None
    if found != hash or at != position:
        raise StoreDamaged(
            f"the event at position {position} is {fault_of(raw, position, previous)}. "
            "Run `fillwright verify` on the store"
        )
    return hash


def fault_of(raw: RawRecorded, position: int, previous: bytes) -> str:
    """What is wrong with a stored event that should be at ``position``, empty when nothing is."""
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
        return foreign_column(error)
    return "" if found == raw.hash else "altered: its hash does not fit what is stored"


def foreign_column(error: Exception) -> str:
    """What is wrong with an event that no hash can be computed of."""
    return f"altered: a column has another type or form than is ever stored ({error})"


def fault_at(what: str, position: int, kind: str = "event") -> str:
    """A sentence of what :func:`fault_of` says of an event or record."""
    if what.startswith("the "):
        return what  # not of the event: of the row that says where the log ends
    return f"the {kind} at position {position} {what if what.startswith('can') else f'is {what}'}"
