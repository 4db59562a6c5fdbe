"""What a paper server is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ...domain.errors import InvalidInput
from ..inputs.account import StartAccount
from .pace import SPEED_MAX, SPEED_MIN

RATE_LIMIT: Final = 200
RATE_LIMIT_MAX: Final = 10_000_000
LATENCY_MS: Final = 5.0


@dataclass(frozen=True, slots=True)
class PaperOptions:
    """Everything that makes one paper server.

    Args:
        key: the key id clients authenticate with.
        secret: its secret; never shown.
        port: on loopback; 0 picks a free one.
        market: a market folder, None for the generated market.
        session: the session's date, None for the latest that has opened.
        speed: market seconds per wall second.
        seed: of the generated market and of faults.
        start: ``HH:MM`` at New York where market time begins, None for the usual.
        rate_limit: requests a minute, of trading and of data each; 0 for none.
        actions: a file of corporate actions in Alpaca's form, which data requests show.
        latency_ms: from the broker to the exchange, in market time.
    """

    key: str
    secret: str = field(repr=False)
    port: int = 0
    market: Path | None = None
    session: str | None = None
    speed: float = 1.0
    seed: int = 0
    faults: Path | None = None
    journal: Path | None = None
    account: StartAccount = field(default_factory=StartAccount)
    start: str | None = None
    rate_limit: int = RATE_LIMIT
    latency_ms: float = LATENCY_MS
    actions: Path | None = None

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            InvalidInput: naming the option and what is allowed.
        """
        if not self.key or not self.secret:
            raise InvalidInput("key and secret", "empty", "any text")
        if not SPEED_MIN <= self.speed <= SPEED_MAX:
            raise InvalidInput("speed", self.speed, f"{SPEED_MIN:g} to {SPEED_MAX:g}")
        if not 0 <= self.rate_limit <= RATE_LIMIT_MAX:
            raise InvalidInput("rate limit", self.rate_limit, f"0 to {RATE_LIMIT_MAX}")
        if not 0 < self.latency_ms <= 60_000:
            raise InvalidInput("latency", self.latency_ms, "above 0, to 60000 ms")
        if self.market is not None and self.session is None:
            raise InvalidInput("session", "nothing", "a date that the market folder lists")
