"""Short sales: marks, a sell through zero, and Rule 201."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import ExecutionStrategy
from fillwright.domain.market import MarketState, TradingState
from fillwright.domain.ports import OrderType, SellMark, Side, TimeInForce
from fillwright.domain.short_sales import (
    SessionPrices,
    above_bid,
    mark_of,
    price_test_by_prices,
    triggers_price_test,
)
from fillwright.domain.violations import Violation
from tests.domain.strategies.cases import market_of, plan_of, view_of
from tests.domain.test_guard import cross_of, guarded, rest_of

D = Decimal
SELL = plan_of(ExecutionStrategy.TWAP, side=Side.SELL)
THROUGH = SELL.model_copy(update={"long_quantity": D(400), "short_mark": SellMark.SHORT})
FREE = market_of().model_copy(update={"trading": TradingState(price_test=False)})
TESTED = market_of().model_copy(update={"trading": TradingState(price_test=True)})


@pytest.mark.parametrize(("low", "starts"), [("90.01", False), ("90", True), ("80", True)])
def test_rule_201_begins_ten_percent_below_the_last_close(low: str, starts: bool) -> None:
    assert triggers_price_test(D(low), D(100)) is starts


def test_the_long_part_of_a_sell_through_zero_goes_first_and_alone() -> None:
    result = guarded(rest_of("1000", "100.01"), plan=THROUGH, market=FREE)
    (place,) = result.step.places
    assert (place.quantity, place.sell_mark) == (D(400), SellMark.LONG)
    assert result.violations == (Violation.AWAITS_LONG,)
    assert not Violation.AWAITS_LONG.is_overreach


def test_the_short_part_waits_until_the_long_part_is_executed() -> None:
    out = view_of(100).model_copy(update={"long_exposure": D(400), "exposure": D(400)})
    assert guarded(rest_of("600", "100.01"), plan=THROUGH, view=out, market=FREE).step.places == ()
    done = view_of(400).model_copy(update={"long_exposure": D(400)})
    result = guarded(rest_of("600", "100.01"), plan=THROUGH, view=done, market=FREE)
    assert [p.sell_mark for p in result.step.places] == [SellMark.SHORT]
    assert result.violations == ()


SHORT = SELL.model_copy(update={"long_quantity": D(0), "short_mark": SellMark.SHORT})


@pytest.mark.parametrize("market", [TESTED, market_of()])
def test_a_short_sale_is_priced_above_the_bid_while_rule_201_is_on_or_unknown(
    market: MarketState,
) -> None:
    result = guarded(cross_of("100", "99.99"), plan=SHORT, market=market)
    (place,) = result.step.places
    assert (place.limit_price, place.time_in_force) == (D("100.00"), TimeInForce.DAY)
    assert place.order_type is OrderType.LIMIT
    assert result.violations == (Violation.PRICE_TEST,)
    above = guarded(rest_of("100", "100.00"), plan=SHORT, market=market)
    assert above.violations == ()


def test_short_exempt_and_long_are_not_tested() -> None:
    exempt = SHORT.model_copy(update={"short_mark": SellMark.SHORT_EXEMPT})
    for plan in (exempt, SELL):
        assert guarded(cross_of("100", "99.99"), plan=plan, market=TESTED).violations == ()


@given(
    wanted=st.integers(1, 500),
    long=st.none() | st.integers(0, 500),
    exposed=st.integers(0, 500),
    executed=st.integers(0, 500),
)
def test_no_order_has_two_marks_and_no_more_is_marked_long_than_is_held(
    wanted: int, long: int | None, exposed: int, executed: int
) -> None:
    marked = mark_of(
        Side.SELL,
        D(wanted),
        long_quantity=None if long is None else D(long),
        short_mark=SellMark.SHORT,
        long_exposure=D(exposed),
        executed=D(executed),
    )
    assert 0 <= marked.quantity <= wanted
    if long is None:
        assert marked == (wanted, SellMark.LONG)
    elif marked.mark is SellMark.LONG:
        assert exposed + marked.quantity <= long
    elif marked.mark is SellMark.SHORT:
        assert executed >= long


def test_above_the_bid_is_at_least_a_tick_above() -> None:
    quote = market_of().quote
    assert above_bid(None, quote, D("0.01")) == D("100.00")
    assert above_bid(D("100.50"), quote, D("0.01")) == D("100.50")
    assert above_bid(D("1"), None, D("0.01")) is None


@pytest.mark.parametrize(
    ("today", "before", "in_force"),
    [
        (("100", "90.01"), ("100", "90.01"), False),
        (("100", "90"), ("100", "95"), True),
        (("100", "95"), ("100", "90"), True),
        (("100", None), ("100", "95"), False),
        ((None, "95"), ("100", "95"), None),
        (("100", "95"), (None, "95"), None),
        (("100", "90"), (None, None), True),
    ],
)
def test_rule_201_follows_from_today_and_the_session_before(
    today: tuple[str | None, str | None],
    before: tuple[str | None, str | None],
    in_force: bool | None,
) -> None:
    sessions = [SessionPrices(*(None if p is None else D(p) for p in s)) for s in (today, before)]
    assert price_test_by_prices(*sessions) is in_force
