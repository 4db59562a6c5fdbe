"""A dossier: everything about one instruction in one signed file, checked offline.

It holds the instruction's own events with the raw messages of the broker, the events of its account
that it was decided under, the captured market data that was used, the cost analysis, a signed
checkpoint and the tree's nodes that lead from every event to it. The same log, checkpoint and key
give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from ... import __version__
from ...domain import events as e
from ...domain.errors import FillwrightError, InvalidInput, StoreError
from ...domain.ids import account_stream_id
from ...projections.canonical import canonical_bytes, from_canonical
from ...projections.execution_quality import ExecutionQuality, quality_of_instruction
from ...projections.runner import follow
from ..end_facts import Captured, end_facts
from ..integrity.checkpoints import SignedCheckpoint
from ..integrity.merkle import Span, inclusion_spans, root_from_inclusion
from ..integrity.notes import NoteError, SignerKey, VerifierKey, parse_note
from ..integrity.proofs import (
    ProofError,
    event_record,
    is_anchored,
    leaf_of,
    signed_checkpoint,
)
from ..integrity.tree import OnProgress, roots_of_spans
from ..market_data.capture import SegmentError, SegmentUnreadable, read_segment, segment_bytes
from ..storage.log import Log
from ..storage.mapper import EventMapper
from ..storage.records import RawRecorded, Recorded

FORMAT: Final = "fillwright dossier 1"
IN_FORCE: Final = frozenset({"EngineStarted", "SessionOpened", "LimitChanged", "RulesInForce"})
"""Of these the last one before the instruction is what it was decided under."""
CAPTURED: Final = e.MarketDataCaptured.TOPIC


@dataclass(frozen=True, slots=True)
class DossierResult:
    """What a checked dossier is about, and by whose word.

    ``analysis_agrees`` is None where another version of the code made the analysis.
    """

    instruction: str
    decision_id: str
    events: int
    segments: int
    size: int
    origin: str
    signed: bool
    anchored: bool
    analysis_agrees: bool | None


def make_dossier(
    log: Log,
    instruction: UUID,
    segments: Path,
    checkpoint: SignedCheckpoint,
    key: SignerKey,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """The dossier of an instruction, as one document to be written canonically.

    Args:
        segments: the folder of captured market data.
        checkpoint: covers every event of the instruction.

    Raises:
        InvalidInput: the log has no such instruction, or it goes on after the checkpoint.
        ProofError: the log is not what was checkpointed, or market data is not what was captured.
        StoreError: captured market data is there and cannot be read.
    """
    own = log.raw_stream(instruction)
    if not own or own[0].topic.partition(".")[0] != e.DecisionReceived.TOPIC:
        raise InvalidInput("instruction", instruction, "an instruction of the log")
    if own[-1].position > checkpoint.size:
        raise InvalidInput(
            "checkpoint", checkpoint.size, f"one of at least {own[-1].position} events"
        )
    chosen = sorted({*own, *_around(log, own, checkpoint.size)})
    records = [_record(log, raw) for raw in chosen]
    spans = _spans([raw.position for raw in chosen], checkpoint.size)
    roots = roots_of_spans(log, [*spans, (0, checkpoint.size)], on_progress)
    if roots[-1] != checkpoint.checkpoint.root:
        raise ProofError(
            f"{log.name} does not hold the {checkpoint.size} events that were checkpointed. "
            "Run `fillwright verify` on it"
        )
    data = _segments(chosen, segments)
    first = log.decode(own[0])
    assert isinstance(first, e.DecisionReceived)
    dossier = {
        "format": FORMAT,
        "code_version": __version__,
        "instruction": str(instruction),
        "decision_id": first.decision_id,
        "events": records,
        "raw_messages": _raw_messages(records),
        "segments": data,
        "analysis": _analysis(instruction, records, segments),
        "nodes": [[*span, root.hex()] for span, root in zip(spans, roots, strict=False)],
        "checkpoint": checkpoint.text,
    }
    # Written and read once more, so that what is signed is what a reader will hash.
    whole: dict[str, Any] = from_canonical(canonical_bytes(dossier))
    whole["signature"] = key.sign(_statement(checkpoint.checkpoint.origin, whole))
    return whole


def check_dossier(
    document: Mapping[str, Any],
    key: VerifierKey | None = None,
    anchored: Sequence[SignedCheckpoint] | None = None,
) -> DossierResult:
    """Check a dossier without the log: signature, every event, market data and analysis.

    Raises:
        ProofError: it is not what it says; names what is wrong.
    """
    try:
        mark = signed_checkpoint(document["checkpoint"], key)
        _check_signature(document, mark, key)
        _check_events(document, mark)
        instruction = UUID(document["instruction"])
        _check_stream(document["events"], instruction, document["decision_id"])
        if document["raw_messages"] != _raw_messages(document["events"]):
            raise ProofError("its raw messages are not those of its events")
        agrees = _check_data(document, instruction)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProofError(f"it is not a dossier as fillwright writes it: {error!r}") from error
    return DossierResult(
        instruction=str(instruction),
        decision_id=document["decision_id"],
        events=len(document["events"]),
        segments=len(document["segments"]),
        size=mark.size,
        origin=mark.checkpoint.origin,
        signed=key is not None,
        anchored=is_anchored([mark], anchored),
        analysis_agrees=agrees,
    )


# -- what is in it ---------------------------------------------------------------------------------


def _around(log: Log, own: Sequence[RawRecorded], size: int) -> Iterator[RawRecorded]:
    """The account's events that bear on the instruction: terms in force, and what befell it."""
    first = log.decode(own[0])
    assert isinstance(first, e.DecisionReceived)
    symbol = first.decision.symbol if first.decision is not None else None
    start, end = own[0].position, own[-1].position
    in_force: dict[str, RawRecorded] = {}
    for raw in log.raw_stream(account_stream_id(first.account)):
        if raw.position > size:
            return
        topic = raw.topic.partition(".")[0]
        if raw.position < start:
            if topic in IN_FORCE:
                in_force[topic] = raw
            elif topic.startswith("KillSwitch"):
                yield raw
        elif topic == CAPTURED:
            event = log.decode(raw)
            if isinstance(event, e.MarketDataCaptured) and event.symbol == symbol:
                yield raw
        elif raw.position <= end:
            yield raw
    yield from in_force.values()


def _record(log: Log, raw: RawRecorded) -> dict[str, Any]:
    before = dict(log.hashes(raw.position - 2, raw.position - 1)) if raw.position > 1 else {}
    return event_record(raw, before.get(raw.position - 1, bytes(32)))


def _spans(positions: Sequence[int], size: int) -> list[Span]:
    spans = {span for position in positions for span in inclusion_spans(position - 1, size)}
    return sorted(spans)


def _raw_messages(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the broker said, word for word, with the event that each is in."""
    found = []
    for record in records:
        report = json.loads(record["state"]).get("report")
        if isinstance(report, dict) and report.get("raw"):
            found.append({"position": record["position"], "message": report["raw"]})
    return found


def _captured(records: Iterable[Mapping[str, Any]]) -> list[e.MarketDataCaptured]:
    events = (_event(record) for record in records if record["topic"].startswith(f"{CAPTURED}."))
    return [event for event in events if isinstance(event, e.MarketDataCaptured)]


def _event(record: Mapping[str, Any]) -> e.DomainEvent:
    return EventMapper().decode(record["topic"], record["state"].encode(), record["position"])


def _segments(chosen: Sequence[RawRecorded], folder: Path) -> list[dict[str, Any]]:
    """The captured segments whole, as base64, each checked against the hash in the log."""
    mapper = EventMapper()
    found: dict[str, dict[str, Any]] = {}
    for raw in chosen:
        event = (
            mapper.decode(raw.topic, raw.state, raw.position)
            if raw.topic.startswith(f"{CAPTURED}.")
            else None
        )
        if not isinstance(event, e.MarketDataCaptured) or event.sha256 in found:
            continue
        try:
            read_segment(folder, event.sha256)
            data = segment_bytes(folder, event.sha256)
        except SegmentUnreadable as error:
            raise StoreError(
                f"the market data that was captured cannot be read: {error}"
            ) from error
        except SegmentError as error:
            raise ProofError(f"the market data that was captured is not there: {error}") from error
        found[event.sha256] = {
            "sha256": event.sha256,
            "symbol": event.symbol,
            "kind": event.kind,
            "data": base64.b64encode(data).decode(),
        }
    return [found[sha256] for sha256 in sorted(found)]


def _analysis(
    instruction: UUID, records: Iterable[Mapping[str, Any]], folder: Path
) -> dict[str, Any] | None:
    """The cost of the instruction from these events and segments, None without a plan."""
    records = list(records)
    book = ExecutionQuality()
    recorded = [
        # A view wants positions without gaps; only the order matters for the figures.
        Recorded(number, _event(record), bytes.fromhex(record["hash"]))
        for number, record in enumerate(records, start=1)
    ]
    follow([book], recorded)
    facts = end_facts(book, Captured(folder, _captured(records)))
    entry = book.instructions()[instruction]
    known = facts.get(instruction)
    quality = (
        quality_of_instruction(entry, known) if known is not None else quality_of_instruction(entry)
    )
    analysed: dict[str, Any] | None = from_canonical(canonical_bytes(quality))
    return analysed


# -- checking --------------------------------------------------------------------------------------


def _statement(origin: str, document: Mapping[str, Any]) -> str:
    """What is signed: that this is a dossier of that log, and its hash without the signature."""
    unsigned = {name: value for name, value in document.items() if name != "signature"}
    digest = hashlib.sha256(canonical_bytes(unsigned)).hexdigest()
    return f"{origin}\n{FORMAT}\nsha256 {digest}\n"


def _check_signature(
    document: Mapping[str, Any], mark: SignedCheckpoint, key: VerifierKey | None
) -> None:
    try:
        note = parse_note(document["signature"])
        if key is not None:
            note.require(key)
    except NoteError as error:
        raise ProofError(f"its signature is not to be believed: {error}") from error
    if note.text != _statement(mark.checkpoint.origin, document):
        raise ProofError("it is not what was signed: something in it was changed")


def _check_events(document: Mapping[str, Any], mark: SignedCheckpoint) -> None:
    nodes = {(int(low), int(high)): bytes.fromhex(root) for low, high, root in document["nodes"]}
    last = 0
    for record in document["events"]:
        position = int(record["position"])
        if position <= last:
            raise ProofError(f"the event at position {position} is out of order")
        last = position
        leaf = leaf_of(record)
        spans = inclusion_spans(position - 1, mark.size)
        root = root_from_inclusion(leaf, position - 1, mark.size, [nodes[span] for span in spans])
        if root != mark.checkpoint.root:
            raise ProofError(
                f"the event at position {position} does not lead to the root of the checkpoint"
            )


def _check_stream(
    records: Sequence[Mapping[str, Any]], instruction: UUID, decision_id: str
) -> None:
    own = [record for record in records if record["originator_id"] == instruction.hex]
    versions = [record["originator_version"] for record in own]
    if not own or versions != list(range(1, len(own) + 1)):
        raise ProofError(f"events of {instruction} are missing: it has the versions {versions}")
    first = _event(own[0])
    if not isinstance(first, e.DecisionReceived) or first.decision_id != decision_id:
        raise ProofError(f"it is not about the decision {decision_id}")


def _check_data(document: Mapping[str, Any], instruction: UUID) -> bool | None:
    """Market data against its hashes, and the analysis made once more from what is in the file."""
    import tempfile

    named = {event.sha256 for event in _captured(document["events"])}
    with tempfile.TemporaryDirectory(prefix="fillwright-") as name:
        folder = Path(name)
        given = set()
        for segment in document["segments"]:
            data = base64.b64decode(segment["data"], validate=True)
            digest = hashlib.sha256(data).hexdigest()
            if digest != segment["sha256"] or digest not in named:
                raise ProofError(f"the market data {segment['sha256']} is not what was captured")
            (folder / f"{digest}.parquet").write_bytes(data)
            given.add(digest)
        if given != named:
            missing = ", ".join(sorted(named - given))
            raise ProofError(f"market data that was captured is missing: {missing}")
        try:
            analysis = _analysis(instruction, document["events"], folder)
        except FillwrightError as error:
            raise ProofError(f"its events cannot be analysed: {error}") from error
    if analysis == document["analysis"]:
        return True
    if document["code_version"] != __version__:
        return None
    raise ProofError("its analysis is not what its events and market data give")
