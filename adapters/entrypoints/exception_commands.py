"""``exceptions``: what somebody has to look at, whose it is, and how it was closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...domain.ops.exceptions import ExceptionKind
from ...domain.reasons import Disposition
from ...domain.supervision.exceptions import DUE_HOURS_MAX
from .options import JsonOption, StoreOption, store_of

if TYPE_CHECKING:
    from ...domain.supervision.exceptions import Held

DUE_HOURS: Final = 24.0

exceptions_app = typer.Typer(
    name="exceptions",
    help="What somebody has to look at: owners, due times, dispositions.",
    no_args_is_help=True,
)

IdArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="An exception, or a unique beginning.", show_default=False),
]


@exceptions_app.command("list")
def list_exceptions(
    store: StoreOption = None,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those that are late.")] = False,
    kind: Annotated[
        ExceptionKind | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Only alert, anomaly, refusal, override, break or surveillance.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="As of a time with its zone, such as 2024-06-12T14:30:00Z. Default: now.",
            show_default=False,
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Show alerts, anomalies, refusals, overrides, breaks and surveillance findings still open.

    An exception that is overdue goes to compliance, and overdue by as long again to admin; who, is
    told here from the time alone. Its owner is a role until somebody is named.
    """
    from ..as_of import parse_time
    from ..supervision.exceptions_book import Exceptions
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    with Supervisor(store_of(store)) as supervisor:
        asked = None if at is None else parse_time(at, "at")
        now = supervisor.now if asked is None else asked
        found = [
            one
            for one in Exceptions(supervisor).held(now)
            if (every or one.is_open)
            and (not overdue or (one.escalated and one.is_open))
            and kind in (None, one.raised.kind)
        ]
    if json_output:
        output.print_json({"at": now, "exceptions": [held_json(one) for one in found]})
        return
    if not found:
        output.print_line("no exceptions")
    for one in found:
        output.print_line(held_line(one))


@exceptions_app.command()
def assign(
    id: IdArgument,
    owner: Annotated[
        str, typer.Option("--owner", metavar="NAME", help="Who looks at it.", show_default=False)
    ],
    due_hours: Annotated[
        float,
        typer.Option("--due-hours", metavar="N", min=0.01, max=DUE_HOURS_MAX, help="Until when."),
    ] = DUE_HOURS,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it goes on the record.")
    ] = "to look at",
    store: StoreOption = None,
    json_output: JsonOption = False,
) -> None:
    """Give an exception to a person, until a time."""
    from ..supervision.exceptions_book import Exceptions
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    with Supervisor(store_of(store)) as supervisor:
        held = Exceptions(supervisor).assign(id, owner, due_hours, reason)
    output.print_json(held_json(held)) if json_output else output.print_line(held_line(held))


@exceptions_app.command()
def escalate(store: StoreOption = None, json_output: JsonOption = False) -> None:
    """Put on record which open exceptions are overdue and to whom they go, each step once.

    A running engine does it by itself; for a store without one run this by a timer. Exit code 0
    also when nothing is overdue.
    """
    from ..supervision.exceptions_book import Exceptions
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    with Supervisor(store_of(store)) as supervisor:
        made = Exceptions(supervisor).escalate()
    rows = [one.model_dump(mode="json") for one in made]
    if json_output:
        output.print_json({"escalated": rows})
        return
    for row in rows:
        output.print_line(f"{row['exception'][:12]} overdue, to {row['to']}")
    if not rows:
        output.print_line("nothing to escalate")


@exceptions_app.command()
def close(
    id: IdArgument,
    disposition: Annotated[
        Disposition,
        typer.Option(
            "--disposition",
            metavar="WHAT",
            help="explained, corrected, false_alarm, accepted or reported.",
            show_default=False,
        ),
    ],
    text: Annotated[
        str, typer.Option("--text", metavar="TEXT", help="What was found; it goes on the record.")
    ],
    store: StoreOption = None,
    json_output: JsonOption = False,
) -> None:
    """Close an exception: not by whoever it came from, under any name.

    A break that the last comparison still shows is closed by hand, which another person has to
    have approved: `fillwright changes propose break --scope ID`.
    """
    from ..supervision.exceptions_book import Exceptions
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    with Supervisor(store_of(store)) as supervisor:
        held = Exceptions(supervisor).close(id, disposition, text)
    output.print_json(held_json(held)) if json_output else output.print_line(held_line(held))


def held_json(held: Held) -> dict[str, Any]:
    """An exception for a program."""
    from ...domain.supervision.exceptions import held_fields

    closed = held.closed
    return {
        **held_fields(held),
        "settled": held.raised.is_settled,
        "escalated_to": held.escalated_to,
        "open": held.is_open,
        "disposition": None if closed is None else closed.disposition.value,
        "text": None if closed is None else closed.text,
        "closed_by": None if closed is None else closed.actor,
        "closed_at": None if closed is None else closed.record_time,
        "closed_by_hand": None if closed is None else closed.closed_by_hand,
    }


def held_line(held: Held) -> str:
    """An exception for a person."""
    from ...domain.moments import utc_text

    raised = held.raised
    if held.closed is not None:
        state = f"closed by {held.closed.actor}: {held.closed.disposition.value}"
    elif held.escalated:
        state = f"OVERDUE, with {held.owner} and {held.escalated_to}"
    else:
        state = f"with {held.owner} until {utc_text(held.due_at)}"
    subject = raised.subject or raised.account
    return "  ".join((raised.id[:12], raised.kind.value, subject, raised.detail, state))
