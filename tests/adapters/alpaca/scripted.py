"""A server on loopback that gives the answers a test has written, byte by byte."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Route = Callable[["Answering", dict[str, str]], None]


class Answering(BaseHTTPRequestHandler):
    """One request; routes write the answer themselves."""

    protocol_version = "HTTP/1.1"
    server: Scripted

    def do_GET(self) -> None:
        """Answer by the route of the path, with 404 where there is none."""
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.asked.append((parts.path, query))
        route = self.server.routes.get(parts.path)
        if route is None:
            self.say({"message": "endpoint not found"}, 404)
        else:
            route(self, query)

    def say(self, body: Any, status: int = 200, kind: str = "application/json") -> None:
        """A whole answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def begin_events(self, kind: str = "text/event-stream", *, chunked: bool = True) -> None:
        """The head of a stream."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, content: bytes) -> None:
        """One piece of a stream; an empty one ends it."""
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def hang_up(self) -> None:
        """Close the connection where it is."""
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Scripted(ThreadingHTTPServer):
    """The server; ``asked`` are paths and queries in the order of arrival."""

    daemon_threads = True

    def __init__(self, routes: dict[str, Route]) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.routes = routes
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.ending = threading.Event()

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def scripted(routes: dict[str, Route]) -> Iterator[Scripted]:
    """A server for the length of a block."""
    with Scripted(routes) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join(5)
