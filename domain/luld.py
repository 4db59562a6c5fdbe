"""Limit Up-Limit Down: what a limit price may be while a price band is in force.

A buy above the upper band, or a sell below the lower one, is repriced to the last tick inside the
band, which never makes it dearer; a market order gets that price as its limit. A buy below the
lower band, or a sell above the upper one, could only be repriced for the worse and is held back
until the band has moved.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from .market import PriceBand
from .money import round_to_tick


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
