"""Parts of plans in the opening and closing auction, on the whole engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fillwright.adapters.engine import Arrival, EngineRules
from fillwright.adapters.exchange.auctions import official
from fillwright.adapters.exchange.tape import SymbolDay
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.simulation import EXACT, Simulation, VenueTerms, simulate
from fillwright.domain import events as e
from fillwright.domain.auctions import Auction, LateDecision
from fillwright.domain.limits import Limits
from fillwright.domain.planning.facts import PlanningRules
from fillwright.domain.ports import NANOS, TimeInForce
from fillwright.domain.reasons import EndReason, Reason
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    Scene,
    at,
    check_books,
    closes_at,
    decision,
    exchange_fills,
    logged,
    market,
    of_kind,
    only,
    opened_at,
    run,
)

D = Decimal
SESSION_S = 23_400
EARLY_S = 600
"""How long before the open quotes begin in the days with an early market."""
FREE = {"max_slippage": None, "must_complete": False}


def session_of() -> Any:
    return market().sessions[0]


def official_price(auction: Auction) -> Decimal:
    (day,) = [day for day in market().days() if day.symbol == "AAPL"]
    found = official(day, auction, session_of())
    assert found is not None
    return found.price


def sent(simulation: Simulation) -> list[e.OrderIntended]:
    found: list[e.OrderIntended] = of_kind(logged(simulation), e.OrderIntended)
    return found


# -- the closing auction ---------------------------------------------------------------------------


def test_a_plan_for_the_close_trades_at_the_official_price(tmp_path: Path) -> None:
    fields = decision("twap", auction="close", **FREE)
    ran = run(Scene([fields]), tmp_path / "a.db")
    check_books(ran)
    made = only(ran)
    assert made.state is InstructionState.FILLED
    (order,) = sent(ran)
    assert order.time_in_force is TimeInForce.CLS
    assert order.limit_price is None, "no bound was asked for: market on close"
    (fill,) = exchange_fills(ran)
    assert (fill.last_price, fill.market_time) == (official_price(Auction.CLOSE), closes_at())
    assert fill.liquidity == "auction"
    closed = of_kind(logged(ran), e.SessionClosed)
    assert [(x.open_orders, x.breaks) for x in closed] == [(0, ())]


def test_a_bound_makes_it_a_limit_order_and_may_leave_it_unfilled(tmp_path: Path) -> None:
    fields = decision("twap", auction="close", max_slippage=300, must_complete=False)
    ran = run(Scene([fields]), tmp_path / "a.db")
    (order,) = sent(ran)
    made = only(ran)
    assert made.plan is not None
    assert order.limit_price == made.plan.bound_price
    price = official_price(Auction.CLOSE)
    assert order.limit_price is not None
    if price <= order.limit_price:
        assert made.state is InstructionState.FILLED
    else:
        assert made.end_reason is EndReason.AUCTION_UNFILLED
    tight = decision("twap", auction="close", limit_price=str(price - 5), must_complete=False)
    tight["max_slippage"] = None
    unfilled = only(run(Scene([tight]), tmp_path / "b.db"))
    assert unfilled.executed == 0
    assert unfilled.end_reason is EndReason.AUCTION_UNFILLED


def test_a_part_waits_for_the_close_while_the_rest_is_worked(tmp_path: Path) -> None:
    fields = decision("twap", auction="close", auction_fraction="0.25", target_weight=4.9)
    fields |= {"must_complete": True}
    ran = run(Scene([fields], arrive_s=SESSION_S - 3_000), tmp_path / "a.db")
    check_books(ran)
    made = only(ran)
    assert made.state is InstructionState.FILLED
    assert made.plan is not None
    assert made.plan.auction is not None
    assert made.plan.end_at == closes_at()
    orders = sent(ran)
    assert orders[0].time_in_force is TimeInForce.CLS, "the part goes out first"
    assert orders[0].quantity == made.plan.auction.quantity == made.plan.quantity // 4
    auctioned = [f for f in exchange_fills(ran) if f.liquidity == "auction"]
    rest = [f for f in exchange_fills(ran) if f.liquidity != "auction"]
    assert sum(f.last_qty for f in auctioned) == made.plan.auction.quantity
    assert rest
    assert max(f.market_time for f in rest) < closes_at()


def test_vwap_gives_the_close_what_the_close_is_expected_to_trade(tmp_path: Path) -> None:
    fields = decision("vwap", auction="close", window="6h", **FREE)
    ran = run(Scene([fields], arrive_s=900), tmp_path / "a.db")
    check_books(ran)
    plan = only(ran).plan
    assert plan is not None
    assert plan.auction is not None
    share = plan.auction.quantity / plan.quantity
    assert D("0.05") < share < D("0.15"), "about 8 % of a day's volume"
    kinds = {order.time_in_force for order in sent(ran)}
    assert TimeInForce.CLS in kinds
    assert kinds - {TimeInForce.CLS}


def test_the_part_is_capped_at_a_share_of_what_the_auction_is_expected_to_trade(
    tmp_path: Path,
) -> None:
    rules = {"auction_participation_max": D("0.00001")}
    fields = decision("twap", auction="close", **FREE)
    ran = run(Scene([fields], planning=rules), tmp_path / "a.db")
    plan = only(ran).plan
    assert plan is not None
    assert plan.auction is not None
    volume = market().market_data().state("AAPL", at(600)).average_daily_volume
    assert volume is not None
    assert plan.auction.quantity <= volume * D("0.08") * D("0.00001")
    assert plan.auction.quantity < plan.quantity


@pytest.mark.parametrize("rule", [{}, {"late": LateDecision.AUCTION}])
def test_inside_the_last_ten_minutes_the_cut_off_is_over_and_urgency_decides(
    rule: dict[str, Any], tmp_path: Path
) -> None:
    wish = {} if rule else {"auction": "close"}
    calm = decision("twap", **wish, max_slippage=50, must_complete=False)
    refused = only(run(Scene([calm], arrive_s=SESSION_S - 300, planning=rule), tmp_path / "a.db"))
    assert refused.state is InstructionState.REJECTED
    assert Reason.AUCTION in [refusal.reason for refusal in refused.refusals]
    hurried = calm | {"urgency": "high"}
    ran = run(Scene([hurried], arrive_s=SESSION_S - 300, planning=rule), tmp_path / "b.db")
    check_books(ran)
    orders = sent(ran)
    assert orders
    assert {order.time_in_force for order in orders} == {TimeInForce.IOC}
    assert all(order.limit_price is not None for order in orders), "a marketable limit order"


def test_before_the_cut_off_a_late_decision_is_a_limit_order_on_close(tmp_path: Path) -> None:
    rules = {"late": LateDecision.AUCTION, "avoid_close_seconds": 1_200}
    fields = decision("twap", max_slippage=None, must_complete=False)
    ran = run(Scene([fields], arrive_s=SESSION_S - 900, planning=rules), tmp_path / "a.db")
    (order,) = sent(ran)
    assert order.time_in_force is TimeInForce.CLS
    assert order.limit_price is not None


def test_after_the_cut_off_the_shares_stay_reserved_until_the_auctions_report(
    tmp_path: Path,
) -> None:
    async def end_it(simulation: Simulation) -> None:
        made = only(simulation)
        await simulation.engine.cancel(made.id, EndReason.USER, "kim")

    seen: list[tuple[Decimal, bool]] = []

    async def look(simulation: Simulation) -> None:
        made = only(simulation)
        usage = simulation.engine.desk.usage.usage("sim", session_of().date)
        seen.append((usage.of("AAPL").buy_leaves, made.is_done))

    fields = decision("twap", auction="close", **FREE)
    moments = [(at(SESSION_S - 300), end_it), (at(SESSION_S - 60), look)]
    ran = run(Scene([fields], moments=moments), tmp_path / "a.db")
    check_books(ran)
    made = only(ran)
    assert made.plan is not None
    assert seen == [(made.plan.quantity, False)]
    assert of_kind(logged(ran), e.OrderCancelRequested) == [], "nobody is let out any more"
    assert made.executed == made.plan.quantity, "what executed stays"


def test_an_end_before_the_cut_off_takes_the_order_out(tmp_path: Path) -> None:
    async def end_it(simulation: Simulation) -> None:
        await simulation.engine.cancel(only(simulation).id, EndReason.USER, "kim")

    fields = decision("twap", auction="close", **FREE)
    ran = run(Scene([fields], moments=[(at(2_000), end_it)]), tmp_path / "a.db")
    check_books(ran)
    made = only(ran)
    assert (made.executed, made.end_reason) == (0, EndReason.USER)


# -- the opening auction ---------------------------------------------------------------------------


def early_days() -> list[SymbolDay]:
    """The session's days with one quote in the minutes before the open."""
    days = []
    for day in market().days():
        first = {
            name: np.concatenate((getattr(day, name)[:1], getattr(day, name)))
            for name in ("bid_px", "bid_sz", "ask_px", "ask_sz")
        }
        q_ts = np.concatenate(([opened_at() - EARLY_S * NANOS], day.q_ts))
        days.append(replace(day, q_ts=q_ts, **first))
    return days


def before_the_open(
    store: Path, fields: Sequence[dict[str, Any]], seconds: float, **rules: Any
) -> Simulation:
    days, data = early_days(), market().market_data()
    simulation = simulate(
        days,
        store=str(store),
        venue=VenueTerms(),
        market=RecordedMarketData(days, data.calendar, history=data.history),
        rules=EngineRules(planning=PlanningRules(**{**dict(EXACT), **rules}), seed=1),
        limits=Limits(quote_age_seconds_max=D(1_000)),
        start_at=opened_at() - EARLY_S * NANOS,
    )

    async def play() -> None:
        with simulation:
            for one in fields:
                when = opened_at() - round(seconds * NANOS)
                simulation.engine.schedule(Arrival(dict(one)), when)
            await simulation.engine.run()
            await simulation.engine.close_session()

    asyncio.run(play())
    return simulation


def test_a_decision_before_the_open_goes_into_the_opening_auction(tmp_path: Path) -> None:
    fields = decision("twap", auction="open", **FREE)
    ran = before_the_open(tmp_path / "a.db", [fields], 400)
    check_books(ran)
    made = only(ran)
    assert made.state is InstructionState.FILLED
    (order,) = sent(ran)
    assert order.time_in_force is TimeInForce.OPG
    assert order.record_time < opened_at() - 120 * NANOS
    (fill,) = exchange_fills(ran)
    assert (fill.last_price, fill.market_time) == (official_price(Auction.OPEN), opened_at())


def test_what_the_opening_auction_is_not_for_is_worked_after_it(tmp_path: Path) -> None:
    fields = decision("twap", auction="open", auction_fraction="0.5", window="20m")
    ran = before_the_open(tmp_path / "a.db", [fields], 400)
    check_books(ran)
    made = only(ran)
    assert made.state is InstructionState.FILLED
    assert made.plan is not None
    assert made.plan.end_at == opened_at() + 1_200 * NANOS
    later = [order for order in sent(ran) if order.time_in_force is not TimeInForce.OPG]
    assert later
    assert all(order.record_time >= opened_at() for order in later)


@pytest.mark.parametrize(
    ("wish", "rules", "state", "first_s"),
    [
        ({"before_open": "wait"}, {}, InstructionState.FILLED, 300),
        ({"before_open": "auction"}, {}, InstructionState.FILLED, -400),
        ({"before_open": "refuse"}, {}, InstructionState.REJECTED, None),
        ({}, {"before_open": "auction"}, InstructionState.FILLED, -400),
        ({}, {}, InstructionState.REJECTED, None),
    ],
)
def test_before_the_open_a_decision_waits_goes_into_the_auction_or_is_refused(
    wish: dict[str, str],
    rules: dict[str, str],
    state: InstructionState,
    first_s: float | None,
    tmp_path: Path,
) -> None:
    fields = decision("market", **wish)
    ran = before_the_open(tmp_path / "a.db", [fields], 400, **rules)
    assert only(ran).state is state
    times = [(order.record_time - opened_at()) / NANOS for order in sent(ran)]
    assert (times[0] if times else None) == (
        None if first_s is None else pytest.approx(first_s, abs=2)
    )


def test_after_its_cut_off_the_opening_auction_is_refused(tmp_path: Path) -> None:
    fields = decision("twap", auction="open", **FREE)
    made = only(before_the_open(tmp_path / "a.db", [fields], 60))
    assert made.state is InstructionState.REJECTED
    assert [refusal.field for refusal in made.refusals if refusal.reason is Reason.AUCTION] == [
        "auction"
    ]
