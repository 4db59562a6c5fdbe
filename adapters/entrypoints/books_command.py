"""``books``: cash and shares of each account by our own record, and what is paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .options import JsonOption, StoreOption, store_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ...projections.account_books import AccountBooks
    from ...projections.known_instruments import KnownInstruments


def books(store: StoreOption = None, json_output: JsonOption = False) -> None:
    """Show each account's kind, settled and unsettled cash, positions, and shares not paid for.

    And the positions that nothing explains, in which orders that add risk are refused, and the
    instruments used, with how many have no FIGI or CUSIP on record. Told from the log alone: what
    the broker said at the session's start and own executions since.
    """
    from ...projections.account_books import AccountBooks
    from ...projections.canonical import to_json
    from ...projections.known_instruments import KnownInstruments
    from ...projections.runner import follow
    from ..storage.log import Log
    from . import output

    output.log_to_stderr()
    told, named = AccountBooks(), KnownInstruments()
    with Log.open(store_of(store), writer=False) as log:
        follow([told, named], log.events(upto=log.head().position))
    if json_output:
        head = {"position": told.position, "hash": told.head_hash.hex()}
        instruments = to_json(named.state())
        accounts = to_json(told.state())
        output.print_json({"accounts": accounts, "instruments": instruments, "log": head})
    else:
        output.show(_view(told, named))


def _view(told: AccountBooks, named: KnownInstruments) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from ...domain.money import ZERO, plain

    parts: list[RenderableType] = []
    for name in told.accounts():
        book, status = told.book(name), told.status(name)
        kind = f"{status.kind.value} account" if status else "kind of account not recorded"
        parts.append(Text(f"{name}: {kind}, session {book.today}"))
        parts.append(Text(f"cash {book.cash:,.2f}, of it settled {book.settled:,.2f}"))
        for due, amount in sorted(book.unsettled.items()):
            parts.append(Text(f"  {amount:,.2f} settles on {due}"))
        table = Table("symbol", "shares", "not paid for", "until")
        for symbol, shares in sorted(book.positions.items()):
            unpaid = book.unpaid.get(symbol, {})
            waits = plain(sum(unpaid.values(), ZERO)) if unpaid else ""
            table.add_row(symbol, plain(shares), waits, max(unpaid, default=""))
        parts.append(table if book.positions else Text("no positions"))
        standing = told.standing(name)
        parts += [
            Text(f"{symbol} is NOT EXPLAINED: {standing.told(symbol)}", style="bold red")
            for symbol in standing.open_symbols
        ]
        if count := len(named.of(name)):
            lacking = named.unknown(name)
            without = f"without FIGI {lacking['figi']}, without CUSIP {lacking['cusip']}"
            parts.append(Text(f"instruments on record: {count}; {without}"))
    return Group(*parts) if parts else Text("no account in this log yet")
