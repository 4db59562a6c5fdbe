"""``redact``: make a decision's personal text unreadable for ever, where that is allowed."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import ConfigOption, JsonOption, StoreOption, store_of
from .reading_commands import IdArgument


def redact(
    id: IdArgument,
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="TEXT", help="Why, for the record.", show_default=False),
    ],
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="PERSON",
            help="Who asks for it; where principals are set up, the caller's own name counts.",
            show_default=False,
        ),
    ],
    store: StoreOption = None,
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """Destroy the key of a decision's personal text; the log shows [redacted] and verifies still.

    Refused (exit 2) within the retention period of the decision, under a legal hold, and while the
    instruction is being worked. Period and holds are those on the store's record (`fillwright
    changes propose retention`), to which configuration may only add. That it was done, by whom and
    why, is an event. Copies of the keystore made earlier still hold the key.
    """
    import time

    from ...domain.errors import InvalidInput
    from ..handover.redaction import redact as destroy
    from ..settings import Settings
    from ..storage.log import Log
    from ..supervision.permissions import name_of
    from . import output
    from .views import read_views

    output.log_to_stderr()
    for name, text in (("reason", reason), ("by", by)):
        if not text.strip() or len(text) > 100:
            raise InvalidInput(name, text, "1 to 100 characters")
    settings = Settings.read(file=config)
    where = store_of(store, settings)
    with Log.open(where, writer=False) as log:
        row = read_views(log, where).one(id)
    with Log.open(where, exclusive=False) as log:
        done = destroy(
            log,
            row.instruction_id,
            configured=settings.retention,
            reason=reason.strip(),
            person=name_of(where) or by.strip(),
            now=time.time_ns(),
            is_active=row.ended_at is None,
        )
    if json_output:
        output.print_json(done)
        return
    output.print_line(
        f"the personal text of {done.decision_id} is unreadable for ever "
        f"({'recorded' if done.anew else 'on the record already'} at position {done.position})"
    )
