"""When a working plan changes its ways, rule by rule, at both sides of each threshold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillwright.domain.decision import ExecutionStrategy, Style
from fillwright.domain.events.upcasting import UPCASTERS
from fillwright.domain.market import MarketState
from fillwright.domain.plan import PlanTerms
from fillwright.domain.strategies.contract import InstructionView
from fillwright.domain.switching import Progressed, Switch, SwitchingRules, reassess
from tests.domain.strategies.cases import market_of, plan_of, seconds, view_of

D = Decimal
NOW = 400


def smart(strategy: ExecutionStrategy = ExecutionStrategy.TWAP, **changes: Any) -> PlanTerms:
    return plan_of(strategy, style=Style.SMART, **changes)


def on_schedule() -> InstructionView:
    return view_of(executed=500)


def market(at: float = NOW, **changes: Any) -> MarketState:
    return market_of(at=at).model_copy(update=changes)


def found(
    plan: PlanTerms,
    state: MarketState,
    *,
    before: str | None = None,
    half_spread: str | None = None,
    **rules: Any,
) -> Switch | None:
    progressed = Progressed(
        0,
        None,
        None if half_spread is None else D(half_spread),
        None if before is None else D(before),
    )
    return reassess(plan, on_schedule(), state, progressed, SwitchingRules(**rules))


@pytest.mark.parametrize(
    ("seen", "before", "fires"),
    [
        ("40", None, False),
        ("40.1", None, True),
        ("20", "5", False),
        ("20.1", "5", True),
        ("10", "0.1", False),
        ("10.1", "0.1", True),
        ("40.1", "39", True),
        ("39", "39", False),
    ],
)
def test_volatility_jumps_against_what_it_was_and_in_itself(
    seen: str, before: str | None, fires: bool
) -> None:
    switch = found(smart(), market(volatility_bps=D(seen)), before=before)
    assert (switch is not None) is fires
    if switch is not None:
        assert switch.rule == "volatility_jump"
        assert switch.plan.parameters.band_fraction == 0


def closing(left_seconds: int) -> MarketState:
    return market(session_close=seconds(NOW + left_seconds))


@pytest.mark.parametrize(("left", "fires"), [(401, False), (400, True)])
def test_a_plan_that_ends_with_the_session_is_hurried_in_its_last_minutes(
    left: int, fires: bool
) -> None:
    plan = smart(end=NOW + left)
    switch = found(plan, closing(left), close_seconds=400)
    assert (switch is not None) is fires
    if switch is not None:
        assert switch.rule == "close_approaching"
        assert (switch.observed, switch.threshold) == ("400 s to the close", "400 s")
        assert switch.plan.end_at == plan.end_at
        assert switch.plan.parameters.band_fraction == 0


@pytest.mark.parametrize(("end", "fires"), [(739, False), (740, True)])
def test_a_plan_that_ends_well_before_the_close_is_left_alone(end: int, fires: bool) -> None:
    switch = found(smart(end=end), closing(400), close_seconds=400)
    assert (switch is not None) is fires


@pytest.mark.parametrize(
    ("plan", "becomes"),
    [
        (smart(ExecutionStrategy.OPPORTUNISTIC), ExecutionStrategy.TWAP),
        (smart(ExecutionStrategy.ICEBERG), ExecutionStrategy.TWAP),
        (smart(ExecutionStrategy.OPPORTUNISTIC, complete_at_deadline=False), None),
        (smart(ExecutionStrategy.LIMIT), None),
        (plan_of(ExecutionStrategy.TWAP), None),
        (smart(band_fraction=D(0)), None),
    ],
)
def test_only_what_must_trade_and_waits_is_hurried(
    plan: PlanTerms, becomes: ExecutionStrategy | None
) -> None:
    switch = found(plan, closing(400), close_seconds=400)
    assert (None if switch is None else switch.plan.strategy) is becomes
    if switch is not None:
        assert switch.plan.style is Style.SMART


def test_zero_seconds_leave_the_close_alone() -> None:
    assert found(smart(), closing(400), close_seconds=0) is None


def test_rules_of_before_go_on_without_what_they_did_not_know() -> None:
    stored = SwitchingRules().model_dump(mode="json")
    older = {k: v for k, v in stored.items() if k not in ("volatility_multiple", "close_seconds")}
    rules = SwitchingRules(**UPCASTERS["RulesInForce", 1]({"switching": older})["switching"])
    given = rules.model_dump()
    assert found(smart(), closing(400), **given) is None
    assert found(smart(), market(volatility_bps=D(40)), before="0.1", **given) is None
    switch = found(smart(), market(volatility_bps=D(41)), before="0.1", **given)
    assert switch is not None
    assert switch.rule == "volatility_jump"
