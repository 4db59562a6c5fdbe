"""Segments of the mirror and the manifest that lists them.

A segment is one Parquet file with the events of one range of the chain. It is written beside its
place and moved there when it is whole and on disk, and it counts only once the manifest names it;
so whenever the power fails the manifest names whole files only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...domain.errors import StoreDamaged, StoreError, StoreNewer
from ..storage.chain import GENESIS
from .columns import COLUMNS_VERSION, SCHEMA

MANIFEST: Final = "mirror.json"
FORMAT: Final = 1
_CHUNK: Final = 1 << 20
_METADATA: Final = "fillwright."
_REPEATING: Final = [
    name for name in SCHEMA.names if name not in {"state", "hash", "position", "counters"}
]
"""Columns that are written with a dictionary."""
BATCH_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Segment:
    """One file: positions ``first`` to ``last``, the chain's hash before and at its end (hex).

    ``sha256`` is of the file's bytes, ``rounded`` counts events with a figure of more decimals than
    the columns hold.
    """

    file: str
    first: int
    last: int
    previous_hash: str
    last_hash: str
    sha256: str
    bytes: int
    rounded: int


@dataclass(slots=True)
class Manifest:
    """What a mirror holds: its segments in order, and where each account's own stream stood."""

    segments: list[Segment] = field(default_factory=list)
    accounts: dict[str, int] = field(default_factory=dict)
    columns_version: int = COLUMNS_VERSION

    @property
    def position(self) -> int:
        """The last position it holds, 0 when it is empty."""
        return self.segments[-1].last if self.segments else 0

    @property
    def head_hash(self) -> bytes:
        """The chain's hash there."""
        return bytes.fromhex(self.segments[-1].last_hash) if self.segments else GENESIS

    def paths(self, folder: Path) -> list[Path]:
        """The files, in order."""
        return [folder / segment.file for segment in self.segments]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder, empty where there is none.

    Raises:
        StoreNewer: a later version made the mirror.
        StoreDamaged: it cannot be read, or its segments do not join.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return Manifest()
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        if said["format"] > FORMAT or said["columns_version"] > COLUMNS_VERSION:
            raise StoreNewer(f"{path} was made by a newer version; make the mirror anew elsewhere")
        manifest = Manifest(
            [Segment(**each) for each in said["segments"]],
            {str(name): int(version) for name, version in said["accounts"].items()},
            said["columns_version"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreDamaged(
            f"{path} is not a manifest of a mirror ({error}): remove the folder and mirror anew"
        ) from error
    last, previous = 0, GENESIS.hex()
    for segment in manifest.segments:
        joins = segment.first == last + 1 and segment.previous_hash == previous
        if not joins or segment.last < segment.first or Path(segment.file).name != segment.file:
            raise StoreDamaged(
                f"{path}: {segment.file} does not follow position {last}: mirror anew"
            )
        last, previous = segment.last, segment.last_hash
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Put the manifest in its place, whole and on disk."""
    said = {
        "format": FORMAT,
        "columns_version": manifest.columns_version,
        "position": manifest.position,
        "head_hash": manifest.head_hash.hex(),
        "accounts": manifest.accounts,
        "segments": [asdict(segment) for segment in manifest.segments],
    }
    path = folder / MANIFEST
    beside = path.with_name(MANIFEST + ".new")
    beside.write_bytes(json.dumps(said, indent=1, sort_keys=True).encode() + b"\n")
    _settle(beside, path)


class SegmentWriter:
    """Writes one segment, a group of rows at a time, so that it need not fit into memory."""

    def __init__(self, folder: Path, *, first: int, previous_hash: bytes) -> None:
        self._folder = folder
        self._first = first
        self._previous_hash = previous_hash
        self._last = first - 1
        self._last_hash = previous_hash
        self._rounded = 0
        self._beside = folder / f"events-{first:012d}.parquet.new"
        self._writer = pq.ParquetWriter(
            self._beside,
            SCHEMA,
            compression="zstd",
            use_dictionary=_REPEATING,  # type: ignore[arg-type]  # names are allowed
        )

    def write(self, table: pa.Table) -> None:
        """Add the next rows as a group of their own."""
        self._writer.write_table(table)
        self._last = table["position"][-1].as_py()
        self._last_hash = table["hash"][-1].as_py()
        self._rounded += pc.sum(table["rounded"]).as_py()

    def finish(self) -> Segment:
        """Bind the file to its range, make it durable, and move it to its place."""
        previous, last = self._previous_hash.hex(), self._last_hash.hex()
        bound = {
            "first_position": str(self._first),
            "last_position": str(self._last),
            "previous_hash": previous,
            "last_hash": last,
            "columns_version": str(COLUMNS_VERSION),
        }
        self._writer.add_key_value_metadata({_METADATA + k: text for k, text in bound.items()})
        self._writer.close()
        name = f"events-{self._first:012d}-{self._last:012d}-{last[:16]}.parquet"
        digest, size = digest_of(self._beside)
        _settle(self._beside, self._folder / name)
        return Segment(
            file=name,
            first=self._first,
            last=self._last,
            previous_hash=previous,
            last_hash=last,
            sha256=digest,
            bytes=size,
            rounded=self._rounded,
        )

    def abandon(self) -> None:
        """Leave nothing of a segment that was not finished."""
        if self._writer.is_open:
            self._writer.close()
        self._beside.unlink(missing_ok=True)


def read_rows(folder: Path, segment: Segment) -> Iterator[pa.RecordBatch]:
    """The rows of a segment, some at a time.

    Raises:
        StoreDamaged: its file is missing, or not what the manifest and its own metadata say.
    """
    path = folder / segment.file
    try:
        digest, _ = digest_of(path)
        if digest != segment.sha256:
            raise StoreDamaged(f"{path} is not the file that was written: its hash differs")
        bound = bound_to(path)
        said = (bound.get("first_position"), bound.get("last_position"), bound.get("last_hash"))
        if said != (str(segment.first), str(segment.last), segment.last_hash):
            raise StoreDamaged(f"{path} is bound to another range of the chain than its manifest")
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS)
    except (OSError, pa.ArrowException) as error:
        raise StoreDamaged(f"{path} cannot be read: {error}") from error


def bound_to(path: Path) -> dict[str, str]:
    """What a segment's own metadata binds it to: positions, hashes, version of the columns."""
    metadata = pq.read_metadata(path).metadata or {}
    return {
        key.decode().removeprefix(_METADATA): text.decode()
        for key, text in metadata.items()
        if key.decode().startswith(_METADATA)
    }


def digest_of(path: Path) -> tuple[str, int]:
    """sha256 and size of a file."""
    found, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            size += len(chunk)
    return found.hexdigest(), size


def make_folder(folder: Path) -> None:
    """The folder, made where it is missing.

    Raises:
        StoreError: it holds something else than a mirror.
    """
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is not a folder: name another place for the mirror")
    folder.mkdir(parents=True, exist_ok=True)
    foreign = [p.name for p in folder.iterdir() if not _is_ours(p.name)]
    if foreign:
        raise StoreError(
            f"{folder} holds {sorted(foreign)[0]}, which is not of a mirror: name another folder"
        )


def sweep(folder: Path, manifest: Manifest) -> None:
    """Remove what the manifest does not name: replaced by an earlier run, or left half written."""
    kept = {segment.file for segment in manifest.segments} | {MANIFEST, MANIFEST + ".lock"}
    for path in folder.iterdir():
        if path.name not in kept and _is_ours(path.name):
            path.unlink(missing_ok=True)


def _is_ours(name: str) -> bool:
    return name.startswith(MANIFEST) or (name.startswith("events-") and ".parquet" in name)


def _settle(beside: Path, path: Path) -> None:
    """Make a written file durable and move it to its place."""
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
