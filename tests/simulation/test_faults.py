"""What a venue gets wrong: reports doubled, late or lost, answers missing, orders refused."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.brokers.simulated import SimulatedBroker
from fillwright.adapters.engine import Arrival
from fillwright.adapters.exchange.terms import Faults, Halt, Outage
from fillwright.adapters.simulation import Simulation, VenueTerms
from fillwright.domain import events as e
from fillwright.domain.errors import BrokerUnavailable
from fillwright.domain.limits import Limits
from fillwright.domain.ports import (
    NANOS,
    BrokerCommand,
    BrokerOrder,
    ExecutionReport,
    ReportKind,
    SubmitOrder,
)
from fillwright.domain.reasons import EndReason, Reason
from fillwright.domain.states import InstructionState
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
    duplicates,
    exchange_fills,
    logged,
    of_kind,
    only,
    opened_at,
    outcome,
    run,
)

SEEDS = range(12 if THOROUGH else 3)
SHORT = {"window": "90s"}


def venue(**faults: object) -> VenueTerms:
    return VenueTerms(faults=Faults(**faults))  # type: ignore[arg-type]


# -- reports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_doubled_late_and_lost_reports_change_no_sum(
    strategy: str, seed: int, tmp_path: Path
) -> None:
    faults = venue(
        seed=seed,
        duplicate_probability=0.3,
        late_probability=0.3,
        missing_probability=0.3,
        late_ns=3 * NANOS,
    )
    ran = run(Scene([decision(strategy, **SHORT)], venue=faults), tmp_path / "a.db")
    check_books(ran)
    if strategy != "limit":
        assert only(ran).state is InstructionState.FILLED


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_doubled_reports_leave_the_log_as_it_was(strategy: str, tmp_path: Path) -> None:
    calm = run(Scene([decision(strategy, **SHORT)]), tmp_path / "calm.db")
    doubled = venue(duplicate_probability=1.0)
    twice = run(Scene([decision(strategy, **SHORT)], venue=doubled), tmp_path / "twice.db")
    assert logged(calm) == logged(twice)


class LosesAFill:
    """A broker whose first fill of a part is lost on the way; ``is_deaf`` keeps it to itself."""

    def __init__(self, inner: SimulatedBroker, *, is_deaf: bool) -> None:
        self._inner, self._is_deaf = inner, is_deaf
        self.lost: set[str | None] = set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def drain(self) -> list[ExecutionReport]:
        reports = self._inner.drain()
        parts = [r.execution_id for r in reports if r.kind is ReportKind.TRADE and r.leaves_qty]
        if not self.lost:
            self.lost.update(parts[:1])
        return [r for r in reports if r.execution_id is None or r.execution_id not in self.lost]

    async def reports_since(self, names: Sequence[str]) -> list[ExecutionReport]:
        reports = await self._inner.reports_since(names)
        return [r for r in reports if not (self._is_deaf and r.execution_id in self.lost)]


LARGE = Limits(position_pct_max=Decimal(1_000), turnover_pct_max=Decimal(1_000))


def loses_a_fill(*, is_deaf: bool) -> Scene:
    """An order larger than the book inside its bound, so that each part ends unfilled."""
    given = {"target_weight": None, "order_size": "4900", "max_slippage": "1"}
    fields = decision("market", window="2m", must_complete=False, **given)
    return Scene([fields], limits=LARGE, broker=lambda inner: LosesAFill(inner, is_deaf=is_deaf))


def test_a_fill_that_the_end_of_its_order_overtakes_for_ever_is_asked_for(tmp_path: Path) -> None:
    ran = run(loses_a_fill(is_deaf=False), tmp_path / "a.db")
    check_books(ran)
    assert len(ran.engine.desk.broker.lost) == 1  # type: ignore[attr-defined]
    assert only(ran).state is InstructionState.FILLED


def test_a_missing_fill_is_asked_for_until_the_broker_has_answered(tmp_path: Path) -> None:
    """What took the fill may have taken the answers too, for longer than it is asked about."""
    back = at(START_S + 300)

    class Silent(LosesAFill):
        async def reports_since(self, names: Sequence[str]) -> list[ExecutionReport]:
            if self.lost and self._inner.clock.now() < back:
                raise BrokerUnavailable("no answer")
            return await super().reports_since(names)

    scene = loses_a_fill(is_deaf=False)
    ran = run(replace(scene, broker=lambda inner: Silent(inner, is_deaf=False)), tmp_path / "a.db")
    check_books(ran)
    orders = only(ran).orders.values()
    assert [order.missing_qty for order in orders if order.missing_qty] == []


def test_a_fill_that_was_missing_at_the_end_is_asked_for_at_the_next_start(tmp_path: Path) -> None:
    scene = replace(loses_a_fill(is_deaf=True), close=False)
    without = run(scene, tmp_path / "a.db")
    missing = [order.missing_qty for order in only(without).orders.values() if order.missing_qty]
    assert len(missing) == 1
    after = run(Scene(close=False), tmp_path / "a.db")
    check_books(after)
    assert only(after).executed == only(without).executed + missing[0]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_instruction_ends_though_every_report_is_lost(strategy: str, tmp_path: Path) -> None:
    ran = run(
        Scene([decision(strategy, **SHORT)], venue=venue(missing_probability=1.0)),
        tmp_path / "a.db",
    )
    check_books(ran)
    asked = of_kind(logged(ran), e.Reconciled)
    assert any(event.trigger == "silence" for event in asked)


def test_a_lost_final_fill_is_learned_within_seconds(tmp_path: Path) -> None:
    ran = run(Scene([decision("market")], venue=venue(missing_probability=1.0)), tmp_path / "a.db")
    filled = of_kind(logged(ran), e.InstructionFilled)[0]
    assert filled.record_time - at(START_S) <= 10 * NANOS
    fill = of_kind(logged(ran), e.OrderFilled)[0]
    assert fill.market_time < fill.record_time, "the venue's time stays what the venue says"


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_request_without_an_answer_is_sent_at_most_once_more_under_its_id(
    strategy: str, accepted: bool, tmp_path: Path
) -> None:
    outages = (
        Outage(at(START_S), at(START_S + 3), accepted),
        Outage(at(START_S + 40), at(START_S + 45), accepted),
    )
    scene = Scene([decision(strategy, **SHORT)], venue=venue(outages=outages))
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    assert of_kind(logged(ran), e.OrderIndeterminate)
    if strategy != "limit":
        assert only(ran).state is InstructionState.FILLED


def test_an_order_the_broker_never_got_goes_again_under_the_same_id(tmp_path: Path) -> None:
    outage = Outage(at(START_S), at(START_S + 2))
    ran = run(Scene([decision("market")], venue=venue(outages=(outage,))), tmp_path / "a.db")
    made = only(ran)
    assert made.state is InstructionState.FILLED
    assert len(made.orders) == 1
    assert [order.client_order_id for order in ran.exchange.orders()] == list(made.orders)


class Watched:
    """A broker that keeps when which orders were handed over, and answers none before ``until``."""

    def __init__(self, inner: SimulatedBroker, until: int = 0) -> None:
        self._inner, self._until = inner, until
        self.sent: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def send(self, commands: Sequence[BrokerCommand]) -> None:
        now = self._inner.clock.now()
        orders = [one for one in commands if isinstance(one, SubmitOrder)]
        self.sent += [now] * len(orders)
        lost = orders if now < self._until else []
        await self._inner.send([one for one in commands if one not in lost])


def test_an_order_the_broker_never_got_does_not_go_out_in_a_halt(tmp_path: Path) -> None:
    """It goes again once trading has resumed and the delay is over, like all that is left."""
    halt = Halt("AAPL", at(START_S + 3), at(START_S + 60))
    scene = Scene(
        [decision("market", window="10m")],
        venue=VenueTerms(halts=(halt,)),
        broker=lambda inner: Watched(inner, until=at(START_S + 8)),
    )
    ran = run(scene, tmp_path / "a.db")
    sent = ran.engine.desk.broker.sent  # type: ignore[attr-defined]
    assert len(sent) >= 2
    assert [when for when in sent if halt.start <= when < halt.end + 30 * NANOS] == []
    assert only(ran).state is InstructionState.FILLED


def test_an_order_the_broker_never_got_does_not_go_out_while_all_is_wound_down(
    tmp_path: Path,
) -> None:
    scene = Scene(
        [decision("market", window="10m")],
        broker=lambda inner: Watched(inner, until=at(START_S + 1)),
    )

    async def stopped() -> tuple[int, int]:
        with build(scene, tmp_path / "a.db") as simulation:
            engine = simulation.engine
            watched: Any = engine.desk.broker
            arrival = engine.schedule(Arrival(dict(scene.decisions[0])), at(START_S))
            await arrival
            while not watched.sent:
                await asyncio.sleep(0)
            before = len(watched.sent)
            simulation.clock.set(at(START_S + 2))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(engine.rest(cancel_orders=True), 2.5)
            return before, len(watched.sent)

    assert asyncio.run(stopped()) == (1, 1)


@pytest.mark.parametrize("is_answered", [True, False], ids=["unknown outcome", "never sent"])
def test_an_order_the_broker_does_not_have_is_not_cancelled_over_and_over(
    is_answered: bool, tmp_path: Path
) -> None:
    """It stays reserved to the close, as it may still come; till then it is asked for."""
    looked_up: list[int] = []

    async def stop(simulation: Simulation) -> None:
        desk = simulation.engine.desk
        (id,) = desk.active
        find = desk.broker.find_order

        async def counted(name: str) -> BrokerOrder | None:
            looked_up.append(desk.now)
            return await find(name)

        desk.broker.find_order = counted  # type: ignore[method-assign]
        await simulation.engine.cancel(id, EndReason.USER, "test")

    def losing(inner: SimulatedBroker) -> SimulatedBroker:
        """As after a kill between the intent and the wire."""
        send = inner.send

        async def lost(commands: Sequence[BrokerCommand]) -> None:
            await send([one for one in commands if not isinstance(one, SubmitOrder)])

        inner.send = lost  # type: ignore[method-assign]
        return inner

    outages = (Outage(at(START_S), at(START_S + 3)),) if is_answered else ()
    scene = Scene(
        [decision("market")],
        venue=venue(outages=outages),
        moments=[(at(START_S + 3), stop)],
        broker=None if is_answered else losing,
    )
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    assert only(ran).end_reason is EndReason.USER
    assert list(ran.exchange.orders()) == []
    assert len(of_kind(logged(ran), e.OrderCancelRequested)) == 1
    assert logged(ran)[-1].record_time >= closes_at()
    gaps = [after - before for before, after in itertools.pairwise(looked_up)]
    assert max(gaps) > 300 * NANOS
    assert len(looked_up) < 150


def test_an_order_the_broker_got_is_not_sent_again(tmp_path: Path) -> None:
    outage = Outage(at(START_S), at(START_S + 2), accepted=True)
    ran = run(Scene([decision("market")], venue=venue(outages=(outage,))), tmp_path / "a.db")
    assert duplicates(ran) == {}
    assert len(exchange_fills(ran)) == len(of_kind(logged(ran), e.OrderFilled))
    assert only(ran).state is InstructionState.FILLED


def test_shares_of_unknown_outcome_are_never_sent_under_another_id(tmp_path: Path) -> None:
    """The broker is away for the whole window: nothing else is tried with those shares."""
    outage = Outage(at(START_S), at(START_S + 900))
    scene = Scene([decision("market", window="60s")], venue=venue(outages=(outage,)))
    ran = run(scene, tmp_path / "a.db")
    made = only(ran)
    assert len(made.orders) == 1
    assert made.executed == 0
    assert made.state is InstructionState.CANCELLED
    assert made.is_done
    assert not made.live
    check_books(ran)


@pytest.mark.parametrize("accepted", [False, True])
def test_a_crash_while_an_outcome_is_unknown_sends_nothing_twice(
    accepted: bool, tmp_path: Path
) -> None:
    from tests.simulation.test_crash_points import Boundaries, crash

    outages = (Outage(at(START_S), at(START_S + 4), accepted),)
    scene = Scene([decision("twap", slices=3, window="30s")], venue=venue(outages=outages))
    calm = Boundaries()
    expected = outcome(run(scene, tmp_path / "whole.db", calm))
    for number in range(1, len(calm.seen) + 1, 1 if THOROUGH else 6):
        assert crash(scene, tmp_path / f"{number}.db", number)
        again = run(scene, tmp_path / f"{number}.db")
        check_books(again)
        assert outcome(again) == expected


# -- refusals --------------------------------------------------------------------------------------


def test_a_broker_that_refuses_everything_is_asked_a_bounded_number_of_times(
    tmp_path: Path,
) -> None:
    scene = Scene(
        [decision("market")], venue=venue(reject_probability=1.0), rules={"rejects_max": 3}
    )
    ran = run(scene, tmp_path / "a.db")
    made = only(ran)
    assert made.state is InstructionState.REJECTED
    assert made.refusals[0].reason is Reason.BROKER_REJECTED
    assert "rejected by the venue" in made.refusals[0].message
    assert len(made.orders) == 3
    check_books(ran)


def test_after_a_fill_a_refusing_broker_ends_it_as_cancelled(tmp_path: Path) -> None:
    """The book holds less than is asked for, so there is more than one order, all but one bad."""
    rejected_first = next(
        seed
        for seed in range(500)
        if not (faults := Faults(seed=seed, reject_probability=0.85)).strikes("reject", ids()[0])
        and all(faults.strikes("reject", name) for name in ids()[1:6])
    )
    faults = Faults(seed=rejected_first, reject_probability=0.85)
    scene = Scene([decision("twap", slices=8)], venue=VenueTerms(faults=faults))
    ran = run(scene, tmp_path / "a.db")
    made = only(ran)
    assert made.state is InstructionState.CANCELLED
    assert made.end_reason is EndReason.BROKER_REJECTED
    assert made.executed > 0
    check_books(ran)


def ids() -> list[str]:
    from fillwright.domain.ids import client_order_id, instruction_id

    made = instruction_id("sim", "d-twap")
    return [client_order_id(made, ordinal) for ordinal in range(8)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_some_refusals_do_not_stop_an_instruction(strategy: str, seed: int, tmp_path: Path) -> None:
    faults = venue(seed=seed, reject_probability=0.2)
    scene = Scene([decision(strategy, **SHORT)], venue=faults, rules={"rejects_max": 10})
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    if strategy != "limit":
        assert only(ran).state is InstructionState.FILLED


class Forgetful:
    """A broker that says nothing of its orders and has none in its lists, but in its fills."""

    def __init__(self, inner: Any, until: int) -> None:
        self._inner, self._until = inner, until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def drain(self) -> list[ExecutionReport]:
        self._inner.drain()
        return []

    async def find_order(self, client_order_id: str) -> None:
        return None

    async def reports_since(self, client_order_ids: Any) -> list[ExecutionReport]:
        return []

    async def may_have_executed(self, request: Any, venue_order_id: Any, since: int) -> bool:
        assert since < self._inner.clock.now()
        return bool(self._inner.clock.now() < self._until)


def test_an_order_that_may_have_executed_is_never_declared_absent(tmp_path: Path) -> None:
    until = closes_at() + 120 * NANOS
    fields = decision("market", window="2h", urgency="urgent", must_complete=False)
    scene = Scene(
        [fields],
        arrive_s=(closes_at() - opened_at()) / NANOS - 120,
        broker=lambda inner: Forgetful(inner, until),
        close=False,
    )
    ran = run(scene, tmp_path / "a.db")
    expired = of_kind(logged(ran), e.OrderExpired)
    assert expired, "once the fills say so it is"
    assert all(x.report.derived for x in expired)
    assert min(x.record_time for x in expired) >= until
