"""Halts, market-wide halts and LULD bands as a whole engine meets them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fillwright.adapters.exchange.terms import Band, Halt
from fillwright.adapters.market_data.closes import session_before
from fillwright.adapters.market_data.history import BarHistory, Bars
from fillwright.adapters.market_data.luld_tape import bands_of
from fillwright.adapters.market_data.recorded import RecordedMarketData
from fillwright.adapters.simulation import Simulation, VenueTerms, simulate
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain import events as e
from fillwright.domain.market import HaltCause
from fillwright.domain.ports import NANOS
from fillwright.projections.halts import halts_of
from tests.simulation.world import (
    START_S,
    Scene,
    at,
    check_books,
    closes_at,
    decision,
    exchange_fills,
    instructions,
    logged,
    market,
    of_kind,
    only,
    opened_at,
    play,
    run,
)

D = Decimal
MINUTE = 60 * NANOS


def test_a_pause_is_recorded_with_its_cause_time_and_cost(tmp_path: Path) -> None:
    start, end = at(START_S + 60), at(START_S + 360)
    halt = Halt("AAPL", start, end, HaltCause.LULD_PAUSE)
    fields = decision("twap", window="15m", target_weight=4.9)
    ran = run(Scene([fields], venue=VenueTerms(halts=(halt,))), tmp_path / "a.db")
    check_books(ran)
    events = logged(ran)
    (suspended,) = of_kind(events, e.InstructionSuspended)
    (resumed,) = of_kind(events, e.InstructionResumed)
    assert (suspended.cause, suspended.since) == ("luld_pause", start)
    before = market().market_data().state("AAPL", start - 1).quote
    assert before is not None
    assert suspended.mid == before.mid, "the mid before the halt, not one out of it"
    assert suspended.remaining == resumed.remaining, "nothing trades in a halt"
    assert resumed.cost == resumed.remaining * (resumed.mid - suspended.mid)
    # The reopening print comes first, and then the delay.
    assert resumed.record_time >= end + 30 * NANOS
    (row,) = halts_of(events)
    assert (row.cause, row.cost, row.ended) == ("luld_pause", resumed.cost, False)
    assert row.stopped_ns == resumed.stopped_ns >= 300 * NANOS
    assert [f for f in exchange_fills(ran) if start <= f.market_time < end] == []


def test_a_halt_to_the_close_costs_what_the_unfilled_part_moved(tmp_path: Path) -> None:
    halt = Halt("AAPL", at(START_S + 30), closes_at())
    fields = decision("twap", window="10m", must_complete=False)
    ran = run(Scene([fields], venue=VenueTerms(halts=(halt,))), tmp_path / "a.db")
    (row,) = halts_of(logged(ran))
    assert row.ended
    assert row.until == only(ran).ended_at
    assert row.cost == 0, "the quote stands still in a halt"


def test_a_market_wide_halt_stops_every_symbol(tmp_path: Path) -> None:
    start, end = at(START_S + 30), at(START_S + 120)
    halt = Halt("*", start, end, HaltCause.MARKET_WIDE)
    decisions = [
        decision("twap", decision_id="a", window="10m"),
        decision("iceberg", decision_id="k", symbol="KO", window="10m"),
    ]
    ran = run(Scene(decisions, venue=VenueTerms(halts=(halt,))), tmp_path / "a.db")
    check_books(ran)
    suspended = of_kind(logged(ran), e.InstructionSuspended)
    assert {x.originator_id for x in suspended} == {i.id for i in instructions(ran)}
    assert {x.cause for x in suspended} == {"market_wide"}
    sent = [x.record_time for x in of_kind(logged(ran), e.OrderIntended)]
    assert [x for x in sent if start < x < end + 30 * NANOS] == []


@pytest.mark.parametrize("strategy", ["market", "twap"])
def test_nothing_trades_beyond_a_price_band(strategy: str, tmp_path: Path) -> None:
    quote = market().market_data().state("AAPL", at(START_S)).quote
    assert quote is not None
    upper = quote.bid  # nobody sells inside this band: all that is sent rests at its edge
    band = Band("AAPL", at(0), closes_at(), upper * D("0.9"), upper)
    fields = decision(strategy, window="5m", must_complete=False)
    ran = run(Scene([fields], venue=VenueTerms(bands=(band,))), tmp_path / "a.db")
    check_books(ran)
    sent = of_kind(logged(ran), e.OrderIntended)
    assert sent
    assert all(x.limit_price is not None and x.limit_price <= upper for x in sent)
    assert all(f.last_price <= upper for f in exchange_fills(ran))
    assert all(x.provenance.market.trading.band is not None for x in sent)


def test_an_order_on_the_far_side_of_the_band_is_held(tmp_path: Path) -> None:
    quote = market().market_data().state("AAPL", at(START_S)).quote
    assert quote is not None
    band = Band("AAPL", at(0), closes_at(), quote.ask, quote.ask * D("1.1"))
    limit = str(quote.bid - D(1))
    fields = decision("limit", window="5m", limit_price=limit, must_complete=False)
    ran = run(Scene([fields], venue=VenueTerms(bands=(band,))), tmp_path / "a.db")
    assert of_kind(logged(ran), e.OrderIntended) == []
    assert only(ran).is_done


def test_while_updates_cannot_be_heard_nothing_new_is_decided(tmp_path: Path) -> None:
    lost, back = at(START_S + 60), at(START_S + 240)

    async def lose(simulation: Simulation) -> None:
        simulation.engine.desk.broker.is_deaf = True  # type: ignore[attr-defined]

    async def hear(simulation: Simulation) -> None:
        simulation.engine.desk.broker.is_deaf = False  # type: ignore[attr-defined]

    fields = decision("twap", window="15m", target_weight=4.9)
    ran = run(Scene([fields], moments=[(lost, lose), (back, hear)]), tmp_path / "a.db")
    check_books(ran)
    events = logged(ran)
    (suspended,) = of_kind(events, e.InstructionSuspended)
    (resumed,) = of_kind(events, e.InstructionResumed)
    assert suspended.cause == "trade_updates_down"
    assert suspended.record_time >= lost
    assert resumed.record_time >= back
    intended = [event.record_time for event in of_kind(events, e.OrderIntended)]
    assert any(at < suspended.record_time for at in intended)
    assert any(at > resumed.record_time for at in intended)
    assert [at for at in intended if suspended.record_time < at < resumed.record_time] == []


def test_a_pause_that_the_tape_makes_stops_the_engine_as_a_planned_one_does(tmp_path: Path) -> None:
    """The bands are made around a close a hundredth of the price: fifteen cents to either side."""
    days = [day for day in market().days() if day.symbol == "AAPL"]
    session = market().sessions[0]
    before = session_before(ExchangeCalendar(), session)
    assert before is not None
    low = np.array([0.5])
    bars = Bars(np.array([before.open], dtype=np.int64), np.array([1.0]), low, low)
    history = BarHistory({"AAPL": bars}, ExchangeCalendar())
    pauses = bands_of(days[0], session, D("0.5"), 1).pauses
    between = [(one.end, two.start) for one, two in pairwise(pauses)]
    opens, pauses_at = next(
        (opens, again) for opens, again in between if opens > at(START_S) and again - opens > MINUTE
    )
    ran = simulate(
        days,
        store=str(tmp_path / "a.db"),
        venue=VenueTerms(luld_tiers={"AAPL": 1}),
        market=RecordedMarketData(days, history=history),
        start_at=opens,
    )
    arrives = (opens + MINUTE // 2 - opened_at()) / NANOS
    wanted = decision("twap", window="60m", must_complete=False)
    asyncio.run(play(ran, Scene([wanted], arrive_s=arrives)))
    events = logged(ran)
    suspended = of_kind(events, e.InstructionSuspended)
    assert suspended[0].since == pauses_at
    assert {event.cause for event in suspended} == {"luld_pause"}
    assert ran.exchange.terms.halts == pauses
    for fill in exchange_fills(ran):
        assert not any(halt.start <= fill.market_time < halt.end for halt in pauses)
        band = ran.exchange.terms.band("AAPL", fill.market_time)
        assert band is None or band.lower <= (fill.last_price or 0) <= band.upper
