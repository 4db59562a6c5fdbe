"""Whether a symbol is seen to trade, for halts of which a client that connects is told nothing.

Alpaca's feed tells of a halt when it begins and when it ends. Who subscribes in the middle of one
hears nothing of it, and no request asks for it. So after each subscription a symbol's status is
not known until a sign of trading: a regular print, on the feed of one venue a quote with two sides
too, because a venue that has halted a symbol quotes nothing. (On the consolidated tape others may
quote through a pause, so a quote is no sign there.) What came shortly before counts too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ...domain.market import Quote
from ...domain.ports import NANOS

SIGN_SECONDS: Final = 60
"""How old a sign may be when it is read, and how long before the subscription it may be read."""


class TradingSigns:
    """When each symbol was last seen to trade, and since when its halts are told."""

    def __init__(self, now: Callable[[], int], *, is_consolidated: bool) -> None:
        """Nothing is seen yet; ``now`` gives market time in ns UTC."""
        self.now, self.is_consolidated = now, is_consolidated
        self._seen: dict[str, float] = {}
        self._told_since: dict[str, float] = {}

    def take_print(self, symbol: str, at: int | None = None, asked_at: int = 0) -> None:
        """Take in a regular print as it is heard, or one of ``at`` that was asked for at
        ``asked_at`` (market times, ns UTC): an old one is no sign.
        """
        if at is None or asked_at - at <= SIGN_SECONDS * NANOS:
            self._seen[symbol] = time.monotonic()

    def take_quote(self, symbol: str, quote: Quote | None, asked_at: int | None = None) -> None:
        """Take in a quote likewise; a locked, crossed or one-sided one is no sign."""
        if self.is_consolidated or quote is None or not quote.is_two_sided:
            return
        if asked_at is None:
            self.take_print(symbol)
        else:
            self.take_print(symbol, quote.at, asked_at)

    def subscribed(self, symbol: str) -> None:
        """From now on halts of the symbol are told."""
        self._told_since[symbol] = time.monotonic()

    def trades(self, symbol: str) -> bool:
        """Whether it has been seen to trade about when its halts began to be told, or later."""
        seen = self._seen.get(symbol)
        return seen is not None and seen >= self._told_since.get(symbol, 0.0) - SIGN_SECONDS
