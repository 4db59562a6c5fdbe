"""``surveillance``: patterns in own trading that a supervisor asks about."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import JsonOption, StoreOption, store_of


def surveillance(
    store: StoreOption = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            metavar="DATE",
            help="Only this session (YYYY-MM-DD).",
            show_default=False,
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Show patterns per symbol and day that a supervisor asks about, with the events behind them.

    Self-cross attempts, opposite fills close together, rests taken off close to an opposite fill,
    cancels for each executed order, messages a second, layering. A finding is a question to a
    person, never a verdict. Thresholds: docs/surveillance.md.
    """
    from ...projections.canonical import to_json
    from ...projections.runner import follow
    from ...projections.surveillance import Surveillance
    from ..storage.log import Log
    from . import output
    from .findings import findings_view

    output.log_to_stderr()
    told = Surveillance()
    with Log.open(store_of(store), writer=False) as log:
        follow([told], log.events(upto=log.head().position))
    found = told.findings(session)
    if json_output:
        head = {"position": told.position, "hash": told.head_hash.hex()}
        output.print_json({"findings": to_json(found), "log": head})
    else:
        output.show(findings_view(found))
