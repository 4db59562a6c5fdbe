"""The socket of Alpaca's market data: in a thread of its own, raw, asked for until confirmed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ..alpaca_api.access import AlpacaAccess
from ..alpaca_api.client import StockDataStream

CHANNELS: Final = ("quotes", "trades", "statuses", "lulds")
PINGS: Final = {"ping_interval": 5, "ping_timeout": 10, "max_queue": 4096, "close_timeout": 1}
CONFIRM_SECONDS: Final = 3.0
STOP_SECONDS_MAX: Final = 8.0
CLOSE_SECONDS_MAX: Final = 2.0


class FeedStream(StockDataStream):
    """``alpaca-py``'s stream, handing on every message as it is."""

    _handlers: dict[str, dict[str, Any]]
    _running: bool

    def __init__(
        self,
        access: AlpacaAccess,
        symbols: Iterable[str],
        on_message: Callable[[Mapping[str, Any]], None],
        on_state: Callable[[bool], None],
    ) -> None:
        super().__init__(
            access.key_id.get_secret_value(),
            access.secret_key.get_secret_value(),
            raw_data=True,
            url_override=access.quotes_url,
            websocket_params=dict(PINGS),
        )
        self._reconnect_min_backoff = 0.2
        self._reconnect_max_backoff = 10.0
        self._on_message, self._on_state = on_message, on_state
        self.want(symbols)

    def want(self, symbols: Iterable[str]) -> None:
        """Subscribe to these from the next subscription message on."""
        for symbol in symbols:
            for channel in CHANNELS:
                self._handlers[channel][symbol] = _unused

    async def again(self) -> None:
        """Send the whole subscription, when there is a connection."""
        if self._ws is not None and self._running:
            await self._send_subscribe_msg()

    async def _send_subscribe_msg(self) -> None:
        await super()._send_subscribe_msg()
        self._on_state(True)

    async def close(self) -> None:
        self._on_state(False)
        await super().close()

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        self._on_message(msg)


async def _unused(_: object) -> None:
    """Messages are taken in ``_dispatch``; the client only wants to see a handler."""


class Feed:
    """Runs a :class:`FeedStream` in a thread from the first subscription on."""

    def __init__(
        self, access: AlpacaAccess, on_message: Callable[[Mapping[str, Any]], None]
    ) -> None:
        logger = logging.getLogger("alpaca.data.live.websocket")
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
        self._access, self._taker = access, on_message
        self._wanted: set[str] = set()
        self._confirmed: set[str] = set()
        self._asked_at = 0.0
        self._stream: FeedStream | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None
        self._thread: threading.Thread | None = None
        self.down_since: float | None = time.monotonic()
        """When the connection was lost, by the monotonic clock; None while there is one."""
        self.problem = ""
        """What the server last complained of."""

    def subscribe(self, symbols: Iterable[str]) -> None:
        """Have these symbols too; what is not confirmed is asked for again at later calls."""
        self._wanted |= set(symbols)
        if not self._wanted:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="alpaca-feed", daemon=True)
            self._thread.start()
        missing = self._wanted - self._confirmed
        loop, stream = self._loop, self._stream
        late = time.monotonic() - self._asked_at > CONFIRM_SECONDS
        if missing and loop is not None and stream is not None and late:
            self._asked_at = time.monotonic()
            stream.want(missing)
            with contextlib.suppress(RuntimeError):
                asyncio.run_coroutine_threadsafe(stream.again(), loop)

    def stop(self) -> None:
        """End the thread, also in the middle of connecting."""
        loop, task, thread = self._loop, self._task, self._thread
        if thread is None:
            return
        if loop is not None and task is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)
        thread.join(STOP_SECONDS_MAX)
        self._thread = None

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._stream = FeedStream(self._access, self._wanted, self._take, self._state)
        try:
            await self._stream._run_forever()
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._stream.close(), CLOSE_SECONDS_MAX)

    def _state(self, up: bool) -> None:
        if not up:
            self._confirmed.clear()
            self.down_since = self.down_since or time.monotonic()
        else:
            self.down_since = None

    def _take(self, message: Mapping[str, Any]) -> None:
        kind = message.get("T")
        if kind == "subscription":
            self._confirmed = set(message.get("quotes") or ())
        elif kind == "error":
            self.problem = f"{message.get('code')} {message.get('msg')}"
        else:
            self._taker(message)
