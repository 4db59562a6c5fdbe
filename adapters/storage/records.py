"""What the log gives back, and why it may refuse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from eventsourcing.persistence import IntegrityError

from ...domain.errors import StoreError

if TYPE_CHECKING:
    from ...domain.events import DomainEvent
    from ...domain.reservations import CounterUpdate


class Appended(NamedTuple):
    """Where an append lies, durably; ``head_hash`` is the chain's hash at ``last_position``.

    Positions count from 1 without gaps. An append of no events has ``first_position`` one above
    ``last_position``.
    """

    first_position: int
    last_position: int
    head_hash: bytes


class Head(NamedTuple):
    """The last position (0 when the log is empty) and the chain's hash there."""

    position: int
    hash: bytes


class Recorded(NamedTuple):
    """An event with its position in the log and the chain's hash there."""

    position: int
    event: DomainEvent
    hash: bytes


class RawRecorded(NamedTuple):
    """A stored event as it lies in the table; ``originator_id`` is hex without hyphens."""

    position: int
    originator_id: str
    originator_version: int
    topic: str
    state: bytes
    hash: bytes

    def as_line(self) -> bytes:
        """It as a line of JSON, its stored bytes as they are; keys in the order of the alphabet."""
        topic = json.dumps(self.topic)
        tail = f',"hash":"{self.hash.hex()}","position":{self.position},"topic":{topic}}}\n'
        return b'{"fields":' + self.state + tail.encode()


LinkedRow = tuple[int, str, int, str, bytes, bytes, bytes | None]
"""The fields of a :class:`RawRecorded` and the hash of the event before it."""


class Encoded(NamedTuple):
    """An event on its way into the table."""

    originator_id: UUID
    originator_version: int
    topic: str
    state: bytes


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What checking the chain found.

    ``count`` events are as they were written. ``first_bad_position`` is the first position that is
    not, and ``what`` says how; both are empty when ``ok``.
    """

    ok: bool
    count: int
    first_bad_position: int | None = None
    what: str = ""


class CounterExceeded(StoreError):
    """A counter would pass its cap; nothing of the append was written.

    All numbers are millionths (see ``domain.reservations.CounterUpdate``); ``used`` is before the
    append.
    """

    def __init__(self, key: str, used: int, asked: int, cap: int) -> None:
        super().__init__(f"counter {key}: {used} used and {asked} asked are over the cap of {cap}")
        self.key = key
        self.used = used
        self.asked = asked
        self.cap = cap


class Conflict(StoreError, IntegrityError):
    """An event with this originator and version is stored already; nothing was written.

    The aggregate that made the events is stale: load it anew.
    """


class Collectable(Protocol):
    """An aggregate: gives its pending events once, oldest first."""

    def collect_events(self) -> Sequence[DomainEvent]:
        """Take the pending events; a second call gives none."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One append among several: all of its events and counters are written, or none."""

    aggregates: Sequence[Collectable] = ()
    counters: Sequence[CounterUpdate] = ()


def is_of(account: str, key: str) -> bool:
    """Whether a counter is an account's (see ``domain.reservations.counter_keys``)."""
    return key.partition(":")[2].startswith(f"{account}:")
