"""Every projection over one log, with each event folded into its instruction once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from ..domain.events import CATALOGUE, ByKind, DecisionReceived, DomainEvent, OrderIntended
from ..domain.instruction import Instruction
from .blotter import Blotter
from .daily_limits import DailyLimits
from .execution_quality import ExecutionQuality
from .instruction_events import INSTRUCTION_EVENTS
from .reconciliation import Reconciliation
from .runner import (
    VERSION_ABOVE_ALL,
    Handler,
    History,
    Projection,
    ProjectionStopped,
    Recorded,
    RecordedEvent,
    follow,
)
from .sealed import Sealed

Todo = tuple[tuple[int, Handler], ...]

MAY_END: Final = frozenset(INSTRUCTION_EVENTS) - {DecisionReceived, OrderIntended}
"""Events after which nothing more may be expected of an instruction, late ones too."""

_SHARING: Final[tuple[type[Projection], ...]] = (DailyLimits, Blotter, Reconciliation)


Keep = Callable[[UUID], bool]


def keep_none(id: UUID) -> bool:
    """Let go of every instruction of which nothing more is expected."""
    return False


def _handlers() -> dict[type[DomainEvent], Todo]:
    """What to do with each event that all of them know: the place of a projection, its handler."""
    known: dict[type[DomainEvent], Todo] = {}
    for kind in CATALOGUE.values():
        if all(kind in view.HANDLERS or kind in view.IGNORED for view in _SHARING):
            known[kind] = tuple(
                (number, view.HANDLERS[kind])
                for number, view in enumerate(_SHARING)
                if kind in view.HANDLERS
            )
    return known


HANDLERS: Final = _handlers()


def may_go(instruction: Instruction) -> bool:
    """Whether nothing more is expected of an instruction."""
    return instruction.is_done and not instruction.live


class AllViews:
    """All projections, which share their instructions: limits fold them, the others look on.

    The result is that of folding each projection by itself, which tests hold them to. With
    ``history`` instructions of which nothing more is expected are let go of, unless ``keep`` says
    otherwise: the projections keep sums of digests of them, and memory does not grow with the log.
    """

    def __init__(self, history: History | None = None, keep: Keep = keep_none) -> None:
        self._keep, self._history = keep, history
        self._seals = history is not None
        self.position = 0
        self.limits = self._limits(history, Sealed() if self._seals else None)
        self.blotter = self._blotter(history, Sealed() if self._seals else None)
        self.reconciliation = self._reconciliation(history)
        self.sums: tuple[Sealed, ...] = ()
        if self.limits.sealed is not None and self.blotter.sealed is not None:
            self.sums = (self.limits.sealed, self.blotter.sealed)
        views: Final[tuple[Projection, ...]] = (self.limits, self.blotter, self.reconciliation)
        self._views: Final = (self.limits, self.blotter, self.reconciliation)
        self._todo: Final = ByKind(
            {
                kind: (tuple((views[number], handler) for number, handler in todo), kind in MAY_END)
                for kind, todo in HANDLERS.items()
            }
        )

    def _limits(self, history: History | None, sealed: Sealed | None) -> DailyLimits:
        return DailyLimits(history, sealed)

    def _blotter(self, history: History | None, sealed: Sealed | None) -> Blotter:
        return Blotter(self.limits.instruction, history, sealed)

    def _reconciliation(self, history: History | None) -> Reconciliation:
        return Reconciliation(history)

    def follow(self, records: Iterable[RecordedEvent]) -> int:
        """Bring all forward; gives the last position they have.

        Raises:
            ProjectionStopped: by the first that cannot follow; the others stay where they are.
        """
        views = limits, blotter, reconciliation = self._views
        for recorded in records:
            event, position = recorded.event, recorded.position
            if type(event) not in HANDLERS or position != limits.position + 1 or limits.stopped:
                follow(views, [recorded])  # says what is wrong
                continue
            try:
                self.fold(event, position)
            except ProjectionStopped as stopped:
                for view in views:
                    if view.stopped is stopped:
                        break
                    view.position, view.head_hash = position, recorded.hash
                raise
            limits.position = blotter.position = reconciliation.position = position
            limits.head_hash = blotter.head_hash = reconciliation.head_hash = recorded.hash
        return limits.position

    def take(self, recorded: RecordedEvent) -> None:
        """Fold an event of an instruction whatever came before of others.

        Raises:
            ProjectionStopped: a projection cannot follow.
        """
        self.fold(recorded.event, recorded.position)

    def fold(self, event: DomainEvent, position: int) -> None:
        """The same of an event and its position."""
        limits, blotter, reconciliation = self._views
        self.position = position
        limits.position = blotter.position = reconciliation.position = position - 1
        try:
            todo, may_end = self._todo[type(event)]
        except KeyError:
            for one in self._views:
                one.apply(Recorded(position, event))  # says what is wrong
            return
        for view, handler in todo:
            try:
                handler(view, event)
            except Exception as error:
                raise view.stop(position, error) from error
        if may_end and self._seals:
            folded = limits.at_hand
            if folded is not None and not folded.live and folded.is_done:
                self.let_go(event.originator_id)

    def let_go(self, id: UUID) -> bool:
        """Let go of an instruction of which nothing more is expected, unless it is to be kept."""
        if self._keep(id):
            return False
        for view in (self.blotter, self.limits, self.reconciliation):
            view.forget(id)
        return True

    def tell_again(self, ids: Iterable[UUID]) -> None:
        """Hold these instructions as their whole streams tell them up to where the views are.

        For views that were brought forward by events of which only a part was read.
        """
        if self._history is None:
            raise KeyError("there is no history to tell instructions again from")
        told = AllViews()
        for id in ids:
            for recorded in self._history(id, VERSION_ABOVE_ALL):
                if recorded.position <= self.limits.position:
                    told.take(recorded)
        self.limits.holdings().update(told.limits.holdings())
        self.reconciliation.homes().update(told.reconciliation.homes())
        self.blotter.put(told.blotter.instructions().values())

    def projections(self) -> list[Projection]:
        """All of them at the same position."""
        quality = ExecutionQuality.of(self.blotter)
        return [self.limits, self.blotter, quality, self.reconciliation]
