"""What PostgreSQL's errors mean for a person, naming the store and the next step."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from ....domain.errors import StoreBusy, StoreDamaged, StoreError

_ADVICE: Final[
    tuple[tuple[type[Exception] | tuple[type[Exception], ...], type[StoreError], str], ...]
] = (
    (
        (pg.DiskFull, pg.OutOfMemory),
        StoreError,
        "the server's disk or memory is full. Nothing of this append was written; "
        "free space and run again",
    ),
    (
        (pg.UndefinedTable, pg.InvalidSchemaName),
        StoreError,
        "it has no tables of ours yet. Make them once: `fillwright store migrate --store URL`",
    ),
    (
        (pg.ReadOnlySqlTransaction,),
        StoreError,
        "the server only reads (a standby?). Name the primary server",
    ),
    (
        (pg.InsufficientPrivilege,),
        StoreError,
        "access is denied. Give the role the rights that docs/postgresql.md names",
    ),
    (
        (pg.InvalidCatalogName,),
        StoreError,
        "there is no such database. Create it, or name another",
    ),
    (
        (pg.InvalidPassword, pg.InvalidAuthorizationSpecification),
        StoreError,
        "the server refuses user or password",
    ),
    (
        (pg.DataCorrupted, pg.IndexCorrupted),
        StoreDamaged,
        "its files are damaged. Keep them as evidence and go back to the last good copy",
    ),
    (
        (pg.SystemError, pg.IoError, pg.UndefinedFile, pg.DuplicateFile),
        StoreError,
        "the server cannot use its disk. Nothing of this append was written; "
        "look into the server's own log",
    ),
    (
        (pg.LockNotAvailable, pg.QueryCanceled),
        StoreBusy,
        "another process has been writing it for too long. Wait until it ends, or stop it",
    ),
    (
        (psycopg.OperationalError, PoolTimeout),
        StoreError,
        "the server cannot be reached. Check that it runs and the URL is right",
    ),
)
# The last: this process stood still, and its transaction was ended meanwhile.
_ENDED: Final = (
    pg.AdminShutdown,
    pg.CrashShutdown,
    pg.CannotConnectNow,
    pg.TooManyConnections,
    pg.IdleSessionTimeout,
    pg.IdleInTransactionSessionTimeout,
)
_CONNECTION_CLASS: Final = "08"


def explain(error: BaseException, store: str) -> StoreError:
    """The StoreError that says what an error of PostgreSQL means for ``store``."""
    told = str(error).strip().splitlines()
    first = told[0] if told else type(error).__name__
    for kinds, kind, advice in _ADVICE:
        if isinstance(error, kinds):
            return kind(f"{store}: {advice} ({first})")
    # A missing database or wrong password is told by the server before there is a connection, and
    # the client library then knows the text only.
    return StoreError(f"{store}: the database refused ({first})")


def is_connection_lost(error: BaseException) -> bool:
    """Whether another connection may work: the server went away, restarts, or ended this one.

    What the server refuses with another reason of its own it would refuse again.
    """
    if isinstance(error, _ENDED):
        return True
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate.startswith(_CONNECTION_CLASS)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeout)
