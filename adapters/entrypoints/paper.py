"""``paper``: the simulated exchange behind Alpaca's protocol, for any Alpaca program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from ...domain.errors import InvalidInput

EXTRA: Final = "the paper server's libraries: pip install 'fillwright[paper]'"
PORT_HELP: Final = "Port on loopback; 0 picks a free one."
KEY_HELP: Final = "The key id that clients authenticate with."
SESSION_HELP: Final = "The session's date. Default with --generated: the latest that has opened."
JOURNAL_HELP: Final = "Keep every request durably; the same command goes on where it was."
ACCOUNT_HELP: Final = 'What the account starts with: {"cash": 1000000, "positions": {"AAPL": 100}}.'
START_HELP: Final = "Market time at the start, New York. Default: the open; 10:00 with --generated."

PortOption = Annotated[int, typer.Option("--port", metavar="P", help=PORT_HELP)]
KeyOption = Annotated[str, typer.Option("--key", metavar="K", help=KEY_HELP)]
SecretOption = Annotated[
    str, typer.Option("--secret", metavar="S", help="The secret that goes with it.")
]
MarketOption = Annotated[
    Path | None,
    typer.Option("--market", metavar="DIR", help="A market folder.", show_default=False),
]
SessionOption = Annotated[
    str | None,
    typer.Option("--session", metavar="DATE", help=SESSION_HELP, show_default=False),
]
GeneratedOption = Annotated[
    bool, typer.Option("--generated", help="The built-in seeded market.", show_default=False)
]
SpeedOption = Annotated[
    float, typer.Option("--speed", metavar="X", help="Market seconds per wall second.")
]
SeedOption = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, help="Of generated market and faults.")
]
FaultsOption = Annotated[
    Path | None,
    typer.Option("--faults", metavar="FILE", help="Rules of faults.", show_default=False),
]
JournalOption = Annotated[
    Path | None,
    typer.Option("--journal", metavar="PATH", help=JOURNAL_HELP, show_default=False),
]
AccountOption = Annotated[
    Path | None,
    typer.Option("--account", metavar="FILE", help=ACCOUNT_HELP, show_default=False),
]
StartOption = Annotated[
    str | None, typer.Option("--start", metavar="HH:MM", help=START_HELP, show_default=False)
]
ActionsOption = Annotated[
    Path | None,
    typer.Option(
        "--actions", metavar="FILE", help="Corporate actions in Alpaca's form.", show_default=False
    ),
]
RateLimitOption = Annotated[
    int, typer.Option("--rate-limit", metavar="N", help="Requests a minute; 0 for no limit.")
]


def paper(
    port: PortOption = 0,
    key: KeyOption = "paper",
    secret: SecretOption = "paper",
    market: MarketOption = None,
    session: SessionOption = None,
    generated: GeneratedOption = False,
    speed: SpeedOption = 1.0,
    seed: SeedOption = 0,
    faults: FaultsOption = None,
    journal: JournalOption = None,
    account: AccountOption = None,
    start: StartOption = None,
    rate_limit: RateLimitOption = 200,
    actions: ActionsOption = None,
) -> None:
    """Serve an Alpaca-compatible paper exchange on loopback until interrupted.

    Prints one JSON line with its addresses when it is ready.
    """
    from ..inputs.account import StartAccount, read_account

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
            actions=actions,
        )
    )
