"""Every projection over one log, with each event folded into its instruction once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..domain.events import CATALOGUE, DomainEvent
from .blotter import Blotter
from .daily_limits import DailyLimits
from .execution_quality import ExecutionQuality
from .reconciliation import Reconciliation
from .runner import Handler, Projection, RecordedEvent, follow

Todo = tuple[tuple[int, Handler], ...]

_SHARING: Final[tuple[type[Projection], ...]] = (DailyLimits, Blotter, Reconciliation)


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


_HANDLERS: Final = _handlers()


class AllViews:
    """All projections, which share their instructions: limits fold them, the others look on.

    The result is that of folding each projection by itself, which tests hold them to.
    """

    def __init__(self) -> None:
        self.limits = DailyLimits()
        self.blotter = Blotter(self.limits.instruction)
        self.reconciliation = Reconciliation()

    def follow(self, records: Iterable[RecordedEvent]) -> int:
        """Bring all forward; gives the last position they have.

        Raises:
            ProjectionStopped: by the first that cannot follow; the others stay where they are.
        """
        limits, blotter, reconciliation = self.limits, self.blotter, self.reconciliation
        known = _HANDLERS.get
        views = (limits, blotter, reconciliation)
        for recorded in records:
            event, position = recorded.event, recorded.position
            todo = known(type(event))
            if todo is None or position != limits.position + 1 or limits.stopped is not None:
                follow(views, [recorded])  # says what is wrong
                continue
            for number, handler in todo:
                try:
                    handler(views[number], event)
                except Exception as error:
                    for ahead in views[:number]:
                        ahead.position, ahead.head_hash = position, recorded.hash
                    raise views[number].stop(position, error) from error
            limits.position = blotter.position = reconciliation.position = position
            limits.head_hash = blotter.head_hash = reconciliation.head_hash = recorded.hash
        return limits.position

    def projections(self) -> list[Projection]:
        """All of them at the same position."""
        quality = ExecutionQuality.of(self.blotter)
        return [self.limits, self.blotter, quality, self.reconciliation]
