"""``mirror`` and ``query``: the log as columns, and SQL over them."""

from __future__ import annotations

from contextlib import ExitStack
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...domain.errors import InvalidInput
from .options import JsonOption, ProgressOption, StoreOption, needs, store_of

if TYPE_CHECKING:
    from ..mirror.query import Answer

TABLE_ROWS_MAX = 200
"""Rows of an answer that a terminal is shown; json and csv give all of them."""
NUMERIC = ("DECIMAL", "BIGINT", "INTEGER", "HUGEINT", "DOUBLE", "NUMBER")
"""How the names of types begin whose values stand to the right."""


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


DirOption = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        metavar="DIR",
        help="The mirror's folder. Default: the store's path with .mirror after it.",
        show_default=False,
    ),
]


def mirror(
    store: StoreOption = None,
    dir: DirOption = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Write nothing: check files, chain and columns against the log, which may be "
            "absent when --dir is given.",
        ),
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Begin again at the first event.")
    ] = False,
    segment_events: Annotated[
        int | None,
        typer.Option(
            "--segment-events",
            metavar="N",
            min=100,
            max=10_000_000,
            help="Events of a whole segment. Default: 100000.",
            show_default=False,
        ),
    ] = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Mirror the log as Parquet, each file bound to its range of the hash chain.

    Only what is new since the last time is written. Exits 4 when --verify finds that the mirror is
    not what the log says, and names the position.
    """
    from ..mirror.writing import SEGMENT_EVENTS, folder_of, update
    from ..storage.location import without_password
    from ..storage.log import Log
    from . import output
    from .progress_bar import bar

    output.log_to_stderr()
    if verify:
        needs("no --verify", {"rebuild": rebuild, "segment_events": segment_events})
        _verify_mirror(store, dir, json_output=json_output, progress=progress)
        return
    where = store_of(store)
    folder = folder_of(where, dir)
    with Log.open(where, writer=False) as log, bar(progress, "mirroring") as advance:
        done = update(
            log,
            folder,
            segment_events=segment_events or SEGMENT_EVENTS,
            rebuild=rebuild,
            on_progress=advance,
        )
    if json_output:
        output.print_json({"store": without_password(where), **output.fields_of(done)})
        return
    new = done.position - done.first + 1
    output.print_line(
        f"{done.folder}: {new} new events, {done.position} in {done.segments} segments\n"
        f"head {done.position} {done.head_hash}"
    )


def query(
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SELECT",
            help="One SELECT over: events, decisions, instructions, orders, fills, limits.",
            show_default=False,
        ),
    ],
    store: StoreOption = None,
    mirror: Annotated[
        Path | None,
        typer.Option(
            "--mirror",
            metavar="DIR",
            help="A mirror's folder. Alone: only what it holds. With --store: and the log's tail.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="How to print the answer.")] = (
        Format.TABLE
    ),
    json_output: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    progress: ProgressOption = None,
) -> None:
    """Ask the log in SQL: what is mirrored, and after it what the store has had since.

    Nothing but the log's own tables can be read, and nothing can be written. Without a mirror
    beside the store all of the log is read anew; `fillwright mirror` spares that.
    """
    from ..mirror.query import open_tables
    from ..storage.log import Log
    from . import output
    from .progress_bar import bar

    output.log_to_stderr()
    if json_output and format is Format.CSV:
        raise InvalidInput("format", format.value, "json, or no --json with it")
    with ExitStack() as stack:
        log = None
        if store is not None or mirror is None:
            where = store_of(store)
            log = stack.enter_context(Log.open(where, writer=False))
            folder = mirror if mirror is not None else _beside(where)
        else:
            folder = mirror
        with bar(progress, "reading the log") as advance:
            tables = stack.enter_context(open_tables(folder, log, advance))
        _print(tables.ask(sql), Format.JSON if json_output else format)


def _beside(where: str) -> Path | None:
    from ..mirror.segments import MANIFEST
    from ..mirror.writing import folder_of

    folder = folder_of(where, None)
    return folder if (folder / MANIFEST).is_file() else None


def _verify_mirror(
    store: str | None, dir: Path | None, *, json_output: bool, progress: bool | None
) -> None:
    import os

    from ..mirror.checking import check
    from ..mirror.writing import folder_of
    from ..storage.log import Log
    from . import output
    from .failures import Difference
    from .progress_bar import bar

    named = store or os.environ.get("FILLWRIGHT_STORE")
    with ExitStack() as stack:
        log = None
        if named or dir is None:
            log = stack.enter_context(Log.open(store_of(named), writer=False))
        folder = dir if dir is not None else folder_of(store_of(named), None)
        advance = stack.enter_context(bar(progress, "verifying"))
        found = check(folder, log, advance)
    if json_output:
        output.print_json(output.fields_of(found))
    elif found.ok:
        against = "the log" if found.against_log else "its own chain, without the log"
        output.print_line(
            f"{found.events} events in {found.segments} segments agree with {against}\n"
            f"head {found.events} {found.head_hash}"
        )
    if not found.ok:
        raise Difference(f"{found.folder}: {found.what}. {found.events} events before it are good")


def _print(answer: Answer, format: Format) -> None:
    if format is Format.CSV:
        _print_csv(answer)
    elif format is Format.JSON:
        _print_json(answer)
    else:
        _print_table(answer)


def _print_json(answer: Answer) -> None:
    """An array with an object per row and line, written as the rows come."""
    from ...projections.canonical import canonical_bytes
    from .output import write_bytes

    names = [name for name, _ in answer.columns]
    begin = b"["
    for row in answer.rows():
        fields = dict(zip(names, map(_json, row), strict=True))
        write_bytes(begin + b"\n" + canonical_bytes(fields))
        begin = b","
    write_bytes(b"[]\n" if begin == b"[" else b"\n]\n")


def _print_csv(answer: Answer) -> None:
    import csv
    import sys

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(name for name, _ in answer.columns)
    writer.writerows([_text(value) for value in row] for row in answer.rows())


def _print_table(answer: Answer) -> None:
    """Columns side by side, never broken: a terminal or a pager decides about long lines."""
    from itertools import islice

    from . import output

    rows = answer.rows()
    shown = [[_text(value) for value in row] for row in islice(rows, TABLE_ROWS_MAX)]
    names = [name for name, _ in answer.columns]
    widths = [max(map(len, column)) for column in zip(names, *shown, strict=True)]
    right = [kind.startswith(NUMERIC) for _, kind in answer.columns]
    for cells in (names, ["-" * width for width in widths], *shown):
        parts = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ]
        output.print_line("  ".join(parts).rstrip())
    if next(rows, None) is not None:
        output.note(f"only the first {TABLE_ROWS_MAX} rows; --format json or csv gives all")


def _json(value: Any) -> Any:
    """A value of DuckDB's as JSON can say it without loss; a fraction as its shortest text."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal | str | int | bytes | None):
        return value
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return str(value)


def _text(value: Any) -> str:
    from ...domain.money import plain
    from ...projections.canonical import canonical_bytes

    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, dict | list):
        return canonical_bytes(_json(value)).decode()
    return str(value)
