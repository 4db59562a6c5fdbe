"""``kill``, ``release`` and ``reconcile``: the account of a store, beside or without its engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...domain.errors import InvalidInput
from ..outside_broker import OutsideBroker, Where
from .failures import Difference
from .options import (
    ConfigOption,
    JsonOption,
    LiveOption,
    ProgressOption,
    StoreOption,
    TradingUrlOption,
    store_of,
)

if TYPE_CHECKING:
    from ..killing import Killed
    from ..settings import Settings
    from ..standing import Compared

TIMEOUT_SECONDS: Final = 60
SHOWN_MAX: Final = 20

ScopeOption = Annotated[
    str,
    typer.Option("--scope", metavar="SCOPE", help="account, symbol:X, or strategy:x."),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it goes on the record.")
]
WhereOption = Annotated[
    Where,
    typer.Option("--broker", help="Which broker to ask. auto: the one the store's engine used."),
]


StatementOption = Annotated[
    Path | None,
    typer.Option(
        "--statement",
        metavar="FILE",
        help="The broker's end-of-day records of one session: JSON, CSV, or Alpaca's answers.",
        show_default=False,
    ),
]
SessionOption = Annotated[
    str,
    typer.Option(
        "--session",
        metavar="DATE",
        help="Which session; Alpaca's answers do not say.",
        show_default=False,
    ),
]
SignOffOption = Annotated[
    str,
    typer.Option(
        "--sign-off",
        metavar="REASON",
        help="Take the session for final in spite of what differs; it goes on the record.",
        show_default=False,
    ),
]


def kill(
    reason: ReasonOption,
    scope: ScopeOption = "account",
    store: StoreOption = None,
    person: Annotated[
        str, typer.Option("--person", metavar="NAME", help="Who asks. Default: the user.")
    ] = "",
    all_orders: Annotated[
        bool,
        typer.Option("--all-orders", help="Cancel every order in the scope, not only our own."),
    ] = False,
    timeout_seconds: Annotated[
        int,
        typer.Option(
            "--timeout-seconds", metavar="N", min=1, max=3_600, help="How long to go on cancelling."
        ),
    ] = TIMEOUT_SECONDS,
    broker: WhereOption = Where.AUTO,
    trading_url: TradingUrlOption = None,
    live: LiveOption = False,
    config: ConfigOption = None,
    json_output: JsonOption = False,
    progress: ProgressOption = None,
) -> None:
    """Block trading at once, and cancel until the broker has nothing open.

    Works while an engine runs, and without one: first the block, which every process sees before
    it sends its next order; then own orders are cancelled at the broker, by id, again and again
    until it reports none open and none is of unknown outcome. Positions stay as they are. The block
    holds until a person lifts it with `fillwright release`.

    Exit code 0: blocked and nothing can trade. 4: blocked, but something is not proven dead, or no
    broker could be asked; what is said. 3: it could not be blocked.
    """
    from ..killing import KillSwitch
    from ..supervision.permissions import person_of
    from . import output

    output.log_to_stderr()
    settings, where = _settings(config, store, live)
    switch = KillSwitch(where, settings.account)
    actor = f"person:{person_of(where, person)}"
    shown = output.wants_progress(progress)
    with OutsideBroker(broker, where, settings, {"trading_url": trading_url}) as outside:
        connect = outside.connect if outside.is_there else None
        with output.waiting("cancelling", enabled=shown):
            made = asyncio.run(
                switch.kill(
                    scope,
                    reason,
                    actor,
                    connect,
                    all_orders=all_orders,
                    timeout_seconds=timeout_seconds,
                )
            )
    if json_output:
        output.print_json(_killed_json(made))
    else:
        for line in _killed_text(made, where, live=live):
            output.print_line(line)
    if not made.is_proven:
        raise Difference(_unproven(made))


def release(
    reason: ReasonOption,
    person: Annotated[
        str,
        typer.Option(
            "--person",
            metavar="NAME",
            help="Who lifts it, for the record. Not needed where principals are set up.",
        ),
    ] = "",
    scope: ScopeOption = "account",
    store: StoreOption = None,
    broker: WhereOption = Where.AUTO,
    trading_url: TradingUrlOption = None,
    live: LiveOption = False,
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """Lift a block, in a person's name, after a clean comparison with the broker.

    Refused while an own order may still trade or anything differs. Nothing is revived: what the
    block ended stays ended. Where principals are set up another person has to have approved it:
    `fillwright changes propose release`.
    """
    from ..killing import KillSwitch
    from . import output

    output.log_to_stderr()
    settings, where = _settings(config, store, live)
    switch = KillSwitch(where, settings.account)
    with OutsideBroker(broker, where, settings, {"trading_url": trading_url}) as outside:
        port = outside.connect() if outside.is_there else None
        found = asyncio.run(switch.release(scope, reason, person, port))
    if json_output:
        output.print_json(
            {
                "account": switch.account,
                "released": scope,
                "compared": None if found is None else _compared_json(found),
            }
        )
        return
    output.print_line(f"{switch.account}: {scope} is no longer blocked")
    if found is None:
        output.print_line("no broker was asked; by the log nothing is open")


def reconcile(
    store: StoreOption = None,
    statement: StatementOption = None,
    session: SessionOption = "",
    sign_off: SignOffOption = "",
    person: Annotated[
        str, typer.Option("--person", metavar="NAME", help="Who asks. Default: the user.")
    ] = "",
    broker: WhereOption = Where.AUTO,
    trading_url: TradingUrlOption = None,
    live: LiveOption = False,
    config: ConfigOption = None,
    json_output: JsonOption = False,
) -> None:
    """Compare the log with the broker: now, or a session with its end-of-day statement.

    Without --statement: own open orders, executed quantities, positions and every fill that the
    broker lists, now, and up to when all fills are known. Changes nothing, and may run beside an
    engine: what differs only because it is on its way is looked at again. Orders that are not ours
    are listed and left alone.

    With --statement FILE: the session's trades, positions, cash and fees, line by line and both
    ways. The result goes on the record, fees are trued up to those booked, and the session is final
    once nothing differs, or a person has signed it off. Forms: docs/statements.md.

    Exit code 0: both agree, or signed off. 4: they differ; each difference is printed. 7: the
    broker cannot be asked.
    """
    if statement is not None or sign_off:
        from ..supervision.permissions import person_of
        from .statement_view import reconcile_statement

        settings, where = _settings(config, store, live)
        name = person_of(where, person)
        reconcile_statement(
            where, settings, statement, session, sign_off, name, json_output=json_output
        )
        return
    from ..account_record import account_of
    from ..standing import Standing, compare
    from ..storage.log import Log
    from . import output

    output.log_to_stderr()
    settings, where = _settings(config, store, live)
    with (
        Log.open(where, writer=False) as log,
        OutsideBroker(broker, where, settings, {"trading_url": trading_url}) as outside,
    ):
        if not outside.is_there:
            raise InvalidInput("broker", outside.name, "--broker alpaca; there is nobody to ask")
        standing = Standing(account_of(log, settings.account))
        found = asyncio.run(compare(log, standing, outside.connect()))
    if json_output:
        output.print_json(_compared_json(found))
    else:
        for line in _compared_text(found):
            output.print_line(line)
    if not found.is_clean:
        raise Difference(f"{len(found.breaks)} differences between the log and the broker")


def _settings(config: Path | None, store: str | None, live: bool) -> tuple[Settings, str]:
    from ..settings import Settings

    settings = Settings.read(file=config, live=live)
    return settings, store_of(store, settings)


def _killed_json(made: Killed) -> dict[str, object]:
    return {
        "account": made.account,
        "scope": made.scope,
        "latched_in": list(made.latched_in),
        "broker": made.broker or None,
        "cancelled": sorted(made.cancelled),
        "still_open": list(made.still_open),
        "unknown": list(made.unknown),
        "nobody_is_sending": made.is_quiet,
        "proven": made.is_proven,
        "problems": list(made.problems),
    }


def _killed_text(made: Killed, store: str, *, live: bool) -> list[str]:
    places = " and in the ".join(made.latched_in)
    lines = [f"{made.account}: {made.scope} is blocked, in the {places}"]
    if made.broker:
        lines.append(f"{len(made.cancelled)} orders cancelled at {made.broker}")
    lines += [f"still open: {name}" for name in made.still_open[:SHOWN_MAX]]
    lines += [f"outcome unknown: {name}" for name in made.unknown[:SHOWN_MAX]]
    lines += [f"problem: {text}" for text in made.problems]
    flag = " --live" if live else ""
    lines.append(f"to lift it: fillwright release --scope {made.scope} --store {store}{flag} …")
    return lines


def _unproven(made: Killed) -> str:
    if not made.broker:
        why = "no broker was asked; a running engine cancels its own orders within a second"
    elif made.still_open or made.unknown:
        why = f"{len(made.still_open)} orders open, {len(made.unknown)} of unknown outcome"
    else:
        why = "a process that had begun to send before the block has not come back from it"
    return f"blocked, but not everything is proven dead: {why}"


def _compared_json(found: Compared) -> dict[str, object]:
    return {
        "position": found.position,
        "orders_compared": found.orders_compared,
        "fills_compared": found.fills_compared,
        "fills_known_until": found.fills.until,
        "fills_source": found.fills.source or None,
        "fills_note": found.fills.note or None,
        "agrees": found.is_clean,
        "breaks": [one.model_dump(mode="json") for one in found.breaks],
        "own_open": list(found.own_open),
        "foreign": [
            {
                "client_order_id": one.client_order_id,
                "venue_order_id": one.venue_order_id,
                "symbol": one.symbol,
                "side": one.side.value,
                "quantity": one.quantity,
                "filled": one.filled_qty,
                "status": one.status,
            }
            for one in found.foreign
        ],
    }


def _compared_text(found: Compared) -> list[str]:
    lines = [
        f"log position {found.position}: {found.orders_compared} orders and "
        f"{found.fills_compared} fills compared"
    ]
    if found.fills.words:
        lines.append(found.fills.words)
    for one in found.breaks:
        subject = one.client_order_id or one.symbol or ""
        lines.append(f"{one.kind} {subject}: ours {one.ours}, the broker's {one.theirs}")
    for order in found.foreign:
        lines.append(
            f"not ours, left alone: {order.symbol} {order.side} {order.quantity} ({order.status})"
        )
    lines.append("they agree" if found.is_clean else "they differ")
    return lines
