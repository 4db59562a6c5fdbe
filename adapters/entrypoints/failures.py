"""Exit codes, and what an error says to a person: one line, the field, and the next step."""

from __future__ import annotations

import errno
import sqlite3
from enum import IntEnum
from typing import Final

from ...domain.errors import (
    BrokerUnavailable,
    FillwrightError,
    IllegalTransition,
    InvalidInput,
    InvariantBroken,
    StoreError,
)
from ..storage.location import without_password

LINE_CHARACTERS_MAX: Final = 2_000
NO_SUCH_PLACE: Final = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
"""Errors of a path that somebody has named."""


class ExitCode(IntEnum):
    """What a command's exit code means."""

    OK = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    STORE = 3
    DIFFERENCE = 4
    NOT_ANCHORED = 5
    DENIED = 6
    BROKER = 7
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitCode.OK: "done; refused decisions are on the record and shown",
    ExitCode.UNEXPECTED: "something unexpected: run again with --debug and report it",
    ExitCode.BAD_INPUT: "bad input: the message names the field and what is allowed",
    ExitCode.STORE: "the store cannot be used: busy, full, damaged, made by a newer version",
    ExitCode.DIFFERENCE: "verify or replay found a difference and names it",
    ExitCode.NOT_ANCHORED: "consistent, not anchored: nothing outside the store vouches for it",
    ExitCode.DENIED: "not allowed: no role of the caller allows it; that it asked is on the record",
    ExitCode.BROKER: "the broker cannot be asked: the message names keys, address or connection",
    ExitCode.INTERRUPTED: "interrupted: the same command goes on where it was",
}
"""Every exit code with its meaning, as help and documentation give it."""


class Difference(FillwrightError):
    """Verification or replay found that something is not what it should be."""


class NotAnchored(FillwrightError):
    """Consistent in itself, and nothing outside vouches for it although something ought to."""


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code of an error that ended a command."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if _named(error, "domain.principals", "AccessDenied"):
        return ExitCode.DENIED
    if isinstance(error, NotAnchored):
        return ExitCode.NOT_ANCHORED
    if isinstance(error, Difference) or _named(error, "integrity.proofs", "ProofError"):
        return ExitCode.DIFFERENCE
    if _named(error, "projections.runner", "ProjectionStopped"):
        return ExitCode.DIFFERENCE
    if isinstance(error, BrokerUnavailable):
        return ExitCode.BROKER
    if _is_of_store(error):
        return ExitCode.STORE
    if isinstance(error, InvalidInput) or _is_usage(error) or _is_market_folder(error):
        return ExitCode.BAD_INPUT
    if isinstance(error, OSError) and error.errno in NO_SUCH_PLACE:
        return ExitCode.BAD_INPUT
    return ExitCode.UNEXPECTED


def is_expected(error: BaseException) -> bool:
    """Whether the error's own words are enough; anything else is a bug and says so."""
    if isinstance(error, (IllegalTransition, InvariantBroken)):
        return False
    known = isinstance(error, (FillwrightError, KeyboardInterrupt))
    return known or exit_code_of(error) is not ExitCode.UNEXPECTED


def message_of(error: BaseException, command: str) -> str:
    """One line for a person: what is wrong, what is allowed, what to do next."""
    if isinstance(error, KeyboardInterrupt):
        text = "interrupted. Run the same command again to go on where it was"
    elif _is_usage(error):
        text = f"{_usage_text(error)} (see `{command} --help`)"
    elif isinstance(error, sqlite3.Error):
        text = f"the exchange's journal beside the store cannot be used: {_sqlite_text(error)}"
    elif isinstance(error, OSError):
        text = _os_text(error)
    elif isinstance(error, BrokerUnavailable):
        text = f"the broker cannot be asked: {error}"
    elif is_expected(error):
        text = str(error)
    else:
        text = (
            f"unexpected {type(error).__name__}: {error}. "
            "This is a bug: run again with --debug and report what it prints"
        )
    return without_password(" ".join(text.split()))[:LINE_CHARACTERS_MAX]


def _is_of_store(error: BaseException) -> bool:
    if isinstance(error, (StoreError, sqlite3.Error)) or _is_journal(error):
        return True
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
    return isinstance(error, OSError) and error.errno in full


def _named(error: BaseException, module: str, name: str) -> bool:
    """Whether it is an error of that class, without importing its module for the question."""
    kinds = type(error).__mro__
    return any(k.__name__ == name and k.__module__.endswith(module) for k in kinds)


def _is_journal(error: BaseException) -> bool:
    return _named(error, "exchange.journal", "JournalError")


def _is_market_folder(error: BaseException) -> bool:
    return _named(error, "exchange.tape", "MarketFolderError")


def _is_usage(error: BaseException) -> bool:
    """An error of the command line itself; typer carries its own copy of click's classes."""
    return hasattr(error, "format_message") and getattr(error, "exit_code", None) == 2


def _usage_text(error: BaseException) -> str:
    text: str = error.format_message()  # type: ignore[attr-defined]
    return text.replace("Value error, ", "").rstrip(".")


def _sqlite_text(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return f"the disk is full or fails ({error}). Free space and run the same command again"
    return f"{error}. Check that its folder is writable and that no other process uses it"


def _os_text(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    what = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{where}{what}. Free space and run the same command again: it goes on where it was"
    return f"{where}{what}. Check that the path exists and is writable, or name another"
