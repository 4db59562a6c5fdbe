"""A paper server in a process of its own, and the unmodified alpaca-py clients for it."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests

with warnings.catch_warnings():
    # alpaca-py still uses the older interface of websockets.
    warnings.simplefilter("ignore")
    from alpaca.common.exceptions import APIError
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.live import StockDataStream
    from alpaca.trading.client import TradingClient
    from alpaca.trading.stream import TradingStream

__all__ = ["APIError", "PaperServer", "StockDataStream", "TradingStream", "eventually", "running"]

KEY, SECRET = "test-key", "test-secret"
HEADERS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
SESSION = "20240612"
START_SECONDS_MAX = 60
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.01, 0.1


class PaperServer:
    """One running server."""

    def __init__(self, process: "subprocess.Popen[str]", urls: dict[str, str]) -> None:
        self.process = process
        self.engines: list[subprocess.Popen[bytes]] = []
        """Processes that trade here; what is left of them ends with the block of ``running``."""
        self.urls = urls
        self.trading = TradingClient(KEY, SECRET, paper=True, url_override=urls["trading_url"])
        self.raw = TradingClient(
            KEY, SECRET, paper=True, raw_data=True, url_override=urls["trading_url"]
        )
        self.data = StockHistoricalDataClient(KEY, SECRET, url_override=urls["data_url"])
        self.session = requests.Session()
        self.session.headers.update(HEADERS)

    def call(self, method: str, path: str, **said: Any) -> requests.Response:
        """One request as any client makes it."""
        return self.session.request(method, self.urls["trading_url"] + path, timeout=20, **said)

    def advance(self, seconds: float) -> None:
        """Move market time forward."""
        answer = self.call("POST", "/fillwright/clock", json={"advance_seconds": seconds})
        assert answer.status_code == 200, answer.text

    def fault(self, **rule: Any) -> None:
        """Put one rule of faults in force."""
        answer = self.call("POST", "/fillwright/faults", json=[rule])
        assert answer.status_code == 200, answer.text

    def submit(self, **order: Any) -> dict[str, Any]:
        """Send an order with string decimals; day and 10 shares of KO unless told otherwise."""
        body = {"symbol": "KO", "side": "buy", "type": "market", "time_in_force": "day"}
        if "notional" not in order:
            body["qty"] = "10"
        answer: dict[str, Any] = self.raw.post("/orders", body | order)
        return answer

    def order(self, order_id: str) -> dict[str, Any]:
        """One order with its legs."""
        answer: dict[str, Any] = self.raw.get(f"/orders/{order_id}", {"nested": True})
        return answer

    def worked(self, order_id: str, seconds: float = 1) -> dict[str, Any]:
        """One order after some market time."""
        self.advance(seconds)
        return self.order(order_id)

    def quote(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Bid and ask now."""
        answer = self.call("GET", f"/v2/stocks/{symbol}/quotes/latest").json()["quote"]
        return Decimal(str(answer["bp"])), Decimal(str(answer["ap"]))

    def clean(self) -> None:
        """Leave no orders, positions or faults behind."""
        self.call("DELETE", "/fillwright/faults")
        self.call("DELETE", "/v2/positions", params={"cancel_orders": "True"})
        self.advance(1)

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """End the process; gives its exit code."""
        self.session.close()
        self.process.send_signal(sign)
        code = self.process.wait(timeout=20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def start(*options: str, **named: str | int | float | Path) -> PaperServer:
    """Start a server with ``--name value`` for each name."""
    chosen: dict[str, Any] = {"port": 0, "key": KEY, "secret": SECRET, "seed": 3, "rate_limit": 0}
    chosen |= named
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    if "market" not in named:
        arguments += ["--generated", *([] if "session" in named else [f"--session={SESSION}"])]
    command = [sys.executable, "-m", "fillwright.adapters.entrypoints.cli", "paper"]
    process = subprocess.Popen(
        [*command, *arguments, *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.stdout.close()
        code = process.wait(timeout=START_SECONDS_MAX)
        raise AssertionError(f"the server ended with {code}")
    return PaperServer(process, json.loads(line))


@contextmanager
def running(*options: str, **named: str | int | float | Path) -> Iterator[PaperServer]:
    """A server for the length of a block."""
    server = start(*options, **named)
    try:
        yield server
    finally:
        for engine in server.engines:
            engine.kill()
            engine.wait(60)
        if server.process.poll() is None:
            server.stop()


def eventually(holds: Callable[[], Any], seconds: float = 60) -> Any:
    """What ``holds`` gives as soon as it is true; long enough for a machine that is busy."""
    end, pause = time.monotonic() + seconds, PAUSE_SECONDS_MIN
    while not (found := holds()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(pause)
        pause = min(pause * 1.5, PAUSE_SECONDS_MAX)
    return found
