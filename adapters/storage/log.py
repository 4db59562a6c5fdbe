"""The log: append durably, read in order, check the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from ...domain.errors import StoreDamaged, StoreError
from ...domain.events import DomainEvent
from ...domain.reservations import CounterUpdate
from ..closing import Closing
from .application import LogApplication
from .committer import Committer
from .filelock import FileLock
from .group_commit import WriteJob
from .location import is_postgres, parse_location
from .ownership import DEFAULT_OWNERSHIP, Ownership
from .recording import BATCH, COLUMNS, IN_STREAM, SELECT_PAGE, SELECT_PART, ChainedRecorder
from .records import (
    Appended,
    Collectable,
    Conflict,
    CounterExceeded,
    Head,
    Job,
    LinkedRow,
    RawRecorded,
    Recorded,
    VerifyResult,
)
from .schema import EVENTS_TABLE
from .sqlite_opening import open_sqlite
from .verification import verify_chain

_SELECT_HASHES: Final = (
    f"SELECT position, hash FROM {EVENTS_TABLE} WHERE position > ? AND position <= ? "
    "ORDER BY position LIMIT ?"
)
_SELECT_STREAM: Final = (
    f"SELECT {COLUMNS} FROM {EVENTS_TABLE} WHERE {IN_STREAM} ORDER BY originator_version"
)

_SELECT_HISTORY: Final = (
    f"SELECT {COLUMNS} FROM {EVENTS_TABLE} WHERE {IN_STREAM} AND originator_version < ? "
    "ORDER BY originator_version"
)
# The index of streams holds all that this asks for; an order would have the whole table read.
_SELECT_FIRSTS: Final = (
    f"SELECT position, originator_id FROM {EVENTS_TABLE} WHERE originator_version = 1"
)

_SELECT_ABOVE: Final = "SELECT key FROM counters WHERE substr(key, 1, ?) = ? AND used > 0"


_raw_recorded: Final = partial(tuple.__new__, RawRecorded)
"""A row as a record, in C: called for every event that is read."""


class Log(Closing):
    """An append-only log of domain events: in one SQLite file, on PostgreSQL, or in memory.

    Use :meth:`open`, and close it or use it as a context manager. All methods may be called from
    any thread. Whatever returns from :meth:`append`, :meth:`append_jobs` or :meth:`commit` is on
    disk (synced), in the order of the positions it names.
    """

    def __init__(
        self,
        recorder: ChainedRecorder,
        url: str,
        *,
        name: str,
        lock: FileLock | None,
        writer: bool,
        threaded: bool,
    ) -> None:
        self.name = name
        self.url = url
        self.is_writer = writer
        self.application = LogApplication(recorder)
        self._recorder = recorder
        self._mapper = self.application.event_mapper
        self._lock = lock
        self._committer = Committer(self._recorder) if threaded else None
        self._closed = False

    @classmethod
    def open(
        cls,
        url: str | Path | None,
        *,
        writer: bool = True,
        threaded: bool = False,
        exclusive: bool = True,
        ownership: Ownership = DEFAULT_OWNERSHIP,
    ) -> Log:
        """Open a store, making it when it does not exist and ``writer`` is set.

        Args:
            url: ``sqlite:///PATH``, a path, ``postgresql://…`` (see ``postgres_address``), or
                ``memory:``; None is memory too, with a warning.
            writer: False opens for reading only, beside a writer and without a lock.
            threaded: commit beside the loop, so that ``commit`` does not hold it.
            exclusive: False lets this writer share the file with the one that holds the lock: for
                short control and review records (ruling 24), never for an engine.
            ownership: which account an exclusive writer on PostgreSQL owns, and how long it waits
                for it; a file has one writer, whatever the account.

        Raises:
            StoreBusy: another process is writing it.
            StoreNewer: a newer version made it.
            StoreDamaged: it is not a store, or damaged.
            StoreError: it cannot be opened; the message names the path and the next step.
        """
        if url is None:
            # Brings a terminal library of 12 MB, which other runs need not carry.
            import structlog

            structlog.get_logger(__name__).warning(
                "the log is in memory and ends with this process; name a store to keep it"
            )
        where: str | Path = "memory:" if url is None else url
        if is_postgres(where):
            recorder = _on_postgres(
                where, ownership if writer and exclusive else None, writer=writer
            )
            name, lock = recorder.store, None
        else:
            recorder, name, lock = open_sqlite(where, writer=writer, exclusive=exclusive)
        return cls(recorder, str(where), name=name, lock=lock, writer=writer, threaded=threaded)

    # -- writing -------------------------------------------------------------------------------

    @property
    def on_boundary(self) -> Callable[[str], None] | None:
        """Called with ``store:before`` and ``store:after`` around each commit, where it runs."""
        return self._recorder.on_boundary

    @on_boundary.setter
    def on_boundary(self, hook: Callable[[str], None] | None) -> None:
        self._recorder.on_boundary = hook

    @property
    def in_memory(self) -> bool:
        """Whether the log ends with this process, and no other can open it."""
        return self._recorder.in_memory

    @property
    def files(self) -> Path:
        """What the names of the files beside the store begin with."""
        return parse_location(self.url) or Path("memory:")

    def check_owner(self) -> None:
        """Check right before a send that nobody else can own the account within it (ruling 27).

        Raises:
            StoreBusy: another process may own the account by then; nothing may be sent.
        """
        self._recorder.check_owner()

    @property
    def outstanding(self) -> int:
        """Awaited commits that are not finished; 0 when ``threaded`` is off."""
        return 0 if self._committer is None else self._committer.outstanding

    def append(self, *aggregates: Collectable, counters: Sequence[CounterUpdate] = ()) -> Appended:
        """Write the aggregates' pending events and the counters: all or nothing, durably.

        The pending events are taken whatever happens. After an error load the aggregate anew.

        Raises:
            CounterExceeded: a counter would pass its cap.
            Conflict: an aggregate is stale, or goes on after an append of its events failed.
            StoreError: the store cannot be written.
        """
        job = self._job(aggregates, counters)
        self._recorder.write_jobs([job])
        return job.outcome()

    async def commit(
        self, *aggregates: Collectable, counters: Sequence[CounterUpdate] = ()
    ) -> Appended:
        """Like :meth:`append`, awaited: other tasks run, and share the commit, meanwhile.

        The events are taken and their order is fixed when the coroutine is first run. Without
        ``threaded`` it is done at once, without giving way. Cancelling does not take it back.
        """
        job = self._job(aggregates, counters)
        if self._committer is not None:
            return await self._committer.submit(job)
        self._recorder.write_jobs([job])
        return job.outcome()

    def append_jobs(self, jobs: Sequence[Job]) -> list[Appended | CounterExceeded | Conflict]:
        """Write several appends in one transaction, each all or nothing.

        Gives for each where it lies or why it was refused; one refused job does not fail others.

        Raises:
            StoreError: the store cannot be written; none of them is.
        """
        written = [self._job(job.aggregates, job.counters) for job in jobs]
        self._recorder.write_jobs(written)
        outcomes: list[Appended | CounterExceeded | Conflict] = []
        for job in written:
            if isinstance(job.error, CounterExceeded | Conflict):
                outcomes.append(job.error)
            else:
                outcomes.append(job.outcome())
        return outcomes

    def _job(
        self, aggregates: Sequence[Collectable], counters: Sequence[CounterUpdate]
    ) -> WriteJob:
        encode = self._mapper.encode
        events = [encode(event) for aggregate in aggregates for event in aggregate.collect_events()]
        return WriteJob(events, counters)

    # -- reading -------------------------------------------------------------------------------

    def head(self) -> Head:
        """The last position and the hash there."""
        return self._recorder.head()

    def events(
        self, after: int = 0, upto: int | None = None, batch: int = BATCH
    ) -> Iterator[Recorded]:
        """Decoded events with ``after`` < position <= ``upto``, in order.

        Read in pages of ``batch``, without holding up the writer; events appended while reading
        are included when ``upto`` is None.

        Raises:
            StoreNewer, StoreDamaged: an event cannot be decoded; its position is named.
        """
        decode = self.decode
        for raw in self.raw_events(after, upto, batch):
            yield Recorded(raw.position, decode(raw), raw.hash)

    def raw_events(
        self, after: int = 0, upto: int | None = None, batch: int = BATCH
    ) -> Iterator[RawRecorded]:
        """Events as they lie in the table; otherwise like :meth:`events`."""
        last = 2**63 - 1 if upto is None else upto
        while True:
            page = self._recorder.fetch(SELECT_PAGE, (after, last, batch))
            yield from map(_raw_recorded, page)
            if len(page) < batch:
                return
            after = page[-1][0]

    def raw_events_of(self, account: str, after: int, upto: int) -> Iterator[RawRecorded]:
        """The stored events of an account with ``after`` < position <= ``upto``, in order.

        On a server that several accounts share, where all but a few of the others' are left there.
        Elsewhere those of others come too.
        """
        return map(_raw_recorded, self._recorder.rows_of(account, after, upto))

    def raw_part(self, part: int, parts: int, after: int, upto: int) -> list[LinkedRow]:
        """One part's events with ``after`` < position <= ``upto``, each with the hash before it.

        Parts are those of ``projections.parts``, and every event is in one of them. The hash is
        None where the event before is not there. In files only; all is read at once.
        """
        return self._recorder.fetch(SELECT_PART, (after, upto, parts, part))

    def hashes(self, after: int = 0, upto: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Position and chain hash of each event with ``after`` < position <= ``upto``."""
        last = 2**63 - 1 if upto is None else upto
        while page := self._recorder.fetch(_SELECT_HASHES, (after, last, BATCH)):
            yield from map(tuple, page)
            after = page[-1][0]

    def stream(self, originator_id: UUID) -> list[DomainEvent]:
        """All events of one aggregate, oldest first; empty when there is none.

        Raises:
            StoreNewer, StoreDamaged: an event is missing or cannot be decoded.
        """
        events = [self.decode(raw) for raw in self.raw_stream(originator_id)]
        for version, event in enumerate(events, start=1):
            if event.originator_version != version or event.originator_id != originator_id:
                raise StoreDamaged(
                    f"{self.name}: version {version} of {originator_id} is missing. "
                    "Run `fillwright verify` on it"
                )
        return events

    def history(self, originator_id: UUID, before: int = 2**63 - 1) -> list[Recorded]:
        """The events of one aggregate below version ``before``, oldest first.

        Raises:
            StoreNewer, StoreDamaged: an event is missing or cannot be decoded.
        """
        rows = self._recorder.fetch(_SELECT_HISTORY, (originator_id.hex, before))
        found = []
        for version, row in enumerate(rows, start=1):
            raw = RawRecorded(*row)
            if raw.originator_version != version:
                raise StoreDamaged(
                    f"{self.name}: version {version} of {originator_id} is missing. "
                    "Run `fillwright verify` on it"
                )
            found.append(Recorded(raw.position, self.decode(raw), raw.hash))
        return found

    def streams(self) -> list[tuple[int, UUID]]:
        """Each aggregate with the position of its first event, in that order."""
        rows = self._recorder.fetch(_SELECT_FIRSTS)
        return sorted((position, UUID(hex=id)) for position, id in rows)

    def raw_stream(self, originator_id: UUID) -> list[RawRecorded]:
        """All events of one aggregate as they lie in the table, oldest first."""
        rows = self._recorder.fetch(_SELECT_STREAM, (originator_id.hex,))
        return [RawRecorded(*row) for row in rows]

    def decode(self, raw: RawRecorded) -> DomainEvent:
        """The event of a stored one.

        Raises:
            StoreNewer, StoreDamaged: it cannot be decoded; its position is named.
        """
        event = self._mapper.decode(raw.topic, raw.state, raw.position)
        if (
            event.originator_version != raw.originator_version
            or event.originator_id.hex != raw.originator_id
        ):
            raise StoreDamaged(
                f"the event at position {raw.position} is not what was written: "
                "its id or version differs from its columns"
            )
        return event

    # -- counters ------------------------------------------------------------------------------

    def counters(self) -> dict[str, int]:
        """All counters in millionths by key; what projections say wins over them (ruling 12)."""
        return dict(map(tuple, self._recorder.fetch("SELECT key, used FROM counters ORDER BY key")))

    def counters_under(self, prefix: str) -> list[str]:
        """The keys that begin with ``prefix`` and whose counters are above 0."""
        rows = self._recorder.fetch(_SELECT_ABOVE, (len(prefix), prefix))
        return [row[0] for row in rows]

    def reset_counters(self, counters: Mapping[str, int], account: str | None = None) -> None:
        """Put these counters in the place of all others, or of all others of one account."""
        self._recorder.replace_counters(counters, account)

    # -- the whole -----------------------------------------------------------------------------

    def verify(self, progress: Callable[[int, int], None] | None = None) -> VerifyResult:
        """Recompute the chain from the first event; ``progress`` gets (checked, of how many).

        A log whose end was cut off passes: compare its head with one kept outside (ruling 25).
        """
        return verify_chain(self, progress)

    def first_misplaced(self, upto: int) -> tuple[int, str] | None:
        """The first position that the rest of the store gainsays, and what is wrong there."""
        return self._recorder.first_misplaced(upto)

    def close(self) -> None:
        """Finish what was submitted and close the file; a second call does nothing.

        Any thread may; a handler of ``signal.signal`` may not, as it comes under our own locks.
        """
        if self._closed:
            return
        self._closed = True
        if self._committer is not None:
            self._committer.close()
        self._recorder.close()
        self.application.close()
        if self._lock is not None:
            self._lock.release()


def _on_postgres(url: str | Path, ownership: Ownership | None, *, writer: bool) -> ChainedRecorder:
    """Import the client library only for stores that need it."""
    try:
        from .postgres.opening import open_postgres
    except ImportError as error:
        raise StoreError(
            f"a store on PostgreSQL needs the extra: pip install 'fillwright[postgres]' ({error})"
        ) from error
    return open_postgres(url, ownership, writer=writer)
