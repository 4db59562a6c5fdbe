"""A way to a server that is cut in the midst, with what was under way delivered, late or never."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from struct import unpack_from

CHUNK = 65_536
SETTLES_SECONDS = 0.2
LOOK = b"SELECT hash"
"""Begins the statement that looks for a commit which was cut off."""
APPENDS = (b"fillwright_one", b"fillwright_many")
"""The names of the statements that append, at which a wire is cut unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What becomes of the transactions that are under way on the next connection that appends.

    Args:
        held: how many are waited for before the client's end is closed.
        passed: so many of them the server gets at once; their answers go nowhere.
        late: so many more it gets after ``looks`` looks of the next connection.
    """

    held: int
    passed: int = 0
    late: int = 0
    looks: int = 1


class CutWire:
    """Listens on ``port``; :attr:`cut` says what is to happen next, and is None once it did."""

    def __init__(self, server_port: int, appends: Sequence[bytes] = APPENDS) -> None:
        self._server_port = server_port
        self.appends = appends
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut: Cut | None = None
        self.done = threading.Event()
        self._late: tuple[socket.socket, bytes] | None = None
        self._looks_left = 0
        self._ends: list[socket.socket] = []
        self._accept_thread = threading.Thread(target=self._accept, daemon=True)
        self._accept_thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._ends += (client, server)
                one = _Passage(self, client, server)
                threading.Thread(target=one.to_server, daemon=True).start()
                threading.Thread(target=one.to_client, daemon=True).start()

    def looked(self) -> None:
        """Another connection has looked for what was cut off, and its next statement waits."""
        if self._late is None:
            return
        self._looks_left -= 1
        if self._looks_left == 0:
            self.deliver()

    def keep(self, server: socket.socket, held: bytes, looks: int) -> None:
        """Deliver this after so many looks; nothing is delivered where there is nothing."""
        self._looks_left = looks
        self._late = (server, held) if held else None
        self.done.set()
        if not held:
            _shut(server)

    def deliver(self) -> None:
        """Give the server now what was held."""
        if self._late is None:
            return
        (server, held), self._late = self._late, None
        with suppress(OSError):
            server.sendall(held)
        time.sleep(SETTLES_SECONDS)
        _shut(server)

    def close(self) -> None:
        _shut(self._listener)
        self._listener.close()
        for end in self._ends:
            _shut(end)
            end.close()


class _Passage:
    """One connection through the wire."""

    def __init__(self, wire: CutWire, client: socket.socket, server: socket.socket) -> None:
        self._wire, self._client, self._server = wire, client, server
        self._is_cut = False
        self._held: list[bytes] = []

    def to_server(self) -> None:
        looked, rest = False, b""
        with suppress(OSError):
            while data := self._client.recv(CHUNK):
                rest += data
                messages, rest = _synced(rest)
                for message in messages:
                    if looked and b"COMMIT" not in message:
                        self._wire.looked()
                        looked = False
                    looked = looked or LOOK in message
                    if self._took(message):
                        return
        _shut(self._server)

    def _took(self, transaction: bytes) -> bool:
        """Whether the connection was cut at this."""
        cut = self._wire.cut
        if cut is None or not any(name in transaction for name in self._wire.appends):
            self._server.sendall(transaction)
            return False
        self._held.append(transaction)
        if not self._is_cut:
            time.sleep(SETTLES_SECONDS)  # what was answered before passes
            self._is_cut = True
        if len(self._held) <= cut.passed:
            self._server.sendall(transaction)
        if len(self._held) < cut.held:
            return False
        self._wire.cut = None
        time.sleep(SETTLES_SECONDS)  # the server carries out what it got
        late = self._held[cut.passed : cut.passed + cut.late]
        self._wire.keep(self._server, b"".join(late), cut.looks)
        _shut(self._client)
        return True

    def to_client(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(CHUNK):
                if not self._is_cut:
                    self._client.sendall(data)
        _shut(self._client)


def _synced(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole messages up to each that syncs or is a query by itself, and what is left."""
    found, start, at = [], 0, 0
    while at + 5 <= len(data):
        kind = data[at]  # 0 begins the length of what comes before there are kinds
        length = (
            unpack_from(">i", data, at)[0] if not kind else 1 + unpack_from(">i", data, at + 1)[0]
        )
        if at + length > len(data):
            break
        at += length
        if kind in b"\0SQXpH":
            found.append(data[start:at])
            start = at
    return found, data[start:]


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_wire(
    url: str, port: int | None, appends: Sequence[bytes] = APPENDS
) -> Iterator[tuple[CutWire, Callable[[], str]]]:
    """A wire to the server of ``url``, and the URL of its store by way of it."""
    wire = CutWire(port or 5432, appends)
    try:
        yield wire, lambda: url.replace(f":{port}/", f":{wire.port}/")
    finally:
        wire.close()
