"""``chains``: decisions that are worked over several sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .options import JsonOption, StoreOption, store_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ...projections.chains import Chain


def chains(store: StoreOption = None, json_output: JsonOption = False) -> None:
    """Show decisions that are worked over several sessions, with what each day did.

    A decision with `sessions` is worked by one instruction a day; `run --broker alpaca` takes what
    is due on in the next session by itself.
    """
    from ..chaining import read_chains
    from ..storage.log import Log
    from . import output

    output.log_to_stderr()
    with Log.open(store_of(store), writer=False) as log:
        book = read_chains(log)
    found = list(book.chains().values())
    if json_output:
        head = {"position": book.position, "hash": book.head_hash.hex()}
        output.print_json({"chains": [_told(chain) for chain in found], "log": head})
    else:
        output.show(_table(found))


def _told(chain: Chain) -> dict[str, object]:
    from ...domain.money import plain

    links = [
        {
            "number": link.number,
            "session": link.session_date,
            "state": link.state.value,
            "reason": None if link.end_reason is None else link.end_reason.value,
            "executed": plain(link.executed),
            "sessions_left": link.sessions_left,
            "submitted_by": None if link.submitted_by is None else link.submitted_by.principal,
        }
        for link in chain.links
    ]
    return {
        "decision_id": chain.root,
        "symbol": chain.links[0].decision.symbol,
        "action": chain.links[0].decision.action.value,
        "executed": plain(chain.executed),
        "open": chain.is_open,
        "links": links,
    }


def _table(found: list[Chain]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from ...projections.rendering import number

    if not found:
        return Text("no decision is worked over several sessions")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("decision", "symbol", "action", "session", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("executed", "in all", "sessions left"):
        table.add_column(name, justify="right", no_wrap=True)
    for chain in found:
        for link in chain.links:
            last = link is chain.links[-1]
            table.add_row(
                chain.root if link.number == 1 else "",
                link.decision.symbol,
                link.decision.action.value,
                link.session_date,
                link.state.value,
                number(link.executed),
                number(chain.executed) if last else "",
                str(link.sessions_left if chain.is_open else 0) if last else "",
            )
    return table
