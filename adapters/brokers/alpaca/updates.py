"""The socket of trade updates: in a thread of its own, raw, and never silent unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from websockets.exceptions import WebSocketException

from ...alpaca_api.access import AlpacaAccess
from ...alpaca_api.client import TradingStream
from ...alpaca_api.reading import decoded
from ...alpaca_api.socket_thread import PINGS, SocketThread

CONNECT_SECONDS_MAX: Final = 15.0
RECEIVE_SECONDS: Final = 1.0


class UpdateStream(TradingStream):
    """``alpaca-py``'s stream, without its models, which drop what they cannot read."""

    _ws: Any
    _trade_updates_handler: Any

    def __init__(
        self,
        access: AlpacaAccess,
        on_frame: Callable[[Any], None],
        on_connected: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        super().__init__(
            access.key_id.get_secret_value(),
            access.secret_key.get_secret_value(),
            raw_data=True,
            url_override=access.updates_url,
            websocket_params=dict(PINGS),
        )
        self._on_frame, self._on_connected, self._on_lost = on_frame, on_connected, on_lost
        self._reconnect_min_backoff = 0.2
        self._reconnect_max_backoff = 10.0
        self._trade_updates_handler = self._unused

    async def _unused(self, _: object) -> None:
        """Frames are taken in :meth:`_consume`; the client only wants to see a handler."""

    async def _start_ws(self) -> None:
        async with asyncio.timeout(CONNECT_SECONDS_MAX):
            await super()._start_ws()  # type: ignore[no-untyped-call]

    async def _consume(self) -> None:
        confirmed = False
        while self._should_run:
            try:
                frame = await asyncio.wait_for(self._ws.recv(), RECEIVE_SECONDS)
            except TimeoutError:
                continue
            except WebSocketException as error:
                self._on_lost(f"{type(error).__name__}: {error}")
                raise
            message = decoded(frame)
            stream = message.get("stream") if isinstance(message, dict) else None
            if stream == "listening" and not confirmed:
                confirmed = True
                self._on_connected()
            elif stream == "trade_updates" or message is None or stream is None:
                self._data_received = True
                self._on_frame(message if message is not None else frame)
        await self.close()


class Updates:
    """Runs an :class:`UpdateStream` in a thread until it is stopped."""

    def __init__(
        self,
        access: AlpacaAccess,
        on_frame: Callable[[Any], None],
        on_connected: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        def stream() -> UpdateStream:
            return UpdateStream(access, on_frame, on_connected, on_lost)

        self._thread = SocketThread("alpaca-updates", stream, "alpaca.trading.stream")

    def start(self) -> None:
        """Begin, once."""
        self._thread.start()

    def reconnect(self) -> None:
        """Have the socket closed and opened again, when it is suspected of being mute."""
        self._thread.call(_drop)

    def stop(self) -> None:
        """End the thread, also in the middle of connecting."""
        self._thread.stop()


async def _drop(stream: UpdateStream) -> None:
    socket = stream._ws
    if socket is not None:
        await socket.close()
