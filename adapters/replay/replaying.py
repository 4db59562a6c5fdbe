"""Replay: every view rebuilt from nothing, and every recorded step decided once more.

What is compared: each projection folded at once against the same projection fed in small pieces,
as it is while events come in; the store's counters against the folded ones; and for each step of a
strategy the inputs it was decided from, and the orders and cancels that follow from them, against
what is on the record (design §3, ruling 21).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final
from uuid import UUID

from ...projections.account_books import AccountBooks
from ...projections.all_views import MAY_END, Keep, keep_none, may_go
from ...projections.blotter import Blotter
from ...projections.daily_limits import DailyLimits
from ...projections.execution_quality import ExecutionQuality
from ...projections.reconciliation import Reconciliation
from ...projections.runner import (
    Difference,
    History,
    compare,
    compare_values,
    follow,
)
from ...projections.sealed import Sealed, bucket_of
from ..engine.keeping import Kept
from ..engine.known import KnownInstructions, Moved, is_over
from ..engine.start_cache import read_all
from ..storage.log import Log
from ..storage.records import Recorded
from .deciding_again import Decided, decide_again
from .rebuilding import history_upto, rebuild

PIECES: Final = (1, 7, 64, 1_000)
"""How many events an incrementally fed projection gets at a time, in turn."""
PROGRESS_EVERY: Final = 2_000
DIFFERENCES_SHOWN: Final = 20
SEALED_SUMS: Final = "state.sealed.sums."

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ProjectionResult:
    """One projection rebuilt: its bytes' length and hash, and where two folds of it differ."""

    name: str
    version: int
    size_bytes: int
    sha256: str
    differences: tuple[Difference, ...]


@dataclass(slots=True)
class Replay:
    """What a replay found up to ``position``; ``seconds`` is the rebuild of all projections.

    ``kept`` is where the sums that a start would go on from differ from the events up to there,
    None where a start would read the whole log.
    """

    position: int = 0
    head_hash: str = ""
    seconds: float = 0.0
    projections: list[ProjectionResult] = field(default_factory=list)
    counters: tuple[Difference, ...] | None = None
    kept: tuple[Difference, ...] | None = None
    decisions: Decided = field(default_factory=Decided)

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        views = any(projection.differences for projection in self.projections)
        return not (views or self.counters or self.kept or self.decisions.differences)

    @property
    def events_per_second(self) -> float:
        """How fast the projections were rebuilt."""
        return self.position / self.seconds if self.seconds else 0.0

    def differences(self) -> Iterator[str]:
        """Each difference in one line, at most ``DIFFERENCES_SHOWN`` of a kind."""
        for projection in self.projections:
            for path, live, rebuilt in projection.differences[:DIFFERENCES_SHOWN]:
                yield f"{projection.name}: {path}: fed in pieces {live}, rebuilt {rebuilt}"
        for path, stored, rebuilt in (self.counters or ())[:DIFFERENCES_SHOWN]:
            yield f"counter {path}: stored {stored}, rebuilt {rebuilt}"
        for path, stored, rebuilt in (self.kept or ())[:DIFFERENCES_SHOWN]:
            yield f"kept for starts: {path}: kept {stored}, rebuilt {rebuilt}"
        yield from map(str, self.decisions.differences[:DIFFERENCES_SHOWN])


Views = tuple[DailyLimits, Blotter, ExecutionQuality, Reconciliation]


def projections(history: History | None = None) -> Views:
    """Every projection, empty; with ``history`` they can let go of instructions."""

    def sealed() -> Sealed | None:
        return None if history is None else Sealed()

    return (
        DailyLimits(history, sealed()),
        Blotter(None, history, sealed()),
        ExecutionQuality(None, history, sealed()),
        Reconciliation(history),
    )


def replay(log: Log, on_progress: OnProgress = lambda done, total: None) -> Replay:
    """Rebuild and compare everything up to the log's head now.

    Args:
        on_progress: called now and then with the number of events done and how many there are to
            do; the log is read three times, and the head of it once more where sums are kept.

    Raises:
        ProjectionStopped: the log holds what this code cannot follow.
        StoreError: an event cannot be read.
    """
    head = log.head()
    found = Replay(position=head.position, head_hash=head.hash.hex())
    total = 3 * head.position
    started = time.perf_counter()
    views = rebuild(log, head.position, lambda done: on_progress(done, total), seal=True)
    found.seconds = time.perf_counter() - started
    rebuilt = views.projections()
    fed = _Fed(log, head.position)
    for account, kept in read_all(log):
        fed.feed(kept.position, lambda done: on_progress(head.position + done, total))
        found.kept = (*(found.kept or ()), *_differing_sums(kept, log, fed, account))
    fed.feed(head.position, lambda done: on_progress(head.position + done, total))
    for live, one in zip(fed.projections, rebuilt, strict=True):
        data = one.to_bytes()
        digest = hashlib.sha256(data).hexdigest()
        differences = compare(live, one)
        found.projections.append(
            ProjectionResult(one.name, one.version, len(data), digest, differences)
        )
    _name_sealed(log, found)
    limits = rebuilt[0]
    if isinstance(limits, DailyLimits):
        stored = {key: amount for key, amount in log.counters().items() if amount}
        # A writer that is at work moves its counters on; they are compared when it has stopped.
        if log.head().position == head.position:
            found.counters = compare_values(stored, limits.counters())
    records = _watched(log.events(upto=head.position), on_progress, 2 * head.position, total)
    found.decisions = decide_again(records, history=log.stream)
    on_progress(total, total)
    return found


def replay_decisions(log: Log, on_progress: OnProgress = lambda done, total: None) -> Replay:
    """Decide every recorded decision again, by the code of today whatever its version then."""
    head = log.head()
    found = Replay(position=head.position, head_hash=head.hash.hex())
    records = _watched(log.events(upto=head.position), on_progress, 0, head.position)
    found.decisions = decide_again(records, history=log.stream, across_versions=True)
    on_progress(head.position, head.position)
    return found


def _watched(
    records: Iterator[Recorded], on_progress: OnProgress, before: int, total: int
) -> Iterator[Recorded]:
    for recorded in records:
        if recorded.position % PROGRESS_EVERY == 0:
            on_progress(before + recorded.position, total)
        yield recorded


class _Fed:
    """Projections that are fed a few events at a time, as they are while events come in.

    Each folds instructions of its own, and lets go of those of which nothing more is expected at
    the end of a piece. ``books`` is what else a start goes on from.
    """

    def __init__(self, log: Log, upto: int, keep: Keep = keep_none) -> None:
        self._log, self._keep, self._piece = log, keep, 0
        history = history_upto(log, upto)
        self.projections = projections(history)
        self.limits = self.projections[0]
        self.books = AccountBooks(self.limits.instruction, history)

    def feed(self, upto: int, on_progress: Callable[[int], None]) -> None:
        """Feed all up to a position."""
        position = self.books.position
        records = self._log.events(after=position, upto=upto)
        while position < upto:
            size = PIECES[self._piece % len(PIECES)]
            self._piece += 1
            batch = list(islice(records, size))
            if not batch:
                return
            position = follow((*self.projections, self.books), batch)
            self._let_go(batch)
            on_progress(position)

    def _let_go(self, batch: Sequence[Recorded]) -> None:
        limits, books = self.limits, self.books
        for id in {one.event.originator_id for one in batch if type(one.event) in MAY_END}:
            if may_go(limits.instruction(id)) and not self._keep(id):
                for view in (*self.projections, books):
                    view.forget(id)


def _name_sealed(log: Log, found: Replay) -> None:
    """Tell differing sums of what was let go of by the instructions that differ.

    The log is told once more both ways, and those whose sums differ are not let go of.
    """
    buckets = {
        int(difference.path.rpartition(".")[2], 16)
        for one in found.projections
        for difference in one.differences
        if difference.path.startswith(SEALED_SUMS)
    }
    if not buckets:
        return

    def keep(id: UUID) -> bool:
        return bucket_of(id) in buckets

    rebuilt = rebuild(log, found.position, seal=True, keep=keep).projections()
    fed = _Fed(log, found.position, keep)
    fed.feed(found.position, lambda done: None)
    for place, (live, one) in enumerate(zip(fed.projections, rebuilt, strict=True)):
        if named := compare(live, one):
            found.projections[place] = replace(found.projections[place], differences=named)


def _differing_sums(kept: Kept, log: Log, fed: _Fed, account: str) -> tuple[Difference, ...]:
    """Where kept sums are not those of the events; ``fed`` stands at the same position."""
    known = KnownInstructions(account, log)
    for recorded in log.events(upto=kept.position):
        instruction = known.take_recorded(recorded)
        if instruction is not None and is_over(instruction):
            known.has_ended(instruction.id)
            known.seal_surplus()
    sealed, moved, still_open = known.to_start_from()
    return (
        *compare_values(kept.limits, fed.limits.kept(account)),
        *compare_values(kept.books, fed.books.kept(account)),
        *compare_values(
            {"sealed": kept.sealed, "moved": _by_key(kept.moved), "open": set(kept.still_open)},
            {"sealed": sealed, "moved": _by_key(moved), "open": set(still_open)},
        ),
    )


def _by_key(moved: Sequence[Moved]) -> dict[str, Moved]:
    return {f"{one.session_date} {one.symbol}": one for one in moved}
