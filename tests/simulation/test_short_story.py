"""Short sales on the whole engine: off by default, marked, split through zero, under Rule 201."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from fillwright.adapters.market_data.closes import session_before
from fillwright.adapters.market_data.history import BarHistory, Bars
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.simulation import VenueTerms, simulate
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain import events as e
from fillwright.domain.limits import Limits
from fillwright.domain.ports import (
    NANOS,
    OrderRequest,
    OrderType,
    SellMark,
    Side,
    SubmitOrder,
    TimeInForce,
)
from fillwright.domain.reasons import Reason
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    START_S,
    Scene,
    at,
    check_books,
    decision,
    exchange_fills,
    held,
    logged,
    market,
    of_kind,
    only,
    play,
    run,
)

D = Decimal
HELD = {"AAPL": D(40)}
ON = Limits(allow_short=True)


def selling(size: int, **fields: Any) -> dict[str, Any]:
    sell = decision("twap", action="SELL", target_weight=None, order_size=size, window="5m")
    return sell | fields


def scene(fields: dict[str, Any], limits: Limits = ON, **venue: Any) -> Scene:
    terms = VenueTerms(positions=HELD, **{"short_selling": True, **venue})
    return Scene([fields], venue=terms, limits=limits)


def test_short_selling_is_off_unless_it_is_allowed(tmp_path: Path) -> None:
    made = only(run(scene(selling(100), Limits()), tmp_path / "a.db"))
    assert [refusal.reason for refusal in made.refusals] == [Reason.SHORT_SALE]
    unknown = only(run(scene(selling(100), short_selling=False), tmp_path / "b.db"))
    assert [r.reason for r in unknown.refusals] == [Reason.SHORT_SALE], "no flag and no locate"


def test_a_sell_through_zero_is_a_long_and_then_a_short_order(tmp_path: Path) -> None:
    ran = run(scene(selling(100)), tmp_path / "a.db")
    check_books(ran, start=HELD)
    made = only(ran)
    assert made.state is InstructionState.FILLED
    assert held(ran, "AAPL") == D(-60)
    orders = of_kind(logged(ran), e.OrderIntended)
    long = [order for order in orders if order.sell_mark is SellMark.LONG]
    short = [order for order in orders if order.sell_mark is SellMark.SHORT]
    assert len(long) + len(short) == len(orders)
    fills = {f.client_order_id: D(0) for f in exchange_fills(ran)}
    for fill in exchange_fills(ran):
        fills[fill.client_order_id] += fill.last_qty
    assert sum(fills.get(order.client_order_id, D(0)) for order in long) == 40
    assert sum(fills.get(order.client_order_id, D(0)) for order in short) == 60
    assert max(o.record_time for o in long) < min(o.record_time for o in short)


def test_under_rule_201_a_short_sale_never_meets_the_bid(tmp_path: Path) -> None:
    fields = selling(100, window="15m", must_complete=False)
    ran = run(scene(fields, price_tests=("AAPL",)), tmp_path / "a.db")
    check_books(ran, start=HELD)
    short = [o for o in of_kind(logged(ran), e.OrderIntended) if o.sell_mark is SellMark.SHORT]
    assert short
    for order in short:
        quote = order.provenance.market.quote
        assert order.limit_price is not None
        assert order.limit_price > quote.bid
        assert order.time_in_force is TimeInForce.DAY


def test_a_locate_stands_for_the_flag(tmp_path: Path) -> None:
    located = selling(100, locate="desk:L-77")
    ran = run(scene(located), tmp_path / "a.db")
    received = of_kind(logged(ran), e.DecisionReceived)[0]
    assert received.decision.locate == "desk:L-77"
    assert only(ran).state is InstructionState.FILLED


def test_a_fall_of_the_tape_puts_rule_201_in_force_from_its_print_on(tmp_path: Path) -> None:
    """The close before makes the low of the first ten minutes a fall of a tenth."""
    day = next(d for d in market().days() if d.symbol == "AAPL")
    session = market().sessions[0]
    inside = day.regular & (day.t_ts >= session.open)
    early = inside & (day.t_ts < at(START_S))
    low = float(day.t_px[early].min())
    falls_at = int(day.t_ts[early & (day.t_px == low)][0])
    before = session_before(ExchangeCalendar(), session)
    assert before is not None
    one = np.array([before.open], dtype=np.int64)
    close = np.array([round(low / 0.9, 6) + 1e-6])
    bars = Bars(one, np.array([1.0]), close, close)
    data = RecordedMarketData(
        market().days(), history=BarHistory({"AAPL": bars}, ExchangeCalendar())
    )
    ran = simulate(
        market().days(),
        store=str(tmp_path / "a.db"),
        venue=VenueTerms(positions={}, short_selling=True),
        limits=ON,
        market=data,
        start_at=at(START_S),
    )
    states = [data.state("AAPL", moment).trading for moment in (falls_at - 1, falls_at)]
    assert [state.price_test for state in states if state is not None] == [False, True]
    asyncio.run(play(ran, Scene([selling(60, window="15m", must_complete=False)])))
    short = of_kind(logged(ran), e.OrderIntended)
    assert short
    for order in short:
        assert order.limit_price > order.provenance.market.quote.bid
    crossing = OrderRequest(
        client_order_id="x",
        symbol="AAPL",
        side=Side.SELL,
        quantity=D(1),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        sell_mark=SellMark.SHORT,
    )
    with simulate(
        market().days(), store=None, venue=VenueTerms(short_selling=True), market=data
    ) as venue:
        moment = falls_at + NANOS
        venue.exchange.handle([SubmitOrder(crossing)], moment)
        said = [report.text for report in venue.exchange.drain(moment + NANOS)]
    assert any("Rule 201" in (text or "") for text in said)
