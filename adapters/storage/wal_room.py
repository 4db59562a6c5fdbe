"""Room in SQLite's write-ahead log, so that a commit need not make the file longer.

A sync of a file that has grown also writes where the file ends and which blocks it has got, which
costs as much again as the data. So whenever a commit has made the log longer, zeros are put behind
it, which the next commits write over. SQLite reads a write-ahead log up to the first frame that is
none, and zeros are none: no frame is of page 0. They are synced with the next commit, and no
commit depends on them.
"""

from __future__ import annotations

import os
from typing import Final

ROOM_MAX: Final = 4_194_304
"""How long a log is made, in bytes: about as long as it gets before SQLite begins it anew."""

STEP_MAX: Final = 524_288
"""The most zeros at once, in bytes: the commit that syncs them takes a millisecond or two more."""


class WalRoom:
    """Keeps zeros at the end of one write-ahead log; used by one thread at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._length = 0
        self._given_up = False

    def keep(self) -> None:
        """Make room if the last commit used up what there was; a disk without room is no error."""
        if self._given_up:
            return
        try:
            if self._descriptor is None:
                # Whoever else writes the file writes over the zeros or has written before them:
                # an append never meets what is there.
                flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(self._path, flags)
            # To ask for the file's status would have the kernel note the time of the next write
            # exactly, and so write that down too.
            length = os.lseek(self._descriptor, 0, os.SEEK_END)
            grown, self._length = length > self._length, length
            if grown and length < ROOM_MAX:
                self._length += append_zeros(self._descriptor, min(length, STEP_MAX))
        except OSError:
            self._given_up = True

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._given_up = True
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def append_zeros(descriptor: int, count: int) -> int:
    """Put zeros behind the end of an open file; gives how many."""
    return os.write(descriptor, bytes(count))
