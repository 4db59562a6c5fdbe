"""``export``: a range of the log, or everything about one instruction, for somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...domain.errors import InvalidInput
from .options import (
    AnchorOption,
    ConfigOption,
    JsonOption,
    ProgressOption,
    SigningKeyOption,
    SinceOption,
    StoreOption,
    UntilOption,
    VerifierKeyOption,
    store_of,
)

if TYPE_CHECKING:
    from ..integrity.terms import IntegritySettings
    from ..integrity.tree import OnProgress
    from ..storage.log import Log

OutOption = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="PATH",
        help="A folder that does not exist yet, or with --dossier a file.",
        show_default=False,
    ),
]
DossierOption = Annotated[
    str | None,
    typer.Option(
        "--dossier",
        metavar="INSTRUCTION",
        help="Everything about this instruction (id, its beginning, or a decision id).",
        show_default=False,
    ),
]


JSONL: Final = "jsonl"


def export(
    out: OutOption,
    store: StoreOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="jsonl, parquet or csv.")
    ] = JSONL,
    dossier: DossierOption = None,
    key: VerifierKeyOption = None,
    anchor: AnchorOption = None,
    signing_key: SigningKeyOption = None,
    config: ConfigOption = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Hand over part of the log, with what proves that it is of the log: `check` needs no more.

    A range is a folder with the events and a manifest: hashes, a signed checkpoint from the anchor
    and the Merkle nodes around the range. A dossier is one signed file with the instruction's
    events, raw broker messages, captured market data, cost analysis and proofs. The same log,
    checkpoint and key give the same bytes.
    """
    from ..settings import Settings
    from ..storage.log import Log
    from . import output
    from .evidence_inputs import with_given
    from .progress_bar import bar

    output.log_to_stderr()
    settings = Settings.read(file=config)
    where = store_of(store, settings)
    terms = with_given(settings.integrity, signing_key, key, anchor)
    with Log.open(where, writer=False) as log, bar(progress, "exporting") as advance:
        if dossier is not None:
            if since is not None or until is not None:
                raise InvalidInput("dossier", dossier, "without --from and --to")
            if format != JSONL:
                raise InvalidInput("format", format, "no --dossier with it: that is one JSON file")
            told = _dossier(log, where, dossier, out, terms, advance)
        else:
            told = _range(log, (since, until), format, out, terms, advance)
    if json_output:
        output.print_json(told)
    else:
        output.print_line("\n".join(f"{name} {value}" for name, value in told.items()))


def _range(
    log: Log,
    between: tuple[str | None, str | None],
    format: str,
    out: Path,
    terms: IntegritySettings,
    advance: OnProgress,
) -> dict[str, object]:
    from ..as_of import parse_as_of
    from ..handover.ranges import Format, export_range, positions_between
    from .evidence_inputs import covering

    try:
        kind = Format(format)
    except ValueError:
        raise InvalidInput("format", format, ", ".join(Format)) from None
    since, until = (
        None if text is None else parse_as_of(text, name)
        for name, text in zip(("from", "to"), between, strict=True)
    )
    first, last = positions_between(log, since, until)
    mark = covering(None, None, terms, last)
    made = export_range(log, first, last, kind, out, mark, advance)
    return {
        "folder": str(out),
        "file": made["file"],
        "from": first,
        "to": last,
        "bytes": made["bytes"],
        "sha256": made["sha256"],
    }


def _dossier(
    log: Log, where: str, named: str, out: Path, terms: IntegritySettings, advance: OnProgress
) -> dict[str, object]:
    from ..captured_segments import segments_beside
    from ..handover.dossier import make_dossier
    from ..integrity.notes import NoteError
    from .evidence_inputs import covering, signer_of, write_document
    from .views import read_views

    key = signer_of(terms)
    if out.exists():
        raise InvalidInput("out", out, "a file that does not exist yet")
    row = read_views(log, where).one(named)
    mark = covering(None, None, terms, row.last_position)
    try:
        mark.note.require(key.verifier)
    except NoteError as error:
        allowed = f"the key of the newest checkpoint ({error})"
        raise InvalidInput("signing key", terms.signing_key, allowed) from error
    segments = segments_beside(where) or Path()
    document = make_dossier(log, row.instruction_id, segments, mark, key, advance)
    write_document(document, out)
    return {
        "file": str(out),
        "instruction": row.instruction_id,
        "decision_id": row.decision_id,
        "events": len(document["events"]),
        "raw_messages": len(document["raw_messages"]),
        "segments": len(document["segments"]),
        "bytes": out.stat().st_size,
    }
