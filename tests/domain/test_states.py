"""Both lifecycles: the rows, the tables compiled from them, and the machines declared from them."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transitions import MachineError

from fillwright.domain.errors import IllegalTransition, InvariantBroken
from fillwright.domain.lifecycle import compile_table, rows
from fillwright.domain.states import (
    INSTRUCTION_ROWS,
    INSTRUCTION_TABLE,
    INSTRUCTION_TERMINAL,
    ORDER_ENDED,
    ORDER_ROWS,
    ORDER_TABLE,
    PRECEDENCE,
    InstructionState,
    InstructionTrigger,
    OrderState,
    OrderTrigger,
    can,
    can_order,
    instruction_machine,
    next_instruction_state,
    next_order_state,
    order_machine,
)

COMMANDS = frozenset(
    {
        InstructionTrigger.REFUSE,
        InstructionTrigger.NOTHING_TO_DO,
        InstructionTrigger.RELEASE,
        InstructionTrigger.CANCEL,
        InstructionTrigger.ALL_ORDERS_REFUSED,
    }
)
MARKET = frozenset(
    {InstructionTrigger.LATE_FILL, InstructionTrigger.BUST, InstructionTrigger.CORRECT}
)


class Model:
    """What a transitions machine moves; made for one step and dropped."""

    state: str


def after_machine(machine: Any, state: StrEnum, trigger: StrEnum) -> str | None:
    """The state that the machine moves a model to, None where it refuses."""
    model = Model()
    machine.add_model(model, initial=str(state))
    try:
        getattr(model, str(trigger))()
    except MachineError:
        assert model.state == str(state)
        return None
    finally:
        machine.remove_model(model)
    return model.state


def test_table_and_machine_of_the_instruction_agree_on_every_pair() -> None:
    machine = instruction_machine()
    for state in InstructionState:
        for trigger in InstructionTrigger:
            assert after_machine(machine, state, trigger) == INSTRUCTION_TABLE.get((state, trigger))


def test_table_and_machine_of_the_order_agree_on_every_pair() -> None:
    machine = order_machine()
    for state in OrderState:
        for trigger in OrderTrigger:
            assert after_machine(machine, state, trigger) == ORDER_TABLE.get((state, trigger))


@given(st.lists(st.sampled_from(InstructionTrigger), max_size=30))
def test_table_and_machine_agree_along_any_path(triggers: list[InstructionTrigger]) -> None:
    machine = instruction_machine()
    state = InstructionState.PLANNED
    for trigger in triggers:
        reached = after_machine(machine, state, trigger)
        assert reached == INSTRUCTION_TABLE.get((state, trigger))
        state = INSTRUCTION_TABLE.get((state, trigger), state)


@given(st.lists(st.sampled_from(OrderTrigger), max_size=30))
def test_the_order_machine_agrees_along_any_path(triggers: list[OrderTrigger]) -> None:
    machine = order_machine()
    state = OrderState.INTENDED
    for trigger in triggers:
        assert after_machine(machine, state, trigger) == ORDER_TABLE.get((state, trigger))
        state = ORDER_TABLE.get((state, trigger), state)


def test_a_machine_is_shared_and_keeps_no_model() -> None:
    assert instruction_machine() is instruction_machine()
    assert order_machine() is order_machine()
    assert not instruction_machine().models
    assert not order_machine().models


def test_importing_the_lifecycles_does_not_import_transitions() -> None:
    code = "import sys, fillwright.domain.orders; sys.exit('transitions' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_instruction_states_are_the_seven_and_nothing_else() -> None:
    assert [str(state) for state in InstructionState] == [
        "planned",
        "working",
        "partially_filled",
        "filled",
        "cancelled",
        "no_change",
        "rejected",
    ]


def test_every_row_says_why() -> None:
    reasons = [row.why for row in INSTRUCTION_ROWS] + [row.why for row in ORDER_ROWS]
    assert all(reason.strip() for reason in reasons)


def test_every_state_is_reached_and_every_trigger_is_used() -> None:
    reached = {row.target for row in INSTRUCTION_ROWS} | {InstructionState.PLANNED}
    assert reached == set(InstructionState)
    assert {row.trigger for row in INSTRUCTION_ROWS} == set(InstructionTrigger)
    assert {row.target for row in ORDER_ROWS} == set(OrderState) - {OrderState.INTENDED}
    assert {row.trigger for row in ORDER_ROWS} == set(OrderTrigger)


def test_two_rows_for_one_pair_are_a_bug() -> None:
    state, trigger = InstructionState.PLANNED, InstructionTrigger.REFUSE
    twice = rows([state, state], trigger, InstructionState.REJECTED, "once too often")
    with pytest.raises(InvariantBroken, match="two rows"):
        compile_table(twice)


@pytest.mark.parametrize("state", sorted(INSTRUCTION_TERMINAL))
def test_no_command_leaves_a_terminal_state(state: InstructionState) -> None:
    assert not any(can(state, trigger) for trigger in COMMANDS)
    with pytest.raises(IllegalTransition, match=f"{state} cannot cancel"):
        next_instruction_state(state, InstructionTrigger.CANCEL)


@pytest.mark.parametrize("state", sorted(INSTRUCTION_TERMINAL))
def test_a_terminal_state_keeps_its_name_whatever_the_market_adds(state: InstructionState) -> None:
    assert {next_instruction_state(state, trigger) for trigger in MARKET} == {state}


def test_an_instruction_runs_from_planned_to_filled() -> None:
    state = InstructionState.PLANNED
    for trigger in ("release", "fill_part", "fill_part", "fill_all"):
        state = next_instruction_state(state, InstructionTrigger(trigger))
    assert state is InstructionState.FILLED


@pytest.mark.parametrize("state", ["planned", "working", "partially_filled"])
def test_an_open_instruction_can_be_cancelled(state: str) -> None:
    reached = next_instruction_state(InstructionState(state), InstructionTrigger.CANCEL)
    assert reached is InstructionState.CANCELLED


def test_a_partly_filled_instruction_is_not_rejected() -> None:
    assert not can(InstructionState.PARTIALLY_FILLED, InstructionTrigger.ALL_ORDERS_REFUSED)
    assert can(InstructionState.WORKING, InstructionTrigger.ALL_ORDERS_REFUSED)


def test_an_order_step_without_a_row_is_refused_to_our_own_commands() -> None:
    assert can_order(OrderState.INTENDED, OrderTrigger.WITHDRAW)
    with pytest.raises(IllegalTransition, match="new cannot withdraw"):
        next_order_state(OrderState.NEW, OrderTrigger.WITHDRAW)


def test_every_order_state_takes_a_fill() -> None:
    """The market may do what we would forbid: there is a row for a fill in every state."""
    without = {
        state
        for state in OrderState
        if not can_order(state, OrderTrigger.FILL_ALL)
        or not (can_order(state, OrderTrigger.FILL_PART) or state is OrderState.FILLED)
    }
    assert without == set()


def test_an_unknown_outcome_ends_nothing() -> None:
    for state in OrderState:
        reached = next_order_state(state, OrderTrigger.LOSE)
        assert reached in (state, OrderState.INDETERMINATE)
        assert reached not in ORDER_ENDED or state in ORDER_ENDED


def test_precedence_covers_every_state() -> None:
    assert set(PRECEDENCE) == set(OrderState)
