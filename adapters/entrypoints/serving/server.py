"""Runs an engine and its HTTP server in one event loop, until a signal ends both."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import sys
from collections.abc import Iterator
from typing import Final

import uvicorn

from ....domain.errors import InvalidInput
from ....domain.ports import Session
from ...application import Application
from ...live_run import record_end
from ...stopping import Stopping
from .app import build_app

SHUTDOWN_SECONDS: Final = 5
BACKLOG: Final = 256
CONNECTIONS_MAX: Final = 512
STARTED_LOOK_SECONDS: Final = 0.005


class _Server(uvicorn.Server):
    """Leaves signals to whoever stops the engine first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


def listen(host: str, port: int, *, remote: bool) -> socket.socket:
    """Take the address before anything is connected.

    Raises:
        InvalidInput: it is not loopback and ``remote`` does not allow that, or it cannot be had.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise InvalidInput("host", host, "an IP address, or localhost") from error
    if not address.is_loopback and not remote:
        allowed = "a loopback address, unless --remote says that others may reach it"
        raise InvalidInput("host", host, allowed)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    # The protocol is named because asyncio switches Nagle's delay off only where it is.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise InvalidInput("port", port, f"a free port on {host}, or 0 for any") from error
    return listener


async def serve_clients(
    application: Application, session: Session, listener: socket.socket, stopping: Stopping
) -> None:
    """Serve until a signal comes; prints one JSON line with the address when it is ready.

    On a signal nothing more is taken, the engine stops by its policy, and then those who wait for
    an answer are let go.

    Raises:
        BrokerUnavailable: the broker cannot be asked.
        StoreError: the log cannot be written; what it holds is whole.
    """
    await application.prepare()
    server = _Server(
        uvicorn.Config(
            build_app(application, lambda: bool(stopping.received)),
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="none",
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
    )
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await stopping.run(application.engine, _until_over(server, running, listener))
    finally:
        server.should_exit = True
        await asyncio.gather(running, return_exceptions=True)
    await record_end(application.engine, session, is_patient=not stopping.received)


async def _until_over(
    server: uvicorn.Server, running: asyncio.Task[None], listener: socket.socket
) -> None:
    while not server.started and not running.done():
        await asyncio.sleep(STARTED_LOOK_SECONDS)
    if server.started:
        host, port, *_ = listener.getsockname()
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(json.dumps({"url": f"http://{shown}:{port}"}) + "\n")
        sys.stdout.flush()
    await asyncio.shield(running)
