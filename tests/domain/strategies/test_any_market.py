"""What holds for every strategy, naive and smart, in any market the venue can make."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillwright.domain.decision import ExecutionStrategy, Style
from fillwright.domain.guard import constrain
from fillwright.domain.market import MarketState
from fillwright.domain.plan import PlanTerms
from fillwright.domain.ports import NANOS, Side
from fillwright.domain.reasons import OnBound
from fillwright.domain.strategies.contract import InstructionView, Step, Strategy
from fillwright.domain.strategies.registry import STRATEGIES
from fillwright.domain.strategies.rules import Rule
from tests.domain.strategies.cases import plan_of
from tests.domain.strategies.venue import Run, Second, play

OURS = (Style.SMART, Style.NAIVE)
"""The styles worked here; the third hands everything to the broker."""
KINDS = [(kind, style) for kind in ExecutionStrategy for style in OURS]
IDS = [f"{kind.value}-{style.value}" for kind, style in KINDS]

each_strategy = pytest.mark.parametrize(("kind", "style"), KINDS, ids=IDS)
rounds = settings(max_examples=max(15, settings().max_examples // 6))

markets = st.lists(
    st.builds(
        Second,
        mid=st.integers(-25, 25),
        half=st.integers(0, 3),
        bid_size=st.integers(0, 400),
        ask_size=st.integers(0, 400),
        volume=st.integers(0, 2000),
        filled=st.sampled_from([0, 0, 1, 17, 100, 5000]),
        usable=st.sampled_from([True] * 9 + [False]),
        stall=st.sampled_from([False] * 9 + [True]),
        lost=st.sampled_from([False] * 9 + [True]),
        slow=st.sampled_from([False] * 4 + [True]),
        refused=st.sampled_from([False] * 9 + [True]),
        extra_call=st.booleans(),
    ),
    min_size=1,
    max_size=70,
)

terms = st.fixed_dictionaries(
    {
        "quantity": st.sampled_from([1, 3, 7, 100, 1001, 5000]),
        "side": st.sampled_from(list(Side)),
        "end": st.sampled_from([1, 10, 59, 60]),
        "bound_price": st.none(),
        "participation_cap": st.sampled_from([None, None, "0.3"]),
        "slices": st.sampled_from([1, 3, 8, 60, 500]),
        "randomise": st.sampled_from(["0", "0.9"]),
        "risk_curvature": st.sampled_from(["0", "9", "-2"]),
        "seed": st.integers(0, 2**64 - 1),
        "peg": st.booleans(),
        "limit_timeout_seconds": st.sampled_from([7, 1800]),
        "complete_at_deadline": st.booleans(),
        "must_complete": st.booleans(),
        "on_bound": st.sampled_from(list(OnBound)),
    }
)


def bounded(changes: dict[str, Any]) -> dict[str, Any]:
    """The same terms with a bound of ten ticks."""
    sign = Side(changes["side"]).sign
    return {**changes, "bound_price": 100 + sign * Decimal("0.10")}


def check(
    strategy: Strategy,
    plan: PlanTerms,
    view: InstructionView,
    market: MarketState,
    now: int,
    step: Step,
) -> None:
    """What every single step must keep."""
    # A restart knows nothing but what is stored; the same arguments give the same step.
    stored = InstructionView.model_validate_json(view.model_dump_json())
    again = MarketState.model_validate_json(market.model_dump_json())
    same_plan = PlanTerms.model_validate_json(plan.model_dump_json())
    assert deepcopy(strategy).next_step(same_plan, stored, again, now) == step
    assert Step.model_validate_json(step.model_dump_json()) == step
    assert step.rule in set(Rule)
    assert sum(place.quantity for place in step.places) <= view.free(plan)
    assert not (step.places and step.finish)
    if step.finish is None and view.executed < plan.quantity:
        assert step.wake_at is not None
        assert step.wake_at > now
    guarded = constrain(
        step,
        plan,
        view,
        market,
        now,
        session_close=market.session_close,
        closing_buffer_ns=0,
        messages_left=1000,
    )
    assert guarded.violations == ()


def run(
    kind: ExecutionStrategy, style: Style, changes: dict[str, Any], market: list[Second]
) -> Run:
    plan = plan_of(kind, style=style, **changes)
    done = play(STRATEGIES[kind], plan, market, check)
    assert done.worst_exposure <= plan.quantity
    assert done.executed <= plan.quantity
    return done


@each_strategy
@rounds
@given(changes=terms, market=markets)
def test_no_more_is_placed_than_was_ordered_and_it_ends(
    kind: ExecutionStrategy, style: Style, changes: dict[str, Any], market: list[Second]
) -> None:
    done = run(kind, style, changes, market)
    assert done.ended


@each_strategy
@rounds
@given(changes=terms, market=markets)
def test_no_order_is_past_the_bound(
    kind: ExecutionStrategy, style: Style, changes: dict[str, Any], market: list[Second]
) -> None:
    done = run(kind, style, bounded(changes), market)
    sign, bound = Side(changes["side"]).sign, bounded(changes)["bound_price"]
    for price in done.prices:
        assert price is not None
        assert (price - bound) * sign <= 0


@each_strategy
@rounds
@given(changes=terms, market=markets)
def test_what_must_complete_completes_exactly(
    kind: ExecutionStrategy, style: Style, changes: dict[str, Any], market: list[Second]
) -> None:
    done = run(kind, style, {**changes, "must_complete": True}, market)
    assert done.executed == changes["quantity"]


@each_strategy
@rounds
@given(changes=terms, market=markets)
def test_executions_and_rests_stay_below_the_participation_cap(
    kind: ExecutionStrategy, style: Style, changes: dict[str, Any], market: list[Second]
) -> None:
    capped = {**changes, "participation_cap": "0.3", "must_complete": False}
    done = run(kind, style, capped, market)
    for at, _ in done.fills:
        executed = sum(quantity for when, quantity in done.fills if when <= at)
        printed = sum(
            market[n].volume if n < len(market) else Second().volume for n in range(at // NANOS)
        )
        assert executed <= printed * 3 / 10
