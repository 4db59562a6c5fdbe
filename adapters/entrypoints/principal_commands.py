"""``principals``: who may do what with a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from .options import JsonOption, StoreOption, store_of

if TYPE_CHECKING:
    from ...domain.principals import Principal

TOKEN_BYTES: Final = 32

principals_app = typer.Typer(
    name="principals",
    help="Who may do what with a store: names, roles, and how they are recognised.",
    no_args_is_help=True,
)


@principals_app.command("list")
def list_principals(store: StoreOption = None, json_output: JsonOption = False) -> None:
    """Show the principals in force; none means that whoever has the store is its single owner."""
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    with Supervisor(store_of(store)) as supervisor:
        found = list(supervisor.state.principals.values())
        me = supervisor.me.name
    if json_output:
        output.print_json({"me": me, "principals": [shown(one) for one in found]})
        return
    if not found:
        output.print_line("none are set up: whoever has the store is its single owner")
    for one in found:
        mark = " (you)" if one.name == me else ""
        roles = ", ".join(one.roles)
        output.print_line(f"{one.name}{mark}: {one.kind.value} of {one.person}; {roles}")


@principals_app.command("set")
def set_principals(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="TOML with [[principals]]: name, person, roles, user or token_sha256.",
            show_default=False,
        ),
    ],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it goes on the record.")
    ] = "set up",
    valid_hours: Annotated[
        float,
        typer.Option("--valid-hours", metavar="N", min=0.01, max=168, help="Approved within."),
    ] = 24,
    store: StoreOption = None,
    json_output: JsonOption = False,
) -> None:
    """Set up the first principals, or propose others.

    The first set is in force at once; from then on everything is denied that a role does not
    allow. A later set that only takes something away takes one admin; any other is a proposal that
    another admin approves with `fillwright changes approve`. At least two persons are admin.
    """
    import tomllib

    from ...domain.errors import InvalidInput
    from ...domain.supervision.effects import read_principals
    from ..supervision.changing import Changes, hours_ns
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput("principals file", file, f"a readable TOML file ({error})") from error
    principals = read_principals(document)
    with Supervisor(store_of(store)) as supervisor:
        change = None
        if supervisor.state.is_set_up:
            made = Changes(supervisor).propose_principals(principals, reason, hours_ns(valid_hours))
            change = made.id
        else:
            supervisor.begin(principals)
        in_force = list(supervisor.state.principals.values()) == list(principals)
    if json_output:
        output.print_json({"change": change, "in_force": in_force})
    elif in_force:
        output.print_line(f"{len(principals)} principals are in force")
    else:
        output.print_line(f"proposed as {change}; another admin approves it")


@principals_app.command()
def token(json_output: JsonOption = False) -> None:
    """Make a random API token and the hash to keep of it; the token is shown this once."""
    import secrets

    from ..supervision.supervising import TOKEN_VARIABLE, token_hash
    from . import output

    made = secrets.token_urlsafe(TOKEN_BYTES)
    if json_output:
        output.print_json({"token": made, "token_sha256": token_hash(made)})
        return
    output.print_line(f"{TOKEN_VARIABLE}={made}")
    output.print_line(f'token_sha256 = "{token_hash(made)}"')


def shown(one: Principal) -> dict[str, Any]:
    """A principal for a program; the hash of a token stays inside."""
    fields = one.model_dump(mode="json", exclude={"token_sha256"})
    return {**fields, "has_token": one.token_sha256 is not None}
