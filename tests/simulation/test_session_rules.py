"""Deferral, the end of the session, the price bound's choices, and the message budget."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters import live_run
from fillwright.adapters.brokers.simulated import SimulatedBroker
from fillwright.adapters.engine import Arrival
from fillwright.adapters.simulation import VenueTerms
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.errors import BrokerUnavailable
from fillwright.domain.limits import Limits
from fillwright.domain.ports import NANOS, Position, Side
from fillwright.domain.reasons import EndReason, NothingReason, Reason
from fillwright.domain.states import InstructionState
from tests.simulation.test_crash_points import Boundaries, crash
from tests.simulation.world import (
    START_S,
    STRATEGIES,
    THOROUGH,
    Scene,
    at,
    build,
    check_books,
    closes_at,
    decision,
    exchange_fills,
    instructions,
    logged,
    of_kind,
    only,
    outcome,
    run,
    shared_data,
)

D = Decimal
SESSION_S = 23_400


# -- deferral --------------------------------------------------------------------------------------


def test_a_decision_at_the_open_is_released_by_the_engine_after_five_minutes(
    tmp_path: Path,
) -> None:
    ran = run(Scene([decision("market")], arrive_s=30), tmp_path / "a.db")
    check_books(ran)
    made, events = only(ran), logged(ran)
    planned = of_kind(events, e.InstructionPlanned)[0]
    assert planned.release_at == at(300)
    assert planned.reservation.turnover_usd > 0, "limits stay reserved while it waits"
    assert made.state is InstructionState.FILLED
    first = of_kind(events, e.OrderIntended)[0]
    assert at(300) <= first.record_time <= at(302)
    assert made.received_at == at(30), "the arrival is never moved"


def test_urgent_decisions_avoid_nothing(tmp_path: Path) -> None:
    ran = run(Scene([decision("market", urgency="urgent")], arrive_s=30), tmp_path / "a.db")
    assert of_kind(logged(ran), e.OrderIntended)[0].record_time < at(32)


def test_a_deferred_decision_is_released_once_whatever_crashes(tmp_path: Path) -> None:
    scene, calm = Scene([decision("iceberg", window="1m")], arrive_s=30), Boundaries()
    expected = outcome(run(scene, tmp_path / "whole.db", calm))
    for number in range(1, len(calm.seen) + 1, 1 if THOROUGH else 2):
        store = tmp_path / f"{number}.db"
        assert crash(scene, store, number)
        again = run(scene, store)
        check_books(again)
        assert outcome(again) == expected, number
        orders = of_kind(logged(again), e.OrderIntended)
        assert min(x.record_time for x in orders) >= at(300)


def test_another_restart_before_the_release_does_not_release_early(tmp_path: Path) -> None:
    scene, calm = Scene([decision("market")], arrive_s=30), Boundaries()
    run(scene, tmp_path / "whole.db", calm)
    assert crash(scene, tmp_path / "a.db", 3)
    later = Scene([decision("market")], arrive_s=30, start_s=120)
    ran = run(later, tmp_path / "a.db")
    assert min(x.record_time for x in of_kind(logged(ran), e.OrderIntended)) >= at(300)
    check_books(ran)


def test_a_release_reserves_what_its_shares_cost_now(tmp_path: Path) -> None:
    """Between receipt and release the price moves; the turnover that is kept follows it."""
    fields = decision("twap", decision_id="a", window="5m", order_size="100", target_weight=50)
    ran = run(
        Scene([fields], arrive_s=30, limits=Limits(position_pct_max=D(60))), tmp_path / "a.db"
    )
    check_books(ran)
    planned = of_kind(logged(ran), e.InstructionPlanned)[0].reservation
    (replanned,) = of_kind(logged(ran), e.InstructionReplanned)
    assert replanned.reservation.quantity == replanned.plan.quantity == 100
    assert replanned.reservation.price != planned.price
    with Log.open(ran.log.url, writer=False) as log:
        kept = {key: used for key, used in log.counters().items() if used}
    assert kept == ran.engine.desk.usage.counters()


class Dumb:
    """A broker that cannot be asked for a while."""

    def __init__(self, inner: Any, since: int, until: int) -> None:
        self._inner, self._since, self._until = inner, since, until
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _answer(self) -> None:
        if self._since <= self._inner.clock.now() < self._until:
            self.refused += 1
            raise BrokerUnavailable("no answer")

    async def positions(self) -> Any:
        self._answer()
        return await self._inner.positions()

    async def reports_since(self, client_order_ids: Any) -> Any:
        self._answer()
        return await self._inner.reports_since(client_order_ids)


def test_a_release_waits_until_the_broker_can_be_asked(tmp_path: Path) -> None:
    brokers: list[Dumb] = []

    def dumb(inner: Any) -> Dumb:
        brokers.append(Dumb(inner, at(290), at(320)))
        return brokers[0]

    ran = run(Scene([decision("market")], arrive_s=30, broker=dumb), tmp_path / "a.db")
    check_books(ran)
    assert brokers[0].refused > 0
    assert only(ran).state is InstructionState.FILLED
    assert min(x.record_time for x in of_kind(logged(ran), e.OrderIntended)) >= at(320)


# -- the end of the session ------------------------------------------------------------------------


@pytest.mark.parametrize("must_complete", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_outlives_the_session(strategy: str, must_complete: bool, tmp_path: Path) -> None:
    fields = decision(
        strategy, window="2h", urgency="urgent", must_complete=must_complete, target_weight=4.9
    )
    ran = run(Scene([fields], arrive_s=SESSION_S - 240), tmp_path / "a.db")
    made, events = only(ran), logged(ran)
    if made.state is InstructionState.REJECTED:
        assert made.refusals
        return
    check_books(ran)
    assert made.plan is not None
    assert made.plan.end_at <= closes_at()
    assert made.ended_at is not None
    assert made.ended_at <= closes_at() + 10 * NANOS
    closed = of_kind(events, e.SessionClosed)
    assert [(x.open_orders, x.breaks) for x in closed] == [(0, ())]


def test_a_rest_that_expires_at_the_close_ends_its_instruction(tmp_path: Path) -> None:
    """The strategy's own cancel is lost; the venue's expiry at the close is the proof."""
    from fillwright.adapters.exchange.terms import Faults, Outage

    outage = Outage(at(SESSION_S - 120), closes_at() + 3600 * NANOS)
    fields = decision(
        "limit", limit_price="175", window="2h", urgency="urgent", must_complete=False
    )
    scene = Scene(
        [fields], arrive_s=SESSION_S - 240, venue=VenueTerms(faults=Faults(outages=(outage,)))
    )
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    made = only(ran)
    assert made.state is InstructionState.CANCELLED
    expired = of_kind(logged(ran), e.OrderExpired)
    assert expired
    assert expired[-1].report.market_time >= closes_at()


def test_a_decision_in_the_last_minutes_waits_for_no_tomorrow_it_does_not_know(
    tmp_path: Path,
) -> None:
    ran = run(Scene([decision("twap")], arrive_s=SESSION_S - 300), tmp_path / "a.db")
    made = only(ran)
    assert made.is_done
    assert of_kind(logged(ran), e.OrderIntended) == []


# -- the price bound -------------------------------------------------------------------------------


def rising() -> float:
    """A moment after which AAPL's ask rises by more than 6 bps within two minutes."""
    data = shared_data()
    for second in range(START_S, 20_000, 15):
        now = data.state("AAPL", at(second)).quote
        if now is None or now.half_spread_bps > 1:
            continue
        later = [data.state("AAPL", at(second + ahead)).quote for ahead in (2, 60, 120, 180)]
        asks = [quote.ask for quote in later if quote is not None]
        if len(asks) == 4 and all((ask / now.mid - 1) * 10_000 > 3 for ask in asks):
            return second
    raise AssertionError("the generated day has no such moment")


def bounded(on_bound: str, tmp_path: Path) -> Any:
    fields = decision(
        "twap",
        max_slippage="2",
        on_bound=on_bound,
        window="3m",
        slices=6,
        must_complete=False,
        target_weight=4.9,
    )
    ran = run(Scene([fields], arrive_s=rising()), tmp_path / "a.db")
    check_books(ran)
    made = only(ran)
    assert made.plan is not None
    assert all(fill.last_price <= made.plan.bound_price for fill in exchange_fills(ran))
    assert made.state is InstructionState.CANCELLED
    return ran


def test_resting_at_the_bound_gives_up_at_the_end_and_says_what_would_have_done(
    tmp_path: Path,
) -> None:
    ran = bounded("rest", tmp_path)
    made = only(ran)
    assert made.end_reason is EndReason.SLIPPAGE_BOUND
    assert made.completing_price is not None
    assert made.completing_price > made.plan.bound_price
    assert made.ended_at >= made.plan.end_at


def test_cancelling_at_the_bound_ends_when_the_market_leaves_it(tmp_path: Path) -> None:
    ran = bounded("cancel", tmp_path)
    made = only(ran)
    assert made.end_reason is EndReason.SLIPPAGE_BOUND
    assert made.ended_at < made.plan.end_at
    assert made.completing_price > made.plan.bound_price


def test_escalating_at_the_bound_asks_once_and_sends_nothing_meanwhile(tmp_path: Path) -> None:
    ran = bounded("escalate", tmp_path)
    asked = of_kind(logged(ran), e.InstructionEscalated)
    assert len(asked) == 1
    assert asked[0].completing_price > asked[0].bound_price
    assert of_kind(logged(ran), e.InstructionReplanned) == []


def test_a_spread_that_alone_exceeds_the_bound_is_refused_with_what_would_pass(
    tmp_path: Path,
) -> None:
    ran = run(Scene([decision("twap", max_slippage="0.01")]), tmp_path / "a.db")
    made = only(ran)
    assert made.state is InstructionState.REJECTED
    (refusal,) = [r for r in made.refusals if r.reason is Reason.SPREAD_EXCEEDS_BOUND]
    assert refusal.would_pass


# -- the message budget ----------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_message_budget_is_kept_and_the_run_still_ends(strategy: str, tmp_path: Path) -> None:
    """Orders leave a share of the budget to cancels, and cancels are never held back by orders."""
    scene = Scene([decision(strategy, window="3m")], rules={"messages_per_minute": 26})
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    sent = [x.record_time for x in of_kind(logged(ran), e.OrderIntended, e.OrderCancelRequested)]
    busiest = max(
        (sum(1 for x in sent if start <= x < start + 60 * NANOS) for start in sent), default=0
    )
    assert busiest <= 26
    if strategy != "limit":
        assert only(ran).state is InstructionState.FILLED


def test_what_the_budget_holds_back_is_sent_when_it_allows(tmp_path: Path) -> None:
    many = [decision("market", decision_id=f"d{i}", target_weight=0.3 + i / 100) for i in range(6)]
    many = [{**fields, "order_size": "5"} for fields in many]
    scene = Scene(many, rules={"messages_per_minute": 23})
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    first = [x.record_time for x in of_kind(logged(ran), e.OrderIntended)]
    assert first
    assert len([x for x in first if x < at(START_S + 59)]) <= 23


class TurnsOver:
    """A broker whose position in AAPL is on the other side some time after the open."""

    def __init__(self, inner: SimulatedBroker) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def positions(self) -> Mapping[str, Position]:
        found = await self._inner.positions()
        if self._inner.clock.now() < at(200):
            return found
        return {
            symbol: replace(one, quantity=-one.quantity, market_value=-one.market_value)
            for symbol, one in found.items()
        }


def test_a_deferred_decision_is_not_worked_on_the_side_that_it_has_not_reserved(
    tmp_path: Path,
) -> None:
    close = decision("market", action="CLOSE", target_weight=None)
    held = VenueTerms(positions={"AAPL": D(40)})
    ran = run(Scene([close], arrive_s=30, venue=held, broker=TurnsOver), tmp_path / "a.db")
    made, events = only(ran), logged(ran)
    (planned,) = of_kind(events, e.InstructionPlanned)
    assert (planned.plan.side, planned.release_at) == (Side.SELL, at(300))
    assert of_kind(events, e.OrderIntended) == []
    assert made.state is InstructionState.NO_CHANGE
    (ended,) = of_kind(events, e.NothingToDo)
    assert ended.reason is NothingReason.OPPOSITE_OF_ACTION
    assert "new decision" in ended.note
    assert {key: used for key, used in ran.engine.desk.usage.counters().items() if used} == {}


def test_a_deadline_is_kept_though_what_waits_would_use_up_the_budget(tmp_path: Path) -> None:
    """Five orders a minute are left beside the cancels, and six icebergs rest and rest again."""
    waiting = [
        decision(
            "iceberg",
            decision_id=f"w{n}",
            symbol="KO",
            target_weight=None,
            order_size=400 + n,
            window="20m",
            must_complete=False,
        )
        for n in range(6)
    ]
    due = decision("market", decision_id="due", target_weight=3, window="3m", style="smart")
    scene = Scene(
        [*waiting, due],
        arrivals={"due": START_S + 30},
        rules={"messages_per_minute": 25},
        limits=Limits(position_pct_max=D(60), turnover_pct_max=D(400)),
    )
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    made = {one.decision_id: one for one in instructions(ran)}["due"]
    assert made.state is InstructionState.FILLED
    assert made.plan is not None
    assert made.ended_at is not None
    assert made.ended_at <= made.plan.end_at + 5 * NANOS


class Busy:
    """A broker that refuses some of what it is asked at the end of the session."""

    def __init__(self, inner: Any, times: int) -> None:
        self._inner, self._times = inner, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def open_orders(self) -> Any:
        if self._times:
            self._times -= 1
            raise BrokerUnavailable("429: too many requests")
        return await self._inner.open_orders()


@pytest.mark.parametrize("is_patient", [True, False])
def test_books_are_closed_when_the_broker_can_be_asked_again(
    is_patient: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_run, "ASK_AGAIN_SECONDS", 0.01)
    scene = Scene([decision("market")], broker=lambda inner: Busy(inner, 3))
    simulation = build(scene, tmp_path / "a.db")
    over = replace(simulation.session, close=at(0))

    def recorded() -> tuple[int, int]:
        events = logged(simulation)
        return len(of_kind(events, e.MarketDataCaptured)), len(of_kind(events, e.SessionClosed))

    async def ends() -> None:
        with simulation:
            simulation.engine.schedule(Arrival(scene.decisions[0]), at(START_S))
            await simulation.engine.run()
            assert recorded() == (0, 0)
            for _ in range(0 if is_patient else 3):
                with pytest.raises(BrokerUnavailable):
                    await live_run.record_end(simulation.engine, over, is_patient=False)
            # What was used is recorded whatever happens, and once.
            assert recorded() == ((0, 0) if is_patient else (2, 0))
            for _ in range(2):
                await live_run.record_end(simulation.engine, over, is_patient=is_patient)
                assert recorded() == (2, 1)

    asyncio.run(ends())
