"""A web server on loopback that takes notices, refuses them, or is silent, as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """What it was sent, and how it answers next."""

    def __init__(self) -> None:
        hook = self
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer = 200
        self.delay_seconds = 0.0
        self.asked = 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.asked += 1
                time.sleep(hook.delay_seconds)
                if hook.answer == 200:
                    hook.headers.append(dict(self.headers))
                    hook.got.append(json.loads(body))
                self.send_response(hook.answer)
                if hook.answer in (301, 302, 307):
                    self.send_header("Location", f"{hook.url}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        """Stop; a second call does nothing."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@contextmanager
def hooked() -> Iterator[Hook]:
    """A server for the length of a block."""
    made = Hook()
    try:
        yield made
    finally:
        made.close()
