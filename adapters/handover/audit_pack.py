"""An audit pack: everything that an auditor asks for in one folder, checked offline.

The folder holds the log up to the end of the period with its proof, the whole second stream with
its chain, and documents that are told from these two alone. Whoever checks it tells them once more
and compares bytes, so nothing in a document has to be believed. The same store, checkpoint, key and
period give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ... import __version__
from ...domain.errors import FillwrightError, InvalidInput
from ...projections.audit_pack import Period
from ...projections.canonical import canonical_bytes
from ..integrity.checkpoints import SignedCheckpoint
from ..integrity.notes import NoteError, SignerKey, VerifierKey, parse_note
from ..integrity.proofs import ProofError, signed_checkpoint
from ..integrity.second_stream import RecordChain, marks_of
from ..integrity.tree import OnProgress
from ..storage.log import Log
from ..storage.ops_log import OpsLog
from ..storage.records import Head, RawRecorded
from . import ranges
from .folders import filling
from .pack_documents import PackDocuments, PackRecords

FORMAT: Final = "fillwright audit pack 3"
FORMER: Final = frozenset({"fillwright audit pack 1", "fillwright audit pack 2"})
"""The first left statements out of comparisons, both have no document of retention and not every
record bound to the checkpoint; everything else is checked as ever."""
EVENTS: Final = "events"
RECORDS: Final = "records.jsonl"
README: Final = "README.txt"
DOCUMENT_SUFFIX: Final = ".json"
_WORDS: Final = """\
Audit pack of the log {origin}, events {first} to {last}.

manifest.json      every file with its SHA-256; signed; what verification found
events/            the log from its first event to {last}, with hashes and a signed checkpoint
records.jsonl      the second stream: permissions, approvals, exceptions, reports, checks
orders.json        every order, refused and cancelled ones included, with authority and times
limits.json rules.json retention.json permissions.json overrides.json kills.json exceptions.json
reconciliations.json strategies.json clock.json checks.json reports.json

Times are nanoseconds since 1970, UTC. To check it, with the public key from another source:

    fillwright check FOLDER --key verifier.pub

Every document is told again from events/ and records.jsonl and compared byte for byte.
"""


@dataclass(frozen=True, slots=True)
class PackResult:
    """What a checked pack is of, and by whose word.

    Of the ``records`` the first ``records_bound`` are vouched for by the checkpoint as the events
    are, and so by whatever keeps it outside. Those are all of them, but in packs of former forms.
    ``documents_agree`` is None where another version of the code made the documents.
    """

    first: int
    last: int
    size: int
    origin: str
    records: int
    records_bound: int
    orders: int
    exceptions: int
    signed: bool
    anchored: bool
    documents_agree: bool | None


def make_pack(
    log: Log,
    ops: OpsLog,
    first: int,
    last: int,
    folder: Path,
    checkpoint: SignedCheckpoint,
    key: SignerKey,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Write the pack of positions ``first`` to ``last``; returns its manifest.

    Of the second stream it holds what the checkpoint vouches for, and nothing else.

    Raises:
        InvalidInput: the range is empty or beyond the checkpoint, the folder is not empty, or the
            checkpoint says nothing of the second stream.
        ProofError: a stream is not what was recorded; what is wrong is named.
    """
    if not 1 <= first <= last:
        raise InvalidInput("range", f"{first} to {last}", "positions from 1 on")
    if folder.exists() and any(folder.iterdir()):
        raise InvalidInput("out", folder, "a folder that is empty or does not exist")
    head = checkpoint.checkpoint.records
    if head is None:
        raise InvalidInput(
            "checkpoint", checkpoint.size, "one that says how many records there are"
        )
    with filling(folder):
        made = ranges.export_range(
            log, 1, last, ranges.Format.JSONL, folder / EVENTS, checkpoint, on_progress
        )
        _write_records(folder / RECORDS, ops, head, checkpoint)
        events = folder / EVENTS / made["file"]
        for name, pieces in PackDocuments(
            events, folder / RECORDS, Period(first, last), on_progress
        ):
            with (folder / f"{name}{DOCUMENT_SUFFIX}").open("xb") as file:
                file.writelines(pieces)
        origin = checkpoint.checkpoint.origin
        _write(folder / README, _readme(origin, first, last))
        manifest = {
            "format": FORMAT,
            "code_version": __version__,
            "origin": origin,
            "from": first,
            "to": last,
            "records": head.position,
            "records_hash": head.hash.hex(),
            "files": _hashes(folder),
            "verification": {
                "events": {"ok": True, "count": last, "previous": made["previous_hash"]},
                "records": {"ok": True, "count": head.position},
                "checkpoint_size": checkpoint.size,
            },
            "checkpoint": checkpoint.text,
        }
        manifest["signature"] = key.sign(_statement(manifest))
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        _write(folder / ranges.MANIFEST, f"{text}\n".encode())
        return manifest


def check_pack(
    folder: Path,
    manifest: Mapping[str, Any],
    key: VerifierKey | None = None,
    anchored: Sequence[SignedCheckpoint] | None = None,
    on_progress: OnProgress | None = None,
) -> PackResult:
    """Check a pack without the store: files, signature, both chains, and every document.

    Raises:
        ProofError: it is not what it says; names what is wrong.
    """
    try:
        _check_files(folder, manifest)
        _check_signature(manifest, key)
        inner = json.loads((folder / EVENTS / ranges.MANIFEST).read_text(encoding="utf-8"))
        if inner["checkpoint"] != manifest["checkpoint"]:
            raise ProofError("its events are proven by another checkpoint")
        found = ranges.check_range(folder / EVENTS, inner, key, anchored, on_progress)
        first, last = int(manifest["from"]), int(manifest["to"])
        if inner["kind"] != ranges.Format.JSONL.value:
            raise ProofError("its events are not lines of JSON")
        if (found.first, found.last) != (1, last) or not 1 <= first <= last:
            raise ProofError(f"its events are {found.first} to {found.last}, not 1 to {last}")
        mark = signed_checkpoint(manifest["checkpoint"], key)
        chain = _checked(PackRecords(folder / RECORDS).raws(), mark)
        if (chain.count, chain.head.hex()) != (manifest["records"], manifest["records_hash"]):
            raise ProofError("the second stream in it is not the one that the manifest names")
        bound = mark.checkpoint.records.position if mark.checkpoint.records is not None else 0
        if chain.count != bound and manifest["format"] not in FORMER:
            raise ProofError(f"of its {chain.count} records {bound} are bound to its checkpoint")
        events = folder / EVENTS / inner["file"]
        told = PackDocuments(events, folder / RECORDS, Period(first, last), on_progress)
        agrees = _check_documents(folder, manifest, told)
    except OSError as error:
        raise ProofError(f"{error.filename}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProofError(f"it is not a pack as fillwright writes it: {error!r}") from error
    return PackResult(
        first,
        last,
        found.size,
        found.origin,
        chain.count,
        bound,
        told.orders,
        told.exceptions,
        found.signed,
        found.anchored,
        agrees,
    )


# -- parts -----------------------------------------------------------------------------------------


def _check_documents(folder: Path, manifest: Mapping[str, Any], told: PackDocuments) -> bool | None:
    """Tell every document once more from the two streams, and compare bytes."""
    try:
        differing = [
            name
            for name, pieces in told
            if not _is_file_of(folder / f"{name}{DOCUMENT_SUFFIX}", pieces)
        ]
        words = _readme(manifest["origin"], manifest["from"], manifest["to"])
        if (folder / README).read_bytes() != words:
            differing.append(README)
    except FillwrightError as error:
        raise ProofError(f"its events cannot be read: {error}") from error
    if not differing:
        return True
    if manifest["code_version"] != __version__ or manifest["format"] in FORMER:
        return None
    raise ProofError(f"not what its events and records tell: {', '.join(differing)}")


def _is_file_of(path: Path, pieces: Iterator[bytes]) -> bool:
    """Whether a file is exactly these pieces; all of them are taken in any case."""
    if not path.exists():
        return not list(pieces)
    with path.open("rb") as file:
        same = [file.read(len(piece)) == piece for piece in pieces]
        return all(same) and not file.read(1)


def _checked(raws: Iterable[RawRecorded], mark: SignedCheckpoint) -> RecordChain:
    """The chain over all records; raises ProofError where one does not fit chain or checkpoint."""
    chain = RecordChain(marks_of([mark]))
    for raw in raws:
        fault = chain.fault_of(raw)
        if fault:
            raise ProofError(fault)
    if chain.missing():
        raise ProofError(chain.missing())
    return chain


def _write_records(path: Path, ops: OpsLog, head: Head, mark: SignedCheckpoint) -> None:
    """The second stream up to ``head``, one record in memory at a time."""
    with path.open("xb") as file:

        def passing() -> Iterator[RawRecorded]:
            for raw in ops.raw_events(upto=head.position):
                file.write(raw.as_line())
                yield raw

        chain = _checked(passing(), mark)
    if chain.head != head.hash:
        raise ProofError("the second stream is not what was written: run `fillwright verify`")


def _readme(origin: str, first: int, last: int) -> bytes:
    return _WORDS.format(origin=origin, first=first, last=last).encode()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the manifest, by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): ranges.sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / ranges.MANIFEST
    }


def _check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    there, named = _hashes(folder), dict(manifest["files"])
    for name in sorted({*there, *named}):
        if name not in there:
            raise ProofError(f"{name} is missing")
        if name not in named:
            raise ProofError(f"{name} is not in the manifest")
        if there[name] != named[name]:
            raise ProofError(f"{name} is not the file that the manifest names by its hash")


def _statement(manifest: Mapping[str, Any]) -> str:
    """What is signed: that this is a pack of that log, and its hash without the signature."""
    unsigned = {name: value for name, value in manifest.items() if name != "signature"}
    digest = hashlib.sha256(canonical_bytes(unsigned)).hexdigest()
    return f"{manifest['origin']}\n{manifest['format']}\nsha256 {digest}\n"


def _check_signature(manifest: Mapping[str, Any], key: VerifierKey | None) -> None:
    try:
        note = parse_note(manifest["signature"])
        if key is not None:
            note.require(key)
    except NoteError as error:
        raise ProofError(f"its signature is not to be believed: {error}") from error
    if note.text != _statement(manifest):
        raise ProofError("its manifest is not what was signed: something in it was changed")
