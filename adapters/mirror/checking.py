"""Whether a mirror is what its log says: its files, its chain, its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pyarrow as pa

from ...domain.errors import StoreDamaged, StoreError
from ...projections.runner import ProjectionStopped
from ..storage.chain import GENESIS
from ..storage.records import RawRecorded
from ..storage.verification import checked
from .columns import COLUMNS_VERSION
from .effects import Effects
from .rows import Rows, row_of
from .segments import Manifest, read_manifest, read_rows
from .writing import MirroredLog, OnProgress

_RAW: Final = ("position", "originator_id", "originator_version", "topic", "state", "hash")


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking a mirror found.

    ``events`` are as they should be; ``what`` says what is wrong after them, empty when nothing is.
    ``against_log`` says whether the log was there to compare with.
    """

    folder: str
    ok: bool
    events: int
    segments: int
    head_hash: str
    against_log: bool
    what: str = ""


def check(
    folder: Path, log: MirroredLog | None, on_progress: OnProgress = lambda done, total: None
) -> Checked:
    """Check every file's hash, recompute the chain from the stored bytes, and compare with the log.

    With a log each event must be the same there, and the typed columns are made from it again;
    without one files and chain are checked alone.
    """
    count = 0
    try:
        manifest = read_manifest(folder)
        if not manifest.segments:
            raise StoreDamaged(f"{folder} holds no mirror")
        if manifest.columns_version != COLUMNS_VERSION:
            raise StoreDamaged(f"{folder} has columns of an earlier version: mirror anew")
        for count in _checked(folder, manifest, log):
            on_progress(count, manifest.position)
    except (StoreError, ProjectionStopped) as error:
        return Checked(str(folder), False, count, 0, "", log is not None, str(error))
    return Checked(
        folder=str(folder),
        ok=True,
        events=manifest.position,
        segments=len(manifest.segments),
        head_hash=manifest.head_hash.hex(),
        against_log=log is not None,
    )


def _checked(folder: Path, manifest: Manifest, log: MirroredLog | None) -> Iterator[int]:
    """How many events are good, as the check goes on."""
    position, previous = 0, GENESIS
    stored = iter(()) if log is None else log.raw_events(0, manifest.position)
    effects = None if log is None else Effects(log.stream, {})
    for segment in manifest.segments:
        for batch in read_rows(folder, segment):
            raws = _raws(batch)
            for raw in raws:
                previous = checked(raw, position + 1, previous)
                position += 1
            if log is not None and effects is not None:
                _compare(batch, raws, list(islice(stored, len(raws))), log, effects)
            yield position
        if position != segment.last or previous.hex() != segment.last_hash:
            raise StoreDamaged(
                f"{segment.file} ends at position {position}, and its manifest says {segment.last}"
            )


def _raws(batch: pa.RecordBatch) -> list[RawRecorded]:
    columns = [batch.column(name).to_pylist() for name in _RAW]
    return [
        RawRecorded(position, UUID(id).hex, version, topic, state, hash)
        for position, id, version, topic, state, hash in zip(*columns, strict=True)
    ]


def _compare(
    batch: pa.RecordBatch,
    mirrored: list[RawRecorded],
    stored: list[RawRecorded],
    log: MirroredLog,
    effects: Effects,
) -> None:
    for number, raw in enumerate(mirrored):
        if number >= len(stored):
            raise StoreDamaged(f"{log.name} has no event at position {raw.position}")
        if tuple(stored[number]) != tuple(raw):
            raise StoreDamaged(f"{log.name} has another event at position {raw.position}")
    rows = Rows(len(mirrored))
    for raw in mirrored:
        rows.add(row_of(raw, log.decode(raw), effects))
    again = rows.table().to_batches()[0]
    for name in batch.schema.names:
        if batch.column(name).to_pylist() != again.column(name).to_pylist():
            raise StoreDamaged(_difference(name, batch, again))


def _difference(name: str, batch: pa.RecordBatch, again: pa.RecordBatch) -> str:
    values: Callable[[pa.RecordBatch], list[Any]] = lambda b: b.column(name).to_pylist()  # noqa: E731
    at = next(
        number
        for number, (one, other) in enumerate(zip(values(batch), values(again), strict=True))
        if one != other
    )
    position = batch.column("position")[at].as_py()
    return (
        f"column {name} of position {position} is {values(batch)[at]!r}, "
        f"and the log gives {values(again)[at]!r}"
    )
