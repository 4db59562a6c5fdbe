"""Where the events of each instruction stand in a file, kept on disk.

SQLite's own temporary database holds them: it is gone when it is closed, and of it no more than a
small cache is in memory.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from itertools import chain
from typing import Final
from uuid import UUID

HELD_MAX: Final = 50_000
"""Places that are in memory at a time."""


class Places:
    """Places in the order in which they were added, by instruction."""

    def __init__(self) -> None:
        self._held: dict[UUID, array[int]] = {}
        self._chosen: dict[UUID, int] = {}
        self._count = 0
        self._table = sqlite3.connect("", isolation_level=None)
        self._table.executescript(
            """
            PRAGMA journal_mode=OFF;
            PRAGMA synchronous=OFF;
            CREATE TABLE places (id BLOB, first INTEGER, places BLOB, PRIMARY KEY (id, first))
              WITHOUT ROWID;
            CREATE TABLE chosen (id BLOB PRIMARY KEY, place INTEGER) WITHOUT ROWID;
            BEGIN;
            """
        )

    def add(self, id: UUID, place: int, *, chosen: bool) -> None:
        """One more event; ``chosen`` where its instruction is to be told."""
        held = self._held.get(id)
        if held is None:
            held = self._held[id] = array("q")
        held.append(place)
        if chosen and id not in self._chosen:
            self._chosen[id] = place
        self._count += 1
        if self._count >= HELD_MAX:
            self._write()

    def of(self, id: UUID) -> Iterator[int]:
        """All places of an instruction."""
        asked = "SELECT places FROM places WHERE id=? ORDER BY first"
        pieces = [array("q", blob) for (blob,) in self._table.execute(asked, (id.bytes,))]
        return chain(*pieces, self._held.get(id, ()))

    def chosen(self) -> Iterator[UUID]:
        """Each chosen instruction, in the order of when it was first chosen."""
        self._write()
        for (id,) in self._table.execute("SELECT id FROM chosen ORDER BY place"):
            yield UUID(bytes=id)

    def close(self) -> None:
        """Leave nothing behind."""
        self._table.close()

    def _write(self) -> None:
        places = ((id.bytes, held[0], held.tobytes()) for id, held in self._held.items())
        self._table.executemany("INSERT INTO places VALUES (?,?,?)", places)
        chosen = ((id.bytes, place) for id, place in self._chosen.items())
        self._table.executemany("INSERT OR IGNORE INTO chosen VALUES (?,?)", chosen)
        self._held, self._chosen, self._count = {}, {}, 0
