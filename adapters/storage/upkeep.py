"""What a store is and how it is kept small: info, migration, compaction."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ...domain import ops
from ...domain.errors import StoreError
from ...domain.events import SessionOpened
from .connection import BUSY_TIMEOUT_SECONDS, file_name
from .faults import explain
from .filelock import FileLock
from .location import check_place, is_postgres, parse_location, without_password
from .log import Log
from .ops_log import OpsLog
from .schema import EVENTS_TABLE, FORMAT, check_format, create


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds an account on a shared server, since which epoch, and whether it still does."""

    account: str
    owner: str
    epoch: int
    is_owned: bool


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A store at one look: ``size_bytes`` with its indexes, the log's head, and who uses it.

    ``checkpoint_position`` is how far the last checkpoint reaches that was left outside.
    """

    store: str
    database: str
    format: int
    size_bytes: int
    position: int
    head_hash: str
    streams: int
    records: int
    counters: int
    accounts: tuple[str, ...]
    owners: tuple[Owner, ...]
    checkpoint_position: int | None


@dataclass(frozen=True, slots=True)
class Compacted:
    """What compaction gave back; the log is the same before and after."""

    store: str
    bytes_before: int
    bytes_after: int
    position: int
    head_hash: str


def store_info(store: str) -> StoreInfo:
    """Look at a store beside whoever writes it.

    Raises:
        StoreError: it cannot be read.
    """
    with Log.open(store, writer=False) as log, OpsLog.of(log) as second:
        head = log.head()
        fetch = log.application.log_recorder.fetch
        (streams,) = fetch(f"SELECT count(*) FROM {EVENTS_TABLE} WHERE originator_version = 1")[0]
        return StoreInfo(
            store=without_password(store),
            database="postgresql" if is_postgres(store) else "sqlite",
            format=FORMAT,
            size_bytes=_size(store, log),
            position=head.position,
            head_hash=head.hash.hex(),
            streams=streams,
            records=second.head().position,
            counters=len(log.counters()),
            accounts=_accounts(log),
            owners=_owners(log) if is_postgres(store) else (),
            checkpoint_position=_last_checkpoint(second),
        )


def _size(store: str, log: Log) -> int:
    if is_postgres(store):
        row = log.application.log_recorder.fetch(
            "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class AS c "
            "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'"
        )[0]
        return int(row[0])
    path = parse_location(store)
    files = [] if path is None else [path, path.with_name(path.name + "-wal")]
    return sum(file.stat().st_size for file in files if file.exists())


def _accounts(log: Log) -> tuple[str, ...]:
    """The accounts whose sessions were opened in the log."""
    topic = SessionOpened.stored_topic()
    fetch = log.application.log_recorder.fetch
    rows = fetch(f"SELECT state FROM {EVENTS_TABLE} WHERE topic = ?", (topic,))
    opened = (log.application.event_mapper.decode(topic, state) for (state,) in rows)
    return tuple(sorted({event.account for event in opened if isinstance(event, SessionOpened)}))


def _owners(log: Log) -> tuple[Owner, ...]:
    rows = log.application.log_recorder.fetch(
        "SELECT account, owner, epoch, is_owned FROM owners ORDER BY account"
    )
    return tuple(Owner(*row) for row in rows)


def _last_checkpoint(second: OpsLog) -> int | None:
    last = None
    for recorded in second.records():
        if isinstance(recorded.record, ops.Anchored):
            last = recorded.record.log_position
    return last


def migrate_store(store: str, reader: str | None = None) -> int:
    """Make a store's tables, or bring them up; gives the format before, 0 for none.

    ``reader`` names a role that may read the views of a store on PostgreSQL.

    Raises:
        StoreError: it cannot be made, or a newer version made it.
    """
    if is_postgres(store):
        from .postgres.opening import migrate_postgres

        return migrate_postgres(store, reader)
    if reader is not None:
        raise StoreError("--reader is for a store on PostgreSQL; a file is read by who may read it")
    path = parse_location(store)
    if path is None:
        raise StoreError("a log in memory is made when it is opened")
    check_place(path, writer=True)
    try:
        database = file_name(path, read_only=False)
        with closing(sqlite3.connect(database, uri=True, isolation_level=None)) as connection:
            if check_format(connection, str(path)):
                return FORMAT
            create(connection)
            return 0
    except sqlite3.Error as error:
        raise explain(error, str(path)) from error


def compact_store(store: str) -> Compacted:
    """Give free space back and bring statistics up; never drops or changes an event.

    A file is compacted while nobody writes it; a store on PostgreSQL while engines go on.

    Raises:
        StoreBusy: a process is writing the file.
        StoreError: it cannot be compacted; the log is as it was.
    """
    with Log.open(store, writer=False) as log:
        before, head = _size(store, log), log.head()
    if is_postgres(store):
        from .postgres.opening import vacuum

        vacuum(store)
    else:
        path = parse_location(store)
        if path is None:
            raise StoreError("a log in memory has nothing to compact")
        _compact_file(path)
    with Log.open(store, writer=False) as log:
        after = log.head()
        if after.position < head.position or (after.position == head.position and after != head):
            raise StoreError(f"{without_password(store)}: its head changed while it was compacted")
        return Compacted(
            without_password(store), before, _size(store, log), after.position, after.hash.hex()
        )


def _compact_file(path: Path) -> None:
    lock = FileLock.acquire(path.with_name(path.name + ".lock"), store=path)
    try:
        database = file_name(path, read_only=False)
        with closing(
            sqlite3.connect(database, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_SECONDS)
        ) as connection:
            for statement in (
                "PRAGMA wal_checkpoint(TRUNCATE)",
                "VACUUM",
                "PRAGMA optimize",
                "PRAGMA wal_checkpoint(TRUNCATE)",
            ):
                connection.execute(statement)
    except sqlite3.Error as error:
        raise explain(error, str(path)) from error
    finally:
        lock.release()
