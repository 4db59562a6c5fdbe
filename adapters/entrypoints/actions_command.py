"""``actions`` and ``accept``: corporate actions on the record, and breaks closed by hand."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import JsonOption, StoreOption, store_of

if TYPE_CHECKING:
    from ...domain.events import DomainEvent

PersonOption = Annotated[
    str, typer.Option("--person", metavar="NAME", help="Who asks. Default: the user.")
]


def actions(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON or CSV, see docs/corporate-actions.md.")
    ],
    store: StoreOption = None,
    person: PersonOption = "",
    json_output: JsonOption = False,
) -> None:
    """Put the corporate actions and symbol changes of a file on the record.

    What is recorded already is passed over. Positions that an action explains are free to trade
    again, and a block of a symbol goes over to its new name. Works beside a running engine.

    Exit code 0: recorded. 2: the file is wrong, and nothing was recorded.
    """
    from ..account_record import AccountRecord
    from ..corporate_actions import read_actions
    from . import output

    output.log_to_stderr()
    read = read_actions(file)
    record = AccountRecord(store_of(store))
    actor = f"person:{person.strip() or getpass.getuser()}"
    appended = record.record_actions(read.announced, read.source, actor)
    if json_output:
        found = {"read": len(read.announced), "passed_over": list(read.unknown)}
        output.print_json({**found, "recorded": [_json(event) for event in appended]})
        return
    for event in appended:
        output.print_line(_told(event))
    for text in read.unknown:
        output.print_line(f"passed over, not handled here: {text}")
    known = len(read.announced) - sum(hasattr(event, "action") for event in appended)
    if known:
        output.print_line(f"{known} on the record already")


def accept(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The symbol that differs.")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it goes on the record.")
    ],
    store: StoreOption = None,
    person: PersonOption = "",
    json_output: JsonOption = False,
) -> None:
    """Take the broker's position in a symbol for ours, by hand, although nothing explains it.

    Orders that add risk in the symbol are free again. `fillwright books` shows what is not
    explained.

    Exit code 0: recorded. 2: nothing about the symbol is unexplained.
    """
    from ..account_record import AccountRecord
    from . import output

    output.log_to_stderr()
    record = AccountRecord(store_of(store))
    appended = record.accept_position(symbol, reason, person.strip() or getpass.getuser())
    if json_output:
        output.print_json({"recorded": [_json(event) for event in appended]})
        return
    for event in appended:
        output.print_line(_told(event))


def _json(event: DomainEvent) -> dict[str, object]:
    return {"topic": event.stored_topic(), **event.model_dump(mode="json")}


def _told(event: DomainEvent) -> str:
    from ...projections.audit_words import told

    said = told(event)
    if said is None:
        return event.stored_topic()
    return f"{said.what} ({said.why})" if said.why else said.what
