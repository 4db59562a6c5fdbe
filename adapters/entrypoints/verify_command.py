"""``verify``: is the log what was written, and what was vouched for outside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from .options import (
    AnchorOption,
    ConfigOption,
    JsonOption,
    ProgressOption,
    StoreOption,
    VerifierKeyOption,
    store_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..integrity.terms import IntegritySettings
    from ..integrity.tree import OnProgress
    from ..integrity.verifying import Outside, Verification
    from ..storage.log import Log

KEEP: Final = "Keep the file as evidence and go back to the last good copy"

JobsOption = Annotated[
    int, typer.Option("--jobs", metavar="N", min=0, max=64, help="Processes; 0 for one per core.")
]


def verify(
    store: StoreOption = None,
    key: VerifierKeyOption = None,
    anchor: AnchorOption = None,
    incremental: Annotated[
        bool,
        typer.Option("--incremental", help="Begin at the last checkpoint of the key that agrees."),
    ] = False,
    require_anchor: Annotated[
        bool,
        typer.Option("--require-anchor", help="Exit 5 when nothing outside vouches for the log."),
    ] = False,
    counters: Annotated[
        bool,
        typer.Option("--counters", help="Fold the limits from the log and compare the counters."),
    ] = False,
    jobs: JobsOption = 0,
    record: Annotated[
        bool,
        typer.Option("--record/--no-record", help="Keep the outcome in the store's second stream."),
    ] = True,
    config: ConfigOption = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Recompute the hash chain and Merkle tree, and the hash of every captured segment.

    With --key and --anchor every checkpoint kept outside is compared, which is what finds a log
    that was cut off, replaced, or rewritten and signed anew. Exits 4 and names the first event that
    is not as it was written, and 3 when something cannot be read. Exits 5 when the log is
    consistent but nothing outside vouches for it although a key or anchor is configured, or the
    store says that it was anchored.
    """
    from ..captured_segments import CheckedSegments, check_segments
    from ..settings import Settings
    from ..storage.log import Log
    from . import output
    from .failures import NotAnchored
    from .progress_bar import bar
    from .verification_view import keep_record, verification_json, verification_text

    output.log_to_stderr()
    settings = Settings.read(file=config)
    where = store_of(store, settings)
    with Log.open(where, writer=False) as log:
        with bar(progress, "verifying") as advance:
            outside = _outside(key, anchor, settings.integrity)
            found = _verify(log, outside, incremental=incremental, jobs=jobs, progress=advance)
        segments = check_segments(log) if found.ok else CheckedSegments()
        further = []
        if found.ok and not segments.bad:
            further = _further_faults(log, outside, settings.integrity, counters=counters)
        second = _second_stream(log, outside) if found.ok else ""
        expected = require_anchor or _is_expected(key, anchor, settings.integrity, log)
    faults = [*([second] if second else []), *segments.bad, *further]
    if record:
        keep_record(where, found, faults)
    if json_output:
        output.print_json(verification_json(where, found, segments, faults))
    elif found.ok and not faults and not segments.unreadable:
        output.print_line(verification_text(found, segments.good))
    _require_good(where, found, faults, segments.unreadable)
    if found.outcome == "not_anchored" and expected:
        raise NotAnchored(
            f"{where} is consistent, not anchored: no checkpoint kept outside was compared. Give "
            "--key and --anchor with the public key and the place the checkpoints were left at"
        )


def _require_good(
    where: str, found: Verification, faults: Sequence[str], unreadable: Sequence[str]
) -> None:
    """Raise what is wrong: a difference, or that something could not be looked at."""
    from ...domain.errors import StoreError
    from .failures import Difference

    if not found.ok:
        raise Difference(_fault(where, found))
    if faults:
        raise Difference(f"{where}: the chain is whole, but {faults[0]}")
    if unreadable:
        raise StoreError(
            f"{where}: the chain is whole, but captured market data cannot be read, so whether it "
            f"was changed is not known: {unreadable[0]}. Make it readable and verify again"
        )


def _outside(key: Path | None, anchor: str | None, settings: IntegritySettings) -> Outside | None:
    """The key and the checkpoints that vouch for the log, None unless both are there."""
    from ...domain.errors import InvalidInput
    from ..integrity.anchors import AnchorError, checkpoints_at
    from ..integrity.notes import read_verifier
    from ..integrity.verifying import Outside

    named = anchor or settings.anchor_or_default
    public = key or settings.verifier_key
    if named is None or public is None:
        if anchor is not None:
            raise InvalidInput("key", "nothing", "--key with the public key of the checkpoints")
        if key is not None:
            raise InvalidInput("anchor", "nothing", "--anchor with the checkpoints of the key")
        return None
    try:
        return Outside(read_verifier(public), checkpoints_at(named))
    except AnchorError as error:
        raise InvalidInput("anchor", named, f"a readable anchor ({error})") from error


def _verify(
    log: Log, outside: Outside | None, *, incremental: bool, jobs: int, progress: OnProgress
) -> Verification:
    import os

    from ...domain.errors import InvalidInput
    from ..integrity.checkpointing import start_for
    from ..integrity.verifying import verify_log
    from ..storage.ops_log import OpsLog

    start = None
    if incremental:
        if outside is None:
            raise InvalidInput("incremental", True, "with --key and --anchor only")
        with OpsLog.of(log) as ops:
            start = start_for(log, ops, outside)
    return verify_log(
        log, outside, start=start, jobs=jobs or os.cpu_count() or 1, on_progress=progress
    )


def _further_faults(
    log: Log, outside: Outside | None, settings: IntegritySettings, *, counters: bool
) -> list[str]:
    """What is wrong with counters and time stamps, where they are to be looked at."""
    found = _counter_faults(log) if counters else []
    if not found and outside is not None:
        found = _stamp_faults(outside, settings.time_stamp_roots)
    return found


def _stamp_faults(outside: Outside, roots: Path | None) -> list[str]:
    """Which time stamps on the checkpoints are not to be believed; none without ``roots``."""
    from ..integrity.notes import NoteError
    from ..integrity.timestamps import check_stamp, stamp_of

    faults = []
    for mark in outside.checkpoints if roots is not None else ():
        if roots is not None and stamp_of(mark.note) is not None:
            try:
                check_stamp(mark.note, roots)
            except NoteError as error:
                faults.append(f"the checkpoint of {mark.size} events: {error}")
    return faults


def _counter_faults(log: Log) -> list[str]:
    """Where the stored counters are not what the events come to."""
    from ...projections.daily_limits import DailyLimits
    from ...projections.runner import compare_values, follow

    head = log.head().position
    limits = DailyLimits()
    follow([limits], log.events(upto=head))
    stored = {name: amount for name, amount in log.counters().items() if amount}
    if log.head().position != head:
        return []  # a writer is at work and moves them on
    found = compare_values(stored, limits.counters())
    return [
        f"counter {path} is {ours}, its events come to {theirs}" for path, ours, theirs in found
    ]


def _second_stream(log: Log, outside: Outside | None) -> str:
    """What is wrong with the second stream, by its chain and by what was checkpointed of it."""
    from ..integrity.second_stream import gainsaid
    from ..storage.ops_log import OpsLog
    from ..storage.verification import fault_at

    with OpsLog.of(log) as ops:
        found = ops.verify()
        other = gainsaid(ops, outside.checkpoints) if found.ok and outside is not None else ""
    if found.ok:
        return f"the second stream {other}" if other else ""
    return fault_at(found.what, found.first_bad_position or 0, "second stream's record")


def _is_expected(
    key: Path | None, anchor: str | None, settings: IntegritySettings, log: Log
) -> bool:
    """Whether something outside ought to vouch for the log."""
    from ...domain.ops import Anchored
    from ..storage.ops_log import OpsLog

    if key or anchor or settings.anchor_or_default or settings.verifier_key:
        return True
    topic = Anchored.stored_topic()
    with OpsLog.of(log) as ops:
        return any(raw.topic == topic for raw in ops.raw_events())


def _fault(store: str, found: Verification) -> str:
    from ..storage.verification import fault_at

    what = found.what
    if found.first_bad_position is not None:
        what = fault_at(what, found.first_bad_position)
        what += f". The {found.good} before it are as they were written"
    elif found.checked_from:
        what += ". Run it without --incremental"
    return f"{store}: {what}" if "as evidence" in what else f"{store}: {what}. {KEEP}"
