"""Models of market impact: pre-trade estimates, optimal schedules, and splits of what was paid.

Plain numbers in and out. Volatility is of a day, in price for Almgren and Chriss (2000) and as a
fraction elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

ATHL_GAMMA: Final = 0.314
ATHL_ETA: Final = 0.142


class Walk(NamedTuple):
    """What a taker gets from a book: fills as (price, size), their average, the touch left."""

    fills: tuple[tuple[float, float], ...]
    average: float | None
    touch_after: float | None
    unfilled: float


def walk_book(levels: Sequence[tuple[float, float]], quantity: float) -> Walk:
    """Take ``quantity`` from ``levels`` of (price, size), best first."""
    left = quantity
    fills = []
    touch: float | None = None
    for price, size in levels:
        taken = min(size, left)
        if taken > 0:
            fills.append((price, taken))
            left -= taken
        if size > taken:
            touch = price
            break
    done = quantity - left
    average = sum(price * size for price, size in fills) / done if done else None
    return Walk(tuple(fills), average, touch, left)


class ImpactSplit(NamedTuple):
    """Market impact in money, split after Kissell and Glantz (2003)."""

    eta: float
    instantaneous: float
    temporary: float
    permanent: float


def split_impact(
    impact: float, executed: float, adv: float, temporary_share: float = 0.95
) -> ImpactSplit:
    """Temporary and permanent impact of what was paid, money (Johnson 2010, eq. 6-5).

    ``eta = (x + ADV/2) / x``, ``I = impact / (b/eta + 1 - b)``, temporary ``b I / eta``, permanent
    ``(1 - b) I``.
    """
    eta = (executed + adv / 2) / executed
    whole = impact / (temporary_share / eta + 1 - temporary_share)
    return ImpactSplit(eta, whole, temporary_share * whole / eta, (1 - temporary_share) * whole)


def square_root_bps(
    quantity: float, adv: float, daily_volatility_bps: float, k: float = 1
) -> float:
    """Square-root law: ``k · sigma · sqrt(Q / ADV)``, bps."""
    return k * daily_volatility_bps * math.sqrt(quantity / adv)


def horizon_days(quantity: float, adv: float, participation: float) -> float:
    """How many days a quantity takes at a share of the volume: ``Q / (ADV · rate)``."""
    return quantity / (adv * participation)


class AthlCost(NamedTuple):
    """Almgren, Thum, Hauptmann and Li (2005), in bps: permanent I, temporary K, cost I/2 + K."""

    permanent_bps: float
    temporary_bps: float
    cost_bps: float


def athl_cost(
    quantity: float, adv: float, shares_outstanding: float, volatility: float, days: float
) -> AthlCost:
    """Cost of trading a quantity over ``days`` of volume time; ``volatility`` a daily fraction.

    ``I = gamma sigma (X/V)(Theta/V)^(1/4)``, ``K = eta sigma |X/(V T)|^0.6``.
    """
    turnover = (shares_outstanding / adv) ** 0.25
    permanent = ATHL_GAMMA * volatility * quantity / adv * turnover
    temporary = ATHL_ETA * volatility * abs(quantity / (adv * days)) ** 0.6
    return AthlCost(permanent * 1e4, temporary * 1e4, (permanent / 2 + temporary) * 1e4)


class AlmgrenChriss(NamedTuple):
    """The model of Almgren and Chriss (2000) with linear impact.

    ``volatility`` is a day's, in price; ``epsilon`` half the spread; ``gamma`` permanent and
    ``eta`` temporary impact, price per share and per share a day; ``days`` in ``intervals``.
    """

    quantity: float
    days: float
    intervals: int
    volatility: float
    epsilon: float
    gamma: float
    eta: float

    @classmethod
    def calibrated(
        cls,
        *,
        price: float,
        annual_volatility: float,
        bid_ask: float,
        adv: float,
        permanent_one_spread_at: float,
        temporary_one_spread_at: float,
        quantity: float,
        days: float,
        intervals: int,
        trading_days: int = 250,
    ) -> AlmgrenChriss:
        """Their rule of thumb: one spread of impact when trading these shares of daily volume."""
        return cls(
            quantity=quantity,
            days=days,
            intervals=intervals,
            volatility=price * annual_volatility / math.sqrt(trading_days),
            epsilon=bid_ask / 2,
            gamma=bid_ask / (permanent_one_spread_at * adv),
            eta=bid_ask / (temporary_one_spread_at * adv),
        )

    @property
    def tau(self) -> float:
        """Length of an interval, days."""
        return self.days / self.intervals

    def kappa(self, risk_aversion: float) -> float:
        """Urgency per day.

        From ``2 (cosh(kappa tau) - 1)/tau² = lambda sigma²/(eta - gamma tau/2)``.
        Below zero risk aversion the solution turns in circles: then minus the angle per day.
        """
        tau = self.tau
        stiff = self.eta - self.gamma * tau / 2
        cosh = 1 + risk_aversion * self.volatility**2 / stiff * tau**2 / 2
        if cosh >= 1:
            return math.acosh(cosh) / tau
        return -math.acos(cosh) / tau

    def holdings(self, risk_aversion: float) -> tuple[float, ...]:
        """Shares still to trade at the end of each interval, from all to none.

        ``x_j = sinh(kappa (T - t_j)) / sinh(kappa T) · X``; the straight line at no risk aversion.
        """
        kappa = self.kappa(risk_aversion)
        n = self.intervals
        if kappa == 0:
            return tuple(self.quantity * (n - j) / n for j in range(n + 1))
        shape = math.sinh if kappa > 0 else math.sin
        rate = abs(kappa)
        whole = shape(rate * self.days)
        left = (self.days - j * self.tau for j in range(n + 1))
        return tuple(self.quantity * shape(rate * days) / whole for days in left)

    def trades(self, risk_aversion: float) -> tuple[float, ...]:
        """Shares of each interval."""
        held = self.holdings(risk_aversion)
        return tuple(before - after for before, after in pairwise(held))

    def expected_cost(self, risk_aversion: float) -> float:
        """``gamma X²/2 + epsilon X + (eta - gamma tau/2)/tau Σ n²``, money."""
        traded = self.trades(risk_aversion)
        stiff = (self.eta - self.gamma * self.tau / 2) / self.tau
        fixed = self.gamma * self.quantity**2 / 2 + self.epsilon * sum(abs(n) for n in traded)
        return fixed + stiff * sum(n * n for n in traded)

    def variance(self, risk_aversion: float) -> float:
        """``sigma² tau Σ x_j²``, money squared."""
        held = self.holdings(risk_aversion)[1:]
        return self.volatility**2 * self.tau * sum(x * x for x in held)
