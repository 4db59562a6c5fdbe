"""All views of a log that goes on for years, in memory that does not grow with it.

What is open is held, what belongs to sessions that are asked for, and what a person has still to
see. The rest is let go of, told again from its own stream when something more happens to it, and
counted in sums; whoever asks for other sessions has the log told once more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice
from typing import Final
from uuid import UUID

from ..domain.money import ZERO
from .all_views import AllViews, may_go
from .averages import BPS_GRID, EXACT, Judged, on_grid, ratio
from .blotter import Blotter
from .execution_quality import outcome_of
from .instruction_book import Followed
from .outcomes import ExecutionSummary, Outcome, quality_of_outcome, summarise_outcomes
from .runner import History, RecordedEvent
from .sealed import Sealed

AT_A_TIME: Final = 2_000
"""Events between two looks at which sessions are over."""


class Gone(ABC):
    """What is remembered of instructions that were let go of."""

    @abstractmethod
    def add(self, entry: Followed) -> None:
        """One is let go of."""

    @abstractmethod
    def take(self, entry: Followed) -> None:
        """It came back, as it was let go of."""


class RunningQuality(Gone):
    """The sums that alerts judge averages by, with how many were counted and their sessions.

    Sums are exact, so taking out what was added leaves what was there before.
    """

    def __init__(self) -> None:
        self.count = 0
        self.dates: set[str] = set()
        self._instructions = self._successes = self._slippages = 0
        self._sum = self._weight = ZERO

    def add(self, entry: Followed) -> None:
        """Count one."""
        self.dates.add(entry.session_date)
        self._move(outcome_of(entry), 1)

    def take(self, entry: Followed) -> None:
        """Count it no more."""
        self._move(outcome_of(entry), -1)

    def judged(self, held: Iterable[Followed]) -> Judged:
        """The averages of these and of what is held."""
        of_all = RunningQuality()
        of_all.__dict__.update(self.__dict__)
        for entry in held:
            of_all._move(outcome_of(entry), 1)
        return Judged(
            "overall",
            of_all._instructions,
            of_all._successes,
            ratio(Decimal(of_all._successes), Decimal(of_all._instructions)),
            of_all._slippages,
            on_grid(BPS_GRID, of_all._sum / of_all._weight if of_all._weight else None),
        )

    def _move(self, one: Outcome, sign: int) -> None:
        self.count += sign
        quality = quality_of_outcome(one) if one.counts else None
        if quality is None:
            return
        self._instructions += sign
        self._successes += sign * quality.success
        if quality.slippage_bps is not None and quality.arrival_mid is not None:
            self._slippages += sign
            weight = EXACT.multiply(sign * quality.executed, quality.arrival_mid)
            self._weight = EXACT.add(self._weight, weight)
            self._sum = EXACT.fma(quality.slippage_bps, weight, self._sum)


class Outcomes(Gone):
    """What came of each; for an answer that names them all."""

    def __init__(self) -> None:
        self._found: dict[UUID, tuple[int, Outcome]] = {}

    def add(self, entry: Followed) -> None:
        """Remember what came of one."""
        self._found[entry.instruction.id] = entry.first_position, outcome_of(entry)

    def take(self, entry: Followed) -> None:
        """More will come of it."""
        del self._found[entry.instruction.id]

    def summary(self, held: Iterable[Followed]) -> ExecutionSummary:
        """The execution summary of these and of what is held, in the order of receipt."""
        known = [*self._found.values(), *((e.first_position, outcome_of(e)) for e in held)]
        return summarise_outcomes([one for _, one in sorted(known, key=lambda one: one[0])])


class _RememberingBook(Blotter):
    gone: Gone

    def let_go_of(self, entry: Followed) -> None:
        super().let_go_of(entry)
        self.gone.add(entry)

    def came_back(self, entry: Followed) -> None:
        super().came_back(entry)
        self.gone.take(entry)

    def _alone(self) -> Blotter:
        return Blotter()


class RecentViews(AllViews):
    """All views, holding instructions of the sessions that ``covers`` names.

    By default these are the last session in which anything was received, and later ones. Those that
    are open, or executed more than was asked for, are held whatever their session. ``gone``
    remembers the rest.
    """

    def __init__(
        self, history: History, gone: Gone, covers: Callable[[str], bool] | None = None
    ) -> None:
        self.gone = gone
        self._covers = covers or self._is_last
        self._last = ""
        super().__init__(history, self._holds)

    def _blotter(self, history: History | None, sealed: Sealed | None) -> Blotter:
        book = _RememberingBook(self.limits.instruction, history, sealed)
        book.gone = self.gone
        return book

    def _is_last(self, session_date: str) -> bool:
        return session_date >= self._last

    def _holds(self, id: UUID) -> bool:
        entry = self.blotter.instructions().get(id)
        return entry is not None and self._must_stay(entry)

    def _must_stay(self, entry: Followed) -> bool:
        return entry.instruction.overfilled or self._covers(entry.session_date)

    def follow(self, records: Iterable[RecordedEvent]) -> int:
        """Bring all forward, letting go of what is over; see ``AllViews.follow``."""
        records, more = iter(records), True
        while more:
            upto = self.limits.position + AT_A_TIME
            more = super().follow(islice(records, AT_A_TIME)) == upto
            self._let_go_of_sessions()
        return self.limits.position

    def _let_go_of_sessions(self) -> None:
        entries = tuple(self.blotter.instructions().values())
        last = max((entry.session_date for entry in entries), default="")
        if last <= self._last:
            return
        self._last = last
        for entry in entries:
            if may_go(entry.instruction) and not self._must_stay(entry):
                for view in (self.blotter, self.limits, self.reconciliation):
                    view.forget(entry.instruction.id)
