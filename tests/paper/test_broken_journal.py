"""A server that cannot write its journal stops: it must not trade what it would forget."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.paper.app import build_app
from fillwright.adapters.paper.options import PaperOptions
from fillwright.adapters.paper.service import Service
from fillwright.adapters.paper.world import World

ORDER = {"symbol": "KO", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
HEADERS = [(b"apca-api-key-id", b"k"), (b"apca-api-secret-key", b"s")]


async def post(app: Any, path: str, body: object) -> int:
    """The status of one POST, without a network."""
    seen: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: Any) -> None:
        seen.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": HEADERS}
    scope |= {"query_string": b"", "root_path": "", "scheme": "http", "server": ("x", 1)}
    await app(scope, receive, send)
    return int(seen[0]["status"])


def test_a_journal_that_cannot_be_written_ends_the_server(tmp_path: Path) -> None:
    async def broken() -> int:
        options = PaperOptions("k", "s", session="20240612", journal=tmp_path / "journal")
        world = World(options)
        service = Service(world)
        app = build_app(service)
        assert await post(app, "/v2/orders", ORDER) == 200
        world.close()
        status = await post(app, "/v2/orders", ORDER)
        with pytest.raises(sqlite3.Error):
            await asyncio.wait_for(service.pump(), 5)
        return status

    assert asyncio.run(broken()) == 500
