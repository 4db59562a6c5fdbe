"""``keys``, ``checkpoint``, ``prove`` and ``check``: vouching for the log from outside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from .options import (
    AnchorOption,
    ConfigOption,
    JsonOption,
    ProgressOption,
    SigningKeyOption,
    StoreOption,
    VerifierKeyOption,
    store_of,
)

if TYPE_CHECKING:
    from ..integrity.checkpoints import SignedCheckpoint
    from ..storage.log import Log

ORIGIN_DEFAULT: Final = "fillwright/main"

OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write there instead of stdout.", show_default=False
    ),
]


def keys(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Where the two files go: apart from every store.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str,
        typer.Option(
            "--name", metavar="ORIGIN", help="The name of the log that the key signs for."
        ),
    ] = ORIGIN_DEFAULT,
    json_output: JsonOption = False,
) -> None:
    """Make an Ed25519 key for signing checkpoints: DIR/signing.key and DIR/verifier.pub.

    The private file is readable by its owner only. Whoever checks the log needs the public one, and
    should have it from you and not from the machine that runs the engine.
    """
    from ...domain.errors import InvalidInput
    from ..integrity.notes import SignerKey, write_keys
    from . import output

    output.log_to_stderr()
    key = SignerKey.generate(name)
    private, public = directory / "signing.key", directory / "verifier.pub"
    stores = sorted(directory.glob("*.db")) if directory.is_dir() else []
    if stores:
        raise InvalidInput("directory", directory, f"a folder without a store ({stores[0].name})")
    write_keys(key, private, public)
    if json_output:
        output.print_json(
            {
                "signing_key": str(private),
                "verifier_key": str(public),
                "verifier": key.verifier.text,
            }
        )
    else:
        output.print_line(f"{private} signs, {public} verifies\n{key.verifier.text}")


def checkpoint(
    store: StoreOption = None,
    signing_key: SigningKeyOption = None,
    anchor: AnchorOption = None,
    config: ConfigOption = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Sign the log's state of now and leave it at the anchor; prints the signed note.

    `run` does the same every so many events or seconds when integrity.signing_key is set.
    """
    from ..settings import Settings
    from ..storage.log import Log
    from . import output
    from .evidence_inputs import checkpoint_now, with_given
    from .progress_bar import bar

    output.log_to_stderr()
    settings = Settings.read(file=config)
    where = store_of(store, settings)
    terms = with_given(settings.integrity, signing_key, None, anchor)
    with Log.open(where, writer=False) as log, bar(progress, "hashing") as advance:
        made = checkpoint_now(where, log, terms, advance)
    if json_output:
        anchor = terms.anchor_or_default
        output.print_json({**_fields(made), "anchor": anchor, "note": made.text})
    else:
        output.write_bytes(made.text.encode())


def prove(
    event: Annotated[
        str,
        typer.Argument(
            metavar="EVENT",
            help="A position in the log, or ID:VERSION of an aggregate's event.",
            show_default=False,
        ),
    ],
    store: StoreOption = None,
    anchor: AnchorOption = None,
    key: VerifierKeyOption = None,
    since: Annotated[
        Path | None,
        typer.Option(
            "--since",
            metavar="NOTE",
            help="An earlier checkpoint that the proof has to lead on from.",
            show_default=False,
        ),
    ] = None,
    out: OutOption = None,
    config: ConfigOption = None,
    progress: ProgressOption = None,
) -> None:
    """Prove that an event is in the log that was checkpointed: one document for `check`.

    Uses the newest checkpoint at the anchor that covers the event.
    """
    from ..integrity.proofs import prove as make
    from ..settings import Settings
    from ..storage.log import Log
    from . import output
    from .evidence_inputs import covering, note_from, write_document
    from .progress_bar import bar
    from .whole_files import refuse_evidence

    output.log_to_stderr()
    settings = Settings.read(file=config)
    where = store_of(store, settings)
    earlier = note_from(since) if since is not None else None
    if out is not None:
        refuse_evidence(out)
    with Log.open(where, writer=False) as log:
        position = _position(log, event)
        mark = covering(anchor, key, settings.integrity, position)
        with bar(progress, "hashing") as advance:
            document = make(log, position, mark, earlier=earlier, on_progress=advance)
    write_document(document, out)


def check(
    proof: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="What `prove` or `export` has written: a file, or an exported folder.",
            show_default=False,
        ),
    ],
    key: VerifierKeyOption = None,
    anchor: AnchorOption = None,
    config: ConfigOption = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Check a proof, an exported range or a dossier, offline and without the log.

    Exits 4 and says why when it does not show what it says, and 5 when it holds but no public key
    was given to believe it by.
    """
    from ..settings import Settings
    from . import output
    from .evidence_inputs import check_document
    from .failures import NotAnchored
    from .progress_bar import bar

    output.log_to_stderr()
    settings = Settings.read(file=config)
    with bar(progress, "checking") as advance:
        told, lines, signed = check_document(proof, key, anchor, settings.integrity, advance)
    if json_output:
        output.print_json({"file": str(proof), "ok": True, **told})
    else:
        output.print_line("\n".join(lines))
    if not signed:
        why = "give --key with the public key"
        if told.get("signed"):
            why = "its documents have to be told by the version that made them"
        raise NotAnchored(f"{proof} holds together, but nobody vouches for it: {why}")


def _position(log: Log, event: str) -> int:
    """The position of an event named as a number or as ID:VERSION."""
    from uuid import UUID

    from ...domain.errors import InvalidInput

    if event.isdecimal():
        return int(event)
    id, _, version = event.rpartition(":")
    try:
        wanted, stream = int(version), log.raw_stream(UUID(id))
    except ValueError:
        raise InvalidInput("event", event, "a position, or ID:VERSION of an event") from None
    if not 1 <= wanted <= len(stream):
        held = f"versions 1 to {len(stream)} of it" if stream else "an id that the log holds"
        raise InvalidInput("event", event, held)
    return stream[wanted - 1].position


def _fields(made: SignedCheckpoint) -> dict[str, Any]:
    found = made.checkpoint
    return {
        "origin": found.origin,
        "size": found.size,
        "root": found.root,
        "head": found.head,
        "time": found.time,
    }
