"""What waits to be sent on one socket: bounded, so that a slow client costs no memory."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

FRAMES_MAX: Final = 20_000
CLOSE_AGAIN: Final = 1012


class Mailbox:
    """Frames for one client."""

    def __init__(self) -> None:
        self._frames: asyncio.Queue[bytes | str | None] = asyncio.Queue(FRAMES_MAX)
        self.is_closed = False

    def put(self, frame: bytes | str) -> None:
        """Queue a frame; a client that has not read for too long is cut off."""
        if self.is_closed:
            return
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.close()

    def close(self) -> None:
        """Close the socket once what waits has been given up."""
        self.is_closed = True
        while not self._frames.empty():
            self._frames.get_nowait()
        self._frames.put_nowait(None)

    def finish(self) -> None:
        """Close the socket after what waits has been sent."""
        if not self.is_closed and not self._frames.full():
            self.is_closed = True
            self._frames.put_nowait(None)

    async def deliver(self, socket: WebSocket) -> None:
        """Send frames until the mailbox is closed, then close the socket."""
        try:
            while (frame := await self._frames.get()) is not None:
                if isinstance(frame, bytes):
                    await socket.send_bytes(frame)
                else:
                    await socket.send_text(frame)
            await socket.close(CLOSE_AGAIN)
        except (WebSocketDisconnect, RuntimeError):
            # The client has gone; the reading side ends the connection.
            self.is_closed = True


async def frame_of(socket: WebSocket) -> bytes | None:
    """The next frame of a client, as bytes; None when it has gone."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        return None
    text = message.get("text")
    return text.encode() if text is not None else message.get("bytes") or b""
