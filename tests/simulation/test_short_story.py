"""Short sales on the whole engine: off by default, marked, split through zero, under Rule 201."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from fillwright.adapters.simulation import VenueTerms
from fillwright.domain import events as e
from fillwright.domain.limits import Limits
from fillwright.domain.ports import SellMark, TimeInForce
from fillwright.domain.reasons import Reason
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    Scene,
    check_books,
    decision,
    exchange_fills,
    held,
    logged,
    of_kind,
    only,
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
