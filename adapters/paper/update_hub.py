"""The trade_updates stream: binary frames of JSON, without sequence numbers or replay."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from starlette.websockets import WebSocket

from .faults import Faults
from .gate import Keys
from .mailbox import Mailbox, frame_of
from .wire import dumps, loads, number, stamp
from .working import Update

STREAM: Final = "trade_updates"
LATE_SECONDS: Final = 0.5
"""How long an update that is to arrive out of order waits for another to overtake it."""


class UpdateHub:
    """Tells every client that listens about every event, as faults allow."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._listening: set[Mailbox] = set()
        self._boxes: set[Mailbox] = set()
        self._late: list[tuple[float, bytes]] = []

    def tell(self, update: Update) -> None:
        """Send an event; it may be lost, doubled or overtaken on request."""
        context = {"event": update.event, "symbol": str(update.order["symbol"])}
        frame = dumps({"stream": STREAM, "data": message_of(update)})
        if self._faults.strike("drop_update", **context):
            pass
        elif self._faults.strike("reorder_update", **context):
            self._late.append((time.monotonic() + LATE_SECONDS, frame))
        else:
            self._send(frame)
            if self._faults.strike("duplicate_update", **context):
                self._send(frame)
            late, self._late = self._late, []
            for _, held in late:
                self._send(held)
        if self._faults.strike("disconnect", stream="trading", **context):
            self.disconnect()

    def release_late(self) -> None:
        """Send what was held back and that nothing has overtaken in time."""
        if self._late and self._late[0][0] <= time.monotonic():
            self._send(self._late.pop(0)[1])

    def disconnect(self) -> None:
        """Close every socket; clients come back by themselves."""
        for box in list(self._boxes):
            box.close()

    async def serve(self, socket: WebSocket, keys: Keys) -> None:
        """One connection, from the handshake to its end."""
        await socket.accept()
        box = Mailbox()
        self._boxes.add(box)
        delivering = asyncio.create_task(box.deliver(socket))
        try:
            is_known = False
            while not box.is_closed and (frame := await frame_of(socket)) is not None:
                is_known = self._answer(frame, box, keys, is_known)
        finally:
            self._boxes.discard(box)
            self._listening.discard(box)
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)

    def _answer(self, frame: bytes, box: Mailbox, keys: Keys, is_known: bool) -> bool:
        try:
            said = loads(frame)
        except (ValueError, RecursionError):
            said = None
        action = said.get("action") if isinstance(said, dict) else None
        if not isinstance(said, dict) or action not in ("authenticate", "auth", "listen"):
            box.put(_frame("error", {"error": "invalid message"}))
            return is_known
        data = said.get("data")
        given = data if isinstance(data, dict) else {}
        if action != "listen":
            key = given.get("key_id", said.get("key"))
            is_known = keys.fit(key, given.get("secret_key", said.get("secret")))
            status = "authorized" if is_known else "unauthorized"
            box.put(_frame("authorization", {"status": status, "action": "authenticate"}))
        elif not is_known:
            box.put(_frame("authorization", {"status": "unauthorized", "action": "listen"}))
        else:
            self._listen(given.get("streams"), box)
        return is_known

    def _listen(self, asked: object, box: Mailbox) -> None:
        """The list is authoritative: what it leaves out is no longer sent."""
        streams = [STREAM] if isinstance(asked, list) and STREAM in asked else []
        if streams:
            self._listening.add(box)
        else:
            self._listening.discard(box)
        box.put(_frame("listening", {"streams": streams}))

    def _send(self, frame: bytes) -> None:
        for box in list(self._listening):
            box.put(frame)


def message_of(update: Update) -> dict[str, Any]:
    """The ``data`` of one trade_updates message."""
    message: dict[str, Any] = {
        "event": update.event,
        "execution_id": update.execution_id,
        "timestamp": stamp(update.at),
        "order": update.order,
    }
    fill = update.fill
    if fill is not None:
        message |= {
            "price": number(fill.price),
            "qty": number(fill.qty),
            "position_qty": number(fill.position_qty),
        }
    return message


def _frame(stream: str, data: dict[str, Any]) -> bytes:
    return dumps({"stream": stream, "data": data})
