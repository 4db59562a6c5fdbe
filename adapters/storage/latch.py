"""The kill switch as every process sees it: counters in the store, and a file beside it.

The file is for the case that the store cannot be written; whoever can write the store again puts
what it says on the record. It is read at the last step before the wire, and what cannot be read
blocks everything: a check that fails must not let an order through.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from ...domain.errors import StoreError
from ...domain.ids import account_stream_id
from ...domain.killing import ACCOUNT_SCOPE, latch_key, scopes_covering
from .location import parse_location
from .log import Log

SUFFIX: Final = ".kill"
WIRE_SUFFIX: Final = ".wire"
LATCHES_MAX: Final = 10_000
POLL_SECONDS: Final = 0.02


class Latched(NamedTuple):
    """A block as the file has it; ``at`` is ns UTC."""

    account: str
    scope: str
    reason: str
    actor: str
    at: int


UNREADABLE: Final = "the latch file cannot be read, so everything is blocked"


class LatchFile:
    """Blocks of the accounts of one store, in a file beside it; nothing for a store in memory."""

    def __init__(self, store: str | None) -> None:
        path = None if store is None else parse_location(store)
        self.path: Path | None = None if path is None else path.with_name(path.name + SUFFIX)
        self._seen: tuple[int, int, int] | None = None
        self._known: tuple[Latched, ...] = ()

    def read(self, account: str) -> tuple[Latched, ...]:
        """The blocks of an account; the whole account where the file cannot be read."""
        return tuple(one for one in self._all() if one.account in (account, ""))

    def blocks(self, account: str, symbol: str, strategy: str) -> str | None:
        """The scope that blocks an order, or None."""
        if self.path is None:
            return None
        covering = scopes_covering(symbol, strategy)
        return next((one.scope for one in self.read(account) if one.scope in covering), None)

    def add(self, latched: Latched, *, durable: bool = True) -> None:
        """Block: every process sees it when this returns, and it is on disk when ``durable``.

        Raises:
            StoreError: the file cannot be written, or the store is in memory.
        """
        kept = [one for one in self._all() if one.account and one[:2] != latched[:2]]
        self._write([*kept, latched], durable=durable)

    def remove(self, account: str, scope: str) -> None:
        """Lift a block; raises StoreError when the file cannot be written."""
        if self.path is None or not self.path.exists():
            return
        kept = [one for one in self._all() if one.account and one[:2] != (account, scope)]
        self._write(kept, durable=True)

    def _all(self) -> tuple[Latched, ...]:
        if self.path is None:
            return ()
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            self._seen, self._known = None, ()
            return ()
        except OSError:
            return (_everything(),)
        mark = (found.st_mtime_ns, found.st_ino, found.st_size)
        if mark != self._seen:
            self._known, self._seen = _parsed(self.path), mark
        return self._known

    def _write(self, latches: list[Latched], *, durable: bool) -> None:
        if self.path is None:
            raise StoreError("a store in memory has no latch file; nobody else can reach it")
        text = "".join(json.dumps(one._asdict(), sort_keys=True) + "\n" for one in latches)
        made = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            if not latches:
                self.path.unlink(missing_ok=True)
            else:
                with made.open("w", encoding="utf-8") as file:
                    file.write(text)
                    if durable:
                        file.flush()
                        os.fsync(file.fileno())
                made.replace(self.path)
            if durable:
                _sync_folder(self.path.parent)
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _everything() -> Latched:
    return Latched("", ACCOUNT_SCOPE, UNREADABLE, "system", 0)


def _parsed(path: Path) -> tuple[Latched, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[:LATCHES_MAX]
        found = tuple(_latched(json.loads(line)) for line in lines if line.strip())
    except (OSError, ValueError, TypeError, KeyError):
        return (_everything(),)
    return found


def _latched(row: dict[str, object]) -> Latched:
    """A line of the file; raises ValueError or TypeError when it is none."""
    texts = [str(row[name]) for name in ("account", "scope", "reason", "actor")]
    if set(row) != set(Latched._fields) or not all(texts[:2]):
        raise ValueError("not a block")
    return Latched(texts[0], texts[1], texts[2], texts[3], int(str(row["at"])))


def latched_in_log(log: Log, account: str) -> frozenset[str]:
    """The scopes that the store's counters say are blocked; raises StoreError."""
    prefix = latch_key(account_stream_id(account), "")
    return frozenset(key[len(prefix) :] for key in log.counters_under(prefix))


def blocking_scope(
    log: Log, file: LatchFile, account: str, symbol: str, strategy: str
) -> str | None:
    """The scope that blocks an order now, in the file or in the store; None when it may go.

    A store that cannot be read blocks everything.
    """
    scope = file.blocks(account, symbol, strategy)
    if scope is not None:
        return scope
    try:
        latched = latched_in_log(log, account)
    except StoreError:
        return ACCOUNT_SCOPE
    return next((one for one in scopes_covering(symbol, strategy) if one in latched), None)


class Wire:
    """Who is sending: shared by all who check the latch and send, taken alone to know that all of
    them have looked.

    Once :meth:`quiet` says so after a latch, no order that was checked before the latch is still
    to go out.
    """

    def __init__(self, store: str | None) -> None:
        path = None if store is None else parse_location(store)
        self._path = None if path is None else path.with_name(path.name + WIRE_SUFFIX)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Hold it while checking and sending; raises StoreError when that cannot be said."""
        if self._path is None:
            yield
            return
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"cannot write {self._path}: {error.strerror or error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def quiet(self, timeout_seconds: float) -> bool:
        """Whether nobody was in the middle of sending at some moment since this was called."""
        if self._path is None or not self._path.exists():
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            ends = time.monotonic() + timeout_seconds
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    if time.monotonic() >= ends:
                        return False
                    time.sleep(POLL_SECONDS)
                else:
                    return True
        finally:
            os.close(descriptor)
