"""The default policy on kinds of stock that it was not made on: it completes, and it saves."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fillwright.adapters.evaluation.grid import parents_of, within
from fillwright.adapters.evaluation.policies import BASELINE, POLICIES, Stress
from fillwright.adapters.evaluation.runner import Bench, GridMarket
from fillwright.adapters.exchange.scaled import ScaledDay
from fillwright.adapters.market_data.generated import GeneratedMarket
from fillwright.adapters.market_data.instruments import InstrumentSpec

DAY, HALF_DAY = "20240612", "20231124"
PARENTS = 24
# Volatilities are low for such spreads, so that few parents tell saving from luck.
KINDS = {
    "low priced": InstrumentSpec("LOW", 3.4, 40_000_000, 0.03, 1.02, 300, 6_000, 4_000),
    "wide": InstrumentSpec("WIDE", 740.0, 300_000, 0.008, 40.0, 1, 6_000, 3_000),
    "sparse": InstrumentSpec("THIN", 22.0, 20_000, 0.02, 6.0, 1, 1_500, 120),
    "coarse tick": InstrumentSpec(
        "NICK", 61.3, 6_000_000, 0.012, 1.2, 25, 6_000, 4_000, Decimal("0.05")
    ),
    "fine tick": InstrumentSpec(
        "FINE", 8.0, 6_000_000, 0.003, 12, 20, 6_000, 4_000, Decimal("0.0001")
    ),
}


@pytest.mark.parametrize("date", [DAY, HALF_DAY])
@pytest.mark.parametrize("kind", KINDS)
def test_the_default_policy_completes_and_saves(kind: str, date: str) -> None:
    day = GeneratedMarket(11, date, (KINDS[kind],)).days()[0]
    market = GridMarket([day])
    session = market.calendar.session_on(date)
    assert session is not None
    bench = Bench(
        market,
        ScaledDay(day),
        session,
        latency_ns=50_000_000,
        messages_per_minute=200,
        stress=Stress(),
    )
    made, _ = parents_of(day, within(session), (300,), (Decimal("0.05"),))
    # Both sides of each window, so that where the price went matters little.
    apart = max(len(made) // PARENTS, 1)
    parents = [each for row, each in enumerate(made) if row // 2 % apart == 0]
    saved = spread = 0.0
    for parent in parents:
        smart, naive = (bench.work(parent, POLICIES[name]) for name in ("adaptive", BASELINE))
        assert smart.completion == naive.completion == 1
        assert smart.messages <= 200 * 5
        saved += naive.shortfall_bps - smart.shortfall_bps
        spread += parent.half_spread_bps
    bench.close()
    assert len(parents) >= PARENTS
    assert saved / spread > 0.15
