"""Documents, notes, keys and anchors that commands about evidence are given."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...domain.errors import InvalidInput

if TYPE_CHECKING:
    from ..integrity.checkpoints import SignedCheckpoint
    from ..integrity.notes import SignerKey, VerifierKey
    from ..integrity.terms import IntegritySettings
    from ..integrity.tree import OnProgress
    from ..storage.log import Log

DOCUMENT_BYTES_MAX: Final = 1 << 30


def anchored_checkpoints(
    anchor: str | None, settings: IntegritySettings
) -> list[SignedCheckpoint] | None:
    """The checkpoints at the anchor that is given or configured, None when none is.

    Raises:
        InvalidInput: it cannot be read.
    """
    from ..integrity.anchors import AnchorError, checkpoints_at

    named = anchor or settings.anchor_or_default
    if named is None:
        return None
    try:
        return checkpoints_at(named)
    except AnchorError as error:
        raise InvalidInput("anchor", named, f"a readable anchor ({error})") from error


def with_given(
    settings: IntegritySettings, signing_key: Path | None, key: Path | None, anchor: str | None
) -> IntegritySettings:
    """The settings with what a command's options say instead."""
    given = {"signing_key": signing_key, "verifier_key": key, "anchor": anchor}
    return settings.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )


def signer_of(settings: IntegritySettings) -> SignerKey:
    """The private key that is configured.

    Raises:
        InvalidInput: none is, or it is no key that only its owner may read.
    """
    from ..integrity.notes import read_signer

    if settings.signing_key is None:
        raise InvalidInput("signing key", "nothing", "--signing-key, or integrity.signing_key")
    return read_signer(settings.signing_key)


def verifier(key: Path | None, settings: IntegritySettings) -> VerifierKey | None:
    """The public key that is given or configured, None when none is."""
    from ..integrity.notes import read_verifier

    named = key or settings.verifier_key
    return read_verifier(named) if named is not None else None


def covering(
    anchor: str | None, key: Path | None, settings: IntegritySettings, position: int
) -> SignedCheckpoint:
    """The newest checkpoint at the anchor, which has to cover a position.

    Raises:
        InvalidInput: there is none.
    """
    marks = anchored_checkpoints(anchor, settings)
    if marks is None:
        raise InvalidInput("anchor", "nothing", "--anchor with the checkpoints of the log")
    public = verifier(key, settings)
    if public is not None:
        marks = [mark for mark in marks if mark.note.signed_by(public)]
    largest = max(marks, key=lambda mark: mark.size, default=None)
    if largest is None or largest.size < position:
        size = largest.size if largest is not None else 0
        raise InvalidInput(
            "event",
            position,
            f"a position up to {size}, the newest checkpoint (`fillwright checkpoint` makes one)",
        )
    return largest


def binding(
    store: str, log: Log, settings: IntegritySettings, position: int, advance: OnProgress | None
) -> SignedCheckpoint:
    """The newest checkpoint of the private key, made now unless it covers every record there is.

    Raises:
        InvalidInput: one is needed that the caller may not make, or the anchor cannot be used.
        StoreError: that it was made could not be recorded.
    """
    from ..integrity.anchors import is_unused
    from ..integrity.second_stream import unbound
    from ..storage.ops_log import OpsLog

    signer = signer_of(settings)
    # Where there is a key, there is an anchor.
    is_first = is_unused(str(settings.anchor_or_default))
    marks = [] if is_first else anchored_checkpoints(None, settings) or []
    marks = [mark for mark in marks if mark.note.signed_by(signer.verifier)]
    newest = max(marks, key=lambda mark: (mark.size, mark.checkpoint.time), default=None)
    with OpsLog.of(log) as ops:
        left = unbound(ops, newest) if newest is not None else ops.head().position
    if newest is not None and newest.size >= position and not left:
        return newest
    bound = newest.size if newest is not None else 0
    counted = {"events": max(position - bound, 0), "records": left}
    missing = " and ".join(f"{count} {what}" for what, count in counted.items() if count)
    _check_may_checkpoint(store, f"{missing} are not bound to the newest checkpoint")
    return checkpoint_now(store, log, settings, advance)


def _check_may_checkpoint(store: str, why: str) -> None:
    from ...domain.principals import why_not
    from ..supervision.supervising import supervisor_of

    supervisor = supervisor_of(store)
    if supervisor is None:
        return
    with supervisor:
        denied = why_not(supervisor.me, "checkpoint")
    if denied is not None:
        allowed = f"one that covers all there is; for `fillwright checkpoint` {denied}"
        raise InvalidInput("checkpoint", why, allowed)


def checkpoint_now(
    store: str, log: Log, settings: IntegritySettings, advance: OnProgress | None
) -> SignedCheckpoint:
    """Sign the log's state of now and leave it at the anchor.

    Raises:
        InvalidInput: there is no key, key or anchor lie with the store, or it could not be left.
        StoreDamaged: the log no longer holds what was checkpointed.
    """
    from ..integrity.anchors import AnchorError, StampError
    from ..integrity.checkpointing import Checkpointer, check_place
    from ..storage.location import parse_location
    from ..storage.ops_log import OpsLog

    path, url = parse_location(store), settings.time_stamp_url
    if path is not None:
        check_place(settings, path)
    # Where there is a key, there is an anchor.
    key, place = signer_of(settings), str(settings.anchor_or_default)
    try:
        with OpsLog.open(store) as ops:
            return Checkpointer(log, ops, key, place, time_stamp_url=url).make(advance)
    except StampError as error:
        raise InvalidInput("integrity.time_stamp_url", url, f"one that stamps ({error})") from error
    except AnchorError as error:
        raise InvalidInput("anchor", place, f"a place that can be written ({error})") from error


def note_from(path: Path) -> SignedCheckpoint:
    """A signed checkpoint from a file.

    Raises:
        InvalidInput: it is not one.
    """
    from ..integrity.checkpoints import parse_checkpoint
    from ..integrity.notes import NoteError

    try:
        return parse_checkpoint(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, NoteError) as error:
        raise InvalidInput("checkpoint", path, f"a signed checkpoint ({error})") from error


def write_document(document: object, out: Path | None) -> None:
    """Write canonical JSON to a file, whole or not at all, or to stdout."""
    from ...projections.canonical import canonical_bytes
    from . import output
    from .whole_files import write_whole

    data = canonical_bytes(document) + b"\n"
    if out is None:
        output.write_bytes(data)
    else:
        write_whole(out, data)


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        InvalidInput: it is not one.
    """
    try:
        if path.stat().st_size > DOCUMENT_BYTES_MAX:
            raise ValueError(f"it is longer than {DOCUMENT_BYTES_MAX} bytes")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput("file", path, f"a readable JSON document ({error})") from error
    if not isinstance(document, dict):
        raise InvalidInput("file", path, "a JSON object, as `fillwright prove` writes it")
    return document


def check_document(
    path: Path,
    key: Path | None,
    anchor: str | None,
    settings: IntegritySettings,
    on_progress: OnProgress | None = None,
) -> tuple[dict[str, Any], list[str], bool]:
    """Check what a path holds: what it shows as fields and as lines, and whether a key vouches.

    Raises:
        ProofError: it does not show what it says.
        InvalidInput: it is nothing that can be checked.
    """
    from ..handover import audit_pack, dossier, ranges
    from ..integrity import proofs

    if path.is_dir():
        path = path / ranges.MANIFEST
    document = read_document(path)
    public = verifier(key, settings)
    anchored = anchored_checkpoints(anchor, settings)
    format = document.get("format")
    if format == proofs.FORMAT:
        one = proofs.check_proof(document, public, anchored)
        told, signed, outside = asdict(one), one.signed, one.anchored
        lines = [
            f"{one.topic} is event {one.position} of {one.size} in the log {one.origin}",
            one.state,
        ]
    elif format == ranges.FORMAT:
        part = ranges.check_range(path.parent, document, public, anchored, on_progress)
        told, signed, outside = part._asdict(), part.signed, part.anchored
        lines = [
            f"{part.last - part.first + 1} events are {part.first} to {part.last} of {part.size} "
            f"in the log {part.origin}"
        ]
    elif format == dossier.FORMAT:
        whole = dossier.check_dossier(document, public, anchored)
        told, signed, outside = asdict(whole), whole.signed, whole.anchored
        lines = [
            f"{whole.decision_id} ({whole.instruction}): {whole.events} events of {whole.size} in "
            f"the log {whole.origin}, {whole.segments} segments of market data",
            "its analysis comes out of them again"
            if whole.analysis_agrees
            else "its analysis was made by another version of fillwright",
        ]
    elif format == audit_pack.FORMAT or format in audit_pack.FORMER:
        pack = audit_pack.check_pack(path.parent, document, public, anchored, on_progress)
        told, outside = asdict(pack), pack.anchored
        # Whoever signs may say any version: what was not compared nobody vouches for.
        signed = pack.signed and pack.documents_agree is True
        lines = [
            f"{pack.orders} instructions, {pack.exceptions} exceptions and {pack.records} records "
            f"of events {pack.first} to {pack.last} of {pack.size} in the log {pack.origin}",
            f"{pack.records_bound} of the records are bound to the checkpoint, as the events are",
            "its documents come out of them again"
            if pack.documents_agree
            else f"its documents are not compared: they were made by fillwright "
            f"{document['code_version']} in form {str(format)[-1]}; check them with that",
        ]
    else:
        known = (proofs.FORMAT, ranges.FORMAT, dossier.FORMAT, audit_pack.FORMAT)
        raise InvalidInput("format", format, ", ".join(known))
    by = f"signed by {public.label}" if public is not None else "signature not checked"
    kept = "its checkpoint lies outside" if outside else "its checkpoint was not looked up"
    return told, [*lines, f"{by}; {kept}"], signed
