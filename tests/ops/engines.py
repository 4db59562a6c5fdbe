"""A real engine process over ``alpaca-py`` beside a real paper server, and commands beside both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.adapters.entrypoints.conftest import captured
from tests.paper.servers import KEY, SECRET, PaperServer, eventually

CLI = [sys.executable, "-W", "ignore", "-m", "fillwright.adapters.entrypoints.cli"]


def environment(server: PaperServer | None, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FILLWRIGHT_", "APCA_"))}
    kept |= {"FILLWRIGHT_BROKER__REQUESTS_PER_MINUTE": "100000"}
    if server is not None:
        kept |= {
            "APCA_API_KEY_ID": KEY,
            "APCA_API_SECRET_KEY": SECRET,
            "APCA_API_BASE_URL": server.urls["trading_url"],
        }
    return kept | more


def command(
    server: PaperServer | None, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments],
        env=environment(server, **(env or {})),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def command_here(
    server: PaperServer | None, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The same in this process, which spares its imports."""
    with patch.dict(os.environ, environment(server, **(env or {})), clear=True):
        done = captured(*arguments)
    return subprocess.CompletedProcess(arguments, done.code, done.out.decode(), done.err)


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def engine(
    server: PaperServer,
    folder: Path,
    decisions: list[dict[str, Any]],
    *options: str,
    store: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """An engine that works the decisions; its log is ``log.db`` in the folder, or ``store``."""
    path = folder / "decisions.json"
    path.write_text(json.dumps(decisions))
    where = store or str(folder / "log.db")
    arguments = ["run", str(path), "--broker", "alpaca", "--store", where]
    with (folder / "engine.err").open("ab") as errors, (folder / "engine.out").open("wb") as out:
        process = subprocess.Popen(
            [*CLI, *arguments, "--json", "--debug", *options],
            env=environment(server, **(env or {})),
            stdout=out,
            stderr=errors,
        )
    server.engines.append(process)
    return process


def accepted(server: PaperServer) -> list[dict[str, Any]]:
    """All orders that the server has, whatever has become of them."""
    found: list[dict[str, Any]] = server.call(
        "GET", "/v2/orders", params={"status": "all", "limit": 500}
    ).json()
    return found


def resting(server: PaperServer) -> dict[str, Any]:
    """A decision whose order rests far below the market for all of its window."""
    bid, _ = server.quote("MSFT")
    return {
        "decision_id": "d-resting",
        "symbol": "MSFT",
        "action": "BUY",
        "target_weight": 4,
        "confidence": 8,
        "strategy": "limit",
        "limit_price": str(round(bid * Decimal("0.95"), 2)),
        "window": "40m",
        "max_slippage": 300,
    }


def at_work(server: PaperServer, folder: Path, process: subprocess.Popen[bytes]) -> str:
    """The order of ``resting`` once it rests; where none comes, tell what the engine said."""

    def rests() -> str | None:
        assert process.poll() is None, "the engine has ended"
        orders = (one for one in accepted(server) if one["symbol"] == "MSFT")
        return next((one["id"] for one in orders if one["status"] == "new"), None)

    try:
        return str(eventually(rests, 120))
    except AssertionError as missed:
        process.kill()
        process.wait(60)
        told = [(folder / name).read_text()[-2000:] for name in ("engine.out", "engine.err")]
        orders = [(one["symbol"], one["status"]) for one in accepted(server)]
        raise AssertionError(f"{missed}; orders: {orders}", *told) from None
