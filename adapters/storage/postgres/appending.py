"""One transaction on PostgreSQL, in one round trip or two.

The first locks the head row and reads what the jobs need; whoever holds that row is alone, so caps
are compared here, exactly. The second writes events, counters and head, and commits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from psycopg import Connection, Cursor

from ....domain.errors import StoreBusy, StoreDamaged, StoreError
from ....domain.reservations import CounterUpdate
from ..appending import (
    NO_STREAM,
    Gathered,
    RememberedStreams,
    Stream,
    gather,
    past_64_bits,
)
from ..group_commit import WriteJob
from ..records import Appended, Conflict, CounterExceeded, Head
from ..schema import EVENTS_TABLE
from .direct import DirectStatement, bigint, bigints, byteas, texts

LOCK_HEAD: Final = b"SELECT position, hash FROM head FOR UPDATE"
CHECK_LEASE: Final = b"SELECT epoch FROM leases WHERE account = %s FOR SHARE"
SELECT_USED: Final = b"SELECT key, used FROM counters WHERE key = ANY(%s)"
SELECT_STREAMS: Final = f"""
SELECT f.originator_id, f.position,
  (SELECT max(e.originator_version) FROM {EVENTS_TABLE} AS e WHERE e.stream = f.position)
FROM {EVENTS_TABLE} AS f
WHERE f.originator_id = ANY(%s) AND f.originator_version = 1""".encode()
INSERT_EVENTS: Final = f"""
INSERT INTO {EVENTS_TABLE}
SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::text[], %b::bigint[], %b::text[],
  %b::bytea[], %b::bytea[])""".encode()
INSERT_EVENT: Final = (
    f"INSERT INTO {EVENTS_TABLE} VALUES (%b::bigint, %b::bigint, %b, %b::bigint, %b, %b, %b)"
).encode()
WRITE_COUNTERS: Final = b"""
INSERT INTO counters SELECT * FROM unnest(%b::text[], %b::bigint[])
ON CONFLICT (key) DO UPDATE SET used = excluded.used"""
MOVE_HEAD: Final = b"UPDATE head SET position = %b::bigint, hash = %b"

# All in one statement, which is one round trip and its own transaction: it writes nothing when the
# head is not what it was, or the account was taken.
_MOVED: Final = """
moved AS (
  UPDATE head SET position = $1::bigint, hash = $2
  WHERE position = $3::bigint AND hash = $4 {fence}
  RETURNING 1
)"""
_MANY: Final = f"""
INSERT INTO {EVENTS_TABLE}
SELECT e.* FROM unnest($5::bigint[], $6::bigint[], $7::text[], $8::bigint[], $9::text[],
  $10::bytea[], $11::bytea[]) AS e
WHERE EXISTS (SELECT 1 FROM moved)"""
# The lone caller's: planning a set of arrays takes the server longer than writing one row.
_ONE: Final = f"""
INSERT INTO {EVENTS_TABLE}
SELECT $5::bigint, $6::bigint, $7::text, $8::bigint, $9::text, $10::bytea, $11::bytea FROM moved"""
_OPEN: Final = "WITH" + _MOVED.format(fence="")
_FENCED: Final = (
    "WITH lease AS (SELECT epoch FROM leases WHERE account = $12 FOR SHARE),"
    + _MOVED.format(fence="AND (SELECT epoch FROM lease) = $13::bigint")
)
_HEAD_TYPES: Final = ("bigint", "bytea", "bigint", "bytea")
_EVENT_TYPES: Final = ("bigint", "bigint", "text", "bigint", "text", "bytea", "bytea")
_FENCE_TYPES: Final = ("text", "bigint")

_COLUMNS: Final = 7
_Row = tuple[int, int, str, int, str, bytes, bytes]
_INT64: Final = 2**63


class Prepared(NamedTuple):
    """What is to be written: the events gathered, and counters as they become.

    ``at`` is the head that they follow if nobody was asked yet; None when a transaction holds it.
    """

    gathered: Gathered
    counters: Mapping[str, int]
    at: Head | None = None

    @property
    def events(self) -> int:
        """How many events."""
        return len(self.gathered.values) // _COLUMNS

    @property
    def conflicts(self) -> bool:
        """Whether events of a job are stored already, or do not follow what is."""
        return any(isinstance(one, Conflict) for one in self.gathered.outcomes)


class HeadMovedError(Exception):
    """Another process has appended since this one did; nothing was written."""


class Fence:
    """The ownership under which a writer appends: which account, and since which epoch."""

    def __init__(self, account: str, epoch: int) -> None:
        self.account = account
        self.epoch = epoch


class PostgresAppender:
    """Appends jobs inside transactions of its own; used by one thread at a time."""

    def __init__(self, store: str, fence: Fence | None) -> None:
        self._store = store
        self._fence = fence
        self._remembered = RememberedStreams()
        self._known: Head | None = None
        self._fence_values: tuple[bytes, ...] = ()
        moved, fence_types = _OPEN, tuple[str, ...]()
        if fence is not None:
            moved, fence_types = _FENCED, _FENCE_TYPES
            self._fence_values = (fence.account.encode(), bigint(fence.epoch))
        one = (*_HEAD_TYPES, *_EVENT_TYPES, *fence_types)
        many = (*_HEAD_TYPES, *(f"{kind}[]" for kind in _EVENT_TYPES), *fence_types)
        self._one = DirectStatement("fillwright_one", moved + _ONE, one)
        self._many = DirectStatement("fillwright_many", moved + _MANY, many)

    def begin(self, connection: Connection[Any], jobs: Sequence[WriteJob]) -> Prepared:
        """Chain what may be written, in a transaction that holds the head where one is needed.

        Raises:
            StoreBusy: another process owns the account by now.
            psycopg.Error: nothing was written.
        """
        keys, unknown = self._asked_of(jobs)
        known = None if keys or unknown else self._gathered_at_once(connection, jobs)
        if known is not None:
            return known
        with connection.pipeline() as pipeline:
            connection.execute(b"BEGIN")
            locked = connection.execute(LOCK_HEAD)
            lease = self._asked_lease(connection)
            used = connection.execute(SELECT_USED, (keys,)) if keys else None
            streams = connection.execute(SELECT_STREAMS, (unknown,)) if unknown else None
            # Before a sync the server takes a client that is silent for one that is at work.
            pipeline.sync()
            row = locked.fetchone()
            self._check_lease(lease)
            opened = _Opened(connection, used, streams)
        if row is None:
            raise StoreDamaged(f"{self._store}: its head is missing. Go back to the last good copy")
        head = Head(*row)
        moved = head != self._known
        if moved:
            self._remembered.clear()
            opened.look_up(self._unknown(jobs, everything=True))
        gathered = gather(opened, head, jobs, self._remembered, look_up=moved)
        return Prepared(gathered, opened.changed)

    def prepare_at_once(
        self, connection: Connection[Any], jobs: Sequence[WriteJob]
    ) -> Prepared | None:
        """Chain jobs without asking the server; None where it has to be asked first."""
        if any(self._asked_of(jobs)):
            return None
        prepared = self._gathered_at_once(connection, jobs)
        if prepared is None or not self._statement(prepared).is_ready(connection):
            return None
        return prepared

    def send(self, connection: Connection[Any], prepared: Prepared) -> None:
        """Send what was chained at once; whatever is chained next follows it.

        If it turns out not to be written, :meth:`forget` has to be called.

        Raises:
            psycopg.Error: the connection was lost.
        """
        self._statement(prepared).send(connection, self._parameters(prepared))
        self._remember(prepared)

    def _gathered_at_once(
        self, connection: Connection[Any], jobs: Sequence[WriteJob]
    ) -> Prepared | None:
        if self._known is None:
            return None
        opened = _Opened(connection, None, None)
        gathered = gather(opened, self._known, jobs, self._remembered, look_up=False)
        # What would be refused by memory alone has to be looked up.
        if gathered.values and all(isinstance(one, Appended) for one in gathered.outcomes):
            return Prepared(gathered, {}, self._known)
        return None

    def finish(self, connection: Connection[Any], prepared: Prepared) -> None:
        """Write what was gathered and commit it; afterwards it is on disk.

        Raises:
            HeadMovedError: it has to be prepared anew.
            psycopg.Error: nothing was written, unless the connection was lost.
        """
        gathered, counters, at = prepared
        if at is not None:
            statement = self._statement(prepared)
            if statement.execute(connection, self._parameters(prepared)) != prepared.events:
                raise HeadMovedError
            self._remember(prepared)
            return
        values = gathered.values
        with connection.pipeline():
            if len(values) == _COLUMNS:
                connection.execute(INSERT_EVENT, values)
            elif values:
                connection.execute(INSERT_EVENTS, [values[i::_COLUMNS] for i in range(_COLUMNS)])
            if counters:
                keys, amounts = zip(*sorted(counters.items()), strict=True)
                connection.execute(WRITE_COUNTERS, (list(keys), list(amounts)))
            if values:
                connection.execute(MOVE_HEAD, gathered.head)
            connection.execute(b"COMMIT")
        self._remember(prepared)

    def _statement(self, prepared: Prepared) -> DirectStatement:
        return self._one if prepared.events == 1 else self._many

    def _parameters(self, prepared: Prepared) -> tuple[bytes, ...]:
        gathered, _, at = prepared
        assert at is not None
        head = gathered.head
        events = _one_event if prepared.events == 1 else _many_events
        return (
            *(bigint(head.position), head.hash, bigint(at.position), at.hash),
            *(*events(gathered.values), *self._fence_values),
        )

    def _remember(self, prepared: Prepared) -> None:
        self._known = prepared.gathered.head
        self._remembered.update(prepared.gathered.streams)

    def forget(self) -> None:
        """Believe nothing of what was remembered."""
        self._known = None
        self._remembered.clear()

    def _asked_lease(self, connection: Connection[Any]) -> Cursor[Any] | None:
        if self._fence is None:
            return None
        return connection.execute(CHECK_LEASE, (self._fence.account,))

    def _check_lease(self, asked: Cursor[Any] | None) -> None:
        if asked is None or self._fence is None:
            return
        row = asked.fetchone()
        if row is None or row[0] != self._fence.epoch:
            raise StoreBusy(
                f"{self._store}: another process owns the account {self._fence.account} by now. "
                "This one must not go on: end it, and start it again to wait for its turn"
            )

    def _asked_of(self, jobs: Sequence[WriteJob]) -> tuple[list[str], list[str]]:
        """The keys of counters, and the streams, that the server has to be asked for."""
        keys = sorted({update.key for job in jobs for update in job.counters})
        return keys, self._unknown(jobs, everything=False)

    def _unknown(self, jobs: Sequence[WriteJob], *, everything: bool) -> list[str]:
        """The streams to look up: those that go on and are not remembered."""
        return sorted(
            {
                event.originator_id.hex
                for job in jobs
                for event in job.events
                if everything
                or (
                    event.originator_version != 1
                    and self._remembered.get(event.originator_id.int) is None
                )
            }
        )


def _one_event(values: Sequence[object]) -> tuple[bytes, ...]:
    """The columns of one event, as the server stores them."""
    position, stream, originator, version, topic, hash, state = cast(_Row, values)
    return (
        *(bigint(position), bigint(stream), originator.encode(), bigint(version)),
        *(topic.encode(), hash, state),
    )


def _many_events(values: Sequence[object]) -> tuple[bytes, ...]:
    """The columns of several events, each an array as the server stores it."""
    columns: Any = [values[i::_COLUMNS] for i in range(_COLUMNS)]
    return tuple(make(column) for make, column in zip(_ARRAYS, columns, strict=True))


_ARRAYS: Final[tuple[Callable[[Any], bytes], ...]] = (
    *(bigints, bigints, texts, bigints, texts),
    *(byteas, byteas),
)


class _Opened:
    """A transaction that holds the head, with what it has read."""

    def __init__(
        self,
        connection: Connection[Any],
        used: Cursor[Any] | None,
        streams: Cursor[Any] | None,
    ) -> None:
        self._connection = connection
        self._used: dict[str, int] = dict(used.fetchall()) if used else {}
        self._streams: dict[str, Stream] = {}
        self.changed: dict[str, int] = {}
        if streams is not None:
            self._take(streams)

    def look_up(self, originator_ids: Sequence[str]) -> None:
        """Read streams as they are stored."""
        missing = [id for id in originator_ids if id not in self._streams]
        if missing:
            self._take(self._connection.execute(SELECT_STREAMS, (missing,)))

    def _take(self, found: Cursor[Any]) -> None:
        self._streams.update((id, Stream(first, version)) for id, first, version in found)

    def stream(self, originator_id: UUID) -> Stream:
        return self._streams.get(originator_id.hex, NO_STREAM)

    def count(self, counters: Sequence[CounterUpdate]) -> CounterExceeded | StoreError | None:
        """Take all counters or none; gives what refused."""
        taken: dict[str, int] = {}
        for update in counters:
            key, amount, cap = update.key, update.amount_micro, update.cap_micro
            used = taken.get(key, self.changed.get(key, self._used.get(key, 0)))
            if cap is not None and used + amount > cap:
                return CounterExceeded(key, used, amount, cap)
            if not -_INT64 <= used + amount < _INT64:
                return past_64_bits(key, amount, f"{used} used")
            taken[key] = used + amount
        self.changed.update(taken)
        return None
