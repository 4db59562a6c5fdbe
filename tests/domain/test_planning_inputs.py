"""What is kept of a decision's facts plans it again, whatever the facts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.decision import Decision, ExecutionUrgency, TradeAction
from fillwright.domain.limits import SymbolUsage
from fillwright.domain.planning.facts import Facts, ShortFacts, Timing
from fillwright.domain.planning.inputs import PlanningInputs, inputs_of, is_recordable
from fillwright.domain.planning.planner import plan_decision

from .planning_cases import a_decision, some_facts

ID = UUID(int=7)


def again(asked: Decision, given_facts: Facts) -> object:
    """The outcome of planning from what is stored and read back."""
    kept = inputs_of(asked, given_facts)
    read = PlanningInputs.model_validate_json(kept.model_dump_json())
    assert read == kept
    known = read.facts(given_facts.account_id, asked, given_facts.limits, given_facts.rules)
    return plan_decision(read.decision(asked), known, ID)


amounts = st.decimals(0, 1_000_000, places=2)
counts = st.integers(0, 60)


@given(
    st.sampled_from(list(TradeAction)),
    st.sampled_from(list(ExecutionUrgency)),
    st.decimals(0, 9, places=2),
    st.builds(
        SymbolUsage,
        buy_leaves=amounts,
        sell_leaves=amounts,
        unreflected=amounts,
        bought=amounts,
        busted_bought=amounts,
        unsettled=st.booleans(),
    ),
    counts,
    amounts,
    st.integers(-200, 30_000),
    st.booleans(),
)
def test_planning_again_from_what_is_kept_gives_the_same(
    action: TradeAction,
    urgency: ExecutionUrgency,
    weight: Decimal,
    own: SymbolUsage,
    used: int,
    turnover: Decimal,
    shift_seconds: int,
    identified: bool,
) -> None:
    base = some_facts()
    asked = a_decision(action.value, str(weight), urgency=urgency)
    now = base.now + shift_seconds * 1_000_000_000
    usage = replace(
        base.usage,
        trades=used,
        turnover_usd=turnover,
        symbols={asked.symbol: own, "OTHER": SymbolUsage(buy_leaves=Decimal(9))},
        recent={asked.content_hash(): now - 5_000_000_000, "else": now},
        admitted_at=tuple(now - 90_000_000_000 + n * 2_000_000_000 for n in range(used)),
        killed=frozenset({f"symbol:{asked.symbol}"}) if used % 7 == 0 else frozenset(),
    )
    known = replace(
        base,
        now=now,
        usage=usage,
        identified=identified,
        timing=Timing(None, Decimal("1.25"), now + 60_000_000_000 if used % 3 else None, "rule"),
        short=ShortFacts(shortable=True, price_test=False),
    )
    assert again(asked, known) == plan_decision(asked, known, ID)


def test_figures_that_are_no_numbers_are_not_kept() -> None:
    base = some_facts()
    assert is_recordable(base)
    broken = replace(base, account=replace(base.account, equity=Decimal("NaN")))
    assert not is_recordable(broken)


def test_a_netted_size_is_part_of_what_is_kept() -> None:
    asked = a_decision()
    netted = asked.model_copy(update={"order_size": Decimal(40)})
    kept = inputs_of(netted, some_facts(), order_size=Decimal(40), note="netted")
    assert kept.decision(asked) == netted
