"""Live progress of a run on stderr: simulated time, instructions done and working, fills."""

from __future__ import annotations

import time
from typing import Final, Protocol, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from ...domain import events as e
from ...domain.ports import NANOS, Session
from ...projections.rendering import clock
from ..closing import Closing
from ..engine import Engine
from .output import stderr

SECONDS_BETWEEN_DRAWINGS: Final = 0.05


class Watched(Protocol):
    """A run whose progress can be drawn."""

    @property
    def engine(self) -> Engine:
        """The engine that works it."""
        ...

    @property
    def session(self) -> Session:
        """The session it is of."""
        ...


class RunProgress(Closing):
    """Draws how far a run of ``total`` decisions is, as its events are recorded."""

    def __init__(self, simulation: Watched, total: int, *, enabled: bool) -> None:
        self._session = simulation.session
        self._desk = simulation.engine.desk
        self._total = total
        self._fills = sum(
            len(order.executions)
            for instruction in self._desk.instructions.values()
            for order in instruction.orders.values()
        )
        self._drawn_at = 0.0
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[clock]}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            console=stderr(),
            transient=False,
            disable=not enabled,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        length = (self._session.close - self._session.open) // NANOS
        self._task = self._progress.add_task("", total=length, clock="", counts="")
        self._draw(self._session.open)
        return self

    def close(self) -> None:
        """Leave the drawing as it is."""
        self._progress.stop()

    def __call__(self, event: e.DomainEvent) -> None:
        """Take in one event as it is recorded."""
        if isinstance(event, e.OrderFilled):
            self._fills += 1
        closed = isinstance(event, e.SessionClosed)
        now = time.monotonic()
        if closed or now - self._drawn_at >= SECONDS_BETWEEN_DRAWINGS:
            self._drawn_at = now
            self._draw(self._session.close if closed else event.record_time)

    def _draw(self, at: int) -> None:
        if self._task is not None:
            passed = max(at - self._session.open, 0) // NANOS
            working = len(self._desk.active)
            done = len(self._desk.instructions) - working
            self._progress.update(
                self._task,
                completed=passed,
                clock=f"{self._session.date} {clock(at)}",
                counts=f"{done}/{self._total} done, {working} working, {self._fills} fills",
            )
