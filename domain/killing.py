"""The kill switch: what a scope names and covers, and the counter that latches it in the store."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from .decision import ExecutionStrategy
from .errors import InvalidInput

ACCOUNT_SCOPE: Final = "account"
LATCH_PREFIX: Final = "kill:"
SCOPE_MAX: Final = 64


def scopes_covering(symbol: str, strategy: str) -> tuple[str, str, str]:
    """The scopes that block an order of this symbol and strategy."""
    return ACCOUNT_SCOPE, f"symbol:{symbol}", f"strategy:{strategy}"


def read_scope(text: str) -> str:
    """A scope as it is recorded: ``account``, ``symbol:X`` in capitals, ``strategy:x``.

    Raises:
        InvalidInput: it is none of these, or names a strategy that does not exist.
    """
    kind, _, name = text.strip().partition(":")
    kind, name = kind.casefold(), name.strip()
    if kind == ACCOUNT_SCOPE and not name:
        return ACCOUNT_SCOPE
    if kind == "symbol" and name and name.isprintable() and len(text) <= SCOPE_MAX:
        return f"symbol:{name.upper()}"
    strategies = [strategy.value for strategy in ExecutionStrategy]
    if kind == "strategy" and name.casefold() in strategies:
        return f"strategy:{name.casefold()}"
    allowed = f"account, symbol:X, or strategy: with one of {', '.join(strategies)}"
    raise InvalidInput("scope", text, allowed)


def latch_key(account_stream: UUID, scope: str) -> str:
    """The counter that is above 0 while the scope is blocked.

    Every intent is appended on condition that the counters of its scopes are 0, in the same
    transaction: no intent can be recorded behind a block.
    """
    return f"{LATCH_PREFIX}{account_stream.hex}:{scope}"
