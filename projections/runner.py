"""How a projection follows the log: gapless, in order, and never past what it does not know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from ..domain.errors import FillwrightError
from ..domain.events import DomainEvent
from .canonical import canonical_bytes, from_canonical, to_json

DIFFERENCES_MAX: Final = 1_000
"""How many differences :func:`compare` lists before it stops looking."""
ABSENT: Final = "(absent)"
"""Stands for a value that one of two compared states does not have."""


class RecordedEvent(Protocol):
    """An event as the log gives it: its 1-based gapless position and its link of the chain."""

    @property
    def position(self) -> int:
        """Where it stands in the log, counted from 1."""
        ...

    @property
    def event(self) -> DomainEvent:
        """The event itself."""
        ...

    @property
    def hash(self) -> bytes:
        """The hash of the chain up to and including this event."""
        ...


class Recorded(NamedTuple):
    """The plainest :class:`RecordedEvent`."""

    position: int
    event: DomainEvent
    hash: bytes = b""


class ProjectionStopped(FillwrightError):
    """A projection cannot follow the log; it stays at the position before ``position``.

    ``cause`` is the exception that stopped it: a gap, an unknown event or a broken invariant.
    """

    def __init__(self, name: str, position: int, cause: Exception) -> None:
        super().__init__(f"projection {name} stopped at position {position}: {cause}")
        self.name = name
        self.position = position
        self.cause = cause


class GapInLog(FillwrightError):
    """The next position is not the one after the last."""


class UnknownEvent(FillwrightError):
    """An event class that this projection was not written for."""


History: TypeAlias = Callable[[UUID, int], Iterable[RecordedEvent]]
"""Gives the events of one stream below a version, oldest first, as the log has them."""

VERSION_ABOVE_ALL: Final = 2**63 - 1

Handler: TypeAlias = Callable[[Any, Any], object]
"""Takes the projection and the event; the event's position is ``projection.position + 1``."""


class Projection(ABC):
    """State told from the log and from nothing else.

    A subclass lists every event class it knows: what to do in ``HANDLERS``, what does not concern
    it in ``IGNORED``. ``version`` goes up whenever the same log gives another state. ``position``
    is the last event applied (0: none), ``head_hash`` the chain's hash there as it was told.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    HANDLERS: ClassVar[Mapping[type[DomainEvent], Handler]]
    IGNORED: ClassVar[frozenset[type[DomainEvent]]] = frozenset()

    def __init__(self) -> None:
        self.position = 0
        self.head_hash = b""
        self.stopped: ProjectionStopped | None = None

    @abstractmethod
    def state(self) -> object:
        """The whole state as values that :func:`~.canonical.to_json` knows."""

    def apply(self, recorded: RecordedEvent) -> None:
        """Take in the event at ``position + 1``.

        Raises:
            ProjectionStopped: on a gap, an unknown event class or any error while applying; the
                projection then refuses everything that follows and has to be rebuilt.
        """
        event = recorded.event
        handler = self.HANDLERS.get(type(event))
        if handler is None or self.stopped or recorded.position != self.position + 1:
            self._check(recorded)
        if handler is not None:
            try:
                handler(self, event)
            except Exception as error:
                raise self.stop(recorded.position, error) from error
        self.position = recorded.position
        self.head_hash = recorded.hash

    def _check(self, recorded: RecordedEvent) -> None:
        if self.stopped is not None:
            raise self.stopped
        if recorded.position != self.position + 1:
            gap = GapInLog(f"expected position {self.position + 1}, got {recorded.position}")
            raise self.stop(recorded.position, gap)
        kind = type(recorded.event)
        if kind not in self.HANDLERS and kind not in self.IGNORED:
            raise self.stop(recorded.position, UnknownEvent(f"{kind.__name__} is not known here"))

    def pass_to(self, position: int) -> None:
        """Know that what the log has up to ``position`` is taken in, or not for this view."""
        self.position = max(self.position, position)

    def stop(self, position: int, cause: Exception) -> ProjectionStopped:
        """Refuse everything that follows; gives what to raise."""
        self.stopped = ProjectionStopped(self.name, position, cause)
        return self.stopped

    def to_bytes(self) -> bytes:
        """Canonical JSON of name, version, position and state.

        The chain's hash stays out: a live projection is fed before the hash exists.
        """
        return canonical_bytes(
            {
                "name": self.name,
                "version": self.version,
                "position": self.position,
                "state": self.state(),
            }
        )


def follow(projections: Sequence[Projection], records: Iterable[RecordedEvent]) -> int:
    """Bring every projection forward by ``records``; gives the last position read (0: none).

    Records must be gapless. A projection that is ahead (it was fed before) takes up from its own
    position.

    Raises:
        ProjectionStopped: by the first projection that cannot follow; nothing after that record is
            read, so no view silently runs ahead of another.
    """
    last = 0
    for recorded in records:
        if last and recorded.position != last + 1:
            gap = GapInLog(f"expected position {last + 1}, got {recorded.position}")
            raise ProjectionStopped("follow", recorded.position, gap)
        last = recorded.position
        for projection in projections:
            if last > projection.position or projection.stopped is not None:
                projection.apply(recorded)
    return last


class Difference(NamedTuple):
    """One place where two states disagree; ``path`` is dotted."""

    path: str
    live: object
    rebuilt: object


def compare(live: Projection, rebuilt: Projection) -> tuple[Difference, ...]:
    """Where two instances disagree, by path; empty when their bytes are equal."""
    return compare_bytes(live.to_bytes(), rebuilt.to_bytes())


def compare_bytes(live: bytes, rebuilt: bytes) -> tuple[Difference, ...]:
    """Where two canonical states disagree, at most ``DIFFERENCES_MAX`` of them."""
    if live == rebuilt:
        return ()
    found: list[Difference] = []
    _walk("", from_canonical(live), from_canonical(rebuilt), found)
    return tuple(found[:DIFFERENCES_MAX])


def compare_values(live: object, rebuilt: object) -> tuple[Difference, ...]:
    """Where two values disagree in their canonical form, such as stored counters and rebuilt."""
    found: list[Difference] = []
    _walk("", to_json(live), to_json(rebuilt), found)
    return tuple(found[:DIFFERENCES_MAX])


def _walk(path: str, live: Any, rebuilt: Any, found: list[Difference]) -> None:
    if len(found) >= DIFFERENCES_MAX or (live == rebuilt and type(live) is type(rebuilt)):
        return
    if isinstance(live, dict) and isinstance(rebuilt, dict):
        for key in sorted(live.keys() | rebuilt.keys()):
            inner = f"{path}.{key}" if path else key
            _walk(inner, live.get(key, ABSENT), rebuilt.get(key, ABSENT), found)
    elif isinstance(live, list) and isinstance(rebuilt, list):
        for index in range(max(len(live), len(rebuilt))):
            _walk(f"{path}[{index}]", _item(live, index), _item(rebuilt, index), found)
    else:
        found.append(Difference(path, live, rebuilt))


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else ABSENT
