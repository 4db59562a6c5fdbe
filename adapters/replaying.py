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
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from ..projections.account_books import AccountBooks
from ..projections.all_views import AllViews
from ..projections.blotter import Blotter
from ..projections.daily_limits import DailyLimits
from ..projections.execution_quality import ExecutionQuality
from ..projections.reconciliation import Reconciliation
from ..projections.runner import Difference, Projection, compare, compare_values, follow
from .collector import without_collector
from .deciding_again import Decided, decide_again
from .engine.keeping import Kept
from .engine.start_cache import read_all
from .lean_reading import lean_events
from .storage.log import Log
from .storage.records import Recorded

PIECES: Final = (1, 7, 64, 1_000)
"""How many events an incrementally fed projection gets at a time, in turn."""
PROGRESS_EVERY: Final = 2_000
DIFFERENCES_SHOWN: Final = 20

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


def projections() -> list[Projection]:
    """Every projection, empty."""
    return [DailyLimits(), Blotter(), ExecutionQuality(), Reconciliation()]


def replay(log: Log, on_progress: OnProgress = lambda done, total: None) -> Replay:
    """Rebuild and compare everything up to the log's head now.

    Args:
        on_progress: called now and then with the number of events done and how many there are to
            do; the log is read three times.

    Raises:
        ProjectionStopped: the log holds what this code cannot follow.
        StoreError: an event cannot be read.
    """
    head = log.head()
    found = Replay(position=head.position, head_hash=head.hash.hex())
    total = 3 * head.position
    started = time.perf_counter()
    views = rebuild(log, head.position, lambda done: on_progress(done, total))
    found.seconds = time.perf_counter() - started
    rebuilt = views.projections()
    fed = projections()
    for kept in read_all(log):
        _feed_in_pieces(fed, log, kept.position, on_progress, total)
        if isinstance(limits := fed[0], DailyLimits):
            found.kept = (*(found.kept or ()), *_differing_sums(kept, log, limits))
    _feed_in_pieces(fed, log, head.position, on_progress, total)
    for live, one in zip(fed, rebuilt, strict=True):
        data = one.to_bytes()
        digest = hashlib.sha256(data).hexdigest()
        differences = compare(live, one)
        found.projections.append(
            ProjectionResult(one.name, one.version, len(data), digest, differences)
        )
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


def rebuild(
    log: Log, upto: int, on_progress: Callable[[int], None] = lambda done: None
) -> AllViews:
    """Every projection from nothing, with the chain checked on the way.

    Raises:
        ProjectionStopped: the log holds what this code cannot follow.
        StoreError: an event cannot be read or is not what was written.
    """
    views = AllViews()
    records = lean_events(log, upto)
    with without_collector():
        while batch := list(islice(records, PROGRESS_EVERY)):
            on_progress(views.follow(batch))
    return views


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


def _feed_in_pieces(
    fed: Sequence[Projection], log: Log, upto: int, on_progress: OnProgress, total: int
) -> None:
    """Feed the projections a few events at a time, reading their state between the pieces."""
    position, piece = fed[0].position, 0
    records = log.events(after=position, upto=upto)
    while position < upto:
        size = PIECES[piece % len(PIECES)]
        piece += 1
        batch = list(islice(records, size))
        if not batch:
            return
        position = follow(fed, batch)
        on_progress(total // 3 + position, total)


def _differing_sums(kept: Kept, log: Log, limits: DailyLimits) -> tuple[Difference, ...]:
    """Where kept sums are not those of the events; ``limits`` stands at the same position."""
    books = AccountBooks()
    follow([books], log.events(upto=kept.position))
    return (
        *compare_values(kept.limits, limits.kept()),
        *compare_values(kept.books, books.kept()),
    )
