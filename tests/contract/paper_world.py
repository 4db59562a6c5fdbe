"""The quiet day behind Alpaca's protocol: the real server in a thread, the real client over it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import threading
import time
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import requests
from pydantic import SecretStr

from fillwright.adapters.alpaca_api.access import AlpacaAccess
from fillwright.adapters.alpaca_api.rest import AlpacaRest
from fillwright.adapters.brokers.alpaca import AlpacaBroker
from fillwright.adapters.paper.options import PaperOptions
from fillwright.adapters.paper.server import _listen, _serve, addresses
from fillwright.adapters.paper.world import World as PaperWorldState
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.adapters.timekeeping.clocks import VirtualClock
from fillwright.domain.ports import NANOS, Clock
from tests.contract.worlds import Loss, World

KEY, SECRET = "contract-key", "contract-secret"
HEADERS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
DAY = "20240102"
OPEN = ExchangeCalendar().session_on(DAY)
PRINT_AFTER_NS = 8 * NANOS
QUIET_SECONDS = 0.06
SETTLE_SECONDS_MAX = 5.0


class PaperRuntime:
    """Moves the server's market time where the test's goes, and waits until nothing more comes."""

    def __init__(self, world: PaperWorld) -> None:
        self._world = world

    @property
    def clock(self) -> Clock:
        """The test's time, which is the server's."""
        return self._world.clock

    async def wait(self, until: int | None) -> None:
        """Let what was sent arrive, pass time, let what came of it arrive."""
        await self._settle()
        if until is not None:
            await self._in_thread(self._world.move_to, until)
            self._world.clock.set(until)
            await self._settle()

    async def _settle(self) -> None:
        broker = self._world.alpaca
        ends = time.monotonic() + SETTLE_SECONDS_MAX
        seen = -1
        while time.monotonic() < ends:
            sending = [f for f in broker._submitting.values() if not f.done()]
            heard = len(broker._inbox)
            if not sending and heard == seen:
                return
            seen = heard
            await self._in_thread(time.sleep, QUIET_SECONDS)

    async def _in_thread(self, call: Any, *arguments: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(None, call, *arguments)


class PaperWorld(World):
    """The paper server over the quiet day, traded through ``alpaca-py``."""

    def __init__(self, loss: Loss | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        write_quiet_day(Path(self._folder.name))
        self._ready = threading.Event()
        self._port = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(20)
        self.urls = addresses(self._port)
        self.clock = VirtualClock(self._now())
        if loss is not None:
            rule = {"fault": f"drop_{loss}", "method": "POST", "path": "/v2/orders"}
            self._call("POST", "/fillwright/faults", json=[rule])
        self.alpaca: AlpacaBroker
        self._brokers: list[AlpacaBroker] = []
        self.restart()

    def restart(self) -> None:
        access = AlpacaAccess(
            SecretStr(KEY),
            SecretStr(SECRET),
            trading_url=self.urls["trading_url"],
            read_seconds=3.0,
            requests_per_minute=100_000,
        )
        self.alpaca = AlpacaBroker(access, AlpacaRest(access), self.clock)
        self._brokers.append(self.alpaca)
        self.alpaca.start()
        assert self.alpaca.is_connected.wait(10)
        self.broker, self.runtime = self.alpaca, PaperRuntime(self)

    async def heal(self) -> None:
        self._call("DELETE", "/fillwright/faults")

    def orders_at_venue(self, name: str) -> int:
        return sum(order["client_order_id"] == name for order in self._orders())

    def executed_at_venue(self, name: str) -> Decimal:
        found = (o for o in self._orders() if o["client_order_id"] == name)
        return sum((Decimal(order["filled_qty"]) for order in found), Decimal(0))

    def close(self) -> None:
        """End the clients and the server."""
        for broker in self._brokers:
            broker.close()
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)
        self._folder.cleanup()

    def move_to(self, at: int) -> None:
        """Move the server's market time forward."""
        seconds = max(at - self._now(), 0) / NANOS
        self._call("POST", "/fillwright/clock", json={"advance_seconds": seconds})

    def _now(self) -> int:
        return int(self._call("GET", "/fillwright/clock").json()["now_ns"])

    def _orders(self) -> list[dict[str, Any]]:
        answer = self._call("GET", "/v2/orders", params={"status": "all", "limit": 500})
        found: list[dict[str, Any]] = answer.json()
        return found

    def _call(self, method: str, path: str, **said: Any) -> requests.Response:
        answer = requests.request(
            method, self.urls["trading_url"] + path, headers=HEADERS, timeout=10, **said
        )
        assert answer.status_code < 300, answer.text
        return answer

    def _serve(self) -> None:
        options = PaperOptions(
            KEY,
            SECRET,
            market=Path(self._folder.name),
            session=DAY,
            speed=0.001,
            rate_limit=0,
        )
        listener, state = _listen(0), PaperWorldState(options)
        self._loop = asyncio.new_event_loop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._task = self._loop.create_task(_serve(state, listener, self._started))
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._task)
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()
        state.close()
        listener.close()

    def _started(self, port: int) -> None:
        self._port = port
        self._ready.set()


def write_quiet_day(folder: Path) -> None:
    """9.99 × 10.01 from the open on, one print of 40 at 9.98 eight seconds later."""
    assert OPEN is not None
    entry = {
        "symbol": "ABC",
        "date": DAY,
        "tick": 0.01,
        "levels": 1,
        "ext_level_size": 300,
        "queue_share": 0.5,
    }
    (folder / "instruments.json").write_text(json.dumps([entry]))
    quotes = {
        "ts_ns": pa.array([OPEN.open], pa.int64()),
        "symbol": ["ABC"],
        "bid_px": [9.99],
        "bid_sz": [100.0],
        "ask_px": [10.01],
        "ask_sz": [200.0],
    }
    trades = {
        "ts_ns": pa.array([OPEN.open + PRINT_AFTER_NS], pa.int64()),
        "symbol": ["ABC"],
        "px": [9.98],
        "sz": [40.0],
        "aggressor": pa.array([-1], pa.int8()),
        "lit": [True],
        "regular": [True],
        "ex": ["N"],
    }
    pq.write_table(pa.table(quotes), folder / f"quotes_ABC_{DAY}.parquet")
    pq.write_table(pa.table(trades), folder / f"trades_ABC_{DAY}.parquet")
