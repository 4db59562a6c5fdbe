"""A range of the log as files: JSON lines, CSV or Parquet, with a manifest that binds them to it.

The manifest holds the hash before the range, the SHA-256 of the file, a signed checkpoint, and the
roots of the subtrees on both sides of the range: with the leaves of the range, which are computed
from the file itself, they give the root that is signed.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from ...domain.errors import InvalidInput
from ..as_of import AsOf
from ..integrity.checkpoints import SignedCheckpoint
from ..integrity.merkle import Frontier, Span, node_hash, split
from ..integrity.notes import VerifierKey
from ..integrity.proofs import ProofError, is_anchored, signed_checkpoint
from ..integrity.tree import OnProgress, roots_of_spans
from ..storage.log import Log
from ..storage.records import RawRecorded
from ..storage.verification import fault_of
from .folders import filling

FORMAT: Final = "fillwright export 1"
MANIFEST: Final = "manifest.json"
COLUMNS: Final = ("position", "originator_id", "originator_version", "topic", "state", "hash")
ROW_GROUP_ROWS: Final = 1 << 14
PROGRESS_EVERY: Final = 5_000
READ_BYTES: Final = 1 << 20
_BEFORE_STATE: Final = b'{"fields":'
_AFTER_STATE: Final = b',"hash":"'


class Format(StrEnum):
    """How the events are written."""

    JSONL = "jsonl"
    PARQUET = "parquet"
    CSV = "csv"


class RangeResult(NamedTuple):
    """What a checked export is: its range, and by whose word."""

    first: int
    last: int
    size: int
    origin: str
    signed: bool
    anchored: bool


def export_range(
    log: Log,
    first: int,
    last: int,
    kind: Format,
    folder: Path,
    checkpoint: SignedCheckpoint,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Write the events from ``first`` to ``last`` and their manifest; returns the manifest.

    The same log, range, format and checkpoint give the same bytes.

    Raises:
        InvalidInput: the range is empty or beyond the checkpoint, or the folder is not empty.
        ProofError: the log is not the one that was checkpointed; nothing is left in the folder.
    """
    size = checkpoint.size
    if not 1 <= first <= last <= size:
        raise InvalidInput(
            "range", f"{first} to {last}", f"positions from 1 to {size}, the checkpoint's size"
        )
    if folder.exists() and any(folder.iterdir()):
        raise InvalidInput("out", folder, "a folder that is empty or does not exist")
    spans = outer_spans(first - 1, last, size)
    nodes = roots_of_spans(log, [*spans, (0, size)], on_progress)
    if nodes[-1] != checkpoint.checkpoint.root:
        raise ProofError(
            f"{log.name} does not hold the {size} events that were checkpointed, so nothing can be "
            "handed over from it. Run `fillwright verify` on it"
        )
    previous = dict(log.hashes(first - 2, first - 1)).get(first - 1, bytes(32))
    with filling(folder):
        path = folder / f"events.{kind.value}"
        _WRITERS[kind](path, _counted(log.raw_events(first - 1, last), first, last, on_progress))
        manifest = {
            "format": FORMAT,
            "origin": checkpoint.checkpoint.origin,
            "file": path.name,
            "kind": kind.value,
            "sha256": sha256_of(path),
            "bytes": path.stat().st_size,
            "from": first,
            "to": last,
            "previous_hash": previous.hex(),
            "nodes": [node.hex() for node in nodes[:-1]],
            "checkpoint": checkpoint.text,
        }
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8")
        return manifest


def check_range(
    folder: Path,
    manifest: Mapping[str, Any],
    key: VerifierKey | None = None,
    anchored: Sequence[SignedCheckpoint] | None = None,
    on_progress: OnProgress | None = None,
) -> RangeResult:
    """Check an export without the log; see :func:`export_range`.

    Raises:
        ProofError: it is not what the manifest says, or not of the log that was checkpointed.
    """
    try:
        mark = signed_checkpoint(manifest["checkpoint"], key)
        first, last = int(manifest["from"]), int(manifest["to"])
        if not 1 <= first <= last <= mark.size:
            raise ProofError(f"the range {first} to {last} is not within its checkpoint")
        name = str(manifest["file"])
        path = folder / name
        if Path(name).name != name or sha256_of(path) != manifest["sha256"]:
            raise ProofError(f"{name} is not the file that the manifest names by its hash")
        nodes = iter([bytes.fromhex(node) for node in manifest["nodes"]])
        rows = _READERS[Format(manifest["kind"])](path)
        previous = bytes.fromhex(manifest["previous_hash"])
        leaves = _linked(rows, first, last, previous, on_progress)
        root = _root(0, mark.size, (first - 1, last), leaves, nodes)
    except OSError as error:
        raise ProofError(f"{error.filename}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, StopIteration, RuntimeError) as error:
        raise ProofError(f"it is not an export as fillwright writes it: {error!r}") from error
    if root != mark.checkpoint.root:
        raise ProofError(
            f"the events {first} to {last} do not lead to the root of the checkpoint of "
            f"{mark.size} events"
        )
    return RangeResult(
        first,
        last,
        mark.size,
        mark.checkpoint.origin,
        key is not None,
        is_anchored([mark], anchored),
    )


def outer_spans(start: int, end: int, size: int) -> list[Span]:
    """The largest subtrees of a tree of ``size`` leaves outside of leaves ``start`` to ``end``."""
    return list(_outer(0, size, start, end))


def _outer(low: int, high: int, start: int, end: int) -> Iterator[Span]:
    if high <= start or end <= low:
        yield low, high
    elif not (start <= low and high <= end):
        middle = low + split(high - low)
        yield from _outer(low, middle, start, end)
        yield from _outer(middle, high, start, end)


def _root(
    low: int, high: int, inside: Span, leaves: Iterator[bytes], nodes: Iterator[bytes]
) -> bytes:
    """The root of leaves ``low`` to ``high``: computed inside the range, given outside of it."""
    start, end = inside
    if high <= start or end <= low:
        return next(nodes)
    if start <= low and high <= end:
        tree = Frontier()
        for _ in range(high - low):
            tree.append(next(leaves))
        return tree.root()
    middle = low + split(high - low)
    left = _root(low, middle, inside, leaves, nodes)
    return node_hash(left, _root(middle, high, inside, leaves, nodes))


def _linked(
    rows: Iterable[RawRecorded],
    first: int,
    last: int,
    previous: bytes,
    on_progress: OnProgress | None,
) -> Iterator[bytes]:
    """The chain hashes of the rows, each computed from what the row says."""
    for position, row in enumerate(rows, start=first):
        if row.position != position or position > last:
            raise ProofError(f"the event at position {position} is missing or out of order")
        if what := fault_of(row, position, previous):
            raise ProofError(f"the event at position {position} is {what}")
        previous = row.hash
        if on_progress is not None and position % PROGRESS_EVERY == 0:
            on_progress(position - first, last - first + 1)
        yield previous


def _counted(
    rows: Iterable[RawRecorded], first: int, last: int, on_progress: OnProgress | None
) -> Iterator[RawRecorded]:
    for row in rows:
        if on_progress is not None and row.position % PROGRESS_EVERY == 0:
            on_progress(row.position - first, last - first + 1)
        yield row


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


# -- formats ---------------------------------------------------------------------------------------


def _write_jsonl(path: Path, rows: Iterable[RawRecorded]) -> None:
    with path.open("xb") as file:
        file.writelines(map(RawRecorded.as_line, rows))
        file.flush()
        os.fsync(file.fileno())


def read_jsonl(path: Path) -> Iterator[RawRecorded]:
    """The events of lines as ``RawRecorded.as_line`` writes them."""
    with path.open("rb") as file:
        yield from map(event_of_line, file)


def event_of_line(line: bytes) -> RawRecorded:
    """The event of a line as ``RawRecorded.as_line`` writes it."""
    whole = json.loads(line)
    fields = whole["fields"]
    return RawRecorded(
        int(whole["position"]),
        UUID(fields["originator_id"]).hex,
        int(fields["originator_version"]),
        str(whole["topic"]),
        state_of_line(line),
        bytes.fromhex(whole["hash"]),
    )


def state_of_line(line: bytes) -> bytes:
    """The bytes of an event's line that its hash covers: not what JSON makes of them."""
    return line[len(_BEFORE_STATE) : line.rindex(_AFTER_STATE)]


def line_in_two(line: bytes) -> tuple[bytes, dict[str, Any]]:
    """The same bytes, and what the line says beside them; of a line that was checked whole."""
    end = line.rindex(_AFTER_STATE)
    return line[len(_BEFORE_STATE) : end], json.loads(b"{" + line[end + 1 :])


def _write_csv(path: Path, rows: Iterable[RawRecorded]) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((*row[:4], row.state.decode(), row.hash.hex()) for row in rows)
        file.flush()
        os.fsync(file.fileno())


def _read_csv(path: Path) -> Iterator[RawRecorded]:
    csv.field_size_limit(1 << 30)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if tuple(next(rows)) != COLUMNS:
            raise ValueError("the columns are others")
        for position, id, version, topic, state, hash in rows:
            yield RawRecorded(
                int(position), id, int(version), topic, state.encode(), bytes.fromhex(hash)
            )


def _write_parquet(path: Path, rows: Iterable[RawRecorded]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number = pa.string(), pa.int64()
    types: list[pa.DataType] = [number, text, number, text, text, pa.binary(32)]
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
    with pq.ParquetWriter(
        path, schema, version="2.6", compression="zstd", compression_level=3, store_schema=False
    ) as writer:
        group: list[RawRecorded] = []
        for row in rows:
            group.append(row)
            if len(group) == ROW_GROUP_ROWS:
                writer.write_table(_table(group, schema))
                group.clear()
        if group:
            writer.write_table(_table(group, schema))


def _table(rows: Sequence[RawRecorded], schema: Any) -> Any:
    import pyarrow as pa

    columns = [[row[index] for row in rows] for index in range(len(COLUMNS))]
    columns[4] = [row.state.decode() for row in rows]
    return pa.table(dict(zip(COLUMNS, columns, strict=True)), schema=schema)


def _read_parquet(path: Path) -> Iterator[RawRecorded]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        for batch in file.iter_batches(batch_size=ROW_GROUP_ROWS):
            for row in batch.to_pylist():
                values = {**row, "state": row["state"].encode()}
                yield RawRecorded(*(values[name] for name in COLUMNS))
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error


Writer = Callable[[Path, Iterable[RawRecorded]], None]
Reader = Callable[[Path], Iterator[RawRecorded]]
_WRITERS: Final[Mapping[Format, Writer]] = {
    Format.JSONL: _write_jsonl,
    Format.CSV: _write_csv,
    Format.PARQUET: _write_parquet,
}
_READERS: Final[Mapping[Format, Reader]] = {
    Format.JSONL: read_jsonl,
    Format.CSV: _read_csv,
    Format.PARQUET: _read_parquet,
}


# -- which events ----------------------------------------------------------------------------------

_RECORD_TIME: Final = re.compile(rb'"record_time":(-?[0-9]+)')


def positions_between(log: Log, since: AsOf | None, until: AsOf | None) -> tuple[int, int]:
    """The first and last position of a range given by positions or times, both included.

    A time as the start is the first event recorded then or later; as the end, what ``AsOf`` says.

    Raises:
        InvalidInput: no event is in the range.
    """
    head = log.head().position
    first = 1 if since is None else since.position
    last = head if until is None else until.position
    if first is None and since is not None and since.time is not None:
        start = since.time
        first = next((raw.position for raw in log.raw_events() if _time_of(raw) >= start), head + 1)
    if last is None and until is not None and until.time is not None:
        end = until.time
        late = next((raw.position for raw in log.raw_events() if _time_of(raw) > end), head + 1)
        last = late - 1
    if first is None or last is None or not 1 <= first <= last <= head:
        if first is not None and last is not None and first == last + 1:
            raise InvalidInput("range", "no event in it", f"positions 1 to {head}, and their times")
        raise InvalidInput("range", f"{first} to {last}", f"positions from 1 to {head}")
    return first, last


def _time_of(raw: RawRecorded) -> int:
    match = _RECORD_TIME.search(raw.state)
    return int(match[1]) if match else 0
