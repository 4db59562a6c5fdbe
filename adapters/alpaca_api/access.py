"""Where Alpaca is and who we are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from ...domain.errors import InvalidInput

PAPER_URL: Final = "https://paper-api.alpaca.markets"
LIVE_URL: Final = "https://api.alpaca.markets"
DATA_URL: Final = "https://data.alpaca.markets"
DATA_STREAM: Final = "wss://stream.data.alpaca.markets/v2/"
FEEDS: Final = ("iex", "sip", "delayed_sip", "test")
CONSOLIDATED_FEEDS: Final = frozenset({"sip", "delayed_sip"})
REQUESTS_PER_MINUTE: Final = 200
"""What Alpaca allows an account until its headers say otherwise."""


@dataclass(frozen=True, slots=True)
class AlpacaAccess:
    """Keys, addresses and patience; addresses are bases without ``/v2``, sockets complete.

    Empty ones follow from ``trading_url``: Alpaca's own services, or one server for everything.

    ``connect_seconds`` and ``read_seconds`` bound every request. ``requests_per_minute`` is the
    budget until the server's headers say otherwise. ``server_algorithms`` tells that the account
    has Alpaca's own (Elite Smart Router), which no answer of Alpaca's says. The keys are never
    shown.
    """

    key_id: SecretStr
    secret_key: SecretStr
    trading_url: str = PAPER_URL
    data_url: str = ""
    stream_url: str = ""
    data_stream_url: str = ""
    feed: str = "iex"
    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    requests_per_minute: int = REQUESTS_PER_MINUTE
    server_algorithms: bool = False

    def __post_init__(self) -> None:
        """Check addresses, so that a typing error is found before the first order.

        Raises:
            InvalidInput: naming the address and what it must look like.
        """
        _check_url("trading_url", self.trading_url, ("http", "https"))
        if self.data_url:
            _check_url("data_url", self.data_url, ("http", "https"))
        for name in ("stream_url", "data_stream_url"):
            if getattr(self, name):
                _check_url(name, getattr(self, name), ("ws", "wss"))
        if self.feed not in FEEDS:
            raise InvalidInput("feed", self.feed, ", ".join(FEEDS))

    @property
    def is_alpaca(self) -> bool:
        """Whether it is Alpaca itself, and not something that speaks like it."""
        return (urlsplit(self.trading_url).hostname or "").endswith("alpaca.markets")

    @property
    def bars_url(self) -> str:
        """The base of market data."""
        if self.data_url:
            return self.data_url
        return DATA_URL if self.is_alpaca else self.trading_url

    @property
    def is_live(self) -> bool:
        """Whether this is the address at which real money trades."""
        return urlsplit(self.trading_url).hostname == urlsplit(LIVE_URL).hostname

    @property
    def updates_url(self) -> str:
        """The socket of trade updates."""
        if self.stream_url:
            return self.stream_url
        return "ws" + self.trading_url.removeprefix("http").rstrip("/") + "/stream"

    @property
    def quotes_url(self) -> str:
        """The socket of market data."""
        if self.data_stream_url:
            return self.data_stream_url
        if self.is_alpaca:
            return DATA_STREAM + self.feed
        return "ws" + self.trading_url.removeprefix("http").rstrip("/") + "/v2/" + self.feed


def _check_url(name: str, url: str, schemes: tuple[str, ...]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        raise InvalidInput(f"broker.{name}", url, f"an address such as {schemes[-1]}://HOST")
    if name.endswith("g_url") and parts.path.rstrip("/").endswith("/v2"):
        raise InvalidInput(f"broker.{name}", url, "the address without /v2")
