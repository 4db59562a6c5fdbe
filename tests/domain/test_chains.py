"""Chains: what is left of a decision goes on in the next session, and no share twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.domain.chains import Link, following, share_of_today
from fillwright.domain.decision import Decision, TradeAction
from fillwright.domain.intake import Intake, IntakeRules, read_decision
from fillwright.domain.reasons import EndReason, Reason
from fillwright.domain.states import InstructionState

D = Decimal
RULES = IntakeRules()
BOUGHT = {"symbol": "BAC", "action": "BUY", "target_weight": 3, "sessions": 3, "decision_id": "pm"}


def read(**fields: Any) -> Decision:
    intake = read_decision(BOUGHT | fields, rules=RULES)
    assert isinstance(intake, Intake), intake
    return intake.decision


def link(decision: Decision, **changes: Any) -> Link:
    given: dict[str, Any] = {
        "root": "pm",
        "number": 1,
        "session_date": "2024-06-12",
        "state": InstructionState.FILLED,
        "executed": D(100),
    }
    return Link(decision=decision, **(given | changes))


def test_the_next_link_says_the_same_with_a_day_less() -> None:
    first = read(max_slippage=25, window="30m", strategy="twap", urgency="high", peg=True)
    raw = following(link(first))
    assert raw is not None
    assert raw["decision_id"] == "pm/2"
    second = read_decision(raw, rules=RULES)
    assert isinstance(second, Intake)
    expected = first.model_copy(update={"sessions": 2, "parent_id": "pm"})
    assert second.decision == expected


@pytest.mark.parametrize("root", ["a b#0", "x" * 200, "7"])
def test_every_id_that_a_decision_may_have_can_be_taken_on(root: str) -> None:
    raw = following(link(read(decision_id=root), root=root))
    assert raw is not None
    second = read_decision(raw, rules=RULES)
    assert isinstance(second, Intake)
    assert second.decision.parent_id == root
    assert second.decision_id != root


def test_no_bound_stays_no_bound() -> None:
    raw = following(link(read(max_slippage="none")))
    assert raw is not None
    assert raw["max_slippage"] == "none"


def test_what_a_day_could_not_trade_of_a_size_is_left_for_the_others() -> None:
    sized = read(target_weight=None, order_size=300)
    raw = following(link(sized, executed=D(40)))
    assert raw is not None
    assert raw["order_size"] == "260"
    assert following(link(sized, executed=D(300))) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"state": InstructionState.NO_CHANGE},
        {"state": InstructionState.REJECTED},
        {"state": InstructionState.CANCELLED, "end_reason": EndReason.USER},
        {"state": InstructionState.CANCELLED, "end_reason": EndReason.KILL_SWITCH},
    ],
)
def test_a_chain_ends_where_its_reason_does(changes: dict[str, Any]) -> None:
    assert following(link(read(), **changes)) is None


def test_a_later_day_that_was_refused_leaves_its_shares_for_the_days_after() -> None:
    refused = link(read(sessions=2), number=2, state=InstructionState.REJECTED, executed=D(0))
    raw = following(refused)
    assert raw is not None
    assert (raw["decision_id"], raw["sessions"]) == ("pm/3", 1)
    assert following(link(read(sessions=1), number=3)) is None


@given(quantity=st.integers(1, 10**9), sessions=st.integers(1, 60), step=st.integers(1, 100))
def test_the_days_together_trade_all_of_it_and_never_more(
    quantity: int, sessions: int, step: int
) -> None:
    left = whole = D(quantity * step)
    for remaining in range(sessions, 0, -1):
        if not left:
            break
        today = share_of_today(left, remaining, D(step))
        assert 0 < today <= left
        assert today % step == 0
        assert abs(today - left / remaining) <= step
        left -= today
    assert left == 0
    assert whole > 0


@pytest.mark.parametrize("action", [TradeAction.ADD, TradeAction.TRIM])
def test_half_of_what_is_held_is_no_aim_for_several_days(action: TradeAction) -> None:
    raw = BOUGHT | {"action": action, "target_weight": None}
    refused = read_decision(raw, rules=RULES)
    assert isinstance(refused, tuple)
    assert [one.reason for one in refused] == [Reason.TARGET_REQUIRED]


@pytest.mark.parametrize("sessions", [0, 61, 1.5, "many"])
def test_a_number_of_sessions_that_is_none_names_the_range(sessions: object) -> None:
    refused = read_decision(BOUGHT | {"sessions": sessions}, rules=RULES)
    assert isinstance(refused, tuple)
    assert refused[0].field == "sessions"
    assert "1 to 60" in refused[0].allowed
