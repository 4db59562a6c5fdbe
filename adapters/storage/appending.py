"""What one transaction writes: counters, then events in the order of the chain.

Each job is taken whole or not at all. A job whose events do not follow what is stored is a
:class:`Conflict`, a job over a cap :class:`CounterExceeded`; neither disturbs the others. Both
databases share this; how each reads and writes is theirs (:class:`Transaction`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from ...domain.errors import StoreError
from ...domain.reservations import CounterUpdate
from .chain import link
from .group_commit import WriteJob
from .records import Appended, Conflict, CounterExceeded, Encoded, Head

STREAMS_REMEMBERED_MAX: Final = 100_000

Outcome = Appended | StoreError


class Stream(NamedTuple):
    """A stream as far as it is known: its first position and its last version."""

    first: int
    version: int


NO_STREAM: Final = Stream(0, 0)
Streams = dict[int, Stream]
"""By the integer of the originator's id, which hashes faster than the id."""


class Transaction(Protocol):
    """What gathering asks of an open transaction of a database."""

    def stream(self, originator_id: UUID) -> Stream:
        """The stream as it is stored; :data:`NO_STREAM` when nothing is."""
        ...

    def count(self, counters: Sequence[CounterUpdate]) -> CounterExceeded | StoreError | None:
        """Take all counters or none; gives what refused."""
        ...


class Gathered(NamedTuple):
    """What a transaction is to write, and what its jobs get when it is committed.

    ``values`` are the columns of the events one after the other, in the table's order.
    """

    values: list[object]
    head: Head
    streams: Streams
    outcomes: list[Outcome]


def give(jobs: Sequence[WriteJob], outcomes: Sequence[Outcome]) -> None:
    """Give each job what became of it."""
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, Appended):
            job.result = outcome
        else:
            job.error = outcome


class RememberedStreams:
    """The last version of each stream that this process has written, so as not to look it up."""

    def __init__(self) -> None:
        self._streams: Streams = {}

    def get(self, key: int) -> Stream | None:
        """What is remembered of a stream."""
        return self._streams.get(key)

    def clear(self) -> None:
        """Forget everything: another process may have added to any of them."""
        self._streams.clear()

    def update(self, streams: Streams) -> None:
        """Remember what was committed."""
        if len(self._streams) > STREAMS_REMEMBERED_MAX:
            self._streams.clear()
        self._streams.update(streams)


def gather(
    transaction: Transaction,
    head: Head,
    jobs: Sequence[WriteJob],
    remembered: RememberedStreams,
    *,
    look_up: bool,
) -> Gathered:
    """Chain the events of all jobs that may be written, and take their counters.

    With ``look_up`` nothing remembered is believed, and a first version is looked up too.
    """
    values: list[object] = []
    streams: Streams = {}
    outcomes: list[Outcome] = []
    for job in jobs:
        first = head.position + 1
        reached = _follow(transaction, first, job.events, streams, remembered, look_up=look_up)
        if isinstance(reached, Conflict):
            outcomes.append(reached)
            continue
        refused = transaction.count(job.counters) if job.counters else None
        if refused is not None:
            outcomes.append(refused)
            continue
        streams.update(reached)
        head = _extend(values, head, job.events, streams)
        outcomes.append(Appended(first, head.position, head.hash))
    return Gathered(values, head, streams, outcomes)


def _follow(
    transaction: Transaction,
    position: int,
    events: Sequence[Encoded],
    streams: Streams,
    remembered: RememberedStreams,
    *,
    look_up: bool,
) -> Streams | Conflict:
    """What a job brings its streams to from ``position`` on, if it follows what is stored.

    A gap is a conflict as well: it is what an aggregate leaves that goes on after an append of
    its events has failed.
    """
    reached: Streams = {}
    for event in events:
        key, version = event.originator_id.int, event.originator_version
        last = reached.get(key) or streams.get(key)
        if last is None and not look_up:
            last = remembered.get(key) or (NO_STREAM if version == 1 else None)
        # What is remembered may be behind another process' control record.
        if last is None or (version > last.version + 1 and key not in reached):
            last = transaction.stream(event.originator_id)
        if version != last.version + 1:
            return Conflict(
                f"version {version} of {event.originator_id} does not follow the stored "
                f"version {last.version}; nothing was written. Load it anew and decide again"
            )
        reached[key] = Stream(last.first or position, version)
        position += 1
    return reached


def _extend(values: list[object], head: Head, events: Sequence[Encoded], streams: Streams) -> Head:
    """Add the events' columns to ``values`` and the events to the chain."""
    position, previous = head
    for originator, version, topic, state in events:
        position += 1
        previous = link(previous, position, originator.bytes, version, topic, state)
        first = streams[originator.int].first
        values += (position, first, originator.hex, version, topic, previous, state)
    return Head(position, previous)


def past_64_bits(key: str, amount: int, why: str) -> StoreError:
    """What to say of a counter that would leave the range of 64 bits."""
    return StoreError(f"counter {key}: {amount} more is past what 64 bits hold ({why})")
