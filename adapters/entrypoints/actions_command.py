"""``actions`` and ``accept``: corporate actions on the record, and breaks closed by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...domain.errors import InvalidInput
from .options import (
    ConfigOption,
    JsonOption,
    LiveOption,
    StoreOption,
    TradingUrlOption,
    store_of,
)

if TYPE_CHECKING:
    from ...domain.events import DomainEvent
    from ..account_record import AccountRecord
    from ..corporate_actions import ActionsFile

PersonOption = Annotated[
    str, typer.Option("--person", metavar="NAME", help="Who asks. Default: the user.")
]

SymbolsOption = Annotated[
    str,
    typer.Option(
        "--symbols",
        metavar="LIST",
        help="Ask for these, with commas between. Default: what is held and worked.",
        show_default=False,
    ),
]
SinceOption = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="DATE",
        help="Ask from a week before this on (YYYY-MM-DD). Default: the last session.",
        show_default=False,
    ),
]


def actions(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="JSON or CSV, see docs/corporate-actions.md. Without one Alpaca is asked.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    symbols: SymbolsOption = "",
    since: SinceOption = "",
    trading_url: TradingUrlOption = None,
    live: LiveOption = False,
    config: ConfigOption = None,
    person: PersonOption = "",
    json_output: JsonOption = False,
) -> None:
    """Put corporate actions and symbol changes on the record: a file's, or what Alpaca announces.

    Without FILE Alpaca is asked for what the account holds and works, to 60 days ahead; keys and
    address as with run. What is recorded already is passed over. Positions that an action explains
    are free to trade again, and a block of a symbol goes over to its new name. Works beside a
    running engine.

    Exit code 0: recorded. 2: the file or an option is wrong. 7: Alpaca cannot be asked. With 2 and
    7 nothing was recorded.
    """
    from ..account_record import AccountRecord
    from ..corporate_actions import read_actions
    from ..supervision.permissions import person_of
    from . import output

    output.log_to_stderr()
    record = AccountRecord(store_of(store))
    if file is None:
        read = _asked(record, symbols, since, trading_url, config, live=live)
    elif symbols or since:
        raise InvalidInput("symbols and since", "given with FILE", "none with it: all is recorded")
    else:
        read = read_actions(file)
    actor = f"person:{person_of(record.store, person)}"
    appended = record.record_actions(read.announced, read.source, actor)
    if json_output:
        found = {
            "source": read.source,
            "read": len(read.announced),
            "passed_over": list(read.unknown),
        }
        output.print_json({**found, "recorded": [_json(event) for event in appended]})
        return
    for event in appended:
        output.print_line(_told(event))
    for text in read.unknown:
        output.print_line(f"passed over, not handled here: {text}")
    known = len(read.announced) - sum(hasattr(event, "action") for event in appended)
    if known:
        output.print_line(f"{known} on the record already")
    if not read.announced and not read.unknown:
        output.print_line("nothing is announced")


def _asked(
    record: AccountRecord,
    symbols: str,
    since: str,
    trading_url: str | None,
    config: Path | None,
    *,
    live: bool,
) -> ActionsFile:
    """What Alpaca announces."""
    from ..actions_fetching import fetch_announced
    from ..outside_broker import OutsideBroker, Where
    from ..settings import Settings

    settings = Settings.read(file=config, live=live)
    addresses = {"trading_url": trading_url}
    with OutsideBroker(Where.ALPACA, record.store, settings, addresses) as outside:
        wanted = symbols.split(",")
        provider = outside.provider()
        return asyncio.run(fetch_announced(provider, record.store, record.name, wanted, since))


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
    from ..supervision.permissions import person_of
    from . import output

    output.log_to_stderr()
    record = AccountRecord(store_of(store))
    appended = record.accept_position(symbol, reason, person_of(record.store, person))
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
