"""The market-data stream: quotes, prints, bars and halts as market time reaches them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgpack
from starlette.websockets import WebSocket

from ...domain.market import HaltCause
from ...domain.ports import MINUTE_NS
from .frames import DAY_NS, Timeframe
from .gate import Keys
from .mailbox import Mailbox, frame_of
from .tape import Row, Tape
from .wire import dumps, loads, stamp
from .world import World

CHANNELS: Final = {
    "trades": "t",
    "quotes": "q",
    "bars": "b",
    "updatedBars": "u",
    "dailyBars": "d",
    "statuses": "s",
    "lulds": "l",
    "corrections": "c",
    "cancelErrors": "x",
}
ROWS_A_FRAME: Final = 200
AUTH_SECONDS: Final = 10.0
ERRORS: Final = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
}
HALT_WORDS: Final = {
    HaltCause.NEWS: ("H", "Trading Halt", "T1", "News Pending"),
    HaltCause.LULD_PAUSE: ("P", "Volatility Trading Pause", "LUDP", "Volatility Trading Pause"),
    HaltCause.MARKET_WIDE: ("H", "Trading Halt", "MWC1", "Market Wide Circuit Breaker, Level 1"),
    HaltCause.REGULATORY: ("H", "Trading Halt", "H10", "SEC Trading Suspension"),
    HaltCause.OPERATIONAL: ("H", "Trading Halt", "O1", "Operations Halt"),
    HaltCause.OTHER: ("H", "Trading Halt", "T12", "Additional Information Requested"),
}
"""Code, text, reason and its text, as tape C has them."""
EVERYTHING: Final = "*"


class _Client:
    """One connection and what it wants."""

    def __init__(self, box: Mailbox, is_packed: bool) -> None:
        self.box = box
        self.is_known = False
        self.wanted: dict[str, set[str]] = {channel: set() for channel in CHANNELS}
        self._is_packed = is_packed

    def wants(self, channel: str, symbol: str) -> bool:
        """Whether it has subscribed to a symbol, or to all."""
        wanted = self.wanted[channel]
        return symbol in wanted or EVERYTHING in wanted

    def send(self, messages: list[Row]) -> None:
        """Queue messages in frames of a bounded size."""
        for first in range(0, len(messages), ROWS_A_FRAME):
            self.box.put(self._pack(messages[first : first + ROWS_A_FRAME]))

    def error(self, code: int) -> None:
        """Queue an error message."""
        self.send([{"T": "error", "code": code, "msg": ERRORS[code]}])

    def read(self, frame: bytes) -> Any:
        """A message in the connection's form; None when it is not in it."""
        try:
            return msgpack.unpackb(frame) if self._is_packed else loads(frame)
        except (ValueError, RecursionError, msgpack.UnpackException):
            return None

    def _pack(self, messages: list[Row]) -> bytes | str:
        if self._is_packed:
            stamped = [_stamped(message, msgpack.Timestamp.from_unix_nano) for message in messages]
            packed: bytes = msgpack.packb(stamped)
            return packed
        return dumps([_stamped(message, stamp) for message in messages]).decode()


class DataFeed:
    """Pushes what is new to every client that wants it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clients: set[_Client] = set()
        self._told_to = world.now

    def push(self, now: int) -> None:
        """Send everything after the last push up to ``now``."""
        start, self._told_to = self._told_to + 1, now
        clients = [client for client in self._clients if client.is_known]
        if not clients:
            return
        if self._world.faults.strike("disconnect", stream="data"):
            self.disconnect()
            return
        for symbol in self._world.tapes.symbols:
            tape = self._world.tapes.find(symbol)
            for channel in CHANNELS:
                eager = [client for client in clients if client.wants(channel, symbol)]
                if not eager or tape is None:
                    continue
                code = {"T": CHANNELS[channel], "S": symbol}
                found = [code | row for row in self._rows(channel, symbol, tape, start, now)]
                for client in eager if found else ():
                    client.send(found)

    def disconnect(self) -> None:
        """Close every socket."""
        for client in list(self._clients):
            client.box.close()

    async def serve(self, socket: WebSocket, keys: Keys) -> None:
        """One connection, from the handshake to its end."""
        await socket.accept()
        packed = "msgpack" in socket.headers.get("content-type", "")
        client = _Client(Mailbox(), packed)
        client.send([{"T": "success", "msg": "connected"}])
        self._clients.add(client)
        delivering = asyncio.create_task(client.box.deliver(socket))
        try:
            await self._converse(socket, client, keys)
        finally:
            self._clients.discard(client)
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)

    async def _converse(self, socket: WebSocket, client: _Client, keys: Keys) -> None:
        while not client.box.is_closed:
            patience = None if client.is_known else AUTH_SECONDS
            try:
                frame = await asyncio.wait_for(frame_of(socket), patience)
            except TimeoutError:
                client.error(404)
                client.box.finish()
                continue
            if frame is None:
                return
            self._answer(client, client.read(frame), keys)

    def _answer(self, client: _Client, said: Any, keys: Keys) -> None:
        action = said.get("action") if isinstance(said, dict) else None
        if action == "auth":
            if client.is_known:
                client.error(403)
            elif keys.fit(said.get("key"), said.get("secret")):
                client.is_known = True
                client.send([{"T": "success", "msg": "authenticated"}])
            else:
                client.error(402)
        elif action not in ("subscribe", "unsubscribe"):
            client.error(400)
        elif not client.is_known:
            client.error(401)
        else:
            self._change(client, said, is_more=action == "subscribe")

    def _change(self, client: _Client, said: dict[str, Any], *, is_more: bool) -> None:
        """Subscriptions add up; the answer is the full list."""
        for channel, wanted in client.wanted.items():
            asked = said.get(channel)
            named = {str(each) for each in asked} if isinstance(asked, list) else set()
            client.wanted[channel] = wanted | named if is_more else wanted - named
        full = {channel: sorted(wanted) for channel, wanted in client.wanted.items()}
        client.send([{"T": "subscription", **full}])

    def _rows(self, channel: str, symbol: str, tape: Tape, start: int, end: int) -> Iterable[Row]:
        if channel == "quotes":
            return (tape.quote(row) for row in tape.quote_rows(start, end))
        if channel == "trades":
            return (tape.trade(row) for row in tape.trade_rows(start, end))
        if channel in ("bars", "dailyBars"):
            return self._bars(tape, start, end, is_daily=channel == "dailyBars")
        if channel == "lulds":
            return self._bands(symbol, start, end)
        return self._statuses(symbol, start, end) if channel == "statuses" else ()

    def _bars(self, tape: Tape, start: int, end: int, *, is_daily: bool) -> list[Row]:
        """Bars of the minutes that ended in ``[start, end]``; the running day's once each."""
        first = -(-start // MINUTE_NS) * MINUTE_NS - MINUTE_NS
        if first + MINUTE_NS > end:
            return []
        minutes = tape.bars_of(Timeframe(1, "Min"), first, end - MINUTE_NS, end)
        if not is_daily or not minutes:
            return minutes
        return tape.bars_of(Timeframe(1, "Day"), end - DAY_NS, end, end)[-1:]

    def _statuses(self, symbol: str, start: int, end: int) -> Iterator[Row]:
        for halt in self._world.desk.venue.halts:
            if not halt.covers(symbol):
                continue
            if start <= halt.start <= end:
                yield _status(halt.start, *HALT_WORDS[halt.cause])
            if start <= halt.end <= end:
                yield _status(halt.end, "T", "Trading Resumption", "", "")

    def _bands(self, symbol: str, start: int, end: int) -> Iterator[Row]:
        for band in self._world.desk.venue.bands:
            if band.symbol == symbol and start <= band.start <= end:
                yield _band(band.start, float(band.lower), float(band.upper))
            if band.symbol == symbol and start <= band.end <= end:
                yield _band(band.end, 0, 0)


def _status(at: int, code: str, text: str, reason: str, why: str) -> Row:
    return {"sc": code, "sm": text, "rc": reason, "rm": why, "t": at, "z": "C"}


def _band(at: int, lower: float, upper: float) -> Row:
    """A price band; one without prices ends what was in force."""
    return {"u": upper, "d": lower, "i": "B", "t": at, "z": "C"}


def _stamped(message: Row, form: Any) -> Row:
    return {**message, "t": form(message["t"])} if "t" in message else message
