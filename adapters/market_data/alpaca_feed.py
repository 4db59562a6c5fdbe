"""The socket of Alpaca's market data: in a thread of its own, raw, asked for until confirmed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ..alpaca_api.access import AlpacaAccess
from ..alpaca_api.client import StockDataStream
from ..alpaca_api.socket_thread import PINGS, SocketThread

CHANNELS: Final = ("quotes", "trades", "statuses", "lulds")
CONFIRM_SECONDS: Final = 3.0


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


def _nothing(_: str) -> None:
    """Nobody wants to know."""


class Feed:
    """Runs a :class:`FeedStream` in a thread from the first subscription on."""

    def __init__(
        self,
        access: AlpacaAccess,
        on_message: Callable[[Mapping[str, Any]], None],
        on_subscribed: Callable[[str], None] = _nothing,
    ) -> None:
        """``on_subscribed`` is called with each symbol from which on it is heard, again after a
        lost connection."""
        self._taker, self._on_subscribed = on_message, on_subscribed
        self._wanted: set[str] = set()
        self._confirmed: set[str] = set()
        self._asked_at = 0.0

        def stream() -> FeedStream:
            return FeedStream(access, tuple(self._wanted), self._take, self._state)

        self._thread = SocketThread("alpaca-feed", stream, "alpaca.data.live.websocket")
        self.down_since: float | None = time.monotonic()
        """When the connection was lost, by the monotonic clock; None while there is one."""
        self.problem = ""
        """What the server last complained of."""

    def subscribe(self, symbols: Iterable[str]) -> None:
        """Have these symbols too; what is not confirmed is asked for again at later calls."""
        self._wanted = self._wanted | set(symbols)  # the thread may be reading the old one
        if not self._wanted:
            return
        self._thread.start()
        missing = self._wanted - self._confirmed
        if missing and time.monotonic() - self._asked_at > CONFIRM_SECONDS:

            async def ask(stream: FeedStream) -> None:
                stream.want(missing)
                await stream.again()

            if self._thread.call(ask):
                self._asked_at = time.monotonic()

    def stop(self) -> None:
        """End the thread, also in the middle of connecting."""
        self._thread.stop()

    def _state(self, up: bool) -> None:
        if not up:
            self._confirmed.clear()
            self.down_since = self.down_since or time.monotonic()
        else:
            self.down_since = None

    def _take(self, message: Mapping[str, Any]) -> None:
        kind = message.get("T")
        if kind == "subscription":
            confirmed = set(message.get("quotes") or ())
            for symbol in sorted(confirmed - self._confirmed):
                self._on_subscribed(symbol)
            self._confirmed = confirmed
        elif kind == "error":
            self.problem = f"{message.get('code')} {message.get('msg')}"
        else:
            self._taker(message)
