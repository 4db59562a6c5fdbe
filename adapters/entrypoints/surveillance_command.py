"""``surveillance``: patterns in own trading that a supervisor asks about."""

from __future__ import annotations

from typing import Annotated

import typer

from ...domain.errors import InvalidInput
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
    day = None if session is None else _date(session)
    told = Surveillance()
    with Log.open(store_of(store), writer=False) as log:
        follow([told], log.events(upto=log.head().position))
    found = told.findings(day)
    if day is not None and not told.saw(day):
        output.note(f"the log has no order of {day}")
    if json_output:
        head = {"position": told.position, "hash": told.head_hash.hex()}
        output.print_json({"findings": to_json(found), "log": head})
    else:
        output.show(findings_view(found))


def _date(text: str) -> str:
    """A session's date as the log has it; raises InvalidInput."""
    from datetime import date

    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError as error:
        raise InvalidInput("session", text, "a date as YYYY-MM-DD or YYYYMMDD") from error
