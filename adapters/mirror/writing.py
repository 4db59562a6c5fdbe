"""Bringing a mirror up to the log, and making sure that it is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

import pyarrow as pa

from ...domain.errors import StoreDamaged, StoreError
from ...domain.events import DomainEvent
from ...domain.ids import account_stream_id
from ..collector import without_collector
from ..storage.filelock import FileLock
from ..storage.lean_reading import lean_decoder
from ..storage.records import Head, RawRecorded
from ..storage.verification import checked
from .columns import COLUMNS_VERSION
from .effects import Effects, Row
from .rows import Rows, row_of
from .segments import (
    MANIFEST,
    Manifest,
    Segment,
    SegmentWriter,
    make_folder,
    read_manifest,
    sweep,
    write_manifest,
)

SEGMENT_EVENTS: Final = 100_000
"""Events of a whole segment."""
GROUP_ROWS: Final = 10_000
"""Rows of a group in a file, which is in memory as columns, with about 1.3 kB of bytes a row."""
ROWS_AT_A_TIME: Final = 1_000
"""Rows that are in memory as Python's objects, some 6 kB each."""
SUFFIX: Final = ".mirror"
"""A mirror lies beside its store under this name, unless another folder is given."""

OnProgress = Callable[[int, int], None]


class MirroredLog(Protocol):
    """What a mirror needs of a log."""

    name: str

    def head(self) -> Head:
        """The last position and hash."""
        ...

    def raw_events(
        self, after: int = 0, upto: int | None = None, batch: int = 1_000
    ) -> Iterator[RawRecorded]:
        """Stored events in order."""
        ...

    def decode(self, raw: RawRecorded) -> DomainEvent:
        """The event that is stored."""
        ...

    def stream(self, originator_id: UUID) -> list[DomainEvent]:
        """All events of one aggregate."""
        ...


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What bringing a mirror up to its log did: positions ``first`` to ``position`` are new."""

    folder: str
    first: int
    position: int
    head_hash: str
    segments: int
    rounded: int


def update(
    log: MirroredLog,
    folder: Path,
    *,
    segment_events: int = SEGMENT_EVENTS,
    rebuild: bool = False,
    on_progress: OnProgress = lambda done, total: None,
) -> Mirrored:
    """Mirror what the log has now and the folder has not.

    Whole segments are never touched again; a last one that is not whole is replaced by one that
    goes further. Every event's hash is checked on the way. Memory does not grow with the log.

    Args:
        rebuild: throw away what is there and begin at the first event.

    Raises:
        StoreDamaged: the log is not what was written, or not the log that is mirrored here.
        StoreBusy: another process is mirroring into the folder.
        ProjectionStopped: the log holds what this code cannot follow.
    """
    make_folder(folder)
    with _alone(folder):
        manifest = Manifest() if rebuild else read_manifest(folder)
        if manifest.columns_version != COLUMNS_VERSION:
            manifest = Manifest()
        check_same_log(log, folder, manifest)
        # What a run has replaced stays until the next one, for those who are reading it.
        sweep(folder, read_manifest(folder))
        first = manifest.position + 1
        head = log.head()
        if head.position >= first or rebuild:
            _extend(log, folder, manifest, head, segment_events, on_progress)
    return Mirrored(
        folder=str(folder),
        first=first,
        position=manifest.position,
        head_hash=manifest.head_hash.hex(),
        segments=len(manifest.segments),
        rounded=sum(segment.rounded for segment in manifest.segments),
    )


def check_same_log(log: MirroredLog, folder: Path, manifest: Manifest) -> None:
    """Make sure that the folder mirrors this log.

    Raises:
        StoreDamaged: the log does not have the mirror's last event, or has another in its place.
    """
    position = manifest.position
    if not position:
        return
    found = next(iter(log.raw_events(position - 1, position, 1)), None)
    if found is None or found.hash != manifest.head_hash:
        what = "has no event" if found is None else "has another event"
        raise StoreDamaged(
            f"{log.name} {what} at position {position}, up to which {folder} mirrors a log. One of "
            "them was changed, or it mirrors another log: compare both with a checkpoint, or "
            "mirror into another folder"
        )


def _extend(
    log: MirroredLog,
    folder: Path,
    manifest: Manifest,
    head: Head,
    segment_events: int,
    on_progress: OnProgress,
) -> None:
    kept = [s for s in manifest.segments if s.last - s.first + 1 >= segment_events]
    if len(kept) < len(manifest.segments) - 1:
        # Segments were made of another size before: only the last one may be short.
        kept = manifest.segments[:-1]
    first = kept[-1].last + 1 if kept else 1
    effects = _effects_before(log, first, manifest, whole=len(kept) == len(manifest.segments))
    manifest.segments = kept
    _write(log, folder, manifest, effects, (first, head.position), segment_events, on_progress)


def write_tail(
    log: MirroredLog,
    manifest: Manifest,
    folder: Path,
    on_progress: OnProgress = lambda done, total: None,
) -> Manifest:
    """Write what the log has after a mirror's end into another folder, for reading it with it.

    Raises:
        StoreDamaged, ProjectionStopped: see :func:`update`.
    """
    tail = Manifest(accounts=dict(manifest.accounts))
    first, last = manifest.position + 1, log.head().position
    if last >= first:
        effects = Effects(log.stream, manifest.accounts)
        begin = manifest.head_hash
        _write(log, folder, tail, effects, (first, last), SEGMENT_EVENTS, on_progress, begin)
    return tail


def _write(
    log: MirroredLog,
    folder: Path,
    manifest: Manifest,
    effects: Effects,
    span: tuple[int, int],
    segment_events: int,
    on_progress: OnProgress,
    begin: bytes | None = None,
) -> None:
    """Add segments for the positions of ``span``, whose first follows the hash ``begin``."""
    first, last = span
    previous = manifest.head_hash if begin is None else begin
    events = _rows(log, first, last, previous, effects)
    while first <= last:
        upto = min(first + segment_events - 1, last)
        with without_collector():
            segment = _segment(folder, first, upto, events, previous)
        manifest.segments.append(segment)
        manifest.accounts = dict(effects.accounts)
        write_manifest(folder, manifest)
        on_progress(upto, last)
        first, previous = upto + 1, bytes.fromhex(segment.last_hash)


def _segment(
    folder: Path, first: int, upto: int, events: Iterator[Row], previous: bytes
) -> Segment:
    writer = SegmentWriter(folder, first=first, previous_hash=previous)
    try:
        left = upto - first + 1
        while left:
            group = _group(events, min(GROUP_ROWS, left))
            if not group.num_rows:
                raise StoreDamaged(f"the event at position {upto - left + 1} is missing")
            left -= group.num_rows
            writer.write(group)
        return writer.finish()
    except BaseException:
        writer.abandon()
        raise


def _group(events: Iterator[Row], most: int) -> pa.Table:
    """The next rows, ``most`` of them or as many as there are."""
    tables = []
    for start in range(0, most, ROWS_AT_A_TIME):
        rows = Rows(min(ROWS_AT_A_TIME, most - start))
        for row in islice(events, min(ROWS_AT_A_TIME, most - start)):
            rows.add(row)
        tables.append(rows.table())
    return pa.concat_tables(tables).unify_dictionaries()


def _rows(
    log: MirroredLog, first: int, last: int, previous: bytes, effects: Effects
) -> Iterator[Row]:
    decode = lean_decoder(log, mirror=True)
    for position, raw in enumerate(log.raw_events(first - 1, last), start=first):
        previous = checked(raw, position, previous)
        yield row_of(raw, decode(raw), effects)


def _effects_before(log: MirroredLog, first: int, manifest: Manifest, *, whole: bool) -> Effects:
    """The fold up to the event before ``first``.

    Where the last segment is written again, the accounts' streams as they stood at its begin are
    found from its events.
    """
    if first == 1:
        return Effects(log.stream, {})
    accounts = dict(manifest.accounts)
    if not whole:
        by_stream = {account_stream_id(name).hex: name for name in accounts}
        for raw in log.raw_events(first - 1, manifest.position):
            name = by_stream.get(raw.originator_id)
            if name is not None:
                accounts[name] = min(accounts[name], raw.originator_version - 1)
    return Effects(log.stream, accounts)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock.acquire(folder / (MANIFEST + ".lock"), store=folder)
    try:
        yield
    finally:
        lock.release()


def folder_of(store: str, given: Path | None) -> Path:
    """Where the mirror of a store is: as given, else beside the store.

    Raises:
        StoreError: a store without a file has no place beside it.
    """
    from ..storage.location import parse_location

    if given is not None:
        return given.expanduser().absolute()
    path = parse_location(store)
    if path is None:
        raise StoreError("a log in memory has no place for a mirror beside it: name a folder")
    return path.with_name(path.name + SUFFIX)
