"""Replay: every view rebuilt from nothing, and every recorded step decided once more.

What is compared: each projection folded at once against the same projection fed in small pieces,
as it is while events come in; the store's counters against the folded ones; and for each step of a
strategy the inputs it was decided from, and the orders and cancels that follow from them, against
what is on the record (design §3, ruling 21).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Final
from uuid import UUID

from ..domain import events as e
from ..domain.ids import account_stream_id
from ..domain.instruction import Instruction
from ..domain.limits import Limits
from ..domain.plan import PlanTerms
from ..domain.ports import Side
from ..projections.blotter import Blotter
from ..projections.daily_limits import DailyLimits
from ..projections.execution_quality import ExecutionQuality
from ..projections.reconciliation import Reconciliation
from ..projections.runner import Difference, Projection, compare, compare_values, follow
from .restepping import Steps
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
    """What a replay found up to ``position``; ``seconds`` is the rebuild of all projections."""

    position: int = 0
    head_hash: str = ""
    seconds: float = 0.0
    projections: list[ProjectionResult] = field(default_factory=list)
    counters: tuple[Difference, ...] | None = None
    steps: int = 0
    steps_cut: int = 0
    steps_of_other_versions: int = 0
    step_differences: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        views = any(projection.differences for projection in self.projections)
        return not (views or self.counters or self.step_differences)

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
        yield from self.step_differences[:DIFFERENCES_SHOWN]


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
    rebuilt = projections()
    started = time.perf_counter()
    follow(rebuilt, _watched(log.events(upto=head.position), on_progress, 0, total))
    found.seconds = time.perf_counter() - started
    fed = projections()
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
    decide_again(records, found)
    on_progress(total, total)
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
    position, piece = 0, 0
    records = log.events(upto=upto)
    while position < upto:
        size = PIECES[piece % len(PIECES)]
        piece += 1
        batch = list(islice(records, size))
        if not batch:
            return
        position = follow(fed, batch)
        on_progress(upto + position, total)


class _Desk:
    """Instructions, limits in force and open orders, as the log has them so far."""

    def __init__(self) -> None:
        self.instructions: dict[UUID, Instruction] = {}
        self._limits: dict[UUID, Limits] = {}
        self._resting: dict[tuple[str, str, Side], set[UUID]] = {}

    def apply(self, event: e.DomainEvent) -> None:
        """Take in one event."""
        id = event.originator_id
        if isinstance(event, e.LimitChanged):
            self._limits[id] = event.limits
        elif isinstance(event, e.DecisionReceived):
            self.instructions[id] = Instruction(id)
        instruction = self.instructions.get(id)
        if instruction is None:
            return
        instruction.apply(event)
        plan = instruction.plan
        if plan is not None:
            key = (instruction.account, plan.symbol, plan.side)
            resting = self._resting.setdefault(key, set())
            if instruction.live:
                resting.add(id)
            else:
                resting.discard(id)

    def limits_of(self, instruction: Instruction) -> Limits:
        """The limits in force for the instruction's account."""
        return self._limits.get(account_stream_id(instruction.account)) or Limits()

    def opposite_of(self, account: str, plan: PlanTerms) -> tuple[Decimal | None, ...]:
        """Limits of own orders of the plan's other side that may trade, None for market orders."""
        ids = self._resting.get((account, plan.symbol, plan.side.opposite), set())
        return tuple(order.limit_price for id in ids for order in self.instructions[id].live_orders)


def decide_again(records: Iterable[Recorded], found: Replay) -> None:
    """Decide every recorded step once more, compare, and note in ``found`` what came of it."""
    desk, steps = _Desk(), Steps()
    for recorded in records:
        event = recorded.event
        instruction = desk.instructions.get(event.originator_id)
        if instruction is not None:
            opposite = partial(desk.opposite_of, instruction.account)
            steps.before(recorded, instruction, desk.limits_of(instruction), opposite)
        desk.apply(event)
    steps.finish()
    found.steps, found.steps_cut = steps.count, steps.cut
    found.steps_of_other_versions = steps.of_other_versions
    found.step_differences = steps.differences
