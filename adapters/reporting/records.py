"""What is put on record about reports: that one was issued, reviewed, commented on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...domain.errors import InvalidInput
from ...domain.ops import CommentaryWritten, ReportIssued, ReviewRecorded
from ...projections.best_execution.document import Report, report_id
from ...projections.best_execution.finra5310 import Review
from ...projections.canonical import canonical_bytes, from_canonical
from ..storage.keystore import REDACTED, Keystore
from ..storage.location import parse_location
from ..storage.log import Log
from ..storage.ops_log import OpsLog

KEYS_SUFFIX: Final = ".ops-keys"
COMMENTARY_SUBJECT: Final = "commentary"


class Issued(NamedTuple):
    """A report on record: its id, where in the second stream, and whether it is new there."""

    id: str
    position: int
    supersedes: str | None
    is_new: bool


def keystore_beside(store: str) -> Keystore:
    """Keys for free text about reports, in a file beside the store."""
    path = parse_location(store)
    return Keystore.open(path.with_name(path.name + KEYS_SUFFIX) if path else None)


def issue(ops: OpsLog, report: Report, *, actor: str, at: int) -> Issued:
    """Put a report on record, once; another of the same kind and period names what it restates.

    Raises:
        StoreError: the record cannot be written.
    """
    id, parameters = report_id(report), canonical_bytes(report.parameters).decode()
    latest: ReportIssued | None = None
    for recorded in ops.records():
        record = recorded.record
        if not isinstance(record, ReportIssued):
            continue
        if record.report == id:
            return Issued(id, recorded.position, record.supersedes, False)
        if record.kind == report.kind and _period(record.parameters) == _period(parameters):
            latest = record
    record = ReportIssued(
        record_time=at,
        actor=actor,
        log_position=report.log.last_position,
        log_hash=report.log.head_hash or "0" * 64,
        kind=report.kind,
        from_session=report.from_session,
        to_session=report.to_session,
        parameters=parameters,
        code_version=report.code_version,
        report=id,
        segments=report.log.segments,
        supersedes=latest.report if latest else None,
    )
    placed = ops.append(record)
    return Issued(id, placed.last_position, record.supersedes, True)


def _period(parameters: str) -> Mapping[str, object]:
    """What makes two reports answer the same question; where they were read does not."""
    found: dict[str, object] = from_canonical(parameters.encode())
    found.pop("ops_position", None)
    return found


def find_issued(ops: OpsLog, name: str) -> ReportIssued:
    """The issued report that an id, or a unique beginning of one, names.

    Raises:
        InvalidInput: there is none, or more than one.
    """
    found = {
        record.record.report: record.record
        for record in ops.records()
        if isinstance(record.record, ReportIssued) and record.record.report.startswith(name)
    }
    if len(found) == 1:
        return next(iter(found.values()))
    allowed = "more of it: it fits several" if found else "the id of a report that was issued"
    raise InvalidInput("report", name, allowed)


def reviews(ops: OpsLog, upto: int) -> tuple[Review, ...]:
    """The reviews on record up to a position of the second stream."""
    return tuple(
        Review(
            recorded.position,
            record.actor,
            record.from_session,
            record.to_session,
            record.symbol or "",
            record.order_type or "",
            record.decision,
            "; ".join(f"{name}: {finding}" for name, finding in record.factors),
            record.report,
        )
        for recorded in ops.records(upto=upto)
        if isinstance(record := recorded.record, ReviewRecorded)
    )


def review_record(
    report: ReportIssued,
    *,
    reviewer: str,
    at: int,
    decision: str,
    reason: str,
    factors: Sequence[tuple[str, str]],
    symbol: str | None,
    order_type: str | None,
    sessions: tuple[str, str],
    keys: Keystore,
) -> ReviewRecorded:
    """The record of a review of an issued report; the reason is encrypted."""
    subject = f"review:{reviewer}"
    return ReviewRecorded(
        record_time=at,
        actor=reviewer,
        log_position=report.log_position,
        log_hash=report.log_hash,
        report=report.report,
        from_session=sessions[0],
        to_session=sessions[1],
        symbol=symbol,
        order_type=order_type,
        factors=tuple(factors),
        decision=decision,
        subject=subject,
        sealed_reason=keys.seal(subject, reason, f"review {report.report} {at}"),
    )


def reason_of(record: ReviewRecorded, keys: Keystore) -> str:
    """The reason of a review, ``[redacted]`` where its key is destroyed."""
    context = f"review {record.report} {record.record_time}"
    found = keys.unseal(record.subject, record.sealed_reason, context)
    return REDACTED if found is None else found


def record_written(
    log: Log,
    report: Mapping[str, Any],
    written: Mapping[str, str],
    refused: str | None,
    *,
    at: int,
) -> CommentaryWritten:
    """Put on record what a language model wrote of a report, accepted or not.

    The report is named by its analysis, or without one by the hash of its own canonical bytes.

    Raises:
        StoreError: it could not be recorded.
    """
    analysis = report.get("analysis")
    told = {name: value for name, value in report.items() if not name.startswith("commentary")}
    id = analysis["id"] if analysis else hashlib.sha256(canonical_bytes(told)).hexdigest()
    stands_on, prompt = report["log"], written["prompt"]
    keys = keystore_beside(log.name)
    record = CommentaryWritten(
        record_time=at,
        actor=written["model"][:120],
        log_position=stands_on["last_position"],
        log_hash=stands_on["head_hash"] or "0" * 64,
        report=id,
        model=written["model"][:120],
        input=hashlib.sha256(prompt.encode()).hexdigest(),
        subject=COMMENTARY_SUBJECT,
        sealed_prompt=keys.seal(COMMENTARY_SUBJECT, prompt, f"prompt {id}"),
        sealed_text=keys.seal(COMMENTARY_SUBJECT, written["text"], f"text {id}"),
        refused=refused,
    )
    with OpsLog.of(log) as ops:
        ops.append(record)
    return record


def commentary_of(ops: OpsLog, report: str, keys: Keystore) -> tuple[str, str] | None:
    """The last accepted commentary on a report: model and text; None without one."""
    found = None
    for recorded in ops.records():
        record = recorded.record
        of_it = isinstance(record, CommentaryWritten) and record.report == report
        if isinstance(record, CommentaryWritten) and of_it and record.refused is None:
            found = record
    if found is None:
        return None
    words = keys.unseal(found.subject, found.sealed_text, f"text {report}")
    return found.model, REDACTED if words is None else words


def open_ops(store: str, *, writer: bool) -> OpsLog | None:
    """The second stream of a store, None where the log is in memory.

    Raises:
        StoreError: it cannot be opened.
    """
    return None if parse_location(store) is None else OpsLog.open(store, writer=writer)


__all__ = [
    "Issued",
    "commentary_of",
    "find_issued",
    "issue",
    "keystore_beside",
    "open_ops",
    "reason_of",
    "record_written",
    "review_record",
    "reviews",
]
