"""What a plan is expected to cost, and how far the cost may stray: made before the first order."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ..decision import ExecutionStrategy
from ..market import MarketState, Quote, Record
from ..money import ONE, ZERO
from ..plan import PlanTerms
from ..ports import MINUTE_NS
from ..strategies.schedule import Window, trajectory_fraction

STEP: Final = Decimal("0.0001")
FEE_STEP: Final = Decimal("0.000001")
PARTS: Final = 120
"""Pieces in which the schedule is summed up; a straight line is exact to 1 in 20,000."""


class Estimate(Record):
    """Cost against the arrival mid in basis points, positive a cost; None where it is unknown.

    ``cost_bps`` is ``half_spread_bps`` plus ``impact_bps``; ``risk_bps`` is one standard deviation
    of the cost from the market's moves while the schedule is worked. ``adv_fraction`` is the
    quantity over the average day, ``volatility_bps`` the one-minute deviation that both stand on.
    ``fees`` are the charges expected by the dated table for all of it at the mid, in account
    currency and before rounding; they are no part of ``cost_bps``.
    """

    cost_bps: Decimal
    half_spread_bps: Decimal
    impact_bps: Decimal | None
    risk_bps: Decimal | None
    adv_fraction: Decimal | None
    volatility_bps: Decimal | None
    fees: Decimal | None = None


def estimate(
    terms: PlanTerms,
    market: MarketState,
    quote: Quote | None,
    impact_coefficient: Decimal,
    fees: Decimal | None = None,
) -> Estimate | None:
    """The estimate of a plan; None without a quote. ``fees`` are taken over as they are.

    Impact is the square-root law ``k * sigma_day * sqrt(Q / ADV)`` (Grinold and Kahn; Almgren et
    al. 2005). Risk is ``sigma_minute * sqrt(sum x_j^2 * tau_j)`` with ``x_j`` the share still to be
    traded (Almgren and Chriss 2000, equation 5, over the arrival value): for a straight line
    ``sigma * sqrt(T / 3)``. A market order has no risk but its impact.
    """
    if quote is None:
        return None
    half = quote.half_spread_bps
    volume, sigma = market.average_daily_volume, market.volatility_bps
    share = terms.quantity / volume if volume else None
    impact = impact_bps(market, terms.quantity, impact_coefficient)
    return Estimate(
        cost_bps=_step(half + (impact or ZERO)),
        half_spread_bps=_step(half),
        impact_bps=None if impact is None else _step(impact),
        risk_bps=None if sigma is None else _step(sigma * _exposed_minutes(terms).sqrt()),
        adv_fraction=None if share is None else share.quantize(Decimal("0.000001")),
        volatility_bps=sigma,
        fees=None if fees is None else fees.quantize(FEE_STEP),
    )


def impact_bps(
    market: MarketState, quantity: Decimal, impact_coefficient: Decimal
) -> Decimal | None:
    """The square-root law in basis points; None where volatility or volume is unknown.

    Sigma of a day is the one-minute volatility scaled by the root of the session's minutes.
    """
    volume, sigma = market.average_daily_volume, market.volatility_bps
    if not volume or sigma is None:
        return None
    minutes = Decimal(max(market.session_close - market.session_open, 0)) / MINUTE_NS
    return impact_coefficient * sigma * minutes.sqrt() * (quantity / volume).sqrt()


def _exposed_minutes(terms: PlanTerms) -> Decimal:
    """The sum over the window of the squared share still to be traded, in minutes."""
    if terms.strategy is ExecutionStrategy.MARKET or terms.end_at <= terms.start_at:
        return ZERO
    length = terms.end_at - terms.start_at
    window = Window(terms.start_at, terms.end_at, terms.quantity, ZERO, terms.parameters.slices)
    total = ZERO
    for part in range(PARTS):
        middle = terms.start_at + length * (2 * part + 1) // (2 * PARTS)
        left = ONE - trajectory_fraction(window, middle, terms.parameters.risk_curvature)
        total += left * left
    return total * length / PARTS / MINUTE_NS


def _step(value: Decimal) -> Decimal:
    return value.quantize(STEP)
