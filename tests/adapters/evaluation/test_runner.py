"""A parent worked here is worked as the engine works it."""

from __future__ import annotations

import asyncio
import csv
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.engine import Arrival, EngineRules
from fillwright.adapters.evaluation.grid import Parent
from fillwright.adapters.evaluation.policies import POLICIES, Stress
from fillwright.adapters.evaluation.runner import Bench, GridMarket, ParentOrder
from fillwright.adapters.exchange.scaled import ScaledDay
from fillwright.adapters.exchange.tape import load_symbol_day
from fillwright.adapters.exchange.terms import Fees
from fillwright.adapters.simulation import EXACT, VenueTerms, simulate
from fillwright.domain.limits import Limits
from fillwright.domain.ports import NANOS, Side
from fillwright.domain.switching import SwitchingRules

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(os.environ.get("FILLWRIGHT_MARKET_DIR", ROOT.parent / "shared" / "data"))
LIMITS = Limits(
    daily_loss_pct_max=Decimal(100),
    turnover_pct_max=Decimal(100_000),
    position_pct_max=Decimal(1_000),
    order_value_usd_max=Decimal("1e12"),
    order_quantity_max=Decimal("1e12"),
    adv_fraction_max=Decimal(10),
    quote_age_seconds_max=Decimal(86_400),
)
RULES = EngineRules(planning=EXACT, switching=SwitchingRules(switches_max=0))


async def by_engine(bench: Bench, parent: Parent, strategy: str) -> Any:
    """The same parent as a decision, planned and worked by the engine."""
    is_buy = parent.side is Side.BUY
    venue = VenueTerms(
        cash=Decimal("1e10"),
        positions={} if is_buy else {parent.symbol: parent.quantity},
        fees=Fees(),
        check_buying_power=False,
    )
    simulation = simulate([bench.scaled], store="memory:", venue=venue, rules=RULES, limits=LIMITS)
    fields = {
        "symbol": parent.symbol,
        "action": "BUY" if is_buy else "CLOSE",
        "order_size": str(parent.quantity),
        "window_seconds": parent.horizon_seconds,
        "strategy": strategy,
        "style": "smart",
        "urgency": "medium",
        "must_complete": True,
        "max_slippage": None,
    }
    if is_buy:
        fields["target_weight"] = 1000
    with simulation:
        admitted = simulation.engine.schedule(Arrival(fields), parent.start)
        await simulation.engine.run()
        return (await admitted).instruction


@pytest.mark.parametrize(
    ("policy", "strategy"), [("adaptive", "twap"), ("smart_iceberg", "iceberg")]
)
def test_the_engine_gives_the_same_executions(
    bench: Bench, parents: list[Parent], policy: str, strategy: str
) -> None:
    for parent in parents[1:7:2]:
        here = ParentOrder.alone(bench, parent, POLICIES[policy])
        here.run()
        there = asyncio.run(by_engine(bench, parent, strategy))
        assert not there.refusals
        mine, its = here.instruction, there
        assert mine.executed == its.executed == parent.quantity
        assert mine.notional == its.notional
        assert [r.quantity for r in mine.requests.values()] == [
            r.quantity for r in its.requests.values()
        ]
        assert [r.limit_price for r in mine.requests.values()] == [
            r.limit_price for r in its.requests.values()
        ]


def test_passing_quietly_over_idle_steps_changes_nothing(
    bench: Bench, parents: list[Parent], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("adaptive", "PEG_CROSS", "TWAP60s", "smart_opportunistic")
    quietly = [bench.work(parent, POLICIES[name]) for parent in parents[:4] for name in names]
    monkeypatch.setattr(ParentOrder, "_pass_quietly", lambda order, wake, until: wake)
    slowly = [bench.work(parent, POLICIES[name]) for parent in parents[:4] for name in names]
    assert quietly == slowly


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_completes_every_parent(
    bench: Bench, parents: list[Parent], name: str
) -> None:
    for parent in parents[:3]:
        outcome = bench.work(parent, POLICIES[name], keep_executions=True)
        assert outcome.completion == 1
        assert outcome.end_reason == ""
        assert sum(each.quantity for each in outcome.executions) == float(parent.quantity)
        assert outcome.shortfall_bps == outcome.arrival_bps


def test_a_bound_may_leave_shares_that_count_in_the_shortfall(
    bench: Bench, parents: list[Parent]
) -> None:
    tight = Bench(
        bench.market,
        bench.scaled,
        bench.session,
        latency_ns=50_000_000,
        messages_per_minute=200,
        stress=Stress(bound_bps=Decimal("0.01")),
    )
    outcomes = [tight.work(parent, POLICIES["TWAP60s"]) for parent in parents]
    missed = [outcome for outcome in outcomes if outcome.completion < 1]
    assert missed
    for outcome in missed:
        assert outcome.end_reason == "slippage_bound"
        mid = outcome.parent.arrival_mid
        drift = outcome.parent.side.sign * (outcome.parent.end_mid - mid) / mid * 10_000
        expected = (outcome.arrival_bps or 0) * outcome.completion + drift * (
            1 - outcome.completion
        )
        assert outcome.shortfall_bps == pytest.approx(expected)


def test_taker_only_never_rests(bench: Bench, parents: list[Parent]) -> None:
    stress = Stress(rest_fraction_max=Decimal(0))
    taking = Bench(
        bench.market,
        bench.scaled,
        bench.session,
        latency_ns=50_000_000,
        messages_per_minute=200,
        stress=stress,
    )
    outcome = taking.work(parents[0], POLICIES["adaptive"])
    assert (outcome.passive, outcome.completion) == (0, 1)


def test_parents_that_share_an_account_share_its_messages(
    bench: Bench, parents: list[Parent]
) -> None:
    alone = [bench.work(parent, POLICIES["adaptive"]) for parent in parents[:4]]
    roomy = bench.work_together(parents[:4], POLICIES["adaptive"], messages_per_minute=100_000)
    assert roomy == alone
    scarce = bench.work_together(parents[:4], POLICIES["adaptive"], messages_per_minute=40)
    assert sum(o.messages for o in scarce) < sum(o.messages for o in roomy)
    assert all(o.completion == 1 for o in scarce)


def golden_rows() -> list[dict[str, str]]:
    path = FOLDER / "golden_parents.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["policy"] in POLICIES]


@pytest.mark.skipif(not golden_rows(), reason=f"shared data not present: {FOLDER}")
def test_the_reference_parents_come_out_exactly() -> None:
    benches: dict[tuple[str, str], Bench] = {}
    exact = {"MARKET", "TWAP8", "TWAP60s", "PEG_CROSS"}
    for row in (row for row in golden_rows() if row["policy"] in exact):
        key = row["symbol"], row["date"]
        if key not in benches:
            day = load_symbol_day(FOLDER, *key)
            market = GridMarket([day])
            session = market.calendar.session_on(day.date)
            assert session is not None
            benches[key] = Bench(
                market,
                ScaledDay(day),
                session,
                latency_ns=50_000_000,
                messages_per_minute=1_000_000,
                stress=Stress(),
            )
        start, horizon = int(row["t0_ns"]), int(row["H_s"])
        quote = benches[key].market.state(row["symbol"], start).quote
        assert quote is not None
        assert start % NANOS == 0
        parent = Parent(
            *key,
            start,
            horizon,
            Decimal("0.01"),
            Side.BUY if row["side"] == "1" else Side.SELL,
            Decimal(row["size"]),
            float(quote.bid),
            float(quote.ask),
            1.0,
            1.0,
        )
        outcome = benches[key].work(parent, POLICIES[row["policy"]])
        assert outcome.average_price == pytest.approx(float(row["avg_px"]), abs=1e-6)
        assert outcome.passive == Decimal(row["passive_qty"])
        assert outcome.final_cross == Decimal(row["final_cross_qty"])
        assert outcome.executed == parent.quantity
