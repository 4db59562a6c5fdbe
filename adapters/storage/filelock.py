"""One writer per store: an advisory lock that the kernel releases when its holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from ...domain.errors import StoreBusy, StoreError


class FileLock:
    """An exclusive ``flock`` on a file of its own, so that it never meets the database's locks.

    The file holds its owner's process id for the message of the next; it is left behind, because
    removing a lock file lets two processes hold locks on different files of the same name.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, path: Path, *, store: Path) -> FileLock:
        """Take the lock at once or not at all.

        Raises:
            StoreBusy: another process has it; the message names the process and ``store``.
            StoreError: the lock file cannot be made.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error.strerror or error}. "
                "The store's folder has to be writable: choose another with --store"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_owner(descriptor)
        except OSError as error:
            owner = _read_owner(descriptor)
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise StoreBusy(
                    f"{store} is being written by process {owner}. "
                    "Wait until it ends, stop it, or use another store"
                ) from None
            raise StoreError(f"cannot lock {path}: {error.strerror or error}") from error
        return cls(path, descriptor)

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _write_owner(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _read_owner(descriptor: int) -> str:
    text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    return text if text.isdigit() else "(unknown)"
