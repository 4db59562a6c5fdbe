"""What a report is made from: a store read once, at one position of its log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from ...domain import events as e
from ...domain.errors import InvalidInput
from ...projections.daily_limits import DailyLimits
from ...projections.reconciliation import Reconciliation
from ...projections.runner import follow
from ...projections.tca.log_rows import TcaRows
from ..as_of import AsOf
from ..captured_segments import segments_beside
from ..storage.log import Log
from ..tca_inputs import LogTables, tables_of_rows

SIMULATED: Final = "simulated"
"""What a log calls the simulated exchange."""


class EventRef(NamedTuple):
    """An event that a figure came from: where it is in the log, what it is, the chain's hash."""

    position: int
    topic: str
    hash: str


@dataclass(frozen=True, slots=True)
class Source:
    """Everything told from one store at one position.

    ``events`` names by instruction id its events in the log; ``last_at`` is the record time of the
    last one (ns UTC).
    """

    store: str
    logged: LogTables
    book: TcaRows
    limits: DailyLimits
    reconciliation: Reconciliation
    events: Mapping[str, tuple[EventRef, ...]]
    broker: str
    last_at: int

    @property
    def simulated(self) -> bool:
        """Whether it was traded on the simulated exchange."""
        return self.broker == SIMULATED


Progress = Callable[[int, int], object]
"""Takes how many of how many are done."""
EVENTS_BETWEEN: Final = 5_000
"""Events read between two words on progress."""


def silent(done: int, whole: int) -> None:
    """Nobody is told."""


def read_source(store: str, *, position: int | None = None, progress: Progress = silent) -> Source:
    """Read a store up to a position, by default its head now.

    Raises:
        StoreError: it cannot be read.
        InvalidInput: it has no such position.
    """
    folder = segments_beside(store)
    with Log.open(store, writer=False) as log:
        return read_log(log, store, folder, position, progress)


def read_log(
    log: Log,
    store: str,
    folder: Path | None,
    position: int | None = None,
    progress: Progress = silent,
) -> Source:
    """Read an open log; see :func:`read_source`."""
    head = log.head().position
    if position is not None and not 0 <= position <= head:
        raise InvalidInput("position", position, f"0 to {head}, the log's head")
    rows, limits, reconciliation = TcaRows(), DailyLimits(), Reconciliation()
    projections = [rows, limits, reconciliation]
    refs: dict[str, list[EventRef]] = {}
    broker, last_at = "", 0
    upto = head if position is None else position
    for recorded in log.events(upto=upto):
        if recorded.position % EVENTS_BETWEEN == 0:
            progress(recorded.position, upto)
        follow(projections, [recorded])
        event = recorded.event
        last_at = event.record_time
        ref = EventRef(recorded.position, event.stored_topic(), recorded.hash.hex())
        refs.setdefault(str(event.originator_id), []).append(ref)
        if isinstance(event, e.EngineStarted):
            broker = event.broker
    return Source(
        store,
        tables_of_rows(rows, folder),
        rows,
        limits,
        reconciliation,
        {id: tuple(found) for id, found in refs.items()},
        broker,
        last_at,
    )


def position_at(store: str, as_of: AsOf) -> int:
    """The last position of a store at a moment.

    Raises:
        InvalidInput: the log has no event by then, or no such position.
        StoreError: it cannot be read.
    """
    with Log.open(store, writer=False) as log:
        head = log.head().position
        if as_of.position is not None:
            last = as_of.position
        else:
            last = 0
            for recorded in as_of.upto(log.events(upto=head)):
                last = recorded.position
    if not 1 <= last <= head:
        asked = as_of.position if as_of.position is not None else as_of.time
        raise InvalidInput("as_of", asked, f"positions 1 to {head}, or a time from the first on")
    return last
