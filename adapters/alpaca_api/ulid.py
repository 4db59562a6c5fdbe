"""ULIDs as Alpaca numbers its events: 48 bits of milliseconds, then 80 that order within one."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MS: Final = 1_000_000
_BELOW: Final = 80
LENGTH: Final = 26


def ulid(at: int, ordinal: int = 0) -> str:
    """The ULID of a time (ns UTC) that sorts by it and then by ``ordinal``."""
    value = (at // _MS << _BELOW) | ordinal
    return "".join(_DIGITS[(value >> shift) & 31] for shift in range(125, -1, -5))


def time_of_ulid(text: str) -> int | None:
    """The time of a ULID, ns UTC to the millisecond; None where it is none."""
    value = 0
    for digit in text.upper():
        place = _DIGITS.find(digit)
        if place < 0:
            return None
        value = value << 5 | place
    whole = value >> _BELOW
    return whole * _MS if len(text) == LENGTH and whole < 1 << 48 else None
