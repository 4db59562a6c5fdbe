"""Quotes and prints as Alpaca sends them, into a tape."""

from __future__ import annotations

from typing import Final

from ...domain.auctions import CLOSING_CONDITIONS, OPENING_CONDITIONS
from ...domain.money import ZERO
from ..alpaca_api.reading import Json, number_of
from .live_tape import LiveTape

IRREGULAR: Final = frozenset("BCGHLMNOPQRTUVWZ4567 89".replace(" ", ""))
"""Sale conditions of auctions, late, out-of-sequence, derived or extended-hours prints (CTA, UTP);
they do not count as regular volume."""
LISTING: Final = {
    "NYSE": "N",
    "NASDAQ": "Q",
    "ARCA": "P",
    "NYSEARCA": "P",
    "AMEX": "A",
    "BATS": "Z",
}
"""How prints name the exchange that the broker's list of assets says a symbol is listed on."""


def take_quote(tape: LiveTape, at: int, message: Json) -> None:
    """Take in a quote as the feed sends it."""
    sides = [number_of(message, name) or ZERO for name in ("bp", "bs", "ap", "as")]
    tape.add_quote(at, *sides)


def take_print(tape: LiveTape, at: int, message: Json, listed_on: str | None = None) -> bool:
    """Take in a print as the feed sends it; whether it is a regular one."""
    price, size = number_of(message, "p"), number_of(message, "s")
    if price is None or size is None or price <= 0 or size <= 0:
        return False
    conditions = [str(c) for c in message.get("c") or ()]
    regular = not any(c in IRREGULAR for c in conditions)
    for codes in (OPENING_CONDITIONS, CLOSING_CONDITIONS):
        for code in set(codes).intersection(conditions):
            rank = (message.get("x") == listed_on, code == codes[0])
            is_open = codes is OPENING_CONDITIONS
            tape.add_official(is_open=is_open, price=price, size=size, rank=rank)
    tape.add_print(at, price, size, regular=regular)
    return regular
