"""The second stream of a store: records of what was done with the log, with a chain of their own.

Any process may append, beside the engine that holds the writer's lock: each append is one short
transaction that reads the stream's head inside it (ruling 24), and moves nothing of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from ...domain.errors import StoreDamaged, StoreNewer
from ...domain.events.upcasting import split_topic
from ...domain.ops.base import OPS_UPCASTERS, OpsRecord, latest
from ..closing import Closing
from .chain import GENESIS, link
from .codec import Codec
from .log import Log
from .ops_place import OPS_TABLE, Execute, StreamPlace, memory_place, open_place
from .records import Appended, Conflict, Head, RawRecorded, VerifyResult
from .verification import PAGE, verify_chain

OPS_ORIGINATOR: Final = UUID("8f1d2c3a-0f6e-5b7c-9a54-6f7073000001")
"""Stands where an event's originator stands in the chain; the version there is the position."""

_HEAD: Final = f"SELECT position, hash FROM {OPS_TABLE} ORDER BY position DESC LIMIT 1"
_PAGE: Final = (
    f"SELECT position, topic, state, hash FROM {OPS_TABLE} "
    "WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
)
_ANY: Final = f"SELECT position FROM {OPS_TABLE} WHERE topic LIKE ? LIMIT 1"
_INSERT: Final = f"INSERT INTO {OPS_TABLE} (position, topic, hash, state) VALUES (?, ?, ?, ?)"


class OpsRecorded(NamedTuple):
    """A record with its position in the second stream and that chain's hash there."""

    position: int
    record: OpsRecord
    hash: bytes


class OpsLog(Closing):
    """An append-only stream of :class:`OpsRecord` beside a store's log.

    Use :meth:`open` for a store by its URL, or :meth:`of` for a log that is open (the only way for
    one in memory). All methods may be called from any thread.
    """

    def __init__(self, place: StreamPlace) -> None:
        self.name = place.name
        self._place = place

    @classmethod
    def open(cls, url: str | Path, *, writer: bool = True) -> OpsLog:
        """Open the second stream of a store that exists; takes no lock.

        Raises:
            StoreError: there is no store, it is not one, or it cannot be opened.
        """
        return cls(open_place(url, writer=writer))

    @classmethod
    def of(cls, log: Log) -> OpsLog:
        """The second stream of an open log; opened anew, writable as the log is."""
        if log.in_memory:
            return cls(memory_place(log.application.log_recorder))
        return cls.open(log.url, writer=log.is_writer)

    # -- writing -------------------------------------------------------------------------------

    def append(self, *records: OpsRecord, expected: int | None = None) -> Appended:
        """Write the records, all or none, durably; they follow whatever is last by then.

        With ``expected`` they follow the record at that position or are not written.

        Raises:
            Conflict: another record came after ``expected``.
            StoreError: a record has no canonical form, or the store cannot be written.
        """
        encoded = [(one.stored_topic(), _codec(type(one)).encode(one)) for one in records]
        came_first = 0

        def write(execute: Execute) -> Appended | None:
            nonlocal came_first
            rows = execute(_HEAD, ())
            position, previous = rows[0] if rows else (0, GENESIS)
            if expected is not None and position != expected:
                came_first = position
                return None
            first = position + 1
            for topic, state in encoded:
                position += 1
                previous = _link(previous, position, topic, state)
                execute(_INSERT, (position, topic, previous, state))
            return Appended(first, position, previous)

        placed = self._place.append(write)
        if placed is None:
            raise Conflict(f"{self.name}: record {came_first} came after record {expected}")
        return placed

    # -- reading -------------------------------------------------------------------------------

    def head(self) -> Head:
        """The last position and the hash there; 0 and 32 zero bytes before the first record."""
        rows = self._fetch(_HEAD)
        return Head(*rows[0]) if rows else Head(0, GENESIS)

    def records(
        self, after: int = 0, upto: int | None = None, topics: Collection[str] | None = None
    ) -> Iterator[OpsRecorded]:
        """Decoded records with ``after`` < position <= ``upto``, in order.

        ``topics`` picks some by name, whatever their version.

        Raises:
            StoreNewer, StoreDamaged: a record cannot be decoded; its position is named.
        """
        for raw in self.raw_events(after, upto):
            if topics is not None and split_topic(raw.topic)[0] not in topics:
                continue
            record = decode_record(raw.topic, raw.state, raw.position)
            yield OpsRecorded(raw.position, record, raw.hash)

    def raw_events(
        self, after: int = 0, upto: int | None = None, batch: int = PAGE
    ) -> Iterator[RawRecorded]:
        """Records as they lie in the table, in the shape in which verification reads a log."""
        last = 2**63 - 1 if upto is None else upto
        while True:
            page = self._fetch(_PAGE, (after, last, batch))
            for position, topic, state, hash in page:
                yield RawRecorded(position, OPS_ORIGINATOR.hex, position, topic, state, hash)
            if len(page) < batch:
                return
            after = page[-1][0]

    def has(self, topic: str) -> bool:
        """Whether a record of this name is there, of any version."""
        return bool(self._fetch(_ANY, (f"{topic}.v%",)))

    def first_misplaced(self, upto: int) -> tuple[int, str] | None:
        """There is one stream only: nothing can be filed under another."""
        return None

    def verify(self, progress: Callable[[int, int], None] | None = None) -> VerifyResult:
        """Recompute the stream's chain; see ``Log.verify``."""
        return verify_chain(self, progress)

    def _fetch(self, statement: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        return self._place.fetch(statement, parameters)

    def close(self) -> None:
        """Let go of the store; a second call does nothing."""
        self._place.close()


def encode_record(record: OpsRecord) -> bytes:
    """The record's canonical bytes, as they are stored."""
    return _codec(type(record)).encode(record)


def decode_record(topic: str, state: bytes, position: int | None = None) -> OpsRecord:
    """The record that was stored; ``position`` is only for messages.

    Raises:
        StoreNewer: this code does not know the topic or its version.
        StoreDamaged: the bytes are not a record of that topic.
    """
    where = "a record" if position is None else f"the record at position {position}"
    try:
        name, version = split_topic(topic)
        record_class = latest(name)
        if record_class is None or version > record_class.VERSION:
            raise StoreNewer(
                f"{where} of the second stream is {topic}, which this version does not know. "
                "Open it with the version of fillwright that wrote it, or a later one"
            )
        if version < record_class.VERSION:
            fields: dict[str, Any] = from_json(state)
            for step in range(version, record_class.VERSION):
                fields = OPS_UPCASTERS[name, step](fields)
            state = to_json(fields)
        return _codec(record_class).decode(state)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise StoreDamaged(
            f"{where} of the second stream is not what was written ({topic}): {error}"
        ) from error


_codecs: Final[dict[type[OpsRecord], Codec[OpsRecord]]] = {}


def _codec(record_class: type[OpsRecord]) -> Codec[OpsRecord]:
    codec = _codecs.get(record_class)
    if codec is None:
        codec = _codecs[record_class] = Codec(record_class)
    return codec


def _link(previous: bytes, position: int, topic: str, state: bytes) -> bytes:
    return link(previous, position, OPS_ORIGINATOR.bytes, position, topic, state)
