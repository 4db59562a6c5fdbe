"""What a cross is worth now: how far ahead of its schedule a plan may pay the spread for it.

Crossing costs half the spread against the mid. It costs less against the price that is about to
be: a touch that shows more shares on the near side than on the far side is about to move away, and
on all symbols looked at by about 0.6 ticks at the extreme, whatever the spread. The cost left
after that, compared with what the spread usually is, says whether this is a good moment. A good
one is used ahead of schedule, a bad one is left to the rests until the schedule can wait no
longer.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final

from ..market import MarketState, Quote
from ..money import ONE, ZERO
from ..plan import PlanTerms
from ..ports import NANOS

REFERENCE_NS: Final = 300 * NANOS
"""The window for which ``band_fraction`` is a share of the quantity; it falls with the root."""
CLOSING_FRACTION: Final = Decimal("0.1")
"""Over the last tenth of its window a plan's band closes."""


def lean_of(quote: Quote, sign: int) -> Decimal:
    """From -1 to 1: how much more the near touch shows than the far one; 0 without sizes."""
    near, far = quote.near_size(sign), quote.far_size(sign)
    both = near + far
    return (near - far) / both if both > 0 else ZERO


def cost_of_cross(plan: PlanTerms, quote: Quote) -> Decimal:
    """What a share crossed now is expected to cost against the mid to come, in price."""
    drift = plan.parameters.lean_ticks * plan.tick * lean_of(quote, plan.side.sign)
    return quote.spread / 2 - drift


def lead_of(plan: PlanTerms, market: MarketState, quote: Quote) -> Decimal:
    """Where in its band a plan should be by crossing at this quote: 1 ahead, -1 behind.

    1 when a cross costs no more than ``cross_cheap`` of half the usual spread, -1 from
    ``cross_dear`` on, in a straight line between. Where the usual spread is unknown, the spread now
    stands for it, so that only the lean counts.
    """
    usual = quote.spread if market.spread_mean is None else market.spread_mean
    relative = cost_of_cross(plan, quote) * 2 / max(usual, plan.tick)
    cheap, dear = plan.parameters.cross_cheap, plan.parameters.cross_dear
    if relative <= cheap:
        return ONE
    if relative >= dear:
        return -ONE
    return 2 * (dear - relative) / (dear - cheap) - 1


@lru_cache(maxsize=256)
def reach_of(length_ns: int) -> Decimal:
    """How much of ``band_fraction`` a window of this length has: the root of 5 minutes over it.

    The risk of being a given share off schedule grows with the root of the time it lasts, so that
    this keeps about the same risk in every window.
    """
    if length_ns <= REFERENCE_NS:
        return ONE
    return (Decimal(REFERENCE_NS) / length_ns).sqrt()


def band_of(plan: PlanTerms, quantity: Decimal, start: int, end: int, now: int) -> Decimal:
    """How many shares a plan may be ahead of or behind its schedule at ``now``."""
    fraction = plan.parameters.band_fraction
    length = end - start
    if not fraction or length <= 0:
        return ZERO
    band = quantity * fraction * reach_of(length)
    closing = Decimal(end - now) / (length * CLOSING_FRACTION)
    return band * max(closing, ZERO) if closing < 1 else band
