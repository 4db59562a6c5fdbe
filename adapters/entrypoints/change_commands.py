"""``changes``: propose, approve, reject and list what takes two persons."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from .options import JsonOption, StoreOption, store_of

if TYPE_CHECKING:
    from ...domain.supervision import Change

VALID_HOURS: Final = 24
VALID_HOURS_MAX: Final = 92 * 24

changes_app = typer.Typer(
    name="changes",
    help="Changes that take two persons: limits, live, short, a kill's release, retention.",
    no_args_is_help=True,
)

IdArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="A change, or a unique beginning.", show_default=False),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it goes on the record.")
]

LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help="A limit and its new value, such as trades_max_per_day=80; may be repeated. "
        "Symbols of restricted with commas.",
        show_default=False,
    ),
]
ScopeOption = Annotated[
    str,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help="release: account, symbol:X or strategy:x. break: the id of its exception.",
    ),
]
DaysOption = Annotated[
    int | None,
    typer.Option("--days", metavar="N", help="retention: days that records are kept."),
]
HoldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--hold",
        metavar="SCOPE",
        help="retention: put a legal hold on account:NAME, symbol:NAME, decision:ID or *; may "
        "be repeated.",
    ),
]
LiftOption = Annotated[
    list[str] | None,
    typer.Option("--lift", metavar="SCOPE", help="retention: lift a hold; may be repeated."),
]
ValidHoursOption = Annotated[
    float,
    typer.Option(
        "--valid-hours",
        metavar="N",
        min=0.01,
        max=VALID_HOURS_MAX,
        help="Until when it can be approved and used: 168 at most, 2208 for live.",
    ),
]


class Asked(StrEnum):
    """What can be proposed here; the kind of a change of limits follows from what it changes."""

    LIMITS = "limits"
    LIVE = "live"
    RELEASE = "release"
    BREAK = "break"
    RETENTION = "retention"


@changes_app.command()
def propose(
    what: Annotated[
        Asked,
        typer.Argument(
            metavar="WHAT",
            help="limits, live, release, break or retention.",
            show_default=False,
        ),
    ],
    reason: ReasonOption,
    limit: LimitOption = None,
    scope: ScopeOption = "account",
    days: DaysOption = None,
    hold: HoldOption = None,
    lift: LiftOption = None,
    valid_hours: ValidHoursOption = VALID_HOURS,
    account: Annotated[
        str, typer.Option("--account", metavar="NAME", help="Where the log names none yet.")
    ] = "main",
    store: StoreOption = None,
    json_output: JsonOption = False,
) -> None:
    """Propose a change; one that only tightens is in force at once.

    Loosening a limit, enabling live or short, removing a restricted name, releasing a kill, closing
    a break by hand, shortening retention and lifting a legal hold take another person with the
    role, who sees exactly what was proposed: `fillwright changes approve`.
    """
    from ...domain.killing import read_scope
    from ...domain.ops.control import ChangeKind
    from ..supervision.changing import Changes, hours_ns
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    valid = hours_ns(valid_hours)
    with Supervisor(store_of(store)) as supervisor:
        changes = Changes(supervisor, account)
        if what is Asked.LIMITS:
            change = changes.propose_limits(_limits(limit or []), reason, valid)
        elif what is Asked.RETENTION:
            change = changes.propose_retention(days, hold or [], lift or [], reason, valid)
        elif what is Asked.LIVE:
            change = changes.propose(ChangeKind.LIVE, "account", reason, valid)
        elif what is Asked.RELEASE:
            change = changes.propose(ChangeKind.RELEASE_KILL, read_scope(scope), reason, valid)
        else:
            change = changes.propose(ChangeKind.CLOSE_BREAK, scope, reason, valid)
        tell(change, supervisor.now, json_output=json_output)


@changes_app.command()
def approve(
    id: IdArgument,
    reason: ReasonOption,
    store: StoreOption = None,
    json_output: JsonOption = False,
) -> None:
    """Approve what another person proposed, as it is and for its time only.

    Limits, retention, principals and strategies are in force when this returns; a release and a
    closed break wait for their commands.
    """
    from ..supervision.changing import Changes
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    with Supervisor(store_of(store)) as supervisor:
        change = Changes(supervisor).approve(id, reason)
        tell(change, supervisor.now, json_output=json_output)


@changes_app.command()
def reject(
    id: IdArgument,
    reason: ReasonOption,
    store: StoreOption = None,
    json_output: JsonOption = False,
) -> None:
    """Refuse a change, take back one's own, or withdraw what one permits.

    Also one that is approved and not used yet, a permission to trade live, and a strategy's
    approval; a running engine heeds it at once. It takes one person.
    """
    from ..supervision.changing import Changes
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    with Supervisor(store_of(store)) as supervisor:
        change = Changes(supervisor).reject(id, reason)
        tell(change, supervisor.now, json_output=json_output)


@changes_app.command()
def apply(id: IdArgument, store: StoreOption = None, json_output: JsonOption = False) -> None:
    """Put an approved change in force that could not be when it was approved."""
    from ..supervision.changing import Changes
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    with Supervisor(store_of(store)) as supervisor:
        change = supervisor.state.change(id)
        Changes(supervisor).put_in_force(change)
        tell(supervisor.state.change(id), supervisor.now, json_output=json_output)


@changes_app.command("list")
def list_changes(
    store: StoreOption = None,
    open_only: Annotated[
        bool, typer.Option("--open", help="Only those that can still be approved or used.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Show every change with who proposed and approved it, and where it stands."""
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    with Supervisor(store_of(store)) as supervisor:
        now, found = supervisor.now, list(supervisor.state.changes.values())
    if open_only:
        found = [one for one in found if one.state(now).value in ("proposed", "approved")]
    if json_output:
        output.print_json({"changes": [change_json(one, now) for one in found]})
        return
    if not found:
        output.print_line("no changes")
    for one in found:
        output.print_line(change_line(one, now))


def change_json(change: Change, now: int) -> dict[str, Any]:
    """A change for a program."""
    import json

    what = change.proposed
    return {
        "change": what.change,
        "kind": what.kind.value,
        "account": what.account,
        "scope": what.scope,
        "content": json.loads(what.content),
        "reason": what.reason,
        "state": change.state(now).value,
        "tightening": what.is_tightening,
        "proposed_at": what.record_time,
        "expires_at": what.expires_at,
        "applied_at": change.applied_at,
        "proposer": what.actor,
        "approver": change.approved.actor if change.approved is not None else None,
        "rejected_by": change.rejected.actor if change.rejected is not None else None,
    }


def change_line(change: Change, now: int) -> str:
    """A change for a person."""
    from ...domain.moments import utc_text

    what = change.proposed
    by = f"by {what.actor}"
    if change.approved is not None:
        by += f", approved by {change.approved.actor}"
    if change.rejected is not None:
        by += f", rejected by {change.rejected.actor}"
    state = change.state(now).value
    said = what.content if len(what.content) <= 200 else f"{what.content[:197]}..."
    until = f"until {utc_text(what.expires_at)}" if state in ("proposed", "approved") else ""
    parts = (what.change[:12], state, what.kind.value, what.account, what.scope, said, by, until)
    return "  ".join(part for part in parts if part)


def tell(change: Change, now: int, *, json_output: bool) -> None:
    """Print a change, and what is next."""
    from . import output

    if json_output:
        output.print_json(change_json(change, now))
        return
    output.print_line(change_line(change, now))
    if change.state(now).value == "proposed":
        output.print_line(f"another person: fillwright changes approve {change.id[:12]} …")


def _limits(pairs: list[str]) -> dict[str, object]:
    """NAME=VALUE pairs; a tuple where the limit is a list of symbols."""
    from ...domain.errors import InvalidInput
    from ...domain.tightening import RESTRICTED

    found: dict[str, object] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        name = name.strip().removeprefix("limits.")
        if not sign or not name:
            raise InvalidInput("limit", pair, "NAME=VALUE, such as trades_max_per_day=80")
        text = value.strip()
        symbols = sorted({one.strip().upper() for one in text.split(",") if one.strip()})
        found[name] = tuple(symbols) if name == RESTRICTED else text
    if not found:
        raise InvalidInput("limit", "nothing", "--limit NAME=VALUE")
    return found
