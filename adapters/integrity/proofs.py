"""Proofs that one event is in the log, checked offline and without the log.

A proof is one JSON document: the stored record, the path from it to the root of a signed
checkpoint, that checkpoint, and, when asked for, the path that shows how an earlier checkpoint
leads to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...domain.errors import FillwrightError, InvalidInput
from ..storage.chain import link
from ..storage.log import Log
from ..storage.records import RawRecorded
from .checkpoints import SignedCheckpoint, parse_checkpoint
from .merkle import consistency_spans, inclusion_spans, is_consistent, root_from_inclusion
from .notes import NoteError, VerifierKey
from .tree import OnProgress, roots_of_spans

FORMAT: Final = "fillwright proof 1"
DOCUMENT_BYTES_MAX: Final = 1 << 30


class ProofError(FillwrightError):
    """A proof does not show what it says."""


def event_record(raw: RawRecorded, previous: bytes) -> dict[str, Any]:
    """A stored event with the hash before it: all that its own hash is made from."""
    return {
        "position": raw.position,
        "originator_id": raw.originator_id,
        "originator_version": raw.originator_version,
        "topic": raw.topic,
        "state": raw.state.decode(),
        "previous_hash": previous.hex(),
        "hash": raw.hash.hex(),
    }


def leaf_of(record: Mapping[str, Any]) -> bytes:
    """The event's chain hash, computed from what the record says.

    Raises:
        ProofError: it is not the one that the record names, or the record is malformed.
    """
    try:
        found = link(
            bytes.fromhex(record["previous_hash"]),
            int(record["position"]),
            bytes.fromhex(record["originator_id"]),
            int(record["originator_version"]),
            str(record["topic"]),
            str(record["state"]).encode(),
        )
    except Exception as error:
        raise ProofError(f"the event is not written as a record of a log: {error}") from error
    if found.hex() != record.get("hash"):
        raise ProofError(
            f"the event at position {record['position']} is altered: its hash does not fit"
        )
    return found


def prove(
    log: Log,
    position: int,
    checkpoint: SignedCheckpoint,
    *,
    earlier: SignedCheckpoint | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """A proof that the event at ``position`` is in the log of ``checkpoint``.

    Args:
        earlier: a checkpoint from before, to be shown to lead to this one.

    Raises:
        InvalidInput: the event or the earlier checkpoint is not within the checkpoint.
        ProofError: the log is not the one that was checkpointed, so that nothing can be proved.
    """
    size = checkpoint.size
    if not 1 <= position <= size:
        raise InvalidInput("event", position, f"a position from 1 to {size}, the checkpoint's size")
    if earlier is not None and not 0 < earlier.size <= size:
        raise InvalidInput("since", earlier.size, f"a checkpoint of 1 to {size} events")
    inclusion = inclusion_spans(position - 1, size)
    consistency = consistency_spans(earlier.size, size) if earlier is not None else []
    # The root itself is asked for too: a path from a log that was changed would lead elsewhere.
    nodes = roots_of_spans(log, [*inclusion, *consistency, (0, size)], on_progress)
    if nodes[-1] != checkpoint.checkpoint.root:
        raise ProofError(
            f"{log.name} does not hold the {size} events that were checkpointed, so nothing can be "
            "proved from it. Run `fillwright verify` on it"
        )
    path, rest = nodes[: len(inclusion)], nodes[len(inclusion) : -1]
    return {
        "format": FORMAT,
        "event": record_at(log, position),
        "inclusion": [node.hex() for node in path],
        "checkpoint": checkpoint.text,
        "earlier": None
        if earlier is None
        else {"checkpoint": earlier.text, "consistency": [node.hex() for node in rest]},
    }


def record_at(log: Log, position: int) -> dict[str, Any]:
    """The record of one event; see :func:`event_record`."""
    before = dict(log.hashes(position - 2, position - 1)) if position > 1 else {}
    for raw in log.raw_events(position - 1, position):
        return event_record(raw, before.get(position - 1, bytes(32)))
    raise InvalidInput("event", position, f"a position from 1 to {log.head().position}")


@dataclass(frozen=True, slots=True)
class ProofResult:
    """What a proof shows: the event, the checkpoint it is in, and by whose word.

    ``signed`` is whether the key was given and has signed the checkpoint, ``anchored`` whether the
    checkpoint (or the earlier one that leads to it) is among those kept outside.
    """

    position: int
    topic: str
    state: str
    size: int
    time: int
    origin: str
    signed: bool
    anchored: bool


def check_proof(
    document: Mapping[str, Any],
    key: VerifierKey | None = None,
    anchored: Sequence[SignedCheckpoint] | None = None,
) -> ProofResult:
    """Check a proof without the log.

    Args:
        key: whose signature the checkpoints must have; None leaves them unbelieved.
        anchored: checkpoints kept outside; the proof's, or its earlier one, must be among them.

    Raises:
        ProofError: it does not show what it says; names what is wrong.
    """
    try:
        record = document["event"]
        leaf = leaf_of(record)
        mark = signed_checkpoint(document["checkpoint"], key)
        path = [bytes.fromhex(node) for node in document["inclusion"]]
        position = int(record["position"])
        root = root_from_inclusion(leaf, position - 1, mark.size, path)
        if root != mark.checkpoint.root:
            raise ProofError(
                f"the path from the event at position {position} does not lead to the root of the "
                f"checkpoint of {mark.size} events"
            )
        marks = [mark]
        if document.get("earlier") is not None:
            marks.append(_check_earlier(document["earlier"], mark, key))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProofError(f"it is not a proof as fillwright writes it: {error!r}") from error
    return ProofResult(
        position=position,
        topic=record["topic"],
        state=record["state"],
        size=mark.size,
        time=mark.checkpoint.time,
        origin=mark.checkpoint.origin,
        signed=key is not None,
        anchored=is_anchored(marks, anchored),
    )


def signed_checkpoint(text: str, key: VerifierKey | None) -> SignedCheckpoint:
    """A checkpoint out of a document; raises ProofError unless ``key``, if given, has signed it."""
    try:
        mark = parse_checkpoint(text)
        if key is not None:
            mark.note.require(key)
            if mark.checkpoint.origin != key.name:
                raise NoteError(f"it is of {mark.checkpoint.origin}, the key of {key.name}")
    except NoteError as error:
        raise ProofError(f"its checkpoint is not vouched for: {error}") from error
    return mark


def is_anchored(
    marks: Sequence[SignedCheckpoint], anchored: Sequence[SignedCheckpoint] | None
) -> bool:
    """Whether one of the checkpoints is among those kept outside.

    Raises:
        ProofError: none is, or one of the same size has another root.
    """
    if anchored is None:
        return False
    outside = {(one.size, one.checkpoint.root) for one in anchored}
    sizes = {one.size for one in anchored}
    for mark in marks:
        if (mark.size, mark.checkpoint.root) in outside:
            return True
    for mark in marks:
        if mark.size in sizes:
            raise ProofError(
                f"its checkpoint of {mark.size} events is not the one that was left outside"
            )
    raise ProofError("its checkpoint is not among those that were left outside")


def _check_earlier(
    given: Mapping[str, Any], mark: SignedCheckpoint, key: VerifierKey | None
) -> SignedCheckpoint:
    earlier = signed_checkpoint(given["checkpoint"], key)
    path = [bytes.fromhex(node) for node in given["consistency"]]
    old, new = earlier.checkpoint, mark.checkpoint
    if not is_consistent(old.size, old.root, new.size, new.root, path):
        raise ProofError(
            f"the checkpoint of {new.size} events does not continue the one of {old.size} events"
        )
    return earlier
