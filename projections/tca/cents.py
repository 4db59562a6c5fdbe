"""Parts in cents that still add up."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from ...domain.money import CENT


def in_cents(parts: Iterable[Decimal]) -> list[Decimal]:
    """Parts rounded so that they add up to their rounded sum, each within a cent of its own.

    Running sums are rounded, not the parts: a part is the difference of two rounded running sums
    (half to even). A part of nothing stays nothing.
    """
    rounded = []
    total = before = Decimal(0)
    for part in parts:
        total += part
        now = total.quantize(CENT, rounding=ROUND_HALF_EVEN)
        rounded.append(now - before)
        before = now
    return rounded
