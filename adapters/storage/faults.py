"""What SQLite's errors mean for a person, naming the store and the next step."""

from __future__ import annotations

import sqlite3
from typing import Final

from eventsourcing.persistence import PersistenceError

from ...domain.errors import StoreBusy, StoreDamaged, StoreError

_PRIMARY_CODE: Final = 0xFF

_ADVICE: Final[dict[int, tuple[type[StoreError], str]]] = {
    sqlite3.SQLITE_FULL: (
        StoreError,
        "the disk is full. Nothing of this append was written; free space and run again",
    ),
    sqlite3.SQLITE_IOERR: (
        StoreError,
        "the disk reports an error. Check the disk, then open the store again: "
        "what it then holds is what was written",
    ),
    sqlite3.SQLITE_READONLY: (
        StoreError,
        "it cannot be written. Make the file and its folder writable, or use another store",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        StoreError,
        "it cannot be opened. Check that the folder exists and is writable",
    ),
    sqlite3.SQLITE_PERM: (StoreError, "access is denied. Check the file's owner and mode"),
    sqlite3.SQLITE_CORRUPT: (
        StoreDamaged,
        "its file is damaged. Keep it as evidence and go back to the last good copy",
    ),
    sqlite3.SQLITE_NOTADB: (StoreDamaged, "it is not a fillwright store. Name another file"),
    sqlite3.SQLITE_BUSY: (
        StoreBusy,
        "another process has been writing it for too long. Wait until it ends, or stop it",
    ),
    sqlite3.SQLITE_LOCKED: (
        StoreBusy,
        "another connection has been using it for too long. Wait until it ends, or stop it",
    ),
}


def underlying(error: BaseException) -> BaseException:
    """SQLite's own error inside one of the library's."""
    inner = error.args[0] if isinstance(error, PersistenceError) and error.args else error
    return inner if isinstance(inner, sqlite3.Error) else error


def code_of(error: BaseException) -> int:
    """SQLite's primary result code of an error, 0 where it has none."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE


def explain(error: BaseException, store: str) -> StoreError:
    """The StoreError that says what an error of SQLite means for ``store``."""
    error = underlying(error)
    kind, advice = _ADVICE.get(code_of(error), (StoreError, "the database refused"))
    return kind(f"{store}: {advice} ({error})")


def is_ambiguous(error: BaseException) -> bool:
    """Whether a commit that failed so may have been written all the same."""
    return code_of(error) == sqlite3.SQLITE_IOERR
