"""Options that several commands share, and what stands in for those that were not given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...domain.errors import InvalidInput

if TYPE_CHECKING:
    from ..settings import Settings

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Where the log is: a path, sqlite:///PATH, or postgresql://USER@HOST/DATABASE. "
        "Default: FILLWRIGHT_STORE.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one canonical JSON document and nothing else.")
]
ProgressOption = Annotated[
    bool | None,
    typer.Option(
        "--progress/--no-progress",
        help="Show live progress on stderr. Default: when stderr is a terminal.",
        show_default=False,
    ),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="POSITION|TIME",
        help="Tell it as it was then: at a position of the log, or at a time with its zone, such "
        "as 2024-06-12T14:30:00Z.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="A TOML file of settings. Default: FILLWRIGHT_CONFIG.",
        show_default=False,
    ),
]
VerifierKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="The public key of the checkpoints. Default: integrity.verifier_key.",
        show_default=False,
    ),
]
SigningKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--signing-key",
        metavar="FILE",
        help="The private key. Default: integrity.signing_key.",
        show_default=False,
    ),
]
AnchorOption = Annotated[
    str | None,
    typer.Option(
        "--anchor",
        metavar="WHERE",
        help="Where checkpoints were left: a file or URL. Default: integrity.anchor.",
        show_default=False,
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME|POSITION",
        help="The first event. Default: the first of the log.",
        show_default=False,
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="TIME|POSITION",
        help="The last event. Default: the last of the log.",
        show_default=False,
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="What all random choices follow from. Default: the store's own, else the settings'.",
        show_default=False,
    ),
]

LiveOption = Annotated[
    bool,
    typer.Option("--live", help='Trade with real money; the settings must say mode = "live" too.'),
]


def _address(flag: str, what: str) -> Any:
    return typer.Option(
        flag,
        metavar="URL",
        help=f"The broker's {what}, or that of a paper server. Default: the settings', else "
        "Alpaca's.",
        show_default=False,
    )


TradingUrlOption = Annotated[str | None, _address("--trading-url", "address")]
DataUrlOption = Annotated[str | None, _address("--data-url", "market-data address")]
StreamUrlOption = Annotated[str | None, _address("--stream-url", "socket of trade updates")]
DataStreamUrlOption = Annotated[str | None, _address("--data-stream-url", "socket of market data")]


def needs(what: str, given: Mapping[str, object]) -> None:
    """Refuse options that would have no effect.

    Args:
        what: what they need, as typed.
        given: each option's name with its value, None or False where it was not given.

    Raises:
        InvalidInput: naming the first that was given.
    """
    for name, value in given.items():
        if value is not None and value is not False:
            raise InvalidInput(name, "--" + name if value is True else value, f"{what} with it")


def store_of(given: str | None, settings: Settings | None = None) -> str:
    """The store that is meant.

    Raises:
        InvalidInput: neither the option nor a setting names one.
    """
    named = given or (settings.store if settings else None) or os.environ.get("FILLWRIGHT_STORE")
    if not named:
        raise InvalidInput("store", "nothing", "--store PATH, or FILLWRIGHT_STORE")
    return named
