"""What a venue gets wrong: reports doubled, late or lost, answers missing, orders refused."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from fillwright.adapters.brokers.simulated import SimulatedBroker
from fillwright.adapters.exchange.terms import Faults, Outage
from fillwright.adapters.simulation import Simulation, VenueTerms
from fillwright.domain import events as e
from fillwright.domain.ports import NANOS, BrokerCommand, BrokerOrder, SubmitOrder
from fillwright.domain.reasons import EndReason, Reason
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    START_S,
    STRATEGIES,
    THOROUGH,
    Scene,
    at,
    check_books,
    closes_at,
    decision,
    duplicates,
    exchange_fills,
    logged,
    of_kind,
    only,
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
