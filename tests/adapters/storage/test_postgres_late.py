"""A commit that the server carries out only after it was looked for is told as written, once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from fillwright.adapters.storage.log import Log
from fillwright.domain.reservations import CounterUpdate
from tests.adapters.storage.helpers import Sample
from tests.adapters.storage.test_postgres import raw

CHUNK = 65_536
APPEND = b"fillwright_"
"""Begins the names of the statements that append."""


class Wire:
    """A way to a server on which what a client sent last can be held back, and delivered late.

    The client's end is closed when something is held. It is delivered when another client's look
    at the head (``SELECT hash``) is over, before anything more of that client passes.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.hold = threading.Event()
        self.delivered = threading.Event()
        self._held: tuple[socket.socket, bytes] | None = None
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._ends += (client, server)
                for pass_on, ends in (
                    (self._to_server, (client, server)),
                    (self._to_client, (server, client)),
                ):
                    self._threads.append(threading.Thread(target=pass_on, args=ends, daemon=True))
                    self._threads[-1].start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        looked = False
        with suppress(OSError):
            while data := client.recv(CHUNK):
                if self.hold.is_set() and APPEND in data:
                    self.hold.clear()
                    self._held = (server, data)
                    client.shutdown(socket.SHUT_RDWR)
                    return
                if looked and self._held is not None and b"COMMIT" not in data:
                    self._deliver()
                looked = looked or b"SELECT hash" in data
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _to_client(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(CHUNK):
                with suppress(OSError):
                    client.sendall(data)

    def _deliver(self) -> None:
        assert self._held is not None
        (server, data), self._held = self._held, None
        server.sendall(data)
        time.sleep(0.3)
        self.delivered.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in self._ends:
            end.close()


@pytest.fixture
def wire(postgres_url: str) -> Iterator[Wire]:
    wire = Wire(urlsplit(postgres_url).port or 5432)
    yield wire
    wire.close()


@pytest.mark.parametrize(("version", "events"), [(0, 1), (4, 1), (4, 3)])
def test_what_is_carried_out_after_the_look_is_told_as_written(
    postgres_url: str, wire: Wire, version: int, events: int
) -> None:
    port = urlsplit(postgres_url).port
    with Log.open(postgres_url.replace(f":{port}/", f":{wire.port}/")) as log:
        log.append(Sample(1).happen())
        log.append(Sample(2).happen(), counters=[CounterUpdate("k", 1, None)])
        log.append(Sample(3).happen())
        log.append(Sample(3, version=1).happen(3))  # both statements are prepared now
        wire.hold.set()
        number = 3 if version else 9
        told = log.append(Sample(number, version=version).happen(events))
        assert wire.delivered.is_set()
        assert told.first_position == 7
        assert log.append(Sample(10).happen()).first_position == 7 + events
        assert log.verify().ok
    assert raw(postgres_url, "SELECT count(*) FROM stored_events") == [(7 + events,)]
