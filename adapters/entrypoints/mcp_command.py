"""``mcp``: a model's tools over a running server."""

from __future__ import annotations

import os
from typing import Annotated, Final

import typer

from ...domain.errors import InvalidInput

EXTRA: Final = "the SDK of the Model Context Protocol: pip install 'fillwright[mcp]'"
SECONDS_MAX: Final = 86_400
UrlOption = Annotated[
    str,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="FILLWRIGHT_SERVE_URL",
        help="Where `fillwright serve` listens, such as http://127.0.0.1:8080.",
        show_default=False,
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="S", min=1, max=SECONDS_MAX, help="Seconds that one call may take."
    ),
]


def mcp(url: UrlOption = "", timeout: TimeoutOption = 600) -> None:
    """Give a model tools to submit decisions and to read, on standard input and output (MCP).

    Everything is asked of a running `fillwright serve`, in the name of the token in
    FILLWRIGHT_TOKEN. A model reads and submits at most, whoever's the token is: it cannot cancel,
    stop trading, close an exception or change a limit. This process opens no store.
    """
    import asyncio

    from ..supervision.supervising import TOKEN_VARIABLE
    from . import output

    output.log_to_stderr()
    if not url.startswith(("http://", "https://")):
        raise InvalidInput("url", url, "the address that `fillwright serve` prints, by --url")
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise InvalidInput(TOKEN_VARIABLE, "nothing", "a principal's token in the environment")
    try:
        from .serving.mcp_server import serve_tools
    except ModuleNotFoundError as error:
        raise InvalidInput("extra", error.name, EXTRA) from error
    asyncio.run(serve_tools(url, token, timeout))
