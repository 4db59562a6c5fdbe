"""What PostgreSQL's errors mean for a person, naming the store and the next step."""

from __future__ import annotations

import re
from typing import Final

import psycopg
from psycopg import errors as pg
from psycopg.pq import ConnStatus
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

# Before there is a connection the client library has the server's text only, not its code. A server
# that speaks another language is told from one that is away where it asked for a password.
_REFUSED: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(r"no password supplied"),
        "authentication failed: the server asks for a password and none was given. "
        "Name it in PGPASSWORD or a password file",
    ),
    (
        re.compile(r"role \".*\" does not exist|is not permitted to log in"),
        "authentication failed: the server has no such user. Check the user in the URL",
    ),
    (
        re.compile(r"authentication failed"),
        "authentication failed: the server refuses user or password. Check both",
    ),
    (
        re.compile(r"database \".*\" does not exist"),
        "there is no such database. Create it, or name another",
    ),
    (
        re.compile(r"permission denied for database"),
        "access is denied. Give the role the right to CONNECT to the database",
    ),
    (
        re.compile(r"pg_hba\.conf.*no encryption"),
        "the server does not let this user in from here without SSL. Ask for it "
        "(sslmode=require), or have the server's pg_hba.conf allow the user",
    ),
    (
        re.compile(r"pg_hba\.conf"),
        "the server does not let this user in from here. Have its pg_hba.conf allow the user",
    ),
    (
        re.compile(r"server does not support SSL"),
        "SSL is asked for and the server has none. Turn it on there, or ask for another sslmode",
    ),
    (
        re.compile(r"certificate verify failed|root certificate file|server certificate for"),
        "no SSL connection can be made. Check sslmode, sslrootcert and the server's certificate",
    ),
    (
        re.compile(
            r"invalid (?:URI query parameter|\w+ value|integer value|connection option|port number)"
            r"|missing \"=\" after"
        ),
        "a part of the URL is wrong",
    ),
)
_PASSWORD_REFUSED: Final = "authentication failed, or access to the database is denied"

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
    first = first_line(error)
    refused = _refusal(error)
    if refused is not None:
        return StoreError(f"{store}: {refused} ({first})")
    for kinds, kind, advice in _ADVICE:
        if isinstance(error, kinds):
            return kind(f"{store}: {advice} ({first})")
    return StoreError(f"{store}: the database refused ({first})")


def first_line(error: BaseException) -> str:
    """What an error says, in short."""
    told = str(error).strip().splitlines()
    return told[0] if told else type(error).__name__


def _refusal(error: BaseException) -> str | None:
    """Why there will be no connection however often it is asked for; None when there may be."""
    if not isinstance(error, psycopg.Error) or error.sqlstate is not None:
        return None
    if not isinstance(error, psycopg.OperationalError | psycopg.ProgrammingError):
        return None
    text = str(error)
    for pattern, advice in _REFUSED:
        if pattern.search(text):
            return advice
    made = error.pgconn
    # A server that starts, stops or is full says so before it asks for a password.
    asked = made is not None and made.status == ConnStatus.BAD and made.used_password
    return _PASSWORD_REFUSED if asked and "FATAL" in text else None


def is_connection_lost(error: BaseException) -> bool:
    """Whether another connection may work: the server went away, restarts, or ended this one.

    What the server refuses with another reason of its own it would refuse again.
    """
    if isinstance(error, _ENDED):
        return True
    if _refusal(error) is not None:
        return False
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate.startswith(_CONNECTION_CLASS)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeout)


def interrupt_in(error: BaseException, before: BaseException | None) -> BaseException | None:
    """The interrupt that an error is or came of, if any; ``before`` was being handled already.

    The client library tidies up when it is interrupted, and an error of that replaces the
    interrupt; whoever took it for a lost connection would try again, and nobody would be stopped.
    """
    seen: list[BaseException] = []
    found: BaseException | None = error
    while isinstance(found, Exception) and not any(found is one for one in seen):
        seen.append(found)
        found = found.__cause__ or found.__context__
    return None if found is before or isinstance(found, Exception) else found
