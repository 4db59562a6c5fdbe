"""A day that loses too much: from then on risk is only taken off."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from fillwright.adapters.simulation import VenueTerms
from fillwright.domain.limits import Limits
from fillwright.domain.reasons import Reason
from fillwright.domain.states import InstructionState
from tests.simulation.world import (
    START_S,
    Scene,
    at,
    check_books,
    decision,
    instructions,
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
    falls = [seconds for seconds in range(START_S + 600, 20_000, 60) if mid(seconds) < first]
    assert falls, "the generated day falls below its start"
    worst = min(falls, key=mid)
    before = CASH + HELD["AAPL"] * first
    lost = HELD["AAPL"] * (first - mid(worst))
    buy = {"symbol": "KO", "target_weight": None, "order_size": 100, "window": "1m"}
    sell = {"symbol": "AAPL", "action": "SELL", "target_weight": None, "order_size": 100}
    scene = Scene(
        [
            decision("market", decision_id="early", **buy),
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
    wider = Scene(
        scene.decisions,
        arrivals=scene.arrivals,
        venue=scene.venue,
        limits=Limits(daily_loss_pct_max=(lost * D("1.1") / before * 100).quantize(D("1e-9"))),
    )
    again = {one.decision_id: one for one in instructions(run(wider, tmp_path / "b.db"))}
    assert again["late"].state is InstructionState.FILLED, "just below the limit it is taken"
