"""What a cross is worth, against numbers worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.strategies.frontier import (
    band_of,
    cost_of_cross,
    lead_of,
    lean_of,
    reach_of,
)

from .cases import SELL, market_of, plan_of, seconds

D = Decimal
KIND = ExecutionStrategy.TWAP


def test_lean_is_towards_the_thinner_side() -> None:
    quote = market_of(sizes=(900, 100)).quote
    assert quote is not None
    assert (lean_of(quote, 1), lean_of(quote, -1)) == (D("0.8"), D("-0.8"))
    empty = market_of(sizes=(0, 0)).quote
    assert empty is not None
    assert lean_of(empty, 1) == 0


def test_a_cross_costs_half_the_spread_less_the_move_that_the_book_announces() -> None:
    quote = market_of("99.98", "100.02", sizes=(900, 100)).quote
    assert quote is not None
    # 0.02 less 0.6 ticks of 0.01 times 0.8 for a buyer, more for a seller.
    assert cost_of_cross(plan_of(KIND), quote) == D("0.0152")
    assert cost_of_cross(plan_of(KIND, side=SELL), quote) == D("0.0248")


# The cost of 0.01 is 0.2, 0.5, 0.8, 1 and 2 of half the usual spread; cheap is 0.3, dear 1.1.
@pytest.mark.parametrize(
    ("usual", "lead"),
    [("0.10", "1"), ("0.04", "0.5"), ("0.025", "-0.25"), ("0.02", "-0.75"), ("0.01", "-1")],
)
def test_the_lead_falls_in_a_line_from_cheap_to_dear(usual: str, lead: str) -> None:
    market = market_of("99.99", "100.01", usual=usual)
    assert market.quote is not None
    assert lead_of(plan_of(KIND), market, market.quote) == D(lead)


def test_an_unknown_usual_spread_leaves_the_lean_alone_to_count() -> None:
    even = market_of("99.90", "100.10")
    assert even.quote is not None
    assert lead_of(plan_of(KIND), even, even.quote) == D("-0.75")
    leaning = market_of("99.99", "100.00", sizes=(900, 100))
    assert leaning.quote is not None
    assert lead_of(plan_of(KIND), leaning, leaning.quote) == 1


def test_the_band_falls_with_the_root_of_the_window_and_closes_at_its_end() -> None:
    assert reach_of(seconds(60)) == reach_of(seconds(300)) == 1
    assert reach_of(seconds(1_200)) == D("0.5")
    plan, end = plan_of(KIND, end=1_200), seconds(1_200)
    assert band_of(plan, D(1000), 0, end, 0) == 250
    assert band_of(plan, D(1000), 0, end, seconds(1_080)) == 250
    assert band_of(plan, D(1000), 0, end, seconds(1_140)) == 125
    assert band_of(plan, D(1000), 0, end, end) == 0
    assert band_of(plan_of(KIND, end=1_200, band_fraction=0), D(1000), 0, end, 0) == 0
