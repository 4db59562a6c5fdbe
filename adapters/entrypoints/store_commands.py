"""``store``: what a store is, its tables, backup and restore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, ProgressOption, StoreOption, store_of

if TYPE_CHECKING:
    from ..storage.copying import Copied
    from ..storage.upkeep import StoreInfo

store_app = typer.Typer(
    name="store",
    help="Look at a store, make its tables, back it up and restore it.",
    no_args_is_help=True,
)


@store_app.command()
def info(store: StoreOption = None, json_output: JsonOption = False) -> None:
    """Say how large a store is, where its log ends, whose it is, and what vouches for it."""
    from ..storage.upkeep import store_info
    from . import output

    found = store_info(store_of(store))
    if json_output:
        output.print_json(output.fields_of(found))
    else:
        output.print_line(_told(found))


def _told(found: StoreInfo) -> str:
    checkpoint = found.checkpoint_position
    lines = [
        f"store       {found.store}",
        f"database    {found.database}, format {found.format}, {found.size_bytes:,} bytes",
        f"log         {found.position:,} events of {found.streams:,} aggregates",
        f"head        {found.head_hash}",
        f"accounts    {', '.join(found.accounts) or 'none yet'}",
        f"records     {found.records:,} in the second stream, {found.counters:,} counters",
        f"checkpoint  {'none left outside' if checkpoint is None else f'at {checkpoint:,}'}",
    ]
    for owner in found.owners:
        state = "owned by" if owner.is_owned else "last owned by"
        lines.append(f"owner       {owner.account}: {state} {owner.owner}, epoch {owner.epoch}")
    return "\n".join(lines)


@store_app.command()
def migrate(
    store: StoreOption = None,
    reader: Annotated[
        str | None,
        typer.Option(
            "--reader",
            metavar="ROLE",
            help="A PostgreSQL role that may read the SQL views, and nothing else, from now on.",
            show_default=False,
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Make a store's tables, or bring them up to this version; run once, before engines start."""
    from ..storage.location import without_password
    from ..storage.schema import FORMAT
    from ..storage.upkeep import migrate_store
    from . import output

    where = store_of(store)
    before = migrate_store(where, reader)
    if json_output:
        output.print_json(
            {"store": without_password(where), "format_before": before, "format": FORMAT}
        )
    elif before == FORMAT:
        output.print_line(f"{without_password(where)}: format {FORMAT}, nothing to do")
    else:
        output.print_line(f"{without_password(where)}: made, format {FORMAT}")


@store_app.command()
def compact(store: StoreOption = None, json_output: JsonOption = False) -> None:
    """Give free space back; never drops an event. A file only while nobody writes it."""
    from ..storage.upkeep import compact_store
    from . import output

    done = compact_store(store_of(store))
    if json_output:
        output.print_json(output.fields_of(done))
    else:
        output.print_line(
            f"{done.store}: {done.bytes_before:,} bytes before, {done.bytes_after:,} after\n"
            f"head {done.position} {done.head_hash}"
        )


@store_app.command()
def backup(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to make; nothing is overwritten.")
    ],
    store: StoreOption = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Copy a store into one SQLite file while engines go on, checking every event on the way.

    The file is a store: `verify`, `report` and all others read it. Captured market data are copied
    beside it. Keys of personal text are not: who has a copy of a key can read what was redacted.
    """
    _copy(store_of(store), str(file), json_output=json_output, progress=progress)


@store_app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup, or any SQLite store.")],
    store: StoreOption = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Fill a new store from a backup, checking every event; nothing is overwritten.

    The store is a file that does not exist, or a schema on PostgreSQL that was migrated and is
    empty. Captured market data beside the file are copied beside the store. Compare the head that
    is printed with a checkpoint kept outside.
    """
    _copy(str(file), store_of(store), json_output=json_output, progress=progress)


def _copy(source: str, target: str, *, json_output: bool, progress: bool | None) -> None:
    from ..captured_segments import copy_segments
    from ..storage.copying import copy_store
    from . import output
    from .progress_bar import bar

    output.log_to_stderr()
    with bar(progress, "copying") as advance:
        done: Copied = copy_store(source, target, advance)
        data = copy_segments(source, target)
    if json_output:
        told = {"segments": data.segments, "segments_missing": data.missing}
        output.print_json({**output.fields_of(done), **told})
        return
    output.print_line(
        f"{done.target}: {done.position:,} events, verified, {done.records:,} records and "
        f"{data.segments:,} segments of market data\nhead {done.position} {done.head_hash}"
    )
    for what in data.missing:
        output.print_line(f"not copied: {what}")
