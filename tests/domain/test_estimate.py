"""The estimate before the first order: cost by the square-root law, risk by the schedule."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.market import MarketState
from fillwright.domain.plan import PlanTerms, StrategyParameters
from fillwright.domain.planning.estimate import Estimate, estimate
from fillwright.domain.ports import NANOS
from tests.domain.strategies.cases import market_of, plan_of

D = Decimal


def a_market(**changes: object) -> MarketState:
    """An open market of 390 minutes with one quote."""
    return market_of().model_copy(update=changes)


def a_plan(**changes: object) -> PlanTerms:
    """A plan over 800 seconds."""
    return plan_of(ExecutionStrategy.TWAP, **changes)


def estimated(**changes: object) -> Estimate:
    market = a_market(volatility_bps=D(4), average_daily_volume=D(1_000_000))
    plan = a_plan(quantity=D(10_000)).model_copy(update=changes)
    found = estimate(plan, market, market.quote, D(1))
    assert found is not None
    return found


def test_cost_is_half_the_spread_and_the_square_root_of_the_days_share() -> None:
    found = estimated()
    market = a_market()
    assert market.quote is not None
    assert found.half_spread_bps == market.quote.half_spread_bps.quantize(D("0.0001"))
    minutes = D(market.session_close - market.session_open) / (60 * NANOS)
    by_hand = D(4) * minutes.sqrt() * D("0.01").sqrt()
    assert found.impact_bps == by_hand.quantize(D("0.0001"))
    assert abs(found.cost_bps - found.half_spread_bps - by_hand) <= D("0.0001")
    assert found.adv_fraction == D("0.01")


def test_the_risk_of_a_straight_line_is_sigma_times_the_root_of_a_third_of_the_window() -> None:
    plan = a_plan()
    minutes = D(plan.end_at - plan.start_at) / (60 * NANOS)
    assert float(estimated().risk_bps or 0) == pytest.approx(
        float(D(4) * (minutes / 3).sqrt()), rel=1e-4
    )


def test_a_market_order_runs_no_risk_and_a_curved_schedule_less() -> None:
    assert estimated(strategy=ExecutionStrategy.MARKET).risk_bps == 0
    curved = estimated(parameters=StrategyParameters(risk_curvature=D(20)))
    straight = estimated()
    assert curved.risk_bps is not None
    assert straight.risk_bps is not None
    assert 0 < curved.risk_bps < straight.risk_bps


def test_what_is_not_known_stays_unknown() -> None:
    market = a_market(volatility_bps=None, average_daily_volume=None)
    found = estimate(a_plan(), market, market.quote, D(1))
    assert found is not None
    assert (found.impact_bps, found.risk_bps, found.adv_fraction) == (None, None, None)
    assert found.cost_bps == found.half_spread_bps
    assert estimate(a_plan(), market, None, D(1)) is None


@given(st.integers(1, 400), st.decimals(D("0.1"), D(50), places=1))
def test_risk_grows_with_the_root_of_time_and_with_volatility(minutes: int, sigma: D) -> None:
    market = a_market(volatility_bps=sigma)
    plan = a_plan()
    longer = plan.model_copy(update={"end_at": plan.start_at + 4 * minutes * 60 * NANOS})
    shorter = plan.model_copy(update={"end_at": plan.start_at + minutes * 60 * NANOS})
    one, two = (estimate(p, market, market.quote, D(1)) for p in (shorter, longer))
    assert one is not None
    assert two is not None
    assert float(two.risk_bps or 0) == pytest.approx(2 * float(one.risk_bps or 0), rel=1e-3)
