"""What one decision of a strategy costs.

    python -m bench.decisions [--parents 24] [--rounds 5] [--json]

Parents are worked by the engine's own step path over a generated day. Every call that is made of a
strategy on the way is kept and then made again, alone and timed, round after round; the figures are
of the best round, by call. A decision is the strategy's step; the guarded one adds the guard that
every step goes through and the look at whether the plan should change its ways.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np

from fillwright.adapters.engine import working
from fillwright.adapters.evaluation import runner
from fillwright.adapters.evaluation.grid import parents_of, within
from fillwright.adapters.evaluation.policies import POLICIES, Stress
from fillwright.adapters.evaluation.runner import Bench, GridMarket
from fillwright.adapters.exchange.scaled import ScaledDay
from fillwright.adapters.market_data.generated import GeneratedMarket
from fillwright.adapters.market_data.instruments import InstrumentSpec
from fillwright.domain.guard import constrain
from fillwright.domain.market import MarketState
from fillwright.domain.plan import PlanTerms
from fillwright.domain.strategies.contract import InstructionView, Step, Strategy
from fillwright.domain.strategies.registry import strategy_for
from fillwright.domain.switching import Progressed, SwitchingRules, reassess

DATE: Final = "20240612"
SPEC: Final = InstrumentSpec("ABC", 61.3, 6_000_000, 0.009, 2.0, 25, 30_000, 14_000)
SMART: Final = ("adaptive", "smart_twap", "smart_vwap", "smart_iceberg", "smart_opportunistic")
BUDGET_US: Final = 100
CALLS_MAX: Final = 20_000
RULES: Final = SwitchingRules()
Call = tuple[PlanTerms, InstructionView, MarketState, int]


@dataclass
class Recording:
    """A strategy that keeps what it was asked."""

    inner: Strategy
    calls: list[Call]

    @property
    def name(self) -> str:
        """The name of the strategy behind it."""
        return self.inner.name

    @property
    def version(self) -> int:
        """The version of the strategy behind it."""
        return self.inner.version

    def next_step(
        self, plan: PlanTerms, view: InstructionView, market: MarketState, now: int
    ) -> Step:
        """The step of the strategy behind it."""
        self.calls.append((plan, view, market, now))
        return self.inner.next_step(plan, view, market, now)


def calls_of(bench: Bench, policy: str, parents: int) -> list[Call]:
    """All calls that working some parents by a policy makes of its strategy."""
    calls: list[Call] = []

    def recording(name: Any) -> Strategy:
        return Recording(strategy_for(name), calls)

    plain = runner.strategy_for, working.strategy_for
    runner.strategy_for = working.strategy_for = recording  # type: ignore[assignment]
    try:
        made, _ = parents_of(bench.scaled.day, within(bench.session), (300, 1_800), SIZES)
        for parent in made[:: max(len(made) // parents, 1)][:parents]:
            bench.work(parent, POLICIES[policy])
    finally:
        runner.strategy_for, working.strategy_for = plain
    return calls[:CALLS_MAX]


SIZES: Final = (Decimal("0.01"), Decimal("0.10"))


def decided(call: Call) -> None:
    """The strategy's step alone."""
    plan, view, market, now = call
    strategy_for(plan.strategy).next_step(plan, view, market, now)


def guarded(call: Call) -> None:
    """The step, the guard it goes through, and the look at switching."""
    plan, view, market, now = call
    reassess(plan, view, market, Progressed(0, None, None), RULES)
    step = strategy_for(plan.strategy).next_step(plan, view, market, now)
    constrain(
        step,
        plan,
        view,
        market,
        now,
        session_close=market.session_close,
        closing_buffer_ns=30_000_000_000,
        messages_left=100,
        opposite_limits=(),
    )


def microseconds(work: Callable[[Call], None], calls: list[Call], rounds: int) -> Any:
    """What each call took in its best round, in microseconds."""
    best = np.full(len(calls), np.inf)
    clock = time.perf_counter_ns
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for row, call in enumerate(calls):
                began = clock()
                work(call)
                best[row] = min(best[row], clock() - began)
    finally:
        gc.enable()
    return best / 1_000


def measure(parents: int, rounds: int) -> dict[str, Any]:
    """Mean, median and 99th percentile by policy."""
    day = GeneratedMarket(7, DATE, (SPEC,)).days()[0]
    market = GridMarket([day])
    session = market.calendar.session_on(DATE)
    if session is None:
        raise RuntimeError(f"no session on {DATE}")
    bench = Bench(
        market,
        ScaledDay(day),
        session,
        latency_ns=50_000_000,
        messages_per_minute=200,
        stress=Stress(),
    )
    found = {}
    for policy in SMART:
        print(f"{policy} ...", file=sys.stderr, flush=True)
        calls = calls_of(bench, policy, parents)
        alone, whole = (microseconds(work, calls, rounds) for work in (decided, guarded))
        found[policy] = {
            "decisions": len(calls),
            "mean_us": round(float(np.mean(alone)), 1),
            "median_us": round(float(np.median(alone)), 1),
            "p99_us": round(float(np.percentile(alone, 99)), 1),
            "guarded_mean_us": round(float(np.mean(whole)), 1),
            "guarded_p99_us": round(float(np.percentile(whole, 99)), 1),
            "met": bool(np.percentile(alone, 99) < BUDGET_US),
        }
    bench.close()
    return {"budget_us": BUDGET_US, "policies": found}


def summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    """One row a policy."""
    return [
        (
            f"{name}, {row['decisions']:,} decisions",
            f"mean {row['mean_us']} us, 99 % within {row['p99_us']} us, guarded mean "
            f"{row['guarded_mean_us']} us: {'met' if row['met'] else 'SHORT'} of "
            f"{result['budget_us']} us",
        )
        for name, row in result["policies"].items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--parents", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.parents, options.rounds)
    if options.json:
        print(json.dumps(result))
        return
    for what, figure in summary(result):
        print(f"{what:45}{figure}")


if __name__ == "__main__":
    main()
