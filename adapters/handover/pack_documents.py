"""The documents of an audit pack, told from its two streams in pieces.

They are told from the two files of the pack itself, when it is made and when it is checked. Of each
event only its place in its file is kept, on disk, and of the records nothing: they are read again
for each document, so that neither stream need fit in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

from ...domain.ops.base import OpsRecord
from ...projections.audit_pack import PackTables, Period, is_of_instruction, order_row
from ...projections.canonical import bytes_of, canonical_bytes
from ..integrity.tree import OnProgress
from ..storage.mapper import EventMapper
from ..storage.ops_log import OPS_ORIGINATOR, decode_record
from ..storage.records import RawRecorded, Recorded
from .pack_places import Places
from .ranges import PROGRESS_EVERY, line_in_two, state_of_line

ORDERS: Final = "orders"
Pieces = Iterator[bytes]


class PackRecords:
    """The second stream in a file, decoded anew each time that it is gone through."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[tuple[int, OpsRecord]]:
        """Records with their positions.

        Raises:
            StoreError: a record is not one that this code knows.
        """
        for raw in self.raws():
            yield raw.position, decode_record(raw.topic, raw.state, raw.position)

    def raws(self) -> Iterator[RawRecorded]:
        """Records as they were stored."""
        with self._path.open("rb") as file:
            for line in file:
                whole = json.loads(line)
                position, hash = int(whole["position"]), bytes.fromhex(whole["hash"])
                topic, state = str(whole["topic"]), state_of_line(line)
                yield RawRecorded(position, OPS_ORIGINATOR.hex, position, topic, state, hash)


class PackDocuments:
    """Every document of a pack; ``orders`` and ``exceptions`` count what was told."""

    def __init__(
        self,
        events: Path,
        records: Path,
        period: Period,
        on_progress: OnProgress | None = None,
    ) -> None:
        """``events`` is the file of the log from its first event to the end of the period, and
        ``records`` that of the second stream.
        """
        self.orders = self.exceptions = 0
        self._path, self._records = events, PackRecords(records)
        self._period, self._on_progress = period, on_progress
        self._mapper = EventMapper()

    def __iter__(self) -> Iterator[tuple[str, Pieces]]:
        """Names and their bytes in pieces; take all pieces of one before the next.

        Raises:
            StoreError: an event or a record is not one that this code knows.
        """
        with closing(Places()) as places, self._path.open("rb") as again:

            def history(id: UUID, below: int) -> Iterator[Recorded]:
                found = (self._at(again, place) for place in places.of(id))
                return takewhile(lambda one: one.event.originator_version < below, found)

            tables = PackTables(self._period, history)
            tables.take(self._events(places))
            yield ORDERS, self._told(tables, places, again)
        for name, document in tables.documents(self._records).items():
            if isinstance(document, list) and name == "exceptions":
                self.exceptions = len(document)
            yield name, iter((canonical_bytes(document), b"\n"))

    def _events(self, places: Places) -> Iterator[Recorded]:
        """The log in order; where each event of an instruction stands is kept."""
        place = 0
        with self._path.open("rb") as file:
            for line in file:
                found = self._read(line)
                if is_of_instruction(found.event):
                    id = found.event.originator_id
                    places.add(id, place, chosen=self._period.holds(found.position))
                place += len(line)
                if self._on_progress is not None and found.position % PROGRESS_EVERY == 0:
                    self._on_progress(found.position, self._period.last)
                yield found

    def _told(self, tables: PackTables, places: Places, file: BinaryIO) -> Pieces:
        """The instructions of the period, each read again from the places of its events."""
        yield b"["
        for id in places.chosen():
            row = order_row(self._at(file, place) for place in places.of(id))
            if row is None:
                continue
            tables.count(row)
            yield bytes_of(row) if not self.orders else b"," + bytes_of(row)
            self.orders += 1
        yield b"]\n"

    def _at(self, file: BinaryIO, place: int) -> Recorded:
        file.seek(place)
        return self._read(file.readline())

    def _read(self, line: bytes) -> Recorded:
        state, whole = line_in_two(line)
        position = int(whole["position"])
        event = self._mapper.decode(whole["topic"], state, position)
        return Recorded(position, event, bytes.fromhex(whole["hash"]))
