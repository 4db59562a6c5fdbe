"""What is admitted is looked at under tighter limits as a decision under them would be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.limits import Limits, turnover_cap_usd
from fillwright.domain.overtaken import Admitted, beyond
from fillwright.domain.planning.facts import Planned, Refused, ShortFacts
from fillwright.domain.planning.planner import plan_decision
from fillwright.domain.ports import SellMark
from fillwright.domain.reasons import Reason
from fillwright.domain.tightening import tighter
from tests.domain.planning_cases import INSTRUCTION, a_decision, a_market, a_usage, some_facts

D = Decimal
AT_EACH_LIMIT: list[tuple[dict[str, Any], Reason]] = [
    ({"restricted": ("IBM",)}, Reason.RESTRICTED),
    ({"collar_bps_max": D(5)}, Reason.PRICE_COLLAR),
    ({"order_value_usd_max": D(20_000)}, Reason.ORDER_VALUE),
    ({"order_quantity_max": D(100)}, Reason.ORDER_QUANTITY),
    ({"adv_fraction_max": D("0.001")}, Reason.ADV_FRACTION),
    ({"slippage_bps_max": D(5)}, Reason.MAX_SLIPPAGE),
    ({"position_pct_max": D(2)}, Reason.POSITION_SIZE),
    ({"turnover_pct_max": D(2)}, Reason.DAILY_TURNOVER),
]
COVERED = {reason for _, reason in AT_EACH_LIMIT}
WIDE = Limits(version=3)


def facts(limits: Limits, **more: Any) -> Any:
    return some_facts(limits=limits, market=a_market(average_daily_volume=D(100_000)), **more)


def admitted(limits: Limits, weight: str = "3", executed: int = 0, **more: Any) -> Admitted:
    """The decision under the limits that it was admitted by, looked at under others."""
    known = facts(WIDE, **more)
    made = plan_decision(a_decision(weight=weight), known, INSTRUCTION)
    assert isinstance(made, Planned), made
    used = known.usage.turnover_usd + made.reservation.turnover_usd
    return Admitted(
        names=("IBM",),
        plan=made.terms,
        checks={check.name: check for check in made.checks},
        left=made.terms.quantity - executed,
        reduces=False,
        turnover_usd=used,
        turnover_cap_usd=turnover_cap_usd(limits, known.usage),
    )


@pytest.mark.parametrize(("change", "reason"), AT_EACH_LIMIT)
def test_what_is_left_fails_each_limit_that_a_decision_would_be_refused_by(
    change: dict[str, Any], reason: Reason
) -> None:
    limits = WIDE.model_copy(update={**change, "version": 4})
    refused = plan_decision(a_decision(), facts(limits), INSTRUCTION)
    assert isinstance(refused, Refused)
    assert [one.reason for one in refused.refusals] == [reason]
    found = beyond(admitted(limits), limits)
    assert found is not None
    assert not found.passed
    assert found.limit_version == 4


@given(
    turnover=st.integers(1, 10),
    position=st.integers(1, 10),
    value=st.integers(10_000, 60_000),
    quantity=st.integers(50, 600),
    restricted=st.booleans(),
    used=st.integers(0, 100_000),
)
def test_whole_it_fails_exactly_when_the_same_decision_would_be_refused(
    turnover: int, position: int, value: int, quantity: int, restricted: bool, used: int
) -> None:
    asked = Limits(
        turnover_pct_max=D(turnover),
        position_pct_max=D(position),
        order_value_usd_max=D(value),
        order_quantity_max=D(quantity),
        restricted=("IBM",) if restricted else (),
    )
    limits = tighter(WIDE, asked).model_copy(update={"version": 4})
    usage = a_usage(turnover_usd=D(used))
    again = plan_decision(a_decision(), facts(limits, usage=usage), INSTRUCTION)
    is_refused = isinstance(again, Refused)
    assert (beyond(admitted(limits, usage=usage), limits) is not None) == is_refused
    assert beyond(admitted(WIDE, usage=usage), WIDE) is None, "its own limits it passes"


def test_of_one_order_only_what_is_left_counts() -> None:
    limits = WIDE.model_copy(update={"order_quantity_max": D(100), "version": 4})
    assert beyond(admitted(limits, executed=199), limits) is not None
    assert beyond(admitted(limits, executed=200), limits) is None
    value = WIDE.model_copy(update={"order_value_usd_max": D(10_010), "version": 4})
    assert beyond(admitted(value, executed=199), value) is not None
    assert beyond(admitted(value, executed=200), value) is None


def test_turnover_that_others_freed_again_ends_nothing() -> None:
    limits = WIDE.model_copy(update={"turnover_pct_max": D(2), "version": 4})
    made = admitted(limits)
    at_cap = Admitted(
        made.names,
        made.plan,
        made.checks,
        made.left,
        made.reduces,
        turnover_usd=made.turnover_cap_usd,
        turnover_cap_usd=made.turnover_cap_usd,
    )
    assert beyond(at_cap, limits) is None


def test_what_lowers_a_position_ends_in_a_restricted_name_alone() -> None:
    tight = WIDE.model_copy(update={"order_quantity_max": D(1), "version": 4})
    made = admitted(tight)
    lowering = Admitted(
        made.names,
        made.plan,
        made.checks,
        made.left,
        True,
        made.turnover_usd,
        made.turnover_cap_usd,
    )
    assert beyond(lowering, tight) is None
    named = tight.model_copy(update={"restricted": ("IBM",)})
    assert beyond(lowering, named) is not None


def test_a_short_sale_ends_when_shorting_is_taken_back_and_its_long_part_is_sold() -> None:
    allowed = WIDE.model_copy(update={"allow_short": True})
    known = facts(allowed, position=D(100), short=ShortFacts(shortable=True, price_test=False))
    made = plan_decision(a_decision("SELL", None, order_size=D(150)), known, INSTRUCTION)
    assert isinstance(made, Planned), made
    assert made.terms.short_mark is SellMark.SHORT
    checks = {check.name: check for check in made.checks}
    admitted = Admitted(("IBM",), made.terms, checks, made.terms.quantity, False, D(0), D(1))
    assert beyond(admitted, allowed) is None
    found = beyond(admitted, WIDE)
    assert found is not None
    assert found.name == "short_sale"


def test_an_order_without_a_bound_ends_when_a_bound_is_asked_for() -> None:
    known = facts(WIDE)
    decision = a_decision(max_slippage_bps=None)
    made = plan_decision(decision, known, INSTRUCTION)
    assert isinstance(made, Planned), made
    checks = {check.name: check for check in made.checks}
    one = Admitted(("IBM",), made.terms, checks, made.terms.quantity, False, D(0), D(1))
    assert beyond(one, WIDE) is None
    found = beyond(one, WIDE.model_copy(update={"allow_no_bound": False}))
    assert found is not None
    assert found.name == "max_slippage"


def test_a_name_counts_under_what_it_was_called_before() -> None:
    made = admitted(WIDE)
    renamed = Admitted(
        ("IBM", "CTR"),
        made.plan,
        made.checks,
        made.left,
        False,
        made.turnover_usd,
        made.turnover_cap_usd,
    )
    found = beyond(renamed, WIDE.model_copy(update={"restricted": ("CTR",)}))
    assert found is not None
    assert found.note == "CTR"
