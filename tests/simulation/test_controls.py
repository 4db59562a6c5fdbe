"""What people and rules do to a working instruction: kill, cancel, bounds, self-cross, halts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.exchange.terms import Halt
from fillwright.adapters.replay.deciding_again import decide_again
from fillwright.adapters.simulation import Simulation, VenueTerms
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.errors import InvalidInput
from fillwright.domain.limits import Limits
from fillwright.domain.money import bound_price
from fillwright.domain.ports import NANOS, SubmitOrder
from fillwright.domain.reasons import EndReason, Reason
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    START_S,
    STRATEGIES,
    Scene,
    at,
    check_books,
    check_sums,
    closes_at,
    decision,
    exchange_fills,
    instructions,
    logged,
    of_kind,
    only,
    run,
)

D = Decimal
Moment = Callable[[Simulation], Awaitable[None]]
PERSON = "person:ann"


def killing(scope: str = "account") -> Moment:
    async def act(simulation: Simulation) -> None:
        await simulation.engine.kill(scope, "enough", PERSON)

    return act


def cancelling(decision_id: str | None = None) -> Moment:
    async def act(simulation: Simulation) -> None:
        for made in instructions(simulation):
            if decision_id in (None, made.decision_id):
                await simulation.engine.cancel(made.id, EndReason.USER, PERSON)

    return act


def sent_after(events: list[Any], moment: int) -> list[Any]:
    return [x for x in of_kind(events, e.OrderIntended) if x.record_time > moment]


# -- the kill switch -------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_kill_cancels_what_is_open_and_nothing_is_sent_after(
    strategy: str, tmp_path: Path
) -> None:
    when = at(START_S + 20)
    fields = decision(strategy, window="10m", target_weight=4.9)
    ran = run(Scene([fields], moments=[(when, killing())]), tmp_path / "a.db")
    check_books(ran)
    made, events = only(ran), logged(ran)
    assert sent_after(events, when) == []
    if made.ended_at is not None and made.ended_at >= when:
        assert made.end_reason is EndReason.KILL_SWITCH
        assert len(of_kind(events, e.KillSwitchEngaged)) == 1
    else:
        assert made.state is InstructionState.FILLED


def test_a_cancel_by_rule_without_its_cause_is_named(tmp_path: Path) -> None:
    when = at(START_S + 20)
    fields = decision("limit", limit_price="175", window="10m", must_complete=False)
    ran = run(Scene([fields], moments=[(when, killing())]), tmp_path / "a.db")
    with Log.open(ran.log.name, writer=False) as log:
        records = list(log.events())
    by_rule = [
        r for r in records if isinstance(r.event, e.OrderCancelRequested) and not r.event.provenance
    ]
    whole = decide_again(records)
    assert whole.other_cancels == len(by_rule) > 0
    assert whole.differences == ()
    unkilled = [r for r in records if not isinstance(r.event, e.KillSwitchEngaged)]
    found = decide_again(unkilled).differences
    assert [(one.kind, one.recorded, one.again) for one in found] == [
        ("cancel", "kill_switch", "no cause")
    ] * len(by_rule)


def test_a_kill_of_one_symbol_leaves_the_others_alone(tmp_path: Path) -> None:
    both = [decision("twap"), decision("twap", symbol="KO", decision_id="d-ko")]
    ran = run(Scene(both, moments=[(at(START_S + 20), killing("symbol:KO"))]), tmp_path / "a.db")
    check_books(ran)
    by_id = {made.decision_id: made for made in instructions(ran)}
    assert by_id["d-twap"].state is InstructionState.FILLED
    assert by_id["d-ko"].end_reason is EndReason.KILL_SWITCH


def test_a_killed_account_refuses_decisions_also_after_a_restart(tmp_path: Path) -> None:
    first = Scene([decision("market")], moments=[(at(START_S + 20), killing())], close=False)
    idle = decision("twap", symbol="KO", decision_id="d-idle", window="1m")
    first.decisions = [decision("market"), idle]
    run(first, tmp_path / "a.db")
    late = decision("market", symbol="KO", decision_id="d-late")
    ran = run(Scene([late], arrive_s=START_S + 300), tmp_path / "a.db")
    refused = next(made for made in instructions(ran) if made.decision_id == "d-late")
    assert refused.state is InstructionState.REJECTED
    assert refused.refusals[0].reason is Reason.KILLED


def test_a_kill_without_any_work_is_durable_at_once(tmp_path: Path) -> None:
    async def kill_only(simulation: Simulation) -> None:
        await simulation.engine.kill("account", "enough", PERSON)
        stored = [type(x.event) for x in simulation.log.events()]
        assert e.KillSwitchEngaged in stored

    import asyncio

    from tests.simulation.world import build

    with build(Scene(), tmp_path / "a.db") as simulation:
        asyncio.run(kill_only(simulation))
    ran = run(Scene([decision("market")]), tmp_path / "a.db")
    assert only(ran).refusals[0].reason is Reason.KILLED


def test_a_release_needs_a_person_and_revives_nothing(tmp_path: Path) -> None:
    refused: list[str] = []

    async def release(simulation: Simulation) -> None:
        for actor in ("engine/1", "fillwright", ""):
            with pytest.raises(InvalidInput, match="person"):
                await simulation.engine.release_kill("account", "looked at", actor)
            refused.append(actor)
        await simulation.engine.release_kill("account", "looked at", PERSON)

    moments = [(at(START_S + 20), killing()), (at(START_S + 60), release)]
    late = decision("market", symbol="KO", decision_id="d-late")
    scene = Scene(
        [decision("twap", window="10m"), late],
        arrivals={"d-late": START_S + 90},
        moments=moments,
    )
    ran = run(scene, tmp_path / "a.db")
    check_books(ran)
    by_id = {made.decision_id: made for made in instructions(ran)}
    assert by_id["d-twap"].end_reason is EndReason.KILL_SWITCH
    assert by_id["d-late"].state is InstructionState.FILLED, "new decisions may trade again"
    assert len(refused) == 3
    released = of_kind(logged(ran), e.KillSwitchReleased)
    assert [x.actor for x in released] == [PERSON]


def test_a_release_is_refused_while_an_order_is_open(tmp_path: Path) -> None:
    tried: list[str] = []

    async def release(simulation: Simulation) -> None:
        await simulation.engine.kill("symbol:KO", "enough", PERSON)
        with pytest.raises(InvalidInput, match="1 own orders open"):
            await simulation.engine.release_kill("symbol:KO", "looked at", PERSON)
        tried.append("released")

    fields = decision("limit", limit_price="180", must_complete=False)
    ran = run(Scene([fields], moments=[(at(START_S + 30), release)]), tmp_path / "a.db")
    assert tried
    assert of_kind(logged(ran), e.KillSwitchReleased) == []


def test_a_kill_ends_what_waits_for_its_release(tmp_path: Path) -> None:
    """Deferred before the kill, it must not begin after somebody lifted it."""

    async def lift(simulation: Simulation) -> None:
        await simulation.engine.release_kill("account", "looked at", PERSON)

    scene = Scene([decision("market")], arrive_s=30, moments=[(at(60), killing()), (at(90), lift)])
    ran = run(scene, tmp_path / "a.db")
    assert only(ran).is_done
    assert of_kind(logged(ran), e.OrderIntended) == []


def test_what_is_refused_at_its_release_does_not_keep_the_session_open(tmp_path: Path) -> None:
    scene = Scene([decision("market")], arrive_s=30, moments=[(at(60), killing())])
    ran = run(scene, tmp_path / "a.db")
    assert only(ran).state is InstructionState.REJECTED
    assert len(of_kind(logged(ran), e.SessionClosed)) == 1


# -- cancel by a person ----------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_person_can_end_an_instruction_at_any_time(strategy: str, tmp_path: Path) -> None:
    when = at(START_S + 20)
    fields = decision(strategy, window="10m", target_weight=4.9)
    ran = run(Scene([fields], moments=[(when, cancelling())]), tmp_path / "a.db")
    check_books(ran)
    made = only(ran)
    assert sent_after(logged(ran), when) == []
    if made.state is not InstructionState.FILLED:
        assert made.end_reason is EndReason.USER
        asked = of_kind(logged(ran), e.InstructionEndRequested)
        assert [x.actor for x in asked] == [PERSON]


def test_a_deferred_instruction_can_be_cancelled(tmp_path: Path) -> None:
    ran = run(
        Scene([decision("market")], arrive_s=30, moments=[(at(60), cancelling())]),
        tmp_path / "a.db",
    )
    assert only(ran).end_reason is EndReason.USER
    assert of_kind(logged(ran), e.OrderIntended) == []


# -- the price bound -------------------------------------------------------------------------------


def bounded(on_bound: str, **fields: Any) -> dict[str, Any]:
    """A bound so tight that the far touch lies outside as soon as the market moves."""
    given = {"max_slippage": "0.5", "on_bound": on_bound, "window": "3m", "target_weight": 4.9}
    return decision(**{**given, **fields})


def bound_of(made: Any) -> Decimal:
    assert made.plan is not None
    assert made.plan.bound_price is not None
    return made.plan.bound_price


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_share_ever_trades_outside_the_bound(strategy: str, tmp_path: Path) -> None:
    fields = bounded("rest", strategy=strategy, max_slippage="2", decision_id="d")
    ran = run(Scene([fields]), tmp_path / "a.db")
    check_books(ran)
    made = only(ran)
    assert made.plan is not None
    for fill in exchange_fills(ran):
        assert fill.last_price <= bound_of(made)
    for order in of_kind(logged(ran), e.OrderIntended):
        assert order.limit_price is not None
        assert order.limit_price <= bound_of(made)
    if made.state is InstructionState.CANCELLED:
        assert made.completing_price is not None, "the price that would have completed it"


def test_a_deferral_moves_neither_the_arrival_mid_nor_the_bound(tmp_path: Path) -> None:
    """Both are of the receipt, however far the market is at the release (rulings 1 and 2)."""
    fields = decision("twap", max_slippage="40", window="2m")
    ran = run(Scene([fields], arrive_s=30), tmp_path / "a.db")
    made = only(ran)
    assert made.arrival_mid is not None
    replanned = of_kind(logged(ran), e.InstructionReplanned)
    assert [x.plan.arrival_mid for x in replanned] == [made.arrival_mid]
    assert bound_of(made) == bound_price(made.arrival_mid, D(40), 1, D("0.01"))
    check_books(ran)


# -- self-cross ------------------------------------------------------------------------------------


def test_an_order_that_could_meet_an_own_order_is_refused(tmp_path: Path) -> None:
    venue = VenueTerms(positions={"AAPL": D(500)})
    buy = decision("twap", decision_id="d-buy", order_size="50", target_weight=20)
    sell = decision("twap", decision_id="d-sell", action="SELL", order_size="50")
    sell.pop("target_weight")
    scene = Scene(
        [buy, sell],
        arrivals={"d-sell": START_S + 30},
        venue=venue,
        limits=Limits(position_pct_max=D(50)),
    )
    ran = run(scene, tmp_path / "a.db")
    by_id = {made.decision_id: made for made in instructions(ran)}
    assert by_id["d-sell"].state is InstructionState.REJECTED
    assert Reason.SELF_CROSS in {refusal.reason for refusal in by_id["d-sell"].refusals}
    check_sums(ran, start={"AAPL": D(500)})


# -- halts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_halt_suspends_and_the_remainder_is_worked_without_a_burst(
    strategy: str, tmp_path: Path
) -> None:
    start, end = at(START_S + 60), at(START_S + 180)
    venue = VenueTerms(halts=(Halt("AAPL", start, end),))
    fields = decision(strategy, window="10m", slices=20, target_weight=4.9)
    if strategy != "twap":
        fields.pop("slices")
    ran = run(Scene([fields], venue=venue), tmp_path / "a.db")
    check_books(ran)
    made, events = only(ran), logged(ran)
    reopened = end + 30 * NANOS
    intended = of_kind(events, e.OrderIntended)
    during = [x for x in intended if start < x.record_time < reopened]
    assert during == [], "nothing is sent in a halt, nor right after it"
    assert made.plan is not None
    assert made.plan.end_at == made.received_at + 600 * NANOS, "the deadline does not move"
    fills = [f for f in exchange_fills(ran) if start + NANOS < f.market_time < end]
    assert fills == []
    still_working = made.ended_at is None or made.ended_at > start
    if still_working:
        assert len(of_kind(events, e.InstructionSuspended)) == 1
        assert len(of_kind(events, e.InstructionResumed)) == 1
    if strategy == "twap":
        first = [x for x in intended if reopened <= x.record_time < reopened + 5 * NANOS]
        burst = sum((x.quantity for x in first), D(0))
        assert burst <= made.plan.quantity / 4, "time lost is not caught up at once"
        assert made.state is InstructionState.FILLED


def test_a_symbol_that_is_halted_again_is_waited_for_again(tmp_path: Path) -> None:
    """The delay counts from the last reopening, though the first was within the same suspension."""
    again = at(START_S + 130), at(START_S + 190)
    venue = VenueTerms(
        halts=(Halt("AAPL", at(START_S + 60), at(START_S + 120)), Halt("AAPL", *again))
    )
    fields = decision("twap", window="10m", slices=20, target_weight=4.9)
    ran = run(Scene([fields], venue=venue), tmp_path / "a.db")
    check_books(ran)
    assert only(ran).state is InstructionState.FILLED
    intended = of_kind(logged(ran), e.OrderIntended)
    before = [x for x in intended if at(START_S + 60) < x.record_time < again[1] + 30 * NANOS]
    assert before == []


@pytest.mark.parametrize("strategy", ["twap", "opportunistic"])
@pytest.mark.parametrize("halted_s", [60, 125])
def test_what_must_complete_after_its_deadline_waits_out_the_delay_too(
    halted_s: int, strategy: str, tmp_path: Path
) -> None:
    """Also where it is halted again after its deadline, at 120 s, before the delay was over."""
    start, end = at(START_S + halted_s), at(START_S + 300)
    before = Halt("AAPL", at(START_S + 1), start - NANOS)
    venue = VenueTerms(halts=(before, Halt("AAPL", start, end)))
    fields = decision(strategy, window="2m", target_weight=4.9)
    ran = run(Scene([fields], venue=venue), tmp_path / "a.db")
    check_books(ran)
    made, events = only(ran), logged(ran)
    assert made.state is InstructionState.FILLED
    sent = [x.record_time for x in of_kind(events, e.OrderIntended)]
    assert [x for x in sent if start <= x < end + 30 * NANOS] == []
    assert any(x >= end + 30 * NANOS for x in sent)
    resumed = of_kind(events, e.InstructionResumed)
    assert resumed[-1].record_time >= end + 30 * NANOS


def test_rests_are_cancelled_in_a_halt(tmp_path: Path) -> None:
    start = at(START_S + 60)
    venue = VenueTerms(halts=(Halt("AAPL", start, start + 60 * NANOS),))
    fields = decision("limit", limit_price="180", window="10m", must_complete=False)
    ran = run(Scene([fields], venue=venue), tmp_path / "a.db")
    cancels = [x for x in of_kind(logged(ran), e.OrderCancelRequested) if x.rule == "halt"]
    assert cancels
    assert all(start <= x.record_time <= start + 6 * NANOS for x in cancels)
    check_books(ran)


@pytest.mark.parametrize("must_complete", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_halt_until_the_close_ends_the_instruction(
    strategy: str, must_complete: bool, tmp_path: Path
) -> None:
    """At its deadline, or at the close where it must complete and trading might have resumed."""
    venue = VenueTerms(halts=(Halt("AAPL", at(START_S + 5), closes_at()),))
    fields = decision(strategy, window="10m", target_weight=4.9, must_complete=must_complete)
    ran = run(Scene([fields], venue=venue), tmp_path / "a.db")
    check_books(ran)
    made = only(ran)
    if made.state is InstructionState.FILLED:
        return
    assert made.plan is not None
    assert made.ended_at is not None
    assert of_kind(logged(ran), e.InstructionResumed) == []
    if made.end_reason is EndReason.SESSION_END:
        assert must_complete or strategy == "opportunistic"
    else:
        assert made.end_reason in (EndReason.HALTED, EndReason.LIMIT_NOT_REACHED)
        assert made.ended_at <= made.plan.end_at + 10 * NANOS


# -- beside the loop -------------------------------------------------------------------------------


def test_what_is_recorded_beside_the_loop_sends_no_order_before_its_intent_is_durable(
    tmp_path: Path,
) -> None:
    """A kill of another symbol is written while the loop decides, and is durable first."""
    sent_early: list[str] = []
    beside: list[asyncio.Task[None]] = []

    async def kill_beside(simulation: Simulation) -> None:
        desk = simulation.engine.desk
        log, send = desk.log, desk.broker.send
        write, turn = log.commit, asyncio.Event()

        async def commit(recordings: Any, **given: Any) -> Any:
            if any(isinstance(event, e.KillSwitchEngaged) for event in recordings.events):
                await turn.wait()
            elif any(isinstance(event, e.OrderIntended) for event in recordings.events):
                turn.set()
                for _ in range(10):
                    await asyncio.sleep(0)
            return await write(recordings, **given)

        async def watched(commands: Any) -> None:
            durable = {x.event.client_order_id for x in log.events() if is_intent(x.event)}
            names = [c.request.client_order_id for c in commands if isinstance(c, SubmitOrder)]
            sent_early.extend(name for name in names if name not in durable)
            await send(commands)

        log.commit = commit  # type: ignore[method-assign]
        desk.broker.send = watched  # type: ignore[method-assign]
        beside.append(asyncio.create_task(simulation.engine.kill("symbol:KO", "enough", PERSON)))

    ran = run(Scene([decision("twap")], moments=[(at(START_S + 20), kill_beside)]), tmp_path / "a")
    assert beside[0].done()
    assert sent_early == []
    assert only(ran).state is InstructionState.FILLED


def is_intent(event: e.DomainEvent) -> bool:
    return isinstance(event, e.OrderIntended)
