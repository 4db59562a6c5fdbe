"""``strategies``: which strategies there are, and which version may trade live by whose word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import ConfigOption, JsonOption, StoreOption, store_of

if TYPE_CHECKING:
    from ...domain.ops import StrategyApproved
    from ...domain.supervision.inventory import StrategyInUse

strategies_app = typer.Typer(
    name="strategies",
    help="The inventory of strategies: versions, parameters, evidence, who approved them for live.",
    no_args_is_help=True,
)


@strategies_app.command("list")
def list_strategies(
    store: StoreOption = None, config: ConfigOption = None, json_output: JsonOption = False
) -> None:
    """Show each strategy as it would trade now, and what is approved of it.

    The parameters are those of the configuration; live, only a strategy that is approved in exactly
    this version, with these parameters and this fitted model, is traded.
    """
    from ...domain.supervision.inventory import approval_of, in_use
    from ..settings import Settings
    from ..supervision.supervising import Supervisor
    from . import output

    output.log_to_stderr()
    settings = Settings.of_any_mode(config)
    with Supervisor(store_of(store, settings)) as supervisor:
        known, now = supervisor.state.strategies, supervisor.now
    rows = [
        row(used, approval_of(used, known, now), known)
        for used in in_use(settings.execution.parameters)
    ]
    if json_output:
        output.print_json({"strategies": rows})
        return
    for one in rows:
        output.print_line(line(one))


@strategies_app.command()
def propose(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The strategy, such as twap.", show_default=False)
    ],
    evidence: Annotated[
        Path,
        typer.Option(
            "--evidence",
            metavar="FILE",
            help="The evaluation that was looked at, such as one of `fillwright evaluate`.",
            show_default=False,
        ),
    ],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it goes on the record.")
    ],
    go_live: Annotated[
        str | None,
        typer.Option(
            "--go-live",
            metavar="TIME",
            help="From when on, with its zone, such as 2026-03-02T14:30:00Z. Default: approval.",
            show_default=False,
        ),
    ] = None,
    valid_hours: Annotated[
        float,
        typer.Option("--valid-hours", metavar="N", min=0.01, max=168, help="Approved within."),
    ] = 24,
    store: StoreOption = None,
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """Propose that a strategy may trade live as it is now; another person approves it.

    What is approved is its version, the hashes of its parameters and fitted model, and that of the
    evidence: `fillwright changes approve`. A single owner's word is enough for itself.
    """
    from ..as_of import parse_time
    from ..settings import Settings
    from ..supervision.changing import Changes, hours_ns
    from ..supervision.supervising import Supervisor
    from . import output
    from .change_commands import tell

    output.log_to_stderr()
    settings = Settings.of_any_mode(config)
    at = 0 if go_live is None else parse_time(go_live, "go_live")
    with Supervisor(store_of(store, settings)) as supervisor:
        changes = Changes(supervisor, settings.account)
        change = changes.propose_strategy(
            name, settings.execution.parameters, evidence, at, reason, hours_ns(valid_hours)
        )
        tell(change, supervisor.now, json_output=json_output)


def row(
    used: StrategyInUse, approved: StrategyApproved | None, known: list[StrategyApproved]
) -> dict[str, Any]:
    """A strategy for a program."""
    history = [one for one in known if one.strategy == used.strategy.value]
    return {
        "strategy": used.strategy.value,
        "version": used.version,
        "parameters": used.parameters,
        "model": used.model,
        "approved": approved is not None,
        "approvals": [approval_json(one) for one in history],
    }


def approval_json(one: StrategyApproved) -> dict[str, Any]:
    """An approval for a program."""
    return {
        "version": one.version,
        "parameters": one.parameters,
        "model": one.model,
        "evidence": one.evidence,
        "evidence_name": one.evidence_name,
        "approver": one.approver,
        "proposer": one.proposer,
        "approved_at": one.record_time,
        "go_live_at": one.go_live_at,
        "change": one.change,
    }


def line(one: dict[str, Any]) -> str:
    """A strategy for a person."""
    from ...domain.moments import utc_text

    told = f"{one['strategy']} version {one['version']}, parameters {one['parameters'][:12]}"
    if not one["approvals"]:
        return f"{told}: never approved to trade live"
    last = one["approvals"][-1]
    since = utc_text(last["go_live_at"])
    by = f"version {last['version']} by {last['approver']}, live from {since}"
    state = "approved" if one["approved"] else "NOT approved as it is now; last"
    return f"{told}: {state}: {by}, on {last['evidence_name']}"
