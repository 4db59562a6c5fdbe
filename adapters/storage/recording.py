"""What both recorders share: the library's way in and out, over jobs, group commit and reads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, Notification, StoredEvent

from ...domain.errors import StoreError
from .appending import Outcome, give
from .chain import GENESIS
from .group_commit import GroupCommit, WriteJob
from .records import Encoded, Head
from .schema import EVENTS_TABLE
from .watch import HasSocket

VERSION_MAX: Final = 2**63 - 1

SELECT_HEAD: Final = f"SELECT position, hash FROM {EVENTS_TABLE} ORDER BY position DESC LIMIT 1"
COLUMNS: Final = "position, originator_id, originator_version, topic, state, hash"
BATCH: Final = 500  # more cost more: the memory of a page is given back and fetched again
SELECT_PAGE: Final = (
    f"SELECT {COLUMNS} FROM {EVENTS_TABLE} WHERE position > ? AND position <= ? "
    "ORDER BY position LIMIT ?"
)
SELECT_PART: Final = (
    "SELECT a.position, a.originator_id, a.originator_version, a.topic, a.state, a.hash, b.hash "
    f"FROM {EVENTS_TABLE} AS a LEFT JOIN {EVENTS_TABLE} AS b ON b.position = a.position - 1 "
    "WHERE a.position > ? AND a.position <= ? "
    "AND ifnull(unicode(substr(a.originator_id, -1)), 0) % ? = ? ORDER BY a.position"
)
IN_STREAM: Final = f"""stream = (
  SELECT position FROM {EVENTS_TABLE} WHERE originator_id = ? AND originator_version = 1
)"""

SELECT_MISFILED: Final = f"""
SELECT e.position FROM {EVENTS_TABLE} AS e
LEFT JOIN {EVENTS_TABLE} AS f ON f.position = e.stream
WHERE e.position <= ? AND (
  f.position IS NULL OR f.originator_id <> e.originator_id OR f.originator_version <> 1
) ORDER BY e.position LIMIT 1"""


class Sender(Protocol):
    """Writes without waiting: what was sent is answered later, and in its order.

    Whoever writes in another way waits first until all that was sent is settled.
    """

    closed: Callable[[HasSocket], None]
    """Is called when a connection was closed."""

    calls: Callable[[], None]
    """Is called, on any thread, where whoever settled was interrupted: :meth:`finish_sent`."""

    @property
    def under_way(self) -> int:
        """How many times was sent what is not settled yet."""
        ...

    @property
    def is_stuck(self) -> bool:
        """Whether what was sent needs somebody who waits: :meth:`finish_sent`."""
        ...

    def send(self, jobs: Sequence[WriteJob], told: Callable[[], None]) -> HasSocket | None:
        """Send jobs; gives the connection that answers, None where they cannot be sent.

        ``told`` is called, on any thread and at least once, when each has a result or an error.
        """
        ...

    def holds(self, jobs: Sequence[WriteJob]) -> bool:
        """Whether these are under way."""
        ...

    def receive(self) -> bool:
        """Take what was answered, when the socket can be read; whether to watch it further."""
        ...

    def finish_sent(self) -> None:
        """Return when all that was sent has a result or an error."""
        ...


class ChainedRecorder(ApplicationRecorder):
    """Appends to the chained log; durable when a call returns.

    ``on_boundary`` is called with ``store:before`` and ``store:after`` around each commit, in the
    thread that writes. What it raises reaches the callers whose jobs are in that commit.
    Statements are written with ``?`` for parameters and use only what both databases understand.
    """

    store: str
    on_boundary: Callable[[str], None] | None
    sender: Sender | None = None
    _group: GroupCommit

    def _prepare_to_write(self, store: str) -> None:
        self.store = store
        self.on_boundary = None
        self._group = GroupCommit(self._write)

    @property
    @abstractmethod
    def in_memory(self) -> bool:
        """Whether the log ends with this process, and no other can open it."""

    @abstractmethod
    def commit_jobs(self, jobs: Sequence[WriteJob]) -> list[Outcome]:
        """Write jobs in one durable transaction; called by one thread at a time.

        Raises:
            StoreError: none of them is written, or the message says that it is unknown.
        """

    @abstractmethod
    def fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Rows of a read of its own; raises StoreError when it cannot be read."""

    @abstractmethod
    def replace_counters(self, counters: Mapping[str, int], account: str | None) -> None:
        """Put counters in the place of all others, or of all others of one account."""

    @abstractmethod
    def check_owner(self) -> None:
        """Check that nobody else can own the account within one request; raises StoreBusy."""

    def first_misplaced(self, upto: int) -> tuple[int, str] | None:
        """The first position that the rest of the store gainsays, and what is wrong there."""
        rows = self.fetch(SELECT_MISFILED, (upto,))
        if rows:
            return rows[0][0], "altered: it is filed under another aggregate than its own"
        return self.head_fault()

    def rows_of(self, account: str, after: int, upto: int) -> Iterator[Any]:
        """Rows of an account's events, and of others' where leaving them out is no gain."""
        while page := self.fetch(SELECT_PAGE, (after, upto, BATCH)):
            yield from page
            after = page[-1][0]

    def head_fault(self) -> tuple[int, str] | None:
        """Where a head that is kept apart from the events differs from the last, and how."""
        return None

    # -- writing -------------------------------------------------------------------------------

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """The library's way in: one job; ``counters`` are taken in the same transaction."""
        if kwargs.get("tracking") is not None:
            raise StoreError("the log keeps no tracking records; projections keep their own")
        job = WriteJob(
            [Encoded(_uuid(e.originator_id), *_rest(e)) for e in stored_events],
            tuple(kwargs.get("counters", ())),
        )
        self.write_jobs([job])
        placed = job.outcome()
        return list(range(placed.first_position, placed.last_position + 1))

    def write_jobs(self, jobs: Sequence[WriteJob]) -> None:
        """Write jobs, together with those of other callers; each ends with a result or an error."""
        self._group.run(jobs)

    def close(self) -> None:
        """Finish what was accepted and refuse the rest."""
        self._group.close()

    def _write(self, jobs: Sequence[WriteJob]) -> None:
        try:
            if self.on_boundary is not None:
                self.on_boundary("store:before")
            outcomes = self.commit_jobs(jobs)
            if self.on_boundary is not None:
                self.on_boundary("store:after")
        except BaseException as error:
            for job in jobs:
                job.error = error
            return
        give(jobs, outcomes)

    # -- reading -------------------------------------------------------------------------------

    def head(self) -> Head:
        """The last position and the hash there."""
        rows = self.fetch(SELECT_HEAD)
        return Head(*rows[0]) if rows else Head(0, GENESIS)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The library's way of reading one stream."""
        rows = self.fetch(
            "SELECT originator_id, originator_version, topic, state "
            f"FROM {EVENTS_TABLE} WHERE {IN_STREAM} AND originator_version > ? "
            "AND originator_version <= ? "
            f"ORDER BY originator_version {'DESC' if desc else 'ASC'} LIMIT ?",
            (
                _uuid(originator_id).hex,
                0 if gt is None else gt,
                VERSION_MAX if lte is None else lte,
                VERSION_MAX if limit is None else limit,
            ),
        )
        return [StoredEvent(UUID(row[0]), *tuple(row)[1:]) for row in rows]

    def max_notification_id(self) -> int:
        """The last position, 0 when the log is empty."""
        return self.head().position

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The library's way of reading the log in order of position."""
        conditions: list[str] = []
        parameters: list[object] = []
        if start is not None:
            conditions.append("position >= ?" if inclusive_of_start else "position > ?")
            parameters.append(start)
        if stop is not None:
            conditions.append("position <= ?")
            parameters.append(stop)
        if topics:
            conditions.append(f"topic IN ({','.join('?' * len(topics))})")
            parameters.extend(topics)
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        rows = self.fetch(
            "SELECT originator_id, originator_version, topic, state, position "
            f"FROM {EVENTS_TABLE} {where}ORDER BY position LIMIT ?",
            (*parameters, limit),
        )
        return [Notification(UUID(row[0]), *tuple(row)[1:]) for row in rows]


def _uuid(originator_id: UUID | str) -> UUID:
    return originator_id if isinstance(originator_id, UUID) else UUID(originator_id)


def _rest(event: StoredEvent) -> tuple[int, str, bytes]:
    return event.originator_version, event.topic, event.state
