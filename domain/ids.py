"""Identifiers are computed, not drawn, so that a retry after a crash is recognised."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("6d3f3a52-6b57-5f0e-9d0c-6f1c1b0a7e11")

CLIENT_ORDER_ID_PREFIX: Final = "fw"


@lru_cache(maxsize=1_024)
def account_stream_id(account: str) -> UUID:
    """The stream of everything about one broker account: limits, kill switch, sessions."""
    return uuid5(_NAMESPACE, f"account:{account}")


def instruction_id(account: str, decision_id: str) -> UUID:
    """The instruction that a decision leads to; the same decision gives the same id."""
    return uuid5(_NAMESPACE, f"instruction:{account}:{decision_id}")


def redaction_id(subject: str) -> UUID:
    """The stream of the one event that says a subject's text was made unreadable."""
    return uuid5(_NAMESPACE, f"redaction:{subject}")


def client_order_id(instruction: UUID, ordinal: int) -> str:
    """The id a child order has at the broker: at most 48 characters, 0-based ordinal."""
    return f"{CLIENT_ORDER_ID_PREFIX}-{instruction.hex}-{ordinal}"


def instruction_of(client_order_id: str) -> UUID | None:
    """The instruction that a child order's id names, None when we could not have made it."""
    prefix, _, rest = client_order_id.partition("-")
    name, _, ordinal = rest.partition("-")
    if prefix != CLIENT_ORDER_ID_PREFIX or len(name) != 32 or not ordinal.isdecimal():
        return None
    try:
        return UUID(hex=name)
    except ValueError:
        return None


def is_own_client_order_id(text: str | None) -> bool:
    """Whether a client order id is one that :func:`client_order_id` could have made."""
    return text is not None and text.startswith(f"{CLIENT_ORDER_ID_PREFIX}-")


def computed_execution_id(venue_order_id: str, epoch: int, cum_qty: str) -> str:
    """An execution id where the broker gives none: (order, bust/correct epoch, CumQty)."""
    return f"{venue_order_id}:{epoch}:{cum_qty}"
