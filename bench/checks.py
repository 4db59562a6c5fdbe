"""What all checks of one decision cost, and of one step, beyond the durable append.

    python -m bench.checks [--rounds N] [--calls N] [--json]

A decision that passes makes every pre-trade check in `plan_decision`; a step that sends an order
passes the guard (bounds, bands, auctions, marks) and the broker's order terms. Live, both look at
control as the records have it then: who runs the engine, whether live is permitted, and which
strategies are approved. Nothing is written.
Time is the processor's, so that a busy machine does not count. The aim is under 200 µs a decision.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from fillwright.adapters.engine.permits import Permit
from fillwright.adapters.permits.control_tail import ControlTail
from fillwright.adapters.permits.live_strategies import LiveStrategies
from fillwright.adapters.permits.run_permission import RunPermission
from fillwright.adapters.storage.log import Log
from fillwright.adapters.supervision.changing import Changes, hours_ns
from fillwright.adapters.supervision.permissions import LIVE_SCOPE
from fillwright.adapters.supervision.supervising import Caller, Supervisor, token_hash
from fillwright.adapters.timekeeping.clocks import SystemClock
from fillwright.domain.decision import Decision, ExecutionStrategy, TradeAction
from fillwright.domain.guard import constrain
from fillwright.domain.limits import Limits
from fillwright.domain.market import PriceBand, TradingState
from fillwright.domain.ops.control import ChangeKind
from fillwright.domain.order_terms import Phase, not_offered
from fillwright.domain.plan import StrategyParameters
from fillwright.domain.planning.facts import DEFAULT_RULES, Facts, Planned
from fillwright.domain.planning.inputs import PlanningInputs
from fillwright.domain.planning.planner import plan_decision
from fillwright.domain.planning.pretrade import Trial, general_checks
from fillwright.domain.planning.pretrade_size import sized_checks, sized_trial
from fillwright.domain.planning.terms import Start
from fillwright.domain.ports import NANOS, OrderRequest, OrderType, Side, TimeInForce
from fillwright.domain.principals import Principal, Role
from fillwright.domain.strategies.contract import Place, Step
from tools import event_examples as examples

AIM_MICROSECONDS: Final = 200.0
CALLS: Final = 2_000
WHOLE: Final = "whole plan, sizes and prices included"
ROUNDS: Final = 7


def decision_and_facts() -> tuple[Decision, Facts]:
    """A buy that passes, with every fact known."""
    inputs = next(
        event.inputs
        for event in examples.instruction_examples()
        if isinstance(getattr(event, "inputs", None), PlanningInputs)
    )
    decision = Decision(
        symbol=inputs.market.symbol,
        action=TradeAction.BUY,
        order_size=Decimal(100),
        strategy=ExecutionStrategy.TWAP,
        max_slippage_bps=Decimal(50),
    )
    facts = inputs.facts("bench", decision, Limits(position_pct_max=Decimal(100)), DEFAULT_RULES)
    band = PriceBand(lower=Decimal("95.00"), upper=Decimal("105.00"), at=inputs.market.now)
    market = inputs.market.model_copy(update={"trading": TradingState(band=band, price_test=False)})
    return decision, replace(facts, market=market)


def microseconds(call: Callable[[], object], calls: int, rounds: int) -> float:
    """The median over rounds of what one call takes."""
    found = []
    for _ in range(rounds):
        begin = time.thread_time_ns()
        for _ in range(calls):
            call()
        found.append((time.thread_time_ns() - begin) / calls / 1_000)
    return statistics.median(found)


def measured(calls: int, rounds: int) -> dict[str, Any]:
    """The costs in microseconds, and whether the aim is met."""
    decision, facts = decision_and_facts()
    planned = plan_decision(decision, facts, examples.INSTRUCTION)
    if not isinstance(planned, Planned):
        raise SystemExit(f"the example was not planned: {planned}")
    if facts.session is None or facts.quote is None:
        raise SystemExit("the example has no session or quote")
    start = Start(facts.now, facts.session)
    sized = sized_trial(decision, facts, planned.terms, facts.quote)
    plan, view, now = planned.terms, examples.VIEW, facts.now + NANOS
    place = Place(
        quantity=Decimal(10),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        limit_price=facts.quote.bid,
    )
    step = Step(places=(place,), rule="bench", wake_at=now + NANOS)
    free = view.model_copy(update={"executed": Decimal(0), "exposure": Decimal(0), "orders": ()})
    request = OrderRequest(
        "bench", plan.symbol, Side.BUY, Decimal(10), OrderType.LIMIT, TimeInForce.DAY, Decimal(100)
    )

    def guard() -> object:
        return constrain(
            step,
            plan,
            free,
            facts.market,
            now,
            session_close=facts.market.session_close,
            closing_buffer_ns=30 * NANOS,
            messages_left=200,
            opposite_limits=(),
        )

    parts: dict[str, Callable[[], object]] = {
        "checks without a quantity": lambda: general_checks(Trial(decision, facts, start)),
        "checks of a quantity": lambda: sized_checks(sized),
        "guard of a step": guard,
        "order terms": lambda: not_offered("alpaca", request, Phase.REGULAR),
        WHOLE: lambda: plan_decision(decision, facts, examples.INSTRUCTION),
    }
    with TemporaryDirectory() as folder, live_permits(Path(folder) / "log.db") as permits:
        parts["permission and approval, looked up"] = lambda: [p.why_not("twap") for p in permits]
        return costs_of(parts, calls, rounds)


@contextmanager
def live_permits(store: Path) -> Iterator[tuple[Permit, ...]]:
    """What an engine that trades live looks at, on a store where all of it is permitted."""
    people = [
        Principal(name=name, person=name, roles=tuple(Role), token_sha256=token_hash(name))
        for name in ("kim", "ada")
    ]
    Log.open(str(store)).close()
    kim, ada = (Caller.with_token(one.name) for one in people)
    evidence = store.with_name("evidence.json")
    evidence.write_text("{}")
    with Supervisor(str(store), kim) as first, Supervisor(str(store), ada) as second:
        first.begin(people)
        asking, deciding = Changes(first), Changes(second)
        live = asking.propose(ChangeKind.LIVE, LIVE_SCOPE, "bench", hours_ns(1))
        terms = StrategyParameters()
        twap = asking.propose_strategy("twap", terms, evidence, 0, "bench", hours_ns(1))
        for change in (live, twap):
            deciding.approve(change.id, "bench")
    with Log.open(str(store)) as log, ControlTail(log) as tail:
        now = SystemClock().now
        permits = (
            RunPermission(tail, "main", kim, now, is_live=True),
            LiveStrategies(tail, terms, now),
        )
        if any(permit.why_not("twap") is not None for permit in permits):
            raise SystemExit("the example is not permitted")
        yield permits


def costs_of(parts: Mapping[str, Callable[[], object]], calls: int, rounds: int) -> dict[str, Any]:
    """The cost of each part, and of all checks together."""
    costs = {name: round(microseconds(call, calls, rounds), 1) for name, call in parts.items()}
    checks = sum(cost for name, cost in costs.items() if name != WHOLE)
    return {
        "microseconds": costs,
        "all checks": round(checks, 1),
        "aim": AIM_MICROSECONDS,
        "met": checks < AIM_MICROSECONDS,
    }


def summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows for the table of all benchmarks."""
    rows = [(name, f"{cost:.1f} µs") for name, cost in result["microseconds"].items()]
    verdict = "met" if result["met"] else "SHORT"
    return [
        *rows,
        ("all checks", f"{result['all checks']:.1f} µs, aim {result['aim']:g}, {verdict}"),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measured(options.calls, options.rounds)
    if options.json:
        json.dump(result, sys.stdout)
        return
    for name, figure in summary(result):
        print(f"{name:40} {figure}")


if __name__ == "__main__":
    main()
