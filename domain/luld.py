"""Limit Up-Limit Down: what a limit price may be while a price band is in force.

A buy above the upper band, or a sell below the lower one, is repriced to the last tick inside the
band, which never makes it dearer; a market order gets that price as its limit. A buy below the
lower band, or a sell above the upper one, could only be repriced for the worse and is held back
until the band has moved.

Bands are a percentage around the reference price, which follows the mean of the last five minutes'
prints (the plan of File No. 4-631, sections V and VI and appendix A).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from .market import PriceBand
from .money import CENT, round_to_tick
from .ports import NANOS, Session


class Banded(NamedTuple):
    """A limit as the band leaves it; None where the order is held back."""

    limit: Decimal | None
    changed: bool

    @property
    def held(self) -> bool:
        """Whether the order may not be sent."""
        return self.limit is None and self.changed


def inside_band(limit: Decimal | None, sign: int, band: PriceBand | None, tick: Decimal) -> Banded:
    """The limit price of an order of side ``sign`` that the band allows.

    ``limit`` None is a market order.
    """
    if band is None:
        return Banded(limit, changed=False)
    edge = band.upper if sign > 0 else band.lower
    edge = round_to_tick(edge, tick, up=sign < 0)
    behind = band.lower if sign > 0 else band.upper
    if edge <= 0 or not band.lower <= edge <= band.upper:
        return Banded(None, changed=True)
    if limit is None or (limit - edge) * sign > 0:
        return Banded(edge, changed=True)
    if (limit - behind) * sign < 0:
        return Banded(None, changed=True)
    return Banded(limit, changed=False)


WINDOW_NS: Final = 300 * NANOS
"""The prints of so long make the reference price."""
STANDS_NS: Final = 30 * NANOS
"""A reference price stands at least so long."""
MOVES: Final = Decimal("0.01")
"""The mean has to differ by this part of the reference price to become it."""
LIMIT_STATE_NS: Final = 15 * NANOS
"""A quote that is at a band for so long pauses trading."""
PAUSE_NS: Final = 300 * NANOS
OPENING_NS: Final = 900 * NANOS
CLOSING_NS: Final = 1_500 * NANOS
SINGLE_SINCE: Final = "2020-02-24"
"""From here on bands are not doubled after the open, and before the close only those of tier 1 and
of stocks up to 3.00 (amendment 18, approved 2019-04-11; the day it began is remembered)."""
LOW: Final = Decimal("0.75")
HIGH: Final = Decimal(3)
LOW_WIDTH_MAX: Final = Decimal("0.15")
LOW_PART: Final = Decimal("0.75")
MIDDLE_PART: Final = Decimal("0.2")
TIER_PARTS: Final = {1: Decimal("0.05"), 2: Decimal("0.1")}


def band_around(
    reference: Decimal, close_before: Decimal, tier: int, session: Session, at: int
) -> PriceBand:
    """The band around a reference price at a moment of a session, to the cent.

    ``close_before`` is the close of the session before, which decides on the percentage; ``tier``
    is 1 for the stocks of the S&P 500 and the Russell 1000 and listed funds, else 2.
    """
    if close_before < LOW:
        width = min(LOW_WIDTH_MAX, reference * LOW_PART)
    else:
        width = reference * (MIDDLE_PART if close_before <= HIGH else TIER_PARTS[tier])
    width *= 2 if _is_doubled(close_before, tier, session, at) else 1
    lower, upper = (reference + width * sign for sign in (-1, 1))
    lower = max(lower.quantize(CENT), CENT)
    return PriceBand(lower=lower, upper=max(upper.quantize(CENT), lower + CENT), at=at)


def _is_doubled(close_before: Decimal, tier: int, session: Session, at: int) -> bool:
    old = session.date < SINGLE_SINCE
    if at < session.open + OPENING_NS:
        return old
    return at >= session.close - CLOSING_NS and (old or tier == 1 or close_before <= HIGH)


def next_reference(reference: Decimal, mean: Decimal | None) -> Decimal:
    """The reference price after one has stood its time; ``mean`` None where nothing printed."""
    if mean is None or abs(mean - reference) < reference * MOVES:
        return reference
    return mean
