"""``audit-pack``: everything that an auditor asks for, in one folder that is checked offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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


def audit_pack(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            help="A folder that is empty or does not exist yet.",
            show_default=False,
        ),
    ],
    store: StoreOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    key: VerifierKeyOption = None,
    anchor: AnchorOption = None,
    signing_key: SigningKeyOption = None,
    config: ConfigOption = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Hand an auditor a period in one command; `fillwright check DIR` needs nothing else.

    All orders (refused and cancelled ones too) with authority and times, the history of limits and
    permissions, overrides, kills, exceptions with their disposition, reconciliations, strategies,
    clock records, what verification found, the log with its proof, and a signed manifest. Every
    document is told again when it is checked. Each event and record in it is bound to a signed
    checkpoint: where the newest does not cover all, one is made and left at the anchor, which takes
    a role that may run `checkpoint`; without it this is refused (exit 2) until somebody has made
    one. The same store, checkpoint, key and period give the same bytes.
    """
    from ..as_of import parse_as_of
    from ..handover.audit_pack import make_pack
    from ..handover.ranges import positions_between
    from ..settings import Settings
    from ..storage.log import Log
    from ..storage.ops_log import OpsLog
    from . import output
    from .evidence_inputs import binding, signer_of, with_given
    from .progress_bar import bar

    output.log_to_stderr()
    settings = Settings.of_any_mode(config)
    where = store_of(store, settings)
    terms = with_given(settings.integrity, signing_key, key, anchor)
    signer = signer_of(terms)
    between = (
        None if text is None else parse_as_of(text, name)
        for name, text in zip(("from", "to"), (since, until), strict=True)
    )
    with (
        Log.open(where, writer=False) as log,
        OpsLog.open(where, writer=False) as ops,
        bar(progress, "packing") as advance,
    ):
        first, last = positions_between(log, *between)
        mark = binding(where, log, terms, last, advance)
        made = make_pack(log, ops, first, last, out, mark, signer, advance)
    told = {"folder": str(out), "from": first, "to": last, "checkpoint": mark.size}
    told |= {"records": made["records"], "files": len(made["files"])}
    if json_output:
        output.print_json(told)
    else:
        output.print_line("\n".join(f"{name} {value}" for name, value in told.items()))
