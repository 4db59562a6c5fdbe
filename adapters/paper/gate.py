"""What every HTTP request passes: keys, rate limit, faults; and the headers every answer gets."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import time
from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .faults import Faults
from .refusals import ApiRefusal, unauthorized
from .wire import JSON, dumps

WINDOW_SECONDS: Final = 60
CONTROL: Final = "/fillwright/"
EVENTS: Final = "/v2beta1/events/"
DATA: Final = ("/v2/stocks", "/v1/corporate-actions")
NGINX_401: Final = (
    b"<html>\r\n<head><title>401 Authorization Required</title></head>\r\n<body>\r\n"
    b"<center><h1>401 Authorization Required</h1></center>\r\n<hr><center>nginx</center>\r\n"
    b"</body>\r\n</html>\r\n"
)
Headers = list[tuple[bytes, bytes]]


class Keys:
    """The one key pair of the server."""

    def __init__(self, key: str, secret: str) -> None:
        self._key, self._secret = key.encode(), secret.encode()

    def fit(self, key: object, secret: object) -> bool:
        """Whether these are the keys; takes the same time whatever is wrong with them."""
        given = (str(key).encode(errors="replace"), str(secret).encode(errors="replace"))
        right = hmac.compare_digest(given[0], self._key)
        return hmac.compare_digest(given[1], self._secret) and right

    def admit(self, headers: Mapping[bytes, bytes]) -> bool | None:
        """Whether a request's headers hold the keys; None when they hold none at all."""
        key = headers.get(b"apca-api-key-id")
        secret = headers.get(b"apca-api-secret-key")
        if key is not None and secret is not None:
            return self.fit(key.decode("latin-1"), secret.decode("latin-1"))
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "basic":
            return None if key is None and secret is None and not scheme else False
        try:
            name, _, password = base64.b64decode(token).decode("latin-1").partition(":")
        except (binascii.Error, ValueError):
            return False
        return self.fit(name, password)


class RateLimit:
    """So many requests a minute, counted in fixed windows of wall time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._window = 0
        self._used = 0

    def take(self) -> bool:
        """Count one request; False when there is none left."""
        window = int(time.time()) // WINDOW_SECONDS
        if window != self._window:
            self._window, self._used = window, 0
        self._used += 1
        return not self.limit or self._used <= self.limit

    def headers(self) -> Headers:
        """What the answer says about the limit."""
        limit = self.limit or 1_000_000
        reset = (self._window + 1) * WINDOW_SECONDS
        return [
            (b"x-ratelimit-limit", str(limit).encode()),
            (b"x-ratelimit-remaining", str(max(limit - self._used, 0)).encode()),
            (b"x-ratelimit-reset", str(reset).encode()),
        ]


class Gate:
    """ASGI middleware around the API's HTTP side."""

    def __init__(self, app: ASGIApp, keys: Keys, faults: Faults, rate_limit: int) -> None:
        self._app = app
        self._keys = keys
        self._faults = faults
        self._limits = {"trading": RateLimit(rate_limit), "data": RateLimit(rate_limit)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"])
        admitted = self._keys.admit(dict(scope["headers"]))
        if admitted is None:
            await _answer(send, 401, NGINX_401, [], b"text/html")
        elif not admitted:
            await _refuse(send, unauthorized(), [])
        elif path.startswith(CONTROL):
            await self._app(scope, receive, send)
        else:
            await self._limited(scope, receive, send, path)

    async def _limited(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        limit = self._limits["data" if path.startswith(DATA) else "trading"]
        has_room = limit.take()
        headers = limit.headers()
        context = {"method": str(scope["method"]), "path": path}
        if not has_room or self._faults.strike("rate_limit", **context):
            await _refuse(send, ApiRefusal(429, "too many requests."), headers)
            return
        rule = self._faults.strike("latency", **context)
        if rule is not None:
            await asyncio.sleep(rule.number("milliseconds", 100) / 1_000)
        if self._faults.strike("drop_before", **context):
            await _drop(send)
            return
        rule = self._faults.strike("error_before", **context)
        if rule is not None:
            await _fail(send, int(rule.number("status", 503)), headers)
            return
        if path.startswith(EVENTS):
            await self._app(scope, receive, _with_headers(send, headers))
            return
        await self._answered(scope, receive, send, context, headers)

    async def _answered(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        context: Mapping[str, str],
        headers: Headers,
    ) -> None:
        """Let the broker act, then decide whether the client learns of it."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        rule = self._faults.strike("latency_after", **context)
        if rule is not None:
            await asyncio.sleep(rule.number("milliseconds", 100) / 1_000)
        if self._faults.strike("drop_after", **context):
            await _drop(send)
            return
        rule = self._faults.strike("error_after", **context)
        if rule is not None:
            await _fail(send, int(rule.number("status", 504)), headers)
            return
        forward = _with_headers(send, headers)
        for message in messages:
            await forward(message)


def _with_headers(send: Send, headers: Headers) -> Send:
    async def forward(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *headers]}
        await send(message)

    return forward


async def _refuse(send: Send, refusal: ApiRefusal, headers: Headers) -> None:
    await _answer(send, refusal.status, dumps(refusal.body), headers, JSON.encode())


async def _fail(send: Send, status: int, headers: Headers) -> None:
    body = dumps({"code": status * 100_000, "message": "internal server error occurred"})
    await _answer(send, status, body, headers, JSON.encode())


async def _answer(send: Send, status: int, body: bytes, headers: Headers, kind: bytes) -> None:
    size = str(len(body)).encode()
    own: Headers = [(b"content-type", kind), (b"content-length", size)]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _drop(send: Send) -> None:
    """End the connection within an answer: less comes than was announced."""
    headers: Headers = [(b"content-type", JSON.encode()), (b"content-length", b"4096")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
