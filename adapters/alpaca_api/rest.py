"""Requests through ``alpaca-py``'s own clients: bounded in time, counted, never blindly repeated.

The clients have no timeout and repeat an order up to four times when a gateway gives up; here each
thread has clients of its own with both mended. What comes back is one of four things: a value, a
refusal (the server understood and said no), silence (nobody knows what happened), or an address
that leads nowhere, which counts as silence.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from ...domain.errors import StoreError
from ..provider_reading import scrub
from .access import AlpacaAccess
from .client import APIError, RESTClient, StockHistoricalDataClient, TradingClient
from .event_stream import Body
from .limiter import Lane, Limiter
from .reading import decoded

TRIES: Final = 4
"""How often what may be asked twice (a question, a cancel) is asked."""
TRY_AGAIN_SECONDS: Final = 0.2
TOO_MANY: Final = 429
UNDECIDED: Final = frozenset({408, 409, 425})
"""A request that timed out, meets itself or came too early: whether it was acted on is not said."""
STREAM_BYTES_MAX: Final = 64 << 20
CHUNK: Final = 1 << 16
CHECK_KEYS: Final = (
    "check APCA_API_KEY_ID and APCA_API_SECRET_KEY; paper and live have keys of their own"
)
CHECK_ADDRESS: Final = "check APCA_API_BASE_URL (broker.trading_url) and the network"


class Host(StrEnum):
    """Which of Alpaca's services is asked."""

    TRADING = "trading"
    DATA = "data"


class ApiRefusal(Exception):
    """The server said no: HTTP ``status``, Alpaca's ``code`` where it gives one, the whole body."""

    def __init__(self, status: int, body: object, text: str) -> None:
        self.status = status
        self.body: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
        code = self.body.get("code")
        self.code: int | None = code if isinstance(code, int) else None
        message = self.body.get("message")
        self.message = scrub(str(message) if message else text or "no reason given")
        super().__init__(f"{status}{f' ({self.code})' if self.code else ''}: {self.message}")

    @property
    def is_of_keys(self) -> bool:
        """Whether it is the keys that were refused, and not what was asked."""
        return self.status == 401 or (self.status == 403 and self.code in (None, 40110000))

    @property
    def next_step(self) -> str:
        """What a person should look at, empty where the refusal says it."""
        if self.is_of_keys:
            return CHECK_KEYS
        return CHECK_ADDRESS if self.status == 404 and self.code is None else ""


class ApiSilence(Exception):
    """No answer that says what happened: a timeout, a lost connection, a failing server."""

    @property
    def next_step(self) -> str:
        """What a person should look at where no question is answered at all."""
        return CHECK_ADDRESS


class Withheld(Exception):
    """What was to be sent was kept from the wire; the text says why."""


Gate = Callable[[], AbstractContextManager[str | None]]


class AlpacaRest:
    """Blocking requests; call it from worker threads only."""

    def __init__(self, access: AlpacaAccess) -> None:
        """Nothing is asked yet."""
        self._access = access
        self._local = threading.local()
        self.limiters = {host: Limiter(access.requests_per_minute) for host in Host}
        self._closing = threading.Event()
        self.before_post: Callable[[], None] = _nothing
        """Called last before an order goes out; a StoreError keeps it back."""

    @property
    def is_alpaca(self) -> bool:
        """Whether it is Alpaca itself that is asked, and not something that speaks like it."""
        return self._access.is_alpaca

    def get(
        self,
        path: str,
        parameters: Mapping[str, object] | None = None,
        *,
        host: Host = Host.TRADING,
        lane: Lane = Lane.QUERY,
        version: str = "v2",
    ) -> Any:
        """What a GET gives; asked again where no answer came.

        Raises:
            ApiRefusal: the server said no.
            ApiSilence: it gave no answer at any try.
        """
        return self._repeated("GET", path, dict(parameters or {}), host, lane, version)

    def stream(
        self, path: str, parameters: Mapping[str, str], *, seconds: float, version: str
    ) -> Body:
        """What a GET streams, asked once; what did not come in ``seconds`` is cut.

        A server that says nothing is waited for half as long again at most.

        Raises:
            ApiRefusal: the server said no.
            ApiSilence: it gave no answer.
        """
        limiter, client = self.limiters[Host.TRADING], self._client(Host.TRADING)
        limiter.take(Lane.QUERY)
        ends = time.monotonic() + seconds
        try:
            response = client._session.request(
                "GET",
                f"{client._base_url}/{version}{path}",
                params=dict(parameters),
                headers={**client._get_default_headers(), "Accept": "text/event-stream"},
                allow_redirects=False,
                stream=True,
                timeout=(min(self._access.connect_seconds, seconds), seconds / 2),
            )
            with response:
                body = _streamed(response, ends)
        except (requests.exceptions.RequestException, OSError) as error:
            raise ApiSilence(f"GET {path}: {type(error).__name__}: {_short(error)}") from None
        if response.status_code >= 300:
            text = body.content.decode("utf-8", "replace")
            raise self._judged(response.status_code, response.headers, text, limiter)
        return body

    def delete(self, path: str) -> Any:
        """What a DELETE gives; a cancel may be asked for twice.

        Raises:
            ApiRefusal: the server said no.
            ApiSilence: it gave no answer at any try.
        """
        return self._repeated("DELETE", path, {}, Host.TRADING, Lane.CANCEL)

    def post(self, path: str, body: Mapping[str, object], gate: Gate | None = None) -> Any:
        """What a POST gives: sent once, and again only where the server said it was too many.

        ``gate`` is held around each sending, behind every wait for the budget; it gives why it must
        not be sent, or None.

        Raises:
            ApiRefusal: the server said no.
            ApiSilence: whether it acted is unknown.
            Withheld: the gate did not let it out.
        """
        for _ in range(TRIES):
            try:
                return self._once("POST", path, dict(body), Host.TRADING, Lane.ORDER, gate=gate)
            except ApiRefusal as refusal:
                if refusal.status != TOO_MANY:
                    raise
                last = refusal
        raise last

    def close(self) -> None:
        """End waits between tries."""
        self._closing.set()

    def _repeated(
        self,
        method: str,
        path: str,
        data: dict[str, object],
        host: Host,
        lane: Lane,
        version: str = "v2",
    ) -> Any:
        for attempt in range(TRIES):
            try:
                return self._once(method, path, data, host, lane, version)
            except (ApiSilence, ApiRefusal) as error:
                again = isinstance(error, ApiSilence) or error.status == TOO_MANY
                if not again or attempt == TRIES - 1:
                    raise
                self._closing.wait(TRY_AGAIN_SECONDS * 2**attempt)
        raise AssertionError("unreachable")

    def _once(
        self,
        method: str,
        path: str,
        data: dict[str, object],
        host: Host,
        lane: Lane,
        version: str = "v2",
        gate: Gate | None = None,
    ) -> Any:
        limiter = self.limiters[host]
        limiter.take(lane)
        if method == "POST":
            try:
                self.before_post()
            except StoreError as error:
                raise ApiSilence(f"not sent: {error}") from error
        try:
            with gate() if gate is not None else nullcontext() as why_not:
                if why_not is not None:
                    raise Withheld(why_not)
                return self._client(host)._request(method, path, data, api_version=version)
        except APIError as error:
            response = error.response
            if response is None:
                raise ApiSilence(f"{method} {path}: {scrub(str(error))[:300]}") from None
            told = response.status_code, response.headers, response.text
            raise self._judged(*told, limiter) from None
        except requests.exceptions.JSONDecodeError:
            raise ApiSilence(f"{method} {path}: an answer that is not JSON") from None
        except (requests.exceptions.RequestException, OSError) as error:
            raise ApiSilence(f"{method} {path}: {type(error).__name__}: {_short(error)}") from None

    def _judged(
        self, status: int, headers: Mapping[str, str], text: str, limiter: Limiter
    ) -> ApiRefusal | ApiSilence:
        if status == TOO_MANY:
            limiter.refused(headers)
        if status >= 500 or status == 0 or status in UNDECIDED:
            return ApiSilence(f"HTTP {status}: {scrub(text[:300])}")
        return ApiRefusal(status, decoded(text), text[:300])

    def _client(self, host: Host) -> RESTClient:
        client: RESTClient | None = getattr(self._local, host.value, None)
        if client is None:
            client = self._made(host)
            setattr(self._local, host.value, client)
        return client

    def _made(self, host: Host) -> RESTClient:
        access = self._access
        key, secret = access.key_id.get_secret_value(), access.secret_key.get_secret_value()
        client: RESTClient
        if host is Host.TRADING:
            client = TradingClient(key, secret, raw_data=True, url_override=access.trading_url)
        else:
            client = StockHistoricalDataClient(
                key, secret, raw_data=True, url_override=access.bars_url
            )
        client._retry = 0
        limiter = self.limiters[host]

        def learn(response: requests.Response, *_: object, **__: object) -> None:
            limiter.learn(response.headers)

        client._session.hooks["response"].append(learn)
        patient = _Bounded(access.connect_seconds, access.read_seconds)
        for scheme in ("https://", "http://"):
            client._session.mount(scheme, patient)
        return client


class _Bounded(HTTPAdapter):
    """Gives every request a limit of time and never repeats one."""

    def __init__(self, connect_seconds: float, read_seconds: float) -> None:
        self._timeout = (connect_seconds, read_seconds)
        super().__init__(max_retries=0)

    def send(self, request: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        options["timeout"] = options.get("timeout") or self._timeout
        return super().send(request, **options)


def _streamed(response: requests.Response, ends: float) -> Body:
    """The body as far as it comes before ``ends`` (monotonic seconds)."""
    pieces: list[bytes] = []
    size, cut = 0, ""
    headers = response.headers
    if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        cut = "its end cannot be told from a lost connection"
    try:
        while piece := response.raw.read1(CHUNK, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > STREAM_BYTES_MAX:
                cut = f"it is longer than {STREAM_BYTES_MAX >> 20} MiB"
            elif time.monotonic() >= ends:
                cut = "it did not end in time"
            else:
                continue
            break
    except (HTTPError, OSError) as error:
        cut = f"it broke off ({type(error).__name__})"
    return Body(headers.get("Content-Type", ""), b"".join(pieces), cut)


def _nothing() -> None:
    """Nothing keeps an order back."""


def _short(error: BaseException) -> str:
    """What lies at the bottom of an error that wraps others, without what they put before it."""
    inner = getattr(error, "reason", None), *error.args
    nested = next((each for each in inner if isinstance(each, BaseException)), None)
    return scrub(str(error).rpartition(": ")[2]) if nested is None else _short(nested)
