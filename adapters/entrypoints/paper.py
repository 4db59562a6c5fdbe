"""``paper``: the simulated exchange behind Alpaca's protocol, for any Alpaca program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...domain.errors import InvalidInput

EXTRA = "the paper server's libraries: pip install 'fillwright[paper]'"


def paper(
    port: Annotated[
        int, typer.Option("--port", metavar="P", help="Port on loopback; 0 picks a free one.")
    ] = 0,
    key: Annotated[
        str,
        typer.Option("--key", metavar="K", help="The key id that clients authenticate with."),
    ] = "paper",
    secret: Annotated[
        str, typer.Option("--secret", metavar="S", help="The secret that goes with it.")
    ] = "paper",
    market: Annotated[
        Path | None,
        typer.Option("--market", metavar="DIR", help="A market folder.", show_default=False),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            metavar="DATE",
            help="The session's date. Default with --generated: the latest that has opened.",
            show_default=False,
        ),
    ] = None,
    generated: Annotated[
        bool, typer.Option("--generated", help="The built-in seeded market.")
    ] = False,
    speed: Annotated[
        float, typer.Option("--speed", metavar="X", help="Market seconds per wall second.")
    ] = 1.0,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Of generated market and faults.")
    ] = 0,
    faults: Annotated[
        Path | None,
        typer.Option("--faults", metavar="FILE", help="Rules of faults.", show_default=False),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            metavar="PATH",
            help="Keep every request durably; the same command goes on where it was.",
            show_default=False,
        ),
    ] = None,
    account: Annotated[
        Path | None,
        typer.Option(
            "--account",
            metavar="FILE",
            help='What the account starts with: {"cash": 1000000, "positions": {"AAPL": 100}}.',
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            metavar="HH:MM",
            help="Market time at the start, New York. Default: the open; 10:00 with --generated.",
            show_default=False,
        ),
    ] = None,
    rate_limit: Annotated[
        int,
        typer.Option("--rate-limit", metavar="N", help="Requests a minute; 0 for no limit."),
    ] = 200,
) -> None:
    """Serve an Alpaca-compatible paper exchange on loopback until interrupted.

    Prints one JSON line with its addresses when it is ready.
    """
    from ..account_file import StartAccount, read_account

    if generated == (market is not None):
        raise InvalidInput("market", "both or none", "either --generated or --market DIR")
    try:
        from ..paper.options import PaperOptions
        from ..paper.server import run_paper
    except ModuleNotFoundError as error:
        raise InvalidInput("extra", error.name, EXTRA) from error
    run_paper(
        PaperOptions(
            key=key,
            secret=secret,
            port=port,
            market=market,
            session=session,
            speed=speed,
            seed=seed,
            faults=faults,
            journal=journal,
            account=StartAccount() if account is None else read_account(account),
            start=start,
            rate_limit=rate_limit,
        )
    )
