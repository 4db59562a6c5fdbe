"""``status``, ``show``, ``limits`` and ``events``: what a log tells."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import typer

from .options import AsOfOption, ConfigOption, JsonOption, StoreOption, store_of

EVENT_BYTES_WRITTEN: Final = 1 << 20

IdArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="An instruction id, a unique beginning of one, or a decision id.",
        show_default=False,
    ),
]


def status(
    store: StoreOption = None,
    as_of: AsOfOption = None,
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show what is being worked, what is done, limits used, alerts, and whether it is final."""
    from ..settings import Settings
    from . import output
    from .overview import status_json, status_view
    from .views import open_views

    output.log_to_stderr()
    settings = Settings.read(file=config)
    views = open_views(store_of(store, settings), as_of, settings.alerts.thresholds())
    if json_output:
        output.print_json(status_json(views))
    else:
        output.show(status_view(views))


def show(
    id: IdArgument,
    store: StoreOption = None,
    as_of: AsOfOption = None,
    json_output: JsonOption = False,
) -> None:
    """Tell the whole story of one instruction: checks, plan, orders with their rule, fills."""
    from . import output
    from .story import story_json, story_view, tell

    output.log_to_stderr()
    story = tell(store_of(store), id, as_of)
    if json_output:
        output.print_json(story_json(story))
    else:
        output.show(story_view(story))


def limits(
    store: StoreOption = None, as_of: AsOfOption = None, json_output: JsonOption = False
) -> None:
    """Show what is used of each limit in the latest session, and the limits in force."""
    from . import output
    from .overview import limits_json, limits_view
    from .views import open_views

    output.log_to_stderr()
    views = open_views(store_of(store), as_of)
    if json_output:
        output.print_json(limits_json(views))
    else:
        output.show(limits_view(views))


def events(
    store: StoreOption = None,
    json_output: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print JSON lines, one object per event: fields as stored, hash, position, topic.",
        ),
    ] = False,
    after: Annotated[
        int,
        typer.Option("--after", metavar="N", min=0, help="Only events after this position."),
    ] = 0,
    instruction: Annotated[
        str | None,
        typer.Option(
            "--instruction",
            metavar="ID",
            help="Only events of this instruction (id, its beginning, or a decision id).",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        bool,
        typer.Option("--schema", help="Print JSON Schema of every stored event and record, only."),
    ] = False,
) -> None:
    """Print the log, event by event, in its order.

    With --json the lines are reproducible byte for byte: the same run gives the same output. Each
    event's fields are the stored bytes that its hash covers.
    """
    from . import output
    from .eventlines import event_text, json_lines

    output.log_to_stderr()
    if schema:
        from .event_schema import catalogue_schema

        output.print_json(catalogue_schema())
        return
    where = store_of(store)
    stream = _stream(where, instruction)
    if json_output:
        pending = bytearray()
        for line in json_lines(where, after, stream):
            pending += line
            if len(pending) >= EVENT_BYTES_WRITTEN:
                output.write_bytes(bytes(pending))
                pending.clear()
        output.write_bytes(bytes(pending))
    else:
        for text in event_text(where, after, stream):
            output.print_line(text)


def _stream(store: str, instruction: str | None) -> UUID | None:
    if instruction is None:
        return None
    from .views import open_views

    return open_views(store).one(instruction).instruction_id
