"""Runs a paper server on loopback until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from ...domain.errors import InvalidInput
from .app import build_app
from .options import PaperOptions
from .service import Service
from .world import World

HOST: Final = "127.0.0.1"
SHUTDOWN_SECONDS: Final = 1
BACKLOG: Final = 1_024
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def addresses(port: int) -> dict[str, str]:
    """Where clients connect to: base addresses without ``/v2``, socket addresses complete."""
    return {
        "trading_url": f"http://{HOST}:{port}",
        "data_url": f"http://{HOST}:{port}",
        "stream_url": f"ws://{HOST}:{port}/stream",
        "data_stream_url": f"ws://{HOST}:{port}/v2/iex",
    }


class _Server(uvicorn.Server):
    """Ends in peace on SIGINT and SIGTERM, where uvicorn would raise the signal once more."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop serving on the first signal, at once on the second."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)


def say_ready(port: int) -> None:
    """Print the addresses as one JSON line."""
    sys.stdout.write(json.dumps(addresses(port)) + "\n")
    sys.stdout.flush()


def run_paper(options: PaperOptions, ready: Callable[[int], None] = say_ready) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        InvalidInput: an option is wrong, or the port is taken.
        JournalError: the journal cannot be used.
        MarketFolderError: the market folder cannot be read.
    """
    listener = _listen(options.port)
    try:
        world = World(options)
        try:
            asyncio.run(_serve(world, listener, ready))
        finally:
            world.close()
    finally:
        listener.close()


async def _serve(world: World, listener: socket.socket, ready: Callable[[int], None]) -> None:
    service = Service(world)
    server = _Server(
        uvicorn.Config(
            build_app(service),
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="websockets-sansio",
            ws_ping_interval=None,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    pumping = asyncio.create_task(service.pump())
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    if server.started:
        ready(listener.getsockname()[1])
    await asyncio.wait((serving, pumping), return_when=asyncio.FIRST_COMPLETED)
    # A broker whose time stands still would mislead its clients: end with the pump.
    server.should_exit = True
    await asyncio.gather(serving, return_exceptions=True)
    if pumping.done():
        pumping.result()
    pumping.cancel()
    await asyncio.gather(pumping, return_exceptions=True)


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio switches Nagle's delay off only where it is.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise InvalidInput("port", port, "a free port, or 0 for any") from error
    listener.listen(BACKLOG)
    return listener
