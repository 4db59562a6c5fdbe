"""A day that loses too much: from then on risk is only taken off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from fillwright.adapters.replay.replaying import replay_decisions
from fillwright.adapters.simulation import Simulation, VenueTerms
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.limits import Limits
from fillwright.domain.ports import Account
from fillwright.domain.reasons import Anomalous, Disposition, EndReason, Reason
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    START_S,
    Scene,
    at,
    check_books,
    decision,
    instructions,
    logged,
    of_kind,
    run,
    shared_data,
)

D = Decimal
HELD = {"AAPL": D(10_000)}
CASH = D(100_000)


def mid(seconds: float) -> Decimal:
    quote = shared_data().state("AAPL", at(seconds)).quote
    assert quote is not None
    return quote.mid


def test_once_the_loss_of_the_day_is_reached_only_what_reduces_is_taken(tmp_path: Path) -> None:
    """The holding's own fall is the loss; the limit lies between the figures of two moments."""
    first = mid(START_S)
    falls = [seconds for seconds in range(START_S + 600, 4_200, 60) if mid(seconds) < first]
    assert falls, "the generated day falls below its start"
    worst = min(falls, key=mid)
    before = CASH + HELD["AAPL"] * first
    lost = HELD["AAPL"] * (first - mid(worst))
    buy = {"symbol": "KO", "target_weight": None, "order_size": 100, "window": "1m"}
    sell = {"symbol": "AAPL", "action": "SELL", "target_weight": None, "order_size": 100}
    long = {"window": "70m", "order_size": 300}
    scene = Scene(
        [
            decision("market", decision_id="early", **buy),
            decision("twap", decision_id="adding", **buy | long),
            decision("twap", decision_id="reducing", **sell, window="70m"),
            decision("market", decision_id="late", **buy),
            decision("market", decision_id="off", **sell, window="1m"),
        ],
        arrivals={"late": worst, "off": worst},
        venue=VenueTerms(cash=CASH, positions=HELD),
        limits=Limits(daily_loss_pct_max=(lost * D("0.9") / before * 100).quantize(D("1e-9"))),
    )
    ran = run(scene, tmp_path / "a.db")
    check_books(ran, start=HELD)
    made = {one.decision_id: one for one in instructions(ran)}
    assert made["early"].state is InstructionState.FILLED
    assert [refusal.reason for refusal in made["late"].refusals] == [Reason.DAILY_LOSS]
    assert made["off"].state is InstructionState.FILLED
    check_working(logged(ran), made["adding"].id, made["reducing"].id)
    noted = [x.detail for x in of_kind(logged(ran), e.AccountAnomaly) if "daily loss" in x.detail]
    assert noted, "it is an exception that somebody has to close"
    lowest = min(mid(seconds) for seconds in range(START_S, START_S + 4_300, 5))
    most = HELD["AAPL"] * (first - lowest)
    wider = Scene(
        scene.decisions,
        arrivals=scene.arrivals,
        venue=scene.venue,
        limits=Limits(daily_loss_pct_max=(most * D("1.1") / before * 100).quantize(D("1e-9"))),
    )
    ran = run(wider, tmp_path / "b.db")
    again = {one.decision_id: one for one in instructions(ran)}
    assert again["late"].state is InstructionState.FILLED, "just below the limit it is taken"
    assert again["adding"].state is InstructionState.FILLED, "and what is worked goes on"
    assert of_kind(logged(ran), e.InstructionSuspended) == []


def test_what_must_complete_does_not_cross_at_its_deadline_while_the_loss_is_reached(
    tmp_path: Path,
) -> None:
    """The deadline gives no leave to add risk: it waits till the loss is below or the day over."""
    fields = decision(
        "twap", symbol="KO", target_weight=None, order_size=300, window="10m", must_complete=True
    )
    reached = at(START_S + 120)

    async def lose(simulation: Simulation) -> None:
        venue = simulation.engine.desk.broker
        asked = venue.account

        async def poor() -> Account:
            given = await asked()
            return replace(given, equity=given.equity / 2)

        venue.account = poor  # type: ignore[method-assign]

    ran = run(Scene([fields], moments=[(reached, lose)]), tmp_path / "a.db")
    events = logged(ran)
    (made,) = instructions(ran)
    (suspended,) = of_kind(events, e.InstructionSuspended)
    assert suspended.cause == "daily_loss"
    sent = [x.record_time for x in of_kind(events, e.OrderIntended)]
    assert [x for x in sent if x > suspended.record_time] == []
    assert made.end_reason is EndReason.SESSION_END


def test_figures_that_are_no_numbers_end_no_loop(tmp_path: Path) -> None:
    fields = decision("twap", symbol="KO", target_weight=None, order_size=300, window="3m")

    async def blur(simulation: Simulation) -> None:
        venue = simulation.engine.desk.broker
        asked = venue.account

        async def blurred() -> Account:
            return replace(await asked(), equity=D("NaN"))

        venue.account = blurred  # type: ignore[method-assign]

    scene = Scene([fields], moments=[(at(START_S + 30), blur)], close=False)
    (made,) = instructions(run(scene, tmp_path / "a.db"))
    assert made.state is InstructionState.FILLED


def check_working(events: Sequence[e.DomainEvent], adding: UUID, reducing: UUID) -> None:
    """What adds risk sent nothing while the loss stood at its limit, what reduces went on."""
    spans: list[list[int]] = []
    for event in events:
        if isinstance(event, e.InstructionSuspended):
            assert (event.originator_id, event.cause) == (adding, "daily_loss")
            spans.append([event.record_time, at(23_400)])
        elif isinstance(event, e.InstructionResumed):
            spans[-1][1] = event.record_time
    assert spans
    sent = {
        id: [x.record_time for x in of_kind(events, e.OrderIntended) if x.originator_id == id]
        for id in (adding, reducing)
    }
    inside = {id: [t for t in times if in_any(t, spans)] for id, times in sent.items()}
    assert sent[adding]
    assert inside[adding] == []
    assert inside[reducing]


def falls_and_recovers() -> tuple[int, int]:
    """A moment well below the session's start, and a later one that is far less so."""
    first = mid(START_S)
    moments = range(START_S + 600, 22_000, 60)
    lost = {seconds: first - mid(seconds) for seconds in moments}
    return next(
        (low, back)
        for low in sorted(moments, key=lambda seconds: -lost[seconds])
        for back in moments
        if back >= low + 300 and lost[low] > 0 and lost[back] < lost[low] / 2
    )


def test_a_loss_that_was_reached_holds_until_the_exception_about_it_is_closed(
    tmp_path: Path,
) -> None:
    """The price comes back far below the limit, and nothing but a person's word lets risk on."""
    low, back = falls_and_recovers()
    first = mid(START_S)
    lost, before = HELD["AAPL"] * (first - mid(low)), CASH + HELD["AAPL"] * first
    buy = {"symbol": "KO", "target_weight": None, "order_size": 100, "window": "1m"}
    sell = {"symbol": "AAPL", "action": "SELL", "target_weight": None, "order_size": 100}

    async def settle(simulation: Simulation) -> None:
        with Log.open(simulation.log.name, writer=False) as log:
            (place,) = (
                recorded.position
                for recorded in log.events()
                if isinstance(recorded.event, e.AccountAnomaly)
                and recorded.event.detail.startswith("daily loss")
            )
        desk = simulation.engine.desk
        desk.account.settle(
            desk.stamp("account", "test", actor="person:risk"),
            account=desk.name,
            place=place,
            kind=Anomalous.USAGE_OVER_CAP,
            subject=desk.name,
            disposition=Disposition.ACCEPTED,
            reason="looked at; the rest of the day may go on",
        )
        desk.touch(desk.account)
        await desk.commit()

    scene = Scene(
        [
            decision("market", decision_id="early", **buy),
            decision("twap", decision_id="reducing", **sell, window=f"{back // 60}m"),
            decision("market", decision_id="low", **buy),
            decision("market", decision_id="back", **buy),
            decision("market", decision_id="after", **buy),
        ],
        arrivals={"low": low, "back": back, "after": back + 120},
        venue=VenueTerms(cash=CASH, positions=HELD),
        limits=Limits(daily_loss_pct_max=(lost * D("0.9") / before * 100).quantize(D("1e-9"))),
        moments=[(at(back + 60), settle)],
    )
    ran = run(scene, tmp_path / "a.db")
    made = {one.decision_id: one for one in instructions(ran)}
    refused = {name: [x.reason for x in one.refusals] for name, one in made.items()}
    assert refused["low"] == refused["back"] == [Reason.DAILY_LOSS]
    (refusal,) = made["back"].refusals
    assert "and more before" in refusal.message
    assert made["early"].state is made["after"].state is InstructionState.FILLED
    assert len([x for x in of_kind(logged(ran), e.AccountAnomaly) if "daily loss" in x.detail]) == 1
    with Log.open(ran.log.name, writer=False) as log:
        again = replay_decisions(log)
    assert again.ok, "what was decided is decided the same from the record"


def in_any(moment: int, spans: Sequence[Sequence[int]]) -> bool:
    return any(begin <= moment < end for begin, end in spans)
